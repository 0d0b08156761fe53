"""Crops travel in shards, and can be made in parts on several machines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.preparation.copies.pull_crops import PULLED, pull_crops
from static_gesture_classification.preparation.copies.push_crops import push_crops
from static_gesture_classification.preparation.copies.shards import CopySettings
from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.samples import write_samples

Dataset = Callable[[int], tuple[pd.DataFrame, Path]]
SIZE = 128  # 21 crops to a shard of 1 MiB


def settings(**others: object) -> CropSettings:
    return CropSettings.check({"size": SIZE, "margin": 0.15, "max_rejected_share": 0, **others}, "crops")


def copy_at(folder: Path | str) -> CopySettings:
    return CopySettings(url=str(folder), shard_mib=1, transfers=2)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def made(dataset: Dataset, tmp_path: Path) -> Path:
    """A folder of crops in three shards."""
    _, table = dataset(50)
    build_crops(table, tmp_path / "crops", settings())
    return tmp_path / "crops"


def test_pulled_crops_are_those_that_were_pushed(made: Path, tmp_path: Path) -> None:
    pushed = push_crops(made, copy_at(tmp_path / "copy"))
    assert len(pushed.shards) == 3
    pull_crops(tmp_path / "elsewhere", copy_at(tmp_path / "copy"))
    assert digests(tmp_path / "elsewhere") == digests(made)


def test_only_shards_that_changed_travel(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(50)
    copy, made, elsewhere = copy_at(tmp_path / "copy"), tmp_path / "crops", tmp_path / "elsewhere"
    write_samples(table.iloc[:-3], index)
    build_crops(index, made, settings())
    first = push_crops(made, copy)
    pull_crops(elsewhere, copy)
    assert pull_crops(elsewhere, copy) == 0
    write_samples(table, index)  # the last shard becomes another
    build_crops(index, made, settings())
    second = push_crops(made, copy)
    assert second.shards[:2] == first.shards[:2]
    assert 0 < pull_crops(elsewhere, copy) < 1 << 20
    assert digests(elsewhere) == digests(made)


def test_interrupted_pull_goes_on_and_leaves_the_earlier_crops(made: Path, dataset: Dataset, tmp_path: Path) -> None:
    copy = copy_at(tmp_path / "copy").model_copy(update={"transfers": 1})
    elsewhere = tmp_path / "elsewhere"
    table, index = dataset(50)
    write_samples(table.iloc[40:].reset_index(drop=True), index)
    build_crops(index, elsewhere, settings())
    before = digests(elsewhere)
    shards = push_crops(made, copy).shards
    lost = tmp_path / "copy/shards" / f"{shards[-1].digest}.npy"
    kept = lost.read_bytes()
    lost.unlink()
    with pytest.raises(DataError, match=r"is missing; .*push again\. Earlier crops are untouched"):
        pull_crops(elsewhere, copy)
    assert {name: digest for name, digest in digests(elsewhere).items() if name != PULLED} == before
    lost.write_bytes(kept)
    fetched = pull_crops(elsewhere, copy)
    assert 0 < fetched < 1 << 20
    assert digests(elsewhere) == digests(made)


def test_damaged_shard_is_named_and_half_of_one_is_sent_again(made: Path, tmp_path: Path) -> None:
    copy = copy_at(tmp_path / "copy")
    shard = tmp_path / "copy/shards" / f"{push_crops(made, copy).shards[0].digest}.npy"
    shard.write_bytes(shard.read_bytes()[:-7] + b"changed")
    with pytest.raises(DataError, match=f"{shard.name} is damaged"):
        pull_crops(tmp_path / "elsewhere", copy)
    shard.write_bytes(shard.read_bytes()[:1000])
    push_crops(made, copy)
    pull_crops(tmp_path / "elsewhere", copy)
    assert digests(tmp_path / "elsewhere") == digests(made)


def test_without_a_copy_or_its_place_the_way_out_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gestures push-crops"):
        pull_crops(tmp_path / "crops", copy_at(tmp_path / "nothing"))
    (tmp_path / "store.json").write_text('{"size": 32, "shards": [{"digest": "../../etc", "rows": 1}], "tables": {}}')
    with pytest.raises(DataError, match=r"store\.json is damaged"):
        pull_crops(tmp_path / "crops", copy_at(tmp_path))


def test_crops_made_in_parts_are_those_made_at_once(made: Path, dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(50)
    folders = [tmp_path / f"part {number}" for number in (1, 2, 3)]
    for number, folder in enumerate(folders, 1):
        build_crops(index, folder, settings(part=f"{number}/3"))
    joined = build_crops(index, tmp_path / "joined", settings(parts=folders))
    assert joined.decoded_images == 0
    assert digests(tmp_path / "joined") == digests(made)


def test_part_that_cannot_be_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"crops\.part is '4/3'"):
        settings(part="4/3")
    _, index = dataset(5)
    with pytest.raises(DataError, match=r"of crops\.parts holds no crops of 128 x 128 pixels"):
        build_crops(index, tmp_path / "crops", settings(parts=[tmp_path / "empty"]))

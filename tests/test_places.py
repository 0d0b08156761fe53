"""Data at URLs read as on a disk; what cannot be reached stops the command."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_state import file_state, file_states
from static_gesture_classification.images import UnreadableImageError, image_header, read_image
from static_gesture_classification.places import RemotePath, is_url, locate
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import IndexSettings, index_sources
from static_gesture_classification.samples import read_samples
from static_gesture_classification.sources.contents import contents
from static_gesture_classification.sources.selection import Sources
from tests.support.composing import composed

# Sources that find, open and measure files in different ways.
ROOTS = {"hagrid": "hagrid_mini", "hands": "hands_mini"}
KEPT = ("hagrid_mini/annotations/*/ok.json", "hagrid_mini/ok/*", "hands_mini/Subject1/**/*.*")


@pytest.fixture
def bucket() -> Iterator[str]:
    """A storage in memory, empty before and after."""
    storage = fsspec.filesystem("memory")
    storage.store.clear()
    yield "memory://bucket"
    storage.store.clear()


def upload(folder: Path, url: str) -> None:
    storage, target = fsspec.core.url_to_fs(url)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        storage.pipe_file(f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def write_picture(path: Path, side: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def test_a_local_root_is_a_plain_path() -> None:
    assert type(locate("~/hands")) is type(Path())
    assert locate("~/hands") == Path.home() / "hands"
    assert not is_url("C:/hands")


def test_a_remote_path_answers_like_a_path(bucket: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "FIST/a.png")
    upload(tmp_path, f"{bucket}/hands")
    root: Any = locate(f"{bucket}/hands/")
    picture = root / "FIST/a.png"
    assert (picture.name, picture.suffix, picture.parent.name) == ("a.png", ".png", "FIST")
    assert root.is_dir()
    assert picture.is_file()
    assert not (root / "OKAY").exists()
    assert picture.read_bytes() == (tmp_path / "FIST/a.png").read_bytes()
    assert pickle.loads(pickle.dumps(picture)) == picture
    with pytest.raises(ValueError, match="can be read only"):
        picture.open("wb")


def test_an_image_at_a_url_is_read_as_on_a_disk(bucket: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "small.png")
    write_picture(tmp_path / "large.png", side=400)  # longer than what is read at once
    Image.open(tmp_path / "large.png").save(tmp_path / "large.jpg", quality=100)
    (tmp_path / "empty.jpg").touch()
    upload(tmp_path, bucket)
    for name in ("small.png", "large.png", "large.jpg"):
        remote = locate(f"{bucket}/{name}")
        assert image_header(remote) == image_header(tmp_path / name)
        assert np.array_equal(read_image(remote), read_image(tmp_path / name))
    for name, reason in {"empty.jpg": "the file is empty", "none.jpg": "the file is missing"}.items():
        with pytest.raises(UnreadableImageError, match=reason):
            read_image(locate(f"{bucket}/{name}"))


def test_the_state_of_a_remote_file_changes_with_its_contents(bucket: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 40)
    upload(tmp_path, bucket)
    before, listed = file_state(locate(f"{bucket}/a.png")), file_states([(bucket, "a.png"), (bucket, "none.png")])
    assert listed.tolist() == [list(before), [-1, -1]]
    write_picture(tmp_path / "a.png", 41)
    upload(tmp_path, bucket)
    assert file_state(locate(f"{bucket}/a.png")) != before
    assert file_states([(bucket, "a.png")])[0].tolist() != list(before)


def test_storage_that_cannot_be_reached_stops_the_command_and_costs_no_sample(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "a.png")
    upload(tmp_path, bucket)

    def fail(*_: object, **__: object) -> bytes:
        raise TimeoutError("no route to host")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fail)
    with pytest.raises(DataError, match=r"cannot read memory://bucket/a\.png \(no route to host\); check the address"):
        read_image(locate(f"{bucket}/a.png"))


def test_unknown_kind_of_url_is_named() -> None:
    with pytest.raises(UserError, match=r"cannot .*nowhere://hands"):
        locate("nowhere://hands").is_dir()


def small_copy(photographs: Path, folder: Path) -> dict[str, Path]:
    """A few images of each dataset, with their annotations."""
    for name in (each for parts in KEPT for each in sorted(photographs.glob(parts))):
        if name.suffix in (".json", ".txt") or name.stat().st_size % 29 == 0:
            target = folder / name.relative_to(photographs)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, target)
    return {name: folder / root for name, root in ROOTS.items()}


def indexed(roots: dict[str, str], output: Path) -> pd.DataFrame:
    chosen = [f"sources=[{','.join(roots)}]", *(f"sources.{name}.root='{root}'" for name, root in roots.items())]
    settings = IndexSettings.from_config(composed(*chosen))
    index_sources(settings.sources, settings.vocabulary, output, max_rejected_share=1)
    return read_samples(output / "samples.parquet")


def test_datasets_at_urls_give_the_samples_and_crops_of_the_same_files_on_a_disk(
    photographs: Path, bucket: str, tmp_path: Path
) -> None:
    folders = small_copy(photographs, tmp_path / "raw")
    upload(tmp_path / "raw", bucket)
    local = indexed({name: str(folder) for name, folder in folders.items()}, tmp_path / "local")
    remote = indexed({name: f"{bucket}/{root}" for name, root in ROOTS.items()}, tmp_path / "remote")
    assert set(local["source"]) == set(ROOTS)
    pd.testing.assert_frame_equal(remote.drop(columns="root"), local.drop(columns="root"))
    settings = CropSettings(size=32, margin=0.15, max_rejected_share=0.01)
    for name in ("local", "remote"):
        build_crops(tmp_path / name / "samples.parquet", tmp_path / name / "crops", settings)
    assert np.array_equal(open_crops(tmp_path / "remote/crops"), open_crops(tmp_path / "local/crops"))
    again = build_crops(tmp_path / "remote/samples.parquet", tmp_path / "remote/crops", settings)
    assert again.decoded_images == 0


def test_the_pipeline_sees_when_a_remote_dataset_changes(photographs: Path, bucket: str, tmp_path: Path) -> None:
    small_copy(photographs, tmp_path / "raw")
    upload(tmp_path / "raw", bucket)
    (source,) = Sources.from_config(composed("sources=[hagrid]", f"sources.hagrid.root={bucket}/hagrid_mini"))
    before = contents(source)
    assert contents(source) == before
    gone = next(path for path in fsspec.filesystem("memory").find("/bucket/hagrid_mini") if path.endswith(".jpg"))
    fsspec.filesystem("memory").rm(gone)
    assert contents(source) != before


def test_equal_urls_are_one_place() -> None:
    assert locate("s3://hands/a/") == RemotePath("s3://hands/a")
    assert hash(locate("s3://hands/a/")) == hash(RemotePath("s3://hands/a"))

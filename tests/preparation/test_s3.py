"""Data in a bucket of S3, read by the stages and by workers without a shared disk; crops pushed there and pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.places import locate
from static_gesture_classification.preparation.copies.pull_crops import pull_crops
from static_gesture_classification.preparation.copies.push_crops import push_crops
from static_gesture_classification.preparation.copies.shards import CopySettings
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import IndexSettings, index_sources
from static_gesture_classification.samples import read_samples, write_samples
from tests.support.composing import composed
from tests.support.s3_server import s3_server

pytestmark = pytest.mark.full

Dataset = Callable[[int], tuple[pd.DataFrame, Path]]
SETTINGS = CropSettings(size=32, margin=0.15, max_rejected_share=0)


@pytest.fixture
def bucket() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as url:
        yield url


def upload(folder: Path, url: str) -> None:
    import s3fs

    storage = s3fs.S3FileSystem()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        storage.pipe_file(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def test_annotations_and_images_are_read_from_a_bucket(photographs: Path, bucket: str, tmp_path: Path) -> None:
    root = tmp_path / "hagrid"
    for path in sorted((photographs / "hagrid_mini").rglob("ok*/*")) + sorted(
        (photographs / "hagrid_mini/annotations").rglob("ok.json")
    ):
        if path.suffix == ".json" or path.stat().st_size % 17 == 0:
            target = root / path.relative_to(photographs / "hagrid_mini")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    upload(root, f"{bucket}/hagrid")
    tables = []
    for name, place in {"local": str(root), "remote": f"{bucket}/hagrid"}.items():
        config = composed("sources=[hagrid]", f"sources.hagrid.root='{place}'")
        chosen = IndexSettings.from_config(config)
        index_sources(chosen.sources, chosen.vocabulary, tmp_path / name, max_rejected_share=1)
        tables.append(read_samples(tmp_path / name / "samples.parquet"))
        build_crops(tmp_path / name / "samples.parquet", tmp_path / name / "crops", SETTINGS)
    local, remote = tables
    assert len(local) >= 10
    pd.testing.assert_frame_equal(remote.drop(columns="root"), local.drop(columns="root"))
    assert np.array_equal(open_crops(tmp_path / "remote/crops"), open_crops(tmp_path / "local/crops"))
    again = build_crops(tmp_path / "remote/samples.parquet", tmp_path / "remote/crops", SETTINGS)
    assert again.decoded_images == 0


def test_crops_pushed_to_a_bucket_are_pulled_byte_by_byte(dataset: Dataset, bucket: str, tmp_path: Path) -> None:
    _, index = dataset(30)
    copy = CopySettings(url=f"{bucket}/crops", shard_mib=1, transfers=3)
    build_crops(index, tmp_path / "crops", SETTINGS.model_copy(update={"size": 160}))
    assert len(push_crops(tmp_path / "crops", copy).shards) > 1
    pull_crops(tmp_path / "elsewhere", copy)
    for path in (tmp_path / "crops").iterdir():
        assert (tmp_path / "elsewhere" / path.name).read_bytes() == path.read_bytes()


def test_a_bucket_that_is_not_there_or_gives_no_access_is_named(bucket: str, tmp_path: Path) -> None:
    assert not locate("s3://no-such-bucket/hands").is_dir()
    with pytest.raises(DataError, match="no-such-bucket"):
        pull_crops(tmp_path / "crops", CopySettings(url="s3://no-such-bucket/crops", shard_mib=1, transfers=1))


def test_server_that_is_gone_stops_the_crops_and_costs_no_sample(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, index = dataset(3)
    with s3_server(monkeypatch) as bucket:
        upload(tmp_path / "photos", f"{bucket}/photos")
        write_samples(table.assign(root=f"{bucket}/photos"), index)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(DataError, match=r"cannot read s3://hands/photos.*check the address, your keys and the network"):
        build_crops(index, tmp_path / "crops", SETTINGS.model_copy(update={"max_rejected_share": 1.0}))

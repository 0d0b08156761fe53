"""Data in a bucket of S3, read by the stages and by workers without a shared disk; results pushed there and pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from static_gesture_classification.errors import DataError
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.places import locate
from static_gesture_classification.preparation.copies.folders import DataCopySettings
from static_gesture_classification.preparation.copies.pull_crops import pull_crops
from static_gesture_classification.preparation.copies.pull_data import pull_data
from static_gesture_classification.preparation.copies.push_crops import push_crops
from static_gesture_classification.preparation.copies.push_data import push_data
from static_gesture_classification.preparation.copies.shards import CopySettings
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import IndexSettings, index_sources
from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.synthetic.dataset import SyntheticDataset
from static_gesture_classification.synthetic.generate import generate
from static_gesture_classification.training import crop_embeddings
from static_gesture_classification.training.models.hand_network import HandNetwork
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


def test_with_what_was_pushed_to_a_bucket_another_machine_computes_nothing_again(
    dataset: Dataset, hand_landmarker: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table = dataset(20)
    detector = ("landmarks.extract=always", f"detector.model.path='{hand_landmarker}'")
    config = composed(
        "synthetic.images=20", "synthetic.subjects=7", "synthetic.size=64", f"data_copy.url={bucket}/data", *detector
    )
    some = np.random.default_rng(0).integers(1, 255, (70, 32, 32, 3), np.uint8)
    computed, files = [], []
    for machine in ("first", "second"):
        (tmp_path / machine).mkdir()
        monkeypatch.chdir(tmp_path / machine)
        if machine == "second":
            pull_data(DataCopySettings.from_config(config))
            monkeypatch.setattr(crop_embeddings, "_embed", lambda *_, **__: pytest.fail("computed again"))
        taken = generate(SyntheticDataset.from_config(config), Path(config.sources.synthetic.root))
        report = build_landmarks(table, None, Path(config.paths.landmarks), LandmarkSettings.from_config(config))
        folder = DataCopySettings.from_config(config).folders["crop_embeddings"]
        torch.manual_seed(0)
        crop_embeddings.embed_crops(some, np.arange(70), HandNetwork(32), folder, "cpu", EngineSettings().build())
        push_data(DataCopySettings.from_config(config))
        computed.append((taken, report.extracted))
        made = [path for path in sorted(Path("data").rglob("*")) if path.is_file() and path.suffix != ".lock"]
        files.append({str(path): path.read_bytes() for path in made})
    assert computed[0] == (20, len(read_samples(table)))
    assert computed[1] == (0, 0)
    assert files[0] == files[1]


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

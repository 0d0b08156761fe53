import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.preparation.landmarks import (
    LandmarkSettings,
    build_landmarks,
)
from static_gesture_classification.preparation.looking import landmark_keys
from static_gesture_classification.preparation.publishing import MARKER
from static_gesture_classification.samples import read_samples, write_samples
from tests.support.photograph_table import sample, sample_table

Dataset = Callable[[int], tuple[pd.DataFrame, Path]]
OUTPUTS = ("landmarks.npy", "samples.parquet", "missed.csv", "rejected.csv", "report.json")
IMAGES = 12


@cache
def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


def settings(folder: Path, *overrides: str, extract: bool | None = None) -> LandmarkSettings:
    return with_values(LandmarkSettings.from_config(composed(*overrides), extract), cache=folder / "cache")


def with_values(settings: LandmarkSettings, **values: object) -> LandmarkSettings:
    return settings.model_copy(update=values)


@pytest.fixture
def extracting(project: Path, tmp_path: Path) -> LandmarkSettings:
    """Settings with MediaPipe's model."""
    model = project.parent / "shared" / "models" / "hand_landmarker.task"
    if not model.is_file():
        pytest.skip("MediaPipe's model file is not present at ../shared/models")
    return settings(tmp_path, f"detector.model.path={model}", extract=True)


def model_of(settings: LandmarkSettings) -> dict[str, str]:
    return settings.detector.node["model"]


def with_detector(settings: LandmarkSettings, **values: object) -> LandmarkSettings:
    return with_values(settings, detector=DetectorSettings(node={**settings.detector.node, **values}))


def without_images(settings: LandmarkSettings) -> CropSettings:
    """Crops of the same sources."""
    return CropSettings(size=32, margin=0.15, max_rejected_share=0.01, images_optional=settings.images_optional)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def hand(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.8, 42).astype(np.float32)


def published(root: Path, sizes: dict[str, tuple[int, int]], **other: object) -> pd.DataFrame:
    """One sample with landmarks for each image of a size; no file is made for a size of (0, 0)."""
    rows = []
    for number, (name, size) in enumerate(sizes.items()):
        if size != (0, 0):
            root.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size).save(root / name)
        row = sample("hagrid", root, name, (0.2, 0.2, 0.8, 0.8), "ONE", subject=f"person {number}", session=name)
        rows.append(row | {"landmarks": hand(number)} | other)
    return sample_table(rows)


def indexed(table: pd.DataFrame, folder: Path) -> Path:
    write_samples(table, folder / "index.parquet")
    return folder / "index.parquet"


def test_points_are_in_units_of_the_images_height(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"wide.png": (64, 32), "high.png": (30, 60)})
    build_landmarks(indexed(table, tmp_path), None, tmp_path / "out", settings(tmp_path))
    points, samples = open_landmarks(tmp_path / "out")
    assert samples["sample_id"].tolist() == table["sample_id"].tolist()
    for row, aspect in enumerate((2.0, 0.5)):
        marks = table["landmarks"][row].reshape(21, 2)
        assert np.allclose(points[row], marks * [aspect, 1], atol=1e-6)
    kept = read_samples(tmp_path / "out" / "samples.parquet")
    assert np.array_equal(np.stack(kept["landmarks"]), np.stack(table["landmarks"]))


def test_published_landmarks_need_neither_detector_nor_model(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"a.png": (40, 40)})
    absent = settings(tmp_path, "detector.model.path=nowhere.task", "detector.model.url=null", extract=True)
    report = build_landmarks(indexed(table, tmp_path), None, tmp_path / "out", absent)
    assert report.as_json()["published"] == 1


@pytest.mark.parametrize(
    "override", ["detector.second_look.rows=1", "detector.border=0", "detector.min_tracking_confidence=0.1"]
)
def test_landmarks_are_kept_for_the_settings_that_they_were_found_with(tmp_path: Path, override: str) -> None:
    content, boxes = np.zeros(2, "V16"), np.array([[0, 0, 1, 1], [0.2, 0.2, 0.8, 0.8]], np.float32)
    before = landmark_keys(content, boxes, settings(tmp_path).detector)
    assert (landmark_keys(content, boxes, settings(tmp_path).detector) == before).all()
    assert not (landmark_keys(content, boxes, settings(tmp_path, override).detector) == before).any()
    moved = settings(tmp_path, "detector.model.path=elsewhere.task")
    assert (landmark_keys(content, boxes, moved.detector) == before).all()


def test_a_detector_without_landmarks_is_refused_for_them(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"a.png": (40, 40)}, landmarks=None)
    without = settings(tmp_path, "detector=box", extract=True)
    with pytest.raises(UserError, match="finds no landmarks; use detector=hands"):
        build_landmarks(indexed(table, tmp_path), None, tmp_path / "out", without)


def test_the_detector_is_asked_only_where_the_model_sees_landmarks(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"a.png": (40, 40)}, landmarks=None)
    assert not settings(tmp_path).extract
    assert settings(tmp_path, "model=landmarks").extract
    assert not settings(tmp_path, "model=landmarks", "landmarks.extract=never").extract
    report = build_landmarks(indexed(table, tmp_path), None, tmp_path / "out", settings(tmp_path))
    assert report.as_json()["not_looked_for"] == 1
    assert np.isnan(open_landmarks(tmp_path / "out")[0]).all()


def test_hands_are_found_in_their_box_and_misses_recorded(
    dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path
) -> None:
    table, index = dataset(IMAGES)
    Image.new("RGB", (200, 100), "grey").save(tmp_path / "photos" / "empty.png")
    empty = sample("hagrid", tmp_path / "photos", "empty.png", (0.1, 0.1, 0.6, 0.9), "one")
    write_samples(pd.concat([table, sample_table([empty])], ignore_index=True), index)
    build_landmarks(index, None, tmp_path / "out", extracting)
    samples = read_samples(tmp_path / "out" / "samples.parquet")
    found = samples["landmarks"].notna()
    assert found.sum() >= 0.9 * len(table)
    assert not found.iloc[-1]
    missed = pd.read_csv(tmp_path / "out" / "missed.csv")
    assert missed["sample_id"].tolist() == samples.loc[~found, "sample_id"].tolist()
    assert missed["file"].iloc[-1].endswith("empty.png")
    assert missed["pixels"].iloc[-1] == 100
    for row in samples[found].itertuples():
        middle = row.landmarks.reshape(21, 2).mean(0)
        assert row.x1 - 0.05 <= middle[0] <= row.x2 + 0.05
        assert row.y1 - 0.05 <= middle[1] <= row.y2 + 0.05


def test_a_second_run_and_moved_images_look_for_nothing_again(
    dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path
) -> None:
    table, index = dataset(IMAGES)
    build_landmarks(index, None, tmp_path / "first", extracting)
    again = build_landmarks(index, None, tmp_path / "again", extracting)
    assert (again.extracted, again.images) == (0, 0)
    assert contents(tmp_path / "first") == contents(tmp_path / "again")
    shutil.move(tmp_path / "photos", tmp_path / "moved")
    write_samples(table.assign(root=str(tmp_path / "moved")), index)
    moved = build_landmarks(index, None, tmp_path / "after", extracting)
    assert moved.extracted == 0
    assert (tmp_path / "after" / "landmarks.npy").read_bytes() == (tmp_path / "first" / "landmarks.npy").read_bytes()


def test_only_new_boxes_images_and_detector_settings_are_looked_at(
    dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path
) -> None:
    table, index = dataset(IMAGES)
    write_samples(table.iloc[:-3], index)
    build_landmarks(index, None, tmp_path / "out", extracting)
    table.loc[0, "x2"] = np.float32(min(1.0, table["x2"][0] + 0.01))
    write_samples(table, index)
    assert build_landmarks(index, None, tmp_path / "out", extracting).extracted == 4
    shutil.copy(model_of(extracting)["path"], tmp_path / "same.task")
    elsewhere = with_detector(extracting, model={**model_of(extracting), "path": str(tmp_path / "same.task")})
    assert build_landmarks(index, None, tmp_path / "out", elsewhere).extracted == 0
    other = with_detector(extracting, min_presence_confidence=0.3)
    assert build_landmarks(index, None, tmp_path / "out", other).extracted == len(table)


@pytest.mark.concurrent
def test_a_killed_run_is_gone_on_with(dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path) -> None:
    _, index = dataset(60)
    build_landmarks(index, None, tmp_path / "whole", extracting)
    shutil.rmtree(tmp_path / "cache")
    program = (
        "import os, sys; from pathlib import Path;"
        "from hydra import compose, initialize_config_dir;"
        "from static_gesture_classification.configuration import CONF;"
        "from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks\n"
        "from static_gesture_classification.preparation.landmark_cache import ExtractedLandmarks\n"
        "add = ExtractedLandmarks.add\n"
        "def killed(*arguments): add(*arguments); os.killpg(0, 9)\n"
        "ExtractedLandmarks.add = killed\n"
        "with initialize_config_dir(str(CONF), version_base='1.3'): config = compose('config', sys.argv[3:])\n"
        "build_landmarks(Path(sys.argv[1]), None, Path(sys.argv[2]), LandmarkSettings.from_config(config, True))"
    )
    overrides = [f"landmarks.cache={tmp_path / 'cache'}", f"detector.model.path={model_of(extracting)['path']}"]
    command = [sys.executable, "-c", program, str(index), str(tmp_path / "out"), *overrides]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    assert killed.returncode == -9, killed.stderr
    for path in (tmp_path / "cache" / "extracted").glob("*.bin"):
        with path.open("ab") as file:
            file.write(b"torn")
    rest = build_landmarks(index, None, tmp_path / "out", extracting)
    assert 0 < rest.extracted < len(read_samples(index))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_cache_entry_is_extracted_anew(
    dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path
) -> None:
    _, index = dataset(6)
    build_landmarks(index, None, tmp_path / "whole", extracting)
    path = tmp_path / "cache" / "extracted" / "landmarks.bin"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert build_landmarks(index, None, tmp_path / "out", extracting).extracted == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_unreadable_images_are_rejected_up_to_a_share(
    dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path
) -> None:
    table, index = dataset(6)
    names = table["image"].unique()
    (tmp_path / "photos" / names[0]).write_bytes(b"no image")
    whole = (tmp_path / "photos" / names[1]).read_bytes()
    (tmp_path / "photos" / names[1]).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"(?s)have no usable image.*no image in a known format"):
        build_landmarks(index, None, tmp_path / "out", extracting)
    assert not (tmp_path / "out" / "landmarks.npy").exists()
    generous = with_values(extracting, max_rejected_share=0.9)
    build_landmarks(index, None, tmp_path / "out", generous)
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv")
    assert set(rejected["file"].str.rpartition("/")[2]) == {Path(name).name for name in names[:2]}
    assert len(open_landmarks(tmp_path / "out")[1]) == len(table) - len(rejected)


def test_splits_are_those_of_the_split_stage(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {f"{n}.png": (40, 40) for n in range(6)})
    splits = table.assign(split=["train", "val", "test", "", "train", "val"]).iloc[::-1].reset_index(drop=True)
    write_samples(splits, tmp_path / "splits.parquet")
    build_landmarks(indexed(table, tmp_path), tmp_path / "splits.parquet", tmp_path / "out", settings(tmp_path))
    assert open_landmarks(tmp_path / "out")[1]["split"].tolist() == ["train", "val", "test", "", "train", "val"]


def test_annotations_alone_are_enough(tmp_path: Path) -> None:
    optional = settings(tmp_path, "sources=[hagrid]", "sources.hagrid.require_images=false")
    table = published(tmp_path, {f"{n}.png": (0, 0) for n in range(30)})
    index = indexed(table, tmp_path)
    with pytest.raises(DataError, match="the file is missing"):
        build_landmarks(index, None, tmp_path / "out", settings(tmp_path, "sources=[hagrid]"))
    build_crops(index, tmp_path / "crops", without_images(optional))
    assert len(open_crops(tmp_path / "crops")) == 0
    build_landmarks(index, tmp_path / "crops" / "samples.parquet", tmp_path / "out", optional)
    points, samples = open_landmarks(tmp_path / "out")
    assert set(samples["split"]) == {"train", "val", "test"}
    marks = np.stack(table["landmarks"]).reshape(-1, 21, 2)
    assert np.allclose(points, marks * [optional.aspect_without_image, 1], atol=1e-6)


def test_whoever_is_split_already_stays_there_without_an_image_too(tmp_path: Path) -> None:
    optional = settings(tmp_path, "sources=[hagrid]", "sources.hagrid.require_images=false")
    with_image = published(tmp_path / "photos", {f"{n}.png": (40, 40) for n in range(6)})
    without = published(tmp_path / "photos", {f"gone {n}.png": (0, 0) for n in range(6)}, split="train")
    index = indexed(pd.concat([with_image, without], ignore_index=True), tmp_path)
    build_crops(index, tmp_path / "crops", without_images(optional))
    assert len(open_crops(tmp_path / "crops")) == 6
    sides = ["train", "val", "test", "", "train", "val"]
    write_samples(with_image.assign(split=sides), tmp_path / "splits.parquet")
    build_landmarks(index, tmp_path / "splits.parquet", tmp_path / "out", optional)
    assert open_landmarks(tmp_path / "out")[1]["split"].tolist() == sides + sides


def test_a_detector_without_landmarks_and_bad_values_are_named(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(2)
    with pytest.raises(UserError, match="detector=hands"):
        build_landmarks(index, None, tmp_path / "out", settings(tmp_path, "detector=box", extract=True))
    for override in ("landmarks.extract=perhaps", "landmarks.aspect_without_image=0", "landmarks.max_rejected_share=2"):
        with pytest.raises(UserError, match=override.partition("=")[0]):
            settings(tmp_path, override)


def test_earlier_landmarks_survive_what_goes_wrong(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"a.png": (40, 40)})
    index = indexed(table, tmp_path)
    build_landmarks(index, None, tmp_path / "out", settings(tmp_path))
    before = contents(tmp_path / "out")
    (tmp_path / "photos" / "a.png").unlink()
    with pytest.raises(DataError):
        build_landmarks(index, None, tmp_path / "out", settings(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        build_landmarks(
            indexed(published(tmp_path / "photos", {"b.png": (4, 4)}), tmp_path),
            None,
            tmp_path / "file" / "out",
            settings(tmp_path),
        )
    assert contents(tmp_path / "out") == before
    (tmp_path / "out" / MARKER).write_text("")
    with pytest.raises(DataError, match="repeat it"):
        open_landmarks(tmp_path / "out")


def test_damaged_landmarks_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the landmarks stage"):
        open_landmarks(tmp_path)
    np.save(tmp_path / "landmarks.npy", np.zeros((2, 21, 3), np.float32))
    with pytest.raises(DataError, match=r"not float32 \(n, 21, 2\)"):
        open_landmarks(tmp_path)
    np.save(tmp_path / "landmarks.npy", np.zeros((2, 21, 2), np.float32))
    write_samples(published(tmp_path, {"a.png": (4, 4)}), tmp_path / "samples.parquet")
    with pytest.raises(DataError, match="2 rows"):
        open_landmarks(tmp_path)


def test_what_many_runs_have_found_is_kept(dataset: Dataset, extracting: LandmarkSettings, tmp_path: Path) -> None:
    table, index = dataset(10)
    for count in range(1, len(table) + 1):
        write_samples(table.iloc[:count], index)
        build_landmarks(index, None, tmp_path / "out", extracting)
    assert build_landmarks(index, None, tmp_path / "again", extracting).extracted == 0


def test_an_image_with_a_rotation_in_its_header_counts_as_it_is_seen(tmp_path: Path) -> None:
    table = published(tmp_path / "photos", {"turned.jpg": (40, 20)})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "photos" / "turned.jpg", exif=exif)
    build_landmarks(indexed(table, tmp_path), None, tmp_path / "out", settings(tmp_path))
    points, _ = open_landmarks(tmp_path / "out")
    assert np.allclose(points[0, :, 0], 0.5 * table["landmarks"][0].reshape(21, 2)[:, 0], atol=1e-6)

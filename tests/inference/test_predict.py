import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predict import main
from static_gesture_classification.opencv import cv2
from tests.inference.conftest import VOCABULARY

Made = Callable[[str], Path]
Table = list[dict[str, str]]


@pytest.fixture
def predict(project: Path, hand_landmarker: Path, checkpoint: Made) -> Callable[..., None]:
    """The command, with overrides."""

    def run(*overrides: str, model: str = "landmarks") -> None:
        settings = [f"predict.checkpoint={checkpoint(model)}", "trainer.accelerator=cpu", "trainer.threads=1"]
        if model == "landmarks":
            settings.append(f"detector.model.path={hand_landmarker}")
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            config = compose("config", [*settings, *overrides])
        main.__wrapped__(config)  # type: ignore[attr-defined]

    return run


@pytest.fixture
def palms(photographs: Path, tmp_path: Path) -> Path:
    """A folder with a palm, a palm in a folder below, a grey picture, and half a picture."""
    first, second = sorted((photographs / "hagrid_people" / "palm").iterdir())[1:3]
    folder = tmp_path / "photos"
    (folder / "more" / "of them").mkdir(parents=True)
    shutil.copy(first, folder / "palm.jpg")
    shutil.copy(second, folder / "more" / "of them" / "palm.jpg")
    Image.new("RGB", (320, 240), (90, 90, 90)).save(folder / "grey.png")
    (folder / "half.jpg").write_bytes(first.read_bytes()[:3000])
    return folder


def read(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_folder_gives_one_row_per_hand(predict: Callable[..., None], palms: Path, tmp_path: Path) -> None:
    predict(f"predict.input={palms}", f"predict.output={tmp_path / 'hands.csv'}")
    rows = read(tmp_path / "hands.csv")
    assert list(rows[0]) == ["image", "x1", "y1", "x2", "y2", "gesture", "score", *VOCABULARY.names]
    assert [row["image"] for row in rows] == ["more/of them/palm.jpg", "palm.jpg"]
    for row in rows:
        probabilities = {name: float(row[name]) for name in VOCABULARY}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert row["gesture"] == max(probabilities, key=probabilities.__getitem__)
        assert float(row["score"]) == max(probabilities.values())
    corners = [float(rows[1][name]) for name in ("x1", "y1", "x2", "y2")]
    assert corners == pytest.approx((155, 70, 271, 193), abs=8)  # pixels: where the hand is seen to be


def test_what_gave_no_row_is_listed_beside(
    predict: Callable[..., None], palms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(f"predict.input={palms}", f"predict.output={tmp_path / 'hands.csv'}")
    missed = {row["image"]: row["reason"] for row in read(tmp_path / "hands.missed.csv")}
    assert set(missed) == {"grey.png", "half.jpg"}
    assert missed["grey.png"] == "no hand found"
    assert "truncated" in missed["half.jpg"]
    printed = capsys.readouterr().out
    assert "2 hands in 3 images; no hand in 1" in printed
    assert "not read: half.jpg" in printed


def test_video_gives_frame_numbers(predict: Callable[..., None], palms: Path, tmp_path: Path) -> None:
    image = read_image(palms / "palm.jpg")
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, image.shape[1::-1])
    for frame in (image, np.full_like(image, 90), image):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    predict(f"predict.input={tmp_path / 'clip.avi'}", f"predict.output={tmp_path / 'hands.csv'}")
    assert [row["frame"] for row in read(tmp_path / "hands.csv")] == ["0", "2"]
    assert read(tmp_path / "hands.missed.csv") == [{"frame": "1", "reason": "no hand found"}]


def test_output_that_is_a_folder_gets_a_table(predict: Callable[..., None], palms: Path, tmp_path: Path) -> None:
    predict(f"predict.input={palms / 'palm.jpg'}", f"predict.output={tmp_path / 'results'}")
    assert [row["image"] for row in read(tmp_path / "results" / "predictions.csv")] == ["palm.jpg"]


def test_checkpoint_of_crops_works_with_a_fixed_box(predict: Callable[..., None], palms: Path, tmp_path: Path) -> None:
    box = ("detector=box", "detector.box=[0.25,0.25,0.75,0.75]")
    predict(f"predict.input={palms}", f"predict.output={tmp_path / 'hands.csv'}", *box, model="crops")
    corners = {
        row["image"]: [float(row[name]) for name in ("x1", "y1", "x2", "y2")] for row in read(tmp_path / "hands.csv")
    }
    assert len(corners) == 3
    assert corners["grey.png"] == [80, 60, 240, 180]


def test_input_without_a_picture_leaves_an_earlier_table_alone(predict: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.jpg").write_text("no picture")
    (tmp_path / "hands.csv").write_text("earlier")
    with pytest.raises(DataError, match=r"not one image could be read.*\n.*bad.jpg"):
        predict(f"predict.input={tmp_path / 'photos'}", f"predict.output={tmp_path / 'hands.csv'}")
    assert (tmp_path / "hands.csv").read_text() == "earlier"


def test_missing_input_is_asked_for(predict: Callable[..., None]) -> None:
    with pytest.raises(UserError, match="input=PATH"):
        predict()

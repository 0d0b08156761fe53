"""Boxes in pixels are those of the picture as labelling tools show it: upright, however the camera was held."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.cutting import cut_hands
from static_gesture_classification.sources.folder import Folder
from static_gesture_classification.sources.hands import HandsDataset
from static_gesture_classification.sources.image_size import frame_size
from static_gesture_classification.sources.recorded_legacy import RecordedLegacy
from static_gesture_classification.sources.source import Source
from tests.test_images import oriented

WIDTH, HEIGHT = 96, 160
BOX = (12, 40, 60, 120)  # pixels of the upright picture
SHARES = pytest.approx([12 / 96, 40 / 160, 60 / 96, 120 / 160], abs=1e-6)
Place = Callable[[Path, str], tuple[Source, Path]]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Smooth, without symmetry."""
    noise = np.random.default_rng(3).integers(0, 256, (10, 6, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def in_folder(root: Path, suffix: str) -> tuple[Source, Path]:
    (root / "like").mkdir()
    (root / "boxes.csv").write_text(f"image,x1,y1,x2,y2\nlike/a{suffix},{','.join(map(str, BOX))}\n")
    return Folder(name="folder", root=str(root), labels={"like": "THUMBS_UP"}), root / f"like/a{suffix}"


def in_hands(root: Path, suffix: str) -> tuple[Source, Path]:
    (root / "Subject1/Subject1").mkdir(parents=True)
    x1, y1, x2, y2 = BOX
    table = f"rgb,depth,Punch_VFR\n.\\Subject1\\Color\\0_color{suffix},-,[{x1} {y1} {x2 - x1} {y2 - y1}]\n"
    (root / "Subject1/Subject1.txt").write_text(table)
    labels = {"Punch": "FIST"}
    return HandsDataset(name="hands", root=str(root), labels=labels), root / f"Subject1/Subject1/0_color{suffix}"


def in_recording(root: Path, suffix: str) -> tuple[Source, Path]:
    (root / "record_0/images").mkdir(parents=True)
    (root / "record_0/meta.json").write_text(json.dumps({"bbox": BOX, "gesture": "FIST"}))
    return RecordedLegacy(name="legacy", root=str(root)), root / f"record_0/images/a{suffix}"


def rows(source: Source, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    return [row for batch in source.read(vocabulary) for row in batch.table.to_pylist()]


@pytest.mark.parametrize("kind", ["jpeg", "late png"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", [in_folder, in_hands, in_recording])
def test_pixel_boxes_are_of_the_upright_picture(
    place: Place, orientation: int, kind: str, picture: Image.Image, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    source, image = place(tmp_path, ".jpg" if kind == "jpeg" else ".png")
    image.write_bytes(oriented(picture, kind, orientation))
    (row,) = rows(source, vocabulary)
    box = [row[name] for name in ("x1", "y1", "x2", "y2")]
    assert box == SHARES
    ((crop,), reason) = cut_hands(image, np.array([box]), 32, 0.0)
    assert not reason
    picture.save(tmp_path / "upright.png")
    ((wanted,), _) = cut_hands(tmp_path / "upright.png", np.array([box]), 32, 0.0)
    assert np.abs(crop.astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("kind", ["webp", "tiff", "heif", "avif"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_size_is_the_upright_one_in_other_formats(
    orientation: int, kind: str, picture: Image.Image, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(oriented(picture, kind, orientation))
    assert frame_size(tmp_path / "a.jpg") == (WIDTH, HEIGHT)


def test_photograph_of_a_phone_gives_the_crop_of_the_upright_one(
    cases: Path, vocabulary: Vocabulary, project: Path
) -> None:
    labels = yaml.safe_load((project / "conf/labels/common.yaml").read_text())
    crops = {}
    for name in ("phone", "phone_low", "upright"):
        root = cases / "exif_boxes" / name
        (row,) = rows(Folder(name="folder", root=str(root), labels=labels), vocabulary)
        box = np.array([[row[axis] for axis in ("x1", "y1", "x2", "y2")]])
        crops[name] = cut_hands(root / row["image"], box, 64, 0.15)[0][0]
        if name != "phone_low":
            assert box.ravel().tolist() == pytest.approx([0.333, 0.220, 0.635, 0.497], abs=1e-3)
    assert np.abs(crops["phone"].astype(int) - crops["upright"]).mean() < 3
    assert np.abs(crops["phone_low"].astype(int) - crops["upright"]).mean() > 20

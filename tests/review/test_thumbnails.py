"""Small pictures of samples."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from PIL import Image, ImageColor

from static_gesture_classification.evaluation.hand_drawing import PAPER, places_in_drawing
from static_gesture_classification.review.tables import Tables
from static_gesture_classification.review.thumbnails import SIZE, Thumbnails


@pytest.fixture
def thumbnails(tmp_path: Path) -> Thumbnails:
    """Of two samples: one image is there, the other one is not."""
    Image.new("RGB", (64, 48), (10, 200, 30)).save(tmp_path / "a.jpg")
    rows = [(name, str(tmp_path), f"{name}.jpg", 0.2, 0.2, 0.6, 0.6) for name in "ab"]
    made = Thumbnails(tmp_path / "crops", tmp_path / "kept", Tables())
    made.know("two", pd.DataFrame(rows, columns=["sample_id", "root", "image", "x1", "y1", "x2", "y2"]))
    return made


def test_a_picture_is_cut_once_and_a_damaged_one_anew(thumbnails: Thumbnails) -> None:
    first = thumbnails.jpeg("a")
    assert first is not None
    pixels = simplejpeg.decode_jpeg(first)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert np.abs(pixels.astype(int) - (10, 200, 30)).max() < 12
    (kept,) = thumbnails.folder.iterdir()
    kept.write_bytes(first + first)  # another whole picture
    assert thumbnails.jpeg("a") == first + first
    kept.write_bytes(first[:100])
    assert thumbnails.jpeg("a") == first


def test_an_image_that_cannot_be_read_is_grey_until_it_can_and_an_unknown_sample_has_none(
    thumbnails: Thumbnails, tmp_path: Path
) -> None:
    grey = thumbnails.jpeg("b")
    assert grey is not None
    assert np.ptp(simplejpeg.decode_jpeg(grey)) == 0
    Image.new("RGB", (64, 48), (200, 0, 0)).save(tmp_path / "b.jpg")
    assert thumbnails.jpeg("b") != grey
    assert thumbnails.jpeg("nobody") is None


def test_a_posed_hand_has_no_image_and_is_drawn_from_its_points(thumbnails: Thumbnails) -> None:
    points = np.random.default_rng(0).random((21, 2)).astype(np.float32) * (0.1, 0.3)
    thumbnails.know_points("landmarks", {"b": points}.get)
    picture = thumbnails.jpeg("b")
    assert picture is not None
    drawn = np.abs(simplejpeg.decode_jpeg(picture).astype(int) - ImageColor.getrgb(PAPER)) > 12
    x, y = (places_in_drawing(points) * SIZE).astype(int).T
    assert drawn[y, x].any(axis=1).all(), "each point is drawn where it is said to be"
    assert not drawn[:6].any(), "around the hand is a margin"
    thumbnails.know_points("landmarks", {}.get)
    assert thumbnails.jpeg("b") != picture

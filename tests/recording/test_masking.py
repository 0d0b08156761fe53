"""What is not the hand is blurred beyond recognition."""

import numpy as np
import pytest

from static_gesture_classification.preparation.hand_pictures import HandPicture, cut_out
from static_gesture_classification.recording.masking import mask_surroundings
from static_gesture_classification.recording.session_writer import SessionWriter, StorageSettings
from static_gesture_classification.sources.recorded import Session
from tests.recording.conftest import See

SPREAD = np.array(  # an open hand, fingers up, by the numbers of landmarks
    [(0.5, 0.9)]
    + [(0.42 - 0.05 * step, 0.8 - 0.06 * step) for step in range(4)]
    + [(0.4 + 0.07 * finger, 0.6 - 0.1 * step) for finger in range(4) for step in range(4)]
)


@pytest.fixture
def picture() -> HandPicture:
    noise = np.random.default_rng(0).integers(0, 255, (200, 240, 3), np.uint8)
    return HandPicture(noise, (0.2, 0.25, 0.65, 0.95), tuple((float(x), float(y)) for x, y in SPREAD))


def test_the_hand_stays_as_it_is(picture: HandPicture) -> None:
    masked = mask_surroundings(picture)
    rows, columns = (SPREAD[:, ::-1] * (200, 240)).astype(int).T
    for row, column in zip(rows, columns, strict=True):
        around = np.s_[row - 6 : row + 7, column - 6 : column + 7]
        assert (masked.pixels[around] == picture.pixels[around]).all()
    assert (masked.box, masked.landmarks) == (picture.box, picture.landmarks)


def test_elsewhere_nothing_but_means_of_patches_is_left(picture: HandPicture) -> None:
    corner = mask_surroundings(picture).pixels[:60, 180:]
    assert picture.pixels[:60, 180:].std() > 60
    assert np.abs(np.diff(corner.astype(int), axis=0)).max() <= 2
    assert corner.std() < 10


def test_without_landmarks_the_box_stays() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 240, 3), np.uint8)
    masked = mask_surroundings(HandPicture(noise, (0.4, 0.4, 0.6, 0.6), None))
    assert (masked.pixels[80:120, 96:144] == noise[80:120, 96:144]).all()
    assert not (masked.pixels[:20] == noise[:20]).all()


@pytest.mark.parametrize(("mask", "elsewhere", "blurred"), [
    ("auto", False, False), ("auto", True, True), (True, False, True), (False, True, False),
])  # fmt: skip
def test_a_phones_pictures_are_masked_unless_told_otherwise(
    see: See, tmp_path: object, mask: str | bool, elsewhere: bool, blurred: bool
) -> None:
    settings = StorageSettings(root=str(tmp_path), whole_frame=True, mask=mask).for_pictures_from(elsewhere)
    sight = see(look=1)
    assert sight.hand is not None
    entry = SessionWriter(settings, Session("FIST")).take(sight.image, sight.hand)
    assert (entry.pixels[:20] != sight.image[:20]).any() == blurred


def test_the_finder_still_finds_the_hand_of_a_masked_picture(photographs: object, hand_landmarker: object) -> None:
    from pathlib import Path

    from hydra import compose, initialize_config_dir

    from static_gesture_classification.configuration import CONF
    from static_gesture_classification.detection.detector import Detector
    from static_gesture_classification.inference.frames import VideoFrames

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"detector.model.path={hand_landmarker}"])
    frame = next(iter(VideoFrames(Path(str(photographs)) / "videos" / "webcam.mp4")))
    with Detector.from_config(config) as finder:
        (hand,) = finder.detect(frame.image)
        masked = mask_surroundings(cut_out(frame.image, hand.box, hand.landmarks, 0.5))
        x1, y1, x2, y2 = masked.box
        again = finder.landmarks_in(masked.pixels, (x1, y1, x2, y2))
    assert again is not None
    assert again.landmarks is not None
    assert np.abs(again.landmarks - np.array(masked.landmarks)).max() < 0.05

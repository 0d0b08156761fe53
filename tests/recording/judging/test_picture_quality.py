import numpy as np
import pytest
from PIL import Image, ImageFilter

from static_gesture_classification.recording.judging.picture_quality import quality_problem, sharpness
from static_gesture_classification.recording.judging.settings import SelectionSettings

SETTINGS = SelectionSettings(
    best_of=8, novelty=1.0, interval=0.0, near_identical=1.0, min_sharpness=0.03, min_hand=32, edge=0.005
)
BOX = (0.3, 0.3, 0.7, 0.7)


@pytest.fixture
def picture() -> np.ndarray:
    """Structure of all sizes, as in a photograph; 480 x 480."""
    random = np.random.default_rng(0)
    layers = [
        np.kron(random.integers(0, 255, (480 // side, 480 // side, 3)), np.ones((side, side, 1)))
        for side in (80, 20, 4)
    ]
    return np.mean(layers, axis=0).astype(np.uint8)


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(float(radius))))


def test_whole_sharp_hand_has_no_problem(picture: np.ndarray) -> None:
    assert quality_problem(picture, BOX, SETTINGS) is None


@pytest.mark.parametrize(
    "box", [(0.0, 0.3, 0.4, 0.7), (0.3, 0.0, 0.7, 0.4), (0.6, 0.3, 1.0, 0.7), (0.3, 0.6, 0.7, 1.0)]
)
def test_hand_at_any_edge_of_the_picture_is_cut_off(picture: np.ndarray, box: tuple[float, ...]) -> None:
    assert "cut off" in str(quality_problem(picture, box, SETTINGS))


def test_blurred_hand_is_a_problem(picture: np.ndarray) -> None:
    assert "blurred" in str(quality_problem(blurred(picture, 8), BOX, SETTINGS))


def test_small_hand_is_a_problem(picture: np.ndarray) -> None:
    assert "too small" in str(quality_problem(picture, (0.5, 0.5, 0.55, 0.55), SETTINGS))


def test_sharpness_falls_with_blur_and_does_not_with_contrast(picture: np.ndarray) -> None:
    values = [sharpness(blurred(picture, radius), BOX) for radius in (0, 4, 8)]
    assert values == sorted(values, reverse=True)
    pale = (picture * 0.5 + 60).astype(np.uint8)
    assert sharpness(pale, BOX) == pytest.approx(sharpness(picture, BOX), rel=0.2)


def test_hands_of_a_webcam_are_sharp_until_they_are_blurred(photographs) -> None:  # type: ignore[no-untyped-def]
    import json

    from static_gesture_classification.inference.frames import frames

    hands = json.loads((photographs / "videos/webcam.json").read_text())
    for frame, said in list(zip(frames(photographs / "videos/webcam.mp4"), hands, strict=False))[:60:10]:
        size = np.array(frame.image.shape[1::-1] * 2)
        box = tuple(np.array(said["hands"][0]["bbox"]) / size)
        longer = max(box[2] - box[0], box[3] - box[1]) * 480
        assert sharpness(frame.image, box) > SETTINGS.min_sharpness
        assert sharpness(blurred(frame.image, longer / 96 * 2), box) < SETTINGS.min_sharpness

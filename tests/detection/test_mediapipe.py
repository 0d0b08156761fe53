"""MediaPipe's own detector, for comparison; it is an extra (`pip install .[mediapipe]`)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.detection.hands import HandDetector
from static_gesture_classification.detection.mediapipe import MediapipeDetector
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import read_image

pytest.importorskip("mediapipe", reason="MediaPipe is not installed (pip install .[mediapipe])")


@pytest.fixture(scope="module")
def mediapipe(configured: Callable[..., Detector], hand_landmarker: Path) -> Iterator[MediapipeDetector]:
    with configured("detector=mediapipe", f"detector.model.path={hand_landmarker}") as built:
        assert isinstance(built, MediapipeDetector)
        try:
            built.detect(np.zeros((8, 8, 3), np.uint8))
        except UserError as error:
            pytest.skip(str(error))
        yield built


@pytest.fixture(scope="module")
def person(photographs: Path) -> np.ndarray:
    return read_image(sorted((photographs / "hagrid_people" / "palm").iterdir())[1])


def test_both_detectors_find_the_same_hands(
    mediapipe: MediapipeDetector, detector: HandDetector, photographs: Path
) -> None:
    differences = []
    for folder in sorted((photographs / "hagrid_people").iterdir())[:12]:
        image = read_image(sorted(folder.iterdir())[0])
        theirs, ours = mediapipe.detect(image), detector.detect(image)
        assert len(ours) >= len(theirs), folder.name
        for hand in theirs:
            same = max(ours, key=lambda other: overlap(other.box, hand.box))
            assert overlap(same.box, hand.box) > 0.7, folder.name
            assert hand.landmarks is not None
            assert same.landmarks is not None
            pixels = (image.shape[1], image.shape[0])
            apart = np.linalg.norm((hand.landmarks - same.landmarks) * pixels, axis=1).mean()
            differences.append(apart / np.ptp(hand.landmarks * pixels, axis=0).max())
    assert np.median(differences) < 0.02


def test_hand_is_found_in_the_image_and_around_its_box(mediapipe: MediapipeDetector, person: np.ndarray) -> None:
    (hand,) = mediapipe.detect(person)
    near = mediapipe.landmarks_in(person, hand.box)
    assert near is not None
    assert near.hand == hand.hand == "left"
    assert overlap(near.box, hand.box) > 0.9


def test_video_follows_a_hand(configured: Callable[..., Detector], hand_landmarker: Path, person: np.ndarray) -> None:
    overrides = (f"detector.model.path={hand_landmarker}", "detector.running_mode=video")
    with configured("detector=mediapipe", *overrides) as video:
        assert [len(video.detect(frame)) for frame in (person, person[:300])] == [1, 1]


def test_missing_system_library_is_named_with_the_packages(
    configured: Callable[..., Detector], hand_landmarker: Path, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mediapipe.tasks.python.core import mediapipe_c_bindings

    def missing(*_: object) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(mediapipe_c_bindings, "_shared_lib", None)
    monkeypatch.setattr(mediapipe_c_bindings.ctypes, "CDLL", missing)
    with pytest.raises(UserError, match=r"libEGL.so.1.*apt-get install libegl1 libgles2"):
        configured("detector=mediapipe", f"detector.model.path={hand_landmarker}").detect(person)

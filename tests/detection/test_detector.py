"""What every detector has: an identity, under which is kept what it found, and a hand whose box is known."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.detection import detector as module
from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import DetectedHand, Detector

IMAGE = np.zeros((40, 60, 3), np.uint8)


class Pair(Detector):
    """Two hands, the left one a little higher, each with landmarks: no detector of MediaPipe's."""

    gives_landmarks = True
    boxes = ((0.1, 0.1, 0.4, 0.4), (0.6, 0.2, 0.9, 0.5))

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        return [DetectedHand(box, 1.0, landmarks=np.full((21, 2), box[0], np.float32)) for box in self.boxes]

    def settings(self) -> Mapping[str, object]:
        return {"boxes": self.boxes}


@pytest.mark.parametrize(
    "override",
    [
        "detector.second_look.columns=0",
        "detector.second_look.min_presence_confidence=0.2",
        "detector.known_box.overlap=0.5",
        "detector.min_detection_confidence=0.3",
        "detector.min_presence_confidence=0.3",
        "detector.min_tracking_confidence=0.3",
        "detector.border=0",
        "detector.box_margin=[0,0,0,0]",
        "detector.num_hands=1",
        "detector.running_mode=video",
        "detector.refine=false",
        "detector.refine_apart=0",
        "detector.refine_sure=0.9",
        "detector.smooth=0",
        "detector.look_into_hands=true",
        "detector.palm_square=[2.86,0.36]",
        "detector.second_look.sure=0.8",
        "detector.second_look.enough=0",
        "detector.palm_turn=26.565",
        "detector.known_square=1.2",
        "detector.known_apart=0.15",
        "detector.look_for_more=0",
        "detector.model.sha256=00",
        "detector=box",
    ],
)
def test_every_setting_makes_another_detector(configured: Callable[..., Detector], override: str) -> None:
    assert configured(override).identity() != configured().identity()


def test_a_moved_model_is_the_same_detector_and_needs_not_be_there(configured: Callable[..., Detector]) -> None:
    same = configured("detector.model.path=elsewhere/model.task", "detector.model.url=null", "detector.model.size=null")
    assert same.identity() == configured().identity()


def test_boxes_and_code_make_another_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    here = BoxDetector([0, 0, 0.5, 0.5])
    before = here.identity()
    assert BoxDetector([0, 0, 0.5, 0.5]).identity() == before
    assert BoxDetector([0, 0, 0.5, 0.6]).identity() != before
    monkeypatch.setattr(module, "code_digest", lambda files: "changed")
    assert here.identity() != before


def test_a_detector_that_does_not_say_its_settings_has_no_identity() -> None:
    class Silent(Pair):
        settings = Detector.settings

    with pytest.raises(NotImplementedError, match="Silent has no settings"):
        Silent().identity()


def test_any_detector_finds_the_hand_in_a_known_box() -> None:
    right = Pair().landmarks_in(IMAGE, (0.58, 0.2, 0.88, 0.5))
    assert right is not None
    assert right.box == Pair.boxes[1]
    assert Pair().landmarks_in(IMAGE, (0.4, 0.6, 0.6, 0.9)) is None


def test_identities_of_classes_differ(tmp_path: Path) -> None:
    class Other(Pair):
        pass

    assert Other().identity() != Pair().identity()

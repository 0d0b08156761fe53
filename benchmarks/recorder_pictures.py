"""Draw the recorder's screens for the documentation: docs/images/recorder_window.jpg and recorder_review.jpg.

    python benchmarks/recorder_pictures.py [CHECKPOINT]

Drawn hands, the only ones that may be shown, stand before the camera; the recorder, its judge (a landmark model, by
default models/best.ckpt) and its screens are those that people see.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.jobs import Job, Work
from static_gesture_classification.recording.judging.observer import open_observer
from static_gesture_classification.recording.keys import ENTER, RIGHT, SPACE
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import begin
from static_gesture_classification.recording.window.drawing import Canvas
from static_gesture_classification.recording.window.screens import draw_screen
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.settings import SyntheticSettings

PROJECT = Path(__file__).resolve().parent.parent
IMAGES = PROJECT / "docs" / "images"
GESTURE, MISTAKEN_FOR, OTHER = "THREE", "TWO", "FOUR"
SHOWN_AT, WANTED = 5, 8  # kept pictures when the first screen is drawn; of so many
DROPPED = 2  # the picture that is dropped in the review
RATE = 15.0  # pictures a second of the camera
FIGURES = Figures(camera=RATE, looked=RATE)


class Clock:
    """The time of the pictures."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def main() -> None:
    """Record a set of drawn hands, and draw the recorder's screens on the way."""
    checkpoint = Path(sys.argv[1] if sys.argv[1:] else "models/best.ckpt")
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(Path(folder), checkpoint)
        settings = RecordingSettings.from_config(config)
        hands = DrawnHands(config)
        observer = open_observer(settings.judge, checkpoint)
        reason = "12 of 110 samples of THREE in val are taken for TWO"
        job = Job(GESTURE, WANTED, MISTAKEN_FOR, reason, np.array(Image.fromarray(hands.take(0)).resize((200, 200))))
        clock = Clock()
        recorder = begin(
            Recorder(settings, Work((job, Job(OTHER, WANTED))), observer.vocabulary, observer.checkpoint, clock=clock)
        )
        recorder.press(SPACE)
        number = 0
        while recorder.state.set is not None and len(recorder.state.set.kept) < WANTED:
            number, clock.now = number + 1, clock.now + 1
            sight = observer.look(Captured(hands.take(number), number, clock.now))
            recorder.see(sight)
            if recorder.state.set is not None and len(recorder.state.set.kept) == SHOWN_AT:
                save(draw_screen(recorder, sight, FIGURES), "recorder_window")
        for key in (*[RIGHT] * DROPPED, SPACE, RIGHT):
            recorder.press(key)
        save(draw_screen(recorder, None, FIGURES), "recorder_review")
        recorder.press(ENTER)
        recorder.close()
        observer.detector.close()


def configuration(folder: Path, checkpoint: Path) -> DictConfig:
    """The project's configuration; all that is recorded goes to a temporary folder."""
    overrides = [
        f"detector.model.path={PROJECT.parent / 'shared/models/hand_landmarker.task'}",
        f"recording.root={folder}",
        f"recording.checkpoint={checkpoint}",
        "recording.onnx=false",
        "recording.hard=false",
        "recording.mirror=false",
        "recording.countdown=0",
        "recording.subject=anna",
        "recording.room=laptop",
        "recording.detector.running_mode=image",
        "recording.look_for_more=0",
        "synthetic.size=480",
    ]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return compose("config", overrides)


class DrawnHands:
    """Pictures of the gesture, each by another synthetic subject; now and then of another gesture."""

    def __init__(self, config: DictConfig) -> None:
        vocabulary = Vocabulary.from_config(config)
        book = read_poses(config.poses, vocabulary.names)
        self.dataset = SyntheticDataset(vocabulary, SyntheticSettings.from_config(config), book)

    def take(self, number: int) -> np.ndarray:
        """The picture of this number: uint8 (480, 640, 3), RGB."""
        gesture = OTHER if number % WANTED == WANTED - 1 else GESTURE
        photograph = self.dataset.photograph(Picture(gesture, number))
        return np.pad(photograph, ((0, 0), (80, 80), (0, 0)), mode="edge")


def save(screen: Canvas, name: str) -> None:
    """Write a screen as JPEG."""
    Image.fromarray(screen.pixels).save(IMAGES / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()

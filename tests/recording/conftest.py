"""Pictures with hands, settings and a recorder that records into a temporary folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.active_learning.admission import AdmissionSettings
from static_gesture_classification.active_learning.planning.dealing import Dealer
from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.jobs import Job, Work
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import begin

Box = tuple[float, float, float, float]
See = Callable[..., Sight]
BOX: Box = (0.3, 0.3, 0.6, 0.7)


@pytest.fixture(scope="session")
def composed(project: Path) -> DictConfig:
    """The project's configuration."""
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config", ["recording.countdown=0"])


@pytest.fixture
def configuration(composed: DictConfig, tmp_path: Path) -> Callable[..., DictConfig]:
    """The same with sessions in a temporary folder, and changes."""

    def changed(*changes: str) -> DictConfig:
        usual = [f"recording.root={tmp_path / 'recorded'}", f"plan.path={tmp_path / 'plan.json'}"]
        merged = OmegaConf.merge(composed, OmegaConf.from_dotlist([*usual, *changes]))
        assert isinstance(merged, DictConfig)
        return merged

    return changed


@pytest.fixture
def settings(configuration: Callable[..., DictConfig]) -> Callable[..., RecordingSettings]:
    return lambda *overrides: RecordingSettings.from_config(configuration(*overrides))


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(("BACKGROUND", "TWO", "THREE", "FIST"), "BACKGROUND")


@pytest.fixture
def see(vocabulary: Vocabulary) -> See:
    """A sight of a hand: another `look` is another picture; `says` are the probabilities of the model's gestures."""

    def sight(
        look: int = 0, says: Sequence[float] | None = None, box: Box | None = BOX, time: float | None = None
    ) -> Sight:
        image = np.random.default_rng(look).integers(0, 255, (240, 320, 3), np.uint8)
        captured = Captured(image, look, float(look) if time is None else time)
        if box is None:
            return Sight(captured)
        hand = DetectedHand(
            box, 0.9, "right", np.random.default_rng(look).uniform(0.35, 0.55, (21, 2)).astype(np.float32)
        )
        if says is None:
            return Sight(captured, (hand,), hand)
        row = np.array(says, np.float32)
        best = int(row.argmax())
        return Sight(captured, (hand,), hand, RecognisedHand(hand, vocabulary.names[best], float(row[best]), row, None))

    return sight


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record(settings: Callable[..., RecordingSettings], vocabulary: Vocabulary, clock: Clock) -> Callable[..., Recorder]:
    """A recorder of the given jobs, with a model that judges unless told otherwise."""

    def recorder(*jobs: Job, overrides: Sequence[str] = (), judged: bool = True, named: bool = True) -> Recorder:
        names = ("recording.subject=anna", "recording.room=kitchen") if named else ()
        made = settings(*names, *overrides)
        work = Work(jobs or (Job(None, 5),), endless=not jobs, planned=bool(jobs))
        made = made.model_copy(update={"vocabulary": vocabulary, "admission": AdmissionSettings()})
        judge, checkpoint = (vocabulary, "models/best.ckpt") if judged else (None, "")
        return begin(Recorder(made, work, judge, checkpoint, clock=clock))

    return recorder


@pytest.fixture
def deal(settings: Callable[..., RecordingSettings], vocabulary: Vocabulary, clock: Clock) -> Callable[..., Recorder]:
    """A recorder of so many pictures of gestures that are dealt, without a review."""

    def recorder(count: int, gestures: Sequence[str]) -> Recorder:
        quick = ("recording.best_of=1", "recording.interval=0", "recording.review=false")
        made = settings("recording.subject=anna", "recording.room=kitchen", *quick)
        made = made.model_copy(update={"vocabulary": vocabulary, "admission": AdmissionSettings(easy=0.0)})
        work = Work(tuple(Job(gesture, count) for gesture in gestures), planned=True, dealt=count)
        dealer = Dealer(made.dealing, gestures)
        return begin(Recorder(made, work, vocabulary, "models/best.ckpt", clock=clock, dealer=dealer))

    return recorder


@pytest.fixture
def clip() -> Callable[..., Path]:
    """Write a video of noise that differs from frame to frame."""

    def write(path: Path, count: int, size: tuple[int, int] = (320, 240), rate: int = 15) -> Path:
        from static_gesture_classification.opencv import cv2

        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, size)
        random = np.random.default_rng(0)
        for _ in range(count):
            small = random.integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
            writer.write(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST))
        writer.release()
        return path

    return write

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from static_gesture_classification.command_line import as_typed
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.latest_frame import RUNNING, CameraStatus
from static_gesture_classification.recording.false_alarms import WatchedHands, alarm_rate
from static_gesture_classification.recording.jobs import find_work, fit_to_camera
from static_gesture_classification.recording.keys import SPACE
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import Finished, Watching, begin
from static_gesture_classification.recording.window.screens import HEIGHT, WIDTH, draw_screen
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.training.answers import Answers
from tests.recording.conftest import Clock, See

NAMED, NOTHING = [0.1, 0.9, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]
OVERRIDES = ("recording.background=true", "recording.interval=0", "recording.review=false")
WELL = CameraStatus(RUNNING)
Settings = Callable[..., RecordingSettings]


class Says:
    """A classifier that answers as its inputs say."""

    vocabulary = Vocabulary(("BACKGROUND", "TWO"), "BACKGROUND")

    def answers(self, inputs: np.ndarray) -> Answers:
        return Answers(np.stack([1 - inputs[:, 0], inputs[:, 0]], 1), inputs, inputs[:, 0])


@pytest.fixture
def watching(settings: Settings, vocabulary: Vocabulary, clock: Clock) -> Recorder:
    chosen = settings("recording.subject=anna", "recording.room=kitchen", *OVERRIDES)
    chosen = chosen.model_copy(update={"vocabulary": vocabulary})
    work = find_work(chosen)
    recorder = begin(Recorder(fit_to_camera(chosen, work, True), work, vocabulary, "best.ckpt", clock=clock))
    recorder.press(SPACE)
    return recorder


def watch(recorder: Recorder, see: See, clock: Clock, says: Sequence[Sequence[float]]) -> None:
    for look, row in enumerate(says):
        clock.now += 1
        sight = see(look, row)
        assert sight.recognised is not None
        other = replace(sight.recognised, gesture="BACKGROUND")
        recorder.see(replace(sight, recognised_all=(other, sight.recognised), inputs=np.array([[0.0], [row[1]]])))
        recorder.tick(WELL)


def test_hands_that_the_model_names_are_kept_as_background_and_others_are_not(
    watching: Recorder, see: See, clock: Clock
) -> None:
    watch(watching, see, clock, [NAMED, NOTHING, NAMED, NOTHING])
    state = watching.state
    assert isinstance(state, Watching)
    screen = draw_screen(watching, see(0, NAMED), Figures())
    assert screen.pixels.shape == (HEIGHT, WIDTH, 3)
    assert state.seconds_left == 116
    clock.now += 120
    watching.tick(WELL)
    assert isinstance(watching.state, Finished)
    (folder,) = watching.settings.storage.root.glob("*_BACKGROUND")
    session = read_session(folder)
    assert (session.gesture, len(session.images)) == ("BACKGROUND", 2)
    assert {image.prediction for image in session.images} == {"TWO"}
    assert watching.watched is not None
    assert watching.watched.rate.alarms == 2


def test_another_model_is_measured_on_the_same_hands() -> None:
    watched = WatchedHands("BACKGROUND")
    for time, hands in enumerate([[0.9], [], [0.2, 0.8], [0.1]]):
        watched.add(float(time), True, np.array([[each] for each in hands], np.float32) if hands else None)
    assert watched.rate.alarms == 4
    rate = watched.rate_of(Says())  # type: ignore[arg-type]
    assert (rate.alarms, rate.seconds, rate.named) == (2, 3.0, 0.5)


def test_a_hand_that_is_named_all_the_time_is_one_alarm() -> None:
    assert alarm_rate([0.1 * k for k in range(31)], [True] * 31).alarms == 1
    assert str(alarm_rate([], [])).startswith("in no time")


@pytest.mark.parametrize(
    ("override", "message"),
    [("gestures.background=null", "gestures.background=NAME"), ("recording.gesture=FIST", "gesture is FIST")],
)
def test_background_that_cannot_be_recorded_says_why(settings: Settings, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_work(settings("recording.background=true", override))


def test_the_flag_is_short_for_the_setting() -> None:
    assert as_typed(["--background", "seconds=5"], CONF, ("recording",)) == [
        "recording.background=true",
        "recording.seconds=5",
    ]
    assert as_typed(["--background"], CONF, ("plan",)) == ["--background"]

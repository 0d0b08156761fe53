from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from static_gesture_classification.recording.capture.latest_frame import ENDED, LOST, RUNNING, CameraStatus
from static_gesture_classification.recording.jobs import Job
from static_gesture_classification.recording.keys import CLOSED, ENTER, ESCAPE, SPACE, UP
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.states import (
    Asking,
    Choosing,
    Finished,
    Ready,
    Recording,
    Reviewing,
    begin,
)
from static_gesture_classification.recording.window.parts import HEIGHT, WIDTH
from static_gesture_classification.recording.window.screens import draw_screen
from static_gesture_classification.sources.recorded import Confusion, Session, read_session
from tests.recording.conftest import Clock, See

Record = Callable[..., Recorder]
THREE, FIST = Job("THREE", 3, "TWO", "23 of 110 are taken for TWO"), Job("FIST", 2)
WELL = CameraStatus(RUNNING)
QUICK = ("recording.best_of=1", "recording.interval=0")
WRONG = [0.0, 0.9, 0.1, 0.0]


def press(recorder: Recorder, *keys: str) -> None:
    for key in keys:
        recorder.press(key)


def show(recorder: Recorder, see: See, looks: Sequence[int], says: Sequence[float] | None = WRONG) -> None:
    for look in looks:
        recorder.see(see(look, says))
        recorder.tick(WELL)


def sessions(recorder: Recorder) -> list[Session]:
    root = recorder.settings.storage.root
    return [read_session(path) for path in sorted(root.iterdir()) if (path / "session.json").is_file()]


@pytest.fixture
def full_set(record: Record, see: See) -> Recorder:
    """A recorder that shows the contact sheet of three THREEs, with FIST to come."""
    recorder = record(THREE, FIST, overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, range(3))
    return recorder


def test_job_of_the_plan_ends_when_nothing_is_missing_and_the_next_begins(full_set: Recorder, see: See) -> None:
    assert isinstance(full_set.state, Reviewing)
    press(full_set, ENTER)
    assert isinstance(full_set.state, Recording)
    assert full_set.job is FIST
    show(full_set, see, range(10, 12))
    press(full_set, ENTER)
    assert isinstance(full_set.state, Finished)
    recorded = {(session.gesture, len(session.images)) for session in sessions(full_set)}
    assert recorded == {("FIST", 2), ("THREE", 3)}


def test_session_says_who_where_what_for_and_who_judged(full_set: Recorder) -> None:
    (session,) = sessions(full_set)
    assert (session.subject, session.camera, session.checkpoint) == ("anna", "kitchen", "models/best.ckpt")
    assert session.confusion == Confusion("THREE", "TWO")
    assert {image.kept_because for image in session.images} == {"planned error"}
    assert session.time


def test_person_and_room_are_asked_for_once(record: Record) -> None:
    recorder = record(THREE, named=False)
    assert isinstance(recorder.state, Asking)
    press(recorder, ENTER)
    assert "A name is needed" in recorder.notice
    press(recorder, *"Bo/🖐", SPACE, "2", ENTER, *"office", ENTER)
    assert isinstance(recorder.state, Ready)
    assert (recorder.subject, recorder.room) == ("Bo/🖐 2", "office")
    again = record(THREE, named=False)
    assert isinstance(again.state, Ready)
    assert (again.subject, again.room) == ("Bo/🖐 2", "office")
    press(again, "p", *"ANNA", ENTER)
    assert again.subject == "ANNA"
    press(again, "p", UP, ENTER)  # the line above the first is the last
    assert again.subject == "Bo/🖐 2"


def test_countdown_comes_before_the_first_picture(record: Record, see: See, clock: Clock) -> None:
    recorder = record(THREE, overrides=(*QUICK, "recording.countdown=3"))
    press(recorder, SPACE)
    show(recorder, see, [0])
    assert isinstance(recorder.state, Recording)
    assert (recorder.state.countdown, len(recorder.state.set.kept)) == (3, 0)
    clock.now += 3
    recorder.tick(WELL)
    show(recorder, see, [1])
    assert len(recorder.state.set.kept) == 1


def test_last_picture_can_be_dropped_while_recording_and_pausing_keeps_none(record: Record, see: See) -> None:
    recorder = record(THREE, overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, [0, 1])
    press(recorder, "u", SPACE)
    show(recorder, see, [2])
    assert [image.file for image in sessions(recorder)[0].images] == ["000000.jpg"]


def test_contact_sheet_drops_relabels_and_undoes(full_set: Recorder) -> None:
    press(full_set, SPACE, "right", "l", "4")
    (session,) = sessions(full_set)
    assert [(image.file, image.gesture) for image in session.images] == [("000001.jpg", "FIST"), ("000002.jpg", None)]
    assert session.images[0].kept_because == "error"  # no longer the planned one
    press(full_set, "u", "u")
    (session,) = sessions(full_set)
    assert [image.gesture for image in session.images] == [None] * 3
    press(full_set, "g", "4")
    assert [(session.gesture, session.images[0].gesture) for session in sessions(full_set)] == [("FIST", None)]
    press(full_set, "u")
    assert sessions(full_set)[0].gesture == "THREE"


def test_clicked_picture_is_dropped(full_set: Recorder) -> None:
    canvas = draw_screen(full_set, None, Figures())
    second = next(target for target in canvas.targets if target.key == "picture:1")
    x1, y1, x2, y2 = second.place
    press(full_set, *(target.key for target in canvas.targets if target.holds((x1 + x2) // 2, (y1 + y2) // 2)))
    assert [image.file for image in sessions(full_set)[0].images] == ["000000.jpg", "000002.jpg"]


def test_discarded_set_comes_back_by_undo_and_is_gone_at_the_end(full_set: Recorder) -> None:
    press(full_set, "d")
    assert sessions(full_set) == []
    press(full_set, "u")
    assert len(sessions(full_set)) == 1
    press(full_set, "d", "q", ENTER)
    assert full_set.over
    full_set.close()
    assert [path.name for path in full_set.settings.storage.root.iterdir()] == [".recorder.json"]


def test_job_with_dropped_pictures_is_not_done(full_set: Recorder) -> None:
    press(full_set, SPACE, ENTER)
    assert isinstance(full_set.state, Ready)
    assert (full_set.job.gesture, full_set.job.count) == ("THREE", 1)
    press(full_set, "n")
    assert full_set.job is FIST


def test_free_set_is_named_afterwards(record: Record, see: See) -> None:
    recorder = record(overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, range(3))
    press(recorder, ENTER)
    assert isinstance(recorder.state, Choosing)
    assert recorder.state.gestures[recorder.state.line] == "TWO"  # what the model finds likeliest is proposed
    assert sessions(recorder)[0].gesture == ""
    press(recorder, "3")
    assert isinstance(recorder.state, Reviewing)
    (session,) = sessions(recorder)
    assert (session.gesture, session.images[0].prediction, session.images[0].kept_because) == ("THREE", "TWO", "error")
    press(recorder, ENTER)
    assert isinstance(recorder.state, Ready)


def test_set_left_unnamed_by_a_killed_recorder_is_named_first(record: Record, see: See) -> None:
    from static_gesture_classification.recording.session_writer import reopen_unfinished

    killed = record(overrides=QUICK)
    press(killed, SPACE)
    show(killed, see, range(2))
    assert isinstance(killed.state, Recording)
    killed.state.set.writer._lock.release()  # type: ignore[union-attr]
    unnamed = reopen_unfinished(killed.settings.storage)
    next_one = begin(Recorder(killed.settings, killed.work, killed.judge, "", unnamed))
    assert isinstance(next_one.state, Choosing)
    press(next_one, "4", ENTER)
    assert isinstance(next_one.state, Ready)
    assert [(session.gesture, len(session.images)) for session in sessions(next_one)] == [("FIST", 2)]


def test_hard_mode_is_for_the_plan_and_a_key_turns_it_off(record: Record, see: See) -> None:
    recorder = record(THREE, overrides=QUICK)
    assert recorder.hard
    press(recorder, SPACE)
    show(recorder, see, [0], [0.0, 0.0, 1.0, 0.0])
    assert isinstance(recorder.state, Recording)
    assert len(recorder.state.set.kept) == 0
    press(recorder, "h")
    show(recorder, see, [1], [0.0, 0.0, 1.0, 0.0])
    assert len(recorder.state.set.kept) == 1


def test_held_out_session_keeps_everything_and_goes_to_val(record: Record, see: See, tmp_path: Path) -> None:
    from static_gesture_classification.sources.recorded import write_session

    for number in range(4):
        write_session(tmp_path / f"recorded/{number}", Session("FIST", f"person {number}", split="train"))
    recorder = record(THREE, overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, [0], [0.0, 0.0, 1.0, 0.0])
    assert isinstance(recorder.state, Recording)
    current = recorder.state.set
    assert (current.writer.session.split, len(current.kept), current.selector.hard) == ("val", 1, False)
    press(recorder, "h")
    assert not current.selector.hard


def test_without_a_model_everything_that_differs_is_kept(record: Record, see: See) -> None:
    recorder = record(THREE, overrides=QUICK, judged=False)
    press(recorder, SPACE)
    show(recorder, see, range(3), None)
    assert isinstance(recorder.state, Reviewing)
    assert [image.prediction for image in sessions(recorder)[0].images] == [None] * 3


def test_set_ends_after_its_time(record: Record, see: See, clock: Clock) -> None:
    recorder = record(THREE, overrides=(*QUICK, "recording.seconds=20"))
    press(recorder, SPACE)
    show(recorder, see, [0])
    clock.now += 20
    recorder.tick(WELL)
    assert isinstance(recorder.state, Reviewing)


@pytest.mark.parametrize("state", [LOST, ENDED])
def test_end_of_the_pictures_ends_the_set_and_shows_it(state: str, record: Record, see: See) -> None:
    recorder = record(THREE, FIST, overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, [0])
    recorder.tick(CameraStatus(state, "camera 0 is gone"))
    assert isinstance(recorder.state, Reviewing)
    press(recorder, ENTER)
    assert isinstance(recorder.state, Finished)
    assert len(sessions(recorder)[0].images) == 1


def test_closing_the_window_keeps_what_is_recorded(record: Record, see: See) -> None:
    recorder = record(THREE, overrides=QUICK)
    press(recorder, SPACE)
    show(recorder, see, [0, 1])
    press(recorder, CLOSED)
    assert recorder.over
    assert recorder.close() == []
    assert len(sessions(recorder)[0].images) == 2
    assert len(recorder.saved) == 1


def test_pictures_that_the_disk_refuses_wait_and_are_rescued(
    record: Record, see: See, tmp_path: Path, clock: Clock
) -> None:
    recorder = record(THREE, overrides=(*QUICK, f"recording.rescue={tmp_path / 'rescue'}"))
    press(recorder, SPACE)
    show(recorder, see, [0])
    assert isinstance(recorder.state, Recording)
    current = recorder.state.set
    folder = current.writer.folder
    assert folder is not None
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("a file where the folder was")
    show(recorder, see, [1])
    assert "part of this path is a file" in current.trouble
    show(recorder, see, [2])  # nothing more is taken meanwhile
    assert current.writer.unsaved == 1
    assert recorder.close()[0].count(str(tmp_path / "rescue")) == 1
    rescued = next((tmp_path / "rescue").iterdir())
    assert [image.file for image in read_session(rescued).images] == ["000001.jpg"]


def test_recording_goes_on_when_the_disk_takes_pictures_again(
    record: Record, see: See, tmp_path: Path, clock: Clock
) -> None:
    recorder = record(THREE, overrides=QUICK)
    press(recorder, SPACE)
    recorder.settings.storage.root.rename(tmp_path / "elsewhere")
    recorder.settings.storage.root.write_text("a file where the folder was")
    show(recorder, see, [0])
    recorder.settings.storage.root.unlink()
    clock.now += 10
    recorder.tick(WELL)
    assert "Saved again" in recorder.notice
    show(recorder, see, [1, 2])
    assert len(sessions(recorder)[0].images) == 3


def test_every_state_draws_its_keys(record: Record, see: See, full_set: Recorder) -> None:
    asking, ready, recording = record(THREE, named=False), record(THREE), record(THREE)
    choosing, finished = record(overrides=QUICK), record(THREE)
    press(recording, SPACE)
    show(recording, see, [0])
    press(choosing, SPACE)
    show(choosing, see, [0])
    press(choosing, ENTER)
    press(finished, "q")
    for recorder in (asking, ready, recording, choosing, full_set, finished):
        canvas = draw_screen(recorder, see(0, WRONG), Figures(30, 28, 2, "the picture's size changed"))
        assert canvas.pixels.shape == (HEIGHT, WIDTH, 3)
        right_edges = [target.place[2] for target in canvas.targets]
        assert max(right_edges) <= WIDTH
        shown = {target.key for target in canvas.targets}
        assert {hint.key for hint in recorder.state.keys if hint.key} <= shown


def test_escape_before_the_first_picture_is_as_if_the_set_had_not_begun(record: Record) -> None:
    recorder = record(THREE)
    press(recorder, SPACE, ESCAPE)
    assert isinstance(recorder.state, Ready)
    assert sessions(recorder) == [] if recorder.settings.storage.root.exists() else True

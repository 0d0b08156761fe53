"""What is kept of errors in use, and what is not."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.live.catcher import Catcher
from static_gesture_classification.live.doubts import FLICKERS
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.session_writer import reopen_unfinished
from static_gesture_classification.sources.recorded import Session, read_session, write_session
from tests.live.conftest import VOCABULARY, hand

Make = Callable[..., LiveSettings]
SIZE = (240, 320)


def catcher_of(settings: LiveSettings, subject: str = "anna") -> Catcher:
    storage = settings.recording.storage.model_copy(update={"root": settings.root})
    about = (VOCABULARY, "models/best.ckpt", subject, "kitchen")
    return Catcher(settings.catching, settings.recording, storage, *about)


def sight(number: int, says: str | None, pose: int | None = None, frame: float = 0.1) -> Sight:
    """The picture `number`; without `says` no hand is in it."""
    image = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), np.uint8)
    captured = Captured(image, number, number * frame)
    if says is None:
        return Sight(captured)
    recognised = hand(says, pose=number if pose is None else pose)
    return Sight(captured, (recognised.hand,), recognised.hand, recognised)


def sessions(root: Path) -> list[Session]:
    """The sessions on the disk; each must load, and so must its pictures."""
    found = []
    for path in sorted(root.glob("[!.]*/session.json")):
        found.append(read_session(path.parent))
        for image in found[-1].images:
            Image.open(path.parent / image.file).load()
    return found


def test_error_that_is_named_becomes_a_session_of_the_last_seconds(settings: Make) -> None:
    made = settings("live.catch=true", "live.catch_seconds=2", "recording.min_sharpness=0")
    catcher = catcher_of(made)
    for number in range(60):
        catcher.see(sight(number, "ONE"))
    assert catcher.say_wrong() == ""
    assert catcher.waiting is not None
    assert catcher.waiting.prediction == "ONE"
    assert "FIST, which was taken for ONE" in catcher.name("FIST")
    (session,) = sessions(made.root)
    assert (session.gesture, session.subject, session.camera, session.split) == ("FIST", "anna", "kitchen", "train")
    assert session.confusion is not None
    assert session.confusion.mistaken_for == "ONE"
    assert 5 <= len(session.images) <= 10
    assert {(image.prediction, image.kept_because) for image in session.images} == {("ONE", "error")}


def test_hand_is_kept_and_not_the_room(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0")
    catcher = catcher_of(made)
    catcher.see(sight(0, "ONE"))
    catcher.say_wrong()
    catcher.name("FIST")
    (path,) = made.root.glob("*/*.jpg")
    height, width = SIZE
    assert Image.open(path).size < (width, height)


def test_nothing_is_kept_in_memory_or_on_disk_unless_it_is_switched_on(settings: Make) -> None:
    made = settings("recording.min_sharpness=0")
    catcher = catcher_of(made)
    for number in range(30):
        assert catcher.see(sight(number, ("ONE", "FIST")[number % 2], pose=0)) == ""
    assert "nothing to keep" in catcher.say_wrong()
    assert not made.root.exists()


def test_pictures_in_which_something_else_was_said_are_left_out(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0")
    catcher = catcher_of(made)
    for number in range(30):  # TWO was right, for longer; then the gesture changed and ONE was wrong
        catcher.see(sight(number, "TWO" if number < 16 else "ONE"))
    catcher.say_wrong()
    catcher.name("FIST")
    (session,) = sessions(made.root)
    assert {image.prediction for image in session.images} == {"ONE"}


def test_what_the_model_had_right_is_not_kept_as_an_error(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0")
    catcher = catcher_of(made)
    for number in range(20):
        catcher.see(sight(number, "FIST"))
    catcher.say_wrong()
    assert "Nothing is kept" in catcher.name("FIST")
    assert sessions(made.root) == []


def test_missed_hand_is_said_to_leave_nothing_to_keep(settings: Make) -> None:
    catcher = catcher_of(settings("live.catch=true"))
    catcher.see(sight(0, None))
    assert "No hand was found" in catcher.say_wrong()
    assert catcher.waiting is None


def test_contradiction_is_kept_without_a_key_and_named_later(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0", "live.subject=anna")
    catcher = catcher_of(made)
    told = [catcher.see(sight(number, ("ONE", "FIST")[number % 2], pose=0)) for number in range(40)]
    (kept,) = filter(None, told)
    assert "flickers" in kept
    assert sessions(made.root) == []  # hidden until it is named
    (writer,) = reopen_unfinished(made.recording.storage.model_copy(update={"root": made.root}))
    writer.label("FIST")
    writer.close()
    (session,) = sessions(made.root)
    assert session.gesture == "FIST"
    assert {image.kept_because for image in session.images} == {FLICKERS}
    assert {image.prediction for image in session.images} <= {"ONE", "FIST"}


def test_contradiction_that_is_kept_already_is_not_kept_again(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0", "live.catch_rest=0", "live.catch_count=30")
    catcher = catcher_of(made)
    still = [sight(0, says, pose=0) for says in ("ONE", "FIST")]
    for number in range(80):
        moved = Captured(still[0].image, number, number * 0.1)
        catcher.see(Sight(moved, still[number % 2].hands, still[number % 2].hand, still[number % 2].recognised))
    assert catcher.pictures == 1


def test_person_of_the_recorders_val_stays_there(settings: Make) -> None:
    made = settings("live.catch=true", "recording.min_sharpness=0")
    folder = made.recording.storage.root / "earlier"
    folder.mkdir(parents=True)
    write_session(folder, Session("FIST", subject="anna", split="val"))
    catcher = catcher_of(made)
    catcher.see(sight(0, "ONE"))
    catcher.say_wrong()
    catcher.name("FIST")
    assert sessions(made.root)[0].split == "val"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", disk]).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def catch_on_full_disk(settings: Make, disk: Path, *overrides: str) -> tuple[Catcher, Path]:
    (disk / "full").write_bytes(b"x" * 690_000)
    made = settings("live.catch=true", "recording.min_sharpness=0", f"live.root={disk / 'in_use'}", *overrides)
    catcher = catcher_of(made)
    for number in range(20):
        catcher.see(sight(number, "ONE"))
    catcher.say_wrong()
    catcher.name("FIST")
    assert "the disk is full" in catcher.trouble
    assert "no more are caught" in catcher.say_wrong()
    return catcher, made.root


def test_full_disk_while_catching_is_told_and_tried_again(settings: Make, small_disk: Path) -> None:
    catcher, root = catch_on_full_disk(settings, small_disk)
    (small_disk / "full").unlink()
    catcher.tick(100.0)
    assert catcher.trouble == ""
    (session,) = sessions(root)
    assert len(session.images) == catcher.pictures > 5


def test_what_a_full_disk_refused_is_rescued_at_the_end(settings: Make, small_disk: Path, tmp_path: Path) -> None:
    catcher, _ = catch_on_full_disk(settings, small_disk, f"recording.rescue={tmp_path / 'rescue'}")
    (message,) = catcher.close()
    assert str(tmp_path / "rescue") in message
    assert sessions(tmp_path / "rescue")[0].gesture == "FIST"

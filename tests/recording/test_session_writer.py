import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.active_learning.admission import Judgement
from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.errors import OutputError
from static_gesture_classification.images import read_image
from static_gesture_classification.recording.session_writer import (
    TRASH,
    SessionWriter,
    StorageSettings,
    check_writable,
    clear_trash,
    reopen_unfinished,
    slug,
)
from static_gesture_classification.sources.recorded import Session, read_session

IMAGE = np.kron(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
MARKS = np.random.default_rng(1).uniform(0.4, 0.6, (21, 2)).astype(np.float32)
HAND = DetectedHand((0.4, 0.3, 0.6, 0.6), 0.9, "left", MARKS)
HEADER = Session("THREE", "anna", "kitchen", "2026-11-22T10:15:00+01:00", checkpoint="models/best.ckpt", split="train")


@pytest.fixture
def storage(tmp_path: Path) -> StorageSettings:
    return StorageSettings(root=tmp_path / "recorded", rescue=tmp_path / "rescue")


@pytest.fixture
def writer(storage: StorageSettings) -> SessionWriter:
    return SessionWriter(storage, HEADER)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is full after 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def take(writer: SessionWriter, count: int = 1) -> None:
    for _ in range(count):
        writer.take(IMAGE, HAND)
        writer.save()


def test_session_loads_after_every_picture(writer: SessionWriter) -> None:
    for count in (1, 2, 3):
        take(writer)
        assert writer.folder is not None
        session = read_session(writer.folder)
        assert len(session.images) == count
        assert all((writer.folder / image.file).is_file() for image in session.images)
        assert replace(session, images=()) == HEADER


def test_saved_picture_has_the_colours_that_were_seen(writer: SessionWriter) -> None:
    writer.take(np.full((240, 320, 3), (220, 90, 10), np.uint8), HAND)
    writer.save()
    assert writer.folder is not None
    assert read_image(writer.folder / "000000.jpg")[30, 30].astype(int) == pytest.approx((220, 90, 10), abs=6)


def test_nothing_is_on_disk_before_the_first_picture(writer: SessionWriter, storage: StorageSettings) -> None:
    writer.save()
    assert not storage.root.exists()


def test_whole_frame_is_saved_when_asked_for(storage: StorageSettings) -> None:
    entry = SessionWriter(storage.model_copy(update={"whole_frame": True}), HEADER).take(IMAGE, HAND)
    assert np.array_equal(entry.pixels, IMAGE)
    assert entry.image.box == HAND.box


def test_what_the_model_said_stays_with_the_picture(writer: SessionWriter) -> None:
    writer.take(IMAGE, HAND, Judgement("TWO", 0.83, 0.7, "planned error", True))
    writer.save()
    assert writer.folder is not None
    image = read_session(writer.folder).images[0]
    assert (image.prediction, image.score, image.kept_because, image.hand) == ("TWO", 0.83, "planned error", "left")


def test_dropped_picture_leaves_the_session_at_once_and_the_disk_at_the_end(writer: SessionWriter) -> None:
    take(writer, 3)
    writer.entries[1].dropped = True
    writer.save()
    assert writer.folder is not None
    assert [image.file for image in read_session(writer.folder).images] == ["000000.jpg", "000002.jpg"]
    assert (writer.folder / "000001.jpg").is_file()
    writer.close()
    assert sorted(path.name for path in writer.folder.iterdir()) == ["000000.jpg", "000002.jpg", "session.json"]


def test_discarded_session_comes_back_until_the_end(writer: SessionWriter, storage: StorageSettings) -> None:
    take(writer, 2)
    folder = writer.folder
    writer.discard()
    assert folder is not None
    assert not folder.exists()
    writer.restore()
    assert len(read_session(folder).images) == 2
    writer.discard()
    writer.close()
    assert list(storage.root.iterdir()) == []


def test_trash_of_a_killed_recorder_is_cleared_and_that_of_a_living_one_stays(storage: StorageSettings) -> None:
    living = SessionWriter(storage, HEADER)
    take(living)
    living.discard()
    shutil.copytree(storage.root / TRASH, storage.root / "copy")
    next((storage.root / "copy").iterdir()).rename(storage.root / TRASH / "killed")
    clear_trash(storage.root)
    assert living.folder is not None
    assert [path.name for path in (storage.root / TRASH).iterdir()] == [living.folder.name]


def test_set_without_a_gesture_is_hidden_until_it_is_named(storage: StorageSettings) -> None:
    writer = SessionWriter(storage, replace(HEADER, gesture=""))
    take(writer, 2)
    assert writer.folder is not None
    assert writer.folder.name.startswith(".unlabelled-")
    writer.label("FIST")
    assert writer.folder.name == "2026-11-22_10-15-00_anna_FIST"
    assert read_session(writer.folder).gesture == "FIST"


def test_set_that_a_killed_recorder_left_unnamed_is_found_again(storage: StorageSettings) -> None:
    writer = SessionWriter(storage, replace(HEADER, gesture=""))
    take(writer, 2)
    assert reopen_unfinished(storage) == []  # its recorder lives
    assert writer._lock is not None
    writer._lock.release()
    [again] = reopen_unfinished(storage)
    assert [entry.image for entry in again.entries] == [entry.image for entry in writer.entries]
    again.label("FIST")
    take(again)
    assert again.folder is not None
    assert len(read_session(again.folder).images) == 3


def test_two_recorders_at_the_same_second_have_a_folder_each(storage: StorageSettings) -> None:
    writers = [SessionWriter(storage, HEADER) for _ in range(2)]
    for writer in writers:
        take(writer, 2)
    folders = [writer.folder for writer in writers]
    assert folders[0] != folders[1]
    assert [len(read_session(folder).images) for folder in folders if folder] == [2, 2]


def test_full_disk_loses_no_picture(small_disk: Path, storage: StorageSettings) -> None:
    writer = SessionWriter(storage.model_copy(update={"root": small_disk}), HEADER)
    loud = np.random.default_rng(0).integers(0, 255, IMAGE.shape, np.uint8)

    def fill() -> None:
        for _ in range(40):
            writer.take(loud, HAND)
            writer.save()

    for _ in range(2):
        with pytest.raises(OutputError, match="disk is full"):
            fill()
    assert writer.folder is not None
    saved, taken = read_session(writer.folder), len(writer.entries)
    assert len(saved.images) + writer.unsaved == taken
    rescued = writer.rescue()
    assert rescued is not None
    names = [image.file for folder in (writer.folder, rescued) for image in read_session(folder).images]
    assert sorted(names) == [f"{number:06d}.jpg" for number in range(taken)]
    for image in read_session(rescued).images:
        Image.open(rescued / image.file).load()


def test_disk_that_has_room_again_takes_what_waited(small_disk: Path, storage: StorageSettings) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 250_000)
    writer = SessionWriter(storage.model_copy(update={"root": small_disk}), HEADER)
    writer.take(IMAGE, HAND)
    with pytest.raises(OutputError, match="disk is full"):
        writer.save()
    ballast.unlink()
    writer.save()
    assert writer.unsaved == 0
    assert writer.folder is not None
    assert len(read_session(writer.folder).images) == 1


def test_folder_that_cannot_be_written_is_found_out_before_recording(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of this path is a file"):
        check_writable(tmp_path / "file" / "recorded")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("anna", "anna"), ("a/b\\..c", "a-b-c"), ("Анна 2", "Анна-2"), ("../../etc", "etc"), ("", ""), ("  ", "")],
)
def test_any_name_makes_a_folder_name(name: str, folder: str) -> None:
    assert slug(name) == folder


def test_name_of_signs_alone_makes_a_folder_name_of_its_own() -> None:
    assert slug("🖐") != slug("🤘")
    assert slug("🖐").isalnum()


def test_true_name_is_kept_in_the_session(storage: StorageSettings) -> None:
    writer = SessionWriter(storage, replace(HEADER, subject="Анна / 🖐"))
    take(writer)
    assert writer.folder is not None
    assert writer.folder.parent == storage.root
    assert read_session(writer.folder).subject == "Анна / 🖐"


def test_writing_goes_on_after_a_folder_was_taken_away(writer: SessionWriter) -> None:
    take(writer, 2)
    assert writer.folder is not None
    moved: Callable[[], str] = lambda: shutil.move(str(writer.folder), f"{writer.folder}-moved")  # noqa: E731
    moved()
    take(writer)
    assert (writer.folder / "000002.jpg").is_file()

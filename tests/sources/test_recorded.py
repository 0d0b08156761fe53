import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected, subject_of
from static_gesture_classification.sources.recorded import (
    Confusion,
    Recorded,
    RecordedImage,
    Session,
    read_session,
    write_session,
)

Save = Callable[..., Path]
Read = Callable[[Path], tuple[list[dict[str, Any]], list[Rejected]]]
BOX = (0.25, 0.25, 0.75, 0.75)


@pytest.fixture
def read(vocabulary: Vocabulary) -> Read:
    def rows_and_rejected(root: Path) -> tuple[list[dict[str, Any]], list[Rejected]]:
        batches = list(Recorded(name="recorded", root=str(root)).read(vocabulary))
        rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
        return rows, [entry for batch in batches for entry in batch.rejected]

    return rows_and_rejected


def test_session_reads_as_it_was_written(tmp_path: Path) -> None:
    marks = tuple((index / 21, 0.5) for index in range(21))
    session = Session(
        gesture="THREE",
        subject="Анна",
        camera="webcam 0",
        time="2026-11-22T10:15:00+01:00",
        confusion=Confusion("THREE", "TWO"),
        checkpoint="runs/a/best.ckpt",
        split="test",
        images=(
            RecordedImage("0.jpg", BOX, "left", prediction="TWO", score=0.75, kept_because="planned error"),
            RecordedImage("1.jpg", BOX, gesture="TWO", landmarks=marks, subject="Борис"),
        ),
    )
    write_session(tmp_path / "one", session)
    assert read_session(tmp_path / "one") == session
    assert json.loads((tmp_path / "one/session.json").read_text())["version"] == 1


def test_images_of_a_session_become_rows(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("0.jpg", "рука 1.jpg", "saved, not listed yet.jpg"):
        save_image(tmp_path / "monday" / name)
    marks = tuple((0.5, 0.25) for _ in range(21))
    images = (RecordedImage("0.jpg", BOX, "left", landmarks=marks), RecordedImage("рука 1.jpg", BOX, gesture="TWO"))
    write_session(tmp_path / "monday", Session("THREE", subject="anna", split="val", images=images))
    (first, second), rejected = read(tmp_path)
    assert not rejected
    assert (first["image"], first["gesture"], first["hand"]) == ("monday/0.jpg", "THREE", "left")
    assert (second["image"], second["gesture"], second["hand"]) == ("monday/рука 1.jpg", "TWO", "")
    assert first["landmarks"] == pytest.approx([0.5, 0.25] * 21)
    for row in (first, second):
        assert tuple(row[name] for name in ("x1", "y1", "x2", "y2")) == BOX
        assert (row["subject"], row["session"], row["split"]) == ("recorded/anna", "recorded/monday", "val")


def test_of_a_session_without_a_subject_nobody_knows_who_it_is(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("one", "two"):
        save_image(tmp_path / name / "0.jpg")
        write_session(tmp_path / name, Session("FIST", images=(RecordedImage("0.jpg", BOX),)))
    told = [(row["subject"], row["session"]) for row in read(tmp_path)[0]]
    assert told == [("", "recorded/one"), ("", "recorded/two")]


def test_people_of_another_source_are_the_same_people(tmp_path: Path, save_image: Save, vocabulary: Vocabulary) -> None:
    save_image(tmp_path / "caught" / "0.jpg")
    write_session(tmp_path / "caught", Session("TWO", subject="anna", images=(RecordedImage("0.jpg", BOX),)))
    (batch,) = Recorded(name="in_use", root=str(tmp_path), subjects_of="recorded").read(vocabulary)
    assert subject_of(batch.table.to_pandas()).tolist() == ["recorded/anna"]
    assert batch.table.column("session").to_pylist() == ["in_use/caught"]


def test_subject_of_an_image_overrides_that_of_the_session(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("0.jpg", "1.jpg"):
        save_image(tmp_path / "mined" / name)
    images = (RecordedImage("0.jpg", BOX), RecordedImage("1.jpg", BOX, subject="hagrid/a1"))
    write_session(tmp_path / "mined", Session("FIST", subject="anna", images=images))
    assert [row["subject"] for row in read(tmp_path)[0]] == ["recorded/anna", "recorded/hagrid/a1"]


@pytest.mark.parametrize("before", [False, True])
def test_a_mined_hand_is_of_the_person_that_it_was_mined_from(
    tmp_path: Path, save_image: Save, read: Read, before: bool
) -> None:
    """`before`: as sessions were written when the subject held both names."""
    mined = (("hagrid", "a1"), ("folder", "folder/bo"), ("folder", ""), (None, "anna"), (None, ""))
    images = []
    for number, (source, subject) in enumerate(mined):
        save_image(tmp_path / "mined" / f"{number}.jpg")
        both = "/".join(filter(None, (source if subject else "", subject)))
        own = {"subject": both} if before else {"subject": subject, "source": source}
        images.append({"file": f"{number}.jpg", "box": BOX, **own})
    content = {"version": 1, "gesture": "FIST", "camera": "mined from somewhere", "images": images}
    (tmp_path / "mined" / "session.json").write_text(json.dumps(content))
    rows, _ = read(tmp_path)
    assert [row["subject"] for row in rows] == ["hagrid/a1", "folder/bo", "", "recorded/anna", ""]
    originals = pd.DataFrame({"source": ["hagrid", "folder"], "subject": ["a1", "folder/bo"]})
    assert subject_of(pd.DataFrame(rows)).tolist()[:2] == subject_of(originals).tolist()


def test_session_from_before_images_carried_judgements_still_reads(tmp_path: Path) -> None:
    image = {"file": "0.jpg", "box": BOX, "hand": "right", "gesture": None, "landmarks": None}
    (tmp_path / "session.json").write_text(json.dumps({"version": 1, "gesture": "FIST", "images": [image]}))
    assert read_session(tmp_path).images == (RecordedImage("0.jpg", BOX, "right"),)


def test_bad_images_of_a_session_are_rejected_with_the_reason(tmp_path: Path, save_image: Save, read: Read) -> None:
    save_image(tmp_path / "one/good.jpg")
    save_image(tmp_path / "one/boxless.jpg")
    (tmp_path / "one/empty.jpg").touch()
    images = [RecordedImage(f"{name}.jpg", BOX) for name in ("good", "empty", "absent")]
    write_session(tmp_path / "one", Session("FIST", images=(*images, RecordedImage("boxless.jpg", (0.1, 0.2)))))
    rows, rejected = read(tmp_path)
    assert [row["image"] for row in rows] == ["one/good.jpg"]
    reasons = {entry.item: entry.reason for entry in rejected}
    assert reasons["empty.jpg hand 0"] == "cannot read the image: file is empty"
    assert reasons["absent.jpg hand 0"] == "image not found"
    assert "box is not four numbers" in reasons["boxless.jpg hand 0"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"version": 1, "gesture": "FI', "is not whole JSON"),
        ('{"version": 7}', "has version 7, this program reads 1"),
        ("[]", "has version None"),
        ('{"version": 1, "gesture": "FIST"}', "images is missing"),
        ('{"version": 1, "gesture": "FIST", "images": [{"file": "a.jpg"}]}', r"images\[0\]\.box is missing"),
        ('{"version": 1, "gesture": "FIST", "split": "exam", "images": []}', "unknown split 'exam'"),
    ],
)
def test_broken_session_is_an_error_that_names_its_file(content: str, message: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/session.json").write_text(content)
    with pytest.raises(DataError, match=rf"one/session\.json.*{message}"):
        read(tmp_path)


def test_root_without_sessions_is_an_error(tmp_path: Path, read: Read) -> None:
    with pytest.raises(DataError, match=r"no <session>/session\.json in"):
        read(tmp_path)


def test_people_of_a_mined_session_are_not_tied_to_one_another(tmp_path: Path, save_image: Save, read: Read) -> None:
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        save_image(tmp_path / "mined" / name)
    subjects = ("hagrid/a1", "hagrid/b2", "hagrid/a1")
    images = tuple(RecordedImage(f"{k}.jpg", BOX, subject=subject) for k, subject in enumerate(subjects))
    write_session(tmp_path / "mined", Session("FIST", images=images))
    sessions = [row["session"] for row in read(tmp_path)[0]]
    assert sessions[0] == sessions[2] != sessions[1]

"""Errors caught in use, counted from the sessions on the disk."""

from pathlib import Path

import pytest

from static_gesture_classification.active_learning.diagnosis.in_use import (
    ErrorInUse,
    find_errors_in_use,
    show_errors_in_use,
)
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session

BOX = (0.2, 0.2, 0.8, 0.8)


def catch(
    root: Path, name: str, gesture: str, *predictions: str, subject: str = "anna", time: str = "2026-11-27"
) -> None:
    images = tuple(RecordedImage(f"{number}.jpg", BOX, prediction=each) for number, each in enumerate(predictions))
    (root / name).mkdir(parents=True)
    write_session(root / name, Session(gesture, subject=subject, time=time, images=images))


def test_pairs_are_counted_most_often_caught_first(tmp_path: Path) -> None:
    catch(tmp_path, "1", "FIST", "ONE", "ONE", "FIST", time="2026-11-25")
    catch(tmp_path, "2", "FIST", "ONE", subject="bo", time="2026-11-26")
    catch(tmp_path, "3", "TWO", "ONE", "ONE", "ONE", "ONE", subject="")
    first, second = find_errors_in_use(tmp_path)
    assert first == ErrorInUse("FIST", "ONE", sessions=2, pictures=3, subjects=2, first="2026-11-25")
    assert (second.gesture, second.sessions, second.pictures, second.subjects) == ("TWO", 1, 4, 0)
    assert first.in_words == "caught in use 2 times (3 pictures, 2 people)"


def test_what_nobody_has_named_is_no_error_yet(tmp_path: Path) -> None:
    catch(tmp_path, ".unlabelled-1", "", "ONE", "FIST")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "session.json").write_text("{")
    assert find_errors_in_use(tmp_path) == []
    assert find_errors_in_use(tmp_path / "absent") == []


def test_they_are_shown_apart_from_val(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catch(tmp_path, "1", "FIST", "ONE")
    show_errors_in_use(find_errors_in_use(tmp_path), rows=5)
    printed = capsys.readouterr().out
    assert "they are no part of val" in printed
    assert "FIST" in printed
    show_errors_in_use([], rows=5)
    assert capsys.readouterr().out == ""

from pathlib import Path

from static_gesture_classification.recording.subjects import FILE, match_known, read_known, remember, tidy
from static_gesture_classification.sources.recorded import Session, write_session


def test_latest_names_come_first(tmp_path: Path) -> None:
    remember(tmp_path, "anna", "kitchen")
    remember(tmp_path, "Борис / 🖐", "office")
    remember(tmp_path, "anna", "office")
    known = read_known(tmp_path)
    assert known.subjects == ("anna", "Борис / 🖐")
    assert known.rooms == ("office", "kitchen")


def test_people_of_earlier_sessions_are_known_without_a_memory(tmp_path: Path) -> None:
    write_session(tmp_path / "one", Session("FIST", "anna", "kitchen"))
    write_session(tmp_path / "mined-two", Session("FIST", "someone of a dataset", "pool"))
    assert read_known(tmp_path).subjects == ("anna",)


def test_damaged_memory_costs_nothing_but_the_order(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"people": [')
    write_session(tmp_path / "one", Session("FIST", "anna"))
    assert read_known(tmp_path).subjects == ("anna",)
    remember(tmp_path, "bo", "office")
    assert read_known(tmp_path).subjects == ("bo", "anna")


def test_one_person_does_not_become_two_by_capitals_or_spaces() -> None:
    assert match_known("  ANNA  maria ", ("bo", "Anna Maria")) == "Anna Maria"
    assert match_known("Cora", ("bo",)) == "Cora"


def test_name_has_no_control_characters_and_an_end() -> None:
    assert tidy("a\tb\n\x00c") == "a b c"
    assert len(tidy("x" * 500)) == 80

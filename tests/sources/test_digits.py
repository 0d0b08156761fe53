from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.sources.digits import Digits, students

Save = Callable[..., Path]


@pytest.mark.parametrize("folder", ["Dataset", "Sign-Language-Digits-Dataset-master/Dataset", ""])
def test_digits_are_grouped_by_the_student_who_showed_them(
    folder: str, tmp_path: Path, save_image: Save, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    for student in range(3):
        for digit in range(10):
            save_image(tmp_path / folder / f"{digit}/IMG_{1118 + 10 * student + digit}.JPG", 100, 100)
    save_image(tmp_path / "Sign-Language-Digits-Dataset-master/Examples/example_0.JPG")
    batches = Digits(name="digits", root=str(tmp_path), labels=labels("digits")).read(vocabulary)
    rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
    assert len(rows) == 30
    by_student: dict[str, list[str]] = {}
    for row in rows:
        by_student.setdefault(row["subject"], []).append(row["gesture"])
    assert list(by_student) == ["digits/IMG_1118", "digits/IMG_1128", "digits/IMG_1138"]
    shown = ["BACKGROUND", "ONE", "TWO", "THREE", "FOUR", "FIVE", "THREE", "BACKGROUND", "BACKGROUND", "OKAY"]
    assert all(gestures == shown for gestures in by_student.values())


def test_missing_pictures_do_not_cut_a_student_in_two() -> None:
    shots = [(1, "0", "a"), (3, "2", "b"), (4, "3", "c"), (12, "1", "d"), (14, "3", "e"), (15, "3", "f")]
    assert students(shots) == {"a": "IMG_1", "b": "IMG_1", "c": "IMG_1", "d": "IMG_12", "e": "IMG_12", "f": "IMG_12"}


def test_of_a_picture_whose_name_has_no_number_nobody_knows_who_it_is(
    tmp_path: Path, save_image: Save, vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]
) -> None:
    for name in ("a", "b"):
        save_image(tmp_path / f"Dataset/1/{name}.JPG", 100, 100)
    batches = Digits(name="digits", root=str(tmp_path), labels=labels("digits")).read(vocabulary)
    rows = pa.concat_tables([batch.table for batch in batches]).to_pylist()
    assert [row["subject"] for row in rows] == ["", ""]
    assert len({row["session"] for row in rows}) == 2

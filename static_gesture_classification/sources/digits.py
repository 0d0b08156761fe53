"""ardamavi/Sign-Language-Digits-Dataset (Mavi, arXiv:2011.08927): 2,062 close-ups, 218 students show the ten digits.

    Dataset/<digit>/IMG_<number>.JPG

The dataset does not name students, but the camera's numbers tell them apart: each student showed 0 to 9 in a row, so
that IMG_1118 is a 0, IMG_1119 the same hand's 1, ... and IMG_1128 the next student's 0. In the order of the numbers a
new student begins where the digit drops. If pictures are missing between two students (one ends with 5, the next begins
with 7), both count as one, which never puts a student in two splits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from static_gesture_classification.sources.folder import Folder
from static_gesture_classification.sources.folder_layout import LabelFolder
from static_gesture_classification.sources.source import folders_in

NUMBER = re.compile(r"(\d+)(?=\.\w+$)")


@dataclass(kw_only=True)
class Digits(Folder):
    """Reads the digits from the archive's `Dataset` folder."""

    boxes: str | None = None
    _students: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def label_folders(self) -> Sequence[LabelFolder]:
        """A folder per digit; also assigns the images to students."""
        parents = [*(f"{name}/Dataset" for name in folders_in(self.folder)), "Dataset", ""]
        digits = next((found for parent in parents if (found := self._digits(parent))), [])
        shots = [(shot_number(path), digit.label, path) for digit in digits for path in self._files(digit.path).images]
        self._students = students(shots)
        return digits

    def subject_of(self, path: str, pattern: re.Pattern[str] | None) -> tuple[str, str]:
        """The student by the camera's numbers, "" where unknown, and the session. See `Folder.subject_of`."""
        if pattern is not None and pattern.search(path):
            return super().subject_of(path, pattern)
        if path not in self._students:
            return "", f"{self.name}/{path}"
        student = f"{self.name}/{self._students[path]}"
        return student, student

    def _digits(self, parent: str) -> list[LabelFolder]:
        names = (name for name in folders_in(self.folder / parent) if name.isdecimal())
        return [LabelFolder(name, f"{parent}/{name}".lstrip("/")) for name in names]


def shot_number(path: str) -> int | None:
    """The camera's number in a path: 1118 of Dataset/0/IMG_1118.JPG; None where there is none."""
    match = NUMBER.search(path)
    return int(match.group()) if match else None


def students(shots: Sequence[tuple[int | None, str, str]]) -> dict[str, str]:
    """Path -> student, named by the student's first picture, from (camera's number, digit, path)."""
    named: dict[str, str] = {}
    student, last = "", ""
    for number, digit, path in sorted(
        (shot for shot in shots if shot[0] is not None), key=lambda shot: (shot[0], shot[1])
    ):
        if not student or digit < last:
            student = f"IMG_{number}"
        named[path], last = student, digit
    return named

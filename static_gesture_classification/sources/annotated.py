"""The common part of all formats of labelling tools: finds pictures by name, converts units, subjects and splits.

Such a format lists the boxes of each picture, with a label and perhaps attributes. Its source reads its files into
`MarkedHand`s, in the format's own units.
"""

from __future__ import annotations

import re
import unicodedata
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from static_gesture_classification.errors import DataError
from static_gesture_classification.image_files import files_below
from static_gesture_classification.samples import LANDMARK_COUNT, Rejected, subject_name
from static_gesture_classification.sources.folder_layout import SPLIT_WORDS
from static_gesture_classification.sources.image_size import NO_BOX, file_problem, frame_size, in_shares
from static_gesture_classification.sources.source import Hand, Hands, Piece, Source, is_archive
from static_gesture_classification.sources.subjects import subject_in_path, subject_regex

IN_SHARES = (1.0, 1.0)  # boxes as shares of the width and height
IN_PERCENT = (100.0, 100.0)
IMAGE_NOT_FOUND = "image not found"
SAME_SHAPE = 0.02  # two sizes are of one picture if their ratios of width to height differ by no more
HANDS_PER_PIECE = 20_000  # hands at a time
ATTRIBUTES = {"subject": "subject", "session": "session", "hand": "hand"}


@dataclass(frozen=True)
class MarkedHand:
    """One hand in an annotation file.

    Args:
        picture: name of its picture in the file.
        label: as published; a hand without one ("") is rejected.
        box: x1, y1, x2, y2 in the format's units; a hand with anything else is rejected.
        units: divisors that turn the box into shares; None: pixels of the picture.
        size: width and height of the picture in pixels, as the file states them, or None.
        landmarks: x, y of 21 points, in the same units, or None.
        attributes: further attributes of the hand, by name.
        entry: name of the hand in reports; "" for the picture's name.
        problem: a reason of the reader to reject it, or None.
    """

    picture: str
    label: str
    box: object
    units: tuple[float, float] | None = None
    size: tuple[float, float] | None = None
    landmarks: Sequence[float] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    problem: str | None = None


@dataclass
class LeftOut:
    """What a file's reader leaves out, for the report: entries, remarks, and how often what was met."""

    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class AnnotationFile:
    """The content of one annotation file: its hands, rejected entries, lines for the report.

    `near` are the folders, relative to the root, to search first for its pictures; `split` is its official split.
    """

    name: str
    hands: Iterable[MarkedHand]
    near: Sequence[str] = ("",)
    split: str = ""
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class PictureIndex:
    """Finds the files below a root by their names in annotation files. Links to folders are followed."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, str] = {}  # path as written in annotations -> path on disk, both relative to the root
        self._by_name: dict[str, list[str]] = defaultdict(list)
        below = files_below(root)
        for path in sorted([*below.images, *below.videos, *below.others]):
            key = unicodedata.normalize("NFC", path)
            self.files[key] = path
            self._by_name[key.rpartition("/")[2]].append(key)
        self.paths = frozenset(self.files.values())

    def find(self, name: str, near: Sequence[str] = ("",)) -> tuple[str | None, str | None]:
        """Path of a picture relative to the root, or None and the reason.

        A name is a path below one of the folders `near` or below the root. If it begins above the root
        (`C:/hands/like/1.jpg`), its first folders are dropped until it fits. Otherwise the only file whose path ends
        with the name is taken.
        """
        wanted = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).lstrip("/").removeprefix("./")
        parts = [part for part in PurePosixPath(wanted).parts if part != ".."]
        if not parts:
            return None, IMAGE_NOT_FOUND
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            for folder in dict.fromkeys((*near, "")):
                path = f"{folder}/{tail}" if folder else tail
                if path in self.files:
                    return self.files[path], None
        same_name = [path for path in self._by_name.get(parts[-1], ()) if path.endswith("/" + "/".join(parts))]
        return self._the_one(same_name, near)

    def _the_one(self, paths: Sequence[str], near: Sequence[str]) -> tuple[str | None, str | None]:
        closest = [path for path in paths if any(folder and path.startswith(f"{folder}/") for folder in near)]
        chosen = closest if len(closest) == 1 else paths
        if len(chosen) == 1:
            return self.files[chosen[0]], None
        return None, f"{len(chosen)} files have this name: {', '.join(chosen[:3])}" if chosen else IMAGE_NOT_FOUND

    def by_suffix(self, *suffixes: str) -> list[str]:
        """Paths of the files with these suffixes (in small letters), sorted."""
        return sorted(path for path in self.files.values() if path.lower().endswith(suffixes))


@dataclass
class Reading:
    """State of one reading of a source."""

    pictures: PictureIndex
    pattern: re.Pattern[str] | None
    hands: Counter[str] = field(default_factory=Counter)  # picture -> hands so far
    places: dict[str, tuple[str, str]] = field(default_factory=dict)  # picture -> split and the file that named it
    sizes: dict[str, tuple[int, int] | str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Annotated(Source):
    """A source in the format of a labelling tool.

    Args:
        subject_pattern: regular expression on a picture's path below the root; its first group is the subject, a group
            called `session` the session.
        attributes: names of the format's attributes for `subject`, `session` and `hand`; they go before the pattern.
            Where neither has the subject, see `Source.unknown_subject`.
    """

    subject_pattern: str | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: dict(ATTRIBUTES))

    @abstractmethod
    def files(self, pictures: PictureIndex) -> Iterable[Iterable[AnnotationFile]]:
        """The annotation files, each read on demand; none where the root has no file of the format.

        Raises:
            DataError: a file is malformed; names the way out.
        """

    layout = ""  # of the format's files, for messages

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one per annotation file. They share a `Reading`, so one process reads them."""
        reading = Reading(PictureIndex(self.folder), subject_regex(self.subject_pattern, self.name))
        found = [partial(self._piece, reading, files) for files in self.files(reading.pictures)]
        if not found:
            raise self.nothing_found(reading.pictures)
        return found

    def nothing_found(self, pictures: PictureIndex) -> DataError:
        """The error for a root without a file of the format."""
        archives = [path for path in pictures.files.values() if is_archive(path)]
        if archives:
            way_out = f"unpack {self.root}/{archives[0]} there"
        else:
            way_out = f"set sources.{self.name}.root, or {self.how_to_get}"
        return DataError(f"source {self.name}: no {self.layout} in {self.root}; {way_out}")

    def _piece(self, reading: Reading, files: Iterable[AnnotationFile]) -> Iterator[Hands]:
        for file in files:
            rows: list[Hand] = []
            for marked in file.hands:
                if not marked.label:
                    entry = marked.entry or marked.picture
                    file.rejected.append(Rejected(self.name, file.name, entry, "it has no label"))
                    continue
                rows.append(self._hand(reading, file, marked))
                if len(rows) == HANDS_PER_PIECE:
                    yield Hands.of(file.name, rows)
                    rows = []
            hands = Hands.of(file.name, rows, file.notes)
            hands.rejected = file.rejected
            yield hands

    def _hand(self, reading: Reading, file: AnnotationFile, marked: MarkedHand) -> Hand:
        image, problem = reading.pictures.find(marked.picture, file.near)
        box: tuple[float, ...] = NO_BOX
        landmarks: tuple[float, ...] | None = None
        if image is not None:
            problem = marked.problem or self._split_problem(reading, image, file)
            if problem is None:
                box, landmarks, problem = self._shares(reading, image, marked)
        place = image or marked.picture
        subject, session, hand = self._identity(reading, place, marked.attributes)
        number = reading.hands[place]
        reading.hands[place] += 1
        return Hand(
            name=marked.entry or marked.picture,
            image=image,
            label=marked.label,
            box=box,
            subject=subject,
            session=session,
            number=number,
            hand=hand,
            split=file.split,
            landmarks=landmarks,
            problem=problem,
        )

    def _split_problem(self, reading: Reading, image: str, file: AnnotationFile) -> str | None:
        split, named_in = reading.places.setdefault(image, (file.split, file.name))
        if split == file.split:
            return None
        return f"it is in {split or 'no split'} ({named_in}) and in {file.split or 'no split'} ({file.name})"

    def _shares(
        self, reading: Reading, image: str, marked: MarkedHand
    ) -> tuple[tuple[float, ...], tuple[float, ...] | None, str | None]:
        """Box and landmarks as shares of the upright picture, or the problem."""
        units: tuple[float, float] | str
        if marked.units is None or marked.size is not None:
            units = self._units_of(reading, image, marked)
        else:
            units = file_problem(self.folder / image) or marked.units
        box, problem = in_shares(marked.box, units)
        if problem or isinstance(units, str) or marked.landmarks is None:
            return box, None, problem
        if len(marked.landmarks) != 2 * LANDMARK_COUNT:
            return box, None, None
        return box, tuple(value / units[axis % 2] for axis, value in enumerate(marked.landmarks)), None

    def _units_of(self, reading: Reading, image: str, marked: MarkedHand) -> tuple[float, float] | str:
        """The divisors of a box, or the problem; a stated size is checked against the upright picture."""
        if image not in reading.sizes:
            reading.sizes[image] = frame_size(self.folder / image)
        actual, stated = reading.sizes[image], marked.size
        if isinstance(actual, str):
            return actual
        if stated is not None and not same_shape(stated, actual):
            return (
                f"it was marked as a picture of {stated[0]:g} x {stated[1]:g} pixels, but is {actual[0]} x {actual[1]} "
                "(turned, cut or another picture)"
            )
        return marked.units or stated or actual

    def _identity(self, reading: Reading, image: str, attributes: Mapping[str, str]) -> tuple[str, str, str]:
        """Subject, session and hand."""
        values = {name: attributes.get(key, "").strip() for name, key in {**ATTRIBUTES, **self.attributes}.items()}
        by_path = subject_in_path(image, reading.pattern)
        session = values["session"] or by_path[1]
        subject = values["subject"] or by_path[0]
        hand = values["hand"].lower()
        hand = hand if hand in ("left", "right") else ""
        if not subject:
            return (*self.unknown_subject(image, session), hand)
        # our own exports have the source in these names already
        return subject_name(self.name, subject), subject_name(self.name, session or subject), hand


def same_shape(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two sizes have the same ratio of width to height, to a pixel or 2 %: one picture, perhaps resized."""
    (width, height), (other_width, other_height) = one, other
    difference = abs(width * other_height - height * other_width)
    return difference <= max(SAME_SHAPE * height * other_width, width, height, other_width, other_height)


def split_in(path: str) -> str:
    """The split in the name of a file or, else, of its folders, the innermost first; "" where there is none.

    >>> split_in("annotations/instances_val2017.json"), split_in("train/_annotations.coco.json")
    ('val', 'train')
    """
    for part in reversed(PurePosixPath(path).parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return ""


def around(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The box x1, y1, x2, y2 around points; raises `ValueError` for none."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def numbers(value: object, count: int | None = None) -> list[float] | None:
    """A list of numbers, of the length `count` if given; None for anything else."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        return None
    return [float(item) for item in value] if all(type(item) in (int, float) for item in value) else None


def positive_size(width: object, height: object) -> tuple[float, float] | None:
    """A size, or None where it is missing, 0 or no number."""
    try:
        size = float(width), float(height)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return size if size[0] > 0 and size[1] > 0 else None

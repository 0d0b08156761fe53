"""The base of all sources: turns published hands into rows of the sample table.

A source is one file in this package and one YAML in conf/sources/. It reads its dataset's files (`Source.pieces`). The
label map, box checks, subsampling and the table are here.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from static_gesture_classification.arrays import Doubles, Singles
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_names import is_text, printable
from static_gesture_classification.garbage_collection import without_garbage_collection
from static_gesture_classification.gestures import Vocabulary, require_text
from static_gesture_classification.image_files import (
    MANY_FRAMES,
    NOT_UTF8,
    has_more_frames,
    is_folder,
    is_hidden,
    is_image,
)
from static_gesture_classification.parallel.engine import Engine
from static_gesture_classification.parallel.local import LocalEngine
from static_gesture_classification.parallel.shared_files import cannot_see, lacks, this_worker
from static_gesture_classification.places import locate, names_in, real_path, scan
from static_gesture_classification.samples import (
    LANDMARK_COUNT,
    SCHEMA,
    SPLITS,
    TEXTS,
    Rejected,
    group_of,
    landmark_column,
    sample_id,
    to_frame,
)
from static_gesture_classification.sources.unknown_labels import IGNORE, UnknownLabel, message

__all__ = ["Hand", "Hands", "Piece", "SampleBatch", "Source", "files_in", "folders_in", "is_image"]

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".rar", ".7z")
PENDING = 200_000  # samples in memory before surplus ones are dropped
OVERSHOOT = 0.02  # share of the image that a box may reach beyond it (annotators' hands shake); it is clipped


@dataclass(frozen=True)
class Hand:
    """One hand as published. `box` is x1, y1, x2, y2, normalised; `image` is relative to the root, None if missing.

    `subject` is "" where unknown.
    """

    name: str  # of the image in the dataset's file
    image: str | None
    label: str
    box: Sequence[float]
    subject: str
    session: str
    number: int = 0  # which hand of its image
    hand: str = ""
    split: str = ""
    landmarks: Sequence[float] | None = None  # x, y of 21 points, normalised
    problem: str | None = None  # a reason of the source to reject it


@dataclass
class Hands:
    """Many hands in columns, as one of the dataset's files publishes them, before any check.

    Args:
        file: the annotation file, relative to the root; named in reports.
        box: (n, 4) float64: x1, y1, x2, y2 normalised; NaN where there is no number.
        landmarks: (n, 42) float32 normalised, rows of NaN where there are none; or None for none at all.
        problems: row -> reason of the source to reject it.
        rejected: entries without a row.
        passed_over: files that cannot be used because of their names; they do not count as bad.
        not_images: files beside the images that are no readable images.
        notes: lines for the report.
    """

    file: str
    name: list[str]
    image: list[str | None]
    number: list[int]
    label: list[str]
    box: Doubles
    subject: list[str]
    session: list[str]
    hand: list[str]
    split: list[str]
    landmarks: Singles | None = None
    problems: dict[int, str] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    passed_over: list[Rejected] = field(default_factory=list)
    not_images: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: str, rows: Sequence[Hand], notes: Iterable[str] = ()) -> Hands:
        """Columns from single hands."""
        blank = [np.nan] * 2 * LANDMARK_COUNT
        marked = any(row.landmarks is not None for row in rows)
        marks = [blank if row.landmarks is None else row.landmarks for row in rows] if marked else None
        return cls(
            file=file,
            name=[row.name for row in rows],
            image=[row.image for row in rows],
            number=[row.number for row in rows],
            label=[row.label for row in rows],
            box=np.array([row.box for row in rows], np.float64).reshape(-1, 4),
            subject=[row.subject for row in rows],
            session=[row.session for row in rows],
            hand=[row.hand for row in rows],
            split=[row.split for row in rows],
            landmarks=None if marks is None else np.array(marks, np.float32).reshape(-1, 2 * LANDMARK_COUNT),
            problems={index: row.problem for index, row in enumerate(rows) if row.problem},
            notes=list(notes),
        )


@dataclass
class SampleBatch:
    """A piece of the sample table (`samples.SCHEMA`) and its report.

    `clipped` counts boxes that reached a little beyond the image, `ignored` hands whose label is mapped to `ignore`,
    `notes` are lines for the report; `passed_over` and `not_images` are as in `Hands`. Of `animated` images only the
    first frame or page is used. The hands of `unknown` labels are not in the table.
    """

    table: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    clipped: int = 0
    ignored: int = 0
    notes: list[str] = field(default_factory=list)
    passed_over: list[Rejected] = field(default_factory=list)
    not_images: list[str] = field(default_factory=list)
    animated: list[str] = field(default_factory=list)
    unknown: list[UnknownLabel] = field(default_factory=list)


Piece = Callable[[], Iterable[Hands]]


@dataclass(kw_only=True)
class Source(ABC):
    """A dataset in its own layout. Subclasses read its files; `read` gives rows of the sample table.

    Args:
        name: the source's name; part of each sample's identity.
        root: the dataset's folder or URL, stored in the table as given here.
        usual_root: the folder of downloads; the source is left out if that is absent, another absent root is an error.
        how_to_get: how to get the dataset, for messages.
        licence: of its data, for the model card; None if unknown.
        labels: published label -> gesture, or `ignore`. The name of a gesture needs no entry.
        gestures: only these gestures; None for all.
        max_per_gesture: greatest number of samples of each gesture, spread over subjects; None for all.
        seed: chooses the samples that `max_per_gesture` keeps.
    """

    name: str
    root: str
    usual_root: str | None = None
    how_to_get: str = "see the README"
    licence: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    gestures: Sequence[str] | None = None
    max_per_gesture: int | None = None
    seed: int = 0
    enabled: bool = True

    def __post_init__(self) -> None:
        self.labels = self.labels or {}  # `labels:` with nothing below it is null
        self.root = str(self.root)  # `root: 2024` is a number

    @abstractmethod
    def pieces(self) -> Sequence[Piece]:
        """The parts of the dataset (subjects, sessions, gestures), to read one by one, in an order given by the data.

        Raises:
            DataError: a necessary file or folder is missing; from a piece: a file is malformed.
        """

    def workers(self, pieces: Sequence[Piece]) -> int:
        """Number of processes of this machine that read."""
        return 1

    def paths_to_watch(self) -> Iterable[str]:
        """Paths whose change makes a new reading necessary: all files, unless a source needs fewer."""
        return every_file(self.folder)

    def unknown_subject(self, path: str, session: str = "") -> tuple[str, str]:
        """Subject ("") and session of an image with an unknown subject; without a session it is one of its own."""
        return "", f"{self.name}/{session or path}"

    @property
    def folder(self) -> Path:
        """The root, with `~` expanded; at a URL it reads like one (`places`)."""
        return locate(self.root)

    def present(self) -> bool:
        """Whether the root holds any file; False only for an absent usual root.

        Raises:
            DataError: another root does not exist or is empty.
        """
        if not is_text(self.root):
            raise DataError(f"source {self.name}: {printable(self.root)}: {NOT_UTF8}")
        if self.folder.is_dir() and any(every_file(self.folder)):
            return True
        if self.usual_root is not None and Path(self.root) == Path(self.usual_root):
            return False
        if is_archive(self.folder.name) and self.folder.is_file():
            raise DataError(f"source {self.name}: {self.root} is an archive; unpack it and name its folder")
        state = "is empty" if self.folder.is_dir() else "is not a folder" if self.folder.exists() else "does not exist"
        raise DataError(f"source {self.name}: {self.root} {state}; set sources.{self.name}.root, or {self.how_to_get}")

    def read(
        self,
        vocabulary: Vocabulary,
        progress: Callable[[int, int], None] | None = None,
        engine: Engine | None = None,
    ) -> Iterator[SampleBatch]:
        """Rows of the sample table, in batches that fit in memory.

        Args:
            vocabulary: the gestures.
            progress: gets the numbers of read and all pieces.
            engine: where pieces are read; None: on this machine.

        Raises:
            DataError: labels are neither mapped nor ignored (after the last batch, so that it names all of them); see
                also `pieces`.
            UserError: the label map or `gestures` has a gesture that is not in the vocabulary.
        """
        self._check_gestures(vocabulary)
        batches = self._batches(vocabulary, progress or (lambda done, total: None), engine or LocalEngine())
        if self.max_per_gesture is None:
            return batches
        return spread_over_subjects(batches, self.max_per_gesture, self.seed)

    def _batches(
        self, vocabulary: Vocabulary, progress: Callable[[int, int], None], engine: Engine
    ) -> Iterator[SampleBatch]:
        pieces = self.pieces()
        progress(0, len(pieces))
        if passed_over := self._find_unnameable():
            yield SampleBatch(SCHEMA.empty_table(), passed_over=passed_over)
        unknown: dict[str, UnknownLabel] = {}
        check = partial(self._check_piece, vocabulary=vocabulary, root_is_there=not lacks(self.folder))
        results = engine.map(check, pieces, jobs=self.workers(pieces))
        for done, batches in enumerate(results, start=1):
            yield from batches
            progress(done, len(pieces))
            for each in (label for batch in batches for label in batch.unknown):
                unknown.setdefault(each.label, UnknownLabel(each.label, each.file)).hands += each.hands
        if unknown:
            raise DataError(message(self.name, self.root, unknown.values(), self._label_map(vocabulary)))

    def _check_piece(self, piece: Piece, vocabulary: Vocabulary, root_is_there: bool) -> list[SampleBatch]:
        if root_is_there and lacks(self.folder):
            raise cannot_see(self.folder, this_worker())
        with without_garbage_collection():
            return [self.check(hands, vocabulary) for hands in piece()]

    def _check_gestures(self, vocabulary: Vocabulary) -> None:
        require_text([*self.labels, *self.labels.values()], f"sources.{self.name}.labels")
        require_text(self.gestures or (), f"sources.{self.name}.gestures")
        for label, gesture in self.labels.items():
            if gesture != IGNORE and gesture not in vocabulary:
                raise UserError(
                    f"sources.{self.name}.labels maps {label!r} to {gesture}, which is not in the vocabulary "
                    f"({', '.join(vocabulary)}); map it to one of these or to {IGNORE}, or add it in conf/gestures/"
                )
        for gesture in self.gestures or ():
            if gesture not in vocabulary:
                raise UserError(
                    f"sources.{self.name}.gestures names {gesture!r}, which is not in the vocabulary "
                    f"({', '.join(vocabulary)})"
                )
        if self.max_per_gesture is not None and self.max_per_gesture < 1:
            raise UserError(
                f"sources.{self.name}.max_per_gesture is {self.max_per_gesture}; it must be at least 1, or null"
            )

    def check(self, hands: Hands, vocabulary: Vocabulary) -> SampleBatch:
        """Map labels, check boxes and images, and make table rows of good hands."""
        known = self._label_map(vocabulary)
        gesture = np.array([known.get(label, IGNORE) for label in hands.label], dtype=object)
        ignored = gesture == IGNORE
        wanted = ~ignored if self.gestures is None else ~ignored & np.isin(gesture, list(self.gestures))
        box, clipped, problems = check_boxes(hands.box)
        problems |= {row: "image not found" for row, image in enumerate(hands.image) if image is None} | hands.problems
        bad = np.zeros(len(gesture), bool)
        bad[list(problems)] = True
        rejected = [self._reject(hands, row, problems[row]) for row in np.flatnonzero(wanted & bad).tolist()]
        rows = np.flatnonzero(wanted & ~bad)
        return SampleBatch(
            table=self._table(hands, rows, box, gesture),
            rejected=hands.rejected + rejected,
            clipped=int(clipped[rows].sum()),
            ignored=int(ignored.sum()),
            notes=hands.notes,
            passed_over=hands.passed_over,
            not_images=hands.not_images,
            animated=self._find_animated(hands.image[row] for row in rows),
            unknown=[
                UnknownLabel(label, hands.file, count)
                for label, count in Counter(hands.label).items()
                if label not in known
            ],
        )

    def _label_map(self, vocabulary: Vocabulary) -> dict[str, str]:
        """Published label or gesture -> gesture."""
        return {name: name for name in vocabulary} | dict(self.labels)

    def _find_animated(self, images: Iterable[str | None]) -> list[str]:
        """The images with more than one frame; formats that cannot have them are not opened."""
        candidates = dict.fromkeys(name for name in images if name and name.lower().endswith(MANY_FRAMES))
        return [name for name in candidates if has_more_frames(self.folder / name)]

    def _find_unnameable(self) -> list[Rejected]:
        """Entries of the root whose name no table can hold."""
        try:
            names = [name for name in names_in(self.folder) if not is_text(name)]
        except OSError:
            return []
        return [Rejected(self.name, printable(name), printable(name), NOT_UTF8) for name in sorted(names)]

    def _reject(self, hands: Hands, row: int, reason: str) -> Rejected:
        return Rejected(
            self.name, hands.image[row] or hands.file, f"{hands.name[row]} hand {hands.number[row]}", reason
        )

    def _table(
        self, hands: Hands, rows: npt.NDArray[np.intp], box: Singles, gesture: npt.NDArray[np.object_]
    ) -> pa.Table:
        def texts(column: Sequence[str | None]) -> pa.Array:
            return pa.array([column[row] for row in rows], pa.string())

        images = [hands.image[row] or "" for row in rows]
        constant = {"root": self.root, "source": self.name}
        columns: dict[str, pa.Array] = {
            "sample_id": pa.array(
                [sample_id(self.name, image, hands.number[row]) for image, row in zip(images, rows, strict=True)]
            ),
            "image": pa.array(images, pa.string()),
            "gesture": pa.array(gesture[rows].tolist(), pa.string()),
            "source_label": texts(hands.label),
            "subject": texts(hands.subject),
            "session": texts(hands.session),
            "hand": texts(hands.hand),
            "landmarks": _landmarks(hands, rows),
            "split": texts(hands.split),
        }
        columns |= {name: pa.repeat(value, len(rows)) for name, value in constant.items()}
        columns |= {name: pa.array(box[rows, axis]) for axis, name in enumerate(("x1", "y1", "x2", "y2"))}
        return pa.Table.from_arrays(
            [columns[name].dictionary_encode() if name in TEXTS else columns[name] for name in SCHEMA.names],
            schema=SCHEMA,
        )


def _landmarks(hands: Hands, rows: npt.NDArray[np.intp]) -> pa.Array:
    kind = SCHEMA.field("landmarks").type
    return pa.nulls(len(rows), kind) if hands.landmarks is None else landmark_column(hands.landmarks[rows])


def check_boxes(
    box: Doubles,
) -> tuple[Singles, npt.NDArray[np.bool_], dict[int, str]]:
    """Clip boxes to the image.

    Args:
        box: (n, 4) x1, y1, x2, y2 normalised.

    Returns:
        (n, 4) float32 within 0..1; bool (n,), whether it was clipped; row -> problem.
    """
    clipped = np.clip(box, 0, 1).astype(np.float32)
    beyond = np.maximum(np.abs(box - np.clip(box, 0, 1)).max(axis=1, initial=0), 0)  # NaN stays NaN
    problems: dict[int, str] = {}
    flat = (clipped[:, 2] <= clipped[:, 0]) | (clipped[:, 3] <= clipped[:, 1])
    for row in np.flatnonzero(~(beyond <= OVERSHOOT) | flat):
        numbers = ", ".join(f"{value:.4g}" for value in box[row])
        if not np.isfinite(box[row]).all():
            problems[int(row)] = f"box is not made of numbers: ({numbers})"
        elif box[row, 2] <= box[row, 0] or box[row, 3] <= box[row, 1]:
            problems[int(row)] = f"box has no area: ({numbers})"
        else:
            problems[int(row)] = f"box outside the image: ({numbers})"
    return clipped, beyond > 1e-6, problems


def spread_over_subjects(batches: Iterable[SampleBatch], most: int, seed: int) -> Iterator[SampleBatch]:
    """At most `most` samples of each gesture, in their order, from as many subjects as possible.

    Subjects (else sessions or images) are visited in rounds: each gives one sample before any gives a second. A hash of
    seed and sample chooses the sample and the order of subjects, so that the order of files does not matter. Surplus
    samples are dropped as batches come, so that a set of any size needs little memory.
    """
    pending: list[pa.Table] = []
    for batch in batches:
        pending.append(batch.table)
        if sum(map(len, pending)) > PENDING:
            pending = [_first_rounds(pa.concat_tables(pending), most, seed)]
        yield replace(batch, table=SCHEMA.empty_table())
    if pending:
        yield SampleBatch(_first_rounds(pa.concat_tables(pending), most, seed))


def _first_rounds(table: pa.Table, most: int, seed: int) -> pa.Table:
    frame = to_frame(table.select(["gesture", "source", "subject", "session", "image"]))
    frame["group"] = group_of(frame)
    frame["draw"] = [
        hashlib.blake2b(f"{seed}\0{sample}".encode(), digest_size=8).hexdigest()
        for sample in table["sample_id"].to_pylist()
    ]
    frame = frame.sort_values("draw", kind="stable")
    frame["round"] = frame.groupby(["gesture", "group"]).cumcount()
    chosen = frame.sort_values(["round", "draw"], kind="stable").groupby("gesture").head(most)
    return table.take(np.sort(chosen.index.to_numpy()))


def files_in(folder: Path) -> dict[str, os.DirEntry[str]]:
    """The files of a folder by name, sorted, without hidden ones and names that are not UTF-8."""
    found = [entry for entry in _scan(folder) if not is_folder(entry)]
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and names that are not UTF-8."""
    return sorted(entry.name for entry in _scan(folder) if is_folder(entry))


def every_file(folder: Path) -> Iterator[str]:
    """Paths of all files in a folder and below it, also behind links; filtered like `files_in`."""
    seen: set[str] = set()
    todo = [str(folder)]
    while todo:
        place = todo.pop()
        real = real_path(place)
        if real in seen:
            continue
        seen.add(real)
        for entry in _scan(locate(place)):
            if is_folder(entry):
                todo.append(entry.path)
            else:
                yield entry.path


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with scan(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name) and is_text(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_archive(name: str) -> bool:
    """Whether a file name has the suffix of an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def official_split(name: str, where: str) -> str:
    """Check the name of a split. Raises `DataError` for anything but train, val, test or ""."""
    if name in ("", *SPLITS):
        return name
    raise DataError(f"{where}: unknown split {name!r}; splits are {', '.join(SPLITS)}, or empty")

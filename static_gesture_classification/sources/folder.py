"""A folder per label, the most common layout.

    <label>/<image>                  the subject is unknown, unless `subject_pattern` finds it in the name
    <label>/<subject>/.../<image>    the folder below the label names the subject, the innermost one the session
    <split>/<label>/...              the same below train, val or test (also validation, training, ...)
    boxes.csv                        image [, x1, y1, x2, y2] [, label, subject, session, hand, split]; optional

The box is the whole image, unless boxes.csv has one; an image listed twice has two hands. `image` is the path below
the root, or a unique file name. The CSV may have any separator and the column names of labelling tools
(`edited_tables`), and width and height, with x1, y1 or xcenter, ycenter, instead of x2, y2. The unit of the boxes is
stated or found (`box_units`); pixels are those of the upright picture. With a `label` column images may lie anywhere
below the root; without, the first folder of their path is the label.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from static_gesture_classification.edited_tables import Columns, EditedTable, TableRow, decimal, read_table
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.image_files import FilesBelow, describe_others, files_below, is_image, some_of
from static_gesture_classification.samples import WHOLE_IMAGE, Rejected
from static_gesture_classification.sources.box_units import PERCENT, SHARES, SHARES_TO, UNITS, TableBox, scale, unit_of
from static_gesture_classification.sources.folder_layout import (
    LabelFolder,
    foreign_export,
    label_folders,
    split_of_word,
)
from static_gesture_classification.sources.image_size import file_problem, frame_size, in_shares
from static_gesture_classification.sources.source import (
    Hand,
    Hands,
    Piece,
    Source,
    files_in,
    official_split,
)
from static_gesture_classification.sources.subjects import subject_in_path, subject_regex

CORNERS = ("x1", "y1", "x2", "y2")
CORNER_AND_SIZE = ("x1", "y1", "width", "height")
CENTRE_AND_SIZE = ("xcenter", "ycenter", "width", "height")
BOX_FORMS = (CORNERS, CORNER_AND_SIZE, CENTRE_AND_SIZE)
OPTIONAL = ("label", "subject", "session", "hand", "split")
# Column names of labelling tools: TensorFlow, Roboflow, RetinaNet, VIA, COCO, YOLO.
SYNONYMS = {
    "image": ("filename", "file", "path", "filepath", "image path", "image name", "image file", "img", "img path"),
    "x1": ("xmin", "left", "x", "x top left", "bbox x1", "bbox x"),
    "y1": ("ymin", "top", "y", "y top left", "bbox y1", "bbox y"),
    "x2": ("xmax", "right", "x bottom right", "bbox x2"),
    "y2": ("ymax", "bottom", "y bottom right", "bbox y2"),
    "width": ("w", "box width", "bbox width", "bbox w"),
    "height": ("h", "box height", "bbox height", "bbox h"),
    "xcenter": ("x centre", "center x", "centre x", "cx"),
    "ycenter": ("y centre", "center y", "centre y", "cy"),
    "label": ("class", "class name", "category", "category name", "gesture", "label name"),
    "subject": ("person", "user", "user id", "subject id", "participant"),
    "hand": ("handedness",),
    "split": ("subset", "usage"),
}
COLUMNS = Columns(
    required=("image",),
    one_of=(*BOX_FORMS, ()),
    optional=OPTIONAL,
    synonyms={other: name for name, others in SYNONYMS.items() for other in others},
)


@dataclass(frozen=True)
class ListedHand:
    """A line of the table with its image.

    Args:
        row: the line.
        image: path below the root, None where there is no such image.
        box: x1, y1, x2, y2 in the table's unit, or its text where one is no number; None in a table without boxes.
        size: width and height of the image in pixels, or the problem.
    """

    row: TableRow
    image: str | None
    box: tuple[float, ...] | str | None
    size: tuple[int, int] | str

    @property
    def name(self) -> str:
        """The image's name in the table, with forward slashes."""
        return image_of(self.row)


@dataclass(kw_only=True)
class Folder(Source):
    """Reads folders of images and an optional CSV of boxes.

    The subject comes from the folder, the CSV or the pattern. Where it is unknown (""), subjects cannot be kept apart;
    near-duplicates still are in one split.

    Args:
        boxes: name of the CSV in the root; None for whole images, with any other files beside them.
        unlisted: whether to read the images that the CSV does not list; without a CSV all are read.
        units: of the boxes in the CSV: pixels, percent, shares; None to find it.
        subject_pattern: regular expression on the path below the root; its first group is the subject, a group called
            `session`, if there is one, the session.
    """

    boxes: str | None = "boxes.csv"
    unlisted: bool = True
    units: str | None = None
    subject_pattern: str | None = None

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one for the CSV, then one per label's folder.

        Raises:
            DataError: there is no image, the CSV is unreadable, or another source reads this layout.
        """
        pattern = subject_regex(self.subject_pattern, self.name)
        hands = self._read_listed()
        listed = {hand.image for hand in hands if hand.image is not None}
        if self.boxes is not None and not hands:
            self._refuse_exports()
        found: list[Piece] = [partial(self._hands_in_table, hands, pattern)] if hands else []
        folders = self.label_folders() if self.unlisted or not hands else []
        below = [self._files(folder.path) for folder in folders]
        for folder, files in zip(folders, below, strict=True):
            images = [path for path in files.images if path not in listed]
            if images:
                found.append(partial(self._whole_images, folder, images, pattern))
        if not found:
            others = describe_others([name for files in below for name in files.not_images])
            raise DataError(
                f"source {self.name}: no <label>/<image> in {self.root}; {''.join(f'{line}; ' for line in others)}"
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        if any(folder.split for folder in folders):
            found.append(partial(self._note_splits, folders))
        return [*found, partial(self._beside, below, listed)]

    def paths_to_watch(self) -> Iterable[str]:
        """See `Source.paths_to_watch`; the CSV and its images where nothing else is read."""
        hands = [] if self.unlisted else self._read_listed()
        if not hands:
            return super().paths_to_watch()
        images = dict.fromkeys(hand.image for hand in hands if hand.image is not None)
        return [str(self.folder / name) for name in (str(self.boxes), *images)]

    def label_folders(self) -> Sequence[LabelFolder]:
        """The folders that hold one label's images each."""
        return label_folders(self.folder, list(self.labels))

    def _note_splits(self, folders: Sequence[LabelFolder]) -> list[Hands]:
        named = sorted({f"{folder.path.partition('/')[0]}/ is {folder.split}" for folder in folders if folder.split})
        return [Hands.of(self.root, [], [f"official splits by folder: {', '.join(named)}"])]

    def _refuse_exports(self) -> None:
        export = foreign_export(self.folder)
        if export:
            raise DataError(
                f"source {self.name}: {self.root} looks like {export}. To take whole images as they lie in label "
                f"folders nevertheless, set sources.{self.name}.boxes=null"
            )

    def subject_of(self, path: str, pattern: re.Pattern[str] | None) -> tuple[str, str]:
        """Subject and session of an image by its path below the root; the subject is "" where unknown."""
        parts = PurePosixPath(self._below_split(path)).parts
        subject, session = subject_in_path(path, pattern)
        if subject:
            return f"{self.name}/{subject}", f"{self.name}/{session or subject}"
        if len(parts) > 2:
            return f"{self.name}/{parts[1]}", f"{self.name}/{'/'.join(parts[1:-1])}"
        return self.unknown_subject(path)

    def _below_split(self, path: str) -> str:
        """A path without the leading folder of a split."""
        first, _, rest = path.partition("/")
        return rest if "/" in rest and first not in self.labels and split_of_word(first) else path

    def _files(self, folder: str) -> FilesBelow:
        """All files in a folder, by their paths below the root."""
        return files_below(self.folder, folder)

    def _beside(self, below: Sequence[FilesBelow], listed: Set[str]) -> list[Hands]:
        """All files but images with a label, for the report."""
        hands = Hands.of(self.name, [])
        hands.not_images = [name for files in below for name in files.not_images if name not in listed]
        refused = [entry for files in below for entry in files.refused]
        hands.passed_over = [Rejected(self.name, name, name, reason) for name, reason in refused]
        stray = [name for name in files_in(self.folder) if is_image(name) and name not in listed] if below else []
        if stray:
            subject = "1 image lies" if len(stray) == 1 else f"{len(stray):,} images lie"
            hands.notes = [f"{subject} in no label's folder and cannot be used: {some_of(stray)}"]
        return [hands] if hands.not_images or hands.passed_over or hands.notes else []

    def _whole_images(self, folder: LabelFolder, images: Sequence[str], pattern: re.Pattern[str] | None) -> list[Hands]:
        rows = []
        for path in images:
            subject, session = self.subject_of(path, pattern)
            problem = file_problem(self.folder / path)
            rows.append(
                Hand(path, path, folder.label, WHOLE_IMAGE, subject, session, split=folder.split, problem=problem)
            )
        return [Hands.of(folder.path, rows)]

    @property
    def _table_name(self) -> str:
        return f"{self.root}/{self.boxes}"

    def _read_listed(self) -> list[ListedHand]:
        """The lines of the CSV with their images; none without a CSV."""
        if self.boxes is None or not (self.folder / self.boxes).is_file():
            return []
        table = read_table(self.folder / self.boxes, COLUMNS, self._table_name)
        images = ImageFinder(self.folder)
        found = []
        for row in table.rows:
            image, problem = images.find(image_of(row), ("", row["label"]))
            size = frame_size(self.folder / image) if image is not None else str(problem)
            found.append(ListedHand(row, image, box_in(row, table), size))
        return found

    def _hands_in_table(self, hands: Sequence[ListedHand], pattern: re.Pattern[str] | None) -> list[Hands]:
        unit = self._unit(hands)
        seen: Counter[str] = Counter()
        rows, rejected = [], []
        for hand in hands:
            if hand.image is None:
                rejected.append(
                    Rejected(self.name, str(self.boxes), f"line {hand.row.line}: {hand.name}", str(hand.size))
                )
            else:
                rows.append(self._make_hand(hand.image, hand, seen[hand.image], unit, pattern))
                seen[hand.image] += 1
        result = Hands.of(str(self.boxes), rows, self._remarks(unit))
        result.rejected += rejected
        return [result]

    def _unit(self, hands: Sequence[ListedHand]) -> str:
        """The unit of the CSV's boxes, stated or found."""
        setting = f"sources.{self.name}.units"
        if self.units is not None:
            if self.units not in UNITS:
                raise UserError(f"{setting} is {self.units!r}; it is one of {', '.join(UNITS)}, or null")
            return self.units
        boxes = [
            TableBox(hand.row.line, hand.box, hand.size)
            for hand in hands
            if isinstance(hand.box, tuple) and not isinstance(hand.size, str)
        ]
        return unit_of(boxes, self._table_name, setting)

    def _remarks(self, unit: str) -> list[str]:
        if unit != PERCENT or self.units is not None:
            return []
        return [
            f"{self.boxes}: the boxes are taken to be in percent of the image's width and height; if they are not, set "
            f"sources.{self.name}.units"
        ]

    def _make_hand(self, image: str, hand: ListedHand, number: int, unit: str, pattern: re.Pattern[str] | None) -> Hand:
        cells, where = hand.row.cells, f"{self._table_name}, line {hand.row.line}"
        subject, session = self.subject_of(image, pattern)
        if cells["subject"]:
            subject = session = f"{self.name}/{cells['subject']}"
        if cells["session"]:
            session = f"{self.name}/{cells['session']}"
        box, problem = self._box_of(hand, unit)
        handedness = cells["hand"].lower()
        return Hand(
            name=hand.name,
            image=image,
            label=cells["label"] or self._label_of(image, where),
            box=box,
            subject=subject,
            session=session,
            number=number,
            hand=handedness if handedness in ("left", "right") else "",
            split=self._split_of(image, cells["split"], where),
            problem=problem,
        )

    def _box_of(self, hand: ListedHand, unit: str) -> tuple[Sequence[float], str | None]:
        """The box in shares of the image, and why it cannot be used, or None."""
        if hand.box is None:
            return WHOLE_IMAGE, hand.size if isinstance(hand.size, str) else None
        box, problem = in_shares(hand.box, hand.size if isinstance(hand.size, str) else scale(unit, hand.size))
        if problem is None and unit != SHARES and max(map(float, hand.box)) <= SHARES_TO:
            problem = f"box of no more than two {unit}: {hand.box}"
        return box, problem

    def _label_of(self, image: str, where: str) -> str:
        label, slash, _ = self._below_split(image).partition("/")
        if not slash:
            raise DataError(f"{where}: {image} lies in no folder that is its label; add a column label")
        return label

    def _split_of(self, image: str, stated: str, where: str) -> str:
        if stated:
            return official_split(split_of_word(stated) or stated, where)
        return split_of_word(image.partition("/")[0]) if self._below_split(image) != image else ""


class ImageFinder:
    """Finds the image that a table names: by its path, the end of its path, or its file name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[str, list[str]] | None = None

    def find(self, image: str, near: Sequence[str]) -> tuple[str, None] | tuple[None, str]:
        """Path of an image below the root, or None and the reason.

        The first folders of a path that begins above the root are dropped. A file name alone is searched in the folders
        `near`, then everywhere.
        """
        parts = [part for part in PurePosixPath(image).parts if part not in ("/", "..")]
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        for path in (f"{folder}/{tail}" if folder else tail for tail in tails for folder in near):
            if (self.root / path).is_file():
                return path, None
        same_name = self._paths_of(parts[-1]) if parts else []
        if len(same_name) == 1:
            return same_name[0], None
        return None, f"{len(same_name)} images are called so; name its folder too" if same_name else "image not found"

    def _paths_of(self, name: str) -> list[str]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in files_below(self.root).images:
                self._by_name[path.rpartition("/")[2]].append(path)
        return self._by_name.get(name, [])


def image_of(row: TableRow) -> str:
    """The image of a line: a path with forward slashes."""
    return row["image"].replace("\\", "/").removeprefix("./")


def box_in(row: TableRow, table: EditedTable) -> tuple[float, ...] | str | None:
    """x1, y1, x2, y2 of a line in the table's unit, its text where it is not four numbers, None without columns."""
    form = next((form for form in BOX_FORMS if set(form) <= table.columns), None)
    if form is None:
        return None
    try:
        a, b, c, d = (decimal(row[name]) for name in form)
    except ValueError:
        return ", ".join(row[name] or "nothing" for name in form)
    if form == CORNERS:
        return a, b, c, d
    return (a, b, a + c, b + d) if form == CORNER_AND_SIZE else (a - c / 2, b - d / 2, a + c / 2, b + d / 2)

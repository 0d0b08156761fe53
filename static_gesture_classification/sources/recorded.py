"""Recorded sessions: the format of `session.json`, its reader, its writer, and the source that reads them all.

A session is one burst of one gesture by one subject before one camera: a folder with its images and

    {"version": 1, "gesture": "THREE", "subject": "anna", "camera": "webcam 0", "time": "2026-11-22T10:15:00+01:00",
     "confusion": {"gesture": "THREE", "mistaken_for": "TWO"}, "checkpoint": "runs/.../checkpoint_epoch=49-....ckpt",
     "split": "",
     "images": [{"file": "000000.jpg", "box": [x1, y1, x2, y2], "hand": "right", "gesture": null, "landmarks": null,
                 "prediction": "TWO", "score": 0.83, "kept_because": "planned error", "subject": null,
                 "source": null}]}

`box` and `landmarks` (21 pairs x, y in MediaPipe's order) are shares of the image's width and height. `confusion`,
`checkpoint`, `subject` and `camera` may be null or empty; `split` names the split that the session is for, or is empty.

An image's `gesture` and `subject` override the session's: a mined session has hands of many subjects, each of which is
a session of its own for the split stage. A hand that was mined from a dataset keeps the dataset's `source` and
`subject` (`samples.subject_of`). Without a subject it is unknown who it is.

`prediction`, `score` (its probability) and `kept_because` are the results of `checkpoint` when the image was admitted
(in the recorder's hard mode, the reason comes from the refitted last layer: docs/recording.md); they may be null or
absent.

Images that `images` does not list are ignored. A recorder saves each image first and `session.json` after it, so that
the session loads after a kill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import PlainName, Text, read_json
from static_gesture_classification.samples import LANDMARK_COUNT, subject_name
from static_gesture_classification.sources.image_size import file_problem, in_shares
from static_gesture_classification.sources.source import (
    Hand,
    Hands,
    Piece,
    Source,
    files_in,
    folders_in,
    official_split,
)

MINED_FROM = "mined from "  # how the `camera` of a mined session begins
RECORDED = "recorded"  # of the source in the configuration
SESSION_VERSION = 1
SESSION_FILE = "session.json"


@dataclass(frozen=True)
class RecordedImage:
    """One hand of a session: `box` is x1, y1, x2, y2 normalised; `landmarks` 21 pairs, normalised, or None.

    `gesture` and `subject` override the session's; `source` is the dataset of the subject, None for recordings.
    `prediction` and `score` (0..1) are the checkpoint's, `kept_because` is the reason to admit it; None without a
    checkpoint.
    """

    file: PlainName
    box: tuple[Any, ...]
    hand: Text = ""
    gesture: str | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    prediction: str | None = None
    score: float | None = None
    kept_because: str | None = None
    subject: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Confusion:
    """The confusion that a session was recorded for: hands that show `gesture` are taken for `mistaken_for`."""

    gesture: str
    mistaken_for: str


@dataclass(frozen=True)
class Session:
    """The content of `session.json`; see the module."""

    gesture: Text
    subject: Text = ""
    camera: Text = ""
    time: Text = ""
    confusion: Confusion | None = None
    checkpoint: str | None = None
    split: Text = ""
    images: tuple[RecordedImage, ...] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class _Written(Session):
    """A session as a file must have it: `images` is required."""

    images: tuple[RecordedImage, ...]


def write_session(folder: Path, session: Session) -> None:
    """Write `session.json`, whole or not at all, beside the session's images (save those first).

    Raises:
        OutputError: the folder is read-only, the disk is full.
    """
    write_json(folder / SESSION_FILE, {"version": SESSION_VERSION} | asdict(session))


def read_session(folder: Path) -> Session:
    """Read a session's `session.json`. Boxes are as written; `Recorded` checks them.

    Raises:
        DataError: it is missing, is not whole JSON, has another version, lacks gesture, images, a file or a box, or has
            a wrong type or a file outside its folder.
    """
    path = folder / SESSION_FILE
    written = read_json(path, _Written, "mend it or delete its folder", ("version", SESSION_VERSION))
    official_split(written.split, str(path))
    session = Session(**vars(written))
    if not session.camera.startswith(MINED_FROM):
        return session
    return replace(session, images=tuple(map(_with_source, session.images)))


def readable_sessions(root: Path, names: Iterable[str]) -> Iterator[Session]:
    """The sessions of these names in a folder; missing and damaged ones, which the index reports, are left out."""
    for name in names:
        if (root / name / SESSION_FILE).is_file():
            try:
                yield read_session(root / name)
            except DataError:
                continue


def _with_source(image: RecordedImage) -> RecordedImage:
    """A mined hand with its source, which older files have in the subject: `<source>/<subject>`."""
    if image.source is not None or "/" not in str(image.subject):
        return image
    source, _, subject = str(image.subject).partition("/")
    return replace(image, source=source, subject=subject)


@dataclass(kw_only=True)
class Recorded(Source):
    """Reads all sessions in the root.

    Args:
        subjects_of: the source whose subjects these are, so that a person is one in both; None: subjects of their own.
    """

    subjects_of: str | None = None

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; one per session."""
        sessions = [name for name in folders_in(self.folder) if (self.folder / name / SESSION_FILE).is_file()]
        if not sessions:
            raise DataError(
                f"source {self.name}: no <session>/{SESSION_FILE} in {self.root}; "
                f"set sources.{self.name}.root, or {self.how_to_get}"
            )
        return [partial(self._read, name) for name in sessions]

    def _read(self, name: str) -> list[Hands]:
        session = read_session(self.folder / name)
        present = files_in(self.folder / name)
        seen: dict[str, int] = {}
        rows = []
        for image in session.images:
            rows.append(self._hand(name, session, image, image.file in present, seen.get(image.file, 0)))
            seen[image.file] = seen.get(image.file, 0) + 1
        return [Hands.of(f"{name}/{SESSION_FILE}", rows, [] if rows else [f"{name}: no images"])]

    def _subject(self, session: Session, image: RecordedImage) -> str:
        if image.source:
            return subject_name(image.source, image.subject or "")
        own = image.subject or session.subject
        return f"{self.subjects_of or self.name}/{own}" if own else ""

    def _hand(self, name: str, session: Session, image: RecordedImage, exists: bool, number: int) -> Hand:
        path = f"{name}/{image.file}"
        box, problem = in_shares(image.box, (exists and file_problem(self.folder / path)) or (1, 1))
        marks = [value for point in image.landmarks or () for value in point]
        who = subject_name(image.source, image.subject or "") if image.source else image.subject
        return Hand(
            name=image.file,
            image=path if exists else None,
            label=image.gesture or session.gesture,
            box=box,
            subject=self._subject(session, image),
            session=f"{self.name}/{name}" + (f"/{who}" if who else ""),
            number=number,
            hand=image.hand if image.hand in ("left", "right") else "",
            split=session.split,
            landmarks=marks if len(marks) == 2 * LANDMARK_COUNT else None,
            problem=problem,
        )

"""A session on disk while it is recorded: it can be loaded at every moment, whatever ends the program.

Each picture is saved before `session.json` names it. Pictures that a full disk or a lost folder refuses stay in memory,
are tried again, and are finally rescued to another folder. Until `close`, a dropped picture stays unlisted in its
folder, and a discarded session in a hidden trash folder, so that both can be restored.

    data/recorded/2026-11-22_10-15-00_anna_THREE/          a session
    data/recorded/.unlabelled-2026-11-22_10-15-00_anna/    one whose gesture is not chosen yet: no source reads it
    data/recorded/.trash/...                               a discarded one
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from static_gesture_classification.active_learning.admission import Judgement
from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.images import UnreadableImageError, read_image
from static_gesture_classification.preparation.hand_pictures import cut_out, write_jpeg
from static_gesture_classification.process_lock import ProcessLock, is_locked
from static_gesture_classification.recording.masking import mask_surroundings
from static_gesture_classification.settings import Settings
from static_gesture_classification.sources.recorded import (
    SESSION_FILE,
    RecordedImage,
    Session,
    read_session,
    write_session,
)

UNLABELLED = ".unlabelled-"
TRASH = ".trash"
DISK_RETRY_SECONDS = 2.0  # between two attempts to write what the disk refused
RECORDER_LOCK = ".recorder.lock"
THUMBNAIL = 192  # pixels
SLUG_LENGTH = 40


class StorageSettings(Settings):
    """Where pictures are written, and how; see conf/recording/default.yaml.

    `mask` "auto" masks nothing by itself: `for_pictures_from` decides it. `prefix` is how folders of sessions begin;
    a dot hides them from sources.
    """

    root: Path
    margin: float = Field(default=0.5, ge=0, strict=True)
    whole_frame: bool = False
    mask: Literal["auto", True, False] = "auto"
    jpeg_quality: int = Field(default=95, ge=1, le=100, strict=True)
    rescue: Path | None = None
    prefix: str = ""

    def for_pictures_from(self, elsewhere: bool) -> StorageSettings:
        """The same with `mask` decided; `elsewhere` tells whether pictures come from another device, a phone."""
        return self.model_copy(update={"mask": elsewhere if self.mask == "auto" else self.mask})


@dataclass
class SessionEntry:
    """A picture of a session.

    Args:
        image: its entry in `session.json`.
        pixels: the saved part, uint8 (height, width, 3) RGB; for the contact sheet.
        probabilities: float32 (classes,), the checkpoint's; None without one.
        chosen_by: likewise, the refitted last layer's, if that chose this picture.
        embedding: float32 (features,), the checkpoint's; None without one.
        jpeg: its bytes, until they are on disk and listed.
        dropped: whether it is dropped; it can be restored until the session is closed.
    """

    image: RecordedImage
    pixels: np.ndarray
    probabilities: np.ndarray | None = None
    jpeg: bytes | None = None
    dropped: bool = False
    chosen_by: np.ndarray | None = None
    embedding: np.ndarray | None = None

    @cached_property
    def thumbnail(self) -> np.ndarray:
        """The picture reduced to at most THUMBNAIL pixels, for the screen."""
        image = Image.fromarray(self.pixels)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return np.asarray(image)


@dataclass
class SessionWriter:
    """Writes one session. Nothing is on disk before its first picture.

    Args:
        settings: where and how.
        session: its header; `gesture` is "" if it is chosen later. `images` is kept up to date.
        folder: its current folder; None before the first picture.
    """

    settings: StorageSettings
    session: Session
    folder: Path | None = None
    entries: list[SessionEntry] = field(default_factory=list)
    _lock: ProcessLock | None = None
    _discarded_from: Path | None = None
    _number: int = 0

    @property
    def kept(self) -> list[SessionEntry]:
        """The pictures that are not dropped."""
        return [entry for entry in self.entries if not entry.dropped]

    @property
    def unsaved(self) -> int:
        """How many pictures are in memory only."""
        return sum(entry.jpeg is not None for entry in self.kept)

    @property
    def discarded(self) -> bool:
        """Whether the whole set is in the trash."""
        return self._discarded_from is not None

    def take(
        self,
        image: np.ndarray,
        hand: DetectedHand,
        judgement: Judgement | None = None,
        probabilities: np.ndarray | None = None,
    ) -> SessionEntry:
        """Add a picture to the session; `save` writes it to the disk.

        Args:
            image: uint8 (height, width, 3), RGB.
            hand: in it.
            judgement: by the checkpoint; None without one.
            probabilities: float32 (classes,), likewise.
        """
        margin = None if self.settings.whole_frame else self.settings.margin
        cut = cut_out(image, hand.box, hand.landmarks, margin)
        if self.settings.mask is True:
            cut = mask_surroundings(cut)
        described = cut.describe(f"{self._number:06d}.jpg", hand.hand, **(judgement.as_record() if judgement else {}))
        entry = SessionEntry(described, cut.pixels, probabilities, cut.jpeg(self.settings.jpeg_quality))
        self.entries.append(entry)
        self._number += 1
        return entry

    def save(self) -> None:
        """Bring the disk up to date: pictures first, then `session.json`.

        Raises:
            OutputError: a picture could not be written; it stays in memory.
        """
        if self.folder is None:
            if not self.kept:
                return
            self._begin()
        assert self.folder is not None
        for entry in self.kept:
            if entry.jpeg is not None and not (self.folder / entry.image.file).is_file():
                write_jpeg(self.folder / entry.image.file, entry.jpeg)
        self.session = replace(self.session, images=tuple(entry.image for entry in self.kept))
        write_session(self.folder, self.session)
        for entry in self.kept:
            entry.jpeg = None

    def label(self, gesture: str) -> None:
        """Give the whole set its gesture; pictures that were relabelled one by one keep theirs. See `save`."""
        self.session = replace(self.session, gesture=gesture)
        self.save()
        if self.folder is not None and self.folder.name.startswith(UNLABELLED) and not self.discarded:
            self.folder = _move(
                self.folder, self.folder.parent / f"{self.folder.name[len(UNLABELLED) :]}_{slug(gesture)}"
            )

    def discard(self) -> None:
        """Move the whole set to the trash; `restore` undoes it until `close`."""
        if self.folder is not None and not self.discarded:
            self._discarded_from = self.folder
            self.folder = _move(self.folder, self.settings.root / TRASH / self.folder.name)

    def restore(self) -> None:
        """Restore a discarded set."""
        if self.folder is not None and self._discarded_from is not None:
            self.folder = _move(self.folder, self._discarded_from)
            self._discarded_from = None

    def close(self) -> None:
        """Delete dropped pictures or a discarded set, and release the folder. A lost disk is no error here."""
        if self._lock is not None:
            self._lock.release()
        if self.folder is None:
            return
        with suppress(OSError):
            if self.discarded or not self.kept:
                shutil.rmtree(self.folder, ignore_errors=True)
                (self.settings.root / TRASH).rmdir()  # fails, rightly, while another recorder's sets are in it
                return
            for entry in self.entries:
                if entry.dropped:
                    (self.folder / entry.image.file).unlink(missing_ok=True)
            (self.folder / RECORDER_LOCK).unlink(missing_ok=True)

    def rescue(self) -> Path | None:
        """Write unsaved pictures to the rescue folder, as a session of its own; None if there are none.

        Raises:
            OutputError: the rescue folder cannot be written either.
        """
        lost = [entry for entry in self.kept if entry.jpeg is not None]
        if not lost:
            return None
        where = self.settings.rescue or Path(tempfile.gettempdir()) / "static_gesture_recordings"
        folder = unique_folder(where, f"{self.base_name}_rescued")
        for entry in lost:
            write_jpeg(folder / entry.image.file, entry.jpeg or b"")
        write_session(folder, replace(self.session, images=tuple(entry.image for entry in lost)))
        for entry in lost:
            entry.jpeg = None
        return folder

    @property
    def base_name(self) -> str:
        """The folder's name without prefix and number: time, subject, gesture."""
        time = self.session.time[:19].replace("T", "_").replace(":", "-")
        parts = [time, slug(self.session.subject), slug(self.session.gesture) if self.session.gesture else ""]
        return "_".join(part for part in parts if part)

    def _begin(self) -> None:
        prefix = self.settings.prefix if self.session.gesture else UNLABELLED
        self.folder = unique_folder(self.settings.root, prefix + self.base_name)
        lock = ProcessLock(self.folder / RECORDER_LOCK)
        lock.acquire()
        self._lock = lock


def check_writable(root: Path) -> None:
    """Raise `OutputError` where a session cannot be written in `root`."""
    with explain_write_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".writable-") as probe:
            probe.write(b"x" * 65_536)
            probe.flush()


def reopen_unfinished(settings: StorageSettings) -> list[SessionWriter]:
    """Reopen the sets whose recorder was killed before their gesture was chosen, oldest first.

    Sets of another running recorder, and damaged ones, are left out.
    """
    found = sorted(settings.root.glob(f"{UNLABELLED}*")) if settings.root.is_dir() else []
    return [writer for folder in found if (writer := _reopen(folder, settings)) is not None]


def _reopen(folder: Path, settings: StorageSettings) -> SessionWriter | None:
    lock = ProcessLock(folder / RECORDER_LOCK)
    if not (folder / SESSION_FILE).is_file() or not lock.acquire():
        return None
    try:
        session = read_session(folder)
        entries = [SessionEntry(image, read_image(folder / image.file)) for image in session.images]
    except (DataError, UnreadableImageError):
        lock.release()
        return None
    return SessionWriter(settings, session, folder, entries, lock, None, len(entries))


def clear_trash(root: Path) -> None:
    """Delete the trash of killed recorders; that of a running one stays."""
    trash = root / TRASH
    for folder in trash.iterdir() if trash.is_dir() else ():
        if not is_locked(folder / RECORDER_LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def unique_folder(root: Path, name: str) -> Path:
    """Make a new folder of this name, with a number if it exists already. Raises `OutputError`."""
    with explain_write_errors(root / name):
        root.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            folder = root / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    raise UserError(f"{root} has ten thousand folders that begin with {name}; choose another recording.root")


def slug(name: str) -> str:
    """A name as part of a folder's name: letters and digits of any script; a hash if it has none.

    >>> slug("Anna-Maria / 2")
    'Anna-Maria-2'
    """
    text = unicodedata.normalize("NFC", name)
    words = "".join(letter if letter.isalnum() else " " for letter in text).split()
    if words:
        return "-".join(words)[:SLUG_LENGTH].strip("-")
    return hashlib.blake2b(text.encode(), digest_size=3).hexdigest() if text.strip() else ""


def _move(folder: Path, wanted: Path) -> Path:
    with explain_write_errors(wanted):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        target = wanted
        for number in range(2, 10_000):
            if not target.exists():
                break
            target = wanted.with_name(f"{wanted.name}-{number}")
        return folder.rename(target)

"""What image files hold: contents' hash and size in pixels, kept by the file's state, so that none is read twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from static_gesture_classification.images import UnreadableImageError, image_header, read_bytes, read_header
from static_gesture_classification.keyed_store import KeyedStore
from static_gesture_classification.preparation.per_image import SampleImages, for_each_image

FOLDER, ROWS = "images", "images.bin"
IMAGE = np.dtype(
    [
        ("content", "V16"),  # hash of the file; zeros where only its header was read
        ("width", "<i4"),  # upright, in pixels
        ("height", "<i4"),
    ]
)
TOGETHER = 1024  # images between two writes
NOT_READ = np.void(bytes(16))


@dataclass(frozen=True)
class ImageFacts:
    """What is known of each image.

    Attributes:
        records: `IMAGE` (images,).
        absent: bool (images,), there is no such file.
        reasons: why an image cannot be read, by position; absent ones are among them.
    """

    records: np.ndarray
    absent: np.ndarray
    reasons: dict[int, str]

    @property
    def sizes(self) -> np.ndarray:
        """Width and height in pixels (images, 2); 0 where there is no image."""
        return np.stack([self.records["width"], self.records["height"]], axis=1)


def image_facts(samples: SampleImages, hashed: np.ndarray, cache: Path) -> ImageFacts:
    """Look at every image's size, and hash some of them; what is kept in `cache` is not read again.

    Args:
        samples: of which images.
        hashed: bool (images,), whose contents' hash is wanted.
        cache: folder.

    Raises:
        UserError, OutputError: the cache cannot be written.
    """
    store = KeyedStore(cache / FOLDER, {ROWS: IMAGE})
    rows = store.find(samples.state_keys)
    records = np.zeros(len(rows), IMAGE)
    records[rows >= 0] = store.column(ROWS)[rows[rows >= 0]]
    absent = samples.states[:, 0] < 0
    reasons = dict.fromkeys(np.flatnonzero(absent).tolist(), "the file is missing")
    todo = np.flatnonzero(~absent & ((rows < 0) | (hashed & (records["content"] == NOT_READ))))
    tasks = [_Look(number, samples.path(number), bool(hashed[number])) for number in todo.tolist()]
    for looks in for_each_image(_look, tasks, "reading images", TOGETHER):
        reasons |= {number: fact for number, fact in looks if isinstance(fact, str)}
        read = [number for number, fact in looks if not isinstance(fact, str)]
        records[read] = np.array([fact for _, fact in looks if not isinstance(fact, str)], IMAGE)
        if read:
            store.add(samples.state_keys[read], {ROWS: records[read]})
    return ImageFacts(records, absent, reasons)


@dataclass(frozen=True)
class _Look:
    number: int
    path: Path
    hashed: bool


def _look(task: _Look) -> tuple[int, tuple[bytes, int, int] | str]:
    """The image's number, and its record or why it cannot be read."""
    try:
        if task.hashed:
            data = read_bytes(task.path)
            header, content = read_header(data), hashlib.sha256(data).digest()[:16]
        else:
            header, content = image_header(task.path), bytes(16)
    except UnreadableImageError as error:
        return task.number, str(error)
    return task.number, (content, header.width, header.height)

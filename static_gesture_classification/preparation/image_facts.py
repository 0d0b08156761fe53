"""Hash and size in pixels of image files, kept by the file's state, so that no file is read twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from static_gesture_classification.images import image_header, read_bytes, read_header
from static_gesture_classification.keyed_store import KeyedStore
from static_gesture_classification.parallel.engine import Engine
from static_gesture_classification.preparation.per_image import ImageTask, SampleImages, for_each_image

FACTS_FOLDER, FACT_ROWS = "images", "images.bin"
IMAGE = np.dtype(
    [
        ("content", "V16"),  # hash of the file; zeros where only its header was read
        ("width", "<i4"),  # upright, in pixels
        ("height", "<i4"),
    ]
)
IMAGES_PER_WRITE = 1024  # images between two writes
NOT_READ = np.void(bytes(16))


@dataclass(frozen=True)
class ImageFacts:
    """Facts about each image.

    Attributes:
        records: `IMAGE` (images,).
        absent: bool (images,), whether the file is missing.
        reasons: why an image is unreadable, by position; with the missing ones.
    """

    records: np.ndarray
    absent: np.ndarray
    reasons: dict[int, str]

    @property
    def sizes(self) -> np.ndarray:
        """Width and height in pixels (images, 2); 0 where there is no image."""
        return np.stack([self.records["width"], self.records["height"]], axis=1)


def image_facts(samples: SampleImages, hashed: np.ndarray, cache: Path, engine: Engine) -> ImageFacts:
    """Read the size of every image and hash some of them; images in the cache are not read again.

    Args:
        samples: the samples with their images.
        hashed: bool (images,), which images to hash.
        cache: folder.
        engine: where to read.

    Raises:
        UserError, OutputError: the cache cannot be written.
    """
    store = KeyedStore(cache / FACTS_FOLDER, {FACT_ROWS: IMAGE})
    rows = store.find(samples.state_keys)
    records = np.zeros(len(rows), IMAGE)
    records[rows >= 0] = store.column(FACT_ROWS)[rows[rows >= 0]]
    absent = samples.states[:, 0] < 0
    reasons = dict.fromkeys(np.flatnonzero(absent).tolist(), "the file is missing")
    todo = ~absent & ((rows < 0) | (hashed & (records["content"] == NOT_READ)))
    tasks = samples.tasks(np.flatnonzero(todo[samples.of_row]))
    for looks in for_each_image(partial(_look, hashed=hashed), tasks, "reading images", IMAGES_PER_WRITE, engine):
        reasons |= {task.image: fact for task, fact in looks if isinstance(fact, str)}
        read = [task.image for task, fact in looks if not isinstance(fact, str)]
        if read:
            records[read] = [fact for _, fact in looks if not isinstance(fact, str)]
            store.add(samples.state_keys[read], {FACT_ROWS: records[read]})
    return ImageFacts(records, absent, reasons)


def _look(task: ImageTask, hashed: np.ndarray) -> tuple[bytes, int, int]:
    """The record of an image."""
    if not hashed[task.image]:
        header = image_header(task.path)
        return bytes(16), header.width, header.height
    data = read_bytes(task.path)
    header = read_header(data)
    return hashlib.sha256(data).digest()[:16], header.width, header.height

"""One engine for the stages that read images: for each image of some samples do this, in parallel.

A stage gives the work on one image. Here are the images of a sample table, the loop over them, the keys that tell
whether a row is up to date, and the samples without a usable image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from static_gesture_classification.errors import DataError
from static_gesture_classification.file_state import file_states
from static_gesture_classification.images import PIXELS_VERSION, UnreadableImageError
from static_gesture_classification.keyed_store import KEY, Keys, digest
from static_gesture_classification.parallel.engine import Engine
from static_gesture_classification.parallel.shared_files import cannot_see, lacks, this_worker
from static_gesture_classification.samples import BOX, Rejected, decode_texts, image_path, texts, validate
from static_gesture_classification.terminal import progress_bar

IMAGES_PER_TASK = 8
IMAGES_IN_FLIGHT = 256  # per worker: the most results that wait for the caller
ALONE = 48  # as many images take less time than starting a process
FIRST_REASONS = 10

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ImageTask:
    """One image: its number, its file, the rows of its hands in the table, their boxes float32 (k, 4)."""

    image: int
    path: Path
    rows: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class SampleImages:
    """The images of a sample table.

    Attributes:
        table: n samples.
        boxes: float32 (n, 4), normalised.
        images: (root, path in it) of each image.
        of_row: int (n,), position in `images`.
    """

    table: pa.Table
    boxes: np.ndarray
    images: list[tuple[str, str]]
    of_row: np.ndarray

    @classmethod
    def of(cls, table: pa.Table, path: Path, may_be_empty: bool = False) -> SampleImages:
        """The images of the table at `path`. Raises `DataError` when it is empty or invalid."""
        if not len(table) and not may_be_empty:
            raise DataError(f"{path} has no samples; enable a source that has some (sources=[...]) and run dvc repro")
        validate(table, path)
        boxes = np.stack([table.column(name).to_numpy() for name in BOX], axis=1)
        encoded = joined_texts(table, "root", "image").combine_chunks().dictionary_encode()
        images = [(root, name) for root, _, name in (text.partition("\0") for text in encoded.dictionary.to_pylist())]
        return cls(table, boxes, images, encoded.indices.to_numpy())

    def path(self, image: int) -> Path:
        """Where an image is."""
        return image_path(*self.images[image])

    @cached_property
    def states(self) -> np.ndarray:
        """Bytes and modification time in ns of each image: int64 (images, 2), -1 for a missing file."""
        return file_states(self.images)

    @cached_property
    def state_keys(self) -> Keys:
        """V16 (images,): hashes of each image's path and state, and of `PIXELS_VERSION`."""
        return np.array([self.state_key(number, state) for number, state in enumerate(self.states.tolist())], KEY)

    def state_key(self, image: int, state: Sequence[int]) -> bytes:
        """See `state_keys`."""
        root, name = self.images[image]
        return digest(f"{PIXELS_VERSION}\0{root}\0{name}\0{state[0]}\0{state[1]}".encode())

    def tasks(self, rows: np.ndarray) -> list[ImageTask]:
        """One task for each image of some rows, in the order of images."""
        if not len(rows):
            return []
        order = np.argsort(self.of_row[rows], kind="stable")
        starts = np.flatnonzero(np.diff(self.of_row[rows][order], prepend=-1))
        own = [(int(self.of_row[members[0]]), members) for members in np.split(rows[order], starts[1:])]
        return [ImageTask(image, self.path(image), members, self.boxes[members]) for image, members in own]

    def list_rejected(self, reasons: Mapping[int, str]) -> list[Rejected]:
        """The rejected rows in the order of the table, from the reason of each."""
        rows = sorted(reasons)
        table = self.table.select(["source", "sample_id"]).take(pa.array(rows, pa.int64())).to_pylist()
        files = [self.path(image).as_posix() for image in self.of_row[rows].tolist()]
        return [
            Rejected(entry["source"], file, entry["sample_id"], reasons[row])
            for row, file, entry in zip(rows, files, table, strict=True)
        ]

    def check_rejected(self, reasons: Mapping[int, str], most: float, stage: str, others: int = 0) -> None:
        """Raise `DataError` when too many samples are rejected, or all.

        Args:
            reasons: of the rejected rows.
            most: the largest share of rejected rows, `max_rejected_share` of the stage.
            stage: "crops" or "landmarks".
            others: number of good samples that are not in the table.
        """
        count, total = len(reasons), len(self.table)
        if count <= most * total and (count < total or others):
            return
        first = "\n".join(f"  {row.file}: {row.reason}" for row in self.list_rejected(reasons)[:FIRST_REASONS])
        raise DataError(
            f"{count:,} of {total:,} samples have no usable image ({count / total:.1%}; {stage}.max_rejected_share is "
            f"{most:.1%}). The first are\n{first}\nRepair them, take them out of the source, or raise "
            f"{stage}.max_rejected_share. Earlier {stage} are untouched."
        )

    def counts_by_source(self, kinds: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
        """Number of samples of each source and kind; a kind is bool (n,)."""
        sources = texts(self.table, "source")
        return {
            str(name): {kind: int((rows & (sources == name)).sum()) for kind, rows in kinds.items()}
            for name in sorted(set(sources))
        }


@dataclass(frozen=True)
class Unreadable:
    """An image that a worker could not read.

    Attributes:
        reason: why.
        lacking: the worker's name, where the image is not there for it.
    """

    reason: str
    lacking: str | None


def joined_texts(table: pa.Table, first: str, second: str) -> pa.ChunkedArray:
    """Two columns of a sample table as one, with a zero byte between."""
    both = decode_texts(table.select([first, second]))
    return pc.binary_join_element_wise(both.column(0), both.column(1), "\0")


def row_keys(pictures: Iterable[bytes], boxes: np.ndarray, made: str) -> Keys:
    """V16 (n,): hashes of each hand's picture, of its box float32 (n, 4), and of `made`, the way a row is made."""
    packed = np.ascontiguousarray(boxes, np.float32).view(KEY).ravel()
    ending = made.encode()
    return np.array([digest(each + box.tobytes() + ending) for each, box in zip(pictures, packed, strict=True)], KEY)


def for_each_image(
    work: Callable[[ImageTask], _Result],
    tasks: Sequence[ImageTask],
    what: str,
    together: int,
    engine: Engine,
    processes: bool = False,
) -> Iterator[list[tuple[ImageTask, _Result | str]]]:
    """Work on all tasks in parallel, with progress, and yield the results in order, `together` at a time.

    A caller that saves the results before it asks for more loses only these when it is killed.

    Args:
        work: called with each task, in threads or processes; may raise `UnreadableImageError`. It must lie in a module
            that is no command: functions of a command reach other processes as copies, each with its own caches.
        tasks: one for each image.
        what: text of the progress bar.
        together: number of results at a time.
        engine: where to work.
        processes: work in other processes of this machine, not in threads, unless there are few tasks.

    Yields:
        tasks, each with its result, or the reason why its image is unreadable.

    Raises:
        DataError: a worker lacks an image that is there for the caller; names both.
    """
    jobs = 1 if processes and len(tasks) <= ALONE else -1
    with progress_bar() as bar:
        shown = bar.add_task(what, total=len(tasks), unit="images")
        for wave in _pieces(tasks, max(together, engine.workers() * IMAGES_IN_FLIGHT)):
            pieces = _pieces(wave, IMAGES_PER_TASK)
            done = engine.map(partial(_do, work), pieces, threads=not processes, jobs=jobs)
            answers = zip(wave, chain.from_iterable(done), strict=True)
            results = ((task, _result_or_reason(task, answer)) for task, answer in answers)
            while some := list(islice(results, together)):
                yield some
                bar.advance(shown, len(some))


def _do(work: Callable[[ImageTask], _Result], tasks: Sequence[ImageTask]) -> list[_Result | Unreadable]:
    results: list[_Result | Unreadable] = []
    for task in tasks:
        try:
            results.append(work(task))
        except UnreadableImageError as error:
            results.append(Unreadable(str(error), this_worker() if lacks(task.path) else None))
    return results


def _result_or_reason(task: ImageTask, answer: _Result | Unreadable) -> _Result | str:
    if not isinstance(answer, Unreadable):
        return answer
    if answer.lacking is not None and not lacks(task.path):
        raise cannot_see(task.path, answer.lacking)
    return answer.reason


def _pieces(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[first : first + size] for first in range(0, len(items), size))

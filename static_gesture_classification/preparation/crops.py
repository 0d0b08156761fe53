"""The crops stage: every sample's hand as one row of a memory-mapped array, decoded once.

    gestures crops [overrides]

Reads the index, writes to `paths.crops`: `crops.npy`, uint8 (n, size, size, 3) RGB; `samples.parquet`, whose row i
describes row i of the array; `rejected.csv`, the samples whose image gave no crop, with the reason; `report.json`.

The result depends on the index, the images' contents, `crops.size` and `crops.margin` alone. A sample of an earlier
run, finished or killed, is copied instead of decoded where its image file has the size and modification time that
were seen then, or, failing that, the same contents.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import explained_write_errors, partial_path, write_json
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.images import (
    JPEG_FACTORS,
    PIXELS_VERSION,
    ImageHeader,
    Scratch,
    UnreadableImageError,
    decode,
    read_bytes,
    read_header,
)
from static_gesture_classification.preparation import crop_store
from static_gesture_classification.preparation.crop_store import (
    CROPS,
    DONE,
    MARKER,
    RECORDS,
    REJECTED,
    TODO,
    Donor,
    PartialCrops,
)
from static_gesture_classification.preparation.geometry import Square, crop_square, hand_square, resample
from static_gesture_classification.samples import (
    BOX,
    Rejected,
    image_path,
    read_arrow,
    rejected_table,
    sample_writer,
    validate,
)
from static_gesture_classification.terminal import console, progress_bar

__all__ = ["build_crops", "crop_square", "cut_hands", "main", "open_crops"]

SAMPLES, REJECTED_CSV, REPORT = "samples.parquet", "rejected.csv", "report.json"
# A JPEG is decoded at 1/2, 1/4 or 1/8 only where the hand's square still has this many times the pixels it needs, per
# side. At 2 the crop differs from the full decode by less than the JPEG's own loss (above 50 dB, measured on webcam
# frames at 640 to 2560 pixels); at 1 it is visible (35 to 45 dB).
HEADROOM = 2.0
IMAGES_PER_TASK = 8
TASKS_PER_WAVE = 32  # per worker; between two waves, what was decoded is made to last
FIRST_REASONS = 10
RETRIED = 1000  # images that could not be read before, tried again before the array is written anew


_SCRATCH = Scratch()


@entry_point
def main(config: DictConfig) -> None:
    """Cut the indexed samples out of their images."""
    build_crops(
        Path(config.paths.index) / SAMPLES,
        Path(config.paths.crops),
        size=int(config.crops.size),
        margin=float(config.crops.margin),
        max_rejected_share=float(config.crops.max_rejected_share),
        images_optional=images_optional(config.get("sources")),
    )


def images_optional(sources: Mapping[str, Any] | None) -> frozenset[str]:
    """Names of the sources that keep hands whose image is not there, for their landmarks (`require_images: false`)."""
    nodes = {name: node for name, node in (sources or {}).items() if node is not None}
    return frozenset(str(name) for name, node in nodes.items() if node.get("require_images", True) is False)


def open_crops(folder: Path) -> np.memmap:
    """Memory-map the crops of a folder: uint8 (n, size, size, 3), RGB; row i belongs to row i of its samples.parquet.

    Raises:
        DataError: the array or its table is missing, damaged, or they do not belong together.
    """
    path = folder / CROPS
    if (folder / MARKER).exists():
        raise DataError(f"{folder} was being replaced when the crops stage was stopped; repeat it (dvc repro)")
    try:
        crops = np.load(path, mmap_mode="r", allow_pickle=False)
        rows = pq.ParquetFile(folder / SAMPLES).metadata.num_rows
    except FileNotFoundError as error:
        raise DataError(f"{error.filename or folder} not found; run the crops stage (dvc repro)") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"the crops in {folder} are damaged ({error}); delete the folder and run dvc repro") from error
    if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise DataError(
            f"{path} holds {crops.dtype} {crops.shape}, not uint8 (n, size, size, 3); delete it and run dvc repro"
        )
    if len(crops) != rows:
        raise DataError(f"{path} has {len(crops)} rows but {folder / SAMPLES} has {rows}; run dvc repro")
    return crops


def build_crops(
    samples: Path,
    output: Path,
    size: int,
    margin: float,
    max_rejected_share: float,
    images_optional: Collection[str] = (),
) -> CropsReport:
    """Make the crops of a sample table; see the module's description.

    Args:
        samples: the sample table.
        output: folder to write to; finished and unfinished crops in it are made use of.
        size: side of a crop in pixels.
        margin: share of the box's longer side that is added on each side.
        max_rejected_share: with more unusable samples than this share the stage fails.
        images_optional: sources of which samples without an image are left out, not rejected, where they have
            landmarks.

    Raises:
        DataError: no samples, or too many of them unusable (names the first ten); earlier results are untouched.
        OutputError: read-only folder, full disk; earlier results are untouched.
    """
    _check_parameters(size, margin, max_rejected_share)
    start = time.perf_counter()
    crop_store.finish_publishing(output)
    table, left_out = with_images(read_arrow(samples), images_optional)
    plan = Plan.of(table, samples, size, margin, left_out)
    published = crop_store.published(output, size)
    plan.stat_images()
    report = None if published is None else _already_made(plan, published)
    if published is not None and report is not None:
        report.check(max_rejected_share)
        _publish(output, plan, published.records, report, array_is_new=False)
    else:
        with PartialCrops(output, plan.digest, plan.keys, size) as partial:
            report = _fill(partial, plan, [published, crop_store.interrupted(output, size)], max_rejected_share)
            partial.compact()
            records = partial.records[partial.state == DONE]
        del published
        _publish(output, plan, records, report, array_is_new=True)
    console.print(report.summary(time.perf_counter() - start), highlight=False, soft_wrap=True, markup=False)
    return report


def cut_hands(path: Path, boxes: np.ndarray, size: int, margin: float) -> tuple[list[np.ndarray | None], str]:
    """The crops of one image's hands, as the stage makes them, for use at once.

    Args:
        path: the image.
        boxes: float (k, 4), normalised.
        size: side of a crop in pixels.
        margin: share of the box's longer side that is added on each side.

    Returns:
        k crops, uint8 (size, size, 3) RGB, or None where there is none; and why not, or "".
    """
    nothing_known = np.zeros(len(boxes), "V16")
    result = _crop_image(ImageTask(path, np.arange(len(boxes)), np.asarray(boxes), nothing_known), size, margin)
    crops: list[np.ndarray | None] = [None] * len(boxes)
    for row, crop in zip(result.fresh.tolist(), result.crops, strict=True):
        crops[row] = crop
    return crops, next(iter(result.reasons.values()), "")


def with_images(table: pa.Table, images_optional: Collection[str]) -> tuple[pa.Table, int]:
    """A sample table without the rows that landmarks alone are known of, and how many those are."""
    optional = pc.is_in(table.column("source"), value_set=pa.array(sorted(images_optional), pa.string()))
    rows = np.flatnonzero(pc.and_(optional, table.column("landmarks").is_valid()).to_numpy(zero_copy_only=False))
    if not len(rows):
        return table, 0
    chosen = table.select(["root", "image"]).take(pa.array(rows))
    images = list(zip(chosen.column("root").to_pylist(), chosen.column("image").to_pylist(), strict=True))
    kept = np.ones(len(table), bool)
    kept[rows] = _stat_in_threads(images)[:, 0] >= 0
    return table.filter(pa.array(kept)), int((~kept).sum())


@dataclass
class Plan:
    """What is to be made: one row per sample of `table`, in its order.

    Attributes:
        keys: V16 (n,), what a row's pixels depend on besides the image's contents.
        boxes: float64 (n, 4), normalised.
        image_of_row: int (n,), position in `images`; `rows_of_image` is the other way round.
        images: (root, path in it) of each image.
        stats: int64 (images, 2), bytes and modification time in ns; -1 where there is no such file.
        left_out: how many samples are not in `table`, since landmarks alone are known of them.
    """

    table: pa.Table
    size: int
    margin: float
    keys: np.ndarray
    boxes: np.ndarray
    images: list[tuple[str, str]]
    image_of_row: np.ndarray
    left_out: int = 0
    rows_of_image: list[np.ndarray] = field(init=False)
    roots: np.ndarray = field(init=False)
    stats: np.ndarray = field(init=False)

    @classmethod
    def of(cls, table: pa.Table, path: Path, size: int, margin: float, left_out: int = 0) -> Plan:
        """Plan the crops of a sample table. Raises `DataError` when it is empty or invalid."""
        if not len(table) and not left_out:
            raise DataError(f"{path} has no samples; enable a source that has some (sources=[...]) and run dvc repro")
        validate(table, path)
        boxes = np.stack([table.column(name).to_numpy() for name in BOX], axis=1)
        encoded = (
            pc.binary_join_element_wise(table.column("root"), table.column("image"), "\0")
            .combine_chunks()
            .dictionary_encode()
        )
        images = [(root, image) for root, _, image in (text.partition("\0") for text in encoded.dictionary.to_pylist())]
        keys = _row_keys(table, boxes, size, margin)
        return cls(table, size, margin, keys, boxes.astype(np.float64), images, encoded.indices.to_numpy(), left_out)

    def __post_init__(self) -> None:
        order = np.argsort(self.image_of_row, kind="stable")
        self.rows_of_image = np.split(order, np.cumsum(np.bincount(self.image_of_row, minlength=len(self.images)))[:-1])
        digests = {root: _digest(root.encode(), 8) for root in {root for root, _ in self.images}}
        self.roots = np.array([digests[root] for root, _ in self.images], "V8")

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.keys)

    @property
    def digest(self) -> bytes:
        """Identity of the plan: hash of all keys in order."""
        return _digest(self.keys.tobytes(), 16)

    def path(self, image: int) -> Path:
        """Where an image is."""
        return image_path(*self.images[image])

    def stat_images(self) -> None:
        """Look at size and modification time of every image, which tells those that need not be read again."""
        self.stats = _stat_in_threads(self.images)

    def fresh(self, rows: np.ndarray, records: np.ndarray) -> np.ndarray:
        """Which `records`, one for each of `rows`, were made from the image file as it is now: bool."""
        images = self.image_of_row[rows]
        return (
            (records["state"] == DONE)
            & (records["key"] == self.keys[rows])
            & (records["root"] == self.roots[images])
            & (records["bytes"] == self.stats[images, 0])
            & (records["mtime_ns"] == self.stats[images, 1])
        )

    def missing_from(self, donor: Donor) -> np.ndarray | None:
        """Rows that a finished array lacks, where its rows are the others, in order and up to date; None otherwise."""
        here = np.flatnonzero(np.isin(_numbers(self.keys), _numbers(donor.records["key"])))
        if len(here) != len(donor.records) or not self.fresh(here, donor.records).all():
            return None
        return np.setdiff1d(np.arange(self.count), here)


@dataclass
class CropsReport:
    """What became of the samples: `state` uint8 (n,), `reasons` of the rejected by row, and how many were kept."""

    plan: Plan
    state: np.ndarray
    reasons: dict[int, str]
    kept: int = 0
    decoded_images: int = 0
    seconds: float = 0.0

    def rejected(self) -> list[Rejected]:
        """The rejected samples, in the order of the index."""
        rows = sorted(self.reasons)
        table = self.plan.table.select(["source", "sample_id"]).take(pa.array(rows, pa.int64())).to_pylist()
        return [
            Rejected(
                entry["source"],
                self.plan.path(int(self.plan.image_of_row[row])).as_posix(),
                entry["sample_id"],
                self.reasons[row],
            )
            for row, entry in zip(rows, table, strict=True)
        ]

    def check(self, max_rejected_share: float) -> None:
        """Raise `DataError` when more samples are unusable than may be."""
        count, total = len(self.reasons), self.plan.count
        if count <= max_rejected_share * total and (count < total or self.plan.left_out):
            return
        first = "\n".join(f"  {row.file}: {row.reason}" for row in self.rejected()[:FIRST_REASONS])
        raise DataError(
            f"{count:,} of {total:,} samples have no usable image ({count / total:.1%}; crops.max_rejected_share is "
            f"{max_rejected_share:.1%}). The first are\n{first}\n"
            "Repair them, take them out of the source, or raise crops.max_rejected_share. Earlier crops are untouched."
        )

    def as_json(self) -> dict[str, object]:
        """The part of the report that depends on the data alone, not on how much of it was there before."""
        sources = self.plan.table.column("source").to_numpy(zero_copy_only=False)
        done = self.state == DONE
        return {
            "samples": int(done.sum()),
            "rejected": len(self.reasons),
            **({"without_image": self.plan.left_out} if self.plan.left_out else {}),
            "size": self.plan.size,
            "margin": self.plan.margin,
            "sources": {
                str(name): {
                    "samples": int((done & (sources == name)).sum()),
                    "rejected": int((~done & (sources == name)).sum()),
                }
                for name in sorted(set(sources))
            },
        }

    def summary(self, seconds: float) -> str:
        """One line for the terminal."""
        rate = f" ({self.decoded_images / self.seconds:,.0f} images/s)" if self.decoded_images and self.seconds else ""
        done, size = int((self.state == DONE).sum()), self.plan.size
        left_out = f", {self.plan.left_out:,} have landmarks but no image" if self.plan.left_out else ""
        return (
            f"crops: {done:,} samples of {size} x {size} pixels in {seconds:.1f} s; "
            f"{self.decoded_images:,} images decoded{rate}, {self.kept:,} samples kept from before, "
            f"{len(self.reasons):,} rejected{left_out}"
        )


@dataclass(frozen=True)
class ImageTask:
    """One image to decode: which rows, their boxes (k, 4), and the content hash at which each need not be decoded."""

    path: Path
    rows: np.ndarray
    boxes: np.ndarray
    known: np.ndarray


@dataclass
class ImageResult:
    """What an image gave: its hash, size and time, the crops of the rows in `fresh`, and a reason per failed row."""

    rows: np.ndarray
    content: bytes = bytes(16)
    stat: tuple[int, int] = (-1, -1)
    fresh: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    crops: list[np.ndarray] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    decoded: bool = False


def _already_made(plan: Plan, published: Donor) -> CropsReport | None:
    """The report of a finished array that is what the plan would give; None where it is not.

    Rows that it lacks are images that could not be read then. If they still cannot, nothing has changed.
    """
    missing = plan.missing_from(published)
    if missing is None or len(missing) > RETRIED:
        return None
    state = np.full(plan.count, DONE, np.uint8)
    state[missing] = TODO
    images = sorted(set(plan.image_of_row[missing].tolist()))
    tasks = [_image_task(plan, image, state, np.zeros(plan.count, "V16")) for image in images]
    results = _make_crops(tasks, plan.size, plan.margin)
    if any(len(result.fresh) for result in results):
        return None
    state[missing] = REJECTED
    reasons = {row: reason for result in results for row, reason in result.reasons.items()}
    return CropsReport(plan, state, reasons, kept=len(published.records))


def _fill(partial: PartialCrops, plan: Plan, donors: Sequence[Donor | None], max_rejected_share: float) -> CropsReport:
    """Bring every row of the unfinished array to DONE or REJECTED."""
    report = CropsReport(plan, partial.state, {})
    donated = _Donated(plan, [donor for donor in donors if donor is not None])
    known = _keep(partial, plan, donated)
    report.kept = int((partial.state == DONE).sum())
    todo = [image for image, rows in enumerate(plan.rows_of_image) if (partial.state[rows] == TODO).any()]
    start = time.perf_counter()
    for results in _decode_in_waves(plan, todo, partial.state, known):
        _store(partial, plan, results, donated, report)
        report.check(max_rejected_share)
    report.seconds = time.perf_counter() - start
    report.check(max_rejected_share)
    return report


def _keep(partial: PartialCrops, plan: Plan, donated: _Donated) -> np.ndarray:
    """Take over rows whose image file is as it was; returns for each other row the content hash there is a crop of."""
    everything = np.arange(plan.count)
    own = partial.state == DONE
    stale = own & ~plan.fresh(everything, partial.records)
    donated.own[stale] = True
    known = np.zeros(plan.count, "V16")
    known[stale] = partial.records["content"][stale]
    known[~own] = donated.content(everything[~own])
    partial.state[~own | stale] = TODO
    copied = donated.fresh_rows(everything[~own])
    for piece in np.array_split(copied, max(1, len(copied) * partial.row_bytes // crop_store.COPY_BYTES)):
        donated.copy(piece, partial)
        partial.checkpoint(piece)
    return known


class _Donated:
    """Where rows of the plan can be copied from: the first donor that has a row's key."""

    def __init__(self, plan: Plan, donors: Sequence[Donor]) -> None:
        self.plan, self.donors = plan, donors
        self.own = np.zeros(plan.count, bool)  # rows whose crop lies in the unfinished array already
        self.donor = np.full(plan.count, -1)
        self.row = np.zeros(plan.count, np.int64)
        for number, donor in enumerate(donors):
            usable = np.flatnonzero(donor.records["state"] == DONE)
            found, position = _match(plan.keys, donor.records["key"][usable])
            take = found & (self.donor < 0)
            self.donor[take] = number
            self.row[take] = usable[position[take]]

    def records(self, rows: np.ndarray) -> np.ndarray:
        """The donors' records of `rows`; zeros where there is none."""
        records = np.zeros(len(rows), crop_store.RECORD)
        for number, donor in enumerate(self.donors):
            at = self.donor[rows] == number
            records[at] = donor.records[self.row[rows[at]]]
        return records

    def fresh_rows(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` that can be copied without a look into the image."""
        return rows[self.plan.fresh(rows, self.records(rows))]

    def content(self, rows: np.ndarray) -> np.ndarray:
        """Hash of the image that the donated crop of each row was made from; zeros where there is none."""
        return self.records(rows)["content"]

    def copy(self, rows: np.ndarray, partial: PartialCrops) -> None:
        """Copy rows (ascending) and their records."""
        partial.records[rows] = self.records(rows)
        for number, donor in enumerate(self.donors):
            mine = rows[self.donor[rows] == number]
            partial.write(mine, donor.pixels[donor.place[self.row[mine]]])


def _decode_in_waves(plan: Plan, todo: list[int], state: np.ndarray, known: np.ndarray) -> Iterator[list[ImageResult]]:
    """Decode images in parallel, a bounded number at a time."""
    workers = joblib.effective_n_jobs(-1)
    wave = workers * TASKS_PER_WAVE * IMAGES_PER_TASK
    with progress_bar() as bar, joblib.Parallel(n_jobs=workers, prefer="threads", batch_size=1) as parallel:
        task = bar.add_task("crops", total=len(todo), unit="images")
        for first in range(0, len(todo), wave):
            tasks = [_image_task(plan, image, state, known) for image in todo[first : first + wave]]
            pieces = [tasks[k : k + IMAGES_PER_TASK] for k in range(0, len(tasks), IMAGES_PER_TASK)]
            results = parallel(joblib.delayed(_make_crops)(piece, plan.size, plan.margin) for piece in pieces)
            yield [result for piece in results for result in piece]
            bar.advance(task, len(tasks))


def _image_task(plan: Plan, image: int, state: np.ndarray, known: np.ndarray) -> ImageTask:
    rows = plan.rows_of_image[image]
    rows = rows[state[rows] == TODO]
    return ImageTask(plan.path(image), rows, plan.boxes[rows], known[rows])


def _make_crops(tasks: Sequence[ImageTask], size: int, margin: float) -> list[ImageResult]:
    return [_crop_image(task, size, margin) for task in tasks]


def _crop_image(task: ImageTask, size: int, margin: float) -> ImageResult:
    result = ImageResult(task.rows)
    try:
        result.stat = _stat(task.path)
        data = read_bytes(task.path)
        result.content = hashlib.sha256(data).digest()[:16]
        changed = task.known != np.void(result.content)
        if changed.any():
            result.decoded = True
            _crop_rows(result, data, task.rows[changed], task.boxes[changed], size, margin)
    except UnreadableImageError as error:
        result.reasons = dict.fromkeys(task.rows.tolist(), str(error))
        result.fresh, result.crops = result.fresh[:0], []
    return result


def _crop_rows(result: ImageResult, data: bytes, rows: np.ndarray, boxes: np.ndarray, size: int, margin: float) -> None:
    """Decode the image once for each scale that its hands need, and crop them."""
    header = read_header(data)
    squares = [hand_square(header.width, header.height, box, margin) for box in boxes]
    factors = [reduction(header, square, size) for square in squares]
    made = []
    for factor in sorted(set(factors)):
        lowest = max(square.top + square.side for square, own in zip(squares, factors, strict=True) if own == factor)
        pixels = decode(data, header, factor, math.ceil(lowest), _SCRATCH)
        for row, square, own in zip(rows.tolist(), squares, factors, strict=True):
            if own != factor:
                continue
            if square.side < 1:
                result.reasons[row] = f"its box is smaller than a pixel ({square.side:.2g} pixels wide)"
                continue
            result.crops.append(resample(pixels, square.reduced(factor), size))
            made.append(row)
    result.fresh = np.array(made, np.int64)


def reduction(header: ImageHeader, square: Square, size: int) -> int:
    """The largest factor a JPEG may be decoded at for a hand: see `HEADROOM`.

    1 where the square leaves the image: the border row that is repeated there would be a mean of several. It depends
    on the one hand alone, not on others in the image, so that a crop never depends on what else is cut.
    """
    inside = min(
        square.left, square.top, header.width - square.left - square.side, header.height - square.top - square.side
    )
    if header.is_jpeg and inside >= 0:
        for factor in JPEG_FACTORS:
            if square.side >= HEADROOM * size * factor and header.width % factor == 0 and header.height % factor == 0:
                return factor
    return 1


def _store(
    partial: PartialCrops, plan: Plan, results: list[ImageResult], donated: _Donated, report: CropsReport
) -> None:
    """Write what a wave gave: new crops, and copies of rows whose image turned out to have the old contents."""
    records, touched, fresh, crops = partial.records, [], [], []
    for result in results:
        failed = np.isin(result.rows, list(result.reasons))
        good = result.rows[~failed]
        records["state"][result.rows[failed]] = REJECTED
        records["state"][good] = DONE
        records["content"][good] = np.void(result.content)
        records["root"][good] = plan.roots[plan.image_of_row[good]]
        records["bytes"][good], records["mtime_ns"][good] = result.stat
        report.reasons.update(result.reasons)
        report.decoded_images += result.decoded
        fresh.append(result.fresh)
        crops += result.crops
        touched.append(result.rows)
    new, rows = np.concatenate(fresh), np.concatenate(touched)
    order = np.argsort(new)
    if len(new):
        partial.write(new[order], np.stack([crops[k] for k in order]))
    same = np.setdiff1d(rows[records["state"][rows] == DONE], new)
    report.kept += len(same)
    _copy_same(partial, same[~donated.own[same]], donated)
    partial.checkpoint(np.sort(rows))


def _copy_same(partial: PartialCrops, rows: np.ndarray, donated: _Donated) -> None:
    seen_now = partial.records[rows].copy()
    donated.copy(rows, partial)
    partial.records[rows] = seen_now


def _publish(output: Path, plan: Plan, records: np.ndarray, report: CropsReport, array_is_new: bool) -> None:
    """Write the tables beside their places, then put everything in place."""
    done = report.state == DONE
    names = [SAMPLES, REJECTED_CSV, REPORT, RECORDS]
    staged = {name: partial_path(output / name) for name in names}
    table = plan.table if done.all() else plan.table.filter(pa.array(done))
    with explained_write_errors(output):
        _stage_samples(table, staged[SAMPLES])
        staged[REJECTED_CSV].write_text(rejected_table(report.rejected()).to_csv(index=False), encoding="utf-8")
        write_json(staged[REPORT], report.as_json())
        with staged[RECORDS].open("wb") as file:
            np.save(file, records)
            file.flush()
            os.fsync(file.fileno())
        crop_store.publish(output, len(records), plan.size, names, array_is_new)


def _stage_samples(table: pa.Table, path: Path) -> None:
    with sample_writer(path) as writer:
        writer.write_table(table)


def _check_parameters(size: int, margin: float, max_rejected_share: float) -> None:
    if not 8 <= size <= 4096:
        raise UserError(f"crops.size is {size}; it must be between 8 and 4096 pixels")
    if not 0 <= margin <= 10:
        raise UserError(
            f"crops.margin is {margin}; it must be between 0 and 10 (0.15 adds 15 % of the hand on each side)"
        )
    if not 0 <= max_rejected_share <= 1:
        raise UserError(f"crops.max_rejected_share is {max_rejected_share}; it must be between 0 and 1")


def _row_keys(table: pa.Table, boxes: np.ndarray, size: int, margin: float) -> np.ndarray:
    suffix = f"\0{size}\0{margin!r}\0{cutting_code()}\0{PIXELS_VERSION}".encode()
    names = pc.binary_join_element_wise(table.column("source"), table.column("image"), "\0")
    packed = np.ascontiguousarray(boxes, np.float32).view("V16").ravel()
    digests = [
        _digest(name.encode() + box.tobytes() + suffix, 16) for name, box in zip(names.to_pylist(), packed, strict=True)
    ]
    return np.array(digests, "V16")


def _match(wanted: np.ndarray, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each wanted V16 whether it is offered, and where (the first place)."""
    if not len(offered):
        return np.zeros(len(wanted), bool), np.zeros(len(wanted), np.int64)
    numbers = _numbers(offered)
    order = np.argsort(numbers, kind="stable")
    place = np.searchsorted(numbers[order], _numbers(wanted)).clip(max=len(order) - 1)
    position = order[place]
    return wanted == offered[position], position


def _numbers(keys: np.ndarray) -> np.ndarray:
    """The first eight bytes of each key as a number, which can be sorted."""
    return np.ascontiguousarray(keys).view("<u8")[::2]


@cache
def cutting_code() -> str:
    """Hash of the code that makes a crop of an image and a box; part of every row's key."""
    return code_digest([Path(__file__)])


def _digest(data: bytes, size: int) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()


def _stat(path: str | Path) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116  a Path for each of a million images costs more than the call
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _stat_in_threads(images: Sequence[tuple[str, str]]) -> np.ndarray:
    """Bytes and modification time in ns of (root, image) each, int64 (n, 2); -1 where there is no such file."""
    pieces = [images[first : first + 1000] for first in range(0, len(images), 1000)] or [images]
    return np.concatenate(joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(_stat_many)(p) for p in pieces))


def _stat_many(images: Sequence[tuple[str, str]]) -> np.ndarray:
    roots = {root: os.path.expanduser(root) for root, _ in images}  # noqa: PTH111  a million Paths cost more
    return np.array([_stat(f"{roots[root]}/{name}") for root, name in images], np.int64).reshape(-1, 2)


if __name__ == "__main__":
    main()

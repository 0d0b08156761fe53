"""The landmarks stage: 21 points of every hand, as published, or found by the detector around the hand's box.

    gestures landmarks [overrides]

Reads the index and the split, writes to `paths.landmarks` what `landmark_store` describes. It holds all samples of the
index whose image can be read, also those that were left out of crops for want of an image (HaGRID's annotations alone
are enough for landmarks). Those that the split stage has not seen are split here: where their person is already, else
as published, else by person, without looking at pictures.

What was extracted is kept in `landmarks.cache` under the image's contents, so a moved or copied file costs nothing, and
a run that was killed goes on where it stopped. The result depends on the index, the split, the images' contents and the
detector's settings alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from static_gesture_classification import images
from static_gesture_classification.atomic_files import explained_write_errors, partial_path, write_json, write_text
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.detection.detector import Detector, detector_from_config
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import (
    PIXELS_VERSION,
    UnreadableImageError,
    decode,
    image_header,
    read_bytes,
    read_header,
)
from static_gesture_classification.preparation import split
from static_gesture_classification.preparation.crops import images_optional
from static_gesture_classification.preparation.landmark_cache import (
    IMAGE,
    ExtractedLandmarks,
    numbers,
    read_images,
    write_images,
)
from static_gesture_classification.preparation.landmark_store import (
    MARKER,
    MISSED_CSV,
    POINTS,
    REJECTED_CSV,
    REPORT,
    SAMPLES,
    points_of,
)
from static_gesture_classification.samples import (
    BOX,
    LANDMARKS,
    SCHEMA,
    SPLITS,
    Rejected,
    image_path,
    landmark_array,
    read_arrow,
    rejected_table,
    sample_writer,
    validate,
)
from static_gesture_classification.terminal import console, progress_bar, track

AUTO, ALWAYS, NEVER = "auto", "always", "never"
IMAGES_PER_TASK = 8
ALONE = 48  # so few images are done before another process has started
FIRST_REASONS = 10
_DETECTORS: dict[str, Detector] = {}  # of this process, by settings


@entry_point
def main(config: DictConfig) -> None:
    """Fill in the landmarks of the indexed samples."""
    splits = Path(config.paths.splits) / SAMPLES
    build_landmarks(Path(config.paths.index) / SAMPLES, splits, Path(config.paths.landmarks), settings_of(config))


@dataclass(frozen=True)
class LandmarkSettings:
    """How landmarks are made.

    Args:
        extract: whether the detector looks for hands of which no landmarks are published.
        detector: the `detector` node of the configuration, plain values.
        cache: folder of what was extracted.
        aspect_without_image: width / height assumed where there is no image.
        max_rejected_share: with more unreadable samples than this share the stage fails.
        division: how samples are split that the split stage has not seen; with `vocabulary`.
        images_optional: sources whose published landmarks are used without an image too.
    """

    extract: bool
    detector: Mapping[str, Any]
    cache: Path
    aspect_without_image: float
    max_rejected_share: float
    division: split.Settings
    vocabulary: Vocabulary
    images_optional: frozenset[str] = frozenset()

    @property
    def node(self) -> str:
        """The detector's configuration as JSON."""
        return json.dumps(dict(self.detector), sort_keys=True)

    def __post_init__(self) -> None:
        if not self.aspect_without_image > 0:
            raise UserError(
                f"landmarks.aspect_without_image is {self.aspect_without_image}; it is width / height, above 0"
            )
        if not 0 <= self.max_rejected_share <= 1:
            raise UserError(f"landmarks.max_rejected_share is {self.max_rejected_share}; it must be between 0 and 1")


def settings_of(config: DictConfig, extract: bool | None = None) -> LandmarkSettings:
    """The settings of a composed configuration; `extract` overrules what it says. Raises `UserError` for bad values."""
    wanted = config.landmarks
    if wanted.extract not in (AUTO, ALWAYS, NEVER, True, False):
        raise UserError(f"landmarks.extract is {wanted.extract!r}; it is {AUTO}, {ALWAYS} or {NEVER}")
    if extract is None:
        seen = config.model.get("input", "crops") == "landmarks"
        extract = {AUTO: seen, ALWAYS: True, NEVER: False}.get(wanted.extract, bool(wanted.extract))
    detector = OmegaConf.to_container(config.detector, resolve=True)
    assert isinstance(detector, dict)
    return LandmarkSettings(
        extract=extract,
        detector={str(key): value for key, value in detector.items()},
        cache=Path(wanted.cache),
        aspect_without_image=float(wanted.aspect_without_image),
        max_rejected_share=float(wanted.max_rejected_share),
        division=split.Settings.from_config(config),
        vocabulary=Vocabulary.from_config(config.gestures),
        images_optional=images_optional(config.get("sources")),
    )


def build_landmarks(samples: Path, splits: Path | None, output: Path, settings: LandmarkSettings) -> LandmarksReport:
    """Make the landmarks of a sample table; see the module's description.

    Args:
        samples: the sample table.
        splits: the same samples' table with splits; None leaves the splits of `samples` as they are.
        output: folder to write to.
        settings: see the class.

    Raises:
        DataError: no samples, or too many of them unreadable (names the first ten); earlier results are untouched.
        UserError: the detector cannot be used.
        OutputError: read-only folder, full disk; earlier results are untouched.
    """
    start = time.perf_counter()
    plan = Plan.of(read_arrow(samples), samples, settings)
    facts = known_images(plan, settings)
    report = LandmarksReport(plan)
    report.reject_unreadable(facts, settings)
    fill_in(plan, facts, report, settings)
    kept = plan.kept(report)
    table = kept if splits is None else with_splits(kept, splits, report, settings)
    publish(output, table, plan, facts, report, settings)
    console.print(report.summary(time.perf_counter() - start), highlight=False, soft_wrap=True, markup=False)
    for line in report.notes:
        console.print(f"[yellow]note:[/] {escape(line)}", highlight=False, soft_wrap=True)
    return report


@dataclass
class Plan:
    """What is to be made: one row per sample of `table`, in its order.

    Attributes:
        landmarks: float32 (n, 21, 2), normalised; NaN where there are none (yet).
        published: bool (n,), rows whose landmarks the source has published.
        wanted: bool (n,), rows whose landmarks are to be extracted.
        boxes: float32 (n, 4).
        images: (root, path in it) of each image, of which `image_of_row` (n,) is a position.
        optional: bool (n,), rows that do without their image.
    """

    table: pa.Table
    landmarks: np.ndarray
    published: np.ndarray
    wanted: np.ndarray
    boxes: np.ndarray
    images: list[tuple[str, str]]
    image_of_row: np.ndarray
    optional: np.ndarray
    missed: np.ndarray = field(init=False)

    @classmethod
    def of(cls, table: pa.Table, path: Path, settings: LandmarkSettings) -> Plan:
        """Plan the landmarks of a sample table. Raises `DataError` when it is empty or invalid."""
        if not len(table):
            raise DataError(f"{path} has no samples; enable a source that has some (sources=[...]) and run dvc repro")
        validate(table, path)
        landmarks = landmark_array(table)
        published = np.isfinite(landmarks).all(axis=(1, 2))
        landmarks[~published] = np.nan
        joined = pc.binary_join_element_wise(table.column("root"), table.column("image"), "\0").combine_chunks()
        encoded = joined.dictionary_encode()
        optional = np.isin(table.column("source").to_numpy(zero_copy_only=False), list(settings.images_optional))
        return cls(
            table.drop_columns(["landmarks"]),
            landmarks,
            published,
            ~published & settings.extract,
            np.stack([table.column(name).to_numpy() for name in BOX], axis=1),
            [(root, image) for root, _, image in (text.partition("\0") for text in encoded.dictionary.to_pylist())],
            encoded.indices.to_numpy(),
            optional & published,
        )

    def __post_init__(self) -> None:
        self.missed = np.zeros(len(self.landmarks), bool)

    def path(self, image: int) -> Path:
        """Where an image is."""
        return image_path(*self.images[image])

    def kept(self, report: LandmarksReport) -> pa.Table:
        """The rows that were not rejected, still without landmarks."""
        return self.table.filter(pa.array(~report.rejected)) if report.rejected.any() else self.table


@dataclass
class LandmarksReport:
    """What became of the samples.

    Attributes:
        rejected: bool (n,), rows whose image cannot be read; `reasons` by image.
        extracted: hands that the detector looked for in this run; `images` in which it did, in `seconds`.
        assigned: samples per split that the split stage had not seen.
        notes: sentences.
    """

    plan: Plan
    rejected: np.ndarray = field(init=False)
    reasons: dict[int, str] = field(default_factory=dict)
    extracted: int = 0
    images: int = 0
    seconds: float = 0.0
    assigned: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rejected = np.zeros(len(self.plan.landmarks), bool)

    def reject_unreadable(self, facts: ImageFacts, settings: LandmarkSettings) -> None:
        """Leave out the rows whose image cannot be read. Raises `DataError` when there are too many of them."""
        self.reasons = facts.reasons
        bad = np.zeros(len(facts.absent), bool)
        bad[list(facts.reasons)] = True
        unreadable = bad[self.plan.image_of_row]
        self.rejected = unreadable & ~(self.plan.optional & facts.absent[self.plan.image_of_row])
        count, total = int(self.rejected.sum()), len(self.rejected)
        if count <= settings.max_rejected_share * total and count < total:
            return
        first = "\n".join(f"  {row.file}: {row.reason}" for row in self.rejected_rows()[:FIRST_REASONS])
        raise DataError(
            f"{count:,} of {total:,} samples have no usable image ({count / total:.1%}; landmarks.max_rejected_share "
            f"is {settings.max_rejected_share:.1%}). The first are\n{first}\nRepair them, take them out of the "
            "source, or raise landmarks.max_rejected_share. Earlier landmarks are untouched."
        )

    def rejected_rows(self) -> list[Rejected]:
        """The rejected samples, in the order of the index."""
        rows = np.flatnonzero(self.rejected)
        table = self.plan.table.select(["source", "sample_id"]).take(pa.array(rows)).to_pylist()
        images = self.plan.image_of_row[rows].tolist()
        return [
            Rejected(entry["source"], self.plan.path(image).as_posix(), entry["sample_id"], self.reasons[image])
            for image, entry in zip(images, table, strict=True)
        ]

    def missed_rows(self, facts: ImageFacts) -> pd.DataFrame:
        """The hands that were looked for and not found, with the box's longer side in pixels."""
        rows = np.flatnonzero(self.plan.missed & ~self.rejected)
        table = self.plan.table.select(["source", "sample_id", "gesture"]).take(pa.array(rows)).to_pandas()
        images = self.plan.image_of_row[rows]
        sides = (self.plan.boxes[rows, 2:] - self.plan.boxes[rows, :2]) * facts.sizes[images]
        table.insert(1, "file", [self.plan.path(image).as_posix() for image in images.tolist()])
        table["pixels"] = sides.max(axis=1, initial=0).round().astype(int)
        table["reason"] = "no hand was found in its box"
        return table

    def as_json(self) -> dict[str, Any]:
        """The part of the report that depends on the data alone, not on how much of it was there before."""
        plan, used = self.plan, ~self.rejected
        sources = plan.table.column("source").to_numpy(zero_copy_only=False)
        found = np.isfinite(plan.landmarks).all(axis=(1, 2))
        kinds = {
            "published": used & plan.published,
            "extracted": used & found & ~plan.published,
            "missed": used & plan.missed,
            "not_looked_for": used & ~plan.published & ~plan.wanted,
            "rejected": self.rejected,
        }
        return {
            "samples": int(used.sum()),
            **{kind: int(rows.sum()) for kind, rows in kinds.items()},
            "split_here": self.assigned,
            "sources": {
                str(name): {kind: int((rows & (sources == name)).sum()) for kind, rows in kinds.items()}
                for name in sorted(set(sources))
            },
        }

    def summary(self, seconds: float) -> str:
        """One line for the terminal."""
        numbers = self.as_json()
        rate = f" ({self.images / self.seconds:,.1f} images/s)" if self.images and self.seconds else ""
        rest = f", {numbers['not_looked_for']:,} not looked for" if numbers["not_looked_for"] else ""
        return (
            f"landmarks: {numbers['samples']:,} samples in {seconds:.1f} s; {numbers['published']:,} published, "
            f"{numbers['extracted']:,} found by the detector, {numbers['missed']:,} missed{rest}; looked for "
            f"{self.extracted:,} hands in {self.images:,} images now{rate}; {numbers['rejected']:,} rejected"
        )


@dataclass
class ImageFacts:
    """What is known of each image.

    Attributes:
        records: `landmark_cache.IMAGE` (images,).
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


def known_images(plan: Plan, settings: LandmarkSettings) -> ImageFacts:
    """Look at every image's size, and hash those in which hands are to be looked for; what is known is not read again.

    Raises:
        OutputError: the cache cannot be written.
    """
    records = np.zeros(len(plan.images), IMAGE)
    records["path"] = [_digest(f"{PIXELS_VERSION}\0{root}\0{name}".encode()) for root, name in plan.images]
    stats = np.concatenate([np.zeros((0, 2), np.int64), *_in_threads(_stat_many, plan.images, 1000)])
    records["bytes"], records["mtime_ns"] = stats[:, 0], stats[:, 1]
    hashed = np.zeros(len(plan.images), bool)
    hashed[plan.image_of_row[plan.wanted]] = True
    before = read_images(settings.cache)
    known = _take_over(records, before)
    absent = records["bytes"] < 0
    todo = np.flatnonzero(~absent & (~known | (hashed & (records["content"] == np.void(bytes(16))))))
    reasons = dict.fromkeys(np.flatnonzero(absent).tolist(), "the file is missing")
    looks = [(plan.images[image], bool(hashed[image])) for image in todo.tolist()]
    facts = (fact for piece in _in_threads(_look_many, looks, 16) for fact in piece)
    seen = track(facts, "reading images", len(looks)) if looks else iter(())
    for image, fact in zip(todo.tolist(), seen, strict=True):
        if isinstance(fact, str):
            reasons[image] = fact
        else:
            records["content"][image] = np.void(fact[0])
            records["width"][image], records["height"][image] = fact[1], fact[2]
    readable = records[~np.isin(np.arange(len(records)), list(reasons))]
    if len(todo) and len(readable):
        write_images(settings.cache, _merged_images(before, readable))
    return ImageFacts(records, absent, reasons)


def fill_in(plan: Plan, facts: ImageFacts, report: LandmarksReport, settings: LandmarkSettings) -> None:
    """Bring the wanted landmarks into the plan: from the cache, or by the detector."""
    rows = np.flatnonzero(plan.wanted & ~report.rejected)
    if not len(rows):
        return
    keys = row_keys(facts.records["content"][plan.image_of_row[rows]], plan.boxes[rows], settings)
    extracted = ExtractedLandmarks(settings.cache)
    position = extracted.find(keys)
    todo = np.flatnonzero(position < 0)
    if len(todo):
        tasks = _tasks(plan, rows[todo], keys[todo])
        extract(tasks, extracted, report, settings)
        extracted = ExtractedLandmarks(settings.cache)
        position = extracted.find(keys)
    known = position >= 0
    there = extracted.records[position[known]]
    plan.landmarks[rows[known]] = there["landmarks"].reshape(-1, LANDMARKS, 2)
    plan.missed[rows[known]] = there["found"] == 0
    report.reject_unreadable(facts, settings)  # an image may have a header, and yet be damaged


@dataclass(frozen=True)
class ImageTask:
    """One image in which hands are looked for: its file, their boxes float32 (k, 4), and the keys of the results."""

    path: str
    image: int
    boxes: np.ndarray
    keys: np.ndarray


@dataclass(frozen=True)
class ImageResult:
    """What was found in an image: normalised landmarks (k, 21, 2), NaN where missed; or why it cannot be decoded."""

    task: ImageTask
    landmarks: np.ndarray
    reason: str | None = None


def extract(
    tasks: Sequence[ImageTask], cache: ExtractedLandmarks, report: LandmarksReport, settings: LandmarkSettings
) -> None:
    """Look for the hands of all tasks, in parallel; what comes is kept at once.

    Raises:
        UserError: the detector cannot be used. OutputError: the cache cannot be written.
    """
    _detector(settings.node).prepare()
    start = time.perf_counter()
    with cache.writer() as writer, progress_bar() as bar:
        bar_task = bar.add_task("extracting landmarks", total=len(tasks), unit="images")
        for results in _results(tasks, settings):
            readable = [result for result in results if result.reason is None]
            if readable:
                keys = np.concatenate([result.task.keys for result in readable])
                writer.append(keys, np.concatenate([result.landmarks for result in readable]))
                report.extracted += len(keys)
            report.reasons.update({result.task.image: result.reason for result in results if result.reason})
            bar.advance(bar_task, len(results))
    report.images, report.seconds = len(tasks), time.perf_counter() - start


def _results(tasks: Sequence[ImageTask], settings: LandmarkSettings) -> Iterable[list[ImageResult]]:
    """The results of all tasks in their order, in pieces; few tasks are not worth another process."""
    pieces = [tasks[first : first + IMAGES_PER_TASK] for first in range(0, len(tasks), IMAGES_PER_TASK)]
    node = settings.node
    if len(tasks) <= ALONE:
        return (look_for_hands(piece, node) for piece in pieces)
    # Joblib takes MediaPipe's buffers for a memory leak, and replaces a worker now and then.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    parallel = joblib.Parallel(n_jobs=-1, prefer="processes", return_as="generator", batch_size=1)
    results: Iterator[list[ImageResult]] = parallel(joblib.delayed(look_for_hands)(piece, node) for piece in pieces)
    return results


def look_for_hands(tasks: Sequence[ImageTask], node: str) -> list[ImageResult]:
    """Look for the hands of some images; `node` is the detector's configuration as JSON."""
    detector = _detector(node)
    return [_look_in(task, detector) for task in tasks]


def _look_in(task: ImageTask, detector: Detector) -> ImageResult:
    landmarks = np.full((len(task.boxes), LANDMARKS, 2), np.nan, np.float32)
    try:
        data = read_bytes(Path(task.path))
        image = np.ascontiguousarray(decode(data, read_header(data)))
    except UnreadableImageError as error:
        return ImageResult(task, landmarks, str(error))
    for number, (x1, y1, x2, y2) in enumerate(task.boxes.tolist()):
        hand = detector.landmarks_in(image, (x1, y1, x2, y2))
        if hand is not None and hand.landmarks is not None:
            landmarks[number] = hand.landmarks
    return ImageResult(task, landmarks)


def _detector(node: str) -> Detector:
    """This process's detector of a configuration; its model is loaded once.

    Raises:
        UserError: it cannot be built, or knows no landmarks.
    """
    if node not in _DETECTORS:
        config = OmegaConf.create({"detector": json.loads(node)})
        detector = detector_from_config(config)
        if not detector.gives_landmarks:
            raise UserError(
                f"detector {config.detector._target_} finds no landmarks; use detector=mediapipe, or "
                "landmarks.extract=never for published landmarks alone"
            )
        _DETECTORS[node] = detector
    return _DETECTORS[node]


def _tasks(plan: Plan, rows: np.ndarray, keys: np.ndarray) -> list[ImageTask]:
    """One task per image for the hands in `rows`."""
    images = plan.image_of_row[rows]
    order = np.argsort(images, kind="stable")
    starts = np.flatnonzero(np.diff(images[order], prepend=-1))
    return [
        ImageTask(
            str(plan.path(int(images[members[0]]))), int(images[members[0]]), plan.boxes[rows[members]], keys[members]
        )
        for members in np.split(order, starts[1:])
    ]


def row_keys(content: np.ndarray, boxes: np.ndarray, settings: LandmarkSettings) -> np.ndarray:
    """Keys V16 (n,) of hands: what their landmarks depend on.

    Args:
        content: V16 (n,), hash of each hand's image.
        boxes: float32 (n, 4).
        settings: of which the detector matters.

    Raises:
        UserError, DataError: the detector cannot be used.
    """
    if not len(content):  # the detector's model is not fetched for nothing
        return np.zeros(0, "V16")
    suffix = f"{_detector(settings.node).identity()}{looking_code()}{PIXELS_VERSION}".encode()
    packed = np.ascontiguousarray(boxes, np.float32).view("V16").ravel()
    return np.array(
        [_digest(image.tobytes() + box.tobytes() + suffix) for image, box in zip(content, packed, strict=True)], "V16"
    )


@cache
def looking_code() -> str:
    """Hash of the code that brings an image before the detector."""
    return code_digest([Path(images.__file__)])


def with_splits(table: pa.Table, splits: Path, report: LandmarksReport, settings: LandmarkSettings) -> pa.Table:
    """The table with the splits of the split stage; what that has not seen is split here.

    Raises:
        DataError: the split table is missing, or nothing can be split (see `split.assign_splits`).
    """
    made = read_arrow(splits, ["sample_id", "split"])
    position = pc.index_in(table.column("sample_id"), value_set=made.column("sample_id").combine_chunks())
    known = position.is_valid().to_numpy(zero_copy_only=False) if len(made) else np.zeros(len(table), bool)
    sides = table.column("split").to_numpy(zero_copy_only=False).astype(object)
    places = position.fill_null(0).to_numpy()
    sides[known] = made.column("split").to_numpy(zero_copy_only=False)[places[known]]
    if not known.all():
        frame = table.select(split.COLUMNS).to_pandas().assign(split=sides)
        sides, note = split.split_others(frame, known, settings.division, settings.vocabulary)
        report.assigned = {name or "unused": int((sides[~known] == name).sum()) for name in (*SPLITS, "")}
        counts = ", ".join(f"{count:,} {name}" for name, count in report.assigned.items() if count)
        report.notes.append(f"{int((~known).sum()):,} samples without crops are split by person here: {counts}")
        report.notes += [note] if note else []
    column = table.schema.get_field_index("split")
    return table.set_column(column, SCHEMA.field("split"), pa.array(sides, pa.string()))


def publish(
    output: Path, table: pa.Table, plan: Plan, facts: ImageFacts, report: LandmarksReport, settings: LandmarkSettings
) -> None:
    """Write everything beside its place, then put it in place."""
    kept = ~report.rejected
    landmarks = plan.landmarks[kept]
    sizes = facts.sizes[plan.image_of_row[kept]].astype(np.float32)
    known = sizes[:, 1] > 0
    aspects = np.full(len(sizes), settings.aspect_without_image, np.float32)
    aspects[known] = sizes[known, 0] / sizes[known, 1]
    names = (SAMPLES, MISSED_CSV, REJECTED_CSV, REPORT, POINTS)
    staged = {name: partial_path(output / name) for name in names}
    with explained_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        with sample_writer(staged[SAMPLES]) as writer:
            writer.write_table(_with_landmarks(table, landmarks))
        write_text(staged[MISSED_CSV], report.missed_rows(facts).to_csv(index=False))
        write_text(staged[REJECTED_CSV], rejected_table(report.rejected_rows()).to_csv(index=False))
        write_json(staged[REPORT], report.as_json())
        with staged[POINTS].open("wb") as file:
            np.save(file, points_of(landmarks, aspects))
            file.flush()
            os.fsync(file.fileno())
        write_text(output / MARKER, "being replaced\n")
        for name, path in staged.items():
            path.replace(output / name)
        (output / MARKER).unlink()


def _with_landmarks(table: pa.Table, landmarks: np.ndarray) -> pa.Table:
    """The table with the column of landmarks in its place, null where there are none."""
    found = np.isfinite(landmarks).all(axis=(1, 2))
    offsets = np.concatenate([[0], np.cumsum(found) * 2 * LANDMARKS]).astype(np.int32)
    kind = SCHEMA.field("landmarks").type
    values = pa.array(landmarks[found].reshape(-1), pa.float32())
    column = pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=pa.array(~found))
    return table.append_column(SCHEMA.field("landmarks"), column).select(SCHEMA.names).cast(SCHEMA)


def _take_over(records: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Fill in what is known of files that are as they were; returns which those are: bool (n,)."""
    if not len(before):
        return np.zeros(len(records), bool)
    keys = numbers(before["path"])
    order = np.argsort(keys, kind="stable")
    place = order[np.searchsorted(keys[order], numbers(records["path"])).clip(max=len(order) - 1)]
    there = before[place]
    known = records["bytes"] >= 0
    for name in ("path", "bytes", "mtime_ns"):
        known &= there[name] == records[name]
    records[known] = there[known]
    return known


def _merged_images(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """What is known of images now, with what was known of others, in the order of their keys."""
    others = before[~np.isin(numbers(before["path"]), numbers(now["path"]))]
    merged = np.concatenate([others, now])
    return merged[np.argsort(numbers(merged["path"]), kind="stable")]


def _in_threads(work: Any, items: Sequence[Any], size: int) -> Iterator[Any]:
    """The results of `work`, called in threads with pieces of `size` items each."""
    pieces = [items[first : first + size] for first in range(0, len(items), size)]
    if not pieces:
        return iter(())
    parallel = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    results: Iterator[Any] = parallel(joblib.delayed(work)(piece) for piece in pieces)
    return results


def _stat_many(images: Sequence[tuple[str, str]]) -> np.ndarray:
    roots = {root: os.path.expanduser(root) for root, _ in images}  # noqa: PTH111  a million Paths cost more
    return np.array([_stat(f"{roots[root]}/{name}") for root, name in images], np.int64).reshape(-1, 2)


def _stat(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116  a million Paths cost more than the calls
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _look_many(looks: Sequence[tuple[tuple[str, str], bool]]) -> list[tuple[bytes, int, int] | str]:
    return [_look_at(image_path(*image), hashed) for image, hashed in looks]


def _look_at(path: Path, hashed: bool) -> tuple[bytes, int, int] | str:
    """Hash (zeros where it is not wanted), width and height of an image; or why it cannot be read."""
    try:
        if hashed:
            data = read_bytes(path)
            header, content = read_header(data), hashlib.sha256(data).digest()[:16]
        else:
            header, content = image_header(path), bytes(16)
    except UnreadableImageError as error:
        return str(error)
    return content, header.width, header.height


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


if __name__ == "__main__":
    main()

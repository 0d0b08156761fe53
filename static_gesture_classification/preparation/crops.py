"""The crops stage: every sample's hand as one row of a memory-mapped array, decoded once.

    gestures crops [overrides]

Reads the index, writes to `paths.crops`: `crops.npy`, uint8 (n, size, size, 3) RGB; `samples.parquet`, whose row i
describes row i of the array; `rejected.csv`, the samples without a crop, with the reason; `report.json`.

The result depends only on the index, the images' contents, `crops.size` and `crops.margin`. Crops of an earlier run,
finished or killed, are copied where the image file has the same size and modification time, or the same contents.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig
from pydantic import Field, field_validator

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_state import file_states
from static_gesture_classification.images import PIXELS_VERSION
from static_gesture_classification.keyed_store import KEY, KeyIndex, Keys, digest
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.preparation import crop_store
from static_gesture_classification.preparation.crop_store import (
    CROPS_FILE,
    DONE,
    RECORDS,
    REJECTED,
    ROW_RECORD,
    TODO,
    Donor,
    PartialCrops,
)
from static_gesture_classification.preparation.cropping import Cut, crop_image
from static_gesture_classification.preparation.cutting import cutting_code
from static_gesture_classification.preparation.per_image import (
    IMAGES_IN_FLIGHT,
    ImageTask,
    SampleImages,
    for_each_image,
    joined_texts,
    row_keys,
)
from static_gesture_classification.preparation.publishing import (
    REJECTED_CSV,
    REPORT,
    SAMPLES,
    open_array,
    stage_array,
    stage_tables,
)
from static_gesture_classification.samples import read_arrow, texts
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import say
from static_gesture_classification.workspace import Workspace

__all__ = ["REJECTED_CSV", "REPORT", "SAMPLES", "CropSettings", "CropsReport", "build_crops", "main", "open_crops"]

RETRIED = 1000  # as many unreadable images are tried again before the array is rewritten


@entry_point
def main(config: DictConfig) -> None:
    """Cut the indexed samples out of their images."""
    workspace = Workspace.from_config(config)
    build_crops(workspace.index_table, workspace.crops, CropSettings.from_config(config))


class CropSettings(Settings, key="crops"):
    """How crops are cut; `crops` of the configuration.

    Args:
        size: side of a crop in pixels.
        margin: share of the box's longer side that is added on each side.
        max_rejected_share: the stage fails when a larger share of the samples is unusable.
        images_optional: sources whose samples need no image if they have landmarks: they are left out, not rejected.
        engine: where images are decoded.
        part: "2/8" for the second of eight equal stretches of the samples; None for all.
        parts: folders with crops to copy from.
    """

    size: int = Field(ge=8, le=4096)
    margin: float = Field(ge=0, le=10)
    max_rejected_share: float = Field(ge=0, le=1)
    images_optional: frozenset[str] = frozenset()
    engine: EngineSettings = EngineSettings()
    part: str | None = Field(default=None, pattern=r"^[1-9]\d*/[1-9]\d*$")
    parts: list[Path] = Field(default_factory=list)

    @field_validator("part")
    @classmethod
    def _exist(cls, part: str | None) -> str | None:
        if part is not None and int(part.partition("/")[0]) > int(part.partition("/")[2]):
            raise ValueError('must be like "2/8", the first number at most the second')
        return part

    @classmethod
    def from_config(cls, config: DictConfig) -> CropSettings:
        """Those of the crops stage."""
        return cls.read(config, "crops", images_optional=images_optional(config.get("sources")))

    def at(self, size: int, margin: float) -> CropSettings:
        """The settings of another geometry, such as a checkpoint's; every sample needs its image."""
        most, engine = self.max_rejected_share, self.engine
        return self.check({"size": size, "margin": margin, "max_rejected_share": most}, "crops", engine=engine)


def images_optional(sources: Mapping[str, Any] | None) -> frozenset[str]:
    """Names of the sources that keep hands without an image, for their landmarks (`require_images: false`)."""
    nodes = {name: node for name, node in (sources or {}).items() if node is not None}
    return frozenset(str(name) for name, node in nodes.items() if node.get("require_images", True) is False)


def open_crops(folder: Path) -> np.memmap:
    """Memory-map the crops of a folder: uint8 (n, size, size, 3), RGB; row i belongs to row i of its samples.parquet.

    Raises:
        DataError: the array or its table is missing, damaged, or they do not belong together.
    """
    crops = open_array(folder / CROPS_FILE, "crops", "uint8", (None, None, 3))
    if crops.shape[1] != crops.shape[2]:
        raise DataError(f"{folder / CROPS_FILE} holds {crops.shape}, which are no squares; delete it and run dvc repro")
    return crops


def build_crops(samples: Path, output: Path, settings: CropSettings, table: pa.Table | None = None) -> CropsReport:
    """Make the crops of a sample table; see the module's description.

    Args:
        samples: the sample table.
        output: folder to write to; crops of earlier runs in it are reused.
        settings: see the class.
        table: what `samples` holds, where it was read already.

    Raises:
        DataError: no samples, or too many unusable ones (names the first ten); earlier results are untouched.
        OutputError: read-only folder, full disk; earlier results are untouched.
    """
    start = time.perf_counter()
    crop_store.finish_publishing(output)
    plan = CropPlan.of(samples, settings, table)
    published = crop_store.open_published(output, settings.size)
    report = None if published is None else _report_finished(plan, published)
    if published is not None and report is not None:
        report.check()
        _publish(output, published.records, report, array_is_new=False)
    else:
        with PartialCrops(output, digest(plan.keys.tobytes()), plan.keys, settings.size) as unfinished:
            others = [open_part(folder, settings.size) for folder in settings.parts]
            report = _fill(unfinished, plan, [published, crop_store.open_interrupted(output, settings.size), *others])
            unfinished.compact()
            records = unfinished.records[unfinished.state == DONE]
        del published
        _publish(output, records, report, array_is_new=True)
    say(report.summary(time.perf_counter() - start))
    return report


def open_part(folder: Path, size: int) -> Donor:
    """The crops of a part, to copy from. Raises `DataError` where there are none of this size."""
    donor = crop_store.open_published(folder, size)
    if donor is None:
        raise DataError(
            f"{folder} of crops.parts holds no crops of {size} x {size} pixels; make or pull them first, or take it out"
        )
    return donor


def with_images(table: pa.Table, images_optional: Collection[str]) -> tuple[pa.Table, int]:
    """A sample table without the rows that have landmarks but no image, and the number of these."""
    optional = pa.array(np.isin(texts(table, "source"), list(images_optional)))
    rows = np.flatnonzero(pc.and_(optional, table.column("landmarks").is_valid()).to_numpy(zero_copy_only=False))
    if not len(rows):
        return table, 0
    chosen = table.select(["root", "image"]).take(pa.array(rows))
    images = list(zip(chosen.column("root").to_pylist(), chosen.column("image").to_pylist(), strict=True))
    kept = np.ones(len(table), bool)
    kept[rows] = file_states(images)[:, 0] >= 0
    return table.filter(pa.array(kept)), int((~kept).sum())


def part_of(table: pa.Table, part: str | None) -> pa.Table:
    """One of equal stretches of a table, as in "2/8"; None for all of it.

    >>> part_of(pa.table({"row": range(10)}), "2/3")["row"].to_pylist()
    [3, 4, 5]
    """
    if part is None:
        return table
    number, count = (int(each) for each in part.split("/"))
    first, end = len(table) * (number - 1) // count, len(table) * number // count
    return table.slice(first, end - first).combine_chunks()


@dataclass(frozen=True)
class CropPlan:
    """The crops to make: one per sample that has an image.

    Attributes:
        samples: n rows.
        keys: V16 (n,), a hash of everything but the image's contents that the pixels depend on.
        left_out: number of samples that have landmarks but no image.
    """

    samples: SampleImages
    settings: CropSettings
    keys: Keys
    left_out: int

    @classmethod
    def of(cls, path: Path, settings: CropSettings, table: pa.Table | None = None) -> CropPlan:
        """Plan the crops of the sample table at `path`, which may have been read already.

        Raises:
            DataError: it is empty or invalid.
        """
        whole = read_arrow(path) if table is None else table
        table, left_out = with_images(part_of(whole, settings.part), settings.images_optional)
        samples = SampleImages.of(table, path, may_be_empty=left_out > 0)
        names = joined_texts(table, "source", "image").to_pylist()
        made = f"\0{settings.size}\0{settings.margin!r}\0{cutting_code()}\0{PIXELS_VERSION}"
        return cls(samples, settings, row_keys((name.encode() for name in names), samples.boxes, made), left_out)

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.keys)

    def up_to_date(self, rows: np.ndarray, records: np.ndarray) -> np.ndarray:
        """Whether each record, one for each of `rows`, was made from the image file as it is now: bool."""
        return (
            (records["state"] == DONE)
            & (records["key"] == self.keys[rows])
            & (records["file"] == self.samples.state_keys[self.samples.of_row[rows]])
        )

    def missing_from(self, donor: Donor) -> np.ndarray | None:
        """The rows that a finished array lacks; None unless it has all others, in order and up to date."""
        there = KeyIndex(donor.records["key"]).find(self.keys) >= 0
        rows = np.flatnonzero(there)
        if len(rows) != len(donor.records) or not self.up_to_date(rows, donor.records).all():
            return None
        return np.flatnonzero(~there)


@dataclass
class CropsReport:
    """The result: `reasons` of the rejected rows, and how many crops of earlier runs were kept."""

    plan: CropPlan
    reasons: dict[int, str]
    kept: int = 0
    decoded_images: int = 0
    seconds: float = 0.0

    @property
    def made(self) -> np.ndarray:
        """Rows that have a crop: bool (n,)."""
        return ~np.isin(np.arange(self.plan.count), list(self.reasons))

    def check(self) -> None:
        """Raise `DataError` when too many samples are unusable."""
        most = self.plan.settings.max_rejected_share
        self.plan.samples.check_rejected(self.reasons, most, "crops", self.plan.left_out)

    def as_json(self) -> dict[str, Any]:
        """The content of report.json; it depends on the data alone, not on earlier runs."""
        made, left_out = self.made, self.plan.left_out
        return {
            "samples": int(made.sum()),
            "rejected": len(self.reasons),
            **({"without_image": left_out} if left_out else {}),
            "size": self.plan.settings.size,
            "margin": self.plan.settings.margin,
            "sources": self.plan.samples.counts_by_source({"samples": made, "rejected": ~made}),
        }

    def summary(self, seconds: float) -> str:
        """One line for the terminal."""
        rate = f" ({self.decoded_images / self.seconds:,.0f} images/s)" if self.decoded_images and self.seconds else ""
        made, size = int(self.made.sum()), self.plan.settings.size
        left_out = f", {self.plan.left_out:,} have landmarks but no image" if self.plan.left_out else ""
        return (
            f"crops: {made:,} samples of {size} x {size} pixels in {seconds:.1f} s; "
            f"{self.decoded_images:,} images decoded{rate}, {self.kept:,} samples kept from before, "
            f"{len(self.reasons):,} rejected{left_out}"
        )


def _by_row(task: ImageTask, cut: Cut | str) -> dict[int, np.ndarray | str]:
    """Crops and reasons of an image's rows."""
    return dict.fromkeys(task.rows.tolist(), cut) if isinstance(cut, str) else cut.crops


def _report_finished(plan: CropPlan, published: Donor) -> CropsReport | None:
    """The report of a finished array that the plan would not change; None for any other.

    The rows that it lacks were unreadable images. If they still are, nothing has changed.
    """
    missing = plan.missing_from(published)
    if missing is None or len(missing) > RETRIED:
        return None
    nothing = np.zeros(plan.count, KEY)
    reasons: dict[int, str] = {}
    cut = partial(crop_image, known=nothing, size=plan.settings.size, margin=plan.settings.margin)
    for results in for_each_image(cut, plan.samples.tasks(missing), "crops", RETRIED, plan.settings.engine.build()):
        for row, crop in (each for task, made in results for each in _by_row(task, made).items()):
            if not isinstance(crop, str):
                return None
            reasons[row] = crop
    return CropsReport(plan, reasons, kept=len(published.records))


def _fill(unfinished: PartialCrops, plan: CropPlan, donors: Sequence[Donor | None]) -> CropsReport:
    """Bring every row of the unfinished array to DONE or REJECTED."""
    donated = _DonatedRows(unfinished, [donor for donor in donors if donor is not None])
    _keep(unfinished, plan, donated)
    report = CropsReport(plan, {}, kept=int((unfinished.state == DONE).sum()))
    tasks = plan.samples.tasks(np.flatnonzero(unfinished.state == TODO))
    known, engine = donated.records["content"].copy(), plan.settings.engine.build()
    cut = partial(crop_image, known=known, size=plan.settings.size, margin=plan.settings.margin)
    start = time.perf_counter()
    for results in for_each_image(cut, tasks, "crops", engine.workers() * IMAGES_IN_FLIGHT, engine):
        _store(unfinished, plan, results, donated, report)
        report.check()
    report.seconds = time.perf_counter() - start
    report.check()
    return report


class _DonatedRows:
    """Crops of earlier runs: for each row in the unfinished array itself, else in the first donor with its key.

    Attributes:
        records: (n,), of each row's crop; zeros where there is none.
    """

    OWN, NOWHERE = -1, -2

    def __init__(self, unfinished: PartialCrops, donors: Sequence[Donor]) -> None:
        own = unfinished.state == DONE
        self.donors = donors
        self.records = np.where(own, unfinished.records, np.zeros((), ROW_RECORD))
        self._donor = np.where(own, self.OWN, self.NOWHERE)
        self._place = np.zeros(len(own), np.int64)
        for number, donor in enumerate(donors):
            usable = np.flatnonzero(donor.records["state"] == DONE)
            at = KeyIndex(donor.records["key"][usable]).find(unfinished.records["key"])
            taken = np.flatnonzero((at >= 0) & (self._donor == self.NOWHERE))
            row = usable[at[taken]]
            self._donor[taken], self._place[taken] = number, donor.place[row]
            self.records[taken] = donor.records[row]

    def is_own(self) -> np.ndarray:
        """Rows whose crop lies in the unfinished array: bool (n,)."""
        return self._donor == self.OWN

    def copy(self, rows: np.ndarray, unfinished: PartialCrops) -> None:
        """Copy the pixels of rows (ascending) that a donor has."""
        for number, donor in enumerate(self.donors):
            mine = rows[self._donor[rows] == number]
            unfinished.write(mine, donor.pixels[self._place[mine]])


def _keep(unfinished: PartialCrops, plan: CropPlan, donated: _DonatedRows) -> None:
    """Keep the crops whose image file has not changed."""
    good = plan.up_to_date(np.arange(plan.count), donated.records)
    unfinished.state[:] = np.where(good & donated.is_own(), DONE, TODO)
    copied = np.flatnonzero(good & ~donated.is_own())
    for piece in np.array_split(copied, max(1, len(copied) * unfinished.row_bytes // crop_store.COPY_BYTES)):
        donated.copy(piece, unfinished)
        unfinished.records[piece] = donated.records[piece]
        unfinished.checkpoint(piece)


def _store(
    unfinished: PartialCrops,
    plan: CropPlan,
    results: Sequence[tuple[ImageTask, Cut | str]],
    donated: _DonatedRows,
    report: CropsReport,
) -> None:
    """Write new crops, and copy those whose image has the old contents."""
    crops: dict[int, np.ndarray] = {}
    for task, cut in results:
        if not isinstance(cut, str):
            file = plan.samples.state_key(task.image, cut.state)
            unfinished.records["content"][task.rows] = np.void(cut.content)
            unfinished.records["file"][task.rows] = np.void(file)
            report.decoded_images += bool(cut.crops)
        for row, crop in _by_row(task, cut).items():
            if isinstance(crop, str):
                report.reasons[row] = crop
            else:
                crops[row] = crop
    rows, new = np.sort(np.concatenate([task.rows for task, _ in results])), np.array(sorted(crops), np.int64)
    unfinished.state[rows] = np.where(np.isin(rows, list(report.reasons)), REJECTED, DONE)
    if len(new):
        unfinished.write(new, np.stack([crops[row] for row in new.tolist()]))
    same = np.setdiff1d(rows[unfinished.state[rows] == DONE], new)
    report.kept += len(same)
    donated.copy(same, unfinished)
    unfinished.checkpoint(rows)


def _publish(output: Path, records: np.ndarray, report: CropsReport, array_is_new: bool) -> None:
    """Write the tables beside their places, then put everything in place."""
    samples = report.plan.samples
    table = samples.table.filter(pa.array(report.made)) if report.reasons else samples.table
    with explain_write_errors(output):
        stage_tables(output, table, samples.list_rejected(report.reasons), report.as_json())
        stage_array(output / RECORDS, records)
        crop_store.publish_crops(output, [SAMPLES, REJECTED_CSV, REPORT, RECORDS], array_is_new)


if __name__ == "__main__":
    main()

"""The landmarks stage: 21 landmarks of every hand, published ones or those that the detector finds around its box.

    gestures landmarks [overrides]

Reads the index and the split, writes the files of `landmark_store` to `paths.landmarks`. They hold all samples of the
index but those with an unreadable image. A sample with published landmarks may have no image, and then has no crop
(HaGRID's annotations are enough for landmarks). The split stage splits only samples with crops; this stage splits the
others: like their subject's other samples, else as published, else by subject, without a search for near-duplicates.

`landmarks.cache` keeps extracted landmarks by the image's contents: a moved or copied file costs nothing, and a killed
run continues. The result depends only on the index, the split, the images' contents and the detector's settings.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.atomic_files import explain_write_errors, partial_path, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.keyed_store import Keys
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.preparation import publishing, split
from static_gesture_classification.preparation.crops import images_optional
from static_gesture_classification.preparation.image_facts import ImageFacts, image_facts
from static_gesture_classification.preparation.landmark_cache import ExtractedLandmarks
from static_gesture_classification.preparation.landmark_store import (
    MISSED_CSV,
    POINTS,
    REJECTED_CSV,
    REPORT,
    SAMPLES,
    points_of,
)
from static_gesture_classification.preparation.looking import detector_of, landmark_keys, look_in_image
from static_gesture_classification.preparation.per_image import SampleImages, for_each_image
from static_gesture_classification.samples import (
    SCHEMA,
    SPLITS,
    landmark_array,
    landmark_column,
    read_arrow,
    texts,
    to_frame,
    with_texts,
)
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import note, say
from static_gesture_classification.workspace import Workspace

AUTO, ALWAYS, NEVER = "auto", "always", "never"
DETECTED_PER_WRITE = 32  # images between two writes


@entry_point
def main(config: DictConfig) -> None:
    """Fill in the landmarks of the indexed samples."""
    workspace, settings = Workspace.from_config(config), LandmarkSettings.from_config(config)
    build_landmarks(workspace.index_table, workspace.split_table, workspace.landmarks, settings)


class LandmarkSettings(Settings, key="landmarks"):
    """How landmarks are made; `landmarks` of the configuration.

    Args:
        extract: whether the detector looks for hands without published landmarks.
        detector: settings of the detector.
        cache: folder of extracted landmarks.
        aspect_without_image: width / height assumed where there is no image.
        max_rejected_share: the stage fails when a larger share of the samples is unreadable.
        division: how to split samples without crops; with `vocabulary`.
        images_optional: sources whose published landmarks are used without an image too.
        engine: where images are read and looked at.
    """

    extract: bool
    detector: DetectorSettings
    cache: Path
    aspect_without_image: float = Field(gt=0)
    max_rejected_share: float = Field(ge=0, le=1)
    division: split.SplitSettings
    vocabulary: Vocabulary
    images_optional: frozenset[str] = frozenset()
    engine: EngineSettings = EngineSettings()

    @classmethod
    def from_config(cls, config: DictConfig, extract: bool | None = None) -> LandmarkSettings:
        """Those of the landmarks stage; `extract` overrules the configuration."""
        wanted = config.landmarks.extract
        meanings = {AUTO: config.paths.inputs == config.paths.landmarks, ALWAYS: True, NEVER: False}
        if wanted not in (*meanings, True, False):
            raise UserError(f"landmarks.extract is {wanted!r}; it must be {AUTO!r}, {ALWAYS!r} or {NEVER!r}")
        return cls.read(
            config,
            "landmarks",
            extract=meanings.get(wanted, wanted) if extract is None else extract,
            images_optional=images_optional(config.get("sources")),
            engine=EngineSettings.from_config(config),
        )


def build_landmarks(
    samples: Path, splits: Path | None, output: Path, settings: LandmarkSettings, table: pa.Table | None = None
) -> LandmarksReport:
    """Make the landmarks of a sample table; see the module's description.

    Args:
        samples: the sample table.
        splits: the same samples' table with splits; None leaves the splits of `samples` as they are.
        output: folder to write to.
        settings: see the class.
        table: what `samples` holds, where it was read already.

    Raises:
        DataError: no samples, or too many of them unreadable (names the first ten); earlier results are untouched.
        UserError: the detector cannot be used.
        OutputError: read-only folder, full disk; earlier results are untouched.
    """
    start = time.perf_counter()
    publishing.finish_writes(output)
    plan = LandmarkPlan.of(samples, settings, table)
    hashed = np.zeros(len(plan.samples.images), bool)
    hashed[plan.samples.of_row[plan.wanted]] = True
    facts = image_facts(plan.samples, hashed, settings.cache, settings.engine.build())
    report = LandmarksReport(plan, facts)
    report.check_rejected()
    fill_in(plan, report)
    kept = plan.samples.table.filter(pa.array(~report.rejected))
    publish_landmarks(output, kept if splits is None else with_splits(kept, splits, report), report)
    say(report.summary(time.perf_counter() - start))
    for line in report.notes:
        note(line)
    return report


@dataclass(frozen=True)
class LandmarkPlan:
    """The landmarks to make: one row per sample.

    Attributes:
        samples: n rows, their table without landmarks.
        landmarks: float32 (n, 21, 2), normalised; NaN where there are none (yet).
        published: bool (n,), rows with published landmarks.
        wanted: bool (n,), rows whose landmarks to extract.
        optional: bool (n,), rows that need no image.
        missed: bool (n,), rows whose hand the detector did not find.
    """

    samples: SampleImages
    settings: LandmarkSettings
    landmarks: np.ndarray
    published: np.ndarray
    wanted: np.ndarray
    optional: np.ndarray
    missed: np.ndarray

    @classmethod
    def of(cls, path: Path, settings: LandmarkSettings, table: pa.Table | None = None) -> LandmarkPlan:
        """Plan the landmarks of the sample table at `path`, which may have been read already.

        Raises:
            DataError: it is empty or invalid.
        """
        table = read_arrow(path) if table is None else table
        landmarks = landmark_array(table)
        table = table.drop_columns(["landmarks"])  # of a million hands 170 MB, which are in `landmarks` now
        samples = SampleImages.of(table, path)
        published = np.isfinite(landmarks).all(axis=(1, 2))
        landmarks[~published] = np.nan
        wanted = ~published & settings.extract
        optional = np.isin(texts(table, "source"), list(settings.images_optional))
        return cls(samples, settings, landmarks, published, wanted, optional & published, np.zeros(len(table), bool))


@dataclass
class LandmarksReport:
    """The result.

    Attributes:
        extracted: number of hands that the detector looked for in this run, in `images` and `seconds`.
        assigned: samples per split that this stage split.
        notes: sentences.
    """

    plan: LandmarkPlan
    facts: ImageFacts
    extracted: int = 0
    images: int = 0
    seconds: float = 0.0
    assigned: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def rejected(self) -> np.ndarray:
        """Rows with an unreadable image: bool (n,)."""
        of_row, bad = self.plan.samples.of_row, np.zeros(len(self.facts.absent), bool)
        bad[list(self.facts.reasons)] = True
        return bad[of_row] & ~(self.plan.optional & self.facts.absent[of_row])

    @property
    def reasons(self) -> dict[int, str]:
        """Why rows were rejected."""
        of_row = self.plan.samples.of_row
        return {row: self.facts.reasons[int(of_row[row])] for row in np.flatnonzero(self.rejected).tolist()}

    def check_rejected(self) -> None:
        """Raise `DataError` when too many samples are unreadable."""
        most = self.plan.settings.max_rejected_share
        self.plan.samples.check_rejected(self.reasons, most, "landmarks")

    def make_missed(self) -> pd.DataFrame:
        """The content of missed.csv: hands that were not found, with the box's longer side in pixels."""
        samples, rows = self.plan.samples, np.flatnonzero(self.plan.missed & ~self.rejected)
        table = samples.table.select(["source", "sample_id", "gesture"]).take(pa.array(rows)).to_pandas()
        numbers = samples.of_row[rows]
        extents = (samples.boxes[rows, 2:] - samples.boxes[rows, :2]) * self.facts.sizes[numbers]
        table.insert(1, "file", [samples.path(number).as_posix() for number in numbers.tolist()])
        table["pixels"] = extents.max(axis=1, initial=0).round().astype(int)
        table["reason"] = "no hand was found in its box"
        return table

    def as_json(self) -> dict[str, Any]:
        """The content of report.json; it depends on the data alone, not on earlier runs."""
        plan, rejected = self.plan, self.rejected
        found = np.isfinite(plan.landmarks).all(axis=(1, 2))
        kinds = {
            "published": ~rejected & plan.published,
            "extracted": ~rejected & found & ~plan.published,
            "missed": ~rejected & plan.missed,
            "not_looked_for": ~rejected & ~plan.published & ~plan.wanted,
            "rejected": rejected,
        }
        return {
            "samples": int((~rejected).sum()),
            **{kind: int(rows.sum()) for kind, rows in kinds.items()},
            "split_here": self.assigned,
            "sources": plan.samples.counts_by_source(kinds),
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


def fill_in(plan: LandmarkPlan, report: LandmarksReport) -> None:
    """Fill in the wanted landmarks of the plan, from the cache or by the detector.

    Raises:
        UserError: the detector cannot be used. OutputError: the cache cannot be written.
    """
    rows = np.flatnonzero(plan.wanted & ~report.rejected)
    if not len(rows):
        return
    content = report.facts.records["content"][plan.samples.of_row]
    keys = np.zeros_like(content)
    keys[rows] = landmark_keys(content[rows], plan.samples.boxes[rows], plan.settings.detector)
    extracted = ExtractedLandmarks(plan.settings.cache)
    known, plan.landmarks[rows] = extracted.find(keys[rows])
    if not known.all():
        extract(rows[~known], keys, extracted, report)
        known, plan.landmarks[rows] = extracted.find(keys[rows])
    plan.missed[rows[known]] = np.isnan(plan.landmarks[rows[known]]).any(axis=(1, 2))
    report.check_rejected()  # an image with a good header may be damaged


def extract(rows: np.ndarray, keys: Keys, kept: ExtractedLandmarks, report: LandmarksReport) -> None:
    """Look for the hands of some rows in parallel and add them to the cache; `keys` V16 (n,) are of all rows."""
    detector = report.plan.settings.detector.model_dump_json()
    tasks = report.plan.samples.tasks(rows)
    detector_of(detector).prepare()
    # Joblib takes MediaPipe's buffers for a memory leak, and replaces a worker now and then.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    look = partial(look_in_image, detector=detector)
    start = time.perf_counter()
    engine = report.plan.settings.engine.build()
    for results in for_each_image(look, tasks, "extracting landmarks", DETECTED_PER_WRITE, engine, processes=True):
        report.facts.reasons.update({task.image: found for task, found in results if isinstance(found, str)})
        readable = [(task.rows, found) for task, found in results if not isinstance(found, str)]
        if readable:
            looked_for, landmarks = (np.concatenate(each) for each in zip(*readable, strict=True))
            kept.add(keys[looked_for], landmarks)
            report.extracted += len(looked_for)
    report.images, report.seconds = len(tasks), time.perf_counter() - start


def with_splits(table: pa.Table, splits: Path, report: LandmarksReport) -> pa.Table:
    """The table with the splits of the split stage; splits the samples that have none.

    Raises:
        DataError: the split table is missing, or nothing can be split (see `split.split_samples`).
    """
    settings = report.plan.settings
    made = read_arrow(splits, ["sample_id", "split"])
    position = pc.index_in(table.column("sample_id"), value_set=made.column("sample_id").combine_chunks())
    known = position.is_valid().to_numpy(zero_copy_only=False) if len(made) else np.zeros(len(table), bool)
    names = texts(table, "split")
    places = position.fill_null(0).to_numpy()
    names[known] = texts(made, "split")[places[known]]
    if not known.all():
        frame = to_frame(table.select(split.SPLIT_COLUMNS)).assign(split=names)
        names, remark = split.split_others(frame, known, settings.division, settings.vocabulary)
        report.assigned = {name or "unused": int((names[~known] == name).sum()) for name in (*SPLITS, "")}
        counts = ", ".join(f"{count:,} {name}" for name, count in report.assigned.items() if count)
        report.notes.append(f"{int((~known).sum()):,} samples without crops are split by person here: {counts}")
        report.notes += [remark] if remark else []
    return with_texts(table, "split", names)


def publish_landmarks(output: Path, table: pa.Table, report: LandmarksReport) -> None:
    """Write all files beside their places, then put them in place."""
    plan, kept = report.plan, ~report.rejected
    sizes = report.facts.sizes[plan.samples.of_row[kept]].astype(np.float32)
    known = sizes[:, 1] > 0
    aspects = np.full(len(sizes), plan.settings.aspect_without_image, np.float32)
    aspects[known] = sizes[known, 0] / sizes[known, 1]
    landmarks = plan.landmarks if kept.all() else plan.landmarks[kept]  # a copy would be as large
    with explain_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        publishing.stage_array(output / POINTS, points_of(landmarks, aspects))
        rejected = plan.samples.list_rejected(report.reasons)
        column = SCHEMA.field("landmarks"), landmark_column(landmarks)
        table = table.append_column(*column).select(SCHEMA.names).cast(SCHEMA)
        publishing.stage_tables(output, table, rejected, report.as_json())
        write_text(partial_path(output / MISSED_CSV), report.make_missed().to_csv(index=False))
        publishing.announce(output, [SAMPLES, MISSED_CSV, REJECTED_CSV, REPORT, POINTS])
        publishing.finish_writes(output)


if __name__ == "__main__":
    main()

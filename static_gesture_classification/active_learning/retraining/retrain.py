"""Retrain quickly: from new samples to a new confusion matrix, and whether it got better, within a minute.

    gestures retrain                          # the landmark model
    gestures retrain retrain.method=head      # a crop model's last layer
    gestures retrain retrain.method=finetune  # all of it, a little
    gestures retrain retrain.method=crops     # all of it, in full

One process goes from index to verdict, in folders of its own (`conf/retrain`). Known samples keep their split
(`frozen_split`), and known images and landmarks are reused. The result is compared on val with the quick loop's best
checkpoint so far; head and finetune are compared with the checkpoint they start from first. Test is never scored here,
only by `evaluate`. `models/quick/trained.ckpt` is the checkpoint trained last, `models/quick/best.ckpt` the one that
the verdict prefers. If the two cannot be compared, the best one stays, unless the answer in the terminal or
`force=true` says otherwise. `make repro` is the full training.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.active_learning.comparison.before_after import Comparison, compare
from static_gesture_classification.active_learning.comparison.report import show_comparison, write_comparison
from static_gesture_classification.active_learning.retraining.frozen_split import (
    VAL,
    FrozenSplit,
    earlier_splits,
    freeze_split,
)
from static_gesture_classification.active_learning.retraining.methods import embed_rows, train_by_method
from static_gesture_classification.active_learning.retraining.outcome import RetrainOutcome, show_outcome, write_outcome
from static_gesture_classification.active_learning.retraining.settings import HEAD, METHODS_WITH_START, RetrainSettings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.checkpoint_record import (
    SUBJECTS_FIELD,
    SUBJECTS_KEY,
    VERSION_FIELD,
    data_version,
    read_checkpoint_record,
)
from static_gesture_classification.evaluation.contenders import (
    Contender,
    find_contender,
    predict_samples,
    training_subjects,
)
from static_gesture_classification.evaluation.epochs import predictions_file
from static_gesture_classification.evaluation.paired_comparison import IncomparableError
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    predictions_of,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.evaluation.promote import (
    BY_SCORE,
    CheckpointOrigin,
    PromotionCandidate,
    PromotionDecision,
    incomparable,
    make_record,
    promote,
    promoting,
    settle_decision,
)
from static_gesture_classification.preparation.crop_store import CROPS_FILE, RECORDS
from static_gesture_classification.preparation.crops import REJECTED_CSV, REPORT, SAMPLES, build_crops, open_crops
from static_gesture_classification.preparation.described_crops import open_described
from static_gesture_classification.preparation.index import index_sources
from static_gesture_classification.preparation.landmarks import build_landmarks
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.samples import SPLITS, read_arrow, to_frame, with_texts, write_samples
from static_gesture_classification.terminal import begin_stage, note, say
from static_gesture_classification.tracking.run_list import find_run
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import checkpoint_digest, load_classifier, read_checkpoint
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.workspace import Workspace

STAGES = ("index", "crops", "split", "landmarks", "train", "evaluate", "compare")


@dataclass
class Clock:
    """Seconds of each stage, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        begin_stage(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start


@entry_point
def main(config: DictConfig) -> None:
    """Retrain quickly, and say whether it got better."""
    retrain(RetrainSettings.from_config(config))


def retrain(settings: RetrainSettings) -> Comparison | None:
    """From index to verdict; None where there was nothing to compare with."""
    trainer, workspace = settings.training.trainer, settings.workspace
    hardware.check_one_device(trainer.devices, hardware.accelerator(trainer.accelerator), "gestures retrain")
    hardware.use_processor(trainer.threads)
    with alone(workspace.models):
        clock = Clock()
        with clock.time("index"):
            index(settings)
        frozen = prepare(settings, clock)
        with clock.time("train"):
            train_by_method(settings)
        with clock.time("evaluate"):
            predictions = evaluate(settings, frozen)
        with clock.time("compare"):
            result, decision = compare_with_previous(settings, frozen, predictions)
            decision = prefer(settings, frozen, decision)
        outcome = RetrainOutcome(settings.method, frozen, predictions, result, decision, clock.seconds)
        write_outcome(outcome, workspace)
        show_outcome(outcome, workspace)
    return result


def prepare(settings: RetrainSettings, clock: Clock) -> FrozenSplit:
    """Crops, split and landmarks of the indexed samples, whose table is read once."""
    workspace, table = settings.workspace, read_arrow(settings.workspace.index_table)
    with clock.time("crops"):
        take_over(settings.pipeline.crops, workspace.crops, settings.crops.size)
        build_crops(workspace.index_table, workspace.crops, settings.crops, table)
    with clock.time("split"):
        frozen = split(settings)
    if kind_of(settings.training.model).needs_landmarks:
        with clock.time("landmarks"):
            build_landmarks(
                workspace.index_table, workspace.split_table, workspace.landmarks, settings.landmarks, table
            )
    return frozen


@contextmanager
def alone(models: Path) -> Iterator[None]:
    """Hold the quick loop's lock. Raises `UserError` where another process is retraining."""
    models.mkdir(parents=True, exist_ok=True)
    lock = ProcessLock(models / ".lock")
    if not lock.acquire():
        raise UserError(f"another retrain is at work in {models}; wait until it is done, then repeat this")
    try:
        yield
    finally:
        lock.release()


def index(settings: RetrainSettings) -> None:
    """Index all sources."""
    chosen = settings.index
    fixes, most = chosen.label_fixes(), chosen.max_rejected_share
    found = index_sources(chosen.sources, chosen.vocabulary, settings.workspace.index, most, fixes)
    for source in found.sources:
        if source.left_out is None:
            say(f"{source.name}: {source.rows:,} samples, {source.rejected:,} rejected")


def take_over(pipeline: Path, folder: Path, size: int) -> None:
    """Start with the pipeline's crops if they have this size; they are linked where the file system allows."""
    if (folder / CROPS_FILE).is_file():
        return
    try:
        if open_crops(pipeline).shape[1] != size:
            return
    except DataError:  # none, or not whole: then all are cut here
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RECORDS, SAMPLES, REJECTED_CSV, REPORT, CROPS_FILE):  # the array last: it marks the folder as complete
        if (pipeline / name).is_file():
            (folder / name).unlink(missing_ok=True)
            try:
                os.link(pipeline / name, folder / name)  # a finished file is replaced, never written to
            except OSError:
                shutil.copy2(pipeline / name, folder / name)


def split(settings: RetrainSettings) -> FrozenSplit:
    """Add new samples to the existing split."""
    folder, table = settings.workspace.crops, settings.workspace.split_table
    cut = read_arrow(folder / SAMPLES)
    frozen = freeze_split(
        to_frame(cut.drop_columns(["landmarks"])),
        open_described(folder, settings.pipeline.crops),
        earlier_splits([settings.pipeline.split_table, table]),
        settings.split,
        settings.index.vocabulary,
    )
    write_samples(with_texts(cut, "split", frozen.samples["split"]), table)
    counts = frozen.samples["split"].value_counts()
    sizes = ", ".join(f"{counts.get(name, 0):,} {name}" for name in SPLITS)
    joined = ", ".join(f"{count:,} to {name}" for name, count in frozen.counts().items()) or "none"
    say(f"{sizes}; new: {'all, divided anew' if frozen.divided_anew else joined}")
    for reason, count in frozen.left_out.items():
        note(f"{count:,} new samples are left out: {reason}")
    return frozen


def val_rows(frozen: FrozenSplit) -> tuple[pd.DataFrame, np.ndarray]:
    """The samples of val, and their rows in the split table."""
    rows = np.flatnonzero(frozen.samples["split"] == VAL)
    return frozen.samples.iloc[rows].reset_index(drop=True), rows


def evaluate(settings: RetrainSettings, frozen: FrozenSplit) -> Predictions | None:
    """Write the trained checkpoint's predictions on val, for the comparison, confusions and the plan.

    None if val is empty.
    """
    val, rows = val_rows(frozen)
    if not len(val):
        note("val has no samples, so there is nothing to measure on")
        return None
    if settings.method == HEAD:
        predictions = predict_by_head(settings, val, rows)
    else:
        contenders = settings.compare.contenders
        trained = find_contender(str(settings.workspace.trained), contenders.runs)
        predictions = predict_samples(val, trained, contenders)
    write_predictions(predictions, settings.workspace.predictions(VAL))
    keep_in_run(predictions, frozen, settings.workspace)
    return predictions


def keep_in_run(predictions: Predictions, frozen: FrozenSplit, workspace: Workspace) -> None:
    """Keep with the run that was trained what a full training keeps: its predictions on val, for matrix and interval;
    the data version; and whom it was trained on, without which it could not be compared.
    """
    record = read_checkpoint_record(workspace.trained.with_suffix(".json")) or {}
    run = find_run(str(record.get("run")), workspace.runs)
    if run is None or not isinstance(record.get("epoch"), int):
        return
    path = predictions_file(run, VAL, record["epoch"])
    write_predictions(Predictions(predictions.table, predictions.gestures), path)
    run.log_values({VERSION_FIELD: data_version(frozen.samples)})
    if isinstance(record.get(SUBJECTS_KEY), str):
        run.log_text(SUBJECTS_FIELD, "\n".join(record[SUBJECTS_KEY].split()))


def predict_by_head(settings: RetrainSettings, val: pd.DataFrame, rows: np.ndarray) -> Predictions:
    """Predictions of a refitted head, from stored embeddings; `rows` are val's rows of the split table."""
    start, trained = load_classifier(settings.start), load_classifier(settings.workspace.trained)
    embeddings = embed_rows(settings, start, rows).embeddings
    probabilities = trained.answers_to(embeddings).probabilities
    return predictions_of(sample_keys(val), probabilities, start.vocabulary, embeddings)


def compare_with_previous(
    settings: RetrainSettings, frozen: FrozenSplit, predictions: Predictions | None
) -> tuple[Comparison | None, PromotionDecision]:
    """Compare the trained checkpoint with the quick loop's best one, or with its start; and decide.

    The comparison is None where there is nothing to compare with, or where the two cannot be compared.
    """
    workspace, contenders = settings.workspace, settings.compare.contenders
    before = settings.start if settings.method in METHODS_WITH_START else workspace.best
    if not before.is_file():
        say("nothing to compare with yet: this is the first")
        return None, PromotionDecision(True, "there was none before")
    new = replace(find_contender(str(workspace.trained), contenders.runs), table=predictions)
    try:
        result = compare(contender_before(settings, frozen, before), new, settings.compare)
        write_comparison(result, settings.compare.output)
        show_comparison(result)
        return result, decide_best(settings, result, new)
    except IncomparableError as error:
        decision = incomparable(str(error))
        note(decision.reason)
        return None, decision


def contender_before(settings: RetrainSettings, frozen: FrozenSplit, before: Path) -> Contender:
    """The contender to compare with; the starting checkpoint's predictions come from stored embeddings."""
    old = find_contender(str(before), settings.compare.contenders.runs)
    if settings.method not in METHODS_WITH_START:
        return old
    val, rows = val_rows(frozen)
    start = load_classifier(settings.start)
    stored = predictions_of(sample_keys(val), embed_rows(settings, start, rows).probabilities, start.vocabulary)
    return replace(old, subjects=training_subjects(settings.start, settings.pipeline.runs), table=stored)


def decide_best(settings: RetrainSettings, result: Comparison, new: Contender) -> PromotionDecision:
    """Decide on promotion; a model with a starting checkpoint has to beat the quick loop's best one too."""
    best, verdict = settings.workspace.best, result.verdict
    other = checkpoint_digest(best) not in (None, result.before.digest)
    if verdict.promote and other and result.before.name != str(best):
        old = find_contender(str(best), settings.compare.contenders.runs)
        verdict = compare(old, new, settings.compare).verdict
        say(f"against {best}: {verdict.reason}")
    return PromotionDecision(verdict.promote, verdict.reason, undecided=verdict.undecided)


def prefer(settings: RetrainSettings, frozen: FrozenSplit, decision: PromotionDecision) -> PromotionDecision:
    """Promote the trained checkpoint in the quick loop if the decision, or the user, says so."""
    workspace = settings.workspace
    content, entries = workspace.trained.read_bytes(), read_checkpoint(workspace.trained)
    record = read_checkpoint_record(workspace.trained.with_suffix(".json")) or {}
    subjects = record.get(SUBJECTS_KEY)
    origin = CheckpointOrigin(
        record.get("run"),
        record.get("checkpoint"),
        data_version(frozen.samples),
        None if subjects is None else str(subjects).split(),
    )
    candidate = PromotionCandidate(content, make_record(entries, content, origin, settings.training.configuration))
    decision = settle_decision(decision, candidate, workspace.models, settings.force)
    if decision.promote:
        with promoting(workspace.models):
            promote(candidate, workspace.models, {"chosen": BY_SCORE, "reason": decision.reason})
    return decision


if __name__ == "__main__":
    main()

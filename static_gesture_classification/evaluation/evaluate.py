"""The evaluate stage: how good is a checkpoint, on which gestures, for whom, and what does it confuse.

    gestures evaluate checkpoint=PATH sources=[hagrid] \
        sources.hagrid.root=DIR split=test output=DIR

Alone it works on any data: it crops the sources' samples (of one split, or all) at the checkpoint's geometry, or
extracts their landmarks. In the pipeline it works on prepared crops or landmarks (`evaluate.crops`,
`evaluate.landmarks`) and evaluates val and test. A sample in which no hand was found has no prediction and counts as an
error. See `report` for the output.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.evaluation.evaluation_set import EvaluateSettings, EvaluationSet, evaluation_sets
from static_gesture_classification.evaluation.metrics import outcomes_of, weighted_f1_interval
from static_gesture_classification.evaluation.predictions import Predictions, predictions_of, sample_keys
from static_gesture_classification.evaluation.report import (
    FIGURES,
    METRICS,
    TABLES,
    remove_other_splits,
    show_scores,
    write_report,
)
from static_gesture_classification.evaluation.scored_set import ScoredSet
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.terminal import progress_bar, say
from static_gesture_classification.tracking.run_folder import BEST_SCORE, RunFolder
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import Classifier, load_classifier
from static_gesture_classification.training.inputs import PreparedHands

TRAINING_CURVES = {"training/train_loss": "train_loss", "training/val_loss": "val_loss", BEST_SCORE: "val_weighted_f1"}


@entry_point
def main(config: DictConfig) -> None:
    """Evaluate the checkpoint."""
    settings = EvaluateSettings.from_config(config)
    hardware.use_processor(settings.threads)
    classifier = load_classifier(settings.checkpoint, settings.device)
    scored = [evaluate_set(data, classifier, settings) for data in evaluation_sets(settings, classifier)]
    write_report(scored, settings.output)
    if settings.prepared.serves(classifier.kind):
        remove_other_splits(scored, settings.output, SPLITS)
        write_training_curves(settings.checkpoint, settings.runs, settings.output / TABLES / "training.csv")
    for each in scored:
        show_scores(each)
    say(f"\nwritten to {settings.output}: {METRICS}, {FIGURES}, {TABLES}, predictions")


def evaluate_set(data: EvaluationSet, classifier: Classifier, settings: EvaluateSettings) -> ScoredSet:
    """Predict and score one set of samples."""
    predictions = predict(data, classifier)
    interval = weighted_f1_interval(outcomes_of(predictions), settings.bootstrap, settings.seed)
    return ScoredSet(data, predictions, interval)


def predict(data: EvaluationSet, classifier: Classifier) -> Predictions:
    """The classifier's prediction of each sample, with its embeddings."""
    count = len(data.samples)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    start = time.perf_counter()
    with progress_bar() as bar:
        task = bar.add_task(f"evaluating {data.name}", total=count, unit="images")
        for rows in classifier.kind.batches(np.arange(count)):
            parts.append(predict_rows(data.hands, rows, classifier))
            bar.advance(task, len(rows))
    seconds = time.perf_counter() - start
    say(f"{data.name}: {count:,} images in {seconds:.1f} s ({count / seconds:,.0f} images/s)")
    probabilities, embeddings = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return predictions_of(sample_keys(data.samples), probabilities, classifier.vocabulary, embeddings)


def predict_rows(hands: PreparedHands, rows: np.ndarray, classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and embeddings of some hands, float32; 0 and NaN where no hand was found."""
    kind = classifier.kind
    found = kind.usable(None if hands.points is None else hands.points[rows], len(rows))
    predicted, embedded = classifier.predict(kind.take(hands.crops, hands.points, rows[found]))
    probabilities = np.zeros((len(rows), predicted.shape[1]), np.float32)
    embeddings = np.full((len(rows), embedded.shape[1]), np.nan, np.float32)
    probabilities[found], embeddings[found] = predicted, embedded
    return probabilities, embeddings


def write_training_curves(checkpoint: Path, runs: Path, path: Path) -> None:
    """Write losses and weighted F1 per epoch of an exported checkpoint's run.

    The record beside the checkpoint names the run. Without its folder, the table has no rows.
    """
    name = str((read_checkpoint_record(checkpoint.with_suffix(".json")) or {}).get("run") or "")
    try:
        table = RunFolder.open(runs / name).metrics()
    except DataError:
        say(f"no run folder {runs / name}: the training curves are left out")
        write_text(path, ",".join(["epoch", *TRAINING_CURVES.values()]) + "\n")
        return
    curves = table.reindex(columns=list(TRAINING_CURVES)).rename(columns=TRAINING_CURVES)
    write_text(path, curves.to_csv(float_format="%.6g"))


if __name__ == "__main__":
    main()

"""The evaluate stage: how good is a checkpoint, on which gestures, for whom, and what does it mistake for what.

    gestures evaluate checkpoint=PATH sources=[hagrid] \
        sources.hagrid.root=DIR split=test output=DIR

Alone it works on any data: it crops the sources' samples (of one split, or all) as the checkpoint wants them, or
extracts their landmarks. In the pipeline it works on prepared crops or landmarks (`evaluation.crops`,
`evaluation.landmarks`) and evaluates val and test. A sample of which there is no prediction, since no hand was found,
counts as an error. See `report` for what it writes.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.data import EvaluationSet, evaluation_sets, prepared_inputs
from static_gesture_classification.evaluation.metrics import outcomes_of, weighted_f1_interval
from static_gesture_classification.evaluation.predictions import Predictions, predictions_of, sample_keys
from static_gesture_classification.evaluation.report import (
    FIGURES,
    METRICS,
    TABLES,
    Scored,
    remove_other_splits,
    write_report,
)
from static_gesture_classification.evaluation.runs import read_record
from static_gesture_classification.evaluation.shown import show
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.terminal import console, progress_bar
from static_gesture_classification.tracking.run_folder import BEST, RunFolder
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import CROPS, LANDMARKS, Classifier, load_classifier

BATCH = {CROPS: 128, LANDMARKS: 65_536}
TRAINING_CURVES = {"training/train_loss": "train_loss", "training/val_loss": "val_loss", BEST: "val_weighted_f1"}


@entry_point
def main(config: DictConfig) -> None:
    """Evaluate the checkpoint."""
    hardware.use_processor(config.trainer.threads)
    classifier = load_classifier(Path(config.checkpoint), torch_device(config))
    scored = [evaluated(data, classifier, config) for data in evaluation_sets(config, classifier)]
    output = Path(config.output)
    write_report(scored, output)
    if prepared_inputs(config, classifier):
        remove_other_splits(scored, output, SPLITS)
        write_training_curves(Path(config.checkpoint), Path(config.paths.runs), output / TABLES / "training.csv")
    for each in scored:
        show(each)
    console.print(
        f"\nwritten to {output}: {METRICS}, {FIGURES}, {TABLES}, predictions",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def torch_device(config: DictConfig) -> str:
    """What `trainer.accelerator` means to torch."""
    accelerator = hardware.accelerator(config.trainer.accelerator)
    return "cuda" if accelerator == "gpu" else accelerator


def evaluated(data: EvaluationSet, classifier: Classifier, config: DictConfig) -> Scored:
    """Predict and score one set of samples."""
    predictions = predicted(data, classifier)
    interval = weighted_f1_interval(outcomes_of(predictions), config.evaluation.bootstrap, config.seed)
    return Scored(data, predictions, interval)


def predicted(data: EvaluationSet, classifier: Classifier) -> Predictions:
    """What the classifier says about each sample, with its embeddings."""
    probabilities, embeddings, start = [], [], time.perf_counter()
    with progress_bar() as bar:
        task = bar.add_task(f"evaluating {data.name}", total=len(data.rows), unit="images")
        size = BATCH[classifier.input]
        for rows in np.split(data.rows, range(size, len(data.rows), size)):
            batch = said_of(data, rows, classifier)
            probabilities.append(batch[0])
            embeddings.append(batch[1])
            bar.advance(task, len(rows))
    seconds = time.perf_counter() - start
    console.print(
        f"{data.name}: {len(data.rows):,} images in {seconds:.1f} s ({len(data.rows) / seconds:,.0f} images/s)",
        markup=False,
    )
    return predictions_of(
        sample_keys(data.samples), np.concatenate(probabilities), classifier.vocabulary, np.concatenate(embeddings)
    )


def said_of(data: EvaluationSet, rows: np.ndarray, classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and embeddings of some rows; where no hand was found, 0 and NaN.

    Raises:
        ValueError: the classifier sees landmarks, and the samples have none.
    """
    if classifier.input == CROPS:
        return classifier.predict(np.asarray(data.crops[rows]))
    if data.points is None:
        raise ValueError(f"the samples of {data.name} have no landmarks")
    points = data.points[rows]
    found = np.isfinite(points).all(axis=(1, 2))
    said, embedded = classifier.predict(points[found])
    probabilities = np.zeros((len(rows), said.shape[1]), np.float32)
    embeddings = np.full((len(rows), embedded.shape[1]), np.nan, np.float32)
    probabilities[found], embeddings[found] = said, embedded
    return probabilities, embeddings


def write_training_curves(checkpoint: Path, runs: Path, path: Path) -> None:
    """Write losses and weighted F1 per epoch of the run that an exported checkpoint came from.

    The record beside the checkpoint names the run. Where the run folder is not there, the table has no rows.
    """
    name = str((read_record(checkpoint.with_suffix(".json")) or {}).get("run") or "")
    try:
        table = RunFolder.open(runs / name).metrics()
    except DataError:
        console.print(f"no run folder {runs / name}: the training curves are left out", highlight=False, markup=False)
        write_text(path, ",".join(["epoch", *TRAINING_CURVES.values()]) + "\n")
        return
    curves = table.reindex(columns=list(TRAINING_CURVES)).rename(columns=TRAINING_CURVES)
    write_text(path, curves.to_csv(float_format="%.6g"))


if __name__ == "__main__":
    main()

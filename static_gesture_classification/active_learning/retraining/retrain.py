"""Retrain quickly: from new samples to a new confusion matrix, and whether it got better, within a minute.

    gestures retrain                          # the landmark model
    gestures retrain retrain.method=head      # a crop model's last layer
    gestures retrain retrain.method=finetune  # all of it, a little
    gestures retrain retrain.method=crops     # all of it, in full

One process goes from index to verdict, on folders of its own (`conf/retrain`). What is divided stays divided
(`frozen_split`), images and landmarks that are known are not looked at again, and the result is compared on val with
the quick loop's best one so far (head and finetune: with the checkpoint they go on from, then with the best one). Test
is never scored here, only by `evaluate`. `models/quick/best.ckpt` is what the verdict prefers, and
`models/quick/trained.ckpt` what was trained last. Where the two cannot be compared the best one stays, unless the
answer in the terminal or `force=true` says otherwise. The full training stays `make repro`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.markup import escape
from rich.table import Column
from rich.text import Text

from static_gesture_classification.active_learning.comparison.before_after import Comparison, comparison
from static_gesture_classification.active_learning.comparison.report import show, write
from static_gesture_classification.active_learning.retraining.frozen_split import (
    FrozenSplit,
    earlier_sides,
    frozen_split,
)
from static_gesture_classification.active_learning.retraining.methods import RECORD, TRAINED, said_by_start, train
from static_gesture_classification.active_learning.retraining.settings import (
    BY_LANDMARKS,
    FROM_SCRATCH,
    HEAD,
    QuickLoop,
    quick_loop,
)
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation import figures
from static_gesture_classification.evaluation.contenders import PEOPLE, Contender, contender, people_of, said_about
from static_gesture_classification.evaluation.data_version import data_version
from static_gesture_classification.evaluation.metrics import confusion_counts, json_ready, outcomes_of, weighted_f1
from static_gesture_classification.evaluation.paired import IncomparableError
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    predictions_of,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.evaluation.promote import (
    BEST,
    BY_SCORE,
    Candidate,
    Decision,
    incomparable,
    promote,
    record_of,
    settled,
)
from static_gesture_classification.evaluation.runs import digest_of, read_record
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crop_store import CROPS, RECORDS
from static_gesture_classification.preparation.crops import (
    REJECTED_CSV,
    REPORT,
    SAMPLES,
    build_crops,
    images_optional,
    open_crops,
)
from static_gesture_classification.preparation.index import index_sources
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.preparation.landmarks import build_landmarks, settings_of
from static_gesture_classification.preparation.split import Settings
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.samples import SPLITS, read_rows, read_samples, write_samples
from static_gesture_classification.sources.source import sources_from_config
from static_gesture_classification.terminal import Table, console
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import load_classifier, read_checkpoint

VAL = "val"
SUMMARY, MATRIX, PREDICTIONS = "retrain.json", "confusion_matrix.png", "predictions"


@dataclass
class Clock:
    """Seconds of each stage, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        console.rule(stage, align="left")
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start


@entry_point
def main(config: DictConfig) -> None:
    """Retrain quickly, and say whether it got better."""
    retrain(quick_loop(config))


def retrain(loop: QuickLoop) -> Comparison | None:
    """From index to verdict; None where there was nothing to compare with."""
    wanted = loop.config.trainer
    hardware.one_device(wanted.devices, hardware.accelerator(wanted.accelerator))
    hardware.use_processor(wanted.threads)
    with alone(loop.models):
        clock = Clock()
        with clock.timed("index"):
            index(loop)
        with clock.timed("crops"):
            crops(loop)
        with clock.timed("split"):
            frozen = split(loop)
        if loop.method == BY_LANDMARKS:
            with clock.timed("landmarks"):
                landmarks(loop)
        with clock.timed("train"):
            train(loop)
        with clock.timed("evaluate"):
            said = evaluate(loop)
        with clock.timed("compare"):
            result, decision = compare(loop, said)
            decision = prefer(loop, decision)
        report(loop, frozen, said, result, decision, clock)
    return result


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


def index(loop: QuickLoop) -> None:
    """Index all sources."""
    config = loop.config
    vocabulary = Vocabulary.from_config(config.gestures)
    fixes = read_label_fixes(Path(config.label_issues.fixes), vocabulary)
    sources = sources_from_config(config.sources, config.seed)
    found = index_sources(sources, vocabulary, Path(config.paths.index), config.index.max_rejected_share, fixes)
    for source in found.sources:
        if source.left_out is None:
            console.print(
                f"{source.name}: {source.rows:,} samples, {source.rejected:,} rejected", highlight=False, markup=False
            )


def crops(loop: QuickLoop) -> None:
    """Cut the crops that neither the quick loop nor the pipeline has cut before."""
    config, folder = loop.config, Path(loop.config.paths.crops)
    if not (folder / CROPS).is_file():
        take_over(loop.pipeline_crops, folder, int(config.crops.size))
    build_crops(
        Path(config.paths.index) / SAMPLES,
        folder,
        int(config.crops.size),
        float(config.crops.margin),
        float(config.crops.max_rejected_share),
        images_optional(config.get("sources")),
    )


def take_over(pipeline: Path, folder: Path, size: int) -> None:
    """Begin with the pipeline's crops where they have this size, without a copy where the file system allows."""
    try:
        if open_crops(pipeline).shape[1] != size:
            return
    except DataError:  # none, or not whole: then all are cut here
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RECORDS, SAMPLES, REJECTED_CSV, REPORT, CROPS):  # the array last: it says that all are there
        if (pipeline / name).is_file():
            (folder / name).unlink(missing_ok=True)
            try:
                os.link(pipeline / name, folder / name)  # a finished file is replaced, never written to
            except OSError:
                shutil.copy2(pipeline / name, folder / name)


def split(loop: QuickLoop) -> FrozenSplit:
    """Let new samples join the split there is."""
    config = loop.config
    folder = Path(config.paths.crops)
    frozen = frozen_split(
        read_samples(folder / SAMPLES),
        open_crops(folder),
        earlier_sides([loop.pipeline_splits, loop.splits]),
        Settings.from_config(config),
        Vocabulary.from_config(config.gestures),
    )
    write_samples(frozen.samples, loop.splits)
    counts = frozen.samples["split"].value_counts()
    sizes = ", ".join(f"{counts.get(name, 0):,} {name}" for name in SPLITS)
    joined = ", ".join(f"{count:,} to {name}" for name, count in frozen.counts().items()) or "none"
    console.print(
        f"{sizes}; new: {'all, divided anew' if frozen.divided_anew else joined}", highlight=False, markup=False
    )
    for reason, count in frozen.left_out.items():
        console.print(f"[yellow]{count:,} new samples are left out:[/] {escape(reason)}", highlight=False)
    return frozen


def landmarks(loop: QuickLoop) -> None:
    """Find the landmarks that are not known yet."""
    config = loop.config
    build_landmarks(
        Path(config.paths.index) / SAMPLES, loop.splits, Path(config.paths.landmarks), settings_of(config, extract=True)
    )


def evaluate(loop: QuickLoop) -> Predictions | None:
    """What the trained checkpoint says about val, written down for the comparison, confusions and the plan.

    None where nobody is in val.
    """
    samples = read_rows(loop.splits)
    rows = np.flatnonzero(samples["split"] == VAL)
    if not len(rows):
        console.print("[yellow]note:[/] val has no samples, so there is nothing to measure on", highlight=False)
        return None
    val = samples.iloc[rows].reset_index(drop=True)
    if loop.method == HEAD:
        said = said_by_head(loop, val, rows)
    else:
        said = said_about(val, contender(str(loop.models / TRAINED), loop.config), loop.config)
    write_predictions(said, loop.reports / PREDICTIONS / f"{VAL}.parquet")
    counts, labels = confusions(said)
    title = f"{VAL}: weighted F1 {weighted_f1(counts):.3f}"
    figures.write_figure(figures.confusion_matrix(counts, labels, title), loop.reports / MATRIX)
    console.print(title, highlight=False, markup=False)
    return said


def said_by_head(loop: QuickLoop, val: pd.DataFrame, rows: np.ndarray) -> Predictions:
    """What a head fitted anew says about val, by the embeddings that are kept; `rows` are its rows of the split."""
    start, head = load_classifier(loop.start), load_classifier(loop.models / TRAINED).network.head
    embeddings = said_by_start(loop, start, rows).embeddings
    with torch.inference_mode():
        probabilities = head(torch.from_numpy(embeddings)).softmax(1).numpy()
    return predictions_of(sample_keys(val), probabilities, start.vocabulary, embeddings)


def confusions(said: Predictions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Confusion matrix and its labels."""
    outcomes = outcomes_of(said)
    return confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels)), outcomes.labels


def compare(loop: QuickLoop, said: Predictions | None) -> tuple[Comparison | None, Decision]:
    """The trained checkpoint against the quick loop's best one, or the one it went on from, and what follows.

    The comparison is None where there was nothing to compare with, or where the two cannot be compared.
    """
    before = loop.models / BEST if loop.method in FROM_SCRATCH else loop.start
    if not before.is_file():
        console.print("nothing to compare with yet: this is the first", highlight=False)
        return None, Decision(True, "there was none before")
    new = replace(contender(str(loop.models / TRAINED), loop.config), table=said)
    try:
        result = comparison(contender_before(loop, before), new, loop.config)
        write(result, Path(loop.config.compare.output))
        show(result)
        return result, decision_by(loop, result, new)
    except IncomparableError as error:
        decision = incomparable(str(error))
        console.print(f"[yellow]{escape(decision.reason)}[/]", highlight=False, soft_wrap=True)
        return None, decision


def contender_before(loop: QuickLoop, before: Path) -> Contender:
    """What is compared with; of the checkpoint to go on from most predictions are kept."""
    old = contender(str(before), loop.config)
    if loop.method in FROM_SCRATCH:
        return old
    samples = read_rows(loop.splits)
    rows = np.flatnonzero(samples["split"] == VAL)
    start = load_classifier(loop.start)
    kept = said_by_start(loop, start, rows)
    said = predictions_of(sample_keys(samples.iloc[rows]), kept.probabilities, start.vocabulary)
    return replace(old, people=people_of(loop.start, loop.pipeline_runs), table=said)


def decision_by(loop: QuickLoop, result: Comparison, new: Contender) -> Decision:
    """What the verdict makes of the quick loop's best one, which a model that went on from another has to beat too."""
    best, said = loop.models / BEST, result.verdict
    if said.promote and result.before.name != str(best) and digest_of(best) not in (None, result.before.digest):
        said = comparison(contender(str(best), loop.config), new, loop.config).verdict
        console.print(f"against {best}: {said.reason}", highlight=False, soft_wrap=True, markup=False)
    return Decision(said.promote, said.reason, undecided=said.undecided)


def prefer(loop: QuickLoop, decision: Decision) -> Decision:
    """Make the trained checkpoint the quick loop's best where the decision, or the user, is for it."""
    record = read_record(loop.models / RECORD) or {}
    content = (loop.models / TRAINED).read_bytes()
    seen = record.get(PEOPLE)
    about = {
        "run": record.get("run"),
        "checkpoint": record.get("checkpoint"),
        "data_version": data_version(read_rows(loop.splits)),
        "people": None if seen is None else str(seen).split(),
    }
    settings = OmegaConf.to_container(loop.config, resolve=True)
    assert isinstance(settings, dict)
    described = record_of(
        read_checkpoint(loop.models / TRAINED), content, about, {str(key): value for key, value in settings.items()}
    )
    candidate = Candidate(content, described)
    decision = settled(decision, candidate, loop.models, bool(loop.config.force))
    if decision.promote:
        promote(candidate, loop.models, {"chosen": BY_SCORE, "reason": decision.reason})
    return decision


def report(
    loop: QuickLoop,
    frozen: FrozenSplit,
    said: Predictions | None,
    result: Comparison | None,
    decision: Decision,
    clock: Clock,
) -> None:
    """Print the confusion matrix on val, how long it took, where everything is and what to do next."""
    console.rule("result", align="left")
    if said is not None:
        console.print(matrix_table(*confusions(said)))
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in clock.seconds.items())
    console.print(f"{sum(clock.seconds.values()):.1f} s: {spent}", highlight=False, markup=False)
    content: dict[str, Any] = {
        "method": loop.method,
        "samples": len(frozen.samples),
        "new_samples": int(frozen.new.sum()),
        "seconds": {stage: round(seconds, 2) for stage, seconds in clock.seconds.items()},
        "weighted_f1": {} if said is None else {VAL: weighted_f1(confusions(said)[0])},
        "verdict": None if result is None and not decision.undecided else asdict(replace(decision, compared=None)),
    }
    write_json(loop.reports / SUMMARY, json_ready(content))
    best, predictions = loop.models / BEST, loop.reports / PREDICTIONS / f"{VAL}.parquet"
    stays = f"{best} stays as it was" if best.is_file() else f"there is no {best} yet"
    lines = {
        f"checkpoint  {loop.models / TRAINED}": f"it is now {best}" if decision.promote else stays,
        f"matrix      {loop.reports / MATRIX}": "",
        f"pairs       gestures confusions confusions.predictions={predictions}": "",
        f"plan        gestures plan plan.predictions={predictions}": "",
        "full        make repro": "",
    }
    if not decision.promote:
        lines |= {"take it     repeat the command with force=true": "whatever the comparison says"}
    for line, remark in lines.items():
        console.print(escape(line + (f"   ({remark})" if remark else "")), highlight=False, soft_wrap=True)


def matrix_table(counts: np.ndarray, labels: tuple[str, ...]) -> Table:
    """A confusion matrix for a terminal: rows are the ground truth, columns (by number) the prediction."""
    numbers = [Column(str(number), justify="right", no_wrap=True) for number in range(len(labels))]
    table = Table(Column("val", no_wrap=True), *numbers, "recall", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, (label, row) in enumerate(zip(labels, counts, strict=True)):
        if not row.sum():
            continue
        cells = [_cell(int(count), number == column) for column, count in enumerate(row)]
        table.add_row(f"{number} {label}", *cells, f"{row[number] / row.sum():.1%}")
    absent = [f"{number} {label}" for number, label in enumerate(labels) if not counts[number].sum()]
    if absent:
        table.caption, table.caption_justify = f"no samples: {', '.join(absent)}", "left"
    return table


def _cell(count: int, right: bool) -> Text:
    return Text(f"{count:,}" if count else "", style="bold" if right else "red")


if __name__ == "__main__":
    main()

"""Where the pipeline's results are and what to do next; `make repro` ends with it.

gestures summary
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.report import FIGURES, METRICS, TABLES
from static_gesture_classification.evaluation.runs import PROMOTE, digest_of, read_record
from static_gesture_classification.evaluation.shown import headline
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.terminal import console

PAIRS = 3
NEXT = {
    "see a round of the loop": "make loop",
    "see what is confused": "gestures confusions",
    "know what to record next": "make plan",
    "record it": "make record",
    "train on your own data": 'README.md, "Train on your own data"',
    "look at plots": "dvc plots show",
    "try another model": "dvc exp run -S model=efficientnet_lite0",
    "compare with the last commit": "dvc metrics diff",
    "list runs, choose an epoch": "gestures runs",
    "evaluate on other data": ("gestures evaluate sources=[hagrid] sources.hagrid.root=DIR"),
}


@entry_point
def main(config: DictConfig) -> None:
    """Print the summary."""
    reports, models = Path(config.paths.reports), Path(config.paths.models)
    metrics = read_record(reports / METRICS)
    if metrics is None:
        raise UserError(f"no results in {reports / METRICS} yet; make them with make repro")
    console.rule("Results")
    for split in SPLITS:
        if split in metrics:
            console.print(f"[bold]{split}[/]: {headline(metrics[split])}", highlight=False, soft_wrap=True)
    show_confused(reports / TABLES, str(metrics["split"]))
    show_places(reports, models, str(metrics["split"]))
    show_next()


def show_confused(tables: Path, split: str) -> None:
    """The commonest errors of a split, and where their pictures are."""

    path = tables / f"{split}_error_pairs.csv"
    pairs = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    said = [
        f"{row.gesture} for {row.prediction} ({row.count}, {row.rate:.1%})" for row in pairs.head(PAIRS).itertuples()
    ]
    console.print(
        f"taken for another on {split}: {', '.join(said) or 'none'}", highlight=False, soft_wrap=True, markup=False
    )


def show_places(reports: Path, models: Path, split: str) -> None:
    """Where everything is."""
    best = read_record(models / "best.json")
    about = f"run {best['run']}, epoch {best['epoch']}, {best['reason']}" if best else "not promoted yet"
    waits = digest_of(models / "trained.ckpt") not in (None, (best or {}).get("sha256"))
    places = {
        models / "best.ckpt": about,
        **({models / "trained.ckpt": f"newly trained and not promoted; {PROMOTE} says why"} if waits else {}),
        reports / METRICS: "all numbers",
        reports / FIGURES / split: "confusion matrix, curves, and errors/, the samples behind each error",
        reports / TABLES: "the same as tables: per gesture, source, person",
    }
    show_columns({str(place): what for place, what in places.items()})


def show_next() -> None:
    """What to do next."""
    console.rule("Next")
    show_columns(NEXT)


def show_columns(entries: Mapping[str, str]) -> None:
    """Print two columns; lines are not broken, so that commands can be copied."""
    width = max(map(len, entries))
    for left, right in entries.items():
        console.print(f"  {left:{width}}  {right}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

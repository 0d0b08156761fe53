"""Where the pipeline's results are and what to do next; `make repro` ends with it.

gestures summary
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.evaluation.report import FIGURES, METRICS, TABLES, describe_scores
from static_gesture_classification.samples import SPLITS
from static_gesture_classification.terminal import next_steps, say, show_heading
from static_gesture_classification.training.checkpoint import checkpoint_digest
from static_gesture_classification.workspace import Workspace

SUMMARY_PAIRS = 3
NEXT = {
    "  see a round of the loop": "make loop",
    "  see what is confused": "gestures confusions",
    "  know what to record next": "make plan",
    "  record it": "make record",
    "  train on your own data": 'README.md, "Your own data"',
    "  look at plots": "dvc plots show",
    "  try another model": "dvc exp run -S model=efficientnet_lite0",
    "  compare with the last commit": "dvc metrics diff",
    "  list runs, choose an epoch": "gestures runs",
    "  evaluate on other data": "gestures evaluate sources=[hagrid] sources.hagrid.root=DIR",
}


@entry_point
def main(config: DictConfig) -> None:
    """Print the summary."""
    workspace = Workspace.from_config(config)
    path = workspace.reports / METRICS
    metrics = read_checkpoint_record(path)
    if metrics is None:
        raise UserError(f"no results in {path} yet; make them with make repro")
    show_heading("Results")
    for split in SPLITS:
        if split in metrics:
            say(f"{split}: {describe_scores(metrics[split])}")
    show_confused(workspace.reports / TABLES, str(metrics["split"]))
    next_steps(list_results(workspace, str(metrics["split"])))
    show_heading("Next")
    next_steps(NEXT)


def show_confused(tables: Path, split: str) -> None:
    """Print the commonest errors of a split."""
    path = tables / f"{split}_error_pairs.csv"
    pairs = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    errors = [
        f"{row.gesture} for {row.prediction} ({row.count}, {row.rate:.1%})"
        for row in pairs.head(SUMMARY_PAIRS).itertuples()
    ]
    say(f"taken for another on {split}: {', '.join(errors) or 'none'}")


def list_results(workspace: Workspace, split: str) -> dict[str, str]:
    """The files of the results, with a description of each."""
    best = read_checkpoint_record(workspace.best.with_suffix(".json")) or {}
    about = f"run {best['run']}, epoch {best['epoch']}, {best['reason']}" if best else "not promoted yet"
    waits = checkpoint_digest(workspace.trained) not in (None, best.get("sha256"))
    reports = workspace.reports
    return {
        f"  {workspace.best}": about,
        **({f"  {workspace.trained}": "newly trained and not promoted; gestures promote says why"} if waits else {}),
        f"  {reports / METRICS}": "all numbers",
        f"  {reports / FIGURES / split}": "confusion matrix, curves, and errors/, the samples behind each error",
        f"  {reports / TABLES}": "the same as tables: per gesture, source, person",
    }


if __name__ == "__main__":
    main()

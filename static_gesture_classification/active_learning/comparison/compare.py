"""Before and after: did the classifier get better, where, and should the new one take the old one's place.

    gestures compare compare.before=WHAT compare.after=WHAT

WHAT is a checkpoint, a run (its id or folder: its best kept epoch), or a predictions table (or a folder with one per
split). See `comparison` for what they are compared on. `compare.output` gets comparison.json, gestures.csv, pairs.csv,
sources.csv, changed.csv (the val samples whose prediction changed) and comparison.png. Whatever the verdict, the
command succeeds.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.active_learning.comparison.before_after import comparison
from static_gesture_classification.active_learning.comparison.report import CHANGED, FIGURE, JSON, show, write
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.contenders import contender
from static_gesture_classification.terminal import console
from static_gesture_classification.training import hardware


@entry_point
def main(config: DictConfig) -> None:
    """Compare two classifiers."""
    hardware.use_processor(config.trainer.threads)
    before, after = (contender(str(name), config) for name in (config.compare.before, config.compare.after))
    result = comparison(before, after, config)
    output = Path(config.compare.output)
    write(result, output)
    show(result)
    console.print(
        f"written to {output}: {FIGURE}, {JSON}, {CHANGED} and tables", highlight=False, soft_wrap=True, markup=False
    )


if __name__ == "__main__":
    main()

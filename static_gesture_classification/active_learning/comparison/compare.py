"""Before and after: did the classifier get better, where, and should the new one take the old one's place.

    gestures compare compare.before=WHAT compare.after=WHAT

WHAT is a checkpoint, a run (its id or folder: its best kept epoch), or a predictions table (or a folder with one per
split). See `before_after` for what they are compared on. `compare.output` gets comparison.json, gestures.csv,
pairs.csv, sources.csv, changed.csv (the val samples whose prediction changed) and comparison.png. Whatever the verdict,
the command succeeds.
"""

from __future__ import annotations

from omegaconf import DictConfig

from static_gesture_classification.active_learning.comparison.before_after import CompareSettings, compare
from static_gesture_classification.active_learning.comparison.report import (
    CHANGED,
    FIGURE,
    JSON,
    show_comparison,
    write_comparison,
)
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.contenders import find_contender
from static_gesture_classification.terminal import say
from static_gesture_classification.training import hardware
from static_gesture_classification.training.settings import TrainerSettings


@entry_point
def main(config: DictConfig) -> None:
    """Compare two classifiers."""
    hardware.use_processor(TrainerSettings.from_config(config).threads)
    settings = CompareSettings.from_config(config)
    before, after = (find_contender(name, settings.contenders.runs) for name in (settings.before, settings.after))
    result = compare(before, after, settings)
    write_comparison(result, settings.output)
    show_comparison(result)
    say(f"written to {settings.output}: {FIGURE}, {JSON}, {CHANGED} and tables")


if __name__ == "__main__":
    main()

"""How often promotion refuses by chance, and how often it refuses real harm.

    python benchmarks/promotion_guard.py

Two simulated classifiers look at the same people. Equally good ones: how often is any gesture called harmed? And one
that really recognises one gesture worse: how often is that found? Once with a gesture that everybody shows, once with
one that few of a hundred people show. The rule is that of promotion (evaluation/paired_comparison.py, conf/compare).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from machine import measured_on

from static_gesture_classification.evaluation.paired_comparison import (
    LARGE_LOSS,
    ChangeSettings,
    Pairing,
    measure_change,
)

GESTURES = tuple("ABCDEFGHIJ")
RECALL, LOSS = 0.95, 0.03
SPREAD = 1.0  # of a person's own difficulty with a gesture, in logits
ROUNDS, RESAMPLES = 400, 300
CHANGES = ((0.95, 0.75), (1.0, 0.5), (1.0, 0.0))  # recall of the first gesture, before and after
RESULT = Path(__file__).parent / "results" / "promotion_guard.md"


@dataclass(frozen=True)
class World:
    """Who is in val: people, how many of them show the first gesture (all show the others), samples of a gesture."""

    people: int
    shown_by: int
    each: int

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Ground truth and person of each sample, int (n,)."""
        person = np.repeat(np.arange(self.people), len(GESTURES) * self.each)
        truths = np.tile(np.repeat(np.arange(len(GESTURES)), self.each), self.people)
        shown = (truths > 0) | (person < self.shown_by)
        return truths[shown], person[shown]


EVERYBODY = [World(people, people, each) for people, each in ((3, 10), (8, 2), (8, 10), (20, 5), (60, 2))]
FEW = [World(100, shown_by, each) for each in (2, 10) for shown_by in (1, 2, 3, 5, 10)]


def main() -> None:
    """Simulate, print the tables, keep them."""
    start = time.perf_counter()
    lines = [
        "# What promotion refuses\n",
        f"Ten gestures, recall {RECALL} unless said otherwise; people differ, and each classifier finds others of them "
        f"hard; {ROUNDS} simulated comparisons a cell. Refused: any gesture is called harmed (its F1 falls by more "
        f"than {LOSS}, and beyond chance or with more than {LARGE_LOSS} of its recall; see docs/active_learning.md). "
        "In brackets: because of the first gesture. Printed by `python benchmarks/promotion_guard.py`.\n",
        "## A gesture that everybody in val shows\n",
        *table(EVERYBODY, "people in val"),
        "\n## A gesture that few of 100 people show\n",
        *table(FEW, "people who show it"),
        f"\n{measured_on('numpy')}; {time.perf_counter() - start:.0f} s.",
    ]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(worlds: list[World], heading: str) -> Iterator[str]:
    """The lines of a table: how often each world's comparisons are refused."""
    changes = " | ".join(f"recall {before:.2f} -> {after:.2f}" for before, after in CHANGES)
    yield f"| {heading} | samples of a gesture a person | as good | {changes} |"
    yield "|---" * (3 + len(CHANGES)) + "|"
    for world in worlds:
        cells = [f"{share:.1%} ({own:.1%})" for share, own in (refused(world, RECALL, RECALL),)]
        cells += [f"{share:.0%} ({own:.0%})" for share, own in (refused(world, *each) for each in CHANGES)]
        line = f"| {world.shown_by} | {world.each} | {' | '.join(cells)} |"
        print(line, flush=True)
        yield line


def refused(world: World, before: float, after: float) -> tuple[float, float]:
    """Share of comparisons refused when the first gesture's recall changes so; share because of that gesture."""
    random = np.random.default_rng(0)
    truths, person = world.samples()
    harmed = np.array([judged(random, truths, person, before, after, seed)["harmed"] for seed in range(ROUNDS)])
    return float(harmed.any(1).mean()), float(harmed[:, 0].mean())


def judged(
    random: np.random.Generator, truths: np.ndarray, person: np.ndarray, before: float, after: float, seed: int
) -> pd.DataFrame:
    """What the comparison of two classifiers of these recalls of the first gesture says of each gesture."""
    old, new = (said(random, truths, person, recall) for recall in (before, after))
    pairing = Pairing(GESTURES, truths, old, new, np.zeros(len(truths), object), person.astype(object))
    settings = ChangeSettings(max_gesture_loss=LOSS, resamples=RESAMPLES, seed=seed)
    return measure_change(pairing, settings).gestures


def said(random: np.random.Generator, truths: np.ndarray, person: np.ndarray, recall: float) -> np.ndarray:
    """Predictions of a classifier with this recall of the first gesture, and `RECALL` of the others."""
    recalls = np.full(len(GESTURES), RECALL)
    recalls[0] = recall
    odds = np.log(np.clip(recalls, 1e-9, 1) / np.clip(1 - recalls, 1e-9, 1))
    logits = odds + random.normal(0, SPREAD, (person.max() + 1, len(GESTURES)))
    right = random.random(len(truths)) < 1 / (1 + np.exp(-logits[person, truths]))
    return np.where(right, truths, (truths + random.integers(1, len(GESTURES), len(truths))) % len(GESTURES))


if __name__ == "__main__":
    main()

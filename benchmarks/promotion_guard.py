"""How often promotion refuses by chance, and how often it refuses real harm.

    python benchmarks/promotion_guard.py

Two simulated classifiers look at the same people. Equally good ones: how often is any gesture called harmed? And one
that really recognises a gesture worse: how often is that found? Beside the rule (evaluation/paired.py) stands what the
paired bootstrap alone would say.
"""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import numpy as np

from static_gesture_classification.evaluation.paired import Pairing, change

GESTURES = tuple("ABCDEFGHIJ")
RECALL, WORSE, LOSS = 0.95, 0.75, 0.03
SPREAD = 1.0  # of a person's own difficulty with a gesture, in logits
ROUNDS, RESAMPLES = 200, 300
DESIGNS = ((3, 10), (8, 2), (8, 10), (20, 5), (60, 2))  # people, samples of each gesture a person
RESULT = Path(__file__).parent / "results" / "promotion_guard.md"


def main() -> None:
    """Simulate, print the table, keep it."""
    start = time.perf_counter()
    lines = [
        "# What promotion refuses\n",
        f"{date.today()}. Ten gestures, recall {RECALL}, people differ; {ROUNDS} simulated "
        f"comparisons a row. Refused: any gesture is called harmed (a fall of more than {LOSS} F1). Printed by "
        "`python benchmarks/promotion_guard.py`.\n",
        "| people in val | samples a gesture | as good: refused | by the bootstrap alone | one gesture's recall "
        f"{RECALL} -> {WORSE}: refused | and none of its samples recognised any more |",
        "|---|---|---|---|---|---|",
    ]
    for people, each in DESIGNS:
        alike, alone = refused(people, each, RECALL)
        harmed, blind = refused(people, each, WORSE)[0], refused(people, each, 0.0)[0]
        lines.append(f"| {people} | {people * each} | {alike:.1%} | {alone:.1%} | {harmed:.0%} | {blind:.0%} |")
        print(lines[-1], flush=True)
    lines.append(f"\n{time.perf_counter() - start:.0f} s.")
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def refused(people: int, each: int, recall: float) -> tuple[float, float]:
    """Share of comparisons that are refused when the first gesture's recall is `recall` after; the bootstrap's."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(people), len(GESTURES) * each)
    truths = np.tile(np.repeat(np.arange(len(GESTURES)), each), people)
    rule = bootstrap = 0
    for seed in range(ROUNDS):
        before = said(random, truths, person, RECALL)
        after = said(random, truths, person, recall)
        sources = np.zeros(len(truths), object)
        gestures = change(
            Pairing(GESTURES, truths, before, after, sources, person.astype(object)), LOSS, RESAMPLES, seed
        ).gestures
        rule += bool(gestures["harmed"].any())
        bootstrap += bool(((gestures["difference"] < -LOSS) & (gestures["high"] < 0)).any())
    return rule / ROUNDS, bootstrap / ROUNDS


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

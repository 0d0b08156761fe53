"""Where the hand finder places the points of posed hands: rendered, found, and compared with their skeletons.

Writes seen_points.json of synthetic/.

    python benchmarks/posed_hands.py           # about two minutes
    python benchmarks/posed_hands.py 3000      # of so many hands

The hands are drawn from those that `+experiment=all_photographs` poses, half of them in any pose; people, rooms, light
and cameras vary as much as they can. No photograph has a part in it.
"""

from __future__ import annotations

import sys
from contextlib import chdir
from dataclasses import dataclass

import numpy as np
from fitted_weights import write_weights
from machine import measured_on
from strangers import PROJECT, composed

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.synthetic_landmarks import SyntheticLandmarks
from static_gesture_classification.synthetic.dataset import annotate
from static_gesture_classification.synthetic.scenes import photograph
from static_gesture_classification.synthetic.seen_points import SEEN_POINTS_FILE, fit_moves, move_points
from static_gesture_classification.terminal import say, track

RESULT = PROJECT / "benchmarks" / "results" / "posed_hands.md"
HANDS, PIXELS = 1500, 224
SURE, FAILED = 0.5, 0.35  # presence; error from which another hand was found, or none
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Pairs:
    """Hands that were rendered and found.

    Args:
        posed, found: float64 (n, 21, 2), points in the picture.
        gestures: (n,).
        missed: how many were not found.
    """

    posed: np.ndarray
    found: np.ndarray
    gestures: np.ndarray
    missed: int


def main() -> None:
    """Render, find, fit, report."""
    count = int(next(iter(sys.argv[1:]), HANDS))
    with chdir(PROJECT):
        pairs = look(count)
    usable = errors(pairs.posed, pairs.found) < FAILED
    posed, found = pairs.posed[usable], pairs.found[usable]
    write_weights(fit_moves(posed, found), SEEN_POINTS_FILE, digits=4)
    text = report(pairs, usable)
    say(text)
    RESULT.write_text(text, encoding="utf-8")


def look(count: int) -> Pairs:
    """Render so many hands and find them."""
    config = composed(f"synthetic.size={PIXELS}")
    source = next(each for each in Sources.from_config(config) if isinstance(each, SyntheticLandmarks))
    posed, found, gestures, missed = [], [], [], 0
    with Detector.from_config(config) as detector:
        for hand, random in track(source.draw_hands(count), "rendered hands", count):
            x, y, width, height = annotate(hand)["bboxes"][0]
            image = photograph(hand, random, source.variety)
            seen = detector.landmarks_in(image, (x, y, min(x + width, 1.0), min(y + height, 1.0)))
            if seen is None or seen.landmarks is None or (seen.presence or 0.0) < SURE:
                missed += 1
                continue
            posed.append(hand.landmarks)
            found.append(seen.landmarks)
            gestures.append(hand.gesture)
    return Pairs(np.array(posed), np.array(found, np.float64), np.array(gestures, object), missed)


def errors(posed: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How far the points found are from the posed ones (n,), but for the hand's place: root mean square, in extents."""
    shapes, seen = (points - points.mean(axis=1, keepdims=True) for points in (posed, found))
    extents = np.sqrt(np.square(shapes).sum(axis=2).mean(axis=1))
    distances: np.ndarray = np.sqrt(np.square(seen - shapes).sum(axis=2).mean(axis=1)) / extents
    return distances


def moved_by_others(posed: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Posed hands moved by weights that were fitted to the other half of them."""
    result = np.empty_like(posed)
    second = np.arange(len(posed)) % 2 == 1
    for half in (second, ~second):
        result[half] = move_points(posed[half], fit_moves(posed[~half], found[~half]))
    return result


def report(pairs: Pairs, usable: np.ndarray) -> str:
    """What was measured, as Markdown."""
    posed, found = pairs.posed[usable], pairs.found[usable]
    rows = {"as posed": posed, "moved, by what the other half of the hands taught": moved_by_others(posed, found)}
    lines = [
        "# Where the hand finder places the points of posed hands",
        "",
        f"`python benchmarks/posed_hands.py`, {measured_on('numpy')}. "
        f"{len(usable) + pairs.missed:,} rendered hands of {PIXELS} pixels, half of them "
        f"in any pose; {pairs.missed} were not found, of {(~usable).sum()} another hand or none was found.",
        "",
        "Distance of the points found from the posed ones, root mean square, as a share of the hand's extent:",
        "",
        f"| points | {' | '.join(f'{share:.0%}' for share in QUANTILES)} of hands at most |",
        "|---" * (len(QUANTILES) + 1) + "|",
    ]
    for name, points in rows.items():
        values = np.quantile(errors(points, found), QUANTILES)
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    each = {name: errors(points, found) for name, points in rows.items()}
    lines += ["", "| median of | as posed | moved |", "|---|---|---|"]
    for gesture in sorted(set(pairs.gestures[usable])):
        own = pairs.gestures[usable] == gesture
        lines.append(f"| {gesture} | {' | '.join(f'{np.median(values[own]):.3f}' for values in each.values())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

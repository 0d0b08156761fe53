"""How the hand finder errs, and how deep hands are: the same hands, found again in changed pictures.

Writes finder_errors.json and lifted_hands.json of training/.

    python benchmarks/finder_errors.py         # about half a minute
    python benchmarks/finder_errors.py 400     # from so many photographs

Photographs are drawn evenly from the sources of `+experiment=all_photographs`. In each the hand is found as the
landmarks stage finds it, then again in pictures that are turned, scaled, shifted by parts of a pixel, mirrored,
brightened and compressed. How far its points move, in the palm's frame and as a share of the hand's extent, is what
training adds to landmarks (`augs.finder_error`). The finder's world landmarks of all these pictures tell the depth of
points (`augs.view`). Nobody's label has a part in it.
"""

from __future__ import annotations

import json
import sys
from contextlib import chdir
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from fitted_weights import write_weights
from machine import measured_on
from strangers import PROJECT, composed, samples_of

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.detection.regions import Box
from static_gesture_classification.images import read_image
from static_gesture_classification.opencv import cv2
from static_gesture_classification.samples import BOX, INDEX_BASE, LANDMARK_COUNT, LITTLE_BASE, WRIST, image_path
from static_gesture_classification.terminal import say, track
from static_gesture_classification.training import lifted_hands
from static_gesture_classification.training.finder_errors import FAILED, FINDER_ERRORS_FILE, FinderErrors, palm_frame
from static_gesture_classification.training.lifted_hands import fit_depths
from static_gesture_classification.training.models.landmark_features import TIPS

RESULT = PROJECT / "benchmarks" / "results" / "finder_errors.md"
PHOTOGRAPHS, VIEWS, SEED = 150, 3, 0
TURN, SCALES, BRIGHTNESS, QUALITY = 12.0, (0.55, 1.2), (0.75, 1.3), (30, 90)  # degrees, factors, JPEG's scale
PALM = (0, 5, 9, 13, 17)


@dataclass(frozen=True)
class View:
    """A changed picture, and the map (3, 3) from the photograph's pixels to its own."""

    image: np.ndarray
    to_view: np.ndarray

    @classmethod
    def draw(cls, photograph: np.ndarray, random: np.random.Generator) -> View:
        """A random one."""
        height, width = photograph.shape[:2]
        scale = np.exp(random.uniform(*np.log(SCALES)))
        size = max(round(width * scale), 40), max(round(height * scale), 40)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-TURN, TURN), scale)
        shift = np.eye(3)
        shift[:2, 2] = (np.array(size) - (width, height)) / 2 + random.uniform(-0.5, 0.5, 2)
        to_view = shift @ np.vstack([turn, (0, 0, 1)])
        if random.random() < 0.5:
            to_view = np.array([(-1, 0, size[0] - 1), (0, 1, 0), (0, 0, 1)]) @ to_view
        image = cv2.warpAffine(photograph, to_view[:2], size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        image = (image * random.uniform(*BRIGHTNESS)).clip(0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(*QUALITY))])
        return cls(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)), to_view)

    def box(self, box: Box, photograph: np.ndarray) -> Box:
        """A normalised box of the photograph, in this picture; the whole photograph is the whole picture."""
        if box == (0, 0, 1, 1):
            return box
        (height, width), (own_height, own_width) = photograph.shape[:2], self.image.shape[:2]
        corners = np.array([(box[x] * width, box[y] * height, 1) for x in (0, 2) for y in (1, 3)]) @ self.to_view.T
        low, high = (each(corners[:, :2], axis=0) / (own_width, own_height) for each in (np.min, np.max))
        return tuple(float(value) for value in np.concatenate([low, high]).clip(0, 1))  # type: ignore[return-value]

    def to_photograph(self, points: np.ndarray) -> np.ndarray:
        """Points (21, 2) of this picture in pixels, in the photograph's pixels."""
        back: np.ndarray = (np.c_[points, np.ones(LANDMARK_COUNT)] @ np.linalg.inv(self.to_view).T)[:, :2]
        return back


@dataclass(frozen=True)
class Found:
    """A hand in a picture.

    Args:
        points: (21, 2), in pixels.
        shape: (21, 2), the same about their centre, of extent 1.
        depths: (21,), in the same unit; of the back of a hand mirrored, see `lifted_hands`.
    """

    points: np.ndarray
    shape: np.ndarray
    depths: np.ndarray

    @classmethod
    def find(cls, detector: Detector, image: np.ndarray, box: Box) -> Found | None:
        """The hand in a box; None where there is none."""
        hand = detector.landmarks_in(image, box)
        if hand is None or hand.landmarks is None or hand.world_landmarks is None:
            return None
        points = hand.landmarks * (image.shape[1], image.shape[0])
        world = hand.world_landmarks - hand.world_landmarks.mean(0)
        index, little = points[INDEX_BASE] - points[WRIST], points[LITTLE_BASE] - points[WRIST]
        faces = (index[0] * little[1] - index[1] * little[0] > 0) == (hand.hand == "right")
        depth = world[:, 2] / extent_of(world[:, :2]) * (1 if faces else -1)
        centred = points - points.mean(0)
        return cls(points, centred / extent_of(centred), depth)


def extent_of(centred: np.ndarray) -> float:
    """Root mean square distance of points (21, 2) from the origin."""
    return float(np.sqrt(np.square(centred).sum(1).mean()))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOGRAPHS
    with chdir(PROJECT):
        photographs = drawn(count)
        errors, hands, missed = measure(photographs)
    errs = FinderErrors.of(errors)
    shapes, deep = (torch.from_numpy(np.stack(each)).double() for each in zip(*hands, strict=True))
    say(text := report(photographs, errors, missed, errs) + depth_report(shapes, deep))
    FINDER_ERRORS_FILE.write_text(json.dumps(errs.content()) + "\n", encoding="utf-8")
    write_weights(fit_depths(shapes, deep).numpy(), lifted_hands.DEPTHS_FILE, digits=3)
    RESULT.write_text(text, encoding="utf-8")


def drawn(count: int) -> pd.DataFrame:
    """So many samples, alike from each source; column `part`."""
    samples = samples_of(composed(), posed=False)
    samples["part"] = samples["source"]
    share = -(-count // samples["part"].nunique())
    return samples.groupby("part").sample(frac=1, random_state=SEED).groupby("part").head(share).reset_index(drop=True)


def measure(photographs: pd.DataFrame) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]], int]:
    """Errors (n, 21, 2), shapes and depths of all hands, and how many hands were not found again."""
    random, errors, hands, missed = np.random.default_rng(SEED), [], [], 0
    with Detector.from_config(composed()) as detector:
        for row in track(photographs.itertuples(), "looking", total=len(photographs)):
            photograph = read_image(image_path(str(row.root), str(row.image)))
            box: Box = tuple(float(getattr(row, side)) for side in BOX)  # type: ignore[assignment]
            first = Found.find(detector, photograph, box)
            if first is None:
                continue
            hands.append((first.shape, first.depths))
            for view in [View.draw(photograph, random) for _ in range(VIEWS)]:
                again = Found.find(detector, view.image, view.box(box, photograph))
                if again is None:
                    missed += 1
                    continue
                hands.append((again.shape, again.depths))
                errors.append(error_of(first.points, view.to_photograph(again.points)))
    return np.stack(errors), hands, missed


def error_of(points: np.ndarray, again: np.ndarray) -> np.ndarray:
    """How far points (21, 2) moved, apart from the hand's place: a share of its extent, in the palm's frame."""
    centred = points - points.mean(0)
    moved = (again - again.mean(0) - centred) / extent_of(centred)
    frame = palm_frame(torch.from_numpy(centred)[None]).numpy()[0]
    error: np.ndarray = moved @ frame.T
    return error


def report(photographs: pd.DataFrame, errors: np.ndarray, missed: int, found: FinderErrors) -> str:
    """The result as Markdown."""
    sizes = np.sqrt(np.square(errors).mean(axis=(1, 2)))
    kept = errors[sizes < FAILED]
    per_point = np.sqrt(np.median(np.square(kept).sum(2), axis=0))
    shares = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    quantiles = ", ".join(f"{share:.0%}: {np.quantile(sizes, share):.3f}" for share in shares)
    counts = ", ".join(f"{name} {count}" for name, count in photographs["part"].value_counts().items())
    correlation = np.corrcoef(kept[:, TIPS[1], 1], kept[:, TIPS[1] - 1, 1])[0, 1]
    lines = [
        "# How the hand finder errs",
        "",
        f"`python benchmarks/finder_errors.py`, {measured_on('torch')}. {len(photographs)} photographs ({counts}), "
        f"{VIEWS} changed pictures of each: {len(errors)} hands found again, {missed} not.",
        "",
        f"Root mean square error of a hand's coordinates, as a share of its extent, at most in this share of hands: "
        f"{quantiles}. {np.mean(sizes >= FAILED):.1%} are {FAILED} or more, another hand or none; these are left out "
        "below.",
        "",
        f"Median {found.median:.3f}, standard deviation of the logarithm {found.spread:.2f}. Median distance of a "
        f"point: fingertips {per_point[list(TIPS)].mean():.3f}, wrist {per_point[0]:.3f}, knuckles "
        f"{per_point[list(PALM[1:])].mean():.3f}. The index finger's tip and its last joint err together along the "
        f"palm: correlation {correlation:.2f}; of white noise it would be 0.",
    ]
    return "\n".join(lines) + "\n"


def depth_report(shapes: torch.Tensor, deep: torch.Tensor) -> str:
    """How well depth is estimated, fitted on the first two thirds of the hands and scored on the rest."""
    first = 2 * len(shapes) // 3
    known = lifted_hands.terms(shapes[first:]) @ fit_depths(shapes[:first], deep[:first])
    explained = 1 - (deep[first:] - known).square().sum() / deep[first:].square().sum()
    return (
        f"\nDepth of points, from {len(shapes)} hands: the estimate explains {explained:.0%} of the finder's own depth "
        "on hands that it was not fitted to.\n"
    )


if __name__ == "__main__":
    main()

"""What the hand finder sees in pictures without a hand: how often it finds one, how sure, and how long it takes.

    python benchmarks/without_hands.py                               # as it ships, and without its smoothed looks
    python benchmarks/without_hands.py "detector.second_look.columns=0"   # more rows, one per argument

There are hardly any photographs without a hand in ../shared/data, so they are made of those with one, in two ways.
*Beside*: the largest parts of the picture at the left, right, top and bottom of all hands, published and found.
*Covered*: the whole picture, with the hands filled from what surrounds them. A hand that no box tells of and no look
finds would count as a false one. Of hagrid_mini, without close-ups, every twelfth photograph, of hands_mini every
fifth, of more_people, other_hands and hagrid_people every third, of the video every 30th frame.

Settings see the same pictures by turns. Printed and kept in benchmarks/results/without_hands.md.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from frames import CLOSE_UP, SHARED, composed, real_samples
from machine import measured_on

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.hand_points import WHOLE_IMAGE, Box
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.frames import frames
from static_gesture_classification.opencv import cv2
from static_gesture_classification.samples import BOX, image_path
from static_gesture_classification.terminal import say, track

RESULT = Path(__file__).resolve().parent / "results" / "without_hands.md"
SHIPPED, NOT_SMOOTHED = "as it ships", "detector.smooth=0"
EVERY = {"hagrid": 12, "hands": 5}
FOLDERS = ("more_people", "other_hands", "hagrid_people")
SURE = (0.05, 0.5, 0.9)  # presence
SURELY_A_HAND = 0.5  # presence from which what is found in a photograph is left out as a hand
AWAY, LARGE_ENOUGH = 0.35, 0.25  # distance from the hands by their extent; least share of the picture's sides
COVER, SMALL = 0.2, 160  # beyond the box by its longer side; pixels of the picture in which the cover is computed


@dataclass(frozen=True)
class Found:
    """What a setting found in one picture: presence of the surest hand, 0 for none, and seconds."""

    presence: float
    seconds: float


def main() -> None:
    """Make pictures, search them by each setting in turn, report."""
    settings = {SHIPPED: (), NOT_SMOOTHED: (NOT_SMOOTHED,)}
    settings |= {each: tuple(shlex.split(each)) for each in sys.argv[1:]}
    detectors = {name: Detector.from_config(composed(*overrides)) for name, overrides in settings.items()}
    pictures = list(pictures_without_hands(detectors[SHIPPED]))
    found: dict[str, list[Found]] = {name: [] for name in detectors}
    for picture in track(pictures, "pictures", total=len(pictures)):
        for name, detector in detectors.items():
            found[name].append(search(detector, picture))
    text = report(found)
    say(text)
    RESULT.write_text(text, encoding="utf-8")


def pictures_without_hands(detector: Detector) -> Iterator[np.ndarray]:
    """Parts beside the hands of a photograph, and the photograph with its hands covered."""
    for image, published in photographs():
        seen = [hand.box for hand in detector.detect(image) if (hand.presence or 0) >= SURELY_A_HAND]
        boxes = [box for box in published if box != WHOLE_IMAGE] + seen
        if boxes:
            yield from beside(image, boxes)
            yield covered(image, boxes)


def photographs() -> Iterator[tuple[np.ndarray, list[Box]]]:
    """Photographs with the boxes that are published."""
    samples = real_samples()
    for source, every in EVERY.items():
        for _, hands in list(samples[samples["source"] == source].groupby(["root", "image"], sort=False))[::every]:
            image = read_image(image_path(hands["root"].iloc[0], hands["image"].iloc[0]))
            if image.shape[1] >= CLOSE_UP:
                yield image, boxes_of(hands)
    for folder in FOLDERS:
        for file in sorted((SHARED / "data" / folder).glob("*/*.jpg"))[::3]:
            yield read_image(file), []
    for frame in list(frames(SHARED / "data" / "videos" / "webcam.mp4"))[::30]:
        yield frame.image, []


def boxes_of(hands: pd.DataFrame) -> list[Box]:
    return list(hands[list(BOX)].itertuples(index=False, name=None))


def beside(image: np.ndarray, boxes: Sequence[Box]) -> Iterator[np.ndarray]:
    """The parts at the left, right, top and bottom of all boxes that are large enough."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = in_pixels(image, around(boxes), AWAY)
    for part in (image[:, : max(x1, 0)], image[:, x2:], image[: max(y1, 0)], image[y2:]):
        if part.shape[0] >= LARGE_ENOUGH * height and part.shape[1] >= LARGE_ENOUGH * width:
            yield np.ascontiguousarray(part)


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box with all of them."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)


def in_pixels(image: np.ndarray, box: Box, beyond: float) -> tuple[int, int, int, int]:
    """A box that is larger on all sides by a share of its longer side; it may leave the image."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    more = beyond * max((x2 - x1) * width, (y2 - y1) * height)
    return int(x1 * width - more), int(y1 * height - more), int(x2 * width + more), int(y2 * height + more)


def covered(image: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """The picture with its hands filled from what surrounds them."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for x1, y1, x2, y2 in (in_pixels(image, box, COVER) for box in boxes):
        mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = 255
    size = (max(1, SMALL * width // max(width, height)), max(1, SMALL * height // max(width, height)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_mask = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    filled = cv2.resize(cv2.inpaint(small, small_mask, 5, cv2.INPAINT_TELEA), (width, height))
    return np.where(mask[..., None] > 0, filled, image)


def search(detector: Detector, picture: np.ndarray) -> Found:
    """The surest hand that is found."""
    start = time.perf_counter()
    presence = max((hand.presence or 0.0 for hand in detector.detect(picture)), default=0.0)
    return Found(presence, time.perf_counter() - start)


def report(found: dict[str, list[Found]]) -> str:
    """The result in Markdown."""
    lines = [
        "# The hand detector in pictures without a hand",
        "",
        f"`python benchmarks/without_hands.py`: {measured_on('ai-edge-litert', 'opencv-python', 'numpy')}. "
        f"{len(next(iter(found.values()))):,} pictures, made of photographs of ../shared/data: beside their hands, and "
        "with them covered. Pictures with a false hand of at least this presence; times by turns, of a busy machine.",
        "",
        f"| setting | {' | '.join(f'from {sure}' for sure in SURE)} | ms, median | 95th percentile |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        counts = [sum(one.presence >= sure for one in each) for sure in SURE]
        times = np.quantile([1000 * one.seconds for one in each], [0.5, 0.95])
        shown = (f"{count} ({count / len(each):.1%})" for count in counts)
        lines.append(f"| {name} | {' | '.join(shown)} | {times[0]:.0f} | {times[1]:.0f} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

"""The hand detector beside MediaPipe's own (`detector=hands` and `detector=mediapipe`): the same hands, less time.

    python benchmarks/hand_finder.py      # about ten minutes on two cores; needs pip install '.[mediapipe]'
    python benchmarks/hand_finder.py 50   # with so many photographs; the result is printed, not kept

Both are asked about the same pictures in turn, so that ratios of times hold on a busy machine as well. Photographs are
drawn evenly from ../shared/data/hagrid_mini and hands_mini; a published hand is found where a detection has an
intersection over union of at least 0.3 with its box. The video is ../shared/data/videos/webcam.mp4 (640 x 480). Printed
and kept in benchmarks/results/hand_finder.md.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from frames import SHARED, Photograph, composed, photographs_of, real_samples
from machine import processor

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.frames import VideoFrames
from static_gesture_classification.preparation.landmark_store import open_landmarks
from static_gesture_classification.preparation.landmarks import LandmarkSettings, build_landmarks
from static_gesture_classification.samples import write_samples
from static_gesture_classification.terminal import track

RESULT = Path(__file__).resolve().parent / "results" / "hand_finder.md"
OURS, THEIRS = "hands", "mediapipe"
PHOTOGRAPHS = 500
SAME = 0.3  # intersection over union of one hand, found twice
NEAR = 0.02  # mean distance of landmarks as a share of the hand's size
VIDEO = "detector.running_mode=video"
NO_TILES, NO_WIDE_BORDER = "detector.second_look.columns=0", "detector.second_look.border=0"
ONE_LOOK = ("detector.border=0", NO_TILES, NO_WIDE_BORDER)
LOOKS = {
    "one look": ONE_LOOK,
    "and with a border first": (NO_TILES, NO_WIDE_BORDER),
    "and a second look with a wide border": (NO_TILES,),
    "and tiles: as configured": (),
}
GOALS = {"one image": 0.8, "video": 0.45, "camera": 0.45}
FOR_RECORDER = ("detector.min_detection_confidence=0.3", NO_TILES, NO_WIDE_BORDER)  # as conf/recording
LOOK_FOR_MORE = 15  # as conf/recording
FOLLOWING = (  # frames between two searches for a second hand, by ours and by MediaPipe; 0: as it is by itself
    ("video", 0, 0),
    ("camera", LOOK_FOR_MORE, 0),
    ("camera, MediaPipe with one hand now and then", LOOK_FOR_MORE, LOOK_FOR_MORE),
)
Found = dict[str, list[list[DetectedHand]]]


@dataclass(frozen=True)
class Times:
    """Milliseconds of both detectors for the same pictures: arrays (pictures, 2), passed and of processors."""

    name: str
    ours: np.ndarray
    theirs: np.ndarray

    def row(self, column: int) -> str:
        """Of a table."""
        cells = [self.name, f"{len(self.ours):,}"]
        for share in (50, 95):
            ours, theirs = (np.percentile(each[:, column], share) for each in (self.ours, self.theirs))
            cells += [f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}"]
        return f"| {' | '.join(cells)} | {GOALS.get(self.name, '')} |"


@dataclass(frozen=True)
class Parity:
    """Hands that both found, and those that one of them found.

    Attributes:
        apart: mean distance of the 21 landmarks, as a share of the hand's size.
        other_side: how many are a left hand to one and a right hand to the other.
    """

    apart: np.ndarray
    other_side: int
    only_theirs: int
    only_ours: int


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOGRAPHS
    samples = real_samples()
    photographs = evenly(photographs_of(samples), count)
    found: Found = {OURS: [], THEIRS: []}
    with detector(OURS) as ours, detector(THEIRS) as theirs:
        times = [compared("one image", pictures(photographs), ours, theirs, found)]
    for who, hands in found.items():
        for photograph, seen in zip(photographs, hands, strict=True):
            photograph.found[who] = seen
    with detector(OURS, *ONE_LOOK) as ours, detector(THEIRS, *ONE_LOOK) as theirs:
        times.append(compared("one image, one look", pictures(photographs), ours, theirs))
    of_video, in_video = followed()
    times += of_video
    looks = [look_row(name, overrides, photographs) for name, overrides in LOOKS.items()]
    stage = [stage_row(name, photographs, samples) for name in (OURS, THEIRS)]
    text = report(photographs, times, in_video, looks, stage)
    print(text)
    if count == PHOTOGRAPHS:
        RESULT.write_text(text, encoding="utf-8")


def detector(name: str, *overrides: str) -> Detector:
    return Detector.from_config(composed(f"detector={name}", *overrides))


def evenly(photographs: list[Photograph], count: int) -> list[Photograph]:
    places = np.linspace(0, len(photographs) - 1, min(count, len(photographs))).round().astype(int)
    return [photographs[place] for place in places]


def pictures(photographs: Sequence[Photograph]) -> Iterator[np.ndarray]:
    for photograph in track(photographs, "photographs", total=len(photographs)):
        yield np.ascontiguousarray(read_image(photograph.path))


def compared(
    name: str, images: Iterable[np.ndarray], ours: Detector, theirs: Detector, found: Found | None = None
) -> Times:
    """Times of both detectors, which take turns; what they find is added to `found`, under their names."""
    spent: dict[str, list[tuple[float, float]]] = {OURS: [], THEIRS: []}
    turns = [(OURS, ours), (THEIRS, theirs)]
    for _, looking in turns:
        looking.detect(np.zeros((480, 640, 3), np.uint8))  # loads the model
    for number, image in enumerate(images):
        for who, looking in turns if number % 2 else reversed(turns):
            passed, used = time.perf_counter(), time.process_time()
            hands = looking.detect(image)
            spent[who].append((1000 * (time.perf_counter() - passed), 1000 * (time.process_time() - used)))
            if found is not None:
                found[who].append(hands)
    return Times(name, np.array(spent[OURS]), np.array(spent[THEIRS]))


def followed() -> tuple[list[Times], dict[str, Found]]:
    """The video as predict follows hands, as the recorder does, and as the recorder did with MediaPipe; hands found."""
    times: list[Times] = []
    found: dict[str, Found] = {}
    for name, every, theirs_every in FOLLOWING:
        changes = (VIDEO, *FOR_RECORDER) if every else (VIDEO,)
        with ExitStack() as stack:
            ours, theirs = (stack.enter_context(detector(who, *changes)) for who in (OURS, THEIRS))
            if every:
                ours = stack.enter_context(ours.for_camera(every))
            if theirs_every:
                theirs = stack.enter_context(theirs.for_camera(theirs_every))
            frames = (frame.image for frame in VideoFrames(SHARED / "data" / "videos" / "webcam.mp4"))
            found[name] = {OURS: [], THEIRS: []}
            times.append(compared(name, frames, ours, theirs, found[name]))
    return times, found


def look_row(name: str, overrides: Sequence[str], photographs: Sequence[Photograph]) -> str:
    """What the detector misses and finds besides with some looks, and its time."""
    spent = []
    with detector(OURS, *overrides) as looking:
        for photograph, image in zip(photographs, pictures(photographs), strict=True):
            start = time.perf_counter()
            photograph.found[name] = looking.detect(image)
            spent.append(1000 * (time.perf_counter() - start))
    counts = missed_and_false(photographs, name)
    return f"| {name} | {counts} | {np.median(spent):.1f} | {np.percentile(spent, 95):.1f} |"


def missed_and_false(photographs: Sequence[Photograph], setting: str) -> str:
    missed = sum(each is None for photograph in photographs for each in photograph.matched(setting))
    return f"{missed} | {sum(photograph.false(setting) for photograph in photographs)}"


def stage_row(name: str, photographs: Sequence[Photograph], samples: pd.DataFrame) -> str:
    """The landmarks stage of the photographs' hands, its processes warm."""
    rows = [row for photograph in photographs for row in photograph.rows]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = LandmarkSettings.from_config(composed(f"detector={name}"), extract=True)
        for part, chosen in (("warm", rows[:40]), ("measured", rows)):
            table = root / f"{part}.parquet"
            write_samples(samples.loc[chosen].assign(split="train").reset_index(drop=True), table)
            own = settings.model_copy(update={"cache": root / f"{part} kept"})
            used = processor_seconds()
            report = build_landmarks(table, None, root / part, own)
            used = processor_seconds() - used
        points, _ = open_landmarks(root / "measured")
    missed = int(np.isnan(points).any(axis=(1, 2)).sum())
    rates = f"{report.extracted / report.seconds:.1f} | {report.extracted / used:.1f}"
    return f"| {name} | {report.extracted:,} | {missed} | {rates} |"


def processor_seconds() -> float:
    """Used by this process and its workers so far."""
    here = psutil.Process()
    times = [each.cpu_times() for each in (here, *here.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def parity(photographs: Sequence[Photograph]) -> Parity:
    apart, other_side, only_theirs, only_ours = [], 0, 0, 0
    for photograph in photographs:
        height, width = read_image(photograph.path).shape[:2]
        left = list(photograph.found[OURS])
        for hand in photograph.found[THEIRS]:
            same = max(left, key=lambda other: overlap(other.box, hand.box), default=None)
            if same is None or overlap(same.box, hand.box) < SAME:
                only_theirs += 1
                continue
            left.remove(same)
            assert hand.landmarks is not None
            assert same.landmarks is not None
            pixels = (width, height)
            size = np.ptp(hand.landmarks * pixels, axis=0).max()
            apart.append(np.linalg.norm((hand.landmarks - same.landmarks) * pixels, axis=1).mean() / size)
            other_side += hand.hand != same.hand
        only_ours += len(left)
    return Parity(np.array(apart), other_side, only_theirs, only_ours)


def report(
    photographs: Sequence[Photograph],
    times: Sequence[Times],
    in_video: dict[str, Found],
    looks: Sequence[str],
    stage: Sequence[str],
) -> str:
    """The whole result as Markdown."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("ai-edge-litert", "mediapipe", "opencv-python", "numpy")
    )
    hands, same = sum(len(photograph.boxes) for photograph in photographs), parity(photographs)
    lines = [
        "# The hand detector beside MediaPipe's own",
        "",
        f"{date.today()}, {processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}; load "
        f"average {os.getloadavg()[0]:.1f}, so the ratios count, not the times. {len(photographs):,} photographs with "
        f"{hands:,} published hands, drawn evenly from hagrid_mini and hands_mini.",
        "",
        "## Time",
        "",
        "Milliseconds from pixels to hands, one thread, both in turn.",
        "",
        "| what | pictures | ours, median | MediaPipe | ratio | ours, 95th percentile | MediaPipe | ratio | wanted |",
        "|---|---|---|---|---|---|---|---|---|",
        *(each.row(0) for each in times),
        "",
        "Processor time, which other programs disturb less:",
        "",
        "| what | pictures | ours, median | MediaPipe | ratio | ours, 95th percentile | MediaPipe | ratio | wanted |",
        "|---|---|---|---|---|---|---|---|---|",
        *(each.row(1) for each in times),
        "",
        "Frames of the video with a hand: "
        + "; ".join(
            f"{name}: ours {sum(map(bool, each[OURS]))}, MediaPipe {sum(map(bool, each[THEIRS]))}"
            for name, each in in_video.items()
        )
        + ". `video` is `detector.running_mode=video`, `camera` the recorder's way.",
        "",
        "The landmarks stage, around published boxes, on two cores:",
        "",
        "| detector | hands | missed | hands a second | hands a processor second |",
        "|---|---|---|---|---|",
        *stage,
        "",
        "## The same hands",
        "",
        f"{len(same.apart):,} hands were found by both; their landmarks are {np.median(same.apart):.2%} of the hand's "
        f"size apart in the median, {np.percentile(same.apart, 95):.2%} at the 95th percentile; "
        f"{(same.apart <= NEAR).mean():.1%} are within {NEAR:.0%} (98 % wanted). {same.other_side} are another side's "
        f"hand. {same.only_theirs} were found by MediaPipe alone, {same.only_ours} by ours alone.",
        "",
        "| detector, as configured | published hands missed | false |",
        "|---|---|---|",
        *(f"| {name} | {missed_and_false(photographs, name)} |" for name in (OURS, THEIRS)),
        "",
        "## What each look brings and costs",
        "",
        "| looks | published hands missed | false | ms, median | 95th percentile |",
        "|---|---|---|---|---|",
        *looks,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

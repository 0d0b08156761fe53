"""The hand detector beside MediaPipe's own (`detector=hands` and `detector=mediapipe`): the same hands, less time.

    python benchmarks/hand_finder.py      # about three minutes on two idle cores; needs pip install '.[mediapipe]'
    python benchmarks/hand_finder.py 50   # with so many photographs; the result is printed, not kept

Times are of the defaults (two threads where there are two cores), and of one thread; MediaPipe's own takes one, and has
no option for more. The same hands as MediaPipe's are looked for with `AS_THEIRS`, as MediaPipe cuts palms out;
the defaults differ since the model is better on strangers with them (benchmarks/results/strangers.md), and their parity
is given beside it.

They are asked about the same pictures in turn, so that ratios of times hold on a busy machine as well. Some are asked
again while another program computes without a pause, and while two do. Photographs are
drawn evenly from ../shared/data/hagrid_mini and hands_mini; a published hand is found where a detection has an
intersection over union of at least 0.3 with its box. The video is ../shared/data/videos/webcam.mp4 (640 x 480). Printed
and kept in benchmarks/results/hand_finder.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from frames import SHARED, Photograph, composed, photographs_of, real_samples
from machine import measured_on

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.frames import VideoFrames
from static_gesture_classification.terminal import track

os.environ.pop("OMP_NUM_THREADS", None)  # users have none

RESULT = Path(__file__).resolve().parent / "results" / "hand_finder.md"
OURS, THEIRS = "hands", "mediapipe"
ALONE_THREAD = "hands, one thread"
ONE_THREAD = "detector.threads=1"
# Palms are cut out as by MediaPipe, each one is looked at, once, and the first look with a hand counts.
AS_THEIRS = (
    "detector.palm_turn=26.565",
    "detector.palm_square=[2.6,0.5]",
    "detector.refine=false",
    "detector.second_look.sure=0",
    "detector.second_look.enough=0",
    "detector.look_into_hands=true",
    "detector.smooth=0",
)
OURS_AS_THEIRS = f"{OURS}, {' '.join(AS_THEIRS)}"
PHOTOGRAPHS = 500
SAME = 0.3  # intersection over union of one hand, found twice
NEAR = 0.02  # mean distance of landmarks as a share of the hand's size
VIDEO = "detector.running_mode=video"
NO_TILES, NO_WIDE_BORDER = "detector.second_look.columns=0", "detector.second_look.border=0"
NOT_SMOOTHED = "++detector.smooth=0"  # MediaPipe's has no such look
ONE_LOOK = ("detector.border=0", NO_TILES, NO_WIDE_BORDER, NOT_SMOOTHED)
LOOKS = {
    "one look": ONE_LOOK,
    "and with a border first": (NO_TILES, NO_WIDE_BORDER, NOT_SMOOTHED),
    "and a second look with a wide border": (NO_TILES, NOT_SMOOTHED),
    "and smoothed": (NO_TILES,),
    "and tiles: as configured": (),
    "as configured, each hand looked at once": ("detector.refine=false",),
    "as configured, each hand looked at twice": ("detector.refine_apart=0",),
    "squares of palms where landmarks put them": ("detector.palm_square=[2.86,0.36]",),
}
GOALS = {"one image": 0.8, "video": 0.45, "camera": 0.45}
FOR_RECORDER = ("detector.min_detection_confidence=0.3", NO_TILES, NO_WIDE_BORDER, NOT_SMOOTHED)  # as conf/recording
LOOK_FOR_MORE = 15  # as conf/recording
FOLLOWING = (  # frames between two searches for a second hand, by ours and by MediaPipe; 0: as it is by itself
    ("video", 0, 0),
    ("camera", LOOK_FOR_MORE, 0),
    ("camera, MediaPipe with one hand now and then", LOOK_FOR_MORE, LOOK_FOR_MORE),
)
NOTES = (
    "## Why these defaults, on all photographs\n\n"
    "A look at a picture of 640 x 480 with one hand takes 4.8 ms in the palm network, 4.4 in the landmark network "
    "and 1.1 in everything else (2.0 before: cutting out, reading palms, geometry); at one of 100 x 100 "
    "everything else takes 1.7, of which enlarging it 0.7. MediaPipe's own look takes 12.0 to 12.3 with the same "
    "networks, so 0.8 of it leaves 0.4 ms for everything else. The networks' 337 and 331 million multiplications "
    "run at 150 GFLOP/s, which is what OpenBLAS gets from this processor for matrices of their sizes (115 to "
    "130). OpenVINO 2026.4 takes 4.4 and 4.1 ms, onnxruntime 9.9 and 4.3; LiteRT's other options, its compiled "
    "model, and two, four or eight hands at once take as long for each hand. Two threads halve both.\n\n"
    "- **Two threads** where a process has two cores for itself; one in worker processes (`OMP_NUM_THREADS=1`, which "
    "joblib and Ray set for them) and in mining, which looks at as many pictures at once as there are cores. Where "
    "the second core is free, the first table: half of the time. Where one or both cores are taken they gain "
    "little or lose some: the rows beside busy programs. Processor time grows by a seventh, since the threads wait "
    "busily for each other. "
    "More than two threads cannot be told on two cores.\n"
    "- **Parity** had fallen from 98.4 % to 96.6 % by two things that MediaPipe does not do, not by how palms are "
    "cut out: unsure hands get a further look (`second_look.sure`), and a palm inside a hand that was found is "
    "not looked at (`look_into_hands`). On 500 photographs 97.9 % without the first, 98.3 % without both. Two "
    "hands that the further look moved were looked at: MediaPipe's fingertips lie below the fingers' ends by up "
    "to half a joint, with a presence of 0.57 and 0.88; those of the further look (0.91 and 0.98) lie on them. So "
    "the defaults keep both, and the row of the same hands goes without.\n"
    "- **Second look** only where the corners of both squares are farther apart than `refine_apart=0.15`: one "
    "hand in four. In the others it would move landmarks by 0.8 % of the hand (median; 95th percentile 2.4 %), "
    "little more than it moves those of a hand that was cut out right. The model on strangers is better for it: "
    "[strangers.md](strangers.md).\n"
    "- A palm inside a hand that was found is not looked at: 15 % of photographs had one.\n"
    "- **Smoothed pictures** (`smooth`), and the search that goes on where a hand is sure but not surer (`enough`): of "
    "eight published hands of 2,911 that were really missed they find seven; of 529 pictures without a hand one gets "
    "one by it. Tables above are from before: a smoothed look comes only where no hand is sure, the others in 3 % of "
    "photographs, for 1.4 ms a photograph of all: [strangers.md](strangers.md), [without_hands.md](without_hands.md).\n"
    "- **Not taken, since the model on strangers is worse:** squares of palms where landmarks put them on average "
    "(`palm_square=[2.86,0.36]`; on 265 photographs the first look was unsure in 6 for 9).\n"
    "- **In known boxes the landmark network looks first** (`known_square=1.3`), in the upright square around the box "
    "that is nearest to those by landmarks (60 % are less than 0.15 apart; 53 % with 1.2, 58 % with 1.4). It looks "
    "again where they are 0.3 apart (`known_apart`), for 0.15 around palms: between the two, where it is 0.99 sure, "
    "the second look moves landmarks by 1.3 % of the hand (median of 175 hands; 95th percentile 3.3 %), below by "
    "0.8 % (2.2 %). 1.42 looks and 0.15 searches for palms a hand, for 2.86 and 1.67 before (of 243). A box "
    "that is the whole image is looked at as in use at once; a search around it, before, found nothing in 24 of 27 "
    "photographs.\n"
    "- **Not taken either:** around known boxes a smaller picture for the palm network (its two constant sizes "
    "changed). With 96 pixels for 192 it takes 1.1 ms for 4.7 (a hand 9.4 for 14.2), misses 4 of 313 for 2 and "
    "lands nearly as near to what is found in whole photographs (median 0.99 % for 0.72 % of the hand, 95th "
    "percentile 4.3 % for 3.5 %), but plain models trained on it are worse on sources left out: 0.888, 0.893 and "
    "0.904 for 0.903, 0.907 and 0.908 (the three baselines of [strangers.md](strangers.md)).\n"
    "- **Nor** leaving the black rows beside a wide picture out of what the palm network sees (192 x 160 for 640 "
    "x 480 with its border): 0.8 ms less, but other phases of its coarsest grid, so that landmarks move by 0.6 % "
    "(median; 95th percentile 2.6 %), and no gain to pay for it: `strangers.py` as shipped 0.974 and 0.966 for "
    "0.976 and 0.967, log loss 0.149 and 0.178 for 0.127 and 0.158; five of the six baseline figures fall too, by "
    "0.001 to 0.004.\n"
)
Found = dict[str, list[list[DetectedHand]]]


@dataclass(frozen=True)
class Times:
    """Milliseconds of each detector, by its name, for the same pictures: (pictures, 2), passed and of processors."""

    name: str
    spent: dict[str, np.ndarray]

    def part(self, name: str, chosen: np.ndarray) -> Times:
        """Those of some pictures: bool (pictures,)."""
        return Times(name, {who: spent[chosen] for who, spent in self.spent.items()})

    def row(self, who: str, column: int) -> str:
        """Of a table: one of ours beside MediaPipe's."""
        cells = [self.name, f"{len(self.spent[who]):,}"]
        for share in (50, 95):
            ours, theirs = (np.percentile(self.spent[each][:, column], share) for each in (who, THEIRS))
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
    photographs = evenly(photographs_of(real_samples()), count)
    some = photographs[::3]
    times, found = looked_at(photographs)
    with detector(OURS, *AS_THEIRS) as alike:
        found[OURS_AS_THEIRS] = [alike.detect(image) for image in pictures(photographs)]
    for who, hands in found.items():
        for photograph, seen in zip(photographs, hands, strict=True):
            photograph.found[who] = seen
    with finders(*ONE_LOOK) as looking:
        times.append(compared("one image, one look", pictures(some), looking))
    of_video, in_video = followed()
    times += of_video
    for others in (1, 2):
        times += beside_others(others, photographs[::6])
    looks = [look_row(name, overrides, some) for name, overrides in LOOKS.items()]
    text = report(photographs, times, in_video, looks)
    print(text)
    if count == PHOTOGRAPHS:
        RESULT.write_text(text, encoding="utf-8")


@contextmanager
def finders(*overrides: str, camera: tuple[int, int] = (0, 0)) -> Iterator[dict[str, Detector]]:
    """Ours as it ships and with one thread, and MediaPipe's.

    Args:
        overrides: of the configuration.
        camera: ours and theirs, as `Detector.for_camera` makes them; 0: as they are.
    """
    settings = {OURS: (OURS, overrides), ALONE_THREAD: (OURS, (*overrides, ONE_THREAD)), THEIRS: (THEIRS, overrides)}
    with ExitStack() as stack:
        made: dict[str, Detector] = {}
        for who, (name, own) in settings.items():
            looking, every = stack.enter_context(detector(name, *own)), camera[name == THEIRS]
            made[who] = stack.enter_context(looking.for_camera(every)) if every else looking
        yield made


def looked_at(photographs: Sequence[Photograph]) -> tuple[list[Times], Found]:
    """Times of all photographs and of those by size, and what was found in them.

    Raises:
        AssertionError: one thread finds something else than two.
    """
    found: Found = {}
    with finders() as looking:
        whole = compared("one image", pictures(photographs), looking, found)
    for hands, by_one in zip(found[OURS], found.pop(ALONE_THREAD), strict=True):
        assert [*map(digits, hands)] == [*map(digits, by_one)], "another number of threads finds other hands"
    small = np.array([photograph.close_up for photograph in photographs])
    return [whole, whole.part("of these, 100 x 100 pixels", small), whole.part("of these, larger", ~small)], found


def detector(name: str, *overrides: str) -> Detector:
    return Detector.from_config(composed(f"detector={name}", *overrides))


def evenly(photographs: list[Photograph], count: int) -> list[Photograph]:
    places = np.linspace(0, len(photographs) - 1, min(count, len(photographs))).round().astype(int)
    return [photographs[place] for place in places]


def pictures(photographs: Sequence[Photograph]) -> Iterator[np.ndarray]:
    for photograph in track(photographs, "photographs", total=len(photographs)):
        yield np.ascontiguousarray(read_image(photograph.path))


def compared(
    name: str, images: Iterable[np.ndarray], looking: dict[str, Detector], found: Found | None = None
) -> Times:
    """Times of detectors that take turns; what they find is added to `found`, under their names."""
    spent: dict[str, list[tuple[float, float]]] = {who: [] for who in looking}
    for each in looking.values():
        each.detect(np.zeros((480, 640, 3), np.uint8))  # loads the model
    for number, image in enumerate(images):
        for who in list(looking) if number % 2 else reversed(looking):
            passed, used = time.perf_counter(), time.process_time()
            hands = looking[who].detect(image)
            spent[who].append((1000 * (time.perf_counter() - passed), 1000 * (time.process_time() - used)))
            if found is not None:
                found.setdefault(who, []).append(hands)
    return Times(name, {who: np.array(each) for who, each in spent.items()})


def followed() -> tuple[list[Times], dict[str, Found]]:
    """The video as predict follows hands, as the recorder does, and as the recorder did with MediaPipe; hands found."""
    times: list[Times] = []
    found: dict[str, Found] = {}
    for name, every, theirs_every in FOLLOWING:
        found[name] = {}
        with finders(VIDEO, *(FOR_RECORDER if every else ()), camera=(every, theirs_every)) as looking:
            times.append(compared(name, video(), looking, found[name]))
    return times, found


def video() -> Iterator[np.ndarray]:
    return (frame.image for frame in VideoFrames(SHARED / "data" / "videos" / "webcam.mp4"))


def digits(hand: DetectedHand) -> tuple[object, ...]:
    """All that is known of a hand, to compare."""
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in vars(hand).values())


def beside_others(others: int, photographs: Sequence[Photograph]) -> list[Times]:
    """Times while so many other programs compute."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    name = "beside a busy program" if others == 1 else f"beside {others} busy programs"
    try:
        with finders() as looking:
            times = [compared(f"one image, {name}", pictures(photographs), looking)]
        with finders(VIDEO) as looking:
            return [*times, compared(f"video, {name}", islice(video(), 150), looking)]
    finally:
        for each in busy:
            each.kill()
            each.wait()


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


def parity(photographs: Sequence[Photograph], who: str) -> Parity:
    """Of a setting of ours with MediaPipe."""
    apart, other_side, only_theirs, only_ours = [], 0, 0, 0
    for photograph in photographs:
        height, width = read_image(photograph.path).shape[:2]
        left = list(photograph.found[who])
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


def parity_row(who: str, same: Parity) -> str:
    """Of a table."""
    name = f"the defaults of {OURS}" if who == OURS else who
    shares = [np.median(same.apart), np.percentile(same.apart, 95), (same.apart <= NEAR).mean()]
    cells = [f"{len(same.apart):,}", *(f"{share:.2%}" for share in shares[:2]), f"{shares[2]:.1%}"]
    return f"| {name} | {' | '.join(cells)} | {same.other_side} | {same.only_theirs} | {same.only_ours} |"


def table(times: Sequence[Times], who: str, column: int) -> list[str]:
    """One of ours beside MediaPipe's."""
    return [
        "| what | pictures | ours, median | MediaPipe | ratio | ours, 95th percentile | MediaPipe | ratio | wanted |",
        "|---|---|---|---|---|---|---|---|---|",
        *(each.row(who, column) for each in times),
    ]


def report(
    photographs: Sequence[Photograph],
    times: Sequence[Times],
    in_video: dict[str, Found],
    looks: Sequence[str],
) -> str:
    """The whole result as Markdown."""
    machine = measured_on("ai-edge-litert", "mediapipe", "opencv-python", "numpy")
    hands = sum(len(photograph.boxes) for photograph in photographs)
    lines = [
        "# The hand detector beside MediaPipe's own",
        "",
        f"{machine}; load "
        f"average {os.getloadavg()[0]:.1f}, so the ratios count, not the times. {len(photographs):,} photographs with "
        f"{hands:,} published hands, drawn evenly from hagrid_mini and hands_mini.",
        "",
        "## Time",
        "",
        "Milliseconds on the clock from pixels to hands, by turns. As it ships, two threads:",
        "",
        *table(times, OURS, 0),
        "",
        "With one thread, as in the landmarks stage's workers:",
        "",
        *table(times, ALONE_THREAD, 0),
        "",
        "MediaPipe runs each network on one thread; its options (1.2.2: model and delegate) have none for more. One "
        "and two threads found the same hands, to the last digit, in all photographs. Busy programs are loops without "
        "a pause, so beside two of them each finder has half of the time of a machine of two cores.",
        "",
        "Processor time of both threads, which other programs disturb less:",
        "",
        *table(times, OURS, 1),
        "",
        "Of one thread:",
        "",
        *table(times, ALONE_THREAD, 1),
        "",
        "Frames of the video with a hand: "
        + "; ".join(
            f"{name}: ours {sum(map(bool, each[OURS]))}, MediaPipe {sum(map(bool, each[THEIRS]))}"
            for name, each in in_video.items()
        )
        + ". `video` is `detector.running_mode=video`, `camera` the recorder's way.",
        "",
        "The landmarks stage beside that of MediaPipe's: [landmarks_stage.md](landmarks_stage.md).",
        "",
        "## The same hands",
        "",
        "The squares of palms were read from MediaPipe 1.2.2 itself, with a landmark network that returns means of "
        "what it sees: they lie where the published graph puts them, but are turned by 26.565 degrees (tangent "
        "1/2) besides; those of followed hands are upright. Times above are of the defaults, whose palms are upright, "
        "since the model is better on strangers with them ([strangers](strangers.md)).",
        "",
        "| setting | found by both | apart, median | 95th percentile | within 2 % (98 % wanted) | another side's hand "
        "| MediaPipe alone | ours alone |",
        "|---|---|---|---|---|---|---|---|",
        *(parity_row(who, parity(photographs, who)) for who in (OURS_AS_THEIRS, OURS)),
        "",
        "Apart: the mean distance of the 21 landmarks, as a share of the hand's size.",
        "",
        "| detector | published hands missed | false |",
        "|---|---|---|",
        *(f"| {name} | {missed_and_false(photographs, name)} |" for name in (OURS, OURS_AS_THEIRS, THEIRS)),
        "",
        "## What each look brings and costs",
        "",
        "On every third photograph.",
        "",
        "| looks | published hands missed | false | ms, median | 95th percentile |",
        "|---|---|---|---|---|",
        *looks,
        "",
        NOTES.rstrip(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

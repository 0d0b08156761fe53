"""How well near-duplicates are told from look-alikes, on real photographs whose people are known.

    python benchmarks/near_duplicates.py [VIDEO_FRAMES.npy]

False positives: the close-ups of hagrid_mini, 154 people who show the same gestures on white walls; every pair of two
people with the same gesture is compared, and none is a near-duplicate. True positives: copies of the photographs
(re-encoded, made smaller, brighter, darker, shifted, enlarged); and recordings whose frames are dealt to two made-up
people in turn, which has to be noticed. The frames of ../shared/data/videos/webcam.mp4 are added when they are given as
uint8 (300, 480, 640, 3). Last, the search is timed on a hundred thousand rows, with and without published splits. The
tables are printed and kept in benchmarks/results/near_duplicates.md; `benchmarks/growth.py` has larger sizes.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from machine import measured_on
from PIL import Image

from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.splitting import near_duplicates as near
from static_gesture_classification.preparation.splitting.correlation import Band
from static_gesture_classification.preparation.splitting.descriptors import describe_crops
from static_gesture_classification.preparation.splitting.in_parallel import in_parallel
from static_gesture_classification.preparation.splitting.whitening import whiten
from static_gesture_classification.row_arrays import Rows

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT.parent / "shared" / "data"
RESULT = PROJECT / "benchmarks" / "results" / "near_duplicates.md"
SIZE, MARGIN = 64, 0.15
COPIED = 300
LARGE, ROWS_PER_PERSON = 100_000, 10
GOAL = 40  # seconds


def main() -> None:
    photographs = read_photographs()
    sections = [
        look_alikes(photographs),
        copies(photographs),
        recordings(photographs, Path(sys.argv[1]) if len(sys.argv) > 1 else None),
        scale(photographs.crops),
    ]
    text = "\n".join([heading(), *sections])
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Photographs:
    """Crops of hagrid_mini, with the person or room, the gesture, and whether it is a close-up, of each."""

    crops: np.ndarray
    subject: np.ndarray
    label: np.ndarray
    close_up: np.ndarray


def read_photographs() -> Photographs:
    hands = [hand for file in sorted(DATA.glob("hagrid_mini/annotations/*/*.json")) for hand in hands_in(file)]
    cut = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(crop)(path, box) for path, box, _, _ in hands)
    crops, close_up = zip(*cut, strict=True)
    subject = pd.factorize(np.array([user for *_, user in hands], object))[0]
    label = np.array([label for _, _, label, _ in hands], object)
    return Photographs(np.stack(crops), subject, label, np.array(close_up))


def hands_in(annotations: Path) -> Iterator[tuple[Path, list[float], str, str]]:
    for name, entry in sorted(json.loads(annotations.read_text()).items()):
        path = DATA / "hagrid_mini" / annotations.stem / f"{name}.jpg"
        for box, label in zip(entry["bboxes"], entry["labels"], strict=True):
            yield path, box, label, entry["user_id"]


def crop(path: Path, box: list[float]) -> tuple[np.ndarray, bool]:
    image = read_image(path)
    x, y, w, h = box
    return crop_square(image, (x, y, x + w, y + h), SIZE, MARGIN), image.shape[:2] == (100, 100)


def look_alikes(photographs: Photographs) -> str:
    """All pairs of different people with the same gesture in close-up, compared without searching candidates."""
    crops, subject = photographs.crops[photographs.close_up], photographs.subject[photographs.close_up]
    label = photographs.label[photographs.close_up]
    first, second = np.nonzero(np.triu((subject[:, None] != subject[None]) & (label[:, None] == label[None])))
    coarse, fine = compare(crops, first, second)
    linked = near.near_duplicates(crops, subject, seed=0)
    highest = f"{fine.max():.2f} among the {len(fine):,} that pass the coarse comparison"
    rows = [
        ("people, close-ups", f"{len(np.unique(subject))}, {len(crops):,}"),
        ("pairs of different people with the same gesture", f"{len(first):,}"),
        ("highest correlation", highest),
        *((f"pairs at {at} or above", f"{(fine >= at).sum():,}") for at in (0.75, 0.8, 0.85, near.SAME, 0.9)),
        ("**false positives of the whole search**", f"**{len(linked):,}**"),
    ]
    share = (coarse >= near.COARSE.least).mean()
    passed = f"{share:.3%} of the pairs pass the coarse comparison (at least {near.COARSE.least})."
    return section("Look-alikes: must not be found", ("", ""), rows, passed)


def compare(crops: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coarse correlation of every pair, and the fine one of those that pass it."""
    coarse = similarities(describe_crops(crops).thumbnails, first, second, near.COARSE)
    passed = coarse >= near.COARSE.least
    return coarse, similarities(crops, first[passed], second[passed], near.FINE)


def similarities(pictures: Rows, first: np.ndarray, second: np.ndarray, band: Band) -> np.ndarray:
    pieces = np.array_split(np.arange(len(first)), len(first) // near.PAIRS_AT_ONCE + 1)
    calls = ((pictures, first[piece], second[piece], band) for piece in pieces)
    return np.concatenate(list(in_parallel("comparison", near.similarity_of, calls, len(pieces))))


def encoded(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def through_jpeg(pixels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "jpeg", quality=quality)
        return np.asarray(Image.open(file))

    return through_jpeg


def shrunk(side: int) -> Callable[[np.ndarray], np.ndarray]:
    def smaller_and_back(pixels: np.ndarray) -> np.ndarray:
        small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))

    return smaller_and_back


def moved(right: float, down: float, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    def other_box(pixels: np.ndarray) -> np.ndarray:
        box = (0.5 - scale / 2 + right, 0.5 - scale / 2 + down, 0.5 + scale / 2 + right, 0.5 + scale / 2 + down)
        return crop_square(pixels, box, SIZE, 0)

    return other_box


def lit(gain: float, offset: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.clip(pixels * gain + offset, 0, 255).astype(np.uint8)


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG, quality 30": encoded(30),
    "JPEG, quality 10": encoded(10),
    "48 x 48 pixels and back": shrunk(48),
    "32 x 32 pixels and back": shrunk(32),
    "brighter (x 1.3 + 10, clipped)": lit(1.3, 10),
    "darker (x 0.6)": lit(0.6, 0),
    "moved by 3 and 2 % of the crop": moved(0.03, 0.02, 1.0),
    "moved by 6 and 4 %": moved(0.06, -0.04, 1.0),
    "5 % larger": moved(0, 0, 1.05),
    "10 % larger and moved by 2 and 2 %": moved(0.02, 0.02, 1.1),
}


def copies(photographs: Photographs) -> str:
    """Copies of photographs as pictures of new people, among all the photographs."""
    chosen = np.sort(np.random.default_rng(0).choice(len(photographs.crops), COPIED, replace=False))
    rows = []
    for name, make in COPIES.items():
        made = np.stack([make(photographs.crops[row]) for row in chosen])
        crops = np.concatenate([photographs.crops, made])
        people = np.concatenate([photographs.subject, photographs.subject.max() + 1 + np.arange(COPIED)])
        links = near.near_duplicates(crops, people, seed=0)
        pairs = set(zip(links.first.tolist(), links.second.tolist(), strict=True))
        found = [(row, len(photographs.crops) + number) in pairs for number, row in enumerate(chosen.tolist())]
        rows.append((name, f"{np.mean(found):.1%}"))
    return section(f"Copies of {COPIED} photographs: must be found", ("copy", "found"), rows)


def recordings(photographs: Photographs, video: Path | None) -> str:
    """Frames of one recording dealt to two made-up people in turn: are the two tied together?"""
    rooms = {f"room {n + 1}": frames for n, frames in enumerate(webcam_rooms(photographs))}
    if video is not None:
        rooms |= {"webcam.mp4": video_crops(np.load(video, mmap_mode="r"))}
    rows = []
    for name, crops in rooms.items():
        dealt = np.arange(len(crops)) % 2
        links = near.near_duplicates(crops, dealt, seed=0)
        linked = len(np.unique(np.concatenate([links.first, links.second])))
        rows.append((f"{name}, {len(crops)} frames", f"{linked / len(crops):.0%}", "yes" if len(links) else "no"))
    titles = ("recording", "frames with a near-duplicate", "the two are tied together")
    after = "The frames are thinned out, as the dataset has them: in two short ones no two frames show the same moment."
    return section("Recordings dealt to two people", titles, rows, after)


def webcam_rooms(photographs: Photographs) -> Iterator[np.ndarray]:
    for subject in np.unique(photographs.subject):
        own = (photographs.subject == subject) & ~photographs.close_up
        if own.sum() >= 30:
            yield photographs.crops[own]


def video_crops(frames: np.ndarray) -> np.ndarray:
    truth = json.loads((DATA / "videos" / "webcam.json").read_text())
    crops = []
    for entry in truth:
        if entry["hands"]:
            x1, y1, x2, y2 = entry["hands"][0]["bbox"]
            crops.append(crop_square(frames[entry["frame"]], (x1 / 640, y1 / 480, x2 / 640, y2 / 480), SIZE, MARGIN))
    return np.stack(crops)


def scale(crops: np.ndarray) -> str:
    """Time of each step on many rows: the photographs over and over, each time turned, mirrored and moved otherwise."""
    many = VariedCrops(crops, LARGE)[:]
    people = np.arange(LARGE) // ROWS_PER_PERSON
    near.near_duplicates(many[:64], people[:64], seed=0)  # compiles
    every, counts = timed(many, people, np.full(LARGE, near.UNSETTLED))
    published, fewer = timed(many, people, official_splits(people))
    rows = [(name, f"{every[name]:.1f} s", f"{published[name]:.1f} s") for name in every]
    rows += [("**all**", f"**{sum(every.values()):.1f} s** (goal {GOAL} s)", f"**{sum(published.values()):.1f} s**")]
    rows += [(f"{name} pairs", f"{counts[name]:,}", f"{fewer[name]:,}") for name in counts]
    after = f"The right column has HaGRID's published shares of train, val and test. {joblib.cpu_count()} cores, load "
    after += f"average {os.getloadavg()[0]:.1f}."
    return section(f"Time for {LARGE:,} rows", ("step", "nothing published", "published splits"), rows, after)


def official_splits(people: np.ndarray) -> np.ndarray:
    """Shares of HaGRID v2: people of train and of test are settled, those of val are open."""
    chance = np.random.default_rng(1).random(people.max() + 1)[people]
    return np.select([chance < 0.76, chance < 0.91], [0, 2], near.UNSETTLED)


def timed(many: np.ndarray, people: np.ndarray, settled: np.ndarray) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds of each step, and the pairs that each step keeps."""
    seconds: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    parties = near.Parties(people, settled)
    facts = step("descriptors", lambda: describe_crops(many))
    whitened = step("whitening", lambda: whiten(facts.gradients, seed=0))
    pairs = step("candidates", lambda: near.candidate_pairs(whitened, parties, seed=0))
    links = step("comparison", lambda: near.compare_pairs(pairs, facts.thumbnails, many))
    return seconds, {"candidate": len(pairs), "near-duplicate": len(links)}


class VariedCrops:
    """Crops over and over, `count` of them: each time turned, mirrored and moved otherwise, when they are asked for."""

    def __init__(self, crops: np.ndarray, count: int) -> None:
        random, self._crops, self._count = np.random.default_rng(0), crops, count
        turns = [
            (int(random.integers(4)), int(random.choice([-1, 1])), random.integers(-SIZE // 2, SIZE // 2, 2))
            for _ in range(-(-count // len(crops)))
        ]
        self._changes = turns

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Any) -> np.ndarray:
        rows = np.arange(*rows.indices(self._count)) if isinstance(rows, slice) else rows
        times, own = np.divmod(rows, len(self._crops))
        result = np.empty((len(rows), *self._crops.shape[1:]), np.uint8)
        for number in np.unique(times).tolist():
            turn, mirror, shift = self._changes[number]
            turned = np.rot90(self._crops[own[times == number]], turn, axes=(1, 2))[:, :, ::mirror]
            result[times == number] = np.roll(turned, tuple(shift.tolist()), axis=(1, 2))
        return result


def section(title: str, titles: tuple[str, ...], rows: list, after: str = "") -> str:
    lines = [f"## {title}", "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *([after, ""] if after else [])])


def heading() -> str:
    machine = measured_on("numpy", "numba", "pillow")
    return (
        f"# Near-duplicates on real photographs\n\n{machine}. "
        f"A pair is a near-duplicate at a correlation of {near.SAME} or more; crops of {SIZE} x {SIZE} pixels.\n"
    )


if __name__ == "__main__":
    main()

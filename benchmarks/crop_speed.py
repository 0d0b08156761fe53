"""How fast crops are cut from 1920 x 1080 JPEGs, beside PIL on the same cores.

    python benchmarks/crop_speed.py

makes full-HD JPEGs of the photographs in ../shared/data (enlarged, with a camera's noise, quality 90), and cuts a hand
from each with the crops stage (read, decode, crop, resample, write, all workers) and with PIL (`Image.open`, `crop`,
`resize`; a thread for each core), in turn. Small hands fill a seventh of the picture's height and are cut from the full
decode; large ones fill half of it and are cut from a reduced one. The table is printed and kept in
benchmarks/results/crop_speed.md.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import simplejpeg
from machine import measured_on
from PIL import Image

from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.preparation.geometry import hand_square
from static_gesture_classification.samples import SCHEMA, sample_id, write_samples

PROJECT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = PROJECT.parent / "shared" / "data" / "hagrid_mini"
RESULT = PROJECT / "benchmarks" / "results" / "crop_speed.md"
IMAGES, REPEATS = 480, 5
WIDTH, HEIGHT = 1920, 1080
SIZE, MARGIN = 96, 0.15
SIDES = {"small": HEIGHT / 7, "large": HEIGHT / 2}
LIMIT = 1.5


@dataclass(frozen=True)
class Rates:
    """What the stage and PIL took, one (wall seconds, processor seconds) of each per repetition."""

    stage: list[tuple[float, float]]
    pil: list[tuple[float, float]]

    def ratios(self, clock: int) -> list[float]:
        """How many times longer PIL took, each time, by the wall clock (0) or the processor's (1)."""
        return [theirs[clock] / ours[clock] for ours, theirs in zip(self.stage, self.pil, strict=True)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        frames = make_frames(Path(folder) / "frames")
        rates = {name: measure(Path(folder), frames, side) for name, side in SIDES.items()}
        bytes_each = statistics.mean(frame.path.stat().st_size for frame in frames)
    text = report(rates, bytes_each)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Frame:
    """A full-HD JPEG and the middle of a hand in it, in pixels."""

    path: Path
    x: float
    y: float


def make_frames(folder: Path) -> list[Frame]:
    """Enlarge webcam frames of hagrid_mini to full HD: the middle three quarters of their height."""
    folder.mkdir()
    hands = [hand for file in sorted(PHOTOGRAPHS.glob("annotations/*/*.json")) for hand in webcam_hands(file)]
    chosen = [hands[k] for k in np.linspace(0, len(hands) - 1, IMAGES).astype(int)]
    pieces = np.array_split(np.arange(IMAGES), os.cpu_count() or 1)
    jobs = (joblib.delayed(write_frames)(folder, [(int(k), *chosen[k]) for k in piece]) for piece in pieces)
    return [frame for frames in joblib.Parallel(n_jobs=-1)(jobs) for frame in frames]


def webcam_hands(annotations: Path) -> list[tuple[Path, list[float]]]:
    """Images of 640 x 480 pixels and the box of a hand in each."""
    hands = []
    for name, entry in sorted(json.loads(annotations.read_text()).items()):
        path = PHOTOGRAPHS / annotations.stem / f"{name}.jpg"
        if Image.open(path).size == (640, 480):
            hands.append((path, entry["bboxes"][0]))
    return hands


def write_frames(folder: Path, chosen: Sequence[tuple[int, Path, list[float]]]) -> list[Frame]:
    frames = []
    for number, path, (x, y, w, h) in chosen:
        enlarged = Image.open(path).convert("RGB").resize((WIDTH, WIDTH * 3 // 4), Image.Resampling.LANCZOS)
        top = (enlarged.height - HEIGHT) // 2
        pixels = np.asarray(enlarged)[top : top + HEIGHT]
        noise = np.random.default_rng(number).normal(0, 3, (*pixels.shape[:2], 1))
        noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        target = folder / f"{number:04d}.jpg"
        target.write_bytes(simplejpeg.encode_jpeg(noisy, quality=90, colorsubsampling="420"))
        frames.append(Frame(target, (x + w / 2) * WIDTH, (y + h / 2) * enlarged.height - top))
    return frames


def measure(folder: Path, frames: list[Frame], side: float) -> Rates:
    """Cut a hand of `side` pixels from each frame, with both, `REPEATS` times in turn."""
    boxes = [box_around(frame, side) for frame in frames]
    index = folder / f"{side:.0f}.parquet"
    write_samples(sample_table(frames, boxes), index)
    rates = Rates([], [])
    for repeat in range(REPEATS + 1):
        output = folder / f"crops {side:.0f} {repeat}"
        ours = timed(partial(build_crops, index, output, CropSettings(size=SIZE, margin=MARGIN, max_rejected_share=0)))
        theirs = timed(partial(cut_with_pil, frames, boxes))
        if repeat:  # the first reads the files into memory and starts the threads
            rates.stage.append(ours)
            rates.pil.append(theirs)
    return rates


def box_around(frame: Frame, side: float) -> tuple[float, float, float, float]:
    """A square box of `side` pixels around the hand, moved inside the picture, normalised."""
    rim = side * (0.5 + MARGIN)
    x, y = np.clip(frame.x, rim, WIDTH - rim), np.clip(frame.y, rim, HEIGHT - rim)
    half = side / 2
    return ((x - half) / WIDTH, (y - half) / HEIGHT, (x + half) / WIDTH, (y + half) / HEIGHT)


def sample_table(frames: list[Frame], boxes: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    rows = []
    for frame, box in zip(frames, boxes, strict=True):
        name = frame.path.name
        place = [sample_id("frames", name, 0), name, str(frame.path.parent), *map(np.float32, box)]
        rows.append([*place, "hand", "frames", "hand", name, name, "", None, ""])
    return pd.DataFrame(rows, columns=SCHEMA.names)


def cut_with_pil(frames: list[Frame], boxes: list[tuple[float, float, float, float]]) -> np.ndarray:
    pieces = np.array_split(np.arange(len(frames)), len(frames) // 8)
    jobs = (joblib.delayed(cut_some)([(frames[k].path, boxes[k]) for k in piece]) for piece in pieces)
    return np.concatenate(joblib.Parallel(n_jobs=-1, prefer="threads")(jobs))


def cut_some(some: Sequence[tuple[Path, tuple[float, float, float, float]]]) -> np.ndarray:
    crops = []
    for path, box in some:
        square = hand_square(WIDTH, HEIGHT, box, MARGIN)
        edges = (square.left, square.top, square.left + square.side, square.top + square.side)
        with Image.open(path) as image:
            hand = image.convert("RGB").crop(tuple(round(edge) for edge in edges))  # type: ignore[arg-type]
            crops.append(np.asarray(hand.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
    return np.stack(crops)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, processor_time = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor_time


def report(rates: dict[str, Rates], bytes_each: float) -> str:
    lines = [
        "# Cutting crops from 1920 x 1080 JPEGs",
        "",
        f"{measured_on('simplejpeg', 'pillow', 'numpy', 'joblib')}; "
        f"{IMAGES} images of {bytes_each / 1024:,.0f} KiB, {REPEATS} repetitions of both in turn; medians (smallest to "
        f"largest); load average {os.getloadavg()[0]:.1f}. Wanted: a ratio of at least {LIMIT}.",
        "",
        "| hand | stage | PIL | PIL's wall time / stage's | PIL's processor time / stage's |",
        "|---|---|---|---|---|",
    ]
    for name, rate in rates.items():
        stage, pil = (statistics.median(IMAGES / wall for wall, _ in taken) for taken in (rate.stage, rate.pil))
        ratios = [f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})" for r in map(rate.ratios, (0, 1))]
        speeds = f"{stage:.0f} images/s | {pil:.0f} images/s"
        lines.append(f"| {name}, {SIDES[name]:.0f} pixels | {speeds} | {ratios[0]} | {ratios[1]} |")
    lines += ["", "The stage also hashes every file and writes array and tables; PIL only returns its crops."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

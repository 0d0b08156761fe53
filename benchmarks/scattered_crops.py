"""How fast crops are read in random order from a disk, where memory is too small to keep them.

    python benchmarks/scattered_crops.py [FOLDER]

writes crops of noise to FOLDER (1.8 GB; a temporary one without it) and takes them out of the system's cache. Then it
reads batches of 64 at random: as NumPy maps them, with single rows expected, and as training reads a store that is
larger than memory (`row_arrays.ScatteredRows`). It counts what the disk gave, by /proc/self/io. The table is printed
and kept in benchmarks/results/scattered_crops.md.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import measured_on

from static_gesture_classification.row_arrays import Rows, ScatteredRows, expect_single_rows

RESULT = Path(__file__).resolve().parent / "results" / "scattered_crops.md"
CROPS, SIZE, BATCH, BATCHES, TURNS = 150_000, 64, 64, 100, 3
WRITTEN_AT_ONCE = 1000


@dataclass(frozen=True)
class Pass:
    """Some batches: how they were read, MB from the disk, seconds."""

    how: str
    megabytes: float
    seconds: float


def main() -> None:
    if len(sys.argv) > 1:
        report(measure_all(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(measure_all(Path(folder)))


def measure_all(folder: Path) -> list[Pass]:
    file = folder / "crops.npy"
    write_noise(file)
    passes = [measure(file, how, turn) for turn in range(TURNS) for how in WAYS]
    file.unlink()
    return passes


def single_rows(array: np.ndarray) -> np.ndarray:
    expect_single_rows(array)
    return array


WAYS: dict[str, Callable[[np.ndarray], Rows]] = {
    "as NumPy maps them": lambda array: array,
    "single rows expected": single_rows,
    "a batch asked for at once": ScatteredRows,
}


def write_noise(file: Path) -> None:
    array = np.lib.format.open_memmap(file, "w+", np.uint8, (CROPS, SIZE, SIZE, 3))
    noise = np.random.default_rng(0).integers(0, 256, (WRITTEN_AT_ONCE, SIZE, SIZE, 3), np.uint8)
    for start in range(0, CROPS, WRITTEN_AT_ONCE):
        array[start : start + WRITTEN_AT_ONCE] = noise
    array.flush()


def measure(file: Path, how: str, turn: int) -> Pass:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    rows = WAYS[how](np.load(file, mmap_mode="r"))
    order = np.random.default_rng(turn).permutation(CROPS)[: BATCH * BATCHES]
    before, start = bytes_from_disk(), time.perf_counter()
    for batch in order.reshape(BATCHES, BATCH):
        rows[batch]
    return Pass(how, (bytes_from_disk() - before) / 1e6, time.perf_counter() - start)


def bytes_from_disk() -> int:
    found = re.search(r"^read_bytes: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def report(passes: list[Pass]) -> None:
    rows = []
    for how in WAYS:
        own = sorted((each for each in passes if each.how == how), key=lambda each: each.seconds)
        middle, rates = own[len(own) // 2], [BATCH * BATCHES / each.seconds for each in own]
        span = f"{rates[-1]:,.0f} to {rates[0]:,.0f}"
        rows.append(f"| {how} | {middle.megabytes:,.0f} MB | {BATCH * BATCHES / middle.seconds:,.0f} ({span}) |")
    needed = BATCH * BATCHES * SIZE * SIZE * 3 / 1e6
    text = "\n".join(
        [
            f"# Crops in random order from the disk\n\n{measured_on('numpy')}; load average {os.getloadavg()[0]:.1f}\n",
            f"{BATCH * BATCHES:,} of {CROPS:,} crops of {SIZE} pixels, {needed:,.0f} MB, in batches of {BATCH}; none "
            f"in memory before. Medians of {TURNS}, with the least and the most.\n",
            "| read | from the disk | crops a second |\n|---|---|---|",
            *rows,
            "\nWhere memory takes the whole file, the first way is right: after a few batches all of it is there.\n",
        ]
    )
    print(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""How long indexing all of HaGRID v2's annotations takes, and how much memory.

    python benchmarks/index_speed.py [FOLDER]

writes annotations of HaGRID v2's size (34 gestures, 1,086,158 images, a second hand in every third, 21 landmarks a
hand; an empty file for each image) to FOLDER unless they are there, about 1.1 GB and a million files, indexes them in a
process of its own and samples the memory of it and its children. Without FOLDER they go to a temporary one, deleted
afterwards. The table is printed and kept in benchmarks/results/index_speed.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import psutil
import pyarrow.parquet as pq
import yaml
from machine import measured_on

from static_gesture_classification.samples import landmark_array, read_arrow

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "index_speed.md"
IMAGES = 1_086_158
SPLITS = {"train": 0.76, "val": 0.09, "test": 0.15}
IMAGES_PER_PERSON = 16
LIMIT_SECONDS, LIMIT_MIB = 20, 1331


@dataclass(frozen=True)
class Measurement:
    """What indexing took, and what it made."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    hands: int
    samples: int
    landmarks: int
    load: float


def main() -> None:
    if len(sys.argv) > 1:
        report(measure(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(measure(Path(folder)))


def measure(folder: Path) -> Measurement:
    dataset, output = folder / "hagrid", folder / "index"
    if not (dataset / "annotations").is_dir():
        write_dataset(dataset)
    load = os.getloadavg()[0]
    measured = index(dataset, output)
    table = pq.ParquetFile(output / "samples.parquet")
    known = np.isfinite(landmark_array(read_arrow(output / "samples.parquet", ["landmarks"]))).all(axis=(1, 2))
    counts = orjson.loads((output / "report.json").read_bytes())["sources"]["hagrid"]
    hands = counts["rows"] + counts["ignored"]
    return Measurement(*measured, hands, table.metadata.num_rows, int(known.sum()), load)


def write_dataset(dataset: Path, images: int = IMAGES) -> None:
    """HaGRID v2's layout with random hands: the first of an image shows its gesture, a second one none."""
    gestures = list(yaml.safe_load((PROJECT / "conf" / "sources" / "hagrid.yaml").read_text())["labels"])
    random = np.random.default_rng(0)
    for gesture in gestures:
        (dataset / gesture).mkdir(parents=True)
        for split, share in SPLITS.items():
            entries = entries_of(gesture, int(images / len(gestures) * share) + 1, random)
            file = dataset / "annotations" / split / f"{gesture}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(orjson.dumps(entries))
            for name in entries:
                (dataset / gesture / f"{name}.jpg").touch()


def entries_of(gesture: str, images: int, random: np.random.Generator) -> dict[str, dict[str, object]]:
    people = [random.bytes(16).hex() for _ in range(images // IMAGES_PER_PERSON + 1)]
    return {name_of(random): entry_of(gesture, people[random.integers(len(people))], random) for _ in range(images)}


def name_of(random: np.random.Generator) -> str:
    text = random.bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def entry_of(gesture: str, person: str, random: np.random.Generator) -> dict[str, object]:
    hands = 2 if random.random() < 1 / 3 else 1
    corners, sizes = random.uniform(0, 0.6, (hands, 2)), random.uniform(0.05, 0.35, (hands, 2))
    points = corners[:, None] + random.random((hands, 21, 2)) * sizes[:, None]
    return {
        "bboxes": np.concatenate([corners, sizes], axis=1).tolist(),
        "labels": [gesture, "no_gesture"][:hands],
        "united_bbox": None,
        "united_label": None,
        "user_id": person,
        "hand_landmarks": points.tolist(),
        "meta": {"age": [31.4], "gender": ["female"], "race": ["White"]},
    }


def index(dataset: Path, output: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory in MiB of the stage and its children."""
    command = [sys.executable, "-m", "static_gesture_classification.preparation.index", "sources=[hagrid]"]
    command += [f"sources.hagrid.root={dataset}", f"paths.index={output}"]
    return watch(command)[:3]


def watch(command: Sequence[str]) -> tuple[float, float, float, float]:
    """Wall seconds and processor seconds of a command and its children; the peak of their resident memory, and of that
    without pages of files, in MiB.
    """
    start, peak, own, spent = time.perf_counter(), 0, 0, 0.0
    process = psutil.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        memory, anonymous, seconds = usage(process)
        peak, own, spent = max(peak, memory), max(own, anonymous), max(spent, seconds)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with exit status {process.returncode}")
    return time.perf_counter() - start, spent, peak / 2**20, own / 2**20


def usage(process: psutil.Process) -> tuple[int, int, float]:
    """Of a process and its children, now: resident memory, and that without pages of files, in bytes; and processor
    seconds.
    """
    memory, anonymous, seconds = 0, 0, 0.0
    try:
        for member in [process, *process.children(recursive=True)]:
            held = member.memory_info()
            memory += held.rss
            anonymous += held.rss - held.shared
            seconds += sum(member.cpu_times()[:2])
    except psutil.Error:  # ended meanwhile
        pass
    return memory, anonymous, seconds


def report(measured: Measurement) -> None:
    rows = {
        "hands in the annotations": f"{measured.hands:,}",
        "samples (without two-hand gestures)": f"{measured.samples:,}",
        "of them with landmarks": f"{measured.landmarks:,}",
        "wall time": f"{measured.seconds:.1f} s (limit {LIMIT_SECONDS} s)",
        "processor time, all processes": f"{measured.processor_seconds:.1f} s",
        "peak resident memory, all processes": f"{measured.peak_mib:,.0f} MiB (limit {LIMIT_MIB:,} MiB)",
    }
    machine = measured_on("orjson", "numpy", "pyarrow", "joblib")
    text = (
        f"# Indexing HaGRID v2's annotations\n\n{machine}; "
        f"load average before the start {measured.load:.1f}\n\n| | |\n|---|---|\n"
        + "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    )
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

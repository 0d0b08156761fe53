"""How long a landmark model takes to learn from all of HaGRID's annotations, and how much memory; and how much memory a
training takes whose crops are many times as large.

    python benchmarks/landmark_training.py ANNOTATIONS [WORK]    # landmarks: a folder of HaGRID v2's layout
    python benchmarks/landmark_training.py crops                 # the memory of an epoch of crops; half a minute

The landmark chain is that of docs/scale.md, stage by stage, each in a process of its own: index, crops (there are no
pictures, so no crops), split, landmarks, and training with one pass over all hands. Only time and memory say something:
made annotations hold random hands. The memory is what the stage and its children have resident, sampled. What a stage
took is kept in WORK, so that a command that was broken off goes on; training is measured anew each time.

The epoch of crops reads every crop of a store of 8 GiB once, in batches at random, as training does, and computes
nothing. Its file is sparse, so it needs no room on the disk; the system keeps its pages like any other file's.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from machine import measured_on

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from static_gesture_classification.atomic_files import write_json  # noqa: E402

RESULT = PROJECT / "benchmarks" / "results" / "landmark_training.md"
TITLES = {"landmarks": "Landmarks of HaGRID's annotations", "crops": "Crops larger than memory"}
STAGES = ("preparation.index", "preparation.crops", "preparation.split", "preparation.landmarks")
MOST_SECONDS, MOST_MIB = 240, 2048
EPOCH = 1_200_000  # hands
STORE, SIZE, BATCH = 8 * 2**30, 64, 64
PARTS = 10
MEASURED = "measured.json"


@dataclass(frozen=True)
class Measurement:
    """What a stage took: wall seconds, processor seconds, peak of its resident memory in MiB, and what it said."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    said: str


def main() -> None:
    if sys.argv[1:] == ["crops"]:
        keep("crops", epoch_of_crops())
        return
    if not sys.argv[1:]:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder)
        keep("landmarks", landmark_chain(Path(sys.argv[1]).resolve(), work.resolve()))


def keep(part: str, text: str) -> None:
    """Print a part of the results, and put it in place of the earlier one."""
    print(text)
    earlier = RESULT.read_text(encoding="utf-8").split("\n## ")[1:] if RESULT.is_file() else []
    parts = dict(section.split("\n\n", 1) for section in earlier) | {TITLES[part]: text}
    sections = [f"## {title}\n\n{parts[title].strip()}\n" for title in TITLES.values() if title in parts]
    RESULT.write_text("\n".join(["# Training on much data\n", *sections]), encoding="utf-8")


def landmark_chain(annotations: Path, work: Path) -> str:
    work.mkdir(parents=True, exist_ok=True)
    settings = ["sources=[hagrid]", f"sources.hagrid.root={annotations}", "sources.hagrid.require_images=false"]
    settings += ["model=landmarks", "logger=[]"]
    load = os.getloadavg()[0]
    stages = known_stages(work)
    for stage in STAGES:
        if stage not in stages:
            stages[stage] = measure(["-m", f"static_gesture_classification.{stage}", *settings], work)
            write_json(work / MEASURED, {name: asdict(each) for name, each in stages.items()})
    training = ["-m", "train_static_gestures", *settings, "train_hyperparams.passes=1", "train_hyperparams.fresh=true"]
    stages["train"] = measure(training, work)
    return report_of_landmarks(stages, work, load)


def known_stages(work: Path) -> dict[str, Measurement]:
    """What the stages took that an earlier command ran in this folder."""
    kept = work / MEASURED
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    return {stage: Measurement(**each) for stage, each in known.items()}


def measure(arguments: list[str], work: Path) -> Measurement:
    """Run Python with these arguments, and watch it."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}
    start = time.perf_counter()
    with (work / "said.txt").open("w+b") as said:
        process = psutil.Popen([sys.executable, *arguments], cwd=work, env=environment, stdout=said)
        peak, spent = 0, 0.0
        while process.poll() is None:
            memory, seconds = usage(process)
            peak, spent = max(peak, memory), max(spent, seconds)
            time.sleep(0.05)
        said.seek(0)
        text = said.read().decode()
    if process.returncode:
        raise SystemExit(f"{arguments[1]} failed with exit status {process.returncode}")
    return Measurement(time.perf_counter() - start, spent, peak / 2**20, text)


def usage(process: psutil.Process) -> tuple[int, float]:
    """Resident bytes and processor seconds of a process and its children, now."""
    try:
        members = (process, *process.children(recursive=True))
        return sum(each.memory_info().rss for each in members), sum(sum(each.cpu_times()[:2]) for each in members)
    except psutil.Error:  # ended meanwhile
        return 0, 0.0


def report_of_landmarks(stages: dict[str, Measurement], work: Path, load: float) -> str:
    hands = len(np.load(work / "data/landmarks/landmarks.npy", mmap_mode="r"))
    found = re.search(r"epoch 0 .*\((\d+) images/s, ([\d.]+) s\)", stages["train"].said)
    assert found is not None
    rate, epoch = int(found[1]), float(found[2])
    lines = [
        f"| {stage.rpartition('.')[2]} | {each.seconds:,.1f} | {each.processor_seconds:,.1f} | {each.peak_mib:,.0f} |"
        for stage, each in stages.items()
    ]
    computed = "" if rate * epoch > 0.9 * EPOCH else ", computed from this part"
    bound = stages["train"].processor_seconds * EPOCH / (rate * epoch)
    return "\n".join(
        [
            f"{hands:,} hands with landmarks and no pictures; one pass over those of train.",
            "",
            "| stage | seconds | processor seconds | peak resident MiB |",
            "|---|---:|---:|---:|",
            *lines,
            "",
            f"The epoch itself, with validation and what is kept of it: {rate * epoch:,.0f} hands in {epoch:.1f} s, "
            f"{rate:,} hands a second: {EPOCH / rate:.0f} s for {EPOCH:,} (goal: at most {MOST_SECONDS} s{computed}). "
            f"By the processor time of the whole training, with its start, {EPOCH:,} take at most {bound:.0f} s on a "
            "processor that has nothing else to do. "
            f"Peak memory of the training {stages['train'].peak_mib:,.0f} MiB (goal: less than {MOST_MIB:,} MiB).",
            "",
            circumstances(load),
        ]
    )


def epoch_of_crops() -> str:
    """Read an epoch of a sparse store, with the training's own data module, and note the memory meanwhile."""
    from static_gesture_classification.gestures import Vocabulary
    from static_gesture_classification.training.datamodule import GestureDataModule
    from static_gesture_classification.training.inputs import KINDS, PreparedHands

    load, count = os.getloadavg()[0], STORE // (SIZE * SIZE * 3)
    names = ("BACKGROUND", "ONE")
    splits = np.where(np.arange(count) < 2 * BATCH, "val", "train")
    samples = pd.DataFrame({"gesture": np.array(names)[np.arange(count) % 2], "split": splits})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIZE, SIZE, 3)).flush()
        crops = np.load(path, mmap_mode="r")
        hands = PreparedHands(samples, crops, crop_size=SIZE)
        data = GestureDataModule(KINDS["crops"], hands, Vocabulary(names, names[0]), BATCH, seed=0)
        start, process, seen = time.perf_counter(), psutil.Process(), []
        before = process.memory_info().rss
        for batch in data.train_dataloader():
            assert batch.inputs.shape[0] == BATCH
            seen.append(process.memory_info().rss)
        seconds = time.perf_counter() - start
    parts = [max(part) / 2**20 for part in np.array_split(np.array(seen), PARTS)]
    allowed = STORE / 10 / 2**20
    return "\n".join(
        [
            f"{count:,} crops of {SIZE} x {SIZE} pixels, {STORE / 2**30:.0f} GiB, each read once in batches of "
            f"{BATCH}: {len(seen) * BATCH / seconds:,.0f} crops a second. The process had {before / 2**20:,.0f} MiB "
            "before. Its peak in each tenth of the epoch, MiB:",
            "",
            "| " + " | ".join(f"{number}" for number in range(1, PARTS + 1)) + " |",
            "|" + "---:|" * PARTS,
            "| " + " | ".join(f"{part:,.0f}" for part in parts) + " |",
            "",
            f"At most {max(parts) - before / 2**20:,.0f} MiB more than before (goal: flat, with a tenth of the store, "
            f"{allowed:,.0f} MiB, as the memory that there is). What is resident depends on the rows read between "
            "two releases of memory, not on the store's size. Landmarks are read in the same way.",
            "",
            circumstances(load),
        ]
    )


def circumstances(load: float) -> str:
    machine = measured_on("torch", "numpy", "pandas", "pyarrow")
    return f"{machine}; load {load:.1f}.\n"


if __name__ == "__main__":
    main()

"""Training on a store of crops that is ten times as large as memory: speed and resident memory over time.

    python benchmarks/store_beyond_memory.py [FOLDER]    # as root, about 5 minutes; 22 GB in FOLDER or a temporary one

makes two stores of 224 x 224 crops in the format of the crops stage (noise, which no disk can shrink), one that memory
takes and one ten times as large, and a process for each with 2 GiB of memory, the system's cache included: a control
group of Linux, of its first or second version. It opens the store as `gestures train` does, which hashes a part of it,
reads an epoch (of at most a minute) with the data module's own loader, and trains some steps. Where no control group
can be made it says so, and the machine's memory is the limit.

Resident memory is counted in three parts: `anonymous` is the process's own (Python, torch, batches), `mapped` what it
has mapped of the store, `cache` what the system keeps of files for the group, which it takes back by itself.

The table is printed and kept in benchmarks/results/store_beyond_memory.md.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULT = Path(__file__).resolve().parent / "results" / "store_beyond_memory.md"
GIB = 2**30
MEMORY = 2 * GIB
SIZE, BATCH = 224, 32
MOST_SECONDS = 60  # of reading
STORES = {"fits": 5_000, "ten times memory": 143_000}  # crops
VAL = 200
STEPS = 8  # of training
WRITTEN_AT_ONCE = 1_000
BETWEEN = 1.0  # seconds between two looks at memory
GROUP = "crops-beyond-memory"
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
AS_BEFORE = "--as-numpy-maps"  # reads the store as NumPy maps it, which training did where it did not see the limit


@dataclass(frozen=True)
class Look:
    """Seconds since the start, what is done, crops read so far; bytes that are resident."""

    seconds: float
    doing: str
    rows: int
    anonymous: int
    mapped: int
    cache: int


def main() -> None:
    """Measure, or be the process that is measured."""
    if "--child" in sys.argv:
        train_here(Path(sys.argv[2]), AS_BEFORE in sys.argv)
    elif len(sys.argv) > 1:
        report(measure_all(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(measure_all(Path(folder)))


# ---- the process whose memory is limited -----------------------------------------------------------------------------


def train_here(project: Path, as_before: bool) -> None:
    """Open the store, read an epoch, train some steps; a line of JSON for each look at memory."""
    from hydra import compose, initialize_config_dir

    from static_gesture_classification import row_arrays
    from static_gesture_classification.configuration import CONF
    from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
    from static_gesture_classification.training.settings import TrainingSettings

    if as_before:
        row_arrays.free_memory = lambda: sys.maxsize
    batch = f"train_hyperparams.batch_size={BATCH}"
    paths = [f"paths.{name}={project / name}" for name in ("crops", "splits", "runs", "models")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = TrainingSettings.from_config(compose("config", [*paths, f"crops.size={SIZE}", batch]))
    watch = Watch()
    data = open_data(settings)
    watch.look("opened")
    data.fingerprint()
    watch.look("hashed")
    watch.begin()
    for some in data.train_dataloader():
        watch.read(len(some.rows))
        if time.perf_counter() - watch.start > MOST_SECONDS:
            break
    watch.look("read")
    watch.begin()
    module = build_module(settings, data)
    trainer = build_trainer(settings, module, callbacks=[watch.callback()], validates=False)
    trainer.limit_train_batches, trainer.fit_loop.max_epochs = STEPS, 1
    trainer.fit(module, data)
    watch.look("trained")


class Watch:
    """Looks at this process's memory and prints it."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()
        self.rows = 0

    def begin(self) -> None:
        """Begin to count crops."""
        self.rows, self.start = 0, time.perf_counter()

    def read(self, rows: int, doing: str = "reading") -> None:
        """Count crops, and look from time to time."""
        self.rows += rows
        if time.perf_counter() - self.last > BETWEEN:
            self.look(doing)

    def look(self, doing: str) -> None:
        """Print what is resident now."""
        self.last = time.perf_counter()
        status = Path("/proc/self/status").read_text()
        anonymous, mapped = (
            1024 * int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1])  # type: ignore[index]
            for name in ("RssAnon", "RssFile")
        )
        look = Look(self.last - self.start, doing, self.rows, anonymous, mapped, cache_of_group())
        print(json.dumps(asdict(look)), flush=True)

    def callback(self) -> Any:
        """Of Lightning: counts the crops of each step."""
        from static_gesture_classification.training.callbacks import Callback

        watch = self

        class Counting(Callback):
            def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, number: int) -> None:
                """Count."""
                watch.read(len(batch.rows), "training")

        return Counting()


def cache_of_group() -> int:
    """Bytes of files that the system keeps for this benchmark's group; 0 without one."""
    for root, name in ((V1, "total_cache"), (V2, "file")):
        path = root / GROUP / "memory.stat"
        if path.is_file():
            found = re.search(rf"^{name} (\d+)", path.read_text(), re.MULTILINE)
            return int(found[1]) if found else 0
    return 0


# ---- what starts it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A process: which store, how it read, what it said, how it ended, and whether its memory was limited."""

    store: str
    how: str
    looks: list[Look]
    killed: bool
    limited: bool


def measure_all(folder: Path) -> list[Measured]:
    measured = []
    for name, crops in STORES.items():
        project = folder / name.replace(" ", "-")
        write_store(project, crops)
        measured.append(measure(project, name, []))
        if crops == max(STORES.values()):
            measured.append(measure(project, name, [AS_BEFORE]))
        for path in project.rglob("*"):
            if path.is_file():
                path.unlink()
    return measured


def write_store(project: Path, count: int) -> None:
    """Crops, their table and the splits, as the stages leave them."""
    from static_gesture_classification.preparation.crop_store import DONE, ROW_RECORD, PartialCrops, publish_crops
    from static_gesture_classification.samples import write_samples

    keys = np.frombuffer(np.random.default_rng(1).bytes(16 * count), ROW_RECORD["key"])
    noise = np.random.default_rng(0).integers(0, 256, (WRITTEN_AT_ONCE, SIZE, SIZE, 3), np.uint8)
    with PartialCrops(project / "crops", b"beyond memory".ljust(16, b"\0"), keys, SIZE) as crops:
        for start in range(0, count, WRITTEN_AT_ONCE):
            rows = np.arange(start, min(start + WRITTEN_AT_ONCE, count))
            crops.write(rows, noise[: len(rows)] + np.uint8(start // WRITTEN_AT_ONCE))
            crops.state[rows] = DONE
            crops.checkpoint(rows)
        crops.compact()
    publish_crops(project / "crops", [], array_is_new=True)
    (project / "splits").mkdir()
    samples = sample_table(count)
    for folder in ("crops", "splits"):
        write_samples(samples, project / folder / "samples.parquet")


def sample_table(count: int) -> pd.DataFrame:
    """The table of the crops: `VAL` of them in val, all others in train."""
    from hydra import compose, initialize_config_dir

    from static_gesture_classification.configuration import CONF
    from static_gesture_classification.samples import sample_id

    with initialize_config_dir(str(CONF), version_base="1.3"):
        gestures = list(compose("config").gestures.names)
    numbers = np.arange(count)
    texts = dict.fromkeys(("root", "source", "source_label", "subject", "session", "hand"), "benchmark")
    return pd.DataFrame(
        {
            **{name: [text] * count for name, text in texts.items()},
            "sample_id": [sample_id("benchmark", str(number), 0) for number in numbers],
            "image": [f"{number}.jpg" for number in numbers],
            "gesture": [gestures[number % len(gestures)] for number in numbers],
            "split": np.where(numbers < VAL, "val", "train"),
            **{"x1": 0.1, "y1": 0.1, "x2": 0.4, "y2": 0.6},
            "landmarks": [None] * count,
        }
    )


def measure(project: Path, name: str, options: list[str]) -> Measured:
    """Run the process on a store that is not in the system's cache."""
    with (project / "crops" / "crops.npy").open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with limited_group() as group:
        command = [sys.executable, __file__, "--child", str(project), *options]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: join(group) if group else None
        )
    said = [Look(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    killed = done.returncode == -signal.SIGKILL
    if done.returncode and not killed:
        raise SystemExit(f"the training process ended with {done.returncode}")
    how = "as NumPy maps it" if options else "as training reads it"
    print(name, how, "killed" if killed else "ended", said[-1] if said else "", file=sys.stderr, flush=True)
    return Measured(name, how, said, killed, group is not None)


@contextmanager
def limited_group() -> Iterator[Path | None]:
    """The folder of a control group with `MEMORY` bytes; None where none can be made."""
    root, limit = (V1, "memory.limit_in_bytes") if (V1 / "memory.limit_in_bytes").is_file() else (V2, "memory.max")
    group: Path | None = root / GROUP
    try:
        (root / GROUP).mkdir()
        (root / GROUP / limit).write_text(str(MEMORY))
    except OSError as error:
        print(f"memory is not limited, since no control group can be made: {error}", file=sys.stderr)
        group = None
    try:
        yield group
    finally:
        if group is not None:
            group.rmdir()


def join(group: Path) -> None:
    """Put this process into the group."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


# ---- what is printed -------------------------------------------------------------------------------------------------


def report(measured: list[Measured]) -> None:
    from machine import measured_on

    limited = f"{MEMORY / GIB:.0f} GiB of memory, cache included" if measured[0].limited else "memory not limited"
    sizes = [f"{count:,} ({count * SIZE * SIZE * 3 / GIB:.1f} GiB, {name})" for name, count in STORES.items()]
    text = "\n".join(
        [
            "# A store of crops ten times as large as memory\n",
            f"{measured_on('numpy', 'torch')}; load average {os.getloadavg()[0]:.1f}; {limited}\n",
            f"Crops of {SIZE} pixels: {' and '.join(sizes)}; batches of {BATCH} in random order, none in memory before."
            f" Read: an epoch by the data module's own loader, {MOST_SECONDS} s at most. Trained: {STEPS} steps of "
            "resnet18 by the trainer. Resident memory while reading, in MiB: least to most after its first tenth. What "
            "the columns are: benchmarks/store_beyond_memory.py.\n",
            "| store | way | opened, hashed | crops read | a second | trained | anonymous | mapped | cache |",
            "|---|---|---|---|---|---|---|---|---|",
            *map(row_of, measured),
            "",
            *over_time(measured),
        ]
    )
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def row_of(measured: Measured) -> str:
    """One process in the table."""
    looks = {look.doing: look for look in measured.looks}
    if "read" not in looks:
        last = measured.looks[-1] if measured.looks else None
        return f"| {measured.store} | {measured.how} | ended early, killed: {measured.killed}, {last} | | | | | | |"
    read, trained = looks["read"], looks.get("trained")
    steady = [look for look in measured.looks if look.doing in ("reading", "read") and look.rows > read.rows / 10]
    spans = [span_of([getattr(look, name) for look in steady]) for name in ("anonymous", "mapped", "cache")]
    trained_rate = f"{trained.rows / trained.seconds:.1f} a second" if trained else "killed"
    return (
        f"| {measured.store} | {measured.how} | {looks['opened'].seconds:.1f}, {looks['hashed'].seconds:.1f} s "
        f"| {read.rows:,} | {read.rows / read.seconds:,.0f} | {trained_rate} | {' | '.join(spans)} |"
    )


def span_of(values: list[int]) -> str:
    """Least to most, MiB."""
    return f"{min(values) / 2**20:,.0f} to {max(values) / 2**20:,.0f}"


def over_time(measured: list[Measured]) -> list[str]:
    """Memory along the epoch, some lines for each process with the large store."""
    lines = []
    for each in measured:
        reading = [look for look in each.looks if look.doing in ("reading", "read")]
        if each.store != max(STORES, key=lambda name: STORES[name]) or not reading:
            continue
        chosen = reading[:: max(1, len(reading) // 8)]
        lines += [
            f"Over time, the large store {each.how}:\n",
            "| seconds | crops read | anonymous | mapped | cache |\n|---|---|---|---|---|",
            *(
                f"| {look.seconds:.0f} | {look.rows:,} | {look.anonymous / 2**20:,.0f} | {look.mapped / 2**20:,.0f} "
                f"| {look.cache / 2**20:,.0f} |"
                for look in chosen
            ),
            "",
        ]
    return lines


if __name__ == "__main__":
    main()

"""Run folders at scale: the page of a long run with many gestures, and the list of many runs.

    python benchmarks/trackers.py

Makes a run of 1,000 epochs and 200 gestures as training and the evaluation of each epoch write it (scores are made up,
pictures are one small one), writes its page, and lists 500 runs: one of them that long one, the others of 50 epochs
and 10 gestures. Medians of 5; the list is also read by a process that has read it before, as the page's server does.
Printed and kept in benchmarks/results/trackers.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import measured_on
from rich.markdown import Markdown

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from static_gesture_classification.evaluation.runs import runs_table  # noqa: E402
from static_gesture_classification.terminal import console  # noqa: E402
from static_gesture_classification.tracking import run_list  # noqa: E402
from static_gesture_classification.tracking.dashboards import REPORT_FIELD, REPORT_SCORES  # noqa: E402
from static_gesture_classification.tracking.report import write_page  # noqa: E402
from static_gesture_classification.tracking.run_folder import BEST_SCORE, SECONDS, RunFolder  # noqa: E402

RESULT = PROJECT / "benchmarks" / "results" / "trackers.md"
EPOCHS, GESTURES = 1_000, 200
RUNS, USUAL_EPOCHS, USUAL_GESTURES = 500, 50, 10
REPEATS = 5
LARGEST, LONGEST, LONGEST_LIST = 5e6, 2.0, 1.0  # bytes, seconds, seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        rows = [*page_rows(make_run(runs, "long", EPOCHS, GESTURES)), *list_rows(runs)]
    text = report(rows)
    console.print(Markdown(text))
    RESULT.write_text(text, encoding="utf-8")


def make_run(runs: Path, name: str, epochs: int, gestures: int) -> RunFolder:
    """A finished run, with what training logs of each epoch."""
    names = [f"GESTURE_{number:03d}" for number in range(gestures)]
    config = {"model": {"name": "resnet18"}, "gestures": {"names": names}, "train_hyperparams": {"epochs": epochs}}
    run = RunFolder.create(runs, name, config, ["resnet18", "valid_run"], project=PROJECT / "benchmarks")
    random = np.random.default_rng(0)
    levels = random.uniform(0.5, 0.98, gestures)
    for epoch in range(epochs):
        run.log_series(epoch_series(epoch, epochs, names, levels, random), epoch)
    for second in range(0, 100 * epochs, 10):
        load = {name: float(random.uniform(0, 100)) for name in ("cpu", "memory", "process_cpu", "process_memory")}
        run.log_series({f"monitoring/{name}": value for name, value in load.items()}, second, SECONDS)
    log_files(run, epochs)
    run.set_status("finished")
    return run


def epoch_series(
    epoch: int, epochs: int, names: list[str], levels: np.ndarray, random: np.random.Generator
) -> dict[str, float]:
    """What is logged of one epoch: losses that fall, scores that rise to a level of each gesture."""
    learned = 1 - np.exp(-6 * (epoch + 1) / epochs)
    scores = np.clip(levels * learned + random.normal(0, 0.02, (3, len(names))), 0, 1)
    values = {"training/train_loss": 3 * (1 - learned), "training/val_loss": 3.1 - 3 * learned, "training/lr": 0.001}
    values[BEST_SCORE] = float(scores[2].mean())
    for number, name in enumerate(names):
        values |= {f"{REPORT_FIELD}/{name}/{REPORT_SCORES[row]}": float(scores[row, number]) for row in range(3)}
        values[f"{REPORT_FIELD}/{name}/support"] = 100.0
    for average in ("macro avg", "weighted avg"):
        values |= {f"{REPORT_FIELD}/{average}/{score}": values[BEST_SCORE] for score in REPORT_SCORES[:3]}
    return values


def log_files(run: RunFolder, epochs: int) -> None:
    """The pictures and tables of a run; each is the same small file."""
    picture = run.log_image("datasets/train_samples/sample_0", np.full((60, 80, 3), 200, np.uint8))
    fields = [f"datasets/{split}_samples/sample_{number}" for split in ("train", "val") for number in range(20)]
    fields += [f"val/figures/confusion_matrices/{epoch:04d}" for epoch in range(epochs)]
    fields += [f"val/error_pairs/{epoch:04d}/pair_{number}" for epoch in (0, epochs - 1) for number in range(20)]
    tables = [f"predictions/{split}/{epoch:04d}" for split in ("train", "val") for epoch in range(epochs)]
    for name in [*(f"{field}.png" for field in fields), *(f"{field}.parquet" for field in tables)]:
        path = run.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.link(picture, path)


def page_rows(run: RunFolder) -> list[tuple[str, str, str, bool]]:
    """Size of the page, and seconds to write it: by a process that goes on, and by the command."""
    write_page(run)
    size = (run.path / "report.html").stat().st_size
    seconds = median_seconds(lambda: write_page(run))
    processor = median_seconds(lambda: write_page(run), time.process_time)
    return [
        ("page of the long run: size", f"{size / 1e6:.2f} MB", f"{LARGEST / 1e6:.0f} MB", size < LARGEST),
        ("page of the long run: time", f"{seconds:.2f} s", f"{LONGEST:.0f} s", seconds < LONGEST),
        ("... of the processor", f"{processor:.2f} s", "", True),
    ]


def list_rows(runs: Path) -> list[tuple[str, str, str, bool]]:
    """Seconds to list all runs: once a process has begun, again, and the whole command."""
    usual = make_run(runs, "run-000", USUAL_EPOCHS, USUAL_GESTURES)
    for number in range(1, RUNS - 1):
        copy_run(usual, f"run-{number:03d}")
    first = median_seconds(lambda: forget_and_list(runs))
    processor = median_seconds(lambda: forget_and_list(runs), time.process_time)
    again = median_seconds(lambda: run_list.list_runs(runs))
    table = median_seconds(lambda: runs_table(runs))
    command = [sys.executable, "-m", "static_gesture_classification", "runs", f"paths.runs={runs}"]
    whole = median_seconds(lambda: subprocess.run(command, cwd=PROJECT, check=True, capture_output=True))
    return [
        (f"list of {RUNS} runs, first time", f"{first:.2f} s", f"{LONGEST_LIST:.0f} s", first < LONGEST_LIST),
        ("... of the processor", f"{processor:.2f} s", "", True),
        ("... again, nothing changed", f"{again:.2f} s", f"{LONGEST_LIST:.0f} s", again < LONGEST_LIST),
        ("... as the table of `gestures runs`", f"{table:.2f} s", f"{LONGEST_LIST:.0f} s", table < LONGEST_LIST),
        ("`gestures runs`, Python's start included", f"{whole:.2f} s", "", True),
    ]


def forget_and_list(runs: Path) -> None:
    """List runs as a process does that has not read them."""
    run_list._summarise.cache_clear()
    run_list.list_runs(runs)


def copy_run(run: RunFolder, name: str) -> None:
    """The same run under another name, without its pictures and tables, which lists do not read."""
    target = run.path.parent / name
    shutil.copytree(run.path, target, ignore=shutil.ignore_patterns("run.json", "val", "predictions", "datasets"))
    record: dict[str, Any] = {**run.record(), "run_id": name}
    (target / "run.json").write_text(json.dumps(record), encoding="utf-8")


def median_seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Median of some repetitions."""
    seconds = []
    for _ in range(REPEATS):
        start = clock()
        work()
        seconds.append(clock() - start)
    return median(seconds)


def report(rows: list[tuple[str, str, str, bool]]) -> str:
    """The table, in Markdown."""
    lines = [
        f"| {what} | {value} | {goal + ('' if met else ': **missed**') if goal else ''} |"
        for what, value, goal, met in rows
    ]
    return "\n".join(
        [
            "# Run folders at scale",
            "",
            f"{measured_on('numpy', 'pandas', 'matplotlib', 'pyarrow')}; load average {os.getloadavg()[0]:.1f}. "
            f"Medians of {REPEATS}. The long run: {EPOCHS:,} epochs, {GESTURES} gestures. Printed by "
            "`python benchmarks/trackers.py`. The processor's time, of one thread, is what it takes where nothing else "
            "runs.",
            "",
            "| | measured | at most |",
            "|---|---:|---:|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()

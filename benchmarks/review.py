"""How long the local page takes to show its content.

    python benchmarks/review.py [PART ...]      # start, runs, ...; without: all

Each part makes its data in a temporary folder, starts `gestures app` there, and measures in Debian's chromium. A table
per part is printed; all parts together are kept in benchmarks/results/review.md.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from machine import measured_on

from static_gesture_classification.evaluation.epoch_callback import VERSION_FIELD
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from static_gesture_classification.tracking.run_folder import BEST_SCORE, RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "review.md"
RUNS, EPOCHS, RUNS_LIMIT = 200, 20, 2.0
SESSIONS, PICTURES = 200, 40
TIMES = 5  # each is measured, with a new browser context


@dataclass(frozen=True)
class Row:
    """One line of a table: what, how long, and the limit, in seconds.

    `first` is the first time, `median` that of the others; `server` is the server's processor time for each.
    """

    what: str
    first: float
    median: float
    server: float
    limit: float

    def text(self) -> str:
        """The line in Markdown."""
        kept = "kept" if max(self.first, self.median) <= self.limit else "**missed**"
        times = " | ".join(f"{seconds:.2f} s" for seconds in (self.first, self.median, self.server))
        return f"| {self.what} | {times} | {self.limit:g} s: {kept} |"


def main() -> None:
    load = os.getloadavg()[0]
    chosen = sys.argv[1:] or list(PARTS)
    rows = [row for name in chosen for row in PARTS[name]()]
    report(rows, load, whole=set(chosen) == set(PARTS))


def runs_part() -> list[Row]:
    """The table of runs with 200 runs, and its answer to a search."""
    with tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder) / "runs")
        with served(Path(folder)) as (address, server):
            before = processor_seconds(server)
            shown = timed_pages(f"{address}/runs", "table tbody a >> nth=0")
            spent = (processor_seconds(server) - before) / TIMES
    what = f"the page of runs, {RUNS} runs of {EPOCHS} epochs"
    return [Row(what, shown[0], statistics.median(shown[1:]), spent, RUNS_LIMIT)]


def start_part() -> list[Row]:
    """The start page, which counts what is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder) / "runs")
        images = tuple(RecordedImage(f"{number:06d}.jpg", (0.2, 0.2, 0.8, 0.8)) for number in range(PICTURES))
        for number in range(SESSIONS):
            session = Path(folder) / "data" / "recorded" / f"session-{number}"
            session.mkdir(parents=True)
            write_session(session, Session(gesture="ONE", subject=f"person {number % 20}", images=images))
        with served(Path(folder)) as (address, server):
            before = processor_seconds(server)
            shown = timed_pages(address, "ol.path")
            spent = (processor_seconds(server) - before) / TIMES
    what = f"the first page, {RUNS} runs, {SESSIONS} recorded sessions of {PICTURES} pictures"
    return [Row(what, shown[0], statistics.median(shown[1:]), spent, RUNS_LIMIT)]


def write_runs(folder: Path) -> None:
    """Runs as `gestures train` leaves them, without their pictures and weights, which the table does not read."""
    config = configuration()
    names = config["gestures"]["names"]
    fields = [f"val/classification_report/{name}/{score}" for name in names for score in ("precision", "recall")]
    random = np.random.default_rng(0)
    first = RunFolder.create(folder, "resnet18-00000000", config, ["resnet18", "valid_run"])
    shutil.rmtree(first.path / "source_code")
    first.log_values({VERSION_FIELD: "534006ecbc6201bd"})
    first.set_status("finished")
    for number in range(RUNS):
        run = RunFolder(folder / f"resnet18-{number:08x}")
        if number:
            shutil.copytree(first.path, run.path, ignore=lambda *_: ["series"])
            (run.path / "series").mkdir()
            record = {**first.record(), "run_id": run.run_id, "created": first.created + number}
            (run.path / "run.json").write_text(json.dumps(record), encoding="utf-8")
        for epoch in range(EPOCHS):
            scores = dict(zip(fields, random.random(len(fields)), strict=True))
            run.log_series({**scores, BEST_SCORE: float(random.uniform(0.5, 0.95))}, epoch)


def configuration() -> dict[str, Any]:
    """The whole configuration that a run keeps."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        composed = compose("config")
    whole: dict[str, Any] = json.loads(json.dumps(OmegaConf.to_container(composed, resolve=True), default=str))
    return whole


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`gestures app` in a folder; gives its address, without the last slash, and its process."""
    command = [
        sys.executable,
        "-m",
        "static_gesture_classification.app",
        "review.port=0",
        "review.browser=false",
    ]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0].rstrip("/"), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def processor_seconds(process: psutil.Process) -> float:
    """What a process has used of the processors so far."""
    return float(sum(process.cpu_times()[:2]))


def timed_pages(address: str, wanted: str, then: Callable[[Page], None] | None = None) -> list[float]:
    """Seconds from the request of an address until `wanted` (a Playwright selector) is seen, several times."""
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(TIMES):
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            start = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.wait_for_selector(wanted)
            seconds.append(time.perf_counter() - start)
            page.context.close()
    return seconds


def report(rows: list[Row], load: float, whole: bool) -> None:
    """Print the table; keep it where all parts were measured."""
    machine = measured_on("nicegui", "playwright")
    text = (
        f"# How long the local page takes\n\n{machine}; load average before the start {load:.1f}\n\n"
        f"From the request to the content on the screen, in a browser that has nothing in its cache; first time after "
        f"the start, then the median of {TIMES - 1} more; the processor time of the server for each.\n\n"
        "| | first | then | server's | limit |\n|---|---|---|---|---|\n" + "".join(f"{row.text()}\n" for row in rows)
    )
    print(text)
    if whole:
        RESULT.write_text(text, encoding="utf-8")


PARTS: dict[str, Callable[[], list[Row]]] = {"start": start_part, "runs": runs_part}


if __name__ == "__main__":
    main()

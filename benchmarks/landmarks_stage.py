"""Hands a second of the whole landmarks stage, of this checkout beside an earlier one; on two cores about five minutes.

    git worktree add --detach ../before ab379fe                      # the last commit that finds hands by MediaPipe
    python benchmarks/landmarks_stage.py ../before prepare           # index and split of both, three minutes
    python benchmarks/landmarks_stage.py ../before                   # measures; nothing else should run

Each checkout runs its own command on the photographs of ../shared/data/hagrid_mini, hands_mini, recorded_legacy and
hagrid_people, by turns, from an empty cache, once for all hands and once for every fifth. From the difference of both
follow the hands a second without what a command takes in any case (imports, the start of processes). The first, short
run of each is not counted: it reads the photographs into the system's memory. Printed and kept in
benchmarks/results/landmarks_stage.md.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from machine import measured_on

from static_gesture_classification.preparation.landmark_store import POINTS

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "landmarks_stage.md"
FOLDERS = {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}
FOLDERS |= {"folder": "hagrid_people"}
TURNS, EVERY = 3, 5
ALL, SOME = "all", "some"


@dataclass(frozen=True)
class Checkout:
    """A version of the code, and where it keeps what it derives."""

    code: Path
    kept: Path

    @property
    def name(self) -> str:
        """Its commit and detector."""
        command = ["git", "-C", str(self.code), "log", "-1", "--format=%h, %cs"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        lines = (self.code / "conf" / "config.yaml").read_text(encoding="utf-8").splitlines()
        return f"detector={next(line.split()[-1] for line in lines if '- detector:' in line)} ({said})"

    def run(self, stage: str, *overrides: str) -> None:
        """Run one of its commands as a user does."""
        places = {name: self.kept / name for name in ("index", "crops", "splits", "landmarks")}
        paths = [f"paths.{name}={place}" for name, place in places.items()]
        roots = [f"sources.{name}.root={SHARED / 'data' / folder}" for name, folder in FOLDERS.items()]
        finder = f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}"
        given = [f"sources=[{','.join(FOLDERS)}]", *roots, finder, *paths, *overrides]
        own = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        command = [sys.executable, "-m", "static_gesture_classification", stage, *given]
        self.kept.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, cwd=self.kept, env={**own, "PYTHONPATH": str(self.code)}, check=True)

    def prepare(self) -> None:
        """Make the index and the split, and an index of every fifth hand."""
        for stage in ("index", "crops", "split"):
            self.run(stage)
        table = pq.read_table(self.kept / "index" / "samples.parquet")
        (self.kept / SOME).mkdir(exist_ok=True)
        pq.write_table(table.take(np.arange(0, len(table), EVERY)), self.kept / SOME / "samples.parquet")

    def look(self, part: str) -> Run:
        """Run the landmarks stage from an empty cache."""
        cache = self.kept / "cache"
        for folder in (cache, self.kept / "landmarks"):
            shutil.rmtree(folder, ignore_errors=True)
        index = [f"paths.index={self.kept / SOME}"] if part == SOME else []
        start, used = time.perf_counter(), children_seconds()
        self.run("landmarks", "landmarks.extract=always", f"landmarks.cache={cache}", *index)
        seconds, used = time.perf_counter() - start, children_seconds() - used
        points = np.load(self.kept / "landmarks" / POINTS)
        return Run(len(points), int(np.isnan(points).any(axis=(1, 2)).sum()), seconds, used)


@dataclass(frozen=True)
class Run:
    """Hands, those that were missed, seconds on the clock and of all processes."""

    hands: int
    missed: int
    seconds: float
    used: float


def children_seconds() -> float:
    """Processor seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(earlier: Path, only_prepare: bool) -> None:
    """Prepare or measure both checkouts."""
    kept = PROJECT / "data" / "benchmarks" / "landmarks_stage"
    checkouts = [Checkout(earlier.resolve(), kept / "earlier"), Checkout(PROJECT, kept / "today")]
    if only_prepare:
        for each in checkouts:
            each.prepare()
        return
    for each in checkouts:
        each.look(SOME)
    runs: list[dict[str, list[Run]]] = [{ALL: [], SOME: []} for _ in checkouts]
    for turn in range(TURNS):
        for number in (0, 1) if turn % 2 == 0 else (1, 0):
            for part in (ALL, SOME):
                runs[number][part].append(checkouts[number].look(part))
    text = report([row(each, own) for each, own in zip(checkouts, runs, strict=True)], ratio(runs))
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def rates(runs: dict[str, list[Run]]) -> np.ndarray:
    """Hands a second of the whole command, and without what it takes in any case: (TURNS, 2)."""
    pairs = list(zip(runs[ALL], runs[SOME], strict=True))
    whole = [every.hands / every.seconds for every, _ in pairs]
    inner = [(every.hands - some.hands) / (every.seconds - some.seconds) for every, some in pairs]
    return np.array([whole, inner]).T


def row(checkout: Checkout, runs: dict[str, list[Run]]) -> str:
    """Of the table."""
    every, some = runs[ALL], runs[SOME]
    cells = [checkout.name, f"{every[0].hands:,}", f"{every[0].missed}"]
    cells += [f"{np.median([run.seconds for run in every]):.1f}", f"{np.median([run.seconds for run in some]):.1f}"]
    cells += [f"{np.median(own):.0f} ({own.min():.0f} to {own.max():.0f})" for own in rates(runs).T]
    cells += [f"{np.median([run.hands / run.used for run in every]):.0f}"]
    return f"| {' | '.join(cells)} |"


def ratio(runs: list[dict[str, list[Run]]]) -> str:
    """How many times as many hands a second today's code finds, of each turn."""
    times = rates(runs[1]) / rates(runs[0])
    whole, inner = (f"{np.median(own):.2f} ({own.min():.2f} to {own.max():.2f})" for own in times.T)
    return f"Today's hands a second are {whole} times the earlier ones (2 wanted); without the start, {inner} times."


def report(rows: list[str], ratio: str) -> str:
    """The whole result as Markdown."""
    lines = [
        "# The landmarks stage, before and after the hand finder of our own",
        "",
        f"{measured_on('ai-edge-litert', 'mediapipe', 'numpy')}; load average {os.getloadavg()[0]:.1f}, most of it the "
        f"stage's own. `gestures landmarks` on the photographs of {', '.join(FOLDERS.values())}, by turns, {TURNS} "
        "times each: medians, in brackets the lowest and the highest. The files were in the system's memory, the cache "
        "of landmarks empty.",
        "",
        "| detector, commit | hands | missed | seconds | of a fifth of the hands | hands a second, with start "
        "| without the start | hands a processor second |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        ratio,
        "",
        "The start is what a command takes in any case: imports, the start of the processes, the index, files. It is "
        "taken out by the difference between all hands and a fifth of them.",
        "",
        "    git worktree add --detach ../before ab379fe",
        "    python benchmarks/landmarks_stage.py ../before prepare",
        "    python benchmarks/landmarks_stage.py ../before",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), "prepare" in sys.argv[2:])

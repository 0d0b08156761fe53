"""Hands a second of the whole landmarks stage, of this checkout beside an earlier one.

    git worktree add --detach ../before ab379fe     # the last commit that finds hands by MediaPipe
    python benchmarks/landmarks_stage.py ../before  # about two minutes on two cores; goes on where it was stopped

Each checkout runs its own command on the photographs of ../shared/data/hagrid_mini, hands_mini, recorded_legacy and
hagrid_people, by turns, from an empty cache: for every fourth hand, and for every twentieth. From the difference of
both follow the hands a second without what a command takes in any case (imports, the start of processes). The first,
short run of each is not counted: it reads photographs into the system's memory. Runs are kept in
data/benchmarks/landmarks_stage/runs.json (delete it to measure anew), the result in
benchmarks/results/landmarks_stage.md.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import measured_on

from static_gesture_classification.preparation.landmark_store import POINTS

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "landmarks_stage.md"
FOLDERS = {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}
FOLDERS |= {"folder": "hagrid_people"}
TABLE = "samples.parquet"
TURNS = 3
MANY, FEW = 4, 20  # every so many hands


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
        places = {name: self.kept / name for name in ("index", "splits", "landmarks")}
        paths = [f"paths.{name}={place}" for name, place in places.items()]
        roots = [f"sources.{name}.root={SHARED / 'data' / folder}" for name, folder in FOLDERS.items()]
        finder = f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}"
        given = [f"sources=[{','.join(FOLDERS)}]", *roots, finder, *paths, *overrides]
        own = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        command = [sys.executable, "-m", "static_gesture_classification", stage, *given]
        self.kept.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, cwd=self.kept, env={**own, "PYTHONPATH": str(self.code)}, check=True)

    def prepare(self) -> None:
        """Make the index, with all hands for training, so that nothing is split; and those of some of its hands."""
        if (self.kept / str(FEW) / TABLE).is_file():
            return
        self.run("index")
        table = pq.read_table(self.kept / "index" / TABLE)
        split = pa.array(["train"] * len(table)).cast(table.schema.field("split").type)
        for name, every in (("splits", 1), (str(MANY), MANY), (str(FEW), FEW)):
            (self.kept / name).mkdir(exist_ok=True)
            whole = table.set_column(table.schema.get_field_index("split"), table.schema.field("split"), split)
            pq.write_table(whole.take(np.arange(0, len(table), every)), self.kept / name / TABLE)

    def look(self, every: int) -> Run:
        """Run the landmarks stage from an empty cache."""
        cache = self.kept / "cache"
        for folder in (cache, self.kept / "landmarks"):
            shutil.rmtree(folder, ignore_errors=True)
        start, used, load = time.perf_counter(), children_seconds(), os.getloadavg()[0]
        index = f"paths.index={self.kept / str(every)}"
        self.run("landmarks", "landmarks.extract=always", f"landmarks.cache={cache}", index)
        seconds, used = time.perf_counter() - start, children_seconds() - used
        points = np.load(self.kept / "landmarks" / POINTS)
        return Run(len(points), int(np.isnan(points).any(axis=(1, 2)).sum()), seconds, used, load)


@dataclass(frozen=True)
class Run:
    """Hands, those that were missed, seconds on the clock and of all processes, the load before it."""

    hands: int
    missed: int
    seconds: float
    used: float
    load: float


def children_seconds() -> float:
    """Processor seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(earlier: Path) -> None:
    """Measure both checkouts."""
    kept = PROJECT / "data" / "benchmarks" / "landmarks_stage"
    checkouts = [Checkout(earlier.resolve(), kept / "earlier"), Checkout(PROJECT, kept / "today")]
    for each in checkouts:
        each.prepare()
    runs = measured(checkouts, kept / "runs.json")
    text = report([row(each, own) for each, own in zip(checkouts, runs, strict=True)], runs)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def measured(checkouts: list[Checkout], file: Path) -> list[dict[int, list[Run]]]:
    """The runs of each checkout, as many as are kept in `file` and the others now."""
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    turns = [(0, 1) if turn % 2 == 0 else (1, 0) for turn in range(TURNS)]
    wanted = [(number, every) for turn in turns for number in turn for every in (MANY, FEW)]
    if len(told) < len(wanted):
        for each in checkouts:
            each.look(FEW)
    for number, every in wanted[len(told) :]:
        told.append([number, every, asdict(checkouts[number].look(every))])
        file.write_text(json.dumps(told), encoding="utf-8")
    runs: list[dict[int, list[Run]]] = [{MANY: [], FEW: []} for _ in checkouts]
    for number, every, run in told:
        runs[number][every].append(Run(**run))
    return runs


def rates(runs: dict[int, list[Run]]) -> np.ndarray:
    """Hands a second of each turn (TURNS, 3): of the command, without its start, and of all processors."""
    pairs = list(zip(runs[MANY], runs[FEW], strict=True))
    whole = [many.hands / many.seconds for many, _ in pairs]
    inner = [(many.hands - few.hands) / (many.seconds - few.seconds) for many, few in pairs]
    used = [(many.hands - few.hands) / (many.used - few.used) for many, few in pairs]
    return np.array([whole, inner, used]).T


def row(checkout: Checkout, runs: dict[int, list[Run]]) -> str:
    """Of the table."""
    many, few = runs[MANY], runs[FEW]
    cells = [checkout.name, f"{many[0].hands:,}", f"{many[0].missed}"]
    cells += [f"{np.median([run.seconds for run in own]):.1f}" for own in (many, few)]
    cells += [spread(own, 0) for own in rates(runs).T]
    return f"| {' | '.join(cells)} |"


def spread(values: np.ndarray, digits: int) -> str:
    """The median, the lowest and the highest."""
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f} to {values.max():.{digits}f})"


def ratio(runs: list[dict[int, list[Run]]]) -> str:
    """How many times as many hands a second today's code finds, of each turn."""
    whole, inner, used = (spread(own, 2) for own in (rates(runs[1]) / rates(runs[0])).T)
    return (
        f"Today's code finds {whole} times as many hands a second as the earlier one (2 wanted); {inner} without the "
        f"start; {used} a second of the processors."
    )


def report(rows: list[str], runs: list[dict[int, list[Run]]]) -> str:
    """The whole result as Markdown."""
    machine = measured_on("ai-edge-litert", "mediapipe", "numpy")
    loads = [run.load for own in runs for every in own.values() for run in every]
    lines = [
        "# The landmarks stage, before and after the hand finder of our own",
        "",
        f"{machine}. `gestures landmarks` on every fourth hand of {', '.join(FOLDERS.values())}, by turns, {TURNS} "
        "times each: medians, in brackets the lowest and the highest. Photographs were in the system's memory, the "
        f"cache of landmarks was empty. The load average was {min(loads):.1f} to {max(loads):.1f}, of which the stage "
        "makes 2: with more, seconds on the clock say little, and the last column counts.",
        "",
        "| detector, commit | hands | missed | seconds | of a fifth of these | hands a second | without the start "
        "| without it, a processor second |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        ratio(runs),
        "",
        "The start is what a command takes in any case: imports, the start of the processes, the index, files. It is "
        "taken out by the difference between the hands and a fifth of them.",
        "",
        "    git worktree add --detach ../before ab379fe",
        "    python benchmarks/landmarks_stage.py ../before",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

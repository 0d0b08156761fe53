"""The quick benchmarks, one after the other: `make bench`.

    python benchmarks/quick.py            # all: 10 minutes on two cores at most
    python benchmarks/quick.py trackers   # some

Each prints its table, and keeps its result in benchmarks/results/ with date, machine and versions. An earlier result
stays where a benchmark fails, or where other programs compute just before it begins: a busy machine's figures are
printed, and not kept. At the end the seconds of each are printed. A benchmark that fails is said, the others still run,
and the status is 1. One that would not end within the 10 minutes is left out, one that takes longer is ended, and both
are said. One that is named is run in any case, and to its end. `QUICK` is the list: what is not in it takes longer, or
needs what a machine may not have (gpu.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import Column, Table, say, show_heading, show_table, tell_error

BENCHMARKS = Path(__file__).resolve().parent
LIMIT = 600  # seconds of all together
# What each measures, and about how many seconds it takes on two cores that do nothing else.
QUICK = {
    "trackers": ("the page of a long run, the list of many", 60),
    "synthetic_speed": ("pictures of posed hands a second", 90),
    "crop_speed": ("crops a second, beside PIL", 120),
    "latency": ("milliseconds of detectors and models on one thread", 90),
    "quick_retrain": ("from a recording to the new confusion matrix", 200),
}
LOOKED = 3.0  # seconds for which other programs are watched
BUSY = 20.0  # percent of all cores that they may take


@dataclass(frozen=True)
class Ended:
    """How a benchmark ended: its seconds, and what is to be said of it."""

    seconds: float
    note: str = ""
    failed: bool = False


def main() -> None:
    names = sys.argv[1:]
    try:
        check_names(names)
    except UserError as error:
        tell_error(str(error))
        sys.exit(2)
    start, ended = time.monotonic(), dict[str, Ended]()
    for name in names or QUICK:
        left = None if names else LIMIT - (time.monotonic() - start)
        if left is not None and QUICK[name][1] > left:
            ended[name] = Ended(0.0, f"left out, no time was left: python benchmarks/quick.py {name}")
        else:
            ended[name] = run_and_keep(name, left)
    show_table(table_of(ended))
    total = time.monotonic() - start
    say(f"{total / 60:.1f} minutes in all; at most {LIMIT / 60:.0f} are wanted on two cores")
    sys.exit(any(each.failed for each in ended.values()))


def check_names(names: list[str]) -> None:
    """Raise `UserError` where a name is none of `QUICK`."""
    unknown = [name for name in names if name not in QUICK]
    if unknown:
        raise UserError(f"{unknown[0]} is no quick benchmark; there are {', '.join(QUICK)}")


def run_and_keep(name: str, left: float | None) -> Ended:
    """Run a benchmark of `BENCHMARKS` for at most `left` seconds; None: to its end.

    Its earlier result is put back where it fails, or where the machine was busy.
    """
    show_heading(name)
    result = BENCHMARKS / "results" / f"{name}.md"
    earlier = result.read_bytes() if result.is_file() else None
    others = psutil.cpu_percent(LOOKED)
    ended = run(name, left)
    busy = f"other programs took {others:.0f} % of the machine before it" if others > BUSY else ""
    if earlier is None or not (busy or ended.failed):
        return ended
    result.write_bytes(earlier)
    return Ended(ended.seconds, f"{ended.note or busy}: the earlier result is kept", ended.failed)


def run(name: str, left: float | None) -> Ended:
    """Run a benchmark; one that takes longer than `left` seconds is ended with all that it started."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(BENCHMARKS / f"{name}.py")], cwd=BENCHMARKS.parent, start_new_session=True
    )
    try:
        status = process.wait(left)
    except BaseException as error:  # the time is over, or Ctrl-C, which does not reach another session
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return Ended(time.monotonic() - start, f"ended, since {LIMIT} s were over", failed=True)
    return Ended(time.monotonic() - start, f"failed with status {status}" if status else "", failed=bool(status))


def table_of(ended: dict[str, Ended]) -> Table:
    """How long each took, and what is to be said."""
    table = Table("benchmark", "what it measures", Column("seconds", justify="right"), "")
    for name, each in ended.items():
        table.add_row(name, QUICK[name][0], f"{each.seconds:.0f}", each.note)
    return table


if __name__ == "__main__":
    main()

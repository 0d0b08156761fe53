"""The quick benchmarks, one after the other: `make bench`.

    python benchmarks/quick.py            # all: 10 minutes on two cores at most
    python benchmarks/quick.py trackers   # some

Each prints its table, and keeps its result in benchmarks/results/ with date, machine and versions. At the end the
seconds of each are printed; a benchmark that fails is said, the others still run, and the status is 1. `QUICK` is the
list: what is not in it takes longer, or needs what a machine may not have (gpu.py). On a machine so slow or busy that
one would not end within the 10 minutes, it is left out and said; one that is named is run in any case.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import Column, Table, say, show_heading, show_table, tell_error

BENCHMARKS = Path(__file__).resolve().parent
LIMIT = 600  # seconds of all together
# What each measures, and about how many seconds it takes on two cores.
QUICK = {
    "trackers": ("the page of a long run, the list of many", 90),
    "synthetic_speed": ("pictures of posed hands a second", 80),
    "crop_speed": ("crops a second, beside PIL", 60),
    "latency": ("milliseconds of detectors and models on one thread", 60),
    "promotion_guard": ("what promotion refuses, simulated", 60),
    "quick_retrain": ("from a recording to the new confusion matrix", 240),
}
LEFT_OUT = -1  # status of one for which no time was left


def main() -> None:
    names = sys.argv[1:]
    try:
        check_names(names)
    except UserError as error:
        tell_error(str(error))
        sys.exit(2)
    start = time.monotonic()
    ended: dict[str, tuple[float, int]] = {}
    for name in names or QUICK:
        left = LIMIT - (time.monotonic() - start)
        ended[name] = run(name) if names or QUICK[name][1] <= left else (0.0, LEFT_OUT)
    show_table(table_of(ended))
    total = sum(seconds for seconds, _ in ended.values())
    say(f"{total / 60:.1f} minutes in all; at most {LIMIT / 60:.0f} are wanted on two cores")
    if left_out := [name for name, (_, status) in ended.items() if status == LEFT_OUT]:
        say(f"no time was left for {', '.join(left_out)}: python benchmarks/quick.py {' '.join(left_out)}")
    sys.exit(any(status not in (0, LEFT_OUT) for _, status in ended.values()))


def check_names(names: list[str]) -> None:
    """Raise `UserError` where a name is none of `QUICK`."""
    unknown = [name for name in names if name not in QUICK]
    if unknown:
        raise UserError(f"{unknown[0]} is no quick benchmark; there are {', '.join(QUICK)}")


def run(name: str) -> tuple[float, int]:
    """Run a benchmark; returns its seconds and its status."""
    show_heading(name)
    start = time.monotonic()
    status = subprocess.run([sys.executable, str(BENCHMARKS / f"{name}.py")], cwd=BENCHMARKS.parent).returncode
    return time.monotonic() - start, status


def table_of(ended: dict[str, tuple[float, int]]) -> Table:
    """How long each took, and whether it failed."""
    table = Table("benchmark", "what it measures", Column("seconds", justify="right"), "")
    for name, (seconds, status) in ended.items():
        how = "left out" if status == LEFT_OUT else f"failed: {status}" if status else ""
        table.add_row(name, QUICK[name][0], f"{seconds:.0f}", how)
    return table


if __name__ == "__main__":
    main()

"""The quick benchmarks, one after the other: `make bench`.

    python benchmarks/quick.py            # all: 10 minutes on two cores at most
    python benchmarks/quick.py trackers   # some

Each prints its table, and keeps its result in benchmarks/results/ with date, machine and versions. At the end the
seconds of each are printed; a benchmark that fails is said, the others still run, and the status is 1. `QUICK` is the
list: what is not in it takes longer, or needs what a machine may not have (gpu.py).
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
# What each measures, and about how long it takes on two cores.
QUICK = {
    "trackers": "the page of a long run, the list of many; 90 s",
    "synthetic_speed": "pictures of posed hands a second; 80 s",
    "crop_speed": "crops a second, beside PIL; 60 s",
    "latency": "milliseconds of detectors and models on one thread; 60 s",
    "promotion_guard": "what promotion refuses, simulated; 60 s",
    "quick_retrain": "from a recording to the new confusion matrix; 150 s",
}


def main() -> None:
    names = sys.argv[1:] or list(QUICK)
    try:
        check_names(names)
    except UserError as error:
        tell_error(str(error))
        sys.exit(2)
    ended = {name: run(name) for name in names}
    show_table(table_of(ended))
    total = sum(seconds for seconds, _ in ended.values())
    say(f"{total / 60:.1f} minutes in all; at most {LIMIT / 60:.0f} are wanted on two cores")
    sys.exit(any(status for _, status in ended.values()))


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
        table.add_row(name, QUICK[name].rpartition(";")[0], f"{seconds:.0f}", f"failed: {status}" if status else "")
    return table


if __name__ == "__main__":
    main()

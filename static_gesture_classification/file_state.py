"""The state of files: size and modification time, which tell whether a result made of them is up to date."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np

from static_gesture_classification.arrays import Integers

FILES_PER_TASK = 1000


def file_state(path: str | Path) -> tuple[int, int]:
    """Bytes and modification time in ns of a file; -1 and -1 where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  a Path for each of a million images costs more than the call
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def file_states(files: Sequence[tuple[str, str]]) -> Integers:
    """The states of many files, each a root, whose `~` is expanded, and a path in it: int64 (n, 2)."""
    pieces = [files[first : first + FILES_PER_TASK] for first in range(0, len(files), FILES_PER_TASK)]
    states = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(_states)(piece) for piece in pieces)
    return np.concatenate([np.zeros((0, 2), np.int64), *states])


def _states(files: Sequence[tuple[str, str]]) -> Integers:
    roots = {root: os.path.expanduser(root) for root, _ in files}  # noqa: PTH111  a million Paths cost more
    return np.array([file_state(f"{roots[root]}/{name}") for root, name in files], np.int64)

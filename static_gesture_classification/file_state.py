"""The state of files: size and modification time, which tell whether a result made of them is up to date."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np

from static_gesture_classification.arrays import Integers
from static_gesture_classification.places import RemotePath, is_url, locate, scan

FILES_PER_TASK = 1000


def file_state(path: str | Path) -> tuple[int, int]:
    """Bytes and modification time in ns of a file; -1 and -1 where there is none.

    Of a remote file a number that changes with its contents is in the place of its time.
    """
    if isinstance(path, RemotePath):
        return _remote_state(path)
    try:
        status = os.stat(path)  # noqa: PTH116  a Path for each of a million images costs more than the call
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def file_states(files: Sequence[tuple[str, str]]) -> Integers:
    """The states of many files, each a root, whose `~` is expanded, and a path in it: int64 (n, 2)."""
    most = len(files) or 1 if any(is_url(root) for root, _ in files) else FILES_PER_TASK  # a folder is listed once
    pieces = [files[first : first + most] for first in range(0, len(files), most)]
    states = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(_states)(piece) for piece in pieces)
    return np.concatenate([np.zeros((0, 2), np.int64), *states])


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _states(files: Sequence[tuple[str, str]]) -> Integers:
    roots = {root: os.path.expanduser(root) for root, _ in files}  # noqa: PTH111  a million Paths cost more
    if any(is_url(root) for root in roots):
        return _listed_states(files)
    return np.array([file_state(f"{roots[root]}/{name}") for root, name in files], np.int64)


def _remote_state(path: RemotePath) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _listed_states(files: Sequence[tuple[str, str]]) -> Integers:
    """The states of files at URLs, each folder listed once: asking for a million files one by one takes hours."""
    folders = {str((locate(root) / name).parent) for root, name in files if is_url(root)}
    known: dict[str, tuple[int, int]] = {}
    for folder in sorted(folders):
        try:
            with scan(folder) as entries:
                known |= {each.path: (each.stat().st_size, each.stat().st_mtime_ns) for each in entries}
        except OSError:
            continue  # there is nothing
    places = [(root, str(locate(root) / name)) for root, name in files]
    return np.array([known.get(at, (-1, -1)) if is_url(root) else file_state(at) for root, at in places], np.int64)

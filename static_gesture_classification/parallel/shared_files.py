"""What the caller has and a worker lacks: an error that names the worker, so that no sample is lost for it.

Workers read images and annotations themselves, from a disk that all share or from a URL. Where that disk is not there,
each of its files would look like one that is missing.
"""

from __future__ import annotations

import socket
from pathlib import Path

from static_gesture_classification.errors import DataError
from static_gesture_classification.places import is_url, locate, scan


def this_worker() -> str:
    """The name of the machine that this process runs on."""
    return socket.gethostname()


def lacks(place: str | Path) -> bool:
    """Whether a file or folder is not there, or an empty folder, on this machine; False at a URL, which is for all."""
    found = locate(place)
    if is_url(str(found)):
        return False
    try:
        if not found.is_dir():
            return not found.exists()
        with scan(found) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def cannot_see(place: str | Path, worker: str) -> DataError:
    """The error where a worker lacks a file or folder that the caller has."""
    return DataError(
        f"worker {worker} cannot see {place}, which is there on {this_worker()}; put the data on a disk that all "
        "workers share, under the same path, or at a URL such as s3://bucket/hands (docs/many_machines.md), or use "
        "parallel=local. Nothing was rejected for it"
    )

"""Events as lines of JSON, in a file or on standard output.

    {"event": "begin", "gesture": "FIST", "score": 0.973, "hand": "right", "number": 1,
     "box": [0.41, 0.22, 0.63, 0.58], "time": 12.367, "held": 0.0, "at": "2026-11-27T11:20:05.120+01:00"}

`box` is x1, y1, x2, y2 in shares of the unmirrored picture, `time` seconds since the first picture, `held` seconds
since the gesture began, `at` the time of day.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.inference.held_gestures import GestureEvent
from static_gesture_classification.live.hooks.hook import Hook

STANDARD_OUTPUT = "-"
TIME_DECIMALS = 3


class JsonLines(Hook):
    """Adds each event to a file, or writes it to standard output.

    Args:
        target: the file, which is created or continued; "-" for standard output.

    Raises:
        OutputError: the file cannot be written.
    """

    name = "JSON lines"

    def __init__(self, target: str) -> None:
        super().__init__()
        self._is_file = target != STANDARD_OUTPUT
        self._file = _open(Path(target).expanduser()) if self._is_file else sys.stdout.buffer
        self._write: Callable[[bytes], object] = self._file.write

    def act(self, event: GestureEvent) -> None:
        """See `Hook.act`."""
        try:
            self._write(as_json(event) + b"\n")
            self._file.flush()
        except BrokenPipeError:
            self.over = True
            self.complain("nobody reads standard output any more")

    def close(self) -> None:
        """Close the file."""
        if self._is_file:
            self._file.close()


def as_json(event: GestureEvent) -> bytes:
    """An event as one line of JSON, with the time of day."""
    rounded = {"score": round(event.score, TIME_DECIMALS), "time": round(event.time, TIME_DECIMALS)}
    rounded |= {"held": round(event.held, TIME_DECIMALS)}
    at = datetime.now().astimezone().isoformat(timespec="milliseconds")
    box = [round(float(value), TIME_DECIMALS + 1) for value in event.box]
    return orjson.dumps({**asdict(event), **rounded, "box": box, "at": at})


def _open(path: Path) -> IO[bytes]:
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)

"""The progress of a command, in a file for a program that watches it: the local page starts commands so.

Where the environment variable `GESTURES_PROGRESS` names a file, progress bars and stages write their state there, twice
a second at most. The file is replaced whole, so that a reader never sees half of it; it is not flushed to the disk,
since nothing depends on it later.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "GESTURES_PROGRESS"
NOTE_INTERVAL = 0.5  # between two notes


class ProgressFile:
    """Notes for who watches this process; does nothing where nobody does."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._noted = float("-inf")

    @classmethod
    def of_environment(cls) -> ProgressFile:
        """The file that the environment names."""
        name = os.environ.get(VARIABLE)
        return cls(Path(name) if name else None)

    def stage(self, name: str) -> None:
        """Note that a stage begins."""
        self._write({"stage": name, "began": time.time()})

    def work(self, what: str, done: float, total: float | None, unit: str, speed: float | None) -> None:
        """Note how far a stage's work is.

        Args:
            what: the work, in words.
            done: so many units.
            total: of so many; None: unknown.
            unit: their name.
            speed: units per second; None: not known yet.
        """
        now = time.monotonic()
        if self.path is None or (now - self._noted < NOTE_INTERVAL and done != total):
            return
        self._noted = now
        work = {"what": what, "done": done, "total": total, "unit": unit, "speed": speed}
        self._write({**self._stage(), "work": work})

    def _stage(self) -> Mapping[str, Any]:
        """What the file says of the stage, which another process may have begun."""
        said = read_progress(self.path) if self.path else {}
        return {name: said[name] for name in ("stage", "began") if name in said}

    def _write(self, content: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            partial.write_text(json.dumps(content), encoding="utf-8")
            partial.replace(self.path)
        except OSError:  # who watches sees less; the work goes on
            self.path = None


def read_progress(path: Path) -> Mapping[str, Any]:
    """What the file says: `stage` and `began` (seconds since 1970), and `work` as given to `ProgressFile.work`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

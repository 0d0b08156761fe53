"""A running page, as a user starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def review_server(folder: Path, overrides: Sequence[str] = ()) -> Iterator[str]:
    """Run `gestures app` in `folder` at a free port; gives its address, without the last slash."""
    command = [sys.executable, "-m", "static_gesture_classification.app"]
    with (folder / "app.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "review.port=0", "review.browser=false", *overrides],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("http"), (line, (folder / "app.log").read_text())
            yield line.split()[0].rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

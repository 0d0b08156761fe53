"""Drops meaningless messages that native libraries write to standard error, past Python."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# MediaPipe 1.2.2 writes these each time; it has no switch for them.
_MEANINGLESS = (
    "Created TensorFlow Lite XNNPACK delegate",
    "Logging before InitGoogle() is written to STDERR",
    "Feedback manager requires a model with a single signature inference",
    "Using NORM_RECT without IMAGE_DIMENSIONS",
    "gl_context",  # which renderer the machine has; the detector runs on the processor
)


@contextmanager
def without_meaningless_messages() -> Iterator[None]:
    """Hold standard error back while native code runs, then write all but the meaningless messages."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):  # a program without standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            rest = "".join(line for line in lines if not any(text in line for text in _MEANINGLESS))
            if rest:
                os.write(2, rest.encode())

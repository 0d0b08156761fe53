"""Waiting for what a program announces: never for a time, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 180  # seconds after which something hangs, however busy the machine


def until(true: Callable[[], object]) -> None:
    """Wait until it is true."""
    given_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < given_up, "it never came true"
        time.sleep(0.01)

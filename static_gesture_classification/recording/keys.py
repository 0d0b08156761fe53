"""Names of keys, independent of window and platform; single characters stand for themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SPACE, ENTER, ESCAPE, BACKSPACE, DELETE, CLOSED = "space", "enter", "escape", "backspace", "delete", "window closed"
LEFT, RIGHT, UP, DOWN, PAGE_UP, PAGE_DOWN = "left", "right", "up", "down", "page up", "page down"
SHORTCUTS = "1234567890abcefgijklmnopqrstvwxyz"  # of a list's lines; without d, h and u, which mean something else


@dataclass(frozen=True)
class Key:
    """A key that does something now.

    Args:
        key: its name; "" where the hint stands for several.
        shown: its name on screen; "" if it is not shown.
        does: what it does, in words.
        action: does it; None if the state reacts in another way.
        also: other keys that do the same.
    """

    key: str
    shown: str
    does: str
    action: Callable[[], object] | None = None
    also: tuple[str, ...] = ()

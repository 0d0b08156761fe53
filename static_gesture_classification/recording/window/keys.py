"""Keys by name, whatever window or platform they come from; single characters stand for themselves."""

from __future__ import annotations

from dataclasses import dataclass

SPACE, ENTER, ESCAPE, BACKSPACE, DELETE, CLOSED = "space", "enter", "escape", "backspace", "delete", "window closed"
LEFT, RIGHT, UP, DOWN, PAGE_UP, PAGE_DOWN = "left", "right", "up", "down", "page up", "page down"
SHORTCUTS = "1234567890abcefgijklmnopqrstvwxyz"  # of a list's lines; without d, h and u, which mean something else


@dataclass(frozen=True)
class KeyHint:
    """A key that does something now: its name, how the screen writes it, and what it does."""

    key: str
    shown: str
    does: str

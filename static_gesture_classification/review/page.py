"""A page: its address, its place in the navigation, and the function that builds its content."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from static_gesture_classification.review.review import Review

Build = Callable[[Review], Awaitable[None] | None]


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        address: its path; `{name}` in it is a part that `frame.part` gives the page.
        title: heading, and entry of the navigation.
        icon: Material icon of the navigation.
        build: makes the content, inside the frame.
        listed: whether the navigation has it.
    """

    address: str
    title: str
    icon: str
    build: Build
    listed: bool = True

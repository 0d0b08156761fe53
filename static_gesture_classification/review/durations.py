"""Times as people say them."""

from __future__ import annotations

from datetime import datetime


def in_words(seconds: float) -> str:
    """A length of time.

    >>> in_words(8.4), in_words(75), in_words(7320)
    ('8 s', '1 min 15 s', '2 h 2 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(at: float) -> str:
    """When something was, in local time; `at` is in seconds since 1970."""
    when = datetime.fromtimestamp(at)
    return f"{when:%H:%M}" if when.date() == datetime.now().date() else f"{when:%Y-%m-%d %H:%M}"

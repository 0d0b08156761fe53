"""Who is in a picture, where its path tells: the `subject_pattern` of the sources that have one."""

from __future__ import annotations

import re

from static_gesture_classification.errors import UserError


def subject_regex(pattern: str | None, source: str) -> re.Pattern[str] | None:
    """A source's `subject_pattern`, compiled; None where it has none.

    Raises:
        UserError: it is not a regular expression, or has no group that could be the subject.
    """
    if pattern is None:
        return None
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UserError(f"sources.{source}.subject_pattern is not a regular expression: {error}") from error
    if regex.groups < 1:
        raise UserError(
            f"sources.{source}.subject_pattern needs a group in brackets that is the subject, like '([a-z]+)_'"
        )
    return regex


def subject_in_path(path: str, regex: re.Pattern[str] | None) -> tuple[str, str]:
    """Subject and session that a path below the root names; each empty where it names none.

    The first group is the subject; a group called `session`, where there is one, the session.

    >>> subject_in_path("like/anna_monday_01.jpg", re.compile(r"([^/_]+)_(?P<session>[^/_]+)_\\d+"))
    ('anna', 'monday')
    """
    match = regex.search(path) if regex else None
    if match is None:
        return "", ""
    return match.group(1) or "", match.groupdict().get("session") or ""

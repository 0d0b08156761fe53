"""The subject in the path of a picture: the `subject_pattern` of a source."""

from __future__ import annotations

import re

from static_gesture_classification.errors import UserError


def subject_regex(pattern: str | None, source: str) -> re.Pattern[str] | None:
    """Compile a source's `subject_pattern`, if it has one.

    Raises:
        UserError: it is no regular expression, or has no group for the subject.
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
    """Subject and session in a path below the root; each "" where there is none.

    The first group is the subject; a group called `session`, if there is one, the session.

    >>> subject_in_path("like/anna_monday_01.jpg", re.compile(r"([^/_]+)_(?P<session>[^/_]+)_\\d+"))
    ('anna', 'monday')
    """
    match = regex.search(path) if regex else None
    if match is None:
        return "", ""
    return match.group(1) or "", match.groupdict().get("session") or ""

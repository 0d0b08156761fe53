"""The units that a bootstrap draws with replacement: subjects, or sessions and pictures where subjects are unknown.

Another test set would show other subjects. If a source does not name its subjects, only its recordings and pictures can
be drawn. One subject may be in many of them, so the interval is too narrow; every report of such an interval says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.arrays import Integers
from static_gesture_classification.samples import group_of

SUBJECT, SESSION, PICTURE, SAMPLE = "subject", "session", "picture", "sample"
TOO_NARROW = "people are not held apart, so it is too narrow"


@dataclass(frozen=True)
class Units:
    """The units of n samples.

    Args:
        kind: "subject"; "session", if only sessions are kept apart; "picture", if some subjects are unknown and their
            recordings and pictures are units; "sample", if there is only one subject or session.
        count: number of units.
        members: int (n,), the unit of each sample.
        unknown: number of samples without a subject.
    """

    kind: str
    count: int
    members: Integers
    unknown: int


def units_of(
    sources: npt.NDArray[np.object_],
    subjects: npt.NDArray[np.object_],
    sessions: npt.NDArray[np.object_] | None = None,
    kind: str = SUBJECT,
) -> Units:
    """The units of n samples.

    Args:
        sources, subjects: (n,) as in the sample table; an unknown subject is "".
        sessions: (n,) likewise; without them, each sample of an unknown subject is a unit.
        kind: what `subjects` are: "subject" or "session".
    """
    each = np.array([str(row) for row in range(len(sources))], object)
    frame = pd.DataFrame({"source": sources, "subject": subjects, "session": "" if sessions is None else sessions})
    members, names = pd.factorize(group_of(frame.assign(image=each)))
    unknown = int((frame["subject"] == "").sum()) if kind == SUBJECT else 0
    if len(names) < 2:
        return Units(SAMPLE, len(sources), np.arange(len(sources)), unknown)
    return Units(PICTURE if unknown else kind, len(names), members.astype(np.int64), unknown)


def describe_units(interval: Mapping[str, Any]) -> str:
    """An interval's units in words: "resampling people".

    Args:
        interval: `unit` and `unknown` of an `Interval`.
    """
    if interval.get("unknown"):
        what = "samples of one recording" if interval["unit"] == SAMPLE else "pictures"
        return f"resampling {what}: {TOO_NARROW}"
    what = {SUBJECT: "people", SESSION: "sessions", SAMPLE: "samples, since there is one person"}[interval["unit"]]
    return f"resampling {what}"


def unknown_subjects_note(unknown: int, samples: int) -> str:
    """A note on samples without a subject."""
    return (
        f"nobody knows who is in {unknown:,} of {samples:,} samples; one person may be in many of them, so every "
        'interval is too narrow. How to say who it is: docs/evaluation.md, "Who is in a picture"'
    )

"""What a bootstrap draws with replacement: people, and where nobody knows them, what is known to belong together.

What varies between one test set and the next is the people. Where a source does not say who is in a picture, all that
can be drawn are its recordings and pictures. One person may be in many of them, so that an interval over these is too
narrow, and everything that shows one says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.samples import group_of

SUBJECT, SESSION, PICTURE, SAMPLE = "subject", "session", "picture", "sample"
TOO_NARROW = "people are not held apart, so it is too narrow"


@dataclass(frozen=True)
class Units:
    """The units of n samples.

    Args:
        kind: "subject", people; "session", where only sessions are kept apart; "picture", people where they are known
            and elsewhere recordings and pictures; "sample", since there is one unit only.
        count: how many there are.
        members: int (n,), the unit of each sample.
        unknown: of how many samples nobody knows who is in them.
    """

    kind: str
    count: int
    members: npt.NDArray[np.int64]
    unknown: int


def units_of(
    sources: npt.NDArray[np.object_],
    subjects: npt.NDArray[np.object_],
    sessions: npt.NDArray[np.object_] | None = None,
    kind: str = SUBJECT,
) -> Units:
    """The units of n samples.

    Args:
        sources, subjects: (n,) as in the sample table; a subject is "" where nobody knows.
        sessions: (n,) likewise; without them, samples of unknown people are each a unit.
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
    """What an interval's units were, and what that means: "resampling people".

    Args:
        interval: `unit` and `unknown` of an `Interval`.
    """
    if interval.get("unknown"):
        what = "samples of one recording" if interval["unit"] == SAMPLE else "pictures"
        return f"resampling {what}: {TOO_NARROW}"
    what = {SUBJECT: "people", SESSION: "sessions", SAMPLE: "samples, since there is one person"}[interval["unit"]]
    return f"resampling {what}"


def unknown_subjects_note(unknown: int, samples: int) -> str:
    """What a reader should know where not everybody is known."""
    return (
        f"nobody knows who is in {unknown:,} of {samples:,} samples; one person may be in many of them, so every "
        'interval is too narrow. How to say who it is: docs/evaluation.md, "Who is in a picture"'
    )

"""What a checkpoint was trained on: sources with their licences, hands and people per gesture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from static_gesture_classification.samples import SPLITS, subject_of

UNKNOWN_LICENCE = "not known"


@dataclass(frozen=True)
class SourceFacts:
    """A source of the data.

    Args:
        name: as in conf/sources/.
        hands: per split.
        subjects: known people in all splits.
        licence: of its pictures, as the configuration says; `UNKNOWN_LICENCE` without one.
    """

    name: str
    hands: Mapping[str, int]
    subjects: int
    licence: str

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def describe_sources(samples: pd.DataFrame, *configured: Mapping[str, Any]) -> tuple[SourceFacts, ...]:
    """The sources of a sample table with splits, the largest first.

    Args:
        samples: all rows.
        configured: nodes `sources` of the configuration; the first that knows a licence says it.
    """
    facts = []
    for name, rows in samples[samples["split"] != ""].groupby("source", sort=True):
        counts = rows["split"].value_counts()
        subjects = subject_of(rows)
        licences = [str((each.get(str(name)) or {}).get("licence") or "") for each in configured]
        facts.append(
            SourceFacts(
                str(name),
                {split: int(counts.get(split, 0)) for split in SPLITS},
                int(subjects[subjects != ""].nunique()),
                next(filter(None, licences), UNKNOWN_LICENCE),
            )
        )
    return tuple(sorted(facts, key=lambda each: -sum(each.hands.values())))


def count_gestures(samples: pd.DataFrame, gestures: tuple[str, ...]) -> pd.DataFrame:
    """Hands of train, and known people who show them: columns `hands`, `subjects`, one row per gesture."""
    train = samples[samples["split"] == "train"]
    subjects = subject_of(train)
    known = subjects[subjects != ""].groupby(train["gesture"]).nunique()
    hands = train["gesture"].value_counts()
    rows = {name: (int(hands.get(name, 0)), int(known.get(name, 0))) for name in gestures}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["hands", "subjects"])

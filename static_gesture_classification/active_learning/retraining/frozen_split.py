"""A split for the quick loop: what is divided stays divided, and new samples join without moving anyone.

Before and after can only be compared where val and test stay what they were. So samples that the pipeline's split (or
an earlier quick one) knows keep their side, and a new sample goes, by its person (see `split.tied_together`),

- to train where that person is in train, to val where they are in val;
- nowhere where they are in test: the test split is for looking at, and what is in it cannot be trained on;
- of a person who is new: where a recorded session or a dataset says, else to train.

New samples for train that show the same moment as a known one of val or test are left out, their whole session too.
Where nothing is divided yet, the split stage's own rules divide everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.split import Settings, split_samples, tied_together
from static_gesture_classification.preparation.splitting.near_duplicates import near_duplicates
from static_gesture_classification.preparation.splitting.report import identity
from static_gesture_classification.samples import SPLITS, read_rows

TRAIN, VAL, TEST = SPLITS
UNUSED = ""
FIRST = (TEST, TRAIN, VAL)  # which of several sides of a person counts, as in the split stage
IN_TEST = "their person is in test"
SEEN = "they show the same moment as a sample of val or test"


@dataclass
class FrozenSplit:
    """The side of each sample, and what became of the new ones.

    Args:
        samples: the sample table with `split` filled in.
        new: bool (n,), samples that no earlier split knew.
        left_out: reason -> new samples.
        divided_anew: whether there was no earlier split.
    """

    samples: pd.DataFrame
    new: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)
    divided_anew: bool = False

    def counts(self) -> dict[str, int]:
        """New samples by the side they joined."""
        joined = self.samples.loc[self.new, "split"].value_counts()
        return {split: int(joined[split]) for split in SPLITS if split in joined.index}


def earlier_sides(tables: Sequence[Path]) -> dict[str, str]:
    """Sample id -> side, by the first of these split tables that knows it; one that is not there is passed over."""
    sides: dict[str, str] = {}
    for path in reversed([path for path in tables if path.is_file()]):
        table = read_rows(path)
        sides |= dict(zip(table["sample_id"], table["split"], strict=True))
    return sides


def frozen_split(
    samples: pd.DataFrame, crops: np.ndarray, earlier: dict[str, str], settings: Settings, vocabulary: Vocabulary
) -> FrozenSplit:
    """Divide samples, most of which are divided already.

    Args:
        samples: sample table of n rows; `split` is what a session or a dataset says, or empty.
        crops: uint8 (n, size, size, 3); row i belongs to row i of `samples`.
        earlier: see `earlier_sides`.
        settings: of the split stage.
        vocabulary: the gestures.

    Raises:
        DataError: nothing is divided yet, and there are too few people to do so.
    """
    known = samples["sample_id"].isin(earlier).to_numpy()
    if not known.any():
        divided, _ = split_samples(samples, crops, settings, vocabulary)
        return FrozenSplit(samples.assign(split=divided["split"].to_numpy()), ~known, divided_anew=True)
    side = samples["sample_id"].map(earlier).to_numpy(object)
    side[~known] = joining(samples, side, known, settings)
    left_out = {}
    in_test = ~known & (side == TEST)
    left_out[IN_TEST] = int(in_test.sum())
    side[in_test] = UNUSED
    seen = same_moment(samples, crops, side, known, settings.seed)
    left_out[SEEN] = int(seen.sum())
    side[seen] = UNUSED
    return FrozenSplit(samples.assign(split=side), ~known, {reason: n for reason, n in left_out.items() if n})


def joining(samples: pd.DataFrame, side: np.ndarray, known: np.ndarray, settings: Settings) -> np.ndarray:
    """The side of each new sample: by its person, else as its session or dataset says, else train."""
    people = tied_together(samples, settings.group)
    said = samples["split"].to_numpy(object)
    by_person = sides_of(people[known], side[known])
    by_publication = sides_of(people[~known], said[~known]) if settings.respect_official else {}
    return np.array(
        [by_person.get(person) or by_publication.get(person) or TRAIN for person in people[~known].tolist()], object
    )


def sides_of(people: np.ndarray, side: np.ndarray) -> dict[int, str]:
    """Person -> side, of those that are on one."""
    sides: dict[int, str] = {}
    for split in reversed(FIRST):
        sides |= dict.fromkeys(people[side == split].tolist(), split)
    return sides


def same_moment(samples: pd.DataFrame, crops: np.ndarray, side: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """New train samples in whose session something shows the same moment as a known one of val or test: bool (n,)."""
    new, held = np.flatnonzero(~known & (side == TRAIN)), np.flatnonzero(known & np.isin(side, (VAL, TEST)))
    if not len(new) or not len(held):
        return np.zeros(len(samples), bool)
    rows = np.concatenate([new, held])
    links = near_duplicates(crops[rows], (np.arange(len(rows)) >= len(new)).astype(int), seed)
    sessions = identity(samples, "session")
    return np.isin(sessions, sessions[rows[links.first]]) & ~known & (side == TRAIN)

"""A split for the quick loop: known samples keep their split, and new samples join it.

Before and after can only be compared if val and test stay the same. So samples of the pipeline's split (or of an
earlier quick one) keep their split. A new sample goes by its subject (see `split.tie_rows`):

- to train if the subject is in train, to val if they are in val;
- nowhere if the subject is in test: nothing of test may be trained on;
- for a new subject: to the split that the recorded session or dataset names, else to train.

New train samples that are near-duplicates of a known sample of val or test are left out with their whole session. If
there is no earlier split, the rules of the split stage divide everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.split import SplitSettings, split_samples, tie_rows
from static_gesture_classification.preparation.splitting.crop_source import CropSource
from static_gesture_classification.preparation.splitting.near_duplicates import UNSETTLED, near_duplicates
from static_gesture_classification.preparation.splitting.report import identity
from static_gesture_classification.row_arrays import Rows
from static_gesture_classification.samples import SPLITS, TEST, TRAIN, VAL, are_among, read_rows

NO_SPLIT = ""
SPLIT_ORDER = (TEST, TRAIN, VAL)  # which of several splits of a subject counts, as in the split stage
IN_TEST = "their person is in test"
SEEN = "they show the same moment as a sample of val or test"


@dataclass
class FrozenSplit:
    """The split of each sample, and the new samples that were left out.

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
        """New samples by the split they joined."""
        joined = self.samples.loc[self.new, "split"].value_counts()
        return {split: int(joined[split]) for split in SPLITS if split in joined.index}


def earlier_splits(tables: Sequence[Path]) -> pd.Series:
    """Split by sample id, from the first of these tables that holds it; missing tables are skipped."""
    found = [read_rows(path, ["sample_id", "split"]) for path in tables if path.is_file()]
    if not found:
        return pd.Series(dtype=str)
    splits = pd.concat(found).drop_duplicates("sample_id") if len(found) > 1 else found[0]
    return splits.set_index("sample_id")["split"]


def freeze_split(
    samples: pd.DataFrame,
    crops: CropSource | Rows,
    earlier: pd.Series,
    settings: SplitSettings,
    vocabulary: Vocabulary,
) -> FrozenSplit:
    """Fill in the splits of new samples; known ones keep theirs.

    Args:
        samples: sample table of n rows; `split` is the session's or dataset's own, or empty.
        crops: uint8 (n, size, size, 3); row i belongs to row i of `samples`.
        earlier: see `earlier_splits`.
        settings: of the split stage.
        vocabulary: the gestures.

    Raises:
        DataError: nothing is divided yet, and there are too few subjects to do so.
    """
    known, at = positions_in(samples["sample_id"], earlier.index)
    if not known.any():
        divided, _ = split_samples(samples, crops, settings, vocabulary)
        return FrozenSplit(samples.assign(split=divided["split"].to_numpy()), ~known, divided_anew=True)
    splits = np.where(known, earlier.to_numpy(object)[at], NO_SPLIT)
    splits[~known] = splits_of_new(samples, splits, known, settings)
    in_test = ~known & (splits == TEST)
    splits[in_test] = NO_SPLIT
    seen = same_moment(samples, crops, splits, known, settings.seed)
    splits[seen] = NO_SPLIT
    left_out = {reason: int(rows.sum()) for reason, rows in ((IN_TEST, in_test), (SEEN, seen)) if rows.any()}
    return FrozenSplit(samples.assign(split=splits), ~known, left_out)


def positions_in(ids: pd.Series, known: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Which of the ids are known, bool (n,), and their positions there, int (n,), 0 for others."""
    found = pc.index_in(pa.array(ids, pa.string()), pa.array(known.astype(str), pa.string()))
    return found.is_valid().to_numpy(zero_copy_only=False), found.fill_null(0).to_numpy(zero_copy_only=False)


def splits_of_new(samples: pd.DataFrame, splits: np.ndarray, known: np.ndarray, settings: SplitSettings) -> np.ndarray:
    """The split of each new sample: its subject's, else its session's or dataset's, else train."""
    if known.all():
        return np.empty(0, object)
    rows = np.flatnonzero(reach(samples, ~known))
    own, known, splits = samples.iloc[rows], known[rows], splits[rows]
    subjects, published = tie_rows(own, settings.group), own["split"].to_numpy(object)
    by_subject = splits_by_subject(subjects[known], splits[known])
    by_publication = splits_by_subject(subjects[~known], published[~known]) if settings.respect_official else {}
    return np.array(
        [by_subject.get(each) or by_publication.get(each) or TRAIN for each in subjects[~known].tolist()], object
    )


def reach(samples: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """All rows that `split.tie_rows` may tie to some of these, over others too: bool (n,).

    A few new samples reach few of a million known ones, and only those need numbers.
    """
    ties = [samples["session"], samples["image"], _name_in_its_source(samples["subject"])]
    while True:
        reached = rows.copy()
        for names in ties:
            reached |= are_among(names, names[rows & (names != "").to_numpy()].unique())
        if (reached == rows).all():
            return rows
        rows = reached


def _name_in_its_source(subjects: pd.Series) -> pd.Series:
    """The subjects as one source names them: "a1" for "hagrid/a1" (see `samples.subject_name`)."""
    numbers, names = pd.factorize(subjects)
    return pd.Series(pd.Series(names).str.rpartition("/")[2].to_numpy()[numbers], subjects.index)


def splits_by_subject(subjects: np.ndarray, splits: np.ndarray) -> dict[int, str]:
    """Subject -> split, for subjects that are in one."""
    found: dict[int, str] = {}
    for split in reversed(SPLIT_ORDER):
        found |= dict.fromkeys(np.unique(subjects[splits == split]).tolist(), split)
    return found


def same_moment(
    samples: pd.DataFrame, crops: CropSource | Rows, splits: np.ndarray, known: np.ndarray, seed: int
) -> np.ndarray:
    """New train samples whose session has a near-duplicate of a known sample of val or test: bool (n,)."""
    new = np.flatnonzero(~known & (splits == TRAIN))
    held_out = np.flatnonzero(known & np.isin(splits, (VAL, TEST)))
    if not len(new) or not len(held_out):
        return np.zeros(len(samples), bool)
    rows = np.concatenate([new, held_out])
    old = (np.arange(len(rows)) >= len(new)).astype(int)
    links = near_duplicates(CropSource.of(crops).take(rows), old, seed, np.where(old, 0, UNSETTLED))
    concerned = np.concatenate([new, rows[np.unique(links.first)]])
    sessions = identity(samples.iloc[concerned], "session")
    result = np.zeros(len(samples), bool)
    result[new] = np.isin(sessions[: len(new)], sessions[len(new) :])
    return result

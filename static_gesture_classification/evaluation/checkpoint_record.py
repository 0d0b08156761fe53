"""The record beside a checkpoint: the data it was trained on, and digests of its subjects instead of names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import TypedDict

from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import PlainName, read_json
from static_gesture_classification.samples import group_of

SUBJECT_DIGITS = 16  # of a subject's digest
_HASHED_ROWS = 65_536  # at a time, so that hashing needs no memory for all
SUBJECTS_KEY = "people_trained_on"  # the record's key of their digests
VERSION_FIELD, SUBJECTS_FIELD = "datasets/version", "datasets/train_people"  # of a run folder
VERSION_COLUMNS = ("sample_id", "gesture", "split")  # that `data_version` needs
SUBJECT_COLUMNS = ("source", "subject", "session", "image", "split")  # that `split_subjects` needs
RECORD_COLUMNS = tuple(dict.fromkeys((*VERSION_COLUMNS, *SUBJECT_COLUMNS)))  # both


class CheckpointRecord(TypedDict, total=False):
    """The fields of the record that other commands read; the run's name becomes part of a path."""

    run: PlainName | None
    epoch: int | None
    sha256: str
    people_trained_on: str | None
    chosen: str
    preferred_to: str | None


def read_checkpoint_record(path: Path) -> dict[str, Any] | None:
    """A checkpoint's JSON record, None where it is missing, unreadable, or something else than a `CheckpointRecord`."""
    try:
        read_json(path, CheckpointRecord, "")
        return read_json(path, dict[str, Any], "")
    except DataError:
        return None


def data_version(samples: pd.DataFrame) -> str:
    """Version of a sample table with splits: 16 hex digits of a hash of sample, gesture and split of all used rows.

    The order of rows does not matter, nor do rows that are in no split.
    """
    used = samples[samples["split"] != ""]
    texts = [pa.array(used[name], pa.large_string(), from_pandas=True) for name in VERSION_COLUMNS]
    rows = pc.binary_join_element_wise(*texts, pa.scalar(" ", pa.large_string()))
    rows = rows.take(pc.array_sort_indices(rows))  # by their UTF-8, which is the order of their letters
    digest = hashlib.blake2b(digest_size=8)
    for start in range(0, len(rows), _HASHED_ROWS):
        digest.update(("\n" * (start > 0) + "\n".join(rows[start : start + _HASHED_ROWS].to_pylist())).encode())
    return digest.hexdigest()


def subject_digests(samples: pd.DataFrame) -> pd.Series:
    """For each row, 16 hex digits of its subject; without a subject, of its session or image (`group_of`)."""
    keys = group_of(samples)
    return keys.map({key: _digest(key) for key in keys.unique()})


def split_subjects(samples: pd.DataFrame, split: str) -> list[str]:
    """Digests of all subjects in a split, sorted; see `subject_digests`."""
    columns = [name for name in SUBJECT_COLUMNS if name != "split"]
    groups = group_of(samples.loc[samples["split"] == split, columns])
    return sorted(map(_digest, groups.unique()))


def _digest(group: object) -> str:
    return hashlib.blake2b(str(group).encode(), digest_size=SUBJECT_DIGITS // 2).hexdigest()


def parse_subjects(text: str) -> frozenset[str] | None:
    """Parse the digests of a record or a run, separated by spaces or lines.

    None (unknown) for shorter digests: they are from a version in which a subject had a name in each source.
    """
    digests = text.split()
    return frozenset(digests) if all(len(digest) == SUBJECT_DIGITS for digest in digests) else None

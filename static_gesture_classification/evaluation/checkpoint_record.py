"""The record beside a checkpoint: which data it was trained on, and whose hands it has seen, without naming anybody."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import TypedDict

from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import PlainName, read_json
from static_gesture_classification.samples import group_of

DIGITS = 16  # of a subject's digest
SUBJECTS = "people_trained_on"  # the record's key of their digests


class Record(TypedDict, total=False):
    """What other commands rely on in the record; the run's name becomes part of a path."""

    run: PlainName | None
    epoch: int | None
    sha256: str
    people_trained_on: str | None
    chosen: str
    preferred_to: str | None


def read_record(path: Path) -> dict[str, Any] | None:
    """A checkpoint's JSON record, None where it is missing, unreadable, or something else than a `Record`."""
    try:
        read_json(path, Record, "")
        return read_json(path, dict[str, Any], "")
    except DataError:
        return None


def data_version(samples: pd.DataFrame) -> str:
    """Version of a sample table with splits: 16 hex digits of a hash of sample, gesture and split of all used rows.

    The order of rows does not matter, nor do rows that are in no split.
    """
    used = samples[samples["split"] != ""]
    rows = sorted(f"{row[0]} {row[1]} {row[2]}" for row in used[["sample_id", "gesture", "split"]].to_numpy())
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=8).hexdigest()


def subject_digests(samples: pd.DataFrame) -> pd.Series:
    """For each row, 16 hex digits that stand for its subject without naming it; where nobody knows who it is, for
    its session or image (see `samples.group_of`).
    """
    keys = group_of(samples)
    digests = {key: hashlib.blake2b(str(key).encode(), digest_size=DIGITS // 2).hexdigest() for key in keys.unique()}
    return keys.map(digests)


def split_subjects(samples: pd.DataFrame, split: str) -> list[str]:
    """Digests of all subjects in a split, sorted; see `subject_digests`."""
    return sorted(set(subject_digests(samples[samples["split"] == split])))


def parse_subjects(text: str) -> frozenset[str] | None:
    """Digests as a record or a run lists them, parted by spaces or lines.

    None, not known, where they are from before a person had one name in all sources: those stand for nobody today.
    """
    digests = text.split()
    return frozenset(digests) if all(len(digest) == DIGITS for digest in digests) else None

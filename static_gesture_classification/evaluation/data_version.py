"""Which data a checkpoint knows: the version of its samples and splits, and the people it has seen."""

from __future__ import annotations

import hashlib

import pandas as pd

from static_gesture_classification.samples import held_together

DIGITS = 16


def data_version(samples: pd.DataFrame) -> str:
    """Version of a sample table with splits: 16 hex digits of a hash of sample, gesture and split of all used rows.

    The order of rows does not matter, nor do rows that are in no split.
    """
    used = samples[samples["split"] != ""]
    rows = sorted(f"{row[0]} {row[1]} {row[2]}" for row in used[["sample_id", "gesture", "split"]].to_numpy())
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=8).hexdigest()


def person_digests(samples: pd.DataFrame) -> pd.Series:
    """For each row, 16 hex digits that stand for its person without naming them; where nobody knows who it is, for
    its session or image (see `samples.held_together`).
    """
    keys = held_together(samples)
    digests = {key: hashlib.blake2b(str(key).encode(), digest_size=DIGITS // 2).hexdigest() for key in keys.unique()}
    return keys.map(digests)


def read_people(text: str) -> frozenset[str] | None:
    """Digests as a record or a run lists them, parted by spaces or lines.

    None, not known, where they are from before a person had one name in all sources: those stand for nobody today.
    """
    digests = text.split()
    return frozenset(digests) if all(len(digest) == DIGITS for digest in digests) else None


def people(samples: pd.DataFrame, split: str) -> list[str]:
    """Digests of all people in a split, sorted; see `person_digests`."""
    return sorted(set(person_digests(samples[samples["split"] == split])))

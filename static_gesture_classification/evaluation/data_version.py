"""Which data a checkpoint knows: the version of its samples and splits, and the people it has seen."""

from __future__ import annotations

import hashlib

import pandas as pd


def data_version(samples: pd.DataFrame) -> str:
    """Version of a sample table with splits: 16 hex digits of a hash of sample, gesture and split of all used rows.

    The order of rows does not matter, nor do rows that are in no split.
    """
    used = samples[samples["split"] != ""]
    rows = sorted(f"{row[0]} {row[1]} {row[2]}" for row in used[["sample_id", "gesture", "split"]].to_numpy())
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=8).hexdigest()


def person_digests(samples: pd.DataFrame) -> pd.Series:
    """For each row, 12 hex digits that stand for its person (the subject within the source) without naming them."""
    keys = samples["source"].astype(str) + "\0" + samples["subject"].astype(str)
    digests = {key: hashlib.blake2b(key.encode(), digest_size=6).hexdigest() for key in keys.unique()}
    return keys.map(digests)


def people(samples: pd.DataFrame, split: str) -> list[str]:
    """Digests of all people in a split, sorted."""
    return sorted(set(person_digests(samples[samples["split"] == split])))

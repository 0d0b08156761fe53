"""The pool: hands that are not in the training set, with the current model's embedding of each.

A pool is a configured source (the part that is not in the index, beyond `max_per_gesture` or under another root), a
folder of images without annotations, or a video. Hands that must not be learned from are left out and counted: hands of
the index, of official val and test splits, of held-out subjects, and in images that are in the index under another
name.

Embeddings are computed once for each checkpoint and stored (`embedding_store`), so mining for another plan starts
searching at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from static_gesture_classification.active_learning.mining.found_hands import find_hands
from static_gesture_classification.active_learning.mining.hand_inputs import (
    Seen,
    hand_keys,
    input_identity,
    read_inputs,
)
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import are_among, group_of, image_path, read_rows
from static_gesture_classification.terminal import say, track
from static_gesture_classification.training.checkpoint import Classifier

HELD_OUT_SPLITS = ("val", "test")
HANDS_PER_WRITE = 512  # hands between two writes
NAMED_PICTURES = 3  # unreadable pictures that a message names


@dataclass
class PoolHands:
    """Hands that could be added.

    Args:
        name: of the pool, for file names.
        samples: sample table; `gesture` is empty where a hand has no label.
        left_out: reason -> number of hands, or of pictures where the reason says so.
        unreadable: (picture, reason).
        notes: lines about other files that were skipped.
    """

    name: str
    samples: pd.DataFrame
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, good: np.ndarray, reason: str) -> None:
        """Leave out the rows that are not good: bool (n,)."""
        if not good.all():
            self.left_out[reason] += int((~good).sum())
            self.samples = self.samples[good].reset_index(drop=True)

    @property
    def reasons(self) -> str:
        """What was left out and why, in one line."""
        reasons = [f"{count:,} {reason}" for reason, count in self.left_out.items()]
        reasons += [f"{picture}: {reason}" for picture, reason in self.unreadable[:NAMED_PICTURES]]
        return "; ".join(reasons) or "it has no hands"


@dataclass(frozen=True)
class Pool:
    """Hands with the current model's predictions.

    Args:
        hands: the hands, n rows of `hands.samples`.
        store: where embeddings and probabilities are.
        rows: int (n,), the row of the store that belongs to each hand.
    """

    hands: PoolHands
    store: EmbeddingStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def samples(self) -> pd.DataFrame:
        """The sample table."""
        return self.hands.samples

    @property
    def probabilities(self) -> np.ndarray:
        """Float32 (n, gestures of the checkpoint)."""
        return np.asarray(self.store.probabilities[self.rows])


def open_pool(settings: MiningSettings, classifier: Classifier) -> Pool:
    """The pool `mining.pool` with the classifier's embeddings, computed where they are not kept yet.

    Raises:
        UserError, DataError: there is no such pool, or nothing is left of it.
        OutputError: `mining.cache` cannot be written.
    """
    hands = pool_hands(settings)
    leave_out_known(hands, settings)
    if hands.samples.empty:
        raise DataError(f"nothing in the pool {settings.pool} could be added: {hands.reasons}")
    pool = embed(hands, classifier, settings)
    if not len(pool):
        raise DataError(f"nothing in the pool {settings.pool} could be judged: {hands.reasons}")
    return pool


def pool_hands(settings: MiningSettings) -> PoolHands:
    """The hands of the configured pool, whether or not they are in the index."""
    pool, names = settings.pool, ", ".join(settings.sources)
    if pool is None:
        raise UserError(f"name the pool to search: mining.pool=DIR, a video, or a source ({names})")
    if pool in settings.sources:
        return hands_of_source(settings, pool)
    path = Path(pool).expanduser()
    if path.exists():
        return hands_in_pictures(settings, path)
    raise UserError(f"mining.pool={pool}: no such folder or file, and no source of this name ({names})")


def hands_of_source(settings: MiningSettings, name: str) -> PoolHands:
    """All hands of a source, also those that `max_per_gesture` or `gestures` keep out of the index."""
    source = settings.sources[name]()
    if not source.present():
        raise DataError(f"nothing in {source.root}; to search source {name}, {source.how_to_get}")
    samples, rejected = read_sources([source], settings.vocabulary)
    hands = PoolHands(name, samples, unreadable=list(zip(rejected["file"], rejected["reason"], strict=True)))
    if len(rejected):
        hands.left_out["entries of the source are bad"] = len(rejected)
    return hands


def hands_in_pictures(settings: MiningSettings, path: Path) -> PoolHands:
    """The hands that the configured detector finds in a folder of images or a video."""
    with settings.detector.build() as detector:
        identity = detector.identity()
    found = find_hands(path, settings.detector.beside_others().build, identity, settings.cache / "found")
    hands = PoolHands(path.resolve().name, found.samples, unreadable=found.unreadable, notes=found.notes)
    if found.without_hand:
        hands.left_out[f"of {found.pictures:,} pictures have no hand that was found"] = found.without_hand
    if found.unreadable:
        hands.left_out["pictures cannot be read"] = len(found.unreadable)
    return hands


def leave_out_known(hands: PoolHands, settings: MiningSettings) -> None:
    """Leave out hands of the index and of subjects who are held out for val and test."""
    hands.keep(~hands.samples["split"].isin(HELD_OUT_SPLITS).to_numpy(), "are in the source's own val or test split")
    if settings.workspace.index_table.is_file():
        known = read_rows(settings.workspace.index_table, ["sample_id", "root", "image"])
        hands.keep(~are_among(hands.samples["sample_id"], known["sample_id"]), "are in the index already")
        hands.keep(~_in_images_of(known, hands.samples), "are in images that are in the index already")
    if settings.workspace.split_table.is_file():
        table = read_rows(settings.workspace.split_table, ["split", "source", "subject", "session", "image"])
        away = table[table["split"].isin(HELD_OUT_SPLITS)]
        own = are_among(group_of(hands.samples), group_of(away).unique())
        hands.keep(~own, "are of people who are held out for val or test")


def _in_images_of(known: pd.DataFrame, samples: pd.DataFrame) -> np.ndarray:
    """Which samples lie in an image of the index, under any path: bool (n,)."""

    def paths(table: pd.DataFrame) -> list[Path]:
        return [image_path(root, image).resolve() for root, image in zip(table["root"], table["image"], strict=True)]

    names, known_names = _file_names(samples), _file_names(known)
    images = set(paths(known[are_among(known_names, names)]))
    same_name = np.flatnonzero(are_among(names, known_names))
    result = np.zeros(len(samples), bool)
    result[same_name] = [path in images for path in paths(samples.iloc[same_name])]
    return result


def _file_names(samples: pd.DataFrame) -> pd.Series:
    """The file name of each image, without its folders."""
    return pd.Series(pc.replace_substring_regex(pa.array(samples["image"], pa.string()), "(?s)^.*/", ""))


def embed(hands: PoolHands, classifier: Classifier, settings: MiningSettings) -> Pool:
    """The hands with their embeddings; hands that the classifier cannot see are left out and counted."""
    if any(marks is None for marks in hands.samples["landmarks"]):
        classifier.kind.check_detector(settings.detector.build())
    digest, names = settings.digest, classifier.vocabulary.names
    store = EmbeddingStore(settings.cache / digest, digest, classifier.network.head.in_features, names)
    keys = hand_keys(hands.samples, input_identity(classifier, settings.detector))
    todo = np.flatnonzero(store.rows(keys) < 0)
    reasons: dict[int, str] = {}
    if len(todo):
        inputs = read_inputs(hands.samples, todo, classifier, settings.detector)
        with store.writer() as writer:
            tracked = track(inputs, "embeddings", len(todo), "hands") if len(todo) > HANDS_PER_WRITE else inputs
            for block in _blocks(tracked, reasons):
                new = [(row, seen) for row, seen in block if store.rows([keys[row]])[0] < 0]
                if new:
                    probabilities, embeddings = classifier.predict(np.stack([seen for _, seen in new]))
                    writer.add([keys[row] for row, _ in new], embeddings, probabilities)
    hands.unreadable += [(str(hands.samples["image"].iloc[row]), reason) for row, reason in reasons.items()]
    rows = store.rows(keys)
    hands.keep(rows >= 0, "show the model nothing (no readable image, or no hand found in it)")
    return Pool(hands, store, rows[rows >= 0])


def _blocks(inputs: Iterator[Seen], reasons: dict[int, str]) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Inputs in blocks, each hand once; `reasons` gets the rows that have none."""
    block: list[tuple[int, np.ndarray]] = []
    for row, seen in inputs:
        if isinstance(seen, str):
            reasons[row] = seen
        else:
            block.append((row, seen))
        if len(block) == HANDS_PER_WRITE:
            yield block
            block = []
    if block:
        yield block


def print_pool(hands: PoolHands) -> None:
    """Print how many hands there are to search, and what was left out."""
    say(f"pool {hands.name}: {len(hands.samples):,} hands to search")
    for reason, count in hands.left_out.items():
        say(f"  left out: {count:,} {reason}")
    for note in hands.notes:
        say(f"  {note}")
    for picture, reason in hands.unreadable[:NAMED_PICTURES]:
        say(f"  {picture}: {reason}")

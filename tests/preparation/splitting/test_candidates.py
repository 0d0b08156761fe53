"""Candidates for near-duplicates, in bounded memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.preparation.splitting import candidates
from static_gesture_classification.preparation.splitting.candidates import UNSETTLED, Parties, candidate_pairs
from static_gesture_classification.row_arrays import array_on_disk, mapped_file

BYTES_PER_ROW = 300


def alike(count: int) -> np.ndarray:
    """Descriptors float32 (count, 64) of unit length, four of each kind."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(count // 4, 64)).repeat(4, axis=0) + random.normal(scale=0.4, size=(count, 64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def strangers(count: int) -> Parties:
    return Parties(np.arange(count), np.full(count, UNSETTLED))


def test_small_pieces_and_descriptors_on_disk_give_the_same_pairs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "ROWS_PER_CELL", 200)
    descriptors = alike(2000)
    whole = candidate_pairs(descriptors, strangers(2000), 0)
    assert len(whole.parcels) == 1
    for name, value in (("ROWS_READ_AT_ONCE", 100), ("ROWS_PER_PARCEL", 150)):
        monkeypatch.setattr(candidates, name, value)
    on_disk = array_on_disk([descriptors[:500], descriptors[500:]], tmp_path)
    assert mapped_file(on_disk) is not None
    parts = candidate_pairs(on_disk, strangers(2000), 0)
    assert len(parts.parcels) == 14
    assert np.array_equal(np.concatenate(parts.parcels), whole.parcels[0])
    pairs = np.concatenate([np.stack(piece) for piece in parts.pieces(64)], axis=1)
    assert len(whole) == len(parts) == pairs.shape[1] > 2000
    assert parts.count_pieces(64) == len(list(parts.pieces(64)))
    assert (pairs[0] < pairs[1]).all()
    assert (np.lexsort(pairs) == np.arange(pairs.shape[1])).all(), "by the second, then the first"


def test_memory_grows_by_few_bytes_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "ROWS_PER_CELL", 500)
    peaks = []
    for count in (10_000, 50_000):
        on_disk, parties = array_on_disk([alike(count)], tmp_path), strangers(count)
        tracemalloc.start()
        assert len(candidate_pairs(on_disk, parties, 0)) > count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < BYTES_PER_ROW * 40_000

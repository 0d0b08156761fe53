"""Samples on a map."""

import os
from pathlib import Path

import numpy as np

from static_gesture_classification.active_learning.diagnosis.sample_map import (
    KEPT_MAPS,
    by_components,
    by_neighbours,
)


def clouds() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    which = np.repeat([0, 1, 2], 20)
    return (np.eye(3)[which] * 5 + random.normal(size=(60, 3)) * 0.2).astype(np.float32), which


def test_what_is_alike_lies_together(tmp_path: Path) -> None:
    embeddings, which = clouds()
    for places in (by_components(embeddings, 0), by_neighbours(embeddings, 0, tmp_path)):
        assert np.abs(places).max() <= 1
        middles = np.array([places[which == cloud].mean(axis=0) for cloud in range(3)])
        nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
        assert (nearest == which).all()


def test_a_map_is_kept_and_a_damaged_one_made_again(tmp_path: Path) -> None:
    embeddings, _ = clouds()
    first = by_neighbours(embeddings, 0, tmp_path)
    kept = next(tmp_path.glob("*.npy"))
    np.save(kept, first + 1)
    assert (by_neighbours(embeddings, 0, tmp_path) == first + 1).all()
    kept.write_bytes(b"half")
    assert (by_neighbours(embeddings, 0, tmp_path) == first).all()


def test_of_old_maps_only_the_newest_stay(tmp_path: Path) -> None:
    embeddings, _ = clouds()
    for number in range(KEPT_MAPS + 1):
        os.utime(write_map(tmp_path / f"{number}.npy"), (number, number))
    by_neighbours(embeddings, 0, tmp_path)
    assert {f"{number}.npy" for number in range(KEPT_MAPS + 1)} - {path.name for path in tmp_path.glob("*.npy")} == {
        "0.npy",
        "1.npy",
    }


def write_map(path: Path) -> Path:
    np.save(path, np.zeros((1, 2), np.float32))
    return path


def test_the_share_that_is_arranged_is_told_up_to_the_end(tmp_path: Path) -> None:
    told: list[float] = []
    by_neighbours(clouds()[0], 0, tmp_path, told.append)
    assert told == sorted(told)
    assert len(told) > 10
    assert told[-1] == 1

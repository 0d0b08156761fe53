from pathlib import Path
from typing import Any

import numpy as np
import pytest

from static_gesture_classification.keyed_store import KEY, Keys
from static_gesture_classification.preparation.splitting import crop_source
from static_gesture_classification.preparation.splitting.crop_source import CropSource, JoinedCrops
from static_gesture_classification.preparation.splitting.near_duplicates import UNSETTLED, Links, near_duplicates
from tests.support.stage_commands import digests

COUNT = 60
EVERYONE = np.arange(2 * COUNT)


class CountedCrops:
    """Crops that count how often each is read."""

    def __init__(self, crops: np.ndarray) -> None:
        self.crops, self.reads = crops, np.zeros(len(crops), int)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, rows: Any) -> np.ndarray:
        self.reads[rows] += 1
        return self.crops[rows]


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Noise, and darker copies of it."""
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return np.concatenate([noise, (noise * 0.7).astype(np.uint8)])


@pytest.fixture(scope="module")
def keys() -> Keys:
    return np.random.default_rng(1).integers(0, 2**63, (2 * COUNT, 2)).astype("<u8").view(KEY).ravel()


def same(first: Links, second: Links) -> bool:
    names = ("first", "second", "similarity")
    return len(first) == COUNT and all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def test_what_is_kept_of_crops_gives_the_same_near_duplicates(crops: np.ndarray, keys: Keys, tmp_path: Path) -> None:
    anew = near_duplicates(crops, EVERYONE, 0)
    for _ in range(2):
        assert same(near_duplicates(CropSource(crops, keys, tmp_path / "kept"), EVERYONE, 0), anew)


def test_a_crop_is_described_once_and_a_new_one_beside_it(crops: np.ndarray, keys: Keys, tmp_path: Path) -> None:
    CropSource(crops[1:], keys[1:], tmp_path / "kept").facts()
    counted = CountedCrops(crops)
    facts = CropSource(counted, keys, tmp_path / "kept").facts()
    assert np.flatnonzero(counted.reads).tolist() == [0]
    assert len(facts.gradients) == 2 * COUNT


def test_what_is_kept_follows_the_crop_not_its_row(crops: np.ndarray, keys: Keys, tmp_path: Path) -> None:
    CropSource(crops, keys, tmp_path / "kept").facts()
    counted, order = CountedCrops(crops), np.random.default_rng(2).permutation(2 * COUNT)
    facts = CropSource(counted, keys, tmp_path / "kept").take(order).facts()
    assert not counted.reads.any()
    assert np.array_equal(facts.thumbnails[:], CropSource(crops[order]).facts().thumbnails[:])


def test_another_folder_is_used_and_left_as_it_is(crops: np.ndarray, keys: Keys, tmp_path: Path) -> None:
    CropSource(crops[:COUNT], keys[:COUNT], tmp_path / "theirs").facts()
    before, counted = digests(tmp_path / "theirs"), CountedCrops(crops)
    links = near_duplicates(CropSource(counted, keys, tmp_path / "own", tmp_path / "theirs"), EVERYONE, 0)
    assert digests(tmp_path / "theirs") == before
    assert same(links, near_duplicates(crops, EVERYONE, 0))


def test_candidates_beside_known_crops_are_found_without_reading_these_again(
    crops: np.ndarray, keys: Keys, tmp_path: Path
) -> None:
    CropSource(crops[:COUNT], keys[:COUNT], tmp_path / "kept").facts()
    counted, groups = CountedCrops(crops[:COUNT]), np.maximum(EVERYONE - COUNT + 1, 0)
    both = JoinedCrops(CropSource(counted, keys[:COUNT], tmp_path / "kept"), CropSource(crops[COUNT : COUNT + 5]))
    links = near_duplicates(both, groups[: len(both)], 0, np.where(groups[: len(both)], UNSETTLED, 0))
    assert links.second.tolist() == [COUNT + number for number in range(5)]
    assert links.first.tolist() == list(range(5))
    assert counted.reads.sum() < COUNT  # those that are alike


def test_where_nothing_can_be_written_crops_are_described_all_the_same(
    crops: np.ndarray, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop_source.os, "access", lambda *_: False)
    links = near_duplicates(CropSource(crops, keys, tmp_path / "kept"), EVERYONE, 0)
    assert same(links, near_duplicates(crops, EVERYONE, 0))
    assert not any(tmp_path.iterdir())


def test_a_search_keeps_its_descriptors_beside_what_is_kept_of_crops(
    crops: np.ndarray, keys: Keys, tmp_path: Path
) -> None:
    source = CropSource(crops, keys, tmp_path / "kept")
    assert source.scratch() == source.take(EVERYONE).scratch() == JoinedCrops(source, source).scratch() == tmp_path
    assert CropSource(crops).scratch() is None
    near_duplicates(source, EVERYONE, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

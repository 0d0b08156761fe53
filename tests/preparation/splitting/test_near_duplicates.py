import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.splitting import candidates
from static_gesture_classification.preparation.splitting import near_duplicates as near
from static_gesture_classification.preparation.splitting.near_duplicates import near_duplicates


@pytest.fixture(scope="module")
def close_ups(hagrid_table: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Different people's hands on white walls: one gesture each of 150 people, and all of five."""
    small = [Image.open(Path(r.root) / r.image).size == (100, 100) for r in hagrid_table.iloc[::3].itertuples()]
    chosen = hagrid_table.iloc[::3][small].reset_index(drop=True)
    crops = [
        crop_square(read_image(Path(r.root) / r.image), (r.x1, r.y1, r.x2, r.y2), 96, 0.15) for r in chosen.itertuples()
    ]
    return np.stack(crops), chosen


def encoded(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=20)
    return np.asarray(Image.open(file))


COPIES = {
    "encoded": encoded,
    "half the size": lambda pixels: np.asarray(Image.fromarray(pixels).resize((48, 48)).resize((96, 96))),
    "darker": lambda pixels: (pixels * 0.6).astype(np.uint8),
    "another box": lambda pixels: crop_square(pixels, (0.06, 0.01, 1.0, 0.95), 96, 0),
}


def test_people_who_show_the_same_gesture_on_a_white_wall_are_no_near_duplicates(close_ups: tuple) -> None:
    crops, table = close_ups
    people = pd.factorize(table["subject"])[0]
    assert people.max() > 100
    assert len(near_duplicates(crops, people, seed=0)) == 0


@pytest.mark.parametrize("name", COPIES)
def test_copy_of_a_photograph_under_another_name_is_found(close_ups: tuple, name: str) -> None:
    crops, table = close_ups
    people = pd.factorize(table["subject"])[0]
    copied = np.arange(0, len(crops), 12)
    copies = np.stack([COPIES[name](crops[row]) for row in copied])
    strangers = people.max() + 1 + np.arange(len(copied))
    links = near_duplicates(np.concatenate([crops, copies]), np.concatenate([people, strangers]), seed=0)
    found = dict(zip(links.second - len(crops), links.first, strict=True))
    right = [found.get(number) == row for number, row in enumerate(copied)]
    assert np.mean(right) > 0.9
    assert (links.similarity >= near.SAME).all()


def test_flat_pictures_are_nobody_s_duplicates() -> None:
    flat = np.full((6, 32, 32, 3), 128, np.uint8)
    assert len(near_duplicates(flat, np.arange(6), seed=0)) == 0


def test_search_in_cells_finds_what_the_full_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    originals = random.integers(0, 256, (400, 8, 8, 3)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    crops = np.concatenate([originals, np.clip(originals * 0.9 + 5, 0, 255).astype(np.uint8)])
    people = np.arange(800)
    whole = near_duplicates(crops, people, seed=0)
    monkeypatch.setattr(candidates, "ROWS_PER_CELL", 100)
    cells = near_duplicates(crops, people, seed=0)
    assert set(zip(whole.first, whole.second, strict=True)) == {(row, row + 400) for row in range(400)}
    assert set(zip(cells.first, cells.second, strict=True)) == set(zip(whole.first, whole.second, strict=True))


def test_however_many_copies_of_one_picture_are_all_tied_together_without_comparing_all_pairs() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8).repeat(500, axis=0)
    links = near_duplicates(crops, np.arange(500), seed=0)
    assert set(links.second[links.first == 0]) == set(range(1, 500))
    assert len(links) <= 500 * (candidates.CANDIDATES_PER_ROW + 1)


TRAIN, VAL, TEST, UNSETTLED = 0, 1, 2, near.UNSETTLED


@pytest.mark.parametrize(
    ("settled", "found"),
    [
        ((TRAIN, TRAIN), False),
        ((TEST, TEST), False),
        ((TRAIN, TEST), True),
        ((TRAIN, UNSETTLED), True),
        ((UNSETTLED, UNSETTLED), True),
    ],
)
def test_pairs_that_cannot_cross_a_split_are_not_compared(settled: tuple[int, int], found: bool) -> None:
    noise = (
        np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    )
    crops = np.concatenate([noise, np.clip(noise * 0.9 + 5, 0, 255).astype(np.uint8)])
    splits = np.repeat(settled, len(noise))
    links = near_duplicates(crops, np.arange(60), 0, splits)
    assert set(zip(links.first, links.second, strict=True)) == (
        {(row, row + 30) for row in range(30)} if found else set()
    )


def test_each_of_many_copies_in_train_is_tied_to_the_one_in_test() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8).repeat(50, axis=0)
    splits = np.full(50, TRAIN)
    splits[40] = TEST
    links = near_duplicates(crops, np.arange(50), 0, splits)
    assert set(zip(links.first, links.second, strict=True)) == {tuple(sorted((row, 40))) for row in range(50)} - {
        (40, 40)
    }

"""Some samples that stand for all of many: of each kind its share, more of rare kinds and of a model's errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from static_gesture_classification.arrays import Integers

LEAST_OF_EACH = 100  # samples of a kind that stay, where it has so many
MOST_ERRORS = 0.25  # share of the places that errors may take before all others


def draw_samples(samples: pd.DataFrame, wrong: npt.NDArray[np.bool_], most: int) -> Integers:
    """The rows of at most `most` samples, ascending: int (m,).

    The same are drawn each time, and most of them again after others were added: a hash of their ids decides.

    Args:
        samples: n rows with `sample_id`, `gesture` and `split`; the latter two are its kind.
        wrong: bool (n,), samples that a model is known to get wrong: they are drawn first.
        most: how many are wanted.
    """
    count = len(samples)
    if count <= most:
        return np.arange(count)
    hashes = pd.util.hash_array(samples["sample_id"].to_numpy(object), categorize=False)
    by_chance = np.argsort(hashes, kind="stable")
    drawn = np.zeros(count, bool)
    drawn[by_chance[wrong[by_chance]][: math.ceil(most * MOST_ERRORS)]] = True
    kinds = _kinds(samples)
    others = by_chance[~drawn[by_chance]]
    others = others[np.argsort(kinds[others], kind="stable")]
    sizes = np.bincount(kinds[others], minlength=kinds.max() + 1)
    place_in_kind = np.arange(len(others)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = share_places(sizes, most - int(drawn.sum()))
    drawn[others[place_in_kind < np.repeat(places, sizes)]] = True
    return np.flatnonzero(drawn)


def share_places(sizes: Integers, places: int) -> Integers:
    """How many of each kind are drawn, int (k,), `places` together: `LEAST_OF_EACH`, the rest in proportion.

    Args:
        sizes: int (k,), samples of each kind.
        places: no more than there are samples.

    >>> share_places(np.array([10_000, 3_000, 40]), 1_000).tolist()
    [688, 272, 40]
    """
    least = np.minimum(sizes, min(LEAST_OF_EACH, places // len(sizes)))
    rest = sizes - least
    wanted = rest * ((places - least.sum()) / max(int(rest.sum()), 1))
    shared: Integers = least + wanted.astype(np.int64)
    missing = places - int(shared.sum())  # what rounding leaves
    shared[np.argsort(shared - least - wanted, kind="stable")[:missing]] += 1
    return shared


def _kinds(samples: pd.DataFrame) -> Integers:
    """A number for each gesture in each split: int (n,)."""
    gestures, _ = pd.factorize(samples["gesture"], sort=True)
    splits, names = pd.factorize(samples["split"], sort=True)
    numbers: Integers = np.unique(gestures * len(names) + splits, return_inverse=True)[1]
    return numbers

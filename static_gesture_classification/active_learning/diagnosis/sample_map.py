"""A map of samples: embeddings in two dimensions, so that what a model sees alike lies together.

First by principal components, within a second; then by t-SNE (van der Maaten and Hinton, "Visualizing Data using
t-SNE", JMLR 2008), which keeps neighbours together. Its forces are interpolated on a grid (Linderman and others, "Fast
interpolation-based t-SNE", Nature Methods 2019; the library openTSNE), some 20 s for 20,000 samples.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from static_gesture_classification.arrays import Singles
from static_gesture_classification.atomic_files import atomic_path

MAP_COMPONENTS = 30  # that t-SNE sees
PERPLEXITY = 30.0
EARLY_ITERATIONS, LATE_ITERATIONS = 100, 250  # with twice as many, no more neighbours are kept
NOTED = 10  # iterations between two notes of progress
FEWEST_ON_MAP = 5  # samples for a map
MOST_ON_MAP = 20_000  # samples on a map
KEPT_MAPS = 5  # files in a folder; the oldest go
MAP_VERSION = 2  # raise it when the same embeddings give another map


def by_components(embeddings: Singles, seed: int) -> Singles:
    """Places (n, 2) float32 in -1..1 by the two principal components of unit vectors."""
    return _to_frame(_reduce(embeddings, 2, seed))


def by_neighbours(
    embeddings: Singles, seed: int, folder: Path, tell: Callable[[float], None] = lambda share: None
) -> Singles:
    """Places (n, 2) float32 in -1..1 by t-SNE, read from `folder` where it is kept there.

    Args:
        embeddings: (n, D), n >= `FEWEST_ON_MAP`.
        seed: of the search.
        folder: where maps are kept, by content.
        tell: is told the share that is done, 0..1.

    Raises:
        OutputError: the folder cannot be written.
    """
    array = np.ascontiguousarray(embeddings, np.float32)
    name = hashlib.blake2b(array.tobytes() + f"{array.shape} {seed} {MAP_VERSION}".encode(), digest_size=12).hexdigest()
    path = folder / f"{name}.npy"
    try:
        kept: Singles = np.load(path, allow_pickle=False)
        if kept.shape == (len(embeddings), 2):
            return kept
    except (OSError, ValueError, EOFError):  # not there yet, or damaged
        pass
    places = _to_frame(_arrange(_reduce(embeddings, MAP_COMPONENTS, seed), seed, tell))
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(file, places, allow_pickle=False)
    for old in sorted(folder.glob("*.npy"), key=_age, reverse=True)[KEPT_MAPS:]:
        old.unlink(missing_ok=True)
    return places


def _arrange(points: Singles, seed: int, tell: Callable[[float], None]) -> Singles:
    """Places (n, 2) by t-SNE, from those by the first two components: clusters are drawn together first."""
    from openTSNE import TSNE  # takes a second

    done = 0

    def note(iteration: int, error: float, places: Singles) -> None:
        nonlocal done
        done += NOTED
        tell(done / (EARLY_ITERATIONS + LATE_ITERATIONS))

    search = TSNE(
        perplexity=min(PERPLEXITY, (len(points) - 1) / 3),
        initialization="pca",
        early_exaggeration_iter=EARLY_ITERATIONS,
        n_iter=LATE_ITERATIONS,
        callbacks=note,
        callbacks_every_iters=NOTED,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`k_neighbors` value is low", module="openTSNE")
        return np.asarray(search.fit(points), np.float32)


def _age(path: Path) -> int:
    """When a file was written; 0 where it has gone meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _reduce(embeddings: Singles, components: int, seed: int) -> Singles:
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)
    count = min(components, *unit.shape)
    reduced: Singles = PCA(count, random_state=seed).fit_transform(unit).astype(np.float32)
    return reduced


def _to_frame(places: Singles) -> Singles:
    centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
    scaled: Singles = (centred / max(float(np.abs(centred).max()), 1e-9)).astype(np.float32)
    return scaled

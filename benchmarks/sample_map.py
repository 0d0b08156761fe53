"""How well, and how fast, the page's map keeps alike hands together.

    python benchmarks/sample_map.py models/quick/trained.ckpt data/quick/landmarks/landmarks.npy

takes the embeddings of a landmark model for hands whose points are moved at random by 3 % of the hand, so that there
are as many as wanted. It prints the trustworthiness (Venna and Kaski, 2001) and the share of a hand's nearest hands
that are among its nearest on the map, of some hands. COUNT=20000 chooses how many hands; with SKLEARN=1 scikit-learn's
t-SNE is measured too, as it was used before. The table is added to benchmarks/results/sample_map.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import measured_on

from static_gesture_classification.active_learning.diagnosis import sample_map
from static_gesture_classification.training.checkpoint import load_classifier

RESULT = Path(__file__).resolve().parent / "results" / "sample_map.md"
COUNT = int(os.environ.get("COUNT", "4000"))
ASKED, NEAREST, MOVED, BATCH = 1000, 15, 0.03, 1024


@dataclass(frozen=True)
class Layout:
    """What was measured of a map."""

    name: str
    trustworthiness: float
    kept: float
    processor: float


def main() -> None:
    embeddings = embed(Path(sys.argv[1]), Path(sys.argv[2]))
    layouts = [measure(name, make, embeddings) for name, make in ways().items()]
    machine = f"{measured_on('scikit-learn', 'openTSNE')}; load average {os.getloadavg()[0]:.1f}"
    lines = [f"## {COUNT:,} hands\n\n{machine}\n", "| map | trustworthiness | nearest kept | processor seconds |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {a.name} | {a.trustworthiness:.4f} | {a.kept:.1%} | {a.processor:.1f} |" for a in layouts]
    text = "\n".join(lines) + "\n"
    print(text)
    before = RESULT.read_text(encoding="utf-8") if RESULT.is_file() else "# The map of samples\n"
    RESULT.write_text(f"{before}\n{text}", encoding="utf-8")


def ways() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    made = {"the sketch: principal components": lambda e: sample_map.by_components(e, 0), "the map": arranged}
    return made | ({"scikit-learn's t-SNE, 1,000 iterations": by_sklearn} if "SKLEARN" in os.environ else {})


def arranged(embeddings: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        return sample_map.by_neighbours(embeddings, 0, Path(folder))


def by_sklearn(embeddings: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    points: np.ndarray = TSNE(2, init="pca", random_state=0).fit_transform(reduced(embeddings))
    return points


def reduced(embeddings: np.ndarray) -> np.ndarray:
    """As t-SNE sees them: principal components of unit vectors."""
    from sklearn.decomposition import PCA

    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    points: np.ndarray = PCA(sample_map.MAP_COMPONENTS, random_state=0).fit_transform(unit)
    return points


def embed(checkpoint: Path, landmarks: Path) -> np.ndarray:
    classifier, random = load_classifier(checkpoint), np.random.default_rng(0)
    points = np.load(landmarks)
    points = points[np.isfinite(points).all(axis=(1, 2))]
    chosen = points[random.integers(len(points), size=COUNT)]
    sizes = np.ptp(chosen, axis=1).max(axis=1)[:, None, None]
    moved = (chosen + random.normal(size=chosen.shape) * MOVED * sizes).astype(np.float32)
    batches = [np.arange(start, min(start + BATCH, COUNT)) for start in range(0, COUNT, BATCH)]
    return np.concatenate([classifier.predict(classifier.kind.take(None, moved, rows))[1] for rows in batches])


def measure(name: str, make: Callable[[np.ndarray], np.ndarray], embeddings: np.ndarray) -> Layout:
    start = time.process_time()
    places = make(embeddings)
    spent = time.process_time() - start
    asked = np.random.default_rng(1).choice(COUNT, min(ASKED, COUNT), replace=False)
    every = np.arange(len(asked))[:, None]
    rank = np.empty((len(asked), COUNT), np.int64)
    rank[every, by_distance(reduced(embeddings), asked)] = np.arange(COUNT)  # 0 is the hand itself
    found = rank[every, by_distance(places, asked)[:, 1 : NEAREST + 1]]
    far = np.maximum(found - NEAREST, 0).sum() / len(asked)
    trust = 1 - 2 / (NEAREST * (2 * COUNT - 3 * NEAREST - 1)) * far
    return Layout(name, float(trust), float((found <= NEAREST).mean()), spent)


def by_distance(points: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """All rows by their distance from each of those asked for, which come first: int (m, n)."""
    points = points.astype(np.float64)
    squares = (points**2).sum(axis=1)
    distances = squares[asked, None] + squares - 2 * points[asked] @ points.T
    distances[np.arange(len(asked)), asked] = -1
    return np.argsort(distances, axis=1)


if __name__ == "__main__":
    main()

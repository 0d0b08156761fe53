"""How fast mining searches a pool, and how much of what it proposes is what was wanted, on real photographs.

    python benchmarks/mining_speed.py

Speed: one line of the plan (100 errors, 100 hands rightly taken for the other gesture) searched in 100,000 hands whose
embeddings are kept on disk. Yield: the model is ImageNet's EfficientNet-Lite0 with a last layer fitted to twelve hands
of each gesture of hagrid_mini's train split; its errors on val are searched for in the rest of train, whose labels are
hidden from the search and used to count. Nothing of test is looked at. The tables are printed and kept in
benchmarks/results/mining_speed.md.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig

from static_gesture_classification.active_learning.admission import AdmissionSettings, judge_all
from static_gesture_classification.active_learning.mining import similarity as search
from static_gesture_classification.active_learning.mining.candidates import (
    Examples,
    crop_candidates,
    propose,
    rank_hands,
)
from static_gesture_classification.active_learning.mining.hand_inputs import cut_crops
from static_gesture_classification.active_learning.mining.pool import Pool, PoolHands
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.active_learning.planning.plan_file import PlannedRecording
from static_gesture_classification.configuration import CONF, PROJECT
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import SCHEMA
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.training.checkpoint import Classifier, initial_network

PHOTOGRAPHS = PROJECT.parent / "shared" / "data" / "hagrid_mini"
RESULT = PROJECT / "benchmarks" / "results" / "mining_speed.md"
POOL, QUERIES, REPEATS = 100_000, 100, 5
MODELS = {"landmarks": 64, "resnet18": 512, "mobilenet_v2, efficientnet_lite0": 1280}
FIRST, LEARNED, SEEDS, LEAST_ERRORS, PAIRS = 20, 12, 8, 4, 3
SIZE = 96


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sections = [speed(Path(folder)), yields(Path(folder))]
    heading = f"# Mining\n\n{measured_on('torch')}, {torch.get_num_threads()} threads.\n"
    text = "\n".join([heading, *sections])
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [f"sources.hagrid.root={PHOTOGRAPHS}", "sources=[hagrid]", *overrides])


def speed(folder: Path) -> str:
    """Seconds to search the pool for one line, by length of the embeddings."""
    vocabulary = Vocabulary.from_config(composed())
    rows = [
        f"## Speed: one line of the plan in {POOL:,} hands\n",
        f"Medians of {REPEATS}. Processor seconds are those of all threads together, whatever else runs.\n",
        "| model | embedding | on disk | seconds | processor seconds |",
        "|---|---|---|---|---|",
    ]
    for name, dimension in MODELS.items():
        pool = large_pool(folder / str(dimension), dimension, vocabulary)
        examples = Examples(*np.abs(np.random.default_rng(1).normal(size=(2, QUERIES, dimension))).astype(np.float32))
        line = PlannedRecording("TWO", "THREE", 30, QUERIES, 0.1, 0.01, "")
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter(), time.process_time()
            rank_hands(line, examples, pool, vocabulary, AdmissionSettings())
            seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        size = sum(path.stat().st_size for path in (folder / str(dimension)).iterdir()) / 1e6
        wall, processors = np.median(seconds, axis=0)
        rows.append(f"| {name} | {dimension} | {size:,.0f} MB | {wall:.2f} | {processors:.2f} |")
    return "\n".join(rows) + "\n"


def large_pool(folder: Path, dimension: int, vocabulary: Vocabulary) -> Pool:
    """Hands nobody labelled, with random embeddings behind a rectifier, as networks have them."""
    random = np.random.default_rng(0)
    store = EmbeddingStore(folder, "random", dimension, vocabulary.names)
    keys = [number.to_bytes(16, "little") for number in range(POOL)]
    with store.writer() as writer:
        for start in range(0, POOL, 10_000):
            embeddings = np.maximum(random.normal(size=(10_000, dimension)), 0).astype(np.float32)
            probabilities = random.dirichlet(np.full(len(vocabulary), 0.2), 10_000).astype(np.float32)
            writer.add(keys[start : start + 10_000], embeddings, probabilities)
    samples = pd.DataFrame({name: pd.Series([""] * POOL, dtype=object) for name in SCHEMA.names})
    return Pool(PoolHands("random", samples), store, np.arange(POOL))


@dataclass(frozen=True)
class Photographs:
    """hagrid_mini's train and val hands with their embeddings (n, D) and classes (n,)."""

    samples: pd.DataFrame
    embeddings: np.ndarray
    classes: np.ndarray
    vocabulary: Vocabulary


def photographs(config: DictConfig) -> Photographs:
    vocabulary = Vocabulary.from_config(config)
    samples, _ = read_sources(Sources.from_config(config), vocabulary)
    samples = samples[samples["split"] != "test"].reset_index(drop=True)
    network = initial_network(config.model, vocabulary).eval()
    crops = dict(cut_crops(samples, np.arange(len(samples)), SIZE, config.crops.margin))
    classifier = Classifier(network, vocabulary, SIZE, config.crops.margin)
    embeddings = classifier.predict(np.stack([crops[row] for row in range(len(samples))]))[1]
    return Photographs(samples, embeddings, np.array(vocabulary.indices(samples["gesture"].tolist())), vocabulary)


def fitted(embeddings: np.ndarray, classes: np.ndarray, count: int, seed: int) -> torch.nn.Module:
    """A last layer, on standardised embeddings."""
    torch.manual_seed(seed)
    x = torch.from_numpy(embeddings)
    scale = x.std(0) + 1e-3
    head = torch.nn.Linear(x.shape[1], count)
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2, weight_decay=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head((x - x.mean(0)) / scale), torch.from_numpy(classes)).backward()
        optimizer.step()
    head.weight.data /= scale
    head.bias.data -= head.weight.data @ x.mean(0)
    return head


def yields(folder: Path) -> str:
    """What is among the first hands proposed, on average over seeds and the worst pairs of each."""
    config = composed("model=efficientnet_lite0", f"paths.crops={folder / 'none'}", f"mining.count={FIRST}")
    data = photographs(config)
    counts: dict[str, list[Shares]] = {}
    against, pairs = search.AGAINST, 0
    for seed in range(SEEDS):
        for ways in seed_yields(data, config, folder, seed):
            pairs += 1
            for way, found in ways.items():
                counts.setdefault(way, []).append(found)
    search.AGAINST = against
    rows = [
        f"## Yield: the first {FIRST} hands proposed for a pair, labels hidden\n",
        f"{pairs} pairs (the {PAIRS} commonest of each of {SEEDS} models with {LEAST_ERRORS} errors or more on val), "
        f"pools of about {int((data.samples['split'] == 'train').sum()):,} hands; means with 95 % intervals. "
        "How the search weighs nearness was chosen on the same people, so expect less on others; the step between the "
        "last two rows is within their intervals.\n",
        "| proposed | show the gesture | would be admitted | the planned error itself |",
        "|---|---|---|---|",
    ]
    for way, shares in counts.items():
        values = np.array(shares)
        half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        cells = [
            f"{100 * mean:.1f} % ± {100 * width:.1f}" for mean, width in zip(values.mean(axis=0), half, strict=True)
        ]
        rows.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


Shares = tuple[float, float, float]


def seed_yields(data: Photographs, config: DictConfig, folder: Path, seed: int) -> Iterator[dict[str, Shares]]:
    """For each of the model's worst pairs the shares by way of searching."""
    random = np.random.default_rng(seed)
    train = random.permutation(np.flatnonzero(data.samples["split"] == "train"))
    learned = np.concatenate([train[data.classes[train] == each][:LEARNED] for each in range(len(data.vocabulary))])
    rest, val = np.setdiff1d(train, learned), np.flatnonzero(data.samples["split"] == "val")
    head = fitted(data.embeddings[learned], data.classes[learned], len(data.vocabulary), seed)
    with torch.inference_mode():
        probabilities = head(torch.from_numpy(data.embeddings)).softmax(1).numpy()
    said = probabilities.argmax(1)
    store = EmbeddingStore(folder / f"seed{seed}", str(seed), data.embeddings.shape[1], data.vocabulary.names)
    with store.writer() as writer:
        writer.add([int(row).to_bytes(16, "little") for row in rest], data.embeddings[rest], probabilities[rest])
    samples = data.samples.iloc[rest].assign(gesture="").reset_index(drop=True)
    pool = Pool(PoolHands("rest", samples), store, np.arange(len(rest)))
    errors = Counter((int(data.classes[row]), int(said[row])) for row in val if data.classes[row] != said[row])
    for (gesture, other), count in errors.most_common(PAIRS):
        right = val[(data.classes[val] == other) & (said[val] == other)]
        if count >= LEAST_ERRORS and len(right):
            wrong = val[(data.classes[val] == gesture) & (said[val] == other)]
            names = data.vocabulary.names
            line = PlannedRecording(names[gesture], names[other], FIRST, count, 0.1, 0.01, "")
            outcomes = judge_all(
                probabilities[rest],
                [line.gesture] * len(rest),
                data.vocabulary,
                AdmissionSettings(),
                [line.mistaken_for] * len(rest),
            )
            shows = data.classes[rest] == gesture
            hits = np.stack([shows, shows & outcomes.admitted, shows & (said[rest] == other)], axis=1)
            yield ways_to_search(
                line, Examples(data.embeddings[wrong], data.embeddings[right]), pool, hits, data, config
            )


def ways_to_search(
    line: PlannedRecording, examples: Examples, pool: Pool, hits: np.ndarray, data: Photographs, config: DictConfig
) -> dict[str, Shares]:
    found = {"at random (expected)": hits.mean(axis=0)}
    for way, against in {"nearest to the errors": 0.0, "and far from what is right (as mining does)": 0.5}.items():
        search.AGAINST = against
        ranking = rank_hands(line, examples, pool, data.vocabulary, AdmissionSettings())
        settings = MiningSettings.from_config(config)
        looks = crop_candidates(pool, ranking.rows.tolist(), settings)
        [chosen] = propose(pool, [ranking], looks, settings)
        found[way] = hits[ranking.rows[chosen.at]].sum(axis=0) / FIRST
    return {way: (float(shares[0]), float(shares[1]), float(shares[2])) for way, shares in found.items()}


if __name__ == "__main__":
    main()

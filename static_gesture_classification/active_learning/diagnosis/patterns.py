"""The pattern behind a pair: what its samples have in common that right ones of the same gesture have not.

    gestures patterns [confusions.predictions=FILE] [overrides]

For each pair (see `confusions`) the samples are measured, all of them together and, where their embeddings fall apart,
cluster by cluster, and compared with samples of the gesture that were classified right. Only what is over-represented
beyond chance is told, with counts: "31 of 41 are left hands smaller than 60 px (12 % of the correct ones)".

Into `confusions.output`: patterns.json, and patterns/<gesture>_taken_for_<prediction>.png, one block per cluster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from rich.markup import escape
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from static_gesture_classification.active_learning.diagnosis.confusions import (
    Confusion,
    Confusions,
    confusions_of,
    pictures_from_config,
    predictions_to_look_at,
    show_notes,
    unreadable,
)
from static_gesture_classification.active_learning.diagnosis.measurements import landmarks_of, measured
from static_gesture_classification.active_learning.diagnosis.over_representation import (
    LEAST,
    Finding,
    Rules,
    over_represented,
)
from static_gesture_classification.active_learning.diagnosis.pictures import Pictures
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.figures import Image8, image_grid, write_figure
from static_gesture_classification.evaluation.metrics import Integers
from static_gesture_classification.evaluation.predictions import Floats
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.terminal import console, track

VERSION = 1
LEAST_IN_CLUSTER = 4  # samples per cluster, on average; smaller ones tell nothing
APART = 0.2  # silhouette from which a pair's samples are said to fall apart; 0 is one cloud, 1 far islands


@dataclass(frozen=True)
class Settings:
    """The node `confusions.patterns` of the configuration, and the seed."""

    pairs: int
    compared: int
    most_clusters: int
    rules: Rules

    @classmethod
    def from_config(cls, config: DictConfig) -> Settings:
        """From the whole composed configuration."""
        node = config.confusions.patterns
        rules = Rules(float(node.level), float(node.least_share), int(node.permutations), int(config.seed))
        return cls(int(node.pairs), int(node.compared), int(node.most_clusters), rules)


@dataclass(frozen=True)
class Cluster:
    """Samples of a pair that resemble each other to the network.

    Args:
        rows: rows of the predictions table, nearest to the cluster's middle first.
        findings: what is over-represented in them.
    """

    rows: Integers
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Pattern:
    """What is known about a pair's samples.

    Args:
        confusion: the pair.
        compared: right samples of the gesture that they were compared with.
        findings: of the whole pair, strongest first.
        clusters: largest first; none where the samples do not fall apart.
    """

    confusion: Confusion
    compared: int
    findings: tuple[Finding, ...]
    clusters: tuple[Cluster, ...]

    @property
    def summary(self) -> str:
        """One sentence: the strongest finding, or why there is none."""
        if self.findings:
            return self.findings[0].sentence
        count = self.confusion.count
        if count < LEAST:
            return f"{count:,} {'sample' if count == 1 else 'samples'}: too few for a pattern"
        if not self.compared:
            return f"no {self.confusion.gesture} was classified right, so there is nothing to compare with"
        return f"nothing measured is over-represented beyond chance in these {count:,} samples"


@entry_point
def main(config: DictConfig) -> None:
    """Describe the pairs of a predictions table."""
    predictions = predictions_to_look_at(Path(config.confusions.predictions), Vocabulary.from_config(config.gestures))
    pictures = pictures_from_config(config)
    notes = pictures.check(predictions.to_frame(), str(config.confusions.predictions))
    confusions = confusions_of(predictions, 0, config.seed)
    patterns = patterns_of(confusions, pictures, Path(config.confusions.landmarks), Settings.from_config(config))
    output = Path(config.confusions.output)
    write_json(output / "patterns.json", _as_json(patterns, str(config.confusions.predictions)))
    write_pictures(confusions, patterns, pictures, output / "patterns", int(config.confusions.shown))
    show(patterns)
    show_notes([*notes, *unreadable(pictures)])
    console.print(f"written to {output}: patterns.json, patterns/", highlight=False, soft_wrap=True, markup=False)


def patterns_of(confusions: Confusions, pictures: Pictures, landmarks: Path, settings: Settings) -> list[Pattern]:
    """The patterns of the pairs with the most weighted F1 at stake.

    Args:
        landmarks: a sample table with landmarks, which may be absent.
    """
    looked_at = confusions.errors[: settings.pairs]
    if not looked_at:
        return []
    gestures = list(dict.fromkeys(error.gesture for error in looked_at))
    by_gesture: dict[str, list[Confusion]] = {name: [] for name in gestures}
    for error in looked_at:
        by_gesture[error.gesture].append(error)
    found: dict[str, Pattern] = {}
    for gesture, errors in track(by_gesture.items(), "patterns", len(by_gesture), "gestures"):
        right = right_samples(confusions, gesture, settings)
        rows = np.concatenate([right, *(error.rows for error in errors)])
        frame = confusions.predictions.table.take(rows).to_pandas()
        ids = frame["sample_id"].tolist()
        shown, points = pictures.of(frame), landmarks_of(landmarks, ids)
        table = measured(frame, shown, pictures.seen(frame), points).set_index(pd.Index(rows))
        for error in errors:
            found[error.name] = _pattern(error, table, right, confusions.predictions.embeddings, settings)
    return [found[error.name] for error in looked_at]


def right_samples(confusions: Confusions, gesture: str, settings: Settings) -> Integers:
    """Rows of a gesture's right samples, at most `compared`, drawn by a hash of seed and sample."""
    table = confusions.predictions
    right = (table.column("gesture") == gesture) & (table.column("prediction") == gesture)
    rows = np.flatnonzero(right)
    if len(rows) <= settings.compared:
        return rows
    draws = [
        hashlib.blake2b(f"{settings.rules.seed}\0{sample}".encode(), digest_size=8).digest()
        for sample in table.column("sample_id")[rows]
    ]
    return np.sort(rows[np.argsort(np.array(draws, "S8"), kind="stable")[: settings.compared]])


def clustered(embeddings: Floats, most: int, seed: int) -> list[Integers]:
    """Positions of each cluster's rows, largest cluster first, nearest to its middle first; one where they are a cloud.

    k-means on unit vectors, with the number of clusters (2 to `most`) of the highest silhouette.

    Args:
        embeddings: (n, D).
        most: clusters at most.
        seed: of k-means.
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(lengths, 1e-9)
    best, labels, middles = APART, np.zeros(len(unit), np.int64), unit.mean(axis=0, keepdims=True)
    distinct = len(np.unique(unit, axis=0))
    for count in range(2, min(most, len(unit) // LEAST_IN_CLUSTER, distinct - 1) + 1):
        fitted = KMeans(count, n_init=4, random_state=seed).fit(unit)
        score = silhouette_score(unit, fitted.labels_)
        if score > best and np.bincount(fitted.labels_).min() >= LEAST:
            best, labels, middles = score, fitted.labels_, fitted.cluster_centers_
    order = np.argsort(-np.bincount(labels), kind="stable")
    return [_from_the_middle(unit, np.flatnonzero(labels == label), middles[label]) for label in order]


def write_pictures(
    confusions: Confusions, patterns: Sequence[Pattern], pictures: Pictures, folder: Path, shown: int
) -> None:
    """Draw each pair's samples, cluster by cluster under what is said of it; remove pictures of other pairs."""
    for pattern in patterns:
        blocks = [_block(confusions, pictures, rows[:shown], title) for rows, title in _blocks(pattern)]
        write_figure(_stacked(blocks), folder / f"{pattern.confusion.name}.png")
    kept = {f"{pattern.confusion.name}.png" for pattern in patterns}
    for path in (*folder.glob("*_taken_for_*.png"), *folder.glob("*_not_found.png")):
        if path.name not in kept:
            path.unlink()


def show(patterns: Sequence[Pattern]) -> None:
    """Print what is known about each pair."""
    if not patterns:
        console.print("nothing is confused, so there is no pattern to look for", highlight=False)
    for pattern in patterns:
        error = pattern.confusion
        said = f"taken for {error.prediction}" if error.prediction else "not found"
        console.print(
            f"[bold]{escape(f'{error.gesture} {said}')}[/]: {error.count:,} of {error.support:,}", highlight=False
        )
        for line in _lines(pattern):
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)


def _lines(pattern: Pattern) -> Iterator[str]:
    yield from [finding.sentence for finding in pattern.findings] or [pattern.summary]
    for number, cluster in enumerate(pattern.clusters, start=1):
        said = "; ".join(finding.sentence for finding in cluster.findings) or "nothing beyond chance"
        yield f"cluster {number} of {len(pattern.clusters)}, {len(cluster.rows):,} samples: {said}"


def _pattern(
    error: Confusion, table: pd.DataFrame, right: Integers, embeddings: Floats | None, settings: Settings
) -> Pattern:
    others = table.loc[right]
    whole = over_represented(table.loc[error.rows], others, settings.rules)
    clusters: list[Cluster] = []
    if embeddings is not None and error.prediction:
        parts = clustered(embeddings[error.rows], settings.most_clusters, settings.rules.seed)
        if len(parts) > 1:
            for part in parts:
                rows = error.rows[part]
                findings = over_represented(table.loc[rows], others, settings.rules, tests=len(parts))
                clusters.append(Cluster(rows, tuple(findings)))
    return Pattern(error, len(right), tuple(whole), tuple(clusters))


def _from_the_middle(unit: Floats, members: Integers, middle: np.ndarray) -> Integers:
    return members[np.argsort(((unit[members] - middle) ** 2).sum(axis=1), kind="stable")]


def _blocks(pattern: Pattern) -> Iterator[tuple[Integers, str]]:
    error = pattern.confusion
    said = f"taken for {error.prediction}" if error.prediction else "not found"
    yield (
        error.rows if not pattern.clusters else error.rows[:0],
        f"{error.gesture} {said}, {error.count:,} samples: {pattern.summary}",
    )
    for number, cluster in enumerate(pattern.clusters, start=1):
        about = cluster.findings[0].sentence if cluster.findings else "nothing beyond chance"
        yield cluster.rows, f"cluster {number}, {len(cluster.rows):,} samples: {about}"


def _block(confusions: Confusions, pictures: Pictures, rows: Integers, title: str) -> Image8:
    frame = confusions.predictions.table.take(rows).to_pandas()
    captions = [f"{score:.2f} {image.rpartition('/')[2]}" for score, image in frame[["score", "image"]].to_numpy()]
    return image_grid(pictures.of(frame), captions, title, columns=8)


def _stacked(blocks: Sequence[Image8]) -> Image8:
    """Images below each other, flush left, on white."""
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(block, ((0, 0), (0, width - block.shape[1]), (0, 0)), constant_values=255) for block in blocks]
    return np.concatenate(padded)


def _as_json(patterns: Sequence[Pattern], source: str) -> dict[str, Any]:
    entries = []
    for pattern in patterns:
        error = pattern.confusion
        entry = {"gesture": error.gesture, "prediction": error.prediction, "count": error.count}
        about = {"compared": pattern.compared, "summary": pattern.summary, "findings": _findings(pattern.findings)}
        clusters = [{"count": len(each.rows), "findings": _findings(each.findings)} for each in pattern.clusters]
        entries.append({**entry, **about, "clusters": clusters})
    return {"version": VERSION, "predictions": source, "patterns": entries}


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{**asdict(finding), "sentence": finding.sentence} for finding in findings]


if __name__ == "__main__":
    main()

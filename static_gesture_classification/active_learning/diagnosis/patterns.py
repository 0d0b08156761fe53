"""The pattern behind a pair: what its samples have in common, unlike the gesture's right samples.

    gestures patterns [confusions.predictions=FILE] [overrides]

The samples of each pair (see `confusions`) are measured and compared with samples of the gesture that were classified
right: all together, and each cluster where their embeddings form clusters. Only properties that are over-represented
beyond chance are told, with counts: "31 of 41 are left hands smaller than 60 px (12 % of the correct ones)".

Into `confusions.output`: patterns.json, and patterns/<gesture>_taken_for_<prediction>.png, one block per cluster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from static_gesture_classification.active_learning.diagnosis.confusions import (
    ConfusionSettings,
    read_errors,
    remove_others,
)
from static_gesture_classification.active_learning.diagnosis.measurements import measure, read_landmarks
from static_gesture_classification.active_learning.diagnosis.over_representation import (
    LEAST_SAMPLES,
    Finding,
    SignificanceSettings,
    find_over_represented,
)
from static_gesture_classification.active_learning.diagnosis.pairs import Confusions, ErrorPair, find_confusions
from static_gesture_classification.active_learning.diagnosis.pictures import Pictures
from static_gesture_classification.arrays import Singles
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.evaluation.figures import Image8, image_grid, write_figure
from static_gesture_classification.evaluation.metrics import Integers
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import in_number, note, say, track

PATTERNS_VERSION = 2
LEAST_IN_CLUSTER = 4  # samples per cluster, on average; smaller ones tell nothing
LEAST_SILHOUETTE = 0.2  # least silhouette at which a pair's samples form clusters; 0 is one cloud, 1 far islands


class PatternSettings(Settings, key="confusions.patterns"):
    """How patterns are searched; see conf/confusions.

    Args:
        confusions: whose pairs.
        landmarks: a sample table whose landmarks tell how hands are turned; may be absent.
        pairs: number of pairs, most weighted F1 at stake first.
        compared: right samples of the same gesture to compare with.
        most_clusters: of a pair.
        significance: when a property is reported.
    """

    confusions: ConfusionSettings
    landmarks: Annotated[Path, At("confusions.landmarks")]
    pairs: int = Field(ge=0)
    compared: int = Field(ge=0)
    most_clusters: int = Field(ge=1)
    significance: SignificanceSettings


@dataclass(frozen=True)
class Cluster:
    """Samples of a pair that resemble each other to the network.

    Args:
        rows: rows of the predictions table, nearest to the cluster's middle first.
        findings: over-represented properties.
    """

    rows: Integers
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Pattern:
    """The findings on a pair's samples.

    Args:
        confusion: the pair.
        compared: right samples of the gesture to compare with.
        findings: of the whole pair, strongest first.
        clusters: largest first; none where the samples do not fall apart.
    """

    confusion: ErrorPair
    compared: int
    findings: tuple[Finding, ...]
    clusters: tuple[Cluster, ...]

    @property
    def summary(self) -> str:
        """One sentence: the strongest finding, or why there is none."""
        if self.findings:
            return self.findings[0].sentence
        count = self.confusion.count
        if count < LEAST_SAMPLES:
            return f"{in_number(count, 'sample')}: too few for a pattern"
        if not self.compared:
            return f"no {self.confusion.gesture} was classified right, so there is nothing to compare with"
        return f"nothing measured is over-represented beyond chance in these {count:,} samples"


@entry_point
def main(config: DictConfig) -> None:
    """Describe the pairs of a predictions table."""
    settings = PatternSettings.from_config(config)
    about = settings.confusions
    predictions = read_errors(about.predictions, Vocabulary.from_config(config))
    pictures = about.pictures()
    notes = pictures.check(predictions.to_frame(), str(about.predictions))
    confusions = find_confusions(predictions, 0, about.seed)
    patterns = find_patterns(confusions, pictures, settings)
    write_json(about.output / "patterns.json", _as_json(patterns, str(about.predictions)))
    write_pictures(confusions, patterns, pictures, about.output / "patterns", about.shown)
    show_patterns(patterns)
    for text in (*notes, *pictures.notes()):
        note(text)
    say(f"written to {about.output}: patterns.json, patterns/")


def find_patterns(confusions: Confusions, pictures: Pictures, settings: PatternSettings) -> list[Pattern]:
    """The patterns of the pairs with the most weighted F1 at stake."""
    errors = confusions.errors[: settings.pairs]
    gestures = list(dict.fromkeys(error.gesture for error in errors))
    found: dict[str, Pattern] = {}
    right = {gesture: right_samples(confusions, gesture, settings) for gesture in gestures}
    every = np.concatenate([np.zeros(0, np.int64), *right.values(), *(error.rows for error in errors)])
    points = read_landmarks(settings.landmarks, confusions.predictions.column("sample_id")[every].tolist())
    for gesture in track(gestures, "patterns", len(gestures), "gestures") if gestures else ():
        own = [error for error in errors if error.gesture == gesture]
        rows = np.concatenate([right[gesture], *(error.rows for error in own)])
        frame = confusions.predictions.table.take(rows).to_pandas()
        shown = pictures.of(frame)
        table = measure(frame, shown, pictures.are_readable(frame), points).set_index(pd.Index(rows))
        for error in own:
            found[error.name] = _pattern(error, table, right[gesture], confusions.predictions.embeddings, settings)
    return [found[error.name] for error in errors]


def right_samples(confusions: Confusions, gesture: str, settings: PatternSettings) -> Integers:
    """Rows of a gesture's right samples, at most `compared`, drawn by a hash of seed and sample."""
    table = confusions.predictions
    rows = np.flatnonzero((table.column("gesture") == gesture) & (table.column("prediction") == gesture))
    if len(rows) <= settings.compared:
        return rows
    seed = settings.significance.seed
    draws = [
        hashlib.blake2b(f"{seed}\0{sample}".encode(), digest_size=8).digest()
        for sample in table.column("sample_id")[rows]
    ]
    return np.sort(rows[np.argsort(np.array(draws, "S8"), kind="stable")[: settings.compared]])


def cluster_rows(embeddings: Singles, most: int, seed: int) -> list[Integers]:
    """Positions of each cluster's rows, largest cluster first, nearest to its centre first; else one cluster of all.

    k-means on unit vectors, with the number of clusters (2 to `most`) of the highest silhouette.

    Args:
        embeddings: (n, D).
        most: clusters at most.
        seed: of k-means.
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(lengths, 1e-9)
    best, labels, middles = LEAST_SILHOUETTE, np.zeros(len(unit), np.int64), unit.mean(axis=0, keepdims=True)
    distinct = len(np.unique(unit, axis=0))
    for count in range(2, min(most, len(unit) // LEAST_IN_CLUSTER, distinct - 1) + 1):
        model = KMeans(count, n_init=4, random_state=seed).fit(unit)
        score = silhouette_score(unit, model.labels_)
        if score > best and np.bincount(model.labels_).min() >= LEAST_SAMPLES:
            best, labels, middles = score, model.labels_, model.cluster_centers_
    distances = ((unit - middles[labels]) ** 2).sum(axis=1)
    nearest_first = np.argsort(distances, kind="stable")
    order = np.argsort(-np.bincount(labels), kind="stable")
    return [nearest_first[labels[nearest_first] == label] for label in order]


def write_pictures(
    confusions: Confusions, patterns: Sequence[Pattern], pictures: Pictures, folder: Path, shown: int
) -> None:
    """Draw each pair's samples, cluster by cluster, with the findings as titles; remove pictures of other pairs."""
    for pattern in patterns:
        blocks = [_block(confusions, pictures, rows[:shown], title) for rows, title in _blocks(pattern)]
        write_figure(_stack(blocks), folder / f"{pattern.confusion.name}.png")
    remove_others(folder, [pattern.confusion for pattern in patterns])


def show_patterns(patterns: Sequence[Pattern]) -> None:
    """Print the findings on each pair."""
    if not patterns:
        say("nothing is confused, so there is no pattern to look for")
    for pattern in patterns:
        error = pattern.confusion
        say(f"{error.title}: {error.count:,} of {error.support:,}")
        for line in [finding.sentence for finding in pattern.findings] or [pattern.summary]:
            say(f"  {line}")
        for number, cluster in enumerate(pattern.clusters, start=1):
            about = "; ".join(finding.sentence for finding in cluster.findings) or "nothing beyond chance"
            say(f"  cluster {number} of {len(pattern.clusters)}, {len(cluster.rows):,} samples: {about}")


def _pattern(
    error: ErrorPair, table: pd.DataFrame, right: Integers, embeddings: Singles | None, settings: PatternSettings
) -> Pattern:
    others, significance = table.loc[right], settings.significance
    parts: list[Integers] = []
    if embeddings is not None and error.prediction:
        parts = cluster_rows(embeddings[error.rows], settings.most_clusters, significance.seed)
    clusters = []
    for rows in (error.rows[part] for part in parts if len(parts) > 1):
        findings = find_over_represented(table.loc[rows], others, significance, tests=len(parts))
        clusters.append(Cluster(rows, tuple(findings)))
    whole = find_over_represented(table.loc[error.rows], others, significance)
    return Pattern(error, len(right), tuple(whole), tuple(clusters))


def _blocks(pattern: Pattern) -> Iterator[tuple[Integers, str]]:
    error = pattern.confusion
    rows = error.rows if not pattern.clusters else error.rows[:0]
    yield rows, f"{error.title}, {error.count:,} samples: {pattern.summary}"
    for number, cluster in enumerate(pattern.clusters, start=1):
        about = cluster.findings[0].sentence if cluster.findings else "nothing beyond chance"
        yield cluster.rows, f"cluster {number}, {len(cluster.rows):,} samples: {about}"


def _block(confusions: Confusions, pictures: Pictures, rows: Integers, title: str) -> Image8:
    frame = confusions.predictions.table.take(rows).to_pandas()
    captions = [f"{score:.2f} {image.rpartition('/')[2]}" for score, image in frame[["score", "image"]].to_numpy()]
    return image_grid(pictures.of(frame), captions, title, columns=8)


def _stack(blocks: Sequence[Image8]) -> Image8:
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
    return {"version": PATTERNS_VERSION, "predictions": source, "patterns": entries}


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{**asdict(finding), "sentence": finding.sentence} for finding in findings]


if __name__ == "__main__":
    main()

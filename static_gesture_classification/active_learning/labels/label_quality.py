"""How sure a sample's label is: by out-of-sample predictions, and by near-duplicates with other labels.

For train, a quick classifier is cross-validated over subjects (see `cross_validation`). For val, the checkpoint's
predictions are taken. Both are scaled to the temperature that fits their labels. A sample is suspected where another
gesture is more probable than its label. Its quality is the probability of its label (cleanlab's self-confidence).
`likely` says whether cleanlab's confident learning counts the label as wrong (Northcutt, Jiang and Chuang, "Confident
Learning", JAIR 2021). If near-duplicates have different labels, one must be wrong: the one with the lower quality is
suspected, and its quality is at most 1 - their similarity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from static_gesture_classification.active_learning.labels.cross_validation import (
    FROM_CHECKPOINT,
    Features,
    cross_validate,
    temper,
)
from static_gesture_classification.active_learning.labels.suggestions import (
    CROSS_VALIDATION,
    DUPLICATE,
    SHORT,
    VALIDATION,
    Suggestion,
)
from static_gesture_classification.evaluation.predictions import Predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import LabelFixes
from static_gesture_classification.preparation.splitting.near_duplicates import Links
from static_gesture_classification.samples import group_of


@dataclass(frozen=True)
class Verdicts:
    """The quality of the labels of n samples.

    Args:
        probabilities: (n, C) out-of-sample, NaN where nothing was predicted.
        quality: (n,) probability of the label, NaN likewise.
        likely: bool (n,), whether confident learning counts the label as wrong.
        by: (n,) origin of the probabilities: "cross-validation", "validation" or "".
    """

    probabilities: np.ndarray
    quality: np.ndarray
    likely: np.ndarray
    by: np.ndarray


def judge_labels(
    samples: pd.DataFrame,
    features: Features,
    predictions: Predictions | None,
    vocabulary: Vocabulary,
    folds: int,
    seed: int,
) -> tuple[Verdicts, list[str]]:
    """Judge each label; returns the verdicts and notes on what was not checked.

    Args:
        samples: of train and val.
        features: of the samples of train, in their order.
        predictions: of val, by a model of the vocabulary's gestures; without them val is not checked.
        vocabulary: the gestures.
        folds, seed: of the cross-validation.
    """
    labels = np.asarray(vocabulary.indices(samples["gesture"].tolist()), np.int64)
    train = (samples["split"] == "train").to_numpy()
    probabilities = np.full((len(samples), len(vocabulary)), np.nan)
    own = samples[train].reset_index(drop=True)
    subjects = pd.factorize(group_of(own))[0]
    predicted = cross_validate(features, labels[train], subjects, folds, seed)
    checked = np.isfinite(predicted[:, 0])
    rows = np.flatnonzero(train)[checked]
    probabilities[rows] = 0.0
    probabilities[rows, : predicted.shape[1]] = predicted[checked]
    notes = list(_notes_on_train(own, features, checked))
    if predictions is not None and not train.all():
        notes += _fill_val(probabilities, samples, ~train, vocabulary, predictions)
    return _verdicts(probabilities, labels, train), notes


def rank_suggestions(
    samples: pd.DataFrame, verdicts: Verdicts, links: Links, vocabulary: Vocabulary, fixes: LabelFixes
) -> list[Suggestion]:
    """Suspected samples, lowest quality first, each once."""
    decided = {(fix.sample, fix.to) for fix in fixes.fixes}
    known = np.isfinite(verdicts.quality)
    best = np.where(known, np.nan_to_num(verdicts.probabilities).argmax(axis=1), -1)
    names = np.asarray(vocabulary.names, dtype=object)
    issues: dict[int, Suggestion] = {}
    for row in np.flatnonzero(known & (names[best] != samples["gesture"].to_numpy(dtype=object))).tolist():
        says = f"{verdicts.by[row]} {verdicts.probabilities[row, best[row]]:.2f}"
        issues[row] = _suggestion(samples, row, str(names[best[row]]), verdicts, says)
    for row, twins in _suspects(links, verdicts.quality).items():
        similarity, other = max(twins)
        about = f"{DUPLICATE} {similarity:.2f} of {samples['sample_id'][other][:SHORT]} ({samples['gesture'][other]})"
        about += f" and of {len(twins) - 1:,} more" if len(twins) > 1 else ""
        earlier = issues.get(row) or _suggestion(samples, row, str(samples["gesture"][other]), verdicts, "")
        quality = min(earlier.quality, 1 - similarity)
        evidence = "; ".join(filter(None, (earlier.evidence, about)))
        issues[row] = replace(earlier, quality=quality, evidence=evidence, likely=True)
    listed = [issue for issue in issues.values() if (issue.sample, issue.published) not in decided]
    return sorted(listed, key=lambda issue: (issue.quality, issue.sample))


def _verdicts(probabilities: np.ndarray, labels: np.ndarray, train: np.ndarray) -> Verdicts:
    """Temper the probabilities of train and of val, and let cleanlab judge the labels by them."""
    quality, likely = np.full(len(labels), np.nan), np.zeros(len(labels), bool)
    by, tempered = np.full(len(labels), "", dtype=object), probabilities.copy()
    for rows, name in ((train, CROSS_VALIDATION), (~train, VALIDATION)):
        known = np.flatnonzero(rows & np.isfinite(probabilities).all(axis=1))
        if not len(known):
            continue
        own = temper(probabilities[known], labels[known])
        tempered[known], by[known] = own, name
        quality[known] = get_label_quality_scores(labels[known], own, method="self_confidence")
        if len(np.unique(labels[known])) > 1:
            likely[known] = find_label_issues(labels[known], own, filter_by="prune_by_noise_rate", n_jobs=1)
    return Verdicts(tempered, quality, likely, by)


def _fill_val(
    probabilities: np.ndarray, samples: pd.DataFrame, val: np.ndarray, vocabulary: Vocabulary, predictions: Predictions
) -> Iterator[str]:
    """Fill in val's probabilities from its predictions; yields a note on missing ones."""
    rows = pd.Index(predictions.column("sample_id")).get_indexer(pd.Index(samples["sample_id"]))
    predicted = predictions.probabilities[:, [predictions.gestures.index(name) for name in vocabulary]]
    found = predictions.column("prediction") != ""
    own = np.flatnonzero(val & (rows >= 0))
    own = own[found[rows[own]].astype(bool)]
    probabilities[own] = predicted[rows[own]]
    if missing := int(val.sum()) - len(own):
        yield f"there is no prediction of {missing:,} of the {int(val.sum()):,} samples of val; they were not checked"


def _notes_on_train(samples: pd.DataFrame, features: Features, checked: np.ndarray) -> Iterator[str]:
    yield f"train's labels were checked by {features.kind}, cross-validated over people"
    if features.kind == FROM_CHECKPOINT:
        yield "the checkpoint was trained on these labels, so it may repeat wrong ones; landmarks or pictures do not"
    if missing := int((~features.known).sum()):
        yield f"{missing:,} samples of train have no landmarks, so they were not checked (features=pictures does)"
    lost = samples.loc[features.known & ~checked, "gesture"].value_counts()
    for gesture, count in lost.items():
        yield f"{count:,} {gesture} of train could not be checked: too few other people show it"


def _suspects(links: Links, quality: np.ndarray) -> dict[int, list[tuple[float, int]]]:
    """The suspected row of each pair, with similarity and row of its twins; both rows where quality is unknown."""
    suspects: dict[int, list[tuple[float, int]]] = {}
    for first, second, similarity in zip(links.first, links.second, links.similarity, strict=True):
        pair = [int(first), int(second)]
        known = bool(np.isfinite(quality[pair]).all())
        if known and quality[pair[1]] < quality[pair[0]]:
            pair.reverse()
        for row, other in [pair] if known else [pair, pair[::-1]]:
            suspects.setdefault(row, []).append((float(similarity), other))
    return suspects


def _suggestion(samples: pd.DataFrame, row: int, to: str, verdicts: Verdicts, evidence: str) -> Suggestion:
    entry = samples.iloc[row]
    return Suggestion(
        sample=str(entry["sample_id"]),
        published=str(entry["gesture"]),
        to=to,
        quality=float(np.nan_to_num(verdicts.quality[row], nan=1.0)),
        likely=bool(verdicts.likely[row]),
        evidence=evidence,
        split=str(entry["split"]),
        source=str(entry["source"]),
        subject=str(entry["subject"]),
        image=f"{entry['root']}/{entry['image']}",
    )

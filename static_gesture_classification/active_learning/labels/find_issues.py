"""Dirty labels: samples whose label is probably wrong, most doubtful first.

    gestures label-issues [overrides]

Three witnesses. For train, a quick classifier cross-validated over people (see `out_of_sample`); for val, what the
checkpoint predicted; each brought to the temperature that fits its labels. A sample is suspected where another gesture
is more probable than its label; its quality is the probability of its label (cleanlab's self-confidence), and `likely`
says whether cleanlab's confident learning counts it among the wrong ones (Northcutt, Jiang and Chuang, "Confident
Learning", JAIR 2021). And near-duplicates with different labels, of which one must be wrong: the one with the lower
quality is suspected, and its quality is at most 1 - their similarity.

Samples that somebody has decided on (data/label_fixes.csv) are not listed again. Into `label_issues.output`:
suggestions.csv, and label_issues.png, near_duplicates.png. Fill in the column `decision` (yes, drop, keep, or another
gesture) and take it in with `label_fixes apply=...`; decisions stay when the table is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from omegaconf import DictConfig
from rich import box
from rich.table import Column

from static_gesture_classification.active_learning.diagnosis.confusions import show_notes
from static_gesture_classification.active_learning.labels.cross_validation import (
    CHECKPOINT,
    Features,
    crops_of,
    cross_validated,
    features_of,
    tempered,
)
from static_gesture_classification.active_learning.labels.suggestions import (
    Suggestion,
    kept_decisions,
    write_suggestions,
)
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.figures import image_grid, write_figure
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import LabelFixes, read_label_fixes
from static_gesture_classification.preparation.splitting.near_duplicates import Links, near_duplicates
from static_gesture_classification.samples import held_together, read_rows
from static_gesture_classification.terminal import Table, console

SUGGESTIONS = "suggestions.csv"
SHORT = 10  # digits of a sample's id that a table shows; `label_fixes` takes them too
CROSS_VALIDATION, VALIDATION, DUPLICATE = "cross-validation", "validation", "near-duplicate"


@dataclass(frozen=True)
class Verdicts:
    """What the witnesses say of n samples.

    Args:
        probabilities: (n, C) out-of-sample, NaN where there is no witness.
        quality: (n,) probability of the label, NaN likewise.
        likely: bool (n,), whether confident learning counts the label as wrong.
        by: (n,) who says so: "cross-validation", "validation" or "".
    """

    probabilities: np.ndarray
    quality: np.ndarray
    likely: np.ndarray
    by: np.ndarray


@entry_point
def main(config: DictConfig) -> None:
    """Look for wrong labels in train and val."""
    vocabulary = Vocabulary.from_config(config.gestures)
    samples = samples_to_check(config, vocabulary)
    features = features_of(samples[samples["split"] == "train"].reset_index(drop=True), config)
    verdicts, notes = judged(samples, features, vocabulary, config)
    links = same_picture_other_label(samples, config) if config.label_issues.near_duplicates else Links.none()
    fixes = read_label_fixes(Path(config.label_issues.fixes), vocabulary)
    issues = ranked(samples, verdicts, links, vocabulary, fixes)
    output = Path(config.label_issues.output)
    write_suggestions(kept_decisions(issues, output / SUGGESTIONS), output / SUGGESTIONS)
    draw(issues, links, samples, config, output)
    show(issues, int(config.label_issues.rows), len(samples))
    show_notes(notes)
    show_next(issues, output / SUGGESTIONS)


def samples_to_check(config: DictConfig, vocabulary: Vocabulary) -> pd.DataFrame:
    """The samples of train and val, whose labels are gestures of the vocabulary."""
    path = Path(config.label_issues.samples)
    samples = read_rows(path)
    samples = samples[samples["split"].isin(["train", "val"])].reset_index(drop=True)
    unknown = sorted(set(samples["gesture"]) - set(vocabulary))
    if unknown:
        raise DataError(
            f"{path} has samples of {', '.join(unknown)}, which gestures.names does not have; run dvc repro, or choose "
            "those gestures"
        )
    if samples.empty:
        raise DataError(f"{path} has no sample in train or val; run dvc repro")
    return samples


def judged(
    samples: pd.DataFrame, features: Features, vocabulary: Vocabulary, config: DictConfig
) -> tuple[Verdicts, list[str]]:
    """What the witnesses say of each sample, and what a reader should know of them.

    Args:
        samples: of train and val.
        features: of those of train, in their order.
    """
    labels = np.asarray(vocabulary.indices(samples["gesture"].tolist()), np.int64)
    train = (samples["split"] == "train").to_numpy()
    probabilities = np.full((len(samples), len(vocabulary)), np.nan)
    own = samples[train].reset_index(drop=True)
    people = pd.factorize(held_together(own))[0]
    said = cross_validated(features, labels[train], people, int(config.label_issues.folds), config.seed)
    probabilities[np.flatnonzero(train), : said.shape[1]] = said
    rest = np.ix_(train & np.isfinite(probabilities[:, 0]), np.arange(said.shape[1], len(vocabulary)))
    probabilities[rest] = 0.0
    notes = list(_notes_on_train(own, features.kind, features.known, np.isnan(said[:, 0])))
    notes += _fill_val(probabilities, samples, ~train, vocabulary, Path(config.label_issues.predictions))
    return _verdicts(probabilities, labels, train), notes


def same_picture_other_label(samples: pd.DataFrame, config: DictConfig) -> Links:
    """Near-duplicates of which the labels differ, by their rows."""
    crops = crops_of(samples, Path(config.paths.crops))
    return near_duplicates(cast(np.ndarray, crops), pd.factorize(samples["gesture"])[0], config.seed)


def ranked(
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


def draw(issues: Sequence[Suggestion], links: Links, samples: pd.DataFrame, config: DictConfig, output: Path) -> None:
    """Draw the most doubtful samples, and near-duplicates side by side; remove what is not drawn any more."""
    shown = int(config.label_issues.shown)
    rows = pd.Index(samples["sample_id"]).get_indexer([issue.sample for issue in issues[:shown]])
    captions = [f"{n}. {issue.published}: {issue.to}?" for n, issue in enumerate(issues[:shown], start=1)]
    title = f"labels in doubt, the first {len(rows):,} of {len(issues):,}: label: what it looks like?"
    _write_grid(output / "label_issues.png", samples.iloc[rows], captions, title, 6, config)
    pairs = np.stack([links.first, links.second], axis=1)[np.argsort(-links.similarity, kind="stable")][: shown // 2]
    said = [str(samples["gesture"][row]) for row in pairs.ravel()]
    title = f"the same picture, two labels: {len(links):,} pairs, side by side"
    _write_grid(output / "near_duplicates.png", samples.iloc[pairs.ravel()], said, title, 6, config)


def show(issues: Sequence[Suggestion], rows: int, samples: int) -> None:
    """Print the most doubtful samples."""
    likely = sum(issue.likely for issue in issues)
    console.print(
        f"{len(issues):,} of {samples:,} labels are in doubt, {likely:,} of them likely wrong", highlight=False
    )
    if not issues:
        return
    columns = [Column(name, no_wrap=True) for name in ("", "sample", "label", "looks like")]
    last = (Column("quality", justify="right"), Column("why", ratio=1))
    table = Table(*columns, *last, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, issue in enumerate(issues[:rows], start=1):
        cells = (f"{number}", issue.sample[:SHORT], issue.published, issue.to, f"{issue.quality:.3f}")
        table.add_row(*cells, issue.evidence)
    console.print(table)


def show_next(issues: Sequence[Suggestion], path: Path) -> None:
    """Print how to decide."""
    if not issues:
        return
    command = "gestures fix-labels"
    lines = (
        f"look at {path.with_name('label_issues.png')}, then decide:",
        f"  one:   {command} sample={issues[0].sample[:SHORT]} to={issues[0].to} why=...",
        "         (to=drop leaves it out, to=keep says that the label is right)",
        f"  many:  fill in the column decision of {path} (yes, drop, keep, or a gesture), then",
        f"         {command} apply={path}",
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _verdicts(probabilities: np.ndarray, labels: np.ndarray, train: np.ndarray) -> Verdicts:
    """Temper each witness's probabilities and let cleanlab judge the labels by them."""
    quality, likely = np.full(len(labels), np.nan), np.zeros(len(labels), bool)
    by = np.full(len(labels), "", dtype=object)
    tempered_all = probabilities.copy()
    for rows, name in ((train, CROSS_VALIDATION), (~train, VALIDATION)):
        known = np.flatnonzero(rows & np.isfinite(probabilities).all(axis=1))
        if not len(known):
            continue
        said = tempered(probabilities[known], labels[known])
        tempered_all[known], by[known] = said, name
        quality[known] = get_label_quality_scores(labels[known], said, method="self_confidence")
        if len(np.unique(labels[known])) > 1:
            likely[known] = find_label_issues(labels[known], said, filter_by="prune_by_noise_rate", n_jobs=1)
    return Verdicts(tempered_all, quality, likely, by)


def _fill_val(
    probabilities: np.ndarray, samples: pd.DataFrame, val: np.ndarray, vocabulary: Vocabulary, path: Path
) -> Iterator[str]:
    """Take val's probabilities from the predictions table; yields what is missing."""
    if not val.any():
        return
    if not path.is_file():
        yield f"there are no predictions at {path}, so val's labels were not checked; evaluate first (dvc repro)"
        return
    predictions = read_predictions(path)
    if set(predictions.gestures) != set(vocabulary):
        raise DataError(
            f"{path} was predicted by a model of other gestures ({', '.join(predictions.gestures)}) than "
            f"gestures.names has ({', '.join(vocabulary)}); train and evaluate again (dvc repro)"
        )
    rows = pd.Index(predictions.column("sample_id")).get_indexer(pd.Index(samples["sample_id"]))
    said = predictions.probabilities[:, [predictions.gestures.index(name) for name in vocabulary]]
    found = predictions.column("prediction") != ""
    own = np.flatnonzero(val & (rows >= 0))
    own = own[found[rows[own]].astype(bool)]
    probabilities[own] = said[rows[own]]
    if missing := int(val.sum()) - len(own):
        yield f"{path} says nothing of {missing:,} of the {int(val.sum()):,} samples of val; they were not checked"


def _notes_on_train(samples: pd.DataFrame, kind: str, known: np.ndarray, unjudged: np.ndarray) -> Iterator[str]:
    yield f"train's labels were checked by {kind}, cross-validated over people"
    if kind == CHECKPOINT:
        yield "the checkpoint was trained on these very labels, so it excuses wrong ones: landmarks or pictures do not"
    if not known.all():
        missing = int((~known).sum())
        yield f"{missing:,} samples of train have no landmarks, so they were not checked (features=pictures does)"
    lost = samples.loc[known & unjudged, "gesture"].value_counts()
    for gesture, count in lost.items():
        yield f"{count:,} {gesture} of train could not be checked: too few other people show it"


def _suspects(links: Links, quality: np.ndarray) -> dict[int, list[tuple[float, int]]]:
    """The suspected row of each pair, with similarity and row of its twins; both rows where nobody can tell."""
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


def _write_grid(
    path: Path, samples: pd.DataFrame, captions: list[str], title: str, columns: int, config: DictConfig
) -> None:
    if samples.empty:
        path.unlink(missing_ok=True)
        return
    crops = crops_of(samples, Path(config.paths.crops))[:]
    write_figure(image_grid(crops, captions, title, columns=columns, tile=170), path)


if __name__ == "__main__":
    main()

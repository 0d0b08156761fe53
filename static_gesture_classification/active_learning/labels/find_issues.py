"""Dirty labels: samples whose label is probably wrong, most doubtful first.

    gestures label-issues [overrides]

Looks at train and val (see `label_quality`). Samples that somebody has decided on (data/label_fixes.csv) are not
listed again. Into `label_issues.output`: suggestions.csv, and label_issues.png, near_duplicates.png. Fill in the column
`decision` (yes, drop, keep, or another gesture) and take it in with `gestures fix-labels apply=...`; decisions stay
when the table is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field
from rich.table import Column

from static_gesture_classification.active_learning.diagnosis.confusions import check_vocabulary
from static_gesture_classification.active_learning.labels.cross_validation import (
    FeatureSettings,
    features_of,
    select_crops,
)
from static_gesture_classification.active_learning.labels.label_quality import judge_labels, rank_suggestions
from static_gesture_classification.active_learning.labels.suggestions import (
    SHORT,
    Suggestion,
    keep_decisions,
    write_suggestions,
)
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.figures import image_grid, write_figure
from static_gesture_classification.evaluation.predictions import Predictions, read_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import read_label_fixes
from static_gesture_classification.preparation.splitting.near_duplicates import Links, near_duplicates
from static_gesture_classification.samples import read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import Table, note, say, show_table

SUGGESTIONS, LABEL_ISSUES, NEAR_DUPLICATES = "suggestions.csv", "label_issues.png", "near_duplicates.png"


class LabelIssueSettings(Settings, key="label_issues"):
    """How labels are checked, and where the suggestions go; see conf/label_issues.

    Args:
        fixes: table of the decisions so far.
        output: folder of the results.
        samples: table whose train and val are checked.
        predictions: of val; may be absent.
        folds: of the cross-validation.
        near_duplicates: whether to search for near-duplicates with different labels.
        rows: in the terminal's table.
        shown: pictures.
        features: of the quick classifier.
        seed: of the folds, and of the search for near-duplicates.
    """

    fixes: Path
    output: Path
    samples: Path
    predictions: Path
    folds: int = Field(ge=2)
    near_duplicates: bool
    rows: int = Field(ge=0)
    shown: int = Field(ge=0)
    features: FeatureSettings
    seed: Annotated[int, At("seed")]


@entry_point
def main(config: DictConfig) -> None:
    """Look for wrong labels in train and val."""
    settings, vocabulary = LabelIssueSettings.from_config(config), Vocabulary.from_config(config)
    samples = samples_to_check(settings.samples, vocabulary)
    features = features_of(samples[samples["split"] == "train"].reset_index(drop=True), settings.features)
    predictions = predictions_of_val(settings.predictions, vocabulary)
    verdicts, notes = judge_labels(samples, features, predictions, vocabulary, settings.folds, settings.seed)
    if predictions is None and (samples["split"] == "val").any():
        notes.append(
            f"there are no predictions at {settings.predictions}, so val's labels were not checked; evaluate first "
            "(dvc repro)"
        )
    links = same_picture_other_label(samples, settings) if settings.near_duplicates else Links.none()
    issues = rank_suggestions(samples, verdicts, links, vocabulary, read_label_fixes(settings.fixes, vocabulary))
    path = settings.output / SUGGESTIONS
    write_suggestions(keep_decisions(issues, path), path)
    draw_issues(issues, links, samples, settings)
    show_issues(issues, settings.rows, len(samples))
    for text in notes:
        note(text)
    show_next(issues, path)


def samples_to_check(path: Path, vocabulary: Vocabulary) -> pd.DataFrame:
    """The samples of train and val, whose labels are gestures of the vocabulary."""
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


def predictions_of_val(path: Path, vocabulary: Vocabulary) -> Predictions | None:
    """The predictions table, None where it is absent. Raises `DataError` where it is of other gestures."""
    if not path.is_file():
        return None
    predictions = read_predictions(path)
    check_vocabulary(predictions, vocabulary, path)
    return predictions


def same_picture_other_label(samples: pd.DataFrame, settings: LabelIssueSettings) -> Links:
    """Near-duplicates with different labels, by row."""
    crops = select_crops(samples, settings.features.crops)
    return near_duplicates(crops, pd.factorize(samples["gesture"])[0], settings.seed)


def draw_issues(
    issues: Sequence[Suggestion], links: Links, samples: pd.DataFrame, settings: LabelIssueSettings
) -> None:
    """Draw the most doubtful samples, and near-duplicates side by side; remove outdated pictures."""
    shown = settings.shown
    rows = pd.Index(samples["sample_id"]).get_indexer([issue.sample for issue in issues[:shown]])
    captions = [f"{n}. {issue.published}: {issue.to}?" for n, issue in enumerate(issues[:shown], start=1)]
    title = f"labels in doubt, the first {len(rows):,} of {len(issues):,}: label: what it looks like?"
    _write_grid(LABEL_ISSUES, samples.iloc[rows], captions, title, settings)
    pairs = np.stack([links.first, links.second], axis=1)[np.argsort(-links.similarity, kind="stable")][: shown // 2]
    title = f"the same picture, two labels: {len(links):,} pairs, side by side"
    twins = samples.iloc[pairs.ravel()]
    _write_grid(NEAR_DUPLICATES, twins, twins["gesture"].tolist(), title, settings)


def show_issues(issues: Sequence[Suggestion], rows: int, samples: int) -> None:
    """Print the most doubtful samples."""
    likely = sum(issue.likely for issue in issues)
    say(f"{len(issues):,} of {samples:,} labels are in doubt, {likely:,} of them likely wrong")
    if not issues:
        return
    columns = [Column(name, no_wrap=True) for name in ("", "sample", "label", "looks like")]
    last = (Column("quality", justify="right"), Column("why", ratio=1))
    table = Table(*columns, *last)
    for number, issue in enumerate(issues[:rows], start=1):
        cells = (f"{number}", issue.sample[:SHORT], issue.published, issue.to, f"{issue.quality:.3f}")
        table.add_row(*cells, issue.evidence)
    show_table(table)


def show_next(issues: Sequence[Suggestion], path: Path) -> None:
    """Print how to decide."""
    if not issues:
        return
    command = "gestures fix-labels"
    say(f"look at {path.with_name(LABEL_ISSUES)}, then decide:")
    say(f"  one:   {command} sample={issues[0].sample[:SHORT]} to={issues[0].to} why=...")
    say("         (to=drop leaves it out, to=keep says that the label is right)")
    say(f"  many:  fill in the column decision of {path} (yes, drop, keep, or a gesture), then")
    say(f"         {command} apply={path}")


def _write_grid(
    name: str, samples: pd.DataFrame, captions: list[str], title: str, settings: LabelIssueSettings
) -> None:
    path = settings.output / name
    if samples.empty:
        path.unlink(missing_ok=True)
        return
    crops = select_crops(samples, settings.features.crops)[:]
    write_figure(image_grid(crops, captions, title, columns=6, tile=170), path)


if __name__ == "__main__":
    main()

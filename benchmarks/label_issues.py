"""How many wrong labels are found, on real photographs in which labels were made wrong on purpose.

    python benchmarks/label_issues.py [WORKPLACE]

Indexes, crops and splits the photographs at ../shared/data, and extracts their landmarks, in WORKPLACE (a folder that
is made use of again; default: a temporary one). Then, for each of several seeds, 5 % of the labels of train are given
to another gesture drawn at random, and train is checked as `label_issues` does it, by landmarks and by pictures; the
same for val, by a classifier that was trained on train. Beside that, copies of samples with another label are looked
for among near-duplicates. Labels that were wrong before count as false alarms here, so what is said of precision is a
lower bound. The table is printed and kept in benchmarks/results/label_issues.md.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from static_gesture_classification.active_learning.labels.cross_validation import (
    FROM_LANDMARKS,
    PENALTY,
    Features,
    of_landmarks,
    of_pictures,
    select_crops,
)
from static_gesture_classification.active_learning.labels.label_quality import judge_labels, rank_suggestions
from static_gesture_classification.configuration import CONF
from static_gesture_classification.evaluation.predictions import (
    predictions_of,
    read_predictions,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation import crops, index, landmarks, split
from static_gesture_classification.preparation.label_fixes import LabelFixes
from static_gesture_classification.preparation.splitting.near_duplicates import Links, near_duplicates
from static_gesture_classification.samples import read_rows

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "label_issues.md"
WRONG, SEEDS, COPIES = 0.05, 5, 100
COLUMNS = ("split", "seen by", "labels", "wrong", "first n", "first 2n", "listed", "precision", "ranking")


def main() -> None:
    workplace = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    config = composed(workplace)
    prepare(config)
    samples = read_rows(Path(config.paths.splits) / "samples.parquet")
    samples = samples[samples["split"].isin(["train", "val"])].reset_index(drop=True)
    own = samples[samples["split"] == "train"].reset_index(drop=True)
    seen = (
        of_landmarks(own, Path(config.paths.landmarks)),
        of_pictures(select_crops(own, Path(config.paths.crops)), config.seed),
    )
    predict_val(samples, of_landmarks(samples, Path(config.paths.landmarks)), config)
    rows = [row for seed in range(SEEDS) for row in searched(samples, seen, seed, config)]
    text = report(pd.DataFrame(rows, columns=COLUMNS), duplicates_found(samples, config))
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def composed(workplace: Path) -> DictConfig:
    overrides = [f"paths.{name}={workplace / name}" for name in ("index", "crops", "splits", "landmarks")]
    overrides += [f"sources.{name}.root={SHARED / 'data' / folder}" for name, folder in sources().items()]
    overrides += ["sources=[hagrid,hands,recorded_legacy]", "crops.size=128", "landmarks.extract=always"]
    overrides += [f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}"]
    overrides += [f"landmarks.cache={workplace / 'cache'}", f"label_issues.predictions={workplace / 'val.parquet'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides)


def sources() -> dict[str, str]:
    return {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}


def prepare(config: DictConfig) -> None:
    for stage in (index, crops, split, landmarks):
        stage.main.__wrapped__(config)


def searched(samples: pd.DataFrame, seen: Sequence[Features], seed: int, config: DictConfig) -> Iterator[tuple]:
    """Rows of the table for one drawing of wrong labels."""
    vocabulary = Vocabulary.from_config(config)
    dirty, wrong = made_wrong(samples, vocabulary, seed)
    train = (samples["split"] == "train").to_numpy()
    for features in seen:
        verdicts, _ = judge_labels(
            dirty,
            features,
            read_predictions(Path(config.label_issues.predictions)),
            vocabulary,
            config.label_issues.folds,
            config.seed,
        )
        issues = rank_suggestions(dirty, verdicts, Links.none(), vocabulary, LabelFixes.none())
        order = pd.Index(samples["sample_id"]).get_indexer([issue.sample for issue in issues])
        likely = np.array([issue.likely for issue in issues])
        for rows, name in ((train, "train"), (~train, "val")):
            if name == "val" and features.kind != FROM_LANDMARKS:
                continue
            checked = rows & np.isfinite(verdicts.quality)
            yield (name, features.kind, *scored(wrong & checked, checked, order, likely, verdicts.quality))


def made_wrong(samples: pd.DataFrame, vocabulary: Vocabulary, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The samples, of which `WRONG` of each split have another label, and which have: bool (n,)."""
    random = np.random.default_rng(seed)
    labels = np.asarray(vocabulary.indices(samples["gesture"].tolist()))
    wrong = np.zeros(len(samples), bool)
    for name in ("train", "val"):
        rows = np.flatnonzero(samples["split"] == name)
        wrong[random.choice(rows, round(WRONG * len(rows)), replace=False)] = True
    labels[wrong] = (labels[wrong] + random.integers(1, len(vocabulary), wrong.sum())) % len(vocabulary)
    return samples.assign(gesture=np.asarray(vocabulary.names, dtype=object)[labels]), wrong


def predict_val(samples: pd.DataFrame, features: Features, config: DictConfig) -> None:
    """Write what a classifier that was trained on train's true labels says of val, where there are landmarks."""
    vocabulary = Vocabulary.from_config(config)
    labels = np.asarray(vocabulary.indices(samples["gesture"].tolist()))
    train, val = ((samples["split"] == name).to_numpy() & features.known for name in ("train", "val"))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY[FROM_LANDMARKS], max_iter=500))
    model.fit(features.values[train], labels[train])
    said = np.zeros((int(val.sum()), len(vocabulary)), np.float32)
    said[:, model.classes_] = model.predict_proba(features.values[val])
    keys = sample_keys(samples[val])
    write_predictions(predictions_of(keys, said, vocabulary), Path(config.label_issues.predictions))


def scored(
    wrong: np.ndarray, checked: np.ndarray, order: np.ndarray, likely: np.ndarray, quality: np.ndarray
) -> tuple[int, int, float, float, float, float, float]:
    """Labels checked, wrong ones among them (n); shares of these in the first n, in 2n, listed; precision; AP."""
    own = checked[order]
    found, count = wrong[order[own]], int(wrong.sum())
    precision = found[likely[own]].mean() if likely[own].any() else np.nan
    shares = (found[:count].sum() / count, found[: 2 * count].sum() / count, found.sum() / count)
    area = average_precision_score(wrong[checked], -quality[checked])
    return int(checked.sum()), count, *shares, float(precision), float(area)


def duplicates_found(samples: pd.DataFrame, config: DictConfig) -> tuple[float, int]:
    """Share of re-encoded copies with another label that are found, and pairs without a copy that were found too."""
    pixels = select_crops(samples, Path(config.paths.crops))[:]
    chosen = np.random.default_rng(0).choice(len(samples), COPIES, replace=False)
    copies = np.stack([reencoded(picture) for picture in pixels[chosen]])
    gestures = pd.factorize(samples["gesture"])[0]
    other = (gestures[chosen] + 1) % (gestures.max() + 1)
    links = near_duplicates(np.concatenate([pixels, copies]), np.concatenate([gestures, other]), config.seed)
    tied = {(int(a), int(b)) for a, b in zip(links.first, links.second, strict=True)}
    found = sum((int(row), len(samples) + at) in tied for at, row in enumerate(chosen))
    return found / COPIES, sum(second < len(samples) for _, second in tied)


def reencoded(picture: np.ndarray) -> np.ndarray:
    """The picture as a JPEG of quality 50, a little brighter."""
    buffer = io.BytesIO()
    Image.fromarray(picture).point(lambda value: min(255, int(value * 1.1))).save(buffer, "JPEG", quality=50)
    return np.asarray(Image.open(buffer))


def report(table: pd.DataFrame, duplicates: tuple[float, int]) -> str:
    lines = [
        "# Wrong labels on real photographs",
        "",
        f"{measured_on('cleanlab', 'scikit-learn')}. "
        f"{WRONG:.0%} of the labels of train and of val are made wrong (another gesture at random, n of them); mean of "
        f"{SEEDS} drawings, lowest and highest in brackets. hagrid_mini, hands_mini, recorded_legacy. Labels that are "
        "doubtful as published count as false alarms.",
        "",
        "| labels of | seen by | checked | n | found in the first n | in the first 2n | listed at all "
        "| right among `likely` | average precision |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (name, kind), rows in table.groupby(["split", "seen by"], sort=False):
        who = kind if name == "train" else "a classifier trained on train (landmarks)"
        cells = [
            f"{rows[column].mean():.0%} ({rows[column].min():.0%} to {rows[column].max():.0%})"
            for column in COLUMNS[4:8]
        ]
        lines.append(
            f"| {name} | {who} | {rows['labels'].mean():,.0f} | {rows['wrong'].mean():.0f} | {' | '.join(cells)} "
            f"| {rows['ranking'].mean():.2f} |"
        )
    lines += [
        "",
        f"Of {COPIES} copies (JPEG of quality 50, 10 % brighter) with another label, {duplicates[0]:.0%} are found as "
        f"near-duplicates; {duplicates[1]} pairs with different labels are found that are no copies.",
        "",
        "Train is cross-validated over people. `label_issues.features=auto` chooses landmarks where most samples have "
        "some; hands in which none were found are then not checked.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

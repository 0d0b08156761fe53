"""From whole photographs to gestures: hands found and missed, weighted F1 with a missed hand an error.

    python benchmarks/frames.py            # about three minutes on one core; goes on where it was stopped
    python benchmarks/frames.py FILE.ckpt  # besides, this checkpoint on the test split (it must not have seen it)

Detection is measured on every photograph of ../shared/data/hagrid_mini and hands_mini: a hand is found where a
detection has an intersection over union of at least 0.3 with its published box, and a detection is false where it
touches none (a hand that nobody annotated counts as false, too). Most settings in conf/detector/hands.yaml were
chosen on train, val and hands_mini; the border on all photographs, after looking at the hands that were missed. What
was found is kept in data/benchmarks/frames/, by the detector's settings and code.

Gestures are measured on the published val and test split, by the landmark model of conf/ as it is, with the weights
that are measured. It is trained on what the landmarks stage finds around published boxes and on posed hands
(`sources=[hagrid,hands,synthetic_landmarks]`); scored is what the detector finds in whole photographs of people who
were not trained on. By cross-validation over all people, and over sources: benchmarks/strangers.py.
Printed and kept in benchmarks/results/frames.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.looks import LookingDetector
from static_gesture_classification.detection.regions import Box, overlap
from static_gesture_classification.evaluation.metrics import (
    NO_HAND,
    Outcomes,
    confusion_counts,
    weighted_f1,
    weighted_f1_interval,
)
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor, load_model
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.landmark_store import POINTS, SAMPLES, points_of
from static_gesture_classification.samples import BOX, LANDMARK_COUNT, write_samples
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import track
from static_gesture_classification.training.checkpoint import load_classifier

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))  # for train_static_gestures.py, which is no part of the package
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "frames.md"
KEPT = PROJECT / "data" / "benchmarks" / "frames"
CLOSE_UP = 200  # pixels: photographs that are narrower show nothing but a hand
SAME, TOUCHES = 0.3, 0.05  # intersection over union: found; not a false one
RESAMPLES, SEED = 2000, 0
GOAL_F1 = 0.98
POSED = 1500  # posed hands beside the real ones
SHORTLY = ("train_hyperparams.passes=3", "train_hyperparams.epochs=6")  # a landmark model
SEEN_BEFORE = (
    "**Settings were chosen while these people were looked at.** For people and sources left out of training see "
    "[strangers.md](strangers.md), for people who chose nothing [unseen_people.md](unseen_people.md): believe those."
)
LOOKED_AT = (
    "The detector's border was chosen after looking at the missed hands of all photographs, test among them; when a "
    "hand is looked at again, by what models say of strangers on these photographs and others."
)
BY_LANDMARKS = "landmarks"
GIVEN = "given"  # the checkpoint of the command line
CONFIGURED = "as configured"
ONE_LOOK = (
    "detector.border=0",
    "detector.second_look.border=0",
    "detector.second_look.columns=0",
    "++detector.smooth=0",  # MediaPipe's has none
)


_Made = TypeVar("_Made")


def confidence(value: float) -> tuple[str, str]:
    return (f"detector.min_detection_confidence={value}", f"detector.min_presence_confidence={value}")


OTHER_SETTINGS = {f"one look, confidence {value}": (*confidence(value), *ONE_LOOK) for value in (0.5, 0.2, 0.05)}


@dataclass
class Photograph:
    """An image with its published hands (rows of the sample table) and what was found in it."""

    path: Path
    rows: list[int]
    boxes: list[Box]
    split: str
    aspect: float
    close_up: bool
    found: dict[str, list[DetectedHand]] = field(default_factory=dict)

    def matched(self, setting: str) -> list[DetectedHand | None]:
        """For each published hand what was found of it, each finding used once."""
        left = list(self.found[setting])
        result: list[DetectedHand | None] = []
        for box in self.boxes:
            best = max(left, key=lambda hand: overlap(hand.box, box), default=None)
            if best is not None and overlap(best.box, box) >= SAME:
                result.append(best)
                left.remove(best)
            else:
                result.append(None)
        return result

    def false(self, setting: str) -> int:
        """How many findings touch no published hand."""
        return sum(all(overlap(hand.box, box) < TOUCHES for box in self.boxes) for hand in self.found[setting])


PARTS: dict[str, Callable[[Photograph], bool]] = {
    "webcam frames": lambda photograph: not photograph.close_up,
    "close-ups": lambda photograph: photograph.close_up,
    "test split": lambda photograph: photograph.split == "test",
}


def main() -> None:
    samples = real_samples()
    photographs = photographs_of(samples)
    with detector() as configured:
        look(photographs, CONFIGURED, configured)
        landmarks = landmarks_around_boxes(photographs, configured)
    for setting, overrides in OTHER_SETTINGS.items():
        with detector(*overrides) as other:
            look(photographs, setting, other)
    official = official_split(photographs, samples, landmarks)
    checkpoint = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    tested = None if checkpoint is None else on_test(checkpoint, photographs, samples)
    text = report(photographs, official, tested)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def composed(*overrides: str) -> DictConfig:
    """The configuration, with hagrid_mini and hands_mini as its sources unless told."""
    chosen = next((each for each in overrides if each.startswith("sources=")), "sources=[hagrid,hands]")
    names = chosen.removeprefix("sources=").strip("[]").split(",")
    roots = [f"sources.{name}.root={SHARED / 'data' / f'{name}_mini'}" for name in ("hagrid", "hands") if name in names]
    model = f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}"
    others = [each for each in overrides if each != chosen]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [chosen, *roots, model, "logger=[]", *others])


def detector(*overrides: str) -> LookingDetector:
    built = Detector.from_config(composed(*overrides))
    assert isinstance(built, LookingDetector)
    return built


def real_samples() -> pd.DataFrame:
    """The sample table of all annotated hands."""
    config = composed()
    sources = Sources.from_config(config)
    return read_sources(sources, Vocabulary.from_config(config), config.index.max_rejected_share)[0]


def photographs_of(samples: pd.DataFrame) -> list[Photograph]:
    """The images of a sample table."""
    photographs = []
    for _, rows in samples.groupby(["root", "image"], sort=False):
        path = Path(rows["root"].iloc[0]) / rows["image"].iloc[0]
        height, width = read_image(path).shape[:2]
        boxes: list[Box] = list(rows[list(BOX)].itertuples(index=False, name=None))
        split = str(rows["split"].iloc[0])
        photographs.append(Photograph(path, list(rows.index), boxes, split, width / height, width < CLOSE_UP))
    return photographs


def look(photographs: Sequence[Photograph], setting: str, detector: LookingDetector) -> None:
    """Find the hands in all photographs."""

    def looked_at() -> list[list[DetectedHand]]:
        return [
            detector.detect(read_image(photograph.path))
            for photograph in track(photographs, setting, total=len(photographs))
        ]

    for photograph, hands in zip(photographs, kept("hands", detector, looked_at), strict=True):
        photograph.found[setting] = hands


def kept(name: str, detector: Detector, make: Callable[[], _Made]) -> _Made:
    """What `make` gives, kept for a detector of the same settings and code; `name` says what it is."""
    file = KEPT / f"{name} {detector.identity()}.joblib"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(make(), file)
    made: _Made = joblib.load(file)
    return made


def landmarks_around_boxes(
    photographs: Sequence[Photograph], detector: LookingDetector, of: str = "hagrid and hands"
) -> np.ndarray:
    """Points (n, 21, 2) of all samples as the landmarks stage finds them; NaN where it does not. Kept by `of`."""

    def looked_at() -> np.ndarray:
        count = sum(len(photograph.rows) for photograph in photographs)
        points = np.full((count, LANDMARK_COUNT, 2), np.nan, np.float32)
        for photograph in track(photographs, "landmarks around published boxes", total=len(photographs)):
            image = read_image(photograph.path)
            for row, box in zip(photograph.rows, photograph.boxes, strict=True):
                hand = detector.landmarks_in(image, box)
                if hand is not None and hand.landmarks is not None:
                    points[row] = points_of(hand.landmarks[None], photograph.aspect)[0]
        return points

    return kept(f"boxes of {of}", detector, looked_at)


def official_split(photographs: Sequence[Photograph], samples: pd.DataFrame, landmarks: np.ndarray) -> pd.DataFrame:
    """Predictions for the published val and test split by a model that was trained on everything else."""
    table = samples.assign(split=samples["split"].replace("", "train"))
    predictor = trained_on_landmarks(table, landmarks)
    table = table.assign(**{BY_LANDMARKS: ""})
    shown = [photograph for photograph in photographs if photograph.split in ("val", "test")]
    predict(shown, predictor, table, BY_LANDMARKS)
    return table[table["split"] != "train"]


def trained_on_landmarks(samples: pd.DataFrame, landmarks: np.ndarray) -> Predictor:
    """The landmark model of the train rows and posed hands, its best epoch by the val rows."""
    posed = posed_hands()
    known = pd.concat([samples, posed], ignore_index=True)
    with tempfile.TemporaryDirectory() as folder:
        return trained(Path(folder), known, np.concatenate([landmarks, points_of_posed(posed)]), *SHORTLY)


def posed_hands() -> pd.DataFrame:
    """The sample table of posed hands, all for training."""
    config = composed("sources=[synthetic_landmarks]", f"sources.synthetic_landmarks.hands={POSED}")
    sources = Sources.from_config(config)
    return read_sources(sources, Vocabulary.from_config(config), 0)[0].assign(split="train")


def points_of_posed(posed: pd.DataFrame) -> np.ndarray:
    """Points (n, 21, 2) of posed hands, as the landmarks stage makes them of rows without an image."""
    landmarks = np.stack(posed["landmarks"].to_list()).reshape(-1, LANDMARK_COUNT, 2)
    return points_of(landmarks, composed().landmarks.aspect_without_image)


def trained(folder: Path, samples: pd.DataFrame, landmarks: np.ndarray, *overrides: str) -> Predictor:
    """The landmark model of the configuration, trained on the train rows, its best epoch on the val rows."""
    from train_static_gestures import main as train

    (folder / "landmarks").mkdir()
    np.save(folder / "landmarks" / POINTS, landmarks)
    write_samples(samples, folder / "landmarks" / SAMPLES)
    names = {"landmarks": "landmarks", "runs": "runs", "models": "models"}
    paths = [f"paths.{key}={folder / name}" for key, name in names.items()]
    held_out = "train_hyperparams.for_use=[]"  # val and test are scored, so nothing learns them
    train.__wrapped__(composed("model=landmarks", held_out, *paths, *overrides))  # type: ignore[attr-defined]
    return Predictor(load_model(folder / "models" / "trained.ckpt"), detector())


def predict(photographs: Sequence[Photograph], predictor: Predictor, table: pd.DataFrame, kind: str) -> None:
    """Fill in the predictions of what was found in whole photographs."""
    for photograph in photographs:
        image, matched = read_image(photograph.path), photograph.matched(CONFIGURED)
        recognised = predictor.classify(image, [hand for hand in matched if hand is not None])
        gestures = iter(each.gesture for each in recognised)
        for row, hand in zip(photograph.rows, matched, strict=True):
            table.loc[row, kind] = NO_HAND if hand is None else next(gestures)


def on_test(checkpoint: Path, photographs: Sequence[Photograph], samples: pd.DataFrame) -> pd.DataFrame:
    """The test split by a given checkpoint."""
    table = samples.assign(**{GIVEN: ""})
    tested = [photograph for photograph in photographs if photograph.split == "test"]
    with detector() as finder:
        measured = Predictor(load_classifier(checkpoint), finder)  # the weights for use have learned test
        predict(tested, measured, table, GIVEN)
    return table[table["split"] == "test"]


def report(
    photographs: Sequence[Photograph],
    official: pd.DataFrame,
    tested: pd.DataFrame | None,
) -> str:
    """The whole result as Markdown."""
    close_up = {row for photograph in photographs if photograph.close_up for row in photograph.rows}
    is_close_up = official.index.isin(sorted(close_up))
    lines = [
        "# From whole photographs to gestures",
        "",
        SEEN_BEFORE,
        "",
        f"{measured_on('ai-edge-litert', 'torch', 'numpy')}. {len(photographs):,} photographs with "
        f"{sum(len(photograph.boxes) for photograph in photographs):,} annotated hands of hagrid_mini and hands_mini, "
        "whole. The landmark model is trained on the published train part, hands_mini and posed hands; people of val "
        "and test are others. A missed hand counts as an error. Scored are the measured weights: those for use, "
        "with which predict answers, have learned val and test. 95 % intervals resample people: "
        f"val and test are of {official['subject'].nunique()}, their webcam frames of "
        f"{official[~is_close_up]['subject'].nunique()}.",
        "",
        f"| hands | number | missed | weighted F1 (at least {GOAL_F1} wanted) | on hands found |",
        "|---|---|---|---|---|",
        score_line("published test split", official[official["split"] == "test"]),
        score_line("published val and test split (epochs are chosen on val)", official),
        score_line("of these, webcam frames", official[~is_close_up]),
        score_line("of these, close-ups (100 pixels)", official[is_close_up]),
    ]
    if tested is not None:
        lines += ["", f"Published test split, by the given checkpoint: {score(tested, GIVEN)}."]
    lines += [
        "",
        *detection_table(photographs),
        "",
        "False: findings that touch no annotated hand; some are hands that nobody annotated.",
        "",
        f"The commonest errors on val and test: {worst(official, BY_LANDMARKS)}.",
        "",
        LOOKED_AT,
        "",
        "How long it takes: [hand_finder.md](hand_finder.md) and [latency.md](latency.md).",
    ]
    return "\n".join(lines) + "\n"


def worst(table: pd.DataFrame, kind: str, most: int = 5) -> str:
    """The commonest errors, each of one person, by published label."""
    wrong = table[table["gesture"] != table[kind]]
    people = wrong["subject"].str.slice(0, 8)
    errors = wrong["source_label"] + " for " + wrong[kind] + " (" + people + ")"
    return ", ".join(f"{error} {count} times" for error, count in errors.value_counts().head(most).items())


def score_line(name: str, table: pd.DataFrame) -> str:
    """A row of the table of scores."""
    missed = table[BY_LANDMARKS] == NO_HAND
    scores = (score(table, BY_LANDMARKS), score(table[~missed], BY_LANDMARKS))
    return f"| {name} | {len(table):,} | {missed.sum()} ({missed.mean():.1%}) | {' | '.join(scores)} |"


def score(table: pd.DataFrame, kind: str) -> str:
    """Weighted F1 with its interval."""
    labels = (*composed().gestures.names, NO_HAND)
    index = {label: position for position, label in enumerate(labels)}
    truths, predictions = (table[key].map(index).to_numpy(np.int64) for key in ("gesture", kind))
    unknown = np.zeros((len(table), len(labels) - 1), np.float32)
    people = [table[key].to_numpy(object) for key in ("source", "subject")]
    interval = weighted_f1_interval(Outcomes(labels, truths, predictions, unknown, *people), RESAMPLES, SEED)
    value = weighted_f1(confusion_counts(truths, predictions, len(labels)))
    return f"{value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def counts_of(photographs: Sequence[Photograph], setting: str) -> tuple[int, int]:
    """How many hands are missed, and how many findings are false."""
    missed = sum(hand is None for each in photographs for hand in each.matched(setting))
    return missed, sum(each.false(setting) for each in photographs)


def detection_table(photographs: Sequence[Photograph]) -> list[str]:
    """Hands missed and false findings, by the detector's settings."""
    chosen = {name: [each for each in photographs if wanted(each)] for name, wanted in PARTS.items()}
    counts = {name: sum(len(each.boxes) for each in some) for name, some in chosen.items()}
    lines = [
        f"| detector | {' | '.join(f'{name}: missed of {counts[name]:,}, false' for name in PARTS)} |",
        "|---" * (len(PARTS) + 1) + "|",
    ]
    for setting in (CONFIGURED, *OTHER_SETTINGS):
        cells = ["{}, {}".format(*counts_of(some, setting)) for some in chosen.values()]
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()

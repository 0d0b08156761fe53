"""How right the default command's model is on strangers: people left out, and whole sources left out.

    python benchmarks/strangers.py                                      # as shipped, beside plain baselines
    python benchmarks/strangers.py "augs.noise=0.04" "sampler=plain optimizer=sgd"   # more rows, one per argument
    python benchmarks/strangers.py detector.known_square=0              # another hand finder, for all rows
    python benchmarks/strangers.py --write                              # keeps the tables in reports/strangers.md
    python benchmarks/strangers.py --minutes=8                          # does a part; the same command goes on

All photographs of `+experiment=all_photographs` are looked at once, as the landmarks stage does (around the published
box; for training) and as a user does (the whole photograph; for scores). The looks are kept in data/strangers/, by
detector, and so are the answers of each row and division, by configuration, code and people: what was answered once is
read, so a run that ends early loses nothing.

Each row is the command `gestures retrain +experiment=all_photographs` with its overrides: the product's own split,
training, choice of epoch and answer, on the photographs of all people but those who are scored.

- People left out: cross-validation over people; nobody is trained and scored on.
- A source left out: trained on all others (and without its people there), scored on all of it.

Whole photographs count: the finding that overlaps the published box best, the largest one where no box is published; a
hand that is not found is an error. The calibration error and the log loss are those of found hands. The last row is
nested: each part is answered by the row that was best on the other parts, so nothing was chosen on what it reports.

The people of each part are in two halves. Settings are chosen by one of them; the other half's means are honest.
"""

from __future__ import annotations

import hashlib
import inspect
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig, OmegaConf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from static_gesture_classification.active_learning.retraining.methods import train_run
from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import IN_BOX, DetectedHand, Detector
from static_gesture_classification.detection.regions import Box, overlap
from static_gesture_classification.evaluation.metrics import (
    NO_HAND,
    Outcomes,
    calibration,
    confusion_counts,
    expected_calibration_error,
    weighted_f1_interval,
)
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.landmark_store import POINTS, SAMPLES, points_of
from static_gesture_classification.preparation.split import SplitSettings, split_others, split_samples
from static_gesture_classification.samples import BOX, LANDMARK_COUNT, SCHEMA, group_of, image_path, write_samples
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.synthetic_landmarks import SyntheticLandmarks
from static_gesture_classification.terminal import say, track
from static_gesture_classification.training.identity import training_code
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.training.scores import weighted_f1
from static_gesture_classification.training.settings import TrainingSettings

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "reports" / "strangers.md"  # results/strangers.md tells more than one run
LOOKS = PROJECT / "data" / "strangers"
FINDER = "detector"  # how arguments begin that say how hands are found
SHIPPED = "+experiment=all_photographs"
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
CLOSE_UP = 200  # pixels: narrower photographs show nothing but a hand
FOLDS, RESAMPLES, SEED = 5, 2000, 0
PHOTOGRAPH, CLOSE_UPS, WEBCAM, HANDS, LEGACY, PEOPLE, OTHERS = PARTS = (
    "hagrid_people",
    "hagrid_mini, close-ups",
    "hagrid_mini, webcam",
    "hands_mini",
    "recorded_legacy",
    "more_people",
    "other_hands",
)
SOURCES = ((PHOTOGRAPH,), (CLOSE_UPS,), (WEBCAM,), (HANDS,), (PEOPLE, OTHERS))  # each is left out as one
CHOOSING = (PHOTOGRAPH, CLOSE_UPS, WEBCAM, HANDS, PEOPLE)  # the nested row's mean is over these
TIPS = (4, 8, 12, 16, 20)
LEAST = 1e-6  # probability in the log loss
TIMES = 10  # how often a baseline counts a single photograph
TOGETHER = 100  # photographs that are looked at before the looks are written


@dataclass(frozen=True)
class Photographs:
    """All hands with a photograph.

    Args:
        samples: the sample table, n rows; also part, group, and width and height of the photograph.
        points: float32 (n, 21, 2), what is trained on; NaN where no hand was found around the box.
        handedness: (n,) "left", "right" or "".
        found: (n,) what is scored: the hand found in the whole photograph, or None.
    """

    samples: pd.DataFrame
    points: np.ndarray
    handedness: np.ndarray
    found: np.ndarray


@dataclass(frozen=True)
class Held:
    """One division: rows that are trained on, and rows that are scored; `whole_source` tells of which table."""

    train: np.ndarray
    scored: np.ndarray
    whole_source: bool


@dataclass(frozen=True)
class Row:
    """What is measured.

    Args:
        name: in the tables.
        identity: everything but the photographs that its answers depend on.
        answer: float32 (k, classes), the probabilities of the scored rows; NaN where no hand was found.
    """

    name: str
    identity: str
    answer: Callable[[Photographs, Held], np.ndarray]


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of one row to all photographs, float32 (n, classes); NaN where no hand was found.

    Args:
        people: with people left out.
        source: with the whole source left out; NaN as well for sources that are never left out.
    """

    people: np.ndarray
    source: np.ndarray


def main() -> None:
    """Look, divide, train and answer, report."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    with chdir(PROJECT):  # the experiment's folders are relative to it
        photographs = look_at_all()
        divisions = divide(photographs)
        kept = KeptAnswers(ends_at())
        tables = {row.name: answers(photographs, divisions, row, kept) for row in rows(arguments)}
    products = {name: table for name, table in tables.items() if not name.startswith("scikit-learn")}
    if len(products) > 1:
        tables["the best of these on the other parts"] = nested(products, photographs.samples)
    text = report(photographs, tables, next(iter(products)))
    say(text)
    if "--write" in sys.argv:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text, encoding="utf-8")


def ends_at() -> float:
    """When to stop, by `time.monotonic`."""
    minutes = [float(argument.partition("=")[2]) for argument in sys.argv[1:] if argument.startswith("--minutes=")]
    return time.monotonic() + 60 * minutes[0] if minutes else float("inf")


def rows(arguments: Sequence[str]) -> list[Row]:
    """What is measured."""
    network = make_pipeline(StandardScaler(), MLPClassifier((128, 64), max_iter=300, random_state=SEED))
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return [
        baseline("scikit-learn, MLP(128, 64)", network, times=1),
        baseline(f"scikit-learn, MLP(128, 64), single photographs {TIMES} times", network, times=TIMES),
        baseline(f"scikit-learn, logistic regression, likewise {TIMES} times", regression, times=TIMES),
        shipped("as shipped"),
        *(shipped(each, *shlex.split(each)) for each in arguments if not each.startswith(FINDER)),
    ]


def composed(*overrides: str) -> DictConfig:
    """The configuration of the default command."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        finder = [argument for argument in sys.argv[1:] if argument.startswith(FINDER)]
        return compose("config", [SHIPPED, "logger=[]", *finder, *overrides])


# Photographs


def look_at_all() -> Photographs:
    """All samples of the experiment, and what the detector sees of them."""
    samples = samples_of(composed(), posed=False)
    looks = looks_at(samples).reindex(samples["sample_id"])
    widths, heights = looks["width"].to_numpy(), looks["height"].to_numpy()
    return Photographs(
        samples.assign(part=parts_of(samples, widths), group=group_of(samples), width=widths, height=heights),
        points_of(np.stack([_landmarks(row) for row in looks["known"]]), (widths / heights).astype(np.float32)),
        looks["known_hand"].to_numpy(object),
        found_hands(looks),
    )


def samples_of(config: DictConfig, posed: bool) -> pd.DataFrame:
    """The sample table of the sources with photographs, or of those of posed hands, which come with landmarks."""
    chosen = Sources(each for each in Sources.from_config(config) if getattr(each, "require_images", True) != posed)
    return read_sources(chosen, Vocabulary.from_config(config), config.index.max_rejected_share)[0]


def looks_at(samples: pd.DataFrame) -> pd.DataFrame:
    """What the detector sees of each sample, by sample id; looks at those that no earlier run has looked at.

    Columns: width, height of the photograph; known and known_hand: landmarks (42 numbers or None) and handedness around
    the box; landmarks, hand, score and the box: of the finding in the whole photograph.
    """
    with Detector.from_config(composed()) as detector:
        file = LOOKS / f"{detector.identity()}.parquet"
        kept = pd.read_parquet(file) if file.is_file() else pd.DataFrame(index=pd.Index([], name="sample_id"))
        new = samples[~samples["sample_id"].isin(kept.index)]
        images = [rows for _, rows in new.groupby(["root", "image"], sort=False)]
        LOOKS.mkdir(parents=True, exist_ok=True)
        for start in track(range(0, len(images), TOGETHER), "looking", total=-(-len(images) // TOGETHER)):
            lines = [line for rows in images[start : start + TOGETHER] for line in look(rows, detector)]
            kept = pd.concat([kept, pd.DataFrame(lines).set_index("sample_id")])
            kept.to_parquet(file)
    return kept


def look(rows: pd.DataFrame, detector: Detector) -> list[dict[str, object]]:
    """Look at one photograph, which may show several samples: a line for each."""
    image = read_image(image_path(rows["root"].iloc[0], rows["image"].iloc[0]))
    left, lines = detector.detect(image), []
    for row in rows.itertuples():
        box: Box = tuple(float(getattr(row, side)) for side in BOX)  # type: ignore[assignment]
        known = detector.landmarks_in(image, box)
        best = max(left, key=lambda hand: overlap(hand.box, box), default=None)
        if best is not None and box != WHOLE:
            best = best if overlap(best.box, box) >= IN_BOX else None
            left = [hand for hand in left if hand is not best]
        lines.append(
            {
                "sample_id": row.sample_id,
                "width": image.shape[1],
                "height": image.shape[0],
                "known": None if known is None else np.asarray(known.landmarks).ravel(),
                "known_hand": "" if known is None else known.hand,
                "landmarks": None if best is None else np.asarray(best.landmarks).ravel(),
                "hand": "" if best is None else best.hand,
                "score": np.nan if best is None else best.score,
                **dict(zip(BOX, WHOLE if best is None else best.box, strict=True)),
            }
        )
    return lines


def _landmarks(row: object) -> np.ndarray:
    shape = (LANDMARK_COUNT, 2)
    return np.asarray(row, np.float32).reshape(shape) if isinstance(row, np.ndarray) else np.full(shape, np.nan)


def found_hands(looks: pd.DataFrame) -> np.ndarray:
    """The findings as the detector gives them; None where there is none."""
    found = np.full(len(looks), None, object)
    for number, row in enumerate(looks.itertuples()):
        if isinstance(row.landmarks, np.ndarray):
            box: Box = tuple(float(getattr(row, side)) for side in BOX)
            found[number] = DetectedHand(box, row.score, row.hand, _landmarks(row.landmarks))
    return found


def parts_of(samples: pd.DataFrame, widths: np.ndarray) -> np.ndarray:
    """The part of each sample."""
    folders = samples["image"].str.partition("/")[0]
    part = samples["source"].map({"folder": PHOTOGRAPH, "hands": HANDS, "recorded_legacy": LEGACY})
    part = part.mask(samples["source"] == "more_hands", folders)
    hagrid = (samples["source"] == "hagrid").to_numpy()
    return np.where(hagrid, np.where(widths < CLOSE_UP, CLOSE_UPS, WEBCAM), part).astype(object)


def divide(photographs: Photographs) -> list[Held]:
    """People left out, then sources left out."""
    samples = photographs.samples
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    people = folds.split(samples, samples["gesture"], samples["group"])
    held = [Held(train, scored, whole_source=False) for train, scored in people]
    for source in SOURCES:
        out = samples["part"].isin(source)
        known = out | samples["group"].isin(samples.loc[out, "group"])
        held.append(Held(np.flatnonzero(~known), np.flatnonzero(out), whole_source=True))
    return held


# Answers


def answers(photographs: Photographs, divisions: Sequence[Held], row: Row, kept: KeptAnswers) -> Answers:
    """The answers of a row, division by division."""
    found = Answers(*np.full((2, len(photographs.samples), len(gestures())), np.nan, np.float32))
    for number, held in enumerate(divisions, 1):
        say(f"{row.name}: {number} of {len(divisions)}")
        (found.source if held.whole_source else found.people)[held.scored] = kept.of(row, photographs, held)
    means = {"people": found.people, "source": found.source}
    words = (f"{mean_f1(photographs.samples, each):.4f} ({name} left out)" for name, each in means.items())
    say(f"{row.name}: mean weighted F1 {', '.join(words)}")
    return found


@dataclass(frozen=True)
class KeptAnswers:
    """Answers in data/strangers/answers/, by what they depend on; from `until` on (`time.monotonic`) none is added."""

    until: float

    def of(self, row: Row, photographs: Photographs, held: Held) -> np.ndarray:
        """The answers of a row to the scored rows of a division."""
        file = LOOKS / "answers" / f"{digest_of(row, photographs, held)}.npy"
        if file.is_file():
            return np.asarray(np.load(file))
        if time.monotonic() > self.until:
            raise SystemExit("the minutes are over; the same command goes on")
        answer = row.answer(photographs, held)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as partial, partial.open("wb") as stream:
            np.save(stream, answer)
        return answer


def digest_of(row: Row, photographs: Photographs, held: Held) -> str:
    """Hash of a row, and of what it is trained and scored on."""
    digest = hashlib.blake2b(row.identity.encode(), digest_size=16)
    for chosen in (held.train, held.scored):
        digest.update("\n".join(photographs.samples["sample_id"].iloc[chosen]).encode())
        digest.update(photographs.points[chosen].tobytes())
    found = np.array([hand is not None for hand in photographs.found[held.scored]])
    digest.update(found.tobytes() + scored_points(photographs, held.scored[found])[0].tobytes())
    return digest.hexdigest()


def shipped(name: str, *overrides: str) -> Row:
    """The default command with some overrides."""

    def answer(photographs: Photographs, held: Held) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder, Detector.from_config(composed()) as detector:
            checkpoint = trained(Path(folder), photographs, held.train, overrides)
            predictor = Predictor.load(checkpoint, detector)
            return np.stack([probabilities_of(photographs, row, predictor) for row in held.scored.tolist()])

    configuration = OmegaConf.to_yaml(composed(*overrides), resolve=True)
    return Row(name, f"{configuration}{product_code()}", answer)


@cache
def product_code() -> str:
    """Hash of the code that splits, poses hands, trains and answers."""
    files = [Path(inspect.getfile(part)) for part in (split_samples, SyntheticLandmarks, train_run, Predictor)]
    return code_digest(files) + training_code(Path(inspect.getfile(TrainingSettings)).parent)


def probabilities_of(photographs: Photographs, row: int, predictor: Predictor) -> np.ndarray:
    """What a model says to the hand that was found in a photograph: float32 (classes,)."""
    hand = photographs.found[row]
    if hand is None:
        return np.full(len(gestures()), np.nan, np.float32)
    sample = photographs.samples.iloc[row]
    if predictor.classifier.kind.needs_crops:
        image = read_image(image_path(sample["root"], sample["image"]))
    else:  # its shape is enough
        image = np.broadcast_to(np.uint8(0), (sample["height"], sample["width"], 3))
    return predictor.classify(image, [hand])[0].probabilities


def trained(folder: Path, photographs: Photographs, rows: np.ndarray, overrides: Sequence[str]) -> Path:
    """Split and train as `gestures retrain` does; returns the checkpoint."""
    places = (f"paths.{name}={folder / name}" for name in ("crops", "splits", "landmarks", "runs", "models"))
    config = composed(*places, *overrides)
    settings, kind = TrainingSettings.from_config(config), kind_of(config.model)
    names = [source.name for source in Sources.from_config(config)]
    rows = rows[photographs.samples["source"].iloc[rows].isin(names)]  # a model may do without a source
    posed = samples_of(config, posed=True)
    samples = divided(photographs.samples.iloc[rows][SCHEMA.names], posed, config)
    if kind.needs_landmarks:
        (folder / "landmarks").mkdir()
        points = [photographs.points[rows], points_of_posed(posed, config.landmarks.aspect_without_image)]
        np.save(folder / "landmarks" / POINTS, np.concatenate(points))
        write_samples(samples, folder / "landmarks" / SAMPLES)
    if kind.needs_crops:
        cut = samples.head(len(rows))
        for name in ("crops", "splits"):
            (folder / name).mkdir()
            write_samples(cut, folder / name / SAMPLES)
        np.save(folder / "crops" / CROPS_FILE, crops_of(cut, settings.crop_size, settings.crop_margin))
    train_run(settings)
    return settings.workspace.trained


def divided(samples: pd.DataFrame, posed: pd.DataFrame, config: DictConfig) -> pd.DataFrame:
    """Samples, then posed hands, with the split that the stages would give them."""
    settings, vocabulary = SplitSettings.from_config(config), Vocabulary.from_config(config)
    lenient = settings.model_copy(update={"incomplete": "warn"})  # without a source few people show some gesture
    samples = samples.reset_index(drop=True)
    split = split_samples(samples, None, lenient, vocabulary)[0]["split"].to_numpy(object)
    both = pd.concat([samples.assign(split=split), posed], ignore_index=True)
    return both.assign(split=split_others(both, np.arange(len(both)) < len(samples), lenient, vocabulary)[0])


def points_of_posed(posed: pd.DataFrame, aspect: float) -> np.ndarray:
    """Points (n, 21, 2) of posed hands, as the landmarks stage makes them of rows without an image."""
    landmarks = [_landmarks(row) for row in posed["landmarks"]]
    return points_of(np.array(landmarks, np.float32).reshape(-1, LANDMARK_COUNT, 2), aspect)


def crops_of(samples: pd.DataFrame, size: int, margin: float) -> np.ndarray:
    """Crops (n, size, size, 3) by the published boxes."""
    columns = samples[["root", "image", *BOX]].itertuples(index=False, name=None)
    return np.stack([crop_of(str(image_path(root, image)), size, margin, *box) for root, image, *box in columns])


@cache
def crop_of(path: str, size: int, margin: float, *box: float) -> np.ndarray:
    """One crop (size, size, 3)."""
    return crop_square(read_image(Path(path)), box, size, margin)


def baseline(name: str, model: Pipeline, times: int) -> Row:
    """A plain scikit-learn model; a single photograph counts `times` times, since a person counts more than a frame."""

    def answer(photographs: Photographs, held: Held) -> np.ndarray:
        samples = photographs.samples
        rows = held.train[np.isfinite(photographs.points[held.train]).all((1, 2))]
        single = rows[(samples["part"] == PHOTOGRAPH).to_numpy()[rows]]
        rows = np.concatenate([rows, *[single] * (times - 1)])
        model.fit(plain_features(photographs.points[rows], photographs.handedness[rows]), samples["gesture"].iloc[rows])
        seen = np.array([hand is not None for hand in photographs.found[held.scored]])
        result = np.full((len(seen), len(gestures())), np.nan, np.float32)
        places = np.array([gestures().index(gesture) for gesture in model.classes_])
        scored = plain_features(*scored_points(photographs, held.scored[seen]))
        result[np.ix_(seen, places)] = model.predict_proba(scored)
        return np.where(seen[:, None], np.nan_to_num(result), np.nan)

    return Row(name, f"{name} {model!r} scikit-learn {version('scikit-learn')}", answer)


def scored_points(photographs: Photographs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 21, 2) and handedness (n,) of what was found in whole photographs."""
    hands, sizes = photographs.found[rows], photographs.samples[["width", "height"]].to_numpy()[rows]
    landmarks = np.stack([hand.landmarks for hand in hands])
    return points_of(landmarks, (sizes[:, 0] / sizes[:, 1]).astype(np.float32)), np.array([hand.hand for hand in hands])


def plain_features(points: np.ndarray, handedness: np.ndarray) -> np.ndarray:
    """Wrist-centred, mirrored by handedness, scaled to unit spread; and 15 distances of fingertips and wrist."""
    hands = points - points[:, :1]
    hands = hands / np.sqrt(np.square(hands).sum(2).mean(1)).clip(1e-6)[:, None, None]
    hands[..., 0] *= np.where(handedness == "left", -1, 1)[:, None]
    ends = (0, *TIPS)
    pairs = [(first, second) for number, first in enumerate(ends) for second in ends[number + 1 :]]
    reaches = np.linalg.norm(hands[:, [a for a, _ in pairs]] - hands[:, [b for _, b in pairs]], axis=2)
    return np.concatenate([hands.reshape(len(hands), -1), reaches], 1)


def nested(tables: Mapping[str, Answers], samples: pd.DataFrame) -> Answers:
    """For each part the answers of the row that has the best mean weighted F1 on all other parts."""
    return Answers(
        _nested({name: table.people for name, table in tables.items()}, samples),
        _nested({name: table.source for name, table in tables.items()}, samples),
    )


def _nested(tables: Mapping[str, np.ndarray], samples: pd.DataFrame) -> np.ndarray:
    parts = samples["part"].to_numpy()
    scores = {
        name: {part: _weighted_f1(samples, table, parts == part) for part in CHOOSING} for name, table in tables.items()
    }
    chosen = np.full_like(next(iter(tables.values())), np.nan)
    for part in PARTS:
        related = {part, PEOPLE} if part == OTHERS else {part}
        means = {
            name: np.mean([score for other, score in own.items() if other not in related])
            for name, own in scores.items()
        }
        here = parts == part
        chosen[here] = tables[max(means, key=means.__getitem__)][here]
    return chosen


def chooses(samples: pd.DataFrame) -> np.ndarray:
    """Whose scores may choose a setting: bool (n,), half of the people of each part, with about half of its hands.

    A person of two parts counts where the most hands are.
    """
    sizes = samples.groupby(["part", "group"]).size().reset_index(name="size")
    main = sizes.sort_values("size", kind="stable").drop_duplicates("group", keep="last")
    ranked = main.sort_values(["part", "size", "group"], ascending=[True, False, True])
    place = ranked.groupby("part").cumcount().to_numpy()
    first = set(ranked["group"][np.isin(place % 4, (0, 3))])  # the largest, then the fourth and fifth, ...
    return samples["group"].isin(first).to_numpy()


# Report


def report(photographs: Photographs, tables: Mapping[str, Answers], first: str) -> str:
    """The whole result as Markdown."""
    samples = photographs.samples
    machine = measured_on("torch", "numpy", "scikit-learn", "ai-edge-litert")
    people = samples.groupby("part")["group"]
    hands, persons = people.size(), people.nunique()
    sizes = ", ".join(f"{part} {hands[part]:,} of {persons[part]}" for part in PARTS)
    missed = np.array([hand is None for hand in photographs.found])
    lines = [
        f"{machine}. Hands "
        f"and people: {sizes}. No hand was found for {missed.sum()} of {len(samples):,}, which are errors "
        "in every row. Weighted F1 with 95 % intervals over people; of other_hands the share that is taken for a "
        "gesture, low is good. Choosing and reporting half: the mean over the people that settings are chosen by, and "
        "over the others. Calibration error (15 bins) and log loss are of found hands.",
        "",
        f"## People left out ({FOLDS} folds)",
        "",
        *score_table(samples, {name: table.people for name, table in tables.items()}, PARTS),
        "",
        "## A whole source left out",
        "",
        *score_table(samples, {name: table.source for name, table in tables.items()}, sum(SOURCES, ())),
        "",
        f'## Per published label, worst first: "{first}", people left out',
        "",
        *label_table(samples, tables[first].people),
    ]
    return "\n".join(lines) + "\n"


def score_table(samples: pd.DataFrame, tables: Mapping[str, np.ndarray], parts: Sequence[str]) -> list[str]:
    """A line per row, a column per part, and means over those that choose."""
    means = ("mean", "choosing half", "reporting half", "calibration error", "log loss")
    lines = [f"| model | {' | '.join((*means, *parts))} |", "|---" * (len(means) + len(parts) + 1) + "|"]
    choosing = chooses(samples)
    for name, table in tables.items():
        f1 = [mean_f1(samples, table, people) for people in (np.full(len(table), True), choosing, ~choosing)]
        cells = [f"{each:.3f}" for each in (*f1, calibration_error(samples, table), log_loss(samples, table))]
        cells += [score(samples, table, (samples["part"] == part).to_numpy(), part == OTHERS) for part in parts]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def mean_f1(samples: pd.DataFrame, table: np.ndarray, people: np.ndarray | None = None) -> float:
    """Mean of the weighted F1 of the parts that choose, over some people's rows, bool (n,); None: all."""
    parts = samples["part"].to_numpy()
    wanted = np.full(len(parts), True) if people is None else people
    return float(np.mean([_weighted_f1(samples, table, (parts == part) & wanted) for part in CHOOSING]))


def calibration_error(samples: pd.DataFrame, table: np.ndarray) -> float:
    """Expected calibration error of found hands, over the parts that choose."""
    chosen = samples["part"].isin(CHOOSING).to_numpy() & np.isfinite(table).all(1)
    return expected_calibration_error(calibration(_outcomes(samples, table, chosen)))


def log_loss(samples: pd.DataFrame, table: np.ndarray) -> float:
    """Mean over the parts that choose of the mean log loss of found hands."""
    right = np.array([gestures().index(gesture) for gesture in samples["gesture"]])
    losses = -np.log(table[np.arange(len(table)), right].clip(LEAST))
    return float(pd.Series(losses).groupby(samples["part"].to_numpy()).mean()[list(CHOOSING)].mean())


def score(samples: pd.DataFrame, table: np.ndarray, chosen: np.ndarray, other: bool) -> str:
    """Weighted F1, or the share of false gestures, with its interval over people."""
    if other:
        false = ~np.isin(predictions(table[chosen]), (background(), NO_HAND))
        low, high = share_interval(false, samples["group"][chosen].to_numpy())
        return f"{false.mean():.1%} ({low:.0%} to {high:.0%})"
    interval = weighted_f1_interval(_outcomes(samples, table, chosen), RESAMPLES, SEED)
    return f"{_weighted_f1(samples, table, chosen):.3f} ({interval.low:.3f} to {interval.high:.3f})"


def share_interval(hits: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of a share (n,), whole groups (n,) resampled."""
    members, names = pd.factorize(groups)
    sums = np.stack([np.bincount(members, hits), np.bincount(members)])
    drawn = np.random.default_rng(SEED).integers(len(names), size=(RESAMPLES, len(names)))
    totals = sums[:, drawn].sum(2)
    low, high = np.quantile(totals[0] / totals[1], [0.025, 0.975])
    return float(low), float(high)


def label_table(samples: pd.DataFrame, table: np.ndarray) -> list[str]:
    """Recall per published label with its interval, worst first, and what its hands are taken for."""
    shown = samples.assign(prediction=predictions(table))
    shown["right"] = (shown["prediction"] == shown["gesture"]) | (
        (shown["part"] == OTHERS) & (shown["prediction"] == NO_HAND)
    )
    lines = ["| part | label | hands of people | right | taken for |", "|---|---|---|---|---|"]
    groups = sorted(shown.groupby(["part", "source_label"]), key=lambda item: (item[1]["right"].mean(), item[0]))
    for (part, label), rows in groups:
        if rows["right"].all():
            break
        low, high = share_interval(rows["right"].to_numpy(), rows["group"].to_numpy())
        taken = Counter(rows.loc[~rows["right"], "prediction"]).most_common(3)
        lines.append(
            f"| {part} | {label} | {len(rows)} of {rows['group'].nunique()} | {rows['right'].mean():.0%} ({low:.0%} to "
            f"{high:.0%}) | {', '.join(f'{name} {count}' for name, count in taken)} |"
        )
    perfect = sum(bool(rows["right"].all()) for _, rows in groups)
    return [*lines, "", f"All hands right: {perfect} labels."]


@cache
def background() -> str:
    """The gesture of hands that show none of the others."""
    return str(composed().gestures.background)


@cache
def gestures() -> tuple[str, ...]:
    """The gestures, in class order."""
    return tuple(composed().gestures.names)


def predictions(table: np.ndarray) -> np.ndarray:
    """The likeliest gestures (n,) of probabilities (n, classes); `NO_HAND` where they are NaN."""
    likeliest = np.array(gestures(), object)[np.nan_to_num(table).argmax(1)]
    return np.where(np.isnan(table).any(1), NO_HAND, likeliest)


def _outcomes(samples: pd.DataFrame, table: np.ndarray, chosen: np.ndarray) -> Outcomes:
    labels = (*gestures(), NO_HAND)
    index = {label: position for position, label in enumerate(labels)}
    return Outcomes(
        labels,
        truths=np.array([index[gesture] for gesture in samples["gesture"][chosen]], np.int64),
        predictions=np.array([index[gesture] for gesture in predictions(table[chosen])], np.int64),
        probabilities=np.nan_to_num(table[chosen]),
        sources=np.full(chosen.sum(), "", object),
        subjects=samples["group"][chosen].to_numpy(object),
    )


def _weighted_f1(samples: pd.DataFrame, table: np.ndarray, chosen: np.ndarray) -> float:
    outcomes = _outcomes(samples, table, chosen)
    return weighted_f1(confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels)))


if __name__ == "__main__":
    main()

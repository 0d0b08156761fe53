"""What choosing samples well is worth: policies of active learning on real photographs, people and rooms apart.

    python benchmarks/active_learning.py [CACHE]

Every run starts from 5 samples a gesture, adds 20 a round for 15 rounds as its policy says, trains a classifier after
each round and scores it on hands of people and rooms that are nowhere else. Two representations: landmarks (found by
the project's detector, the landmark network's features) and frozen EfficientNet-Lite0 embeddings of the hand's crop.
Landmarks and embeddings are computed once, into the folder CACHE if one is given. The tables and the figure are kept
in benchmarks/results/active_learning.md and .png.

What a policy may see is what its user would have: the classifier's outputs on what is left of the pool, and the samples
that were added. The gesture of a pool sample is seen by recording policies alone, and only as the answer to "perform
this gesture". How the split, the tuning and the report keep apart is said in `held_out_people` and in the report.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import policies
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.detection.looks import LookingDetector
from static_gesture_classification.evaluation.metrics import confusion_counts
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.recording.judging.learning_head import Lesson, fit_layer
from static_gesture_classification.samples import BOX, to_frame
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import track
from static_gesture_classification.training.last_layer import LastLayer
from static_gesture_classification.training.models.efficientnet_lite import backbone
from static_gesture_classification.training.models.landmark_features import features
from static_gesture_classification.training.scores import weighted_f1

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "active_learning.md"
CROP, MARGIN = 128, 0.15
START, ROUNDS, BATCH = 5, 15, 20
SEEDS = tuple(range(10))
HARD_MODE = policies.HardMode()
RESAMPLES = 2000
PAIRS_SHOWN = (0, 1, 3, 5, 15)
TITLES = {"landmarks": "Landmarks", "embeddings": "Frozen EfficientNet-Lite0 embeddings"}
SHOWN = (0, 1, 3, 5, 8, 15)
FOLDS = 3
PENALTY = {"landmarks": 0.003, "embeddings": 0.003}  # of squared weights; with less, random gains nothing in tuning

# The webcam frames of hagrid_mini show one man in many rooms; these rooms are held out. The thumbs (and the older
# recordings, which are of the same evening) show another man in one room, so all of them are on one side.
HELD_OUT_ROOMS = (
    "hagrid/af1779ad72dfa3e569baeeeaa42fbac6",
    "hagrid/e1b0452d237c47a75e6f1320a889fe75",
    "hagrid/15cdd8a0648b5e78fa7c76e2e9213587",
    "hagrid/8e97582119568ef5e04ad65557c85c94",
    "hands/hands/Subject1",
    "hands/hands/Subject3",
)
POOL_ROOMS = (
    "hagrid/dd64a3f535d34aa6f8b9d5fd3f1169a9",
    "hagrid/b3d5f81866984da245ccfe93fccdacee",
    "hagrid/facfa168653f155861a9b92a60bef405",
    "hands/hands/Subject2",
    "hands/hands/Subject4",
    "hands/hands/Subject5",
)
THUMBS = "thumbs"
THUMBS_SUBJECTS = ("hagrid/4f2d745a7f993a57023d0ad1d07b1c07", "hagrid/92ce70d4cb6d142bac5810b030b866b2")
HELD_OUT_SHARE = 96  # of 256


def main() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"detector.model.path={SHARED}/models/hand_landmarker.task", *_sources()])
    assert {name: config.recording[name] for name in RECORDER} == RECORDER, "RECORDER is not what is recorded with"
    with tempfile.TemporaryDirectory() as folder:
        photographs = read_photographs(config, Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder))
    started = time.perf_counter()
    runs = {name: compare(photographs, name, POLICIES) for name in PENALTY}
    few = {name: compare(photographs, name, OF_FEW) for name in PENALTY}
    network = compare(photographs, "landmarks", {name: POLICIES[name] for name in BANDS}, Network)
    text = report(photographs, runs, few, network, (time.perf_counter() - started) / 60)
    print(text)
    RESULT.write_text(text, encoding="utf-8")
    draw(runs, RESULT.with_suffix(".png"))


def _sources() -> list[str]:
    places = {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}
    places["folder"] = "hagrid_people"
    return [f"sources=[{','.join(places)}]"] + [
        f"sources.{name}.root={SHARED}/data/{folder}" for name, folder in places.items()
    ]


@dataclass(frozen=True)
class Photographs:
    """Hands in photographs: gesture (class index), person (a name), points (NaN where not found), embeddings."""

    vocabulary: Vocabulary
    gesture: np.ndarray
    person: np.ndarray
    points: np.ndarray
    embeddings: np.ndarray


@dataclass(frozen=True)
class Hands:
    """One representation of the hands: features (n, F) float64, gesture (n,), person (n,), pool and test rows."""

    features: np.ndarray
    gesture: np.ndarray
    person: np.ndarray
    pool: np.ndarray
    test: np.ndarray
    classes: int
    penalty: float


def read_photographs(config: DictConfig, cache: Path) -> Photographs:
    """The sample table of the sources, landmarks of every hand and embeddings of its crop."""
    vocabulary = Vocabulary.from_config(config)
    batches = [batch for source in Sources.from_config(config) for batch in source.read(vocabulary)]
    samples = pd.concat([to_frame(batch.table) for batch in batches], ignore_index=True)
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / "hands.npz"
    if not file.is_file():
        points, boxes = find_landmarks(config, samples)
        samples[list(BOX)] = boxes
        np.savez(file, sample=samples.sample_id.to_numpy(str), points=points, embeddings=embed(samples))
    stored = np.load(file)
    assert (stored["sample"] == samples.sample_id).all(), f"{file} is of other photographs; delete it"
    gesture = np.array(vocabulary.indices(samples.gesture.tolist()), np.int64)
    return Photographs(vocabulary, gesture, people(samples), stored["points"], stored["embeddings"].astype(np.float64))


def find_landmarks(config: DictConfig, samples: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 21, 2) as classifiers take them, and boxes: the landmarks' where the whole image was the box."""
    print("landmarks ...", flush=True)
    points = np.full((len(samples), 21, 2), np.nan, np.float32)
    boxes = samples[list(BOX)].to_numpy(np.float32, copy=True)
    whole = (samples.source == "folder").to_numpy()  # photographs with two hands, of which one is labelled
    with Detector.from_config(config) as detector:
        assert isinstance(detector, LookingDetector)
        for row, path in enumerate(paths(samples)):
            image = np.ascontiguousarray(read_image(path))
            found = detector.detect(image) if whole[row] else [detector.landmarks_in(image, box_of(boxes[row]))]
            hand = found[0] if len(found) == 1 else None
            if hand is not None and hand.landmarks is not None:
                points[row] = points_of(hand.landmarks[None], image.shape[1] / image.shape[0])[0]
                boxes[row] = hand.box if whole[row] else boxes[row]
    return points, boxes


@torch.inference_mode()
def embed(samples: pd.DataFrame) -> np.ndarray:
    """Embeddings (n, 1280) float32 of the hands' crops by EfficientNet-Lite0 with the packaged ImageNet weights."""
    print("embeddings ...", flush=True)
    network, width = backbone("efficientnet_lite0", pretrained=True)
    network.eval()
    hands = list(zip(paths(samples), samples[list(BOX)].to_numpy(np.float32), strict=True))
    pieces = []
    for start in range(0, len(hands), 64):
        crops = [crop_square(read_image(path), box_of(box), CROP, MARGIN) for path, box in hands[start : start + 64]]
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
        pieces.append(network(((images - 127) / 128).contiguous(memory_format=torch.channels_last)).reshape(-1, width))
    return torch.cat(pieces).numpy()


def paths(samples: pd.DataFrame) -> list[Path]:
    return [Path(root) / image for root, image in zip(samples.root, samples.image, strict=True)]


def box_of(row: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = row.tolist()
    return x1, y1, x2, y2


def people(samples: pd.DataFrame) -> np.ndarray:
    """Who or which room is in each photograph; the subjects that are one recording have one name."""
    names = (samples.source + "/" + samples.subject).to_numpy(str)
    return np.where(np.isin(names, THUMBS_SUBJECTS) | (samples.source == "recorded_legacy").to_numpy(), THUMBS, names)


def held_out_people(person: np.ndarray) -> np.ndarray:
    """Whose photographs are the report's test: chosen by name once, before anything was measured; (n,) bool.

    Policies and their settings were tuned on the others alone, split again into pool and test (`tuning_split`).
    """

    def by_hash(name: str) -> bool:
        return hashlib.blake2b(name.encode(), digest_size=2).digest()[0] < HELD_OUT_SHARE

    chosen = {
        name: name in HELD_OUT_ROOMS or (name not in (*POOL_ROOMS, THUMBS) and by_hash(name))
        for name in np.unique(person).tolist()
    }
    return np.array([chosen[name] for name in person.tolist()])


def tuning_split(person: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pool and test rows for tuning: a third of the people (not held out) at random; the largest room is pool."""
    mine = ~held_out_people(person)
    free = np.setdiff1d(np.unique(person[mine]), [POOL_ROOMS[0], THUMBS])
    chosen = np.random.default_rng([seed, 9]).permutation(free)[: len(free) // 3]
    test = np.isin(person, chosen)
    return np.flatnonzero(mine & ~test), np.flatnonzero(test)


def represented(photographs: Photographs, representation: str, tuning: int | None = None) -> Hands:
    """The hands as one representation shows them; without landmarks a hand takes no part in either.

    Args:
        tuning: None for the report's split, else the seed of a split for tuning.
    """
    found = np.isfinite(photographs.points).all(axis=(1, 2))
    person = photographs.person[found]
    held_out = held_out_people(person)
    pool, test = (
        (np.flatnonzero(~held_out), np.flatnonzero(held_out)) if tuning is None else tuning_split(person, tuning)
    )
    if representation == "landmarks":
        columns = features(torch.from_numpy(photographs.points[found])).numpy().astype(np.float64)
    else:
        columns = photographs.embeddings[found]
    return Hands(
        columns, photographs.gesture[found], person, pool, test, len(photographs.vocabulary), PENALTY[representation]
    )


class Classifier:
    """Multinomial logistic regression on standardised features: nearly as good as a small network here, and faster.

    Args:
        hands: whose features it sees. known: rows in the training set.
    """

    def __init__(self, hands: Hands, known: np.ndarray) -> None:
        self.hands, self.known = hands, known
        self.mean, self.scale = hands.features[known].mean(axis=0), hands.features[known].std(axis=0) + 1e-3
        inputs = self.inputs(known)
        # The weights lie in the span of the samples: fewer samples than features need no more columns than samples.
        self.basis = np.linalg.qr(inputs.T)[0] if len(known) < inputs.shape[1] else np.eye(inputs.shape[1])
        self.coordinates = inputs @ self.basis
        self.weights = self._fit(np.arange(len(known)))

    def inputs(self, rows: np.ndarray) -> np.ndarray:
        """Standardised features and a 1, of unit length in the mean."""
        standard = (self.hands.features[rows] - self.mean) / self.scale
        return np.column_stack([standard, np.ones(len(rows))]) / np.sqrt(standard.shape[1])

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, C) of any rows."""
        return softmax(self.inputs(rows) @ self.basis @ self.weights, axis=1)

    def embedded(self, rows: np.ndarray) -> np.ndarray:
        """What the last layer sees of any rows, float32 (n, D): the inputs, since there is one layer only."""
        return self.inputs(rows)[:, :-1].astype(np.float32)

    def last_layer(self) -> LastLayer:
        """All there is: weights of the inputs, and of the 1 beside them."""
        weights = (self.basis @ self.weights).T.astype(np.float32)
        return LastLayer(weights[:, :-1], weights[:, -1] / np.float32(np.sqrt(weights.shape[1] - 1)))

    def cross_validated(self, random: np.random.Generator) -> np.ndarray:
        """Confusion matrix (C, C) of the training set, each person predicted without that person's samples."""
        gesture, person = self.hands.gesture[self.known], self.hands.person[self.known]
        fold = dict(
            zip(random.permutation(np.unique(person)).tolist(), np.arange(len(self.known)) % FOLDS, strict=False)
        )
        folds = np.array([fold[name] for name in person.tolist()])
        predicted = gesture.copy()
        for number in range(FOLDS):
            out = folds == number
            if out.any() and not out.all():
                predicted[out] = self.predicted_without(out)
        return confusion_counts(gesture, predicted, self.hands.classes)

    def predicted_without(self, out: np.ndarray) -> np.ndarray:
        """Predictions of samples in the training set (bool, of its rows) by a classifier trained on the others."""
        weights = self._fit(np.flatnonzero(~out), self.weights)
        return (self.coordinates[out] @ weights).argmax(axis=1)

    def _fit(self, rows: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        x, gesture = self.coordinates[rows], self.hands.gesture[self.known[rows]]
        shape = (x.shape[1], self.hands.classes)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(shape)
            logs = log_softmax(x @ weights, axis=1)
            errors = np.exp(logs)
            errors[np.arange(len(x)), gesture] -= 1
            value = -logs[np.arange(len(x)), gesture].sum() + self.hands.penalty / 2 * (flat @ flat)
            return float(value), (x.T @ errors + self.hands.penalty * weights).ravel()

        start = np.zeros(shape) if first is None else first
        return minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x.reshape(shape)


class Network(Classifier):
    """A small network: one hidden layer of 64, as far as 60 steps of L-BFGS bring it."""

    def __init__(self, hands: Hands, known: np.ndarray) -> None:
        self.hands, self.known = hands, known
        self.mean, self.scale = hands.features[known].mean(axis=0), hands.features[known].std(axis=0) + 1e-3
        self.network = self._network(known)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, C) of any rows."""
        return self._probabilities(self.network, rows)

    def embedded(self, rows: np.ndarray) -> np.ndarray:
        """The hidden layer's outputs, float32 (n, 64)."""
        return np.maximum(self._standard(rows) @ self.network.coefs_[0] + self.network.intercepts_[0], 0)

    def last_layer(self) -> LastLayer:
        """From the hidden layer to gestures; every gesture is in the training set from the start."""
        return LastLayer(self.network.coefs_[1].T, self.network.intercepts_[1])

    def predicted_without(self, out: np.ndarray) -> np.ndarray:
        """See `Classifier.predicted_without`."""
        return self._probabilities(self._network(self.known[~out]), self.known[out]).argmax(axis=1)

    def _network(self, rows: np.ndarray) -> MLPClassifier:
        network = MLPClassifier((64,), alpha=0.1, solver="lbfgs", max_iter=60, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return network.fit(self._standard(rows), self.hands.gesture[rows])

    def _probabilities(self, network: MLPClassifier, rows: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(rows), self.hands.classes))
        probabilities[:, network.classes_] = network.predict_proba(self._standard(rows))
        return probabilities

    def _standard(self, rows: np.ndarray) -> np.ndarray:
        return ((self.hands.features[rows] - self.mean) / self.scale).astype(np.float32)


def trained_anew(classifier: Classifier, kept: np.ndarray) -> Classifier:
    """The classifier trained again, on what it knew and what was kept since."""
    return type(classifier)(classifier.hands, np.concatenate([classifier.known, kept]))


class Recorders:
    """A classifier whose last layer has learned from what was kept, by the code of the recorder itself."""

    def __init__(self, classifier: Classifier, kept: np.ndarray) -> None:
        self.classifier = classifier
        inputs, gestures = classifier.embedded(kept), classifier.hands.gesture[kept].tolist()
        samples = [Lesson(key, *each) for key, each in enumerate(zip(inputs, gestures, strict=True))]
        known = classifier.embedded(classifier.known)
        self.layer = fit_layer(classifier.last_layer(), known, samples, RECORDER["refit_strength"])

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, C) of any rows."""
        return self.layer.probabilities(self.classifier.embedded(rows)).astype(np.float64)


@dataclass(frozen=True)
class Round:
    """What a policy may see: the classifier, which rows are left, and frames of a gesture that it asks for."""

    classifier: Classifier
    left: np.ndarray
    random: np.random.Generator

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """The classifier's, (n, C)."""
        return self.classifier.probabilities(rows)

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """What distances are measured on: standardised features, (n, F)."""
        return self.classifier.inputs(rows)

    def shown_by(self, people: int | None) -> np.ndarray:
        """Rows left in random order: all of them, or those of so many people, each person as likely as the other."""
        rows, person = self.random.permutation(self.left), self.classifier.hands.person
        if people is None:
            return rows
        present = self.random.permutation(np.unique(person[rows]))[:people]
        return rows[np.isin(person[rows], present)]

    def performed(self, counts: np.ndarray, people: int | None = None) -> np.ndarray:
        """Rows left in which the gestures are performed, so many of each as there are, by so many people."""
        rows = self.shown_by(people)
        gesture = self.classifier.hands.gesture[rows]
        return np.concatenate([rows[gesture == index][:count] for index, count in enumerate(counts)])

    def gesture(self, rows: np.ndarray) -> np.ndarray:
        """Which gesture was asked for in rows that `performed` gave."""
        return self.classifier.hands.gesture[rows]


Policy = Callable[[Round], np.ndarray]


def at_random(now: Round, people: int | None = None) -> np.ndarray:
    return filled(now, now.shown_by(people)[:BATCH])


def each_gesture_equally(now: Round) -> np.ndarray:
    classes = now.classifier.hands.classes
    return filled(now, now.performed(np.full(classes, BATCH // classes)))


def by_entropy(now: Round) -> np.ndarray:
    return now.left[policies.highest(policies.entropy(now.probabilities(now.left)), BATCH)]


def by_margin(now: Round) -> np.ndarray:
    return now.left[policies.highest(1 - policies.margin(now.probabilities(now.left)), BATCH)]


def by_k_centre(now: Round) -> np.ndarray:
    known = now.embeddings(now.classifier.known)
    return now.left[policies.k_centre(now.embeddings(now.left), BATCH, known)]


def by_badge(now: Round) -> np.ndarray:
    return now.left[policies.badge(now.probabilities(now.left), now.embeddings(now.left), BATCH, now.random)]


def filled(now: Round, rows: np.ndarray) -> np.ndarray:
    """A batch of rows, with others at random where a gesture has no frame left."""
    others = now.random.permutation(np.setdiff1d(now.left, rows))
    return np.concatenate([rows, others[: max(BATCH - len(rows), 0)]])


def recorded(
    now: Round,
    planned: bool = True,
    hard: bool = True,
    mode: policies.HardMode = HARD_MODE,
    frames: int = 10,
    people: int | None = None,
    smoothing: float = policies.SMOOTHING,
    refit_after: int = BATCH,
    refit: Callable[[Classifier, np.ndarray], Classifier | Recorders] = trained_anew,
) -> np.ndarray:
    """Ours: gestures as the plan says, of whose frames hard mode keeps some.

    Args:
        planned: whether confusions say how many frames of which gesture are shown; else all alike.
        hard: whether hard mode chooses what is kept; else they are kept as they come.
        frames: shown for one that is kept.
        people: who show them; None for all of the pool.
        refit_after: so many kept frames the classifier learns from them too, within the round.
        refit: makes the classifier that has learned, of the one before the round and the rows kept.
    """
    classes = now.classifier.hands.classes
    even = np.full(classes, 1 / classes)
    shares = policies.gesture_shares(now.classifier.cross_validated(now.random), smoothing) if planned else even
    shown = filled(now, now.performed(policies.quotas(shares, BATCH * frames), people))
    if not hard:
        return now.random.permutation(shown)[:BATCH]
    gestures, embeddings = now.gesture(shown), now.embeddings(shown)
    kept = np.empty(0, np.int64)
    classifier: Classifier | Recorders = now.classifier
    while len(kept) < BATCH:
        open_rows = np.setdiff1d(np.arange(len(shown)), kept)
        probabilities = classifier.probabilities(shown[open_rows])
        count = min(refit_after, BATCH - len(kept))
        seen = probabilities, gestures[open_rows], embeddings[open_rows]
        best = policies.hard_rows(*seen, count, now.random, mode, embeddings[kept])
        kept = np.concatenate([kept, open_rows[best]])
        if len(kept) < BATCH:
            classifier = refit(now.classifier, shown[kept])
    return shown[kept]


RECORDER = {"refit_every": 5, "refit_strength": 0.1, "novelty": 0.5, "best_of": 10}  # conf/recording/default.yaml
REFIT = int(RECORDER["refit_every"])
OURS, STILL, ANEW = "ours, as recorded", "ours, without learning within a round", "ours, all trained anew"
POLICIES: Mapping[str, Policy] = {
    "random": at_random,
    "each gesture equally": each_gesture_equally,
    "entropy": by_entropy,
    "margin": by_margin,
    "k-centre": by_k_centre,
    "BADGE": by_badge,
    "the plan alone": partial(recorded, hard=False),
    "hard mode alone": partial(recorded, planned=False),
    STILL: recorded,
    ANEW: partial(recorded, refit_after=REFIT),
    OURS: partial(recorded, refit_after=REFIT, refit=Recorders),
}
LINES = {  # colour, line style
    "random": ("#444444", "-"), "margin": ("#1f77b4", "-"), "BADGE": ("#2ca02c", "-"), OURS: ("#d62728", "-"),
    STILL: ("#d62728", ":"), ANEW: ("#d62728", "--"),
    "each gesture equally": ("#999999", "--"), "entropy": ("#999999", "-."),
    "k-centre": ("#999999", ":"), "the plan alone": ("#c69c6d", "--"), "hard mode alone": ("#c69c6d", ":"),
}  # fmt: skip
BANDS = ("random", "margin", OURS)
FEW = 5
OF_FEW: Mapping[str, Policy] = {
    f"random, of {FEW} people a round": partial(at_random, people=FEW),
    f"ours, of {FEW} people a round": partial(recorded, people=FEW, refit_after=REFIT, refit=Recorders),
}


@dataclass(frozen=True)
class Runs:
    """What a policy did: confusion matrices (seeds, rounds + 1, C, C) on the test, and how many people it recorded.

    `added_people`: (seeds,) people in the samples that it added in all.
    """

    matrices: np.ndarray
    added_people: np.ndarray

    @property
    def curves(self) -> np.ndarray:
        """Weighted F1 (seeds, rounds + 1)."""
        return np.array([[weighted_f1(matrix) for matrix in run] for run in self.matrices])

    def curves_of(self, gestures: list[int]) -> np.ndarray:
        """The F1 (seeds, rounds + 1) of some gestures, weighted by their support."""
        hits = np.diagonal(self.matrices, axis1=2, axis2=3)
        support, predicted = self.matrices.sum(axis=3), self.matrices.sum(axis=2)
        weighted = 2 * hits / np.maximum(support + predicted, 1) * support
        return weighted[..., gestures].sum(axis=2) / support[..., gestures].sum(axis=2)


def compare(
    photographs: Photographs, representation: str, chosen: Mapping[str, Policy], kind: type[Classifier] = Classifier
) -> dict[str, Runs]:
    """Run each policy with each seed; equal seeds begin with equal samples."""
    hands = represented(photographs, representation)
    tasks = [(policy, seed) for policy in chosen.values() for seed in SEEDS]
    with joblib.parallel_config("loky", n_jobs=-1, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator")
        results = parallel(joblib.delayed(simulate)(hands, policy, seed, kind) for policy, seed in tasks)
        done = list(track(results, f"{len(chosen)} policies on {representation}", len(tasks), "runs"))
    of_policy = [done[start : start + len(SEEDS)] for start in range(0, len(done), len(SEEDS))]
    return {
        name: Runs(np.stack([matrices for matrices, _ in part]), np.array([people for _, people in part]))
        for name, part in zip(chosen, of_policy, strict=True)
    }


def simulate(hands: Hands, policy: Policy, seed: int, kind: type[Classifier] = Classifier) -> tuple[np.ndarray, int]:
    """Confusion matrices (ROUNDS + 1, C, C) before the first round and after each; people among the added samples."""
    beginning, random = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    of_gesture = [hands.pool[hands.gesture[hands.pool] == index] for index in range(hands.classes)]
    known = np.concatenate([beginning.permutation(rows)[:START] for rows in of_gesture])
    begun, matrices = len(known), []
    for number in range(ROUNDS + 1):
        classifier = kind(hands, known)
        predicted = classifier.probabilities(hands.test).argmax(axis=1)
        matrices.append(confusion_counts(hands.gesture[hands.test], predicted, hands.classes))
        if number < ROUNDS:
            added = policy(Round(classifier, np.setdiff1d(hands.pool, known), random))
            assert len(np.unique(added)) == BATCH
            known = np.concatenate([known, added])
    return np.stack(matrices), len(np.unique(hands.person[known[begun:]]))


def samples_to_reach(curve: np.ndarray, target: float) -> float:
    """Samples added when a mean curve (rounds + 1,) first is at the target, linear between rounds; else infinite."""
    above = np.flatnonzero(curve >= target)
    if not len(above):
        return float("inf")
    last = int(above[0])
    if last == 0:
        return 0.0
    before, after = curve[last - 1], curve[last]
    return BATCH * (last - 1 + (target - before) / (after - before))


def over_seeds(statistic: Callable[[np.ndarray], float], seeds: int) -> tuple[float, float, float]:
    """A statistic of seed numbers, and its 95 % percentile bootstrap interval over seeds."""
    random = np.random.default_rng(0)
    drawn = [statistic(random.integers(seeds, size=seeds)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return statistic(np.arange(seeds)), float(low), float(high)


def worst_gestures(runs: Mapping[str, Runs], vocabulary: Vocabulary) -> tuple[list[int], str]:
    """The gestures of the three pairs that are mixed up most before the first round, either way, and their names."""
    counts = next(iter(runs.values())).matrices[:, 0].sum(axis=0)
    both = np.triu(counts + counts.T, 1)
    pairs = [np.unravel_index(cell, both.shape) for cell in np.argsort(-both, axis=None, kind="stable")[:3]]
    named = ", ".join(f"{vocabulary.names[int(one)]} and {vocabulary.names[int(other)]}" for one, other in pairs)
    return sorted({int(gesture) for pair in pairs for gesture in pair}), named


def tables(runs: Mapping[str, Runs], vocabulary: Vocabulary) -> str:
    """Two tables: scores by round; and what else there is to know of each policy."""
    first = next(iter(runs))
    base = runs[first].curves
    gestures, pairs = worst_gestures(runs, vocabulary)
    scores = [["policy", "samples to reach random's final score", *(f"round {number}" for number in SHOWN)]]
    more = [
        ["policy", "minus random, all rounds", "minus random, worst round", *(f"pairs, round {n}" for n in PAIRS_SHOWN)]
    ]
    more[0] += ["people"]
    for name, run in runs.items():
        own, of_pairs = run.curves, run.curves_of(gestures).mean(axis=0)
        reach = over_seeds(partial(_reach, own, base), len(base))
        gain = over_seeds(partial(_mean_gain, own, base), len(base))
        worst = int((own - base)[:, 1:].mean(axis=0).argmin()) + 1
        least = over_seeds(partial(_gain_at, own, base, worst), len(base))
        title = f"**{name}**" if name == OURS else name
        scores.append([title, interval_of_samples(*reach), *(f"{own[:, number].mean():.3f}" for number in SHOWN)])
        differences = ["", ""] if name == first else [signed(*gain), f"{signed(*least)}, round {worst}"]
        more.append(
            [title, *differences, *(f"{of_pairs[n]:.3f}" for n in PAIRS_SHOWN), f"{run.added_people.mean():.0f}"]
        )
    return f"{markdown(scores)}\n{markdown(more)}\nThe three worst pairs: {pairs}.\n"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:], ""])


def signed(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _reach(own: np.ndarray, base: np.ndarray, seeds: np.ndarray) -> float:
    return samples_to_reach(own[seeds].mean(axis=0), base[seeds, -1].mean())


def _mean_gain(own: np.ndarray, base: np.ndarray, seeds: np.ndarray) -> float:
    return float((own - base)[seeds, 1:].mean())


def _gain_at(own: np.ndarray, base: np.ndarray, number: int, seeds: np.ndarray) -> float:
    return float((own - base)[seeds, number].mean())


def interval_of_samples(value: float, low: float, high: float) -> str:
    most = f"more than {ROUNDS * BATCH}"
    shown = [most if np.isinf(number) else f"{number:.0f}" for number in (value, low, high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if shown[1] != shown[0] or shown[2] != shown[0] else shown[0]


def report(
    photographs: Photographs,
    runs: Mapping[str, Mapping[str, Runs]],
    few: Mapping[str, Mapping[str, Runs]],
    network: Mapping[str, Runs],
    minutes: float,
) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("ai-edge-litert", "numpy", "scipy", "torch"))
    hands = represented(photographs, "landmarks")
    found = len(hands.gesture), len(photographs.gesture)
    mode = HARD_MODE
    lines = [
        "# What choosing samples well is worth",
        "",
        f"{date.today()}, {joblib.cpu_count()} cores, Python {platform.python_version()}, {versions}; all runs in "
        f"{minutes:.1f} minutes. {len(SEEDS)} seeds; in brackets 95 % bootstrap intervals over seeds.",
        "",
        f"Hands of hagrid_mini, hands_mini, recorded_legacy and hagrid_people in which landmarks were found "
        f"({found[0]:,} of {found[1]:,}). Pool: {describe(hands, hands.pool)}. Test: {describe(hands, hands.test)}; "
        "people and rooms apart. The webcam frames of these sets show one man in many rooms: a room is on one side, he "
        "is on both. All thumbs but hagrid_people's show another man in one room, who is in the pool.",
        "",
        f"Each run starts from {START} samples a gesture and adds {BATCH} a round for {ROUNDS} rounds. Classifier: "
        "multinomial logistic regression on standardised features. Ours: the plan deals the frames that are shown "
        f"(10 for one that is kept) to gestures by cross-validated confusions, {policies.SMOOTHING:.0%} of them to all "
        f"alike; hard mode keeps those of greatest hardness x novelty^{mode.novelty:g}, {mode.easy:.0%} of a round at "
        "random. It knows the gesture of the frames shown, because it is performed; search policies know none, but see "
        f"the whole pool. As recorded: after every {REFIT} kept the classifier's last layer learns from them, by the "
        "recorder's own code and settings, held to what it said of the samples before; between rounds all is trained.",
        "",
        "Settings were chosen on other people: the pool's alone, split again, other seeds; the test people were looked "
        "at in an earlier run of this, without the recorder's layer, after which nothing was tuned. "
        "hagrid_people was looked at in making the synthetic hands, which are not used here.",
        "",
        "Samples to reach random's final score: added until the mean weighted F1 is random's after the last round "
        "(linear between rounds). Minus random: difference of weighted F1, mean of all rounds, and in the round that "
        "is worst for the policy. Pairs: F1 of the gestures of the three pairs that are mixed up most before the first "
        "round, weighted by support. People: in the samples added, of those in the pool.",
        "",
        "![Weighted F1 by samples added](active_learning.png)",
        "",
    ]
    for name, own in runs.items():
        lines += [f"## {TITLES[name]}", "", tables(own, photographs.vocabulary)]
        lines += [f"When only {FEW} people, drawn anew each round, stand before the camera:", ""]
        lines += [tables(few[name], photographs.vocabulary)]
    lines += [f"## {TITLES['landmarks']}, by a small network", "", "One hidden layer of 64 instead of none.", ""]
    lines += [tables(network, photographs.vocabulary)]
    return "\n".join(lines)


def describe(hands: Hands, rows: np.ndarray) -> str:
    return f"{len(rows):,} hands of {len(np.unique(hands.person[rows]))} people or rooms"


def draw(runs: Mapping[str, Mapping[str, Runs]], path: Path) -> None:
    """One panel a representation: mean weighted F1 by samples added; bands are 95 % intervals over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(runs), figsize=(13, 6), layout="constrained")
    added = np.arange(ROUNDS + 1) * BATCH
    for panel, (representation, policies_run) in zip(panels, runs.items(), strict=True):
        for name, run in policies_run.items():
            (colour, style), width = LINES[name], 2.4 if name in (OURS, "random") else 1.3
            own = run.curves
            panel.plot(added, own.mean(axis=0), linestyle=style, color=colour, linewidth=width, label=name)
            if name in BANDS:
                drawn = np.random.default_rng(0).integers(len(own), size=(RESAMPLES, len(own)))
                low, high = np.quantile(own[drawn].mean(axis=1), [0.025, 0.975], axis=0)
                panel.fill_between(added, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.axhline(policies_run["random"].curves[:, -1].mean(), color="black", linewidth=0.8, linestyle="--")
        panel.set(title=TITLES[representation], xlabel="samples added", ylabel="weighted F1, people and rooms apart")
        panel.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(f"Which {BATCH} samples to add next ({len(SEEDS)} seeds; dashed: random's final score)")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()

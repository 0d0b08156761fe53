"""The pool: hands that are not in the training set, with the current model's embedding of each.

A pool is a configured source (what of it is not in the index: a set larger than `max_per_gesture` lets in, or another
root in the same layout), a folder of images that nobody annotated, or a video. Left out, and counted, is whatever must
not be learned from: hands of the index, of official val and test splits, of people who are held out, and images that
are in the index under another name.

Embeddings are computed once for each checkpoint and kept (`embedding_store`), so that mining again, for another plan,
searches at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.active_learning.mining.found_hands import find_hands
from static_gesture_classification.active_learning.mining.pool_images import file_and_frame, pictures
from static_gesture_classification.detection.detector import Detector, detector_from_config
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import (
    PIXELS_VERSION,
    UnreadableImageError,
    image_header,
)
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.preparation.crops import SAMPLES, cut_hands, cutting_code
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import BOX, LANDMARKS, held_together, image_path, read_samples
from static_gesture_classification.sources.source import sources_from_config
from static_gesture_classification.terminal import console, track
from static_gesture_classification.training.checkpoint import CROPS, Classifier

HELD_OUT = ("val", "test")
BLOCK = 512  # hands between two writes
IMAGES_PER_TASK = 8


@dataclass
class PoolHands:
    """Hands that could be added.

    Args:
        name: of the pool, for file names.
        samples: sample table; `gesture` is empty where nobody said what a hand shows.
        left_out: reason -> number of hands, or of pictures where it says so.
        unreadable: (picture, reason).
        notes: lines about what was not looked at besides.
    """

    name: str
    samples: pd.DataFrame
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, good: np.ndarray, reason: str) -> None:
        """Leave out the rows that are not good: bool (n,)."""
        if not good.all():
            self.left_out[reason] += int((~good).sum())
            self.samples = self.samples[good].reset_index(drop=True)


@dataclass(frozen=True)
class Pool:
    """Hands with what the current model says of them.

    Args:
        hands: the hands, n rows of `hands.samples`.
        store: where embeddings and probabilities are.
        rows: int (n,), the row of the store that belongs to each hand.
    """

    hands: PoolHands
    store: EmbeddingStore
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def samples(self) -> pd.DataFrame:
        """The sample table."""
        return self.hands.samples

    @property
    def probabilities(self) -> np.ndarray:
        """Float32 (n, gestures of the checkpoint)."""
        return np.asarray(self.store.probabilities[self.rows])


def digest_of(checkpoint: Path) -> str:
    """What tells a checkpoint from another: 16 hex digits of a hash of its file."""
    with checkpoint.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()


def open_pool(config: DictConfig, classifier: Classifier, digest: str) -> Pool:
    """The pool `mining.pool` with the classifier's embeddings, computed where they are not kept yet.

    Args:
        config: the composed configuration.
        classifier: the current model.
        digest: `digest_of` its checkpoint.

    Raises:
        UserError, DataError: there is no such pool, or nothing is left of it; says why.
        OutputError: `mining.cache` cannot be written.
    """
    hands = pool_hands(config)
    without_training_hands(hands, config)
    if hands.samples.empty:
        raise DataError(f"nothing in the pool {config.mining.pool} could be added: {said(hands)}")
    pool = with_embeddings(hands, classifier, digest, config)
    if not len(pool):
        raise DataError(f"nothing in the pool {config.mining.pool} could be judged: {said(hands)}")
    return pool


def said(hands: PoolHands) -> str:
    """What was left out and why, in a line."""
    reasons = [f"{count:,} {reason}" for reason, count in hands.left_out.items()]
    reasons += [f"{picture}: {reason}" for picture, reason in hands.unreadable[:3]]
    return "; ".join(reasons) or "it has no hands"


def pool_hands(config: DictConfig) -> PoolHands:
    """The hands of the configured pool, whether or not they are in the index."""
    pool = config.mining.pool
    if pool is None:
        raise UserError(f"say where to search: mining.pool=DIR, a video, or a source ({_sources(config)})")
    if str(pool) in (config.sources or {}) and config.sources[str(pool)].get("_target_"):
        return hands_of_source(config, str(pool))
    path = Path(str(pool)).expanduser()
    if path.exists():
        return hands_in_pictures(config, path)
    raise UserError(f"mining.pool={pool}: no such folder or file, and no source of this name ({_sources(config)})")


def _sources(config: DictConfig) -> str:
    return ", ".join(str(name) for name in config.sources or {})


def hands_of_source(config: DictConfig, name: str) -> PoolHands:
    """All hands of a source, also those that `max_per_gesture` or `gestures` keep out of the index."""
    node = OmegaConf.merge(config.sources[name], {"max_per_gesture": None, "gestures": None, "enabled": True})
    source = sources_from_config({name: node}, config.seed)[0]
    if not source.present():
        raise DataError(f"nothing in {source.root}; to search source {name}, {source.how_to_get}")
    samples, rejected = read_sources([source], Vocabulary.from_config(config.gestures))
    hands = PoolHands(name, samples, unreadable=list(zip(rejected["file"], rejected["reason"], strict=True)))
    if len(rejected):
        hands.left_out["entries of the source are bad"] = len(rejected)
    return hands


def hands_in_pictures(config: DictConfig, path: Path) -> PoolHands:
    """The hands that the configured detector finds in a folder of images or a video."""
    with detector_from_config(config) as detector:
        identity = detector.identity()
    found = find_hands(path, partial(detector_from_config, config), identity, Path(config.mining.cache) / "found")
    hands = PoolHands(path.resolve().name, found.samples, unreadable=found.unreadable, notes=found.notes)
    if found.without_hand:
        hands.left_out[f"of {found.pictures:,} pictures have no hand that was found"] = found.without_hand
    if found.unreadable:
        hands.left_out["pictures cannot be read"] = len(found.unreadable)
    return hands


def without_training_hands(hands: PoolHands, config: DictConfig) -> None:
    """Leave out what is in the index, and what is held out for val and test."""
    hands.keep(~hands.samples["split"].isin(HELD_OUT).to_numpy(), "are in the source's own val or test split")
    index = Path(config.paths.index) / SAMPLES
    if index.is_file():
        known = read_samples(index)
        hands.keep(~hands.samples["sample_id"].isin(known["sample_id"]).to_numpy(), "are in the index already")
        hands.keep(~_same_images(hands.samples, known), "are in images that are in the index already")
    splits = Path(config.paths.splits) / SAMPLES
    if splits.is_file():
        table = read_samples(splits)
        away = table[table["split"].isin(HELD_OUT)]
        own = held_together(hands.samples).isin(set(held_together(away))).to_numpy()
        hands.keep(~own, "are of people who are held out for val or test")


def _same_images(samples: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """Which rows lie in an image of the index, by whatever path it is reached: bool (n,)."""
    names = set(samples["image"].str.rpartition("/")[2]) if len(samples) else set()
    shared = known[known["image"].str.rpartition("/")[2].isin(names)]
    images = {
        str(image_path(root, image).resolve()) for root, image in zip(shared["root"], shared["image"], strict=True)
    }
    if not images:
        return np.zeros(len(samples), bool)
    own = [image_path(root, image).resolve() for root, image in zip(samples["root"], samples["image"], strict=True)]
    return np.array([str(path) in images for path in own])


def with_embeddings(hands: PoolHands, classifier: Classifier, digest: str, config: DictConfig) -> Pool:
    """The hands that the classifier can see, with their embeddings; those without are left out and counted."""
    if classifier.input != CROPS and not detector_from_config(config).gives_landmarks and _lacks_landmarks(hands):
        raise UserError(
            "this checkpoint recognises landmarks, which the detector does not give; choose detector=mediapipe, or a "
            "checkpoint of crops"
        )
    store = EmbeddingStore(
        Path(config.mining.cache) / digest, digest, classifier.network.head.in_features, classifier.vocabulary.names
    )
    keys = hand_keys(hands.samples, seen_by(classifier, config))
    todo = np.flatnonzero(store.rows(keys) < 0)
    reasons: dict[int, str] = {}
    if len(todo):
        inputs = inputs_of(hands.samples, todo, classifier, config)
        with store.writer() as writer:
            shown = track(inputs, "embeddings", len(todo), "hands") if len(todo) > BLOCK else inputs
            for block in _blocks(shown, reasons):
                new = [(row, seen) for row, seen in block if store.rows([keys[row]])[0] < 0]
                if new:
                    probabilities, embeddings = classifier.predict(np.stack([seen for _, seen in new]))
                    writer.add([keys[row] for row, _ in new], embeddings, probabilities)
    for row, reason in reasons.items():
        hands.unreadable.append((str(hands.samples["image"].iloc[row]), reason))
    rows = store.rows(keys)
    hands.keep(rows >= 0, "show the model nothing (no readable image, or no hand found in it)")
    return Pool(hands, store, rows[rows >= 0])


def _lacks_landmarks(hands: PoolHands) -> bool:
    return any(marks is None for marks in hands.samples["landmarks"])


Seen = tuple[int, np.ndarray | str]


def _blocks(inputs: Iterator[Seen], reasons: dict[int, str]) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Inputs in blocks, each hand once; `reasons` gets the rows that have none."""
    block: list[tuple[int, np.ndarray]] = []
    for row, seen in inputs:
        if isinstance(seen, str):
            reasons[row] = seen
        else:
            block.append((row, seen))
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def seen_by(classifier: Classifier, config: DictConfig) -> Callable[[Any], bytes]:
    """What of a hand, besides its image and box, decides what the classifier sees of it, by its landmarks or None.

    For one of crops: how crops are cut. For one of landmarks: those that are known, else the detector that looks.
    """
    if classifier.input == CROPS:
        return lambda marks: cutting_code().encode()

    @cache
    def detector() -> bytes:
        with detector_from_config(config) as looks:
            return looks.identity().encode()

    return lambda marks: detector() if marks is None else np.asarray(marks, np.float32).tobytes()


def hand_keys(samples: pd.DataFrame, seen: Callable[[Any], bytes]) -> list[bytes]:
    """16 bytes for each hand: a hash of its image's place, size and modification time, its box, and what is seen."""
    paths = [str(image_path(root, image)) for root, image in zip(samples["root"], samples["image"], strict=True)]
    distinct = list(dict.fromkeys(paths))
    states = joblib.Parallel(n_jobs=-1, prefer="threads", batch_size=256)(
        joblib.delayed(_state)(path) for path in distinct
    )
    state_of = dict(zip(distinct, states, strict=True))
    boxes = samples[list(BOX)].to_numpy(np.float32)
    keys = []
    for path, box, marks in zip(paths, boxes, samples["landmarks"], strict=True):
        content = f"{PIXELS_VERSION}\0{path}\0{state_of[path]}".encode() + box.tobytes()
        keys.append(hashlib.blake2b(content + seen(marks), digest_size=16).digest())
    return keys


def _state(path: str) -> tuple[int, int]:
    try:
        status = file_and_frame(Path(path))[0].stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def inputs_of(samples: pd.DataFrame, rows: np.ndarray, classifier: Classifier, config: DictConfig) -> Iterator[Seen]:
    """What the classifier sees of each hand: its row and a crop or points; or why there is nothing to see."""
    if classifier.input == CROPS:
        return crops_of(samples, rows, classifier.crop_size, classifier.crop_margin)
    return _points(samples, rows, partial(detector_from_config, config))


def crops_of(samples: pd.DataFrame, rows: np.ndarray, size: int, margin: float) -> Iterator[Seen]:
    """The crops of hands, with their rows, in any order; or why there is none. Images are decoded in parallel, ahead.

    Args:
        samples: sample table.
        rows: int (k,), which rows of it.
        size, margin: see `preparation.crops`.
    """
    boxes = samples[list(BOX)].to_numpy(np.float64)
    in_images, in_videos = _rows_by_image(samples, rows)
    images = list(in_images.items())
    pieces = [images[start : start + IMAGES_PER_TASK] for start in range(0, len(images), IMAGES_PER_TASK)]
    parallel = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    for seen in parallel(joblib.delayed(_crops_of_images)(piece, boxes, size, margin) for piece in pieces):
        yield from seen
    for path, pixels in pictures(in_videos):
        for row in in_videos[path]:
            if isinstance(pixels, UnreadableImageError):
                yield row, str(pixels)
            else:
                yield row, crop_square(pixels, boxes[row], size, margin)


def _crops_of_images(
    images: Sequence[tuple[Path, list[int]]], boxes: np.ndarray, size: int, margin: float
) -> list[Seen]:
    seen: list[Seen] = []
    for path, rows in images:
        crops, reason = cut_hands(path, boxes[rows], size, margin)
        seen += [(row, reason if crop is None else crop) for row, crop in zip(rows, crops, strict=True)]
    return seen


def _points(samples: pd.DataFrame, rows: np.ndarray, make_detector: Callable[[], Detector]) -> Iterator[Seen]:
    """Points from the landmarks that are known; where none are, the detector looks for the hand in its box."""
    marks = samples["landmarks"].to_numpy(object)
    known = np.array([marks[row] is not None for row in rows], bool)
    in_images, in_videos = _rows_by_image(samples, rows[known])
    aspects: dict[Path, float | str] = {}
    for path, own in (in_images | in_videos).items():
        file = file_and_frame(path)[0]
        if file not in aspects:
            aspects[file] = _aspect(path)
        aspect = aspects[file]
        for row in own:
            if isinstance(aspect, str):
                yield row, aspect
            else:
                yield row, points_of(np.reshape(marks[row], (1, LANDMARKS, 2)), aspect)[0]
    if not known.all():
        yield from _detected_points(samples, rows[~known], make_detector)


def _detected_points(samples: pd.DataFrame, rows: np.ndarray, make_detector: Callable[[], Detector]) -> Iterator[Seen]:
    boxes = samples[list(BOX)].to_numpy(np.float64)
    in_images, in_videos = _rows_by_image(samples, rows)
    rows_of = in_images | in_videos
    with make_detector() as detector:
        for path, pixels in pictures(rows_of):
            for row in rows_of[path]:
                yield row, _detected(detector, pixels, boxes[row])


def _detected(detector: Detector, pixels: np.ndarray | UnreadableImageError, box: np.ndarray) -> np.ndarray | str:
    if isinstance(pixels, UnreadableImageError):
        return str(pixels)
    hand = detector.landmarks_in(pixels, tuple(box.tolist()))
    if hand is None or hand.landmarks is None:
        return "no hand found in its box"
    return points_of(hand.landmarks[None], pixels.shape[1] / pixels.shape[0])[0]


def _aspect(path: Path) -> float | str:
    """Width divided by height of a picture, upright, or what is wrong with it."""
    if file_and_frame(path)[1] is None:
        try:
            header = image_header(path)
        except UnreadableImageError as error:
            return str(error)
        return header.width / header.height
    pixels = next(pictures([path]))[1]
    return pixels.shape[1] / pixels.shape[0] if isinstance(pixels, np.ndarray) else str(pixels)


def _rows_by_image(samples: pd.DataFrame, rows: np.ndarray) -> tuple[dict[Path, list[int]], dict[Path, list[int]]]:
    """The rows of each image file, and of each frame of a video."""
    roots, names = samples["root"].to_numpy(object), samples["image"].to_numpy(object)
    images: dict[Path, list[int]] = {}
    videos: dict[Path, list[int]] = {}
    for row in rows.tolist():
        path = image_path(roots[row], names[row])
        group = images if file_and_frame(path)[1] is None else videos
        group.setdefault(path, []).append(row)
    return images, videos


def print_pool(pool: Pool) -> None:
    """Say how many hands there are to search, and what was left out."""
    hands = pool.hands
    console.print(f"pool {hands.name}: {len(pool):,} hands to search", highlight=False, markup=False)
    for reason, count in hands.left_out.items():
        console.print(f"  left out: {count:,} {reason}", highlight=False, soft_wrap=True, markup=False)
    for note in hands.notes:
        console.print(f"  {note}", highlight=False, soft_wrap=True, markup=False)
    for picture, reason in hands.unreadable[:3]:
        console.print(f"  {picture}: {reason}", highlight=False, soft_wrap=True, markup=False)

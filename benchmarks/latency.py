"""Milliseconds on one processor thread: detectors; each kind of model as PyTorch, ONNX and int8; the whole way.

    python benchmarks/latency.py [CHECKPOINT ...]

Without a checkpoint it takes networks with random weights, which take as long as trained ones: one of landmarks, two of
crops, and of further input kinds those that conf/model/ configures. Pictures are frames of
../shared/data/videos/webcam.mp4 (640 x 480). What is compared takes turns on the same hands, so that all meet the same
load; ratios are those of processor time, which other work on the machine hardly changes. The table is kept in
benchmarks/results/latency.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig

from static_gesture_classification.deployment.int8 import quantise
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.frames import frames
from static_gesture_classification.inference.onnx_classifier import AnyClassifier, load_onnx
from static_gesture_classification.inference.onnx_file import onnx_graph, onnx_metadata, with_metadata
from static_gesture_classification.inference.predictor import Predictor, hand_inputs, load_model
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.training.checkpoint import (
    Origin,
    build_network,
    load_classifier,
    plain_model,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.inputs import PreparedHands

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "latency.md"
# model -> size of its crops in pixels
MODELS = {"landmarks": 0, "fused": 96, "resnet18": 64, "efficientnet_lite0": 128}
FRAMES, TURNS, WARM_UP = 60, 150, 10
MARGIN = 0.15
FORMS = ("PyTorch", "ONNX", "ONNX int8")


@dataclass(frozen=True)
class Times:
    """Milliseconds of each turn: on the clock, and of the processor."""

    clock: np.ndarray
    worked: np.ndarray

    def __str__(self) -> str:
        clock, tail, worked = np.median(self.clock), np.quantile(self.clock, 0.95), np.median(self.worked)
        return f"{clock:.2f} | {tail:.2f} | {worked:.2f}"

    def ratio(self, other: Times) -> str:
        """The ratio to another's processor time, of the medians."""
        return f"{np.median(self.worked) / np.median(other.worked):.2f}"


@dataclass(frozen=True)
class Sight:
    """A frame, uint8 (480, 640, 3) RGB, and the hands in it."""

    image: np.ndarray
    hands: list[DetectedHand]


def main(checkpoints: Sequence[str]) -> None:
    """Measure, print and keep the tables."""
    torch.set_num_threads(1)
    images = [frame.image for frame in frames(SHARED / "data/videos/webcam.mp4")][:FRAMES]
    detectors = {name: detector for name in available_detectors() if (detector := open_detector(name))}
    usual = next(iter(detectors.values()))
    sights = [Sight(image, hands) for image in images if (hands := usual.detect(image))]
    with tempfile.TemporaryDirectory() as folder:
        made = [Path(each) for each in checkpoints] or make_checkpoints(Path(folder))
        forms = {path: three_forms(path, sights, Path(folder)) for path in made}
        models = [row for path in made for row in model_rows(path, forms[path], sights)]
        chain = chain_rows({path.stem: each["ONNX"] for path, each in forms.items()}, usual, images)
    text = report(detector_rows(detectors, images), models, chain, len(sights), bool(checkpoints))
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def available_detectors() -> list[str]:
    """The detectors of conf/detector/ that find hands."""
    return sorted({path.stem for path in (PROJECT / "conf/detector").glob("*.yaml")} & {"hands", "mediapipe"})


def open_detector(name: str) -> Detector | None:
    """A detector; None where what it needs is not installed."""
    try:
        return Detector.from_config(configuration(f"detector={name}"))
    except (ImportError, OSError) as error:
        print(f"detector={name} is left out: {error}", file=sys.stderr)
        return None


def configuration(*overrides: str) -> DictConfig:
    """The project's configuration."""
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config = compose("config", list(overrides))
    if "model" in config.detector:
        config.detector.model.path = str(SHARED / "models/hand_landmarker.task")
    return config


def make_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of `MODELS` with random weights, as far as conf/model/ has them."""
    paths = []
    for name, size in MODELS.items():
        if not (PROJECT / f"conf/model/{name}.yaml").is_file():
            continue
        config = configuration(f"model={name}")
        vocabulary, model = Vocabulary.from_config(config), plain_model(config.model)
        torch.manual_seed(0)
        state = build_network({**model, "weights": "none"}, len(vocabulary)).state_dict()
        header = Origin(model, vocabulary, size, MARGIN).header()
        paths.append(folder / f"{name}.ckpt")
        save({**header, "epoch": 0, "scores": None, "state_dict": state}, paths[-1])
    return paths


def three_forms(path: Path, sights: Sequence[Sight], folder: Path) -> dict[str, AnyClassifier]:
    """A checkpoint as PyTorch (traced, as predict uses it), as ONNX, and with 8-bit weights."""
    classifier = load_classifier(path)
    graph, about = onnx_graph(classifier), onnx_metadata(classifier, path)
    small = quantise(graph, classifier.kind, hands_of(classifier, sights))
    forms: dict[str, AnyClassifier] = {FORMS[0]: load_model(path)}
    for name, content in zip(FORMS[1:], (graph, small), strict=True):
        file = folder / f"{path.stem} {name}.onnx"
        file.write_bytes(with_metadata(content, about))
        forms[name] = load_onnx(file, threads=1)
    return forms


def hands_of(classifier: AnyClassifier, sights: Sequence[Sight]) -> PreparedHands:
    """The hands of the frames as prepared ones."""
    import pandas as pd

    pairs = [(sight.image, hand) for sight in sights for hand in sight.hands]
    crops = points = None
    if classifier.kind.needs_crops:
        size, margin = classifier.crop_size, classifier.crop_margin
        crops = np.stack([crop_square(image, hand.box, size, margin) for image, hand in pairs])
    if classifier.kind.needs_landmarks:
        found: Any = [hand.landmarks for _, hand in pairs]
        points = points_of(np.stack(found), 640 / 480)
    return PreparedHands(pd.DataFrame(index=range(len(pairs))), crops, points, classifier.crop_size)


def take_turns(works: Sequence[Callable[[int], Any]], turns: int) -> list[Times]:
    """Times of several works that take turns; each gets the turn's number."""
    clock, worked = np.zeros((len(works), turns)), np.zeros((len(works), turns))
    for turn in range(-WARM_UP, turns):
        for row, work in enumerate(works):
            start, begun = time.perf_counter(), time.process_time()
            work(abs(turn))
            if turn >= 0:
                worked[row, turn] = 1000 * (time.process_time() - begun)
                clock[row, turn] = 1000 * (time.perf_counter() - start)
    return [Times(*rows) for rows in zip(clock, worked, strict=True)]


def detector_rows(detectors: dict[str, Detector], images: Sequence[np.ndarray]) -> list[str]:
    """Each detector, per frame."""

    def looking(detector: Detector) -> Callable[[int], Any]:
        return lambda turn: detector.detect(images[turn % len(images)])

    times = take_turns([looking(each) for each in detectors.values()], len(images))
    base = times[list(detectors).index("mediapipe")] if "mediapipe" in detectors else times[0]
    return [f"| {name} | {each} | {each.ratio(base)} |" for name, each in zip(detectors, times, strict=True)]


def model_rows(path: Path, forms: dict[str, AnyClassifier], sights: Sequence[Sight]) -> list[str]:
    """A model's three forms, per hand, without cutting the crop."""
    first = forms[FORMS[0]]
    hands = [hand_inputs(first, sight.image, sight.hands[:1]) for sight in sights]

    def answering(classifier: AnyClassifier) -> Callable[[int], Any]:
        return lambda turn: classifier.answers(hands[turn % len(hands)])

    times = take_turns([answering(each) for each in forms.values()], TURNS)
    name, size = read_checkpoint(path)["model"]["name"], first.crop_size
    what = f"{name} ({first.input}{f', {size} px' if size else ''})"
    return [f"| {what} | {form} | {each} | {each.ratio(times[0])} |" for form, each in zip(forms, times, strict=True)]


def chain_rows(classifiers: dict[str, AnyClassifier], detector: Detector, images: Sequence[np.ndarray]) -> list[str]:
    """From the frame to the gesture: a detector with each model as ONNX."""

    def predicting(classifier: AnyClassifier) -> Callable[[int], Any]:
        predictor = Predictor(classifier, detector)
        return lambda turn: predictor.predict(images[turn % len(images)])

    times = take_turns([predicting(each) for each in classifiers.values()], len(images))
    return [
        f"| {name} | {each} | {1000 / np.median(each.worked):.0f} |"
        for name, each in zip(classifiers, times, strict=True)
    ]


def report(detectors: list[str], models: list[str], chain: list[str], sights: int, trained: bool) -> str:
    """The tables."""
    machine = measured_on("ai-edge-litert", "mediapipe", "torch", "onnxruntime", "numpy")
    load, columns = os.getloadavg()[0], "ms, median | ms, 95th percentile | processor ms, median"
    return "\n".join(
        [
            "# Latency, one thread",
            "",
            f"{machine}; "
            f"load of the machine after the run: {load:.1f}. Other work lengthens the times on the clock, not "
            "those of the processor; ratios are of the latter.",
            "",
            f"{FRAMES} frames of a webcam (640 x 480), one person; {sights} with a hand. "
            f"{'Trained networks.' if trained else 'Networks with random weights.'}",
            "",
            f"| detector, per frame | {columns} | of mediapipe |",
            "|---|---:|---:|---:|---:|",
            *detectors,
            "",
            f"| model, per hand | as | {columns} | of PyTorch |",
            "|---|---|---:|---:|---:|---:|",
            *models,
            "",
            f"| whole frame, detector=hands: model, as ONNX | {columns} | frames a second of processor time |",
            "|---|---:|---:|---:|---:|",
            *chain,
            "",
            "Every frame is searched anew, as in a folder of pictures; the recorder and videos follow hands, which is "
            "faster, and where a second core is free the detector takes two threads: [hand_finder.md](hand_finder.md). "
            "`PyTorch` is the network as `gestures predict` runs a checkpoint: a traced graph for crops.",
            "",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1:])

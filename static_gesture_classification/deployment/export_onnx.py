"""Write a checkpoint as an ONNX file for other programs, with what is known about it, and a model card beside it.

    gestures export-onnx checkpoint=models/best.ckpt output=models/best.onnx

    FILE.onnx          from crops or landmarks to calibrated probabilities (`inference.onnx_classifier`)
    FILE.int8.onnx     with int8=true: 8-bit weights, if that costs at most `max_loss` on val
    MODEL.md           the model card

The file is compared with the checkpoint on real samples, and what the card says was measured on the file itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pydantic import Field
from rich.filesize import decimal

from static_gesture_classification.atomic_files import write_bytes
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.deployment.int8 import check_data, quantise, spread
from static_gesture_classification.deployment.model_card import (
    CardFacts,
    Int8Outcome,
    card_path,
    score_in_words,
    write_card,
)
from static_gesture_classification.deployment.scores import Score, SplitScores, predict_hands, score_split
from static_gesture_classification.deployment.skin_tones import ToneScores, ToneSettings, score_tones
from static_gesture_classification.deployment.sources import count_gestures, describe_sources
from static_gesture_classification.deployment.training_data import CheckpointHistory, TrainingData, find_history
from static_gesture_classification.deployment.usage import network_inputs
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import SUFFIX, OnnxClassifier, load_onnx
from static_gesture_classification.inference.onnx_file import (
    check_parity,
    onnx_graph,
    onnx_metadata,
    with_metadata,
)
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import note, say
from static_gesture_classification.training.checkpoint import (
    Classifier,
    checkpoint_digest,
    has_weights_for_use,
    load_classifier,
)
from static_gesture_classification.workspace import Workspace

COMPARED_SAMPLES = 256  # samples that file and checkpoint are compared on
MEASURED = ("test", "val")


class ExportOnnxSettings(Settings, key="export_onnx"):
    """Settings of `gestures export-onnx`.

    Args:
        checkpoint: that is exported.
        output: the ONNX file, or a folder for one that is named like the checkpoint.
        int8: whether to write one with 8-bit weights too.
        max_loss: of weighted F1 on val that int8 may cost.
        resamples: of people, for the card's intervals.
        seed: of the resampling.
        workspaces: where the checkpoint's data may lie.
        sources: the configuration's sources, for the licences of the data.
        tones: pictures of each skin tone.
        detector: finds the hands in them.
    """

    checkpoint: Path
    output: Path
    int8: bool
    max_loss: float = Field(ge=0, le=1)
    resamples: int = Field(ge=0)
    seed: Annotated[int, At("seed")]
    workspaces: tuple[Workspace, ...]
    sources: Annotated[dict[str, Any], At("sources")]
    tones: ToneSettings
    detector: DetectorSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> ExportOnnxSettings:
        """Of the whole configuration; raises as `read`."""
        workspaces = (Workspace.from_config(config), Workspace.read(config, "retrain.paths"))
        return cls.read(config, "export_onnx", workspaces=workspaces)

    @property
    def file(self) -> Path:
        """The file to write."""
        return self.output if self.output.suffix.lower() == SUFFIX else self.output / (self.checkpoint.stem + SUFFIX)

    @property
    def int8_file(self) -> Path:
        """The file with 8-bit weights."""
        return self.file.with_suffix(f".int8{SUFFIX}")


@dataclass(frozen=True)
class ExportedModel:
    """An exported graph that was compared and scored, not yet written.

    Args:
        graph: the file without metadata.
        network: the file as other programs get it.
        difference: the largest one of its answers from the checkpoint's.
        compared: on how many samples.
        on_real: whether these are samples of the data; else random inputs.
        scores: per split; {} without data.
        for_use: whether it has the weights for use, and the scores are those of the measured ones.
    """

    graph: bytes
    network: OnnxClassifier
    difference: float
    compared: int
    on_real: bool
    scores: Mapping[str, SplitScores] = field(default_factory=dict)
    for_use: bool = False


@entry_point
def main(config: DictConfig) -> None:
    """Export the checkpoint, and write its model card."""
    settings = ExportOnnxSettings.from_config(config)
    show_export(write_export(settings), settings)


def write_export(settings: ExportOnnxSettings) -> CardFacts:
    """Export the checkpoint, write its model card, and return what it says."""
    classifier = load_classifier(settings.checkpoint)
    history = find_history(settings.checkpoint, classifier, settings.workspaces)
    if settings.int8:
        check_data(history.data, history.missing)
    measured = export_model(classifier, history, settings)
    measured = replace(measured, scores=score_all(measured.network, history.data, settings))
    reduced = reduce(measured, classifier, history, settings) if settings.int8 else None
    made = swap_weights(measured, history, settings)
    tones, no_tones = measure_tones(made.network, settings)
    facts = gather_facts(classifier, history, made, settings)
    facts = replace(facts, int8=None if reduced is None else reduced[1], tones=tones, no_tones=no_tones)
    if reduced is None:
        return write_files(settings, facts, made.graph, None)
    return write_files(settings, facts, made.graph, reduce_to_8_bits(made, history) if made.for_use else reduced[0])


def export_model(classifier: Classifier, history: CheckpointHistory, settings: ExportOnnxSettings) -> ExportedModel:
    """Make the graph, and compare it with the checkpoint."""
    graph = onnx_graph(classifier)
    network = open_graph(graph, classifier, settings.checkpoint)
    inputs, on_real = inputs_to_compare(classifier, history.data)
    difference = check_parity(classifier, network, inputs, settings.checkpoint)
    return ExportedModel(graph, network, difference, len(inputs), on_real)


def swap_weights(measured: ExportedModel, history: CheckpointHistory, settings: ExportOnnxSettings) -> ExportedModel:
    """The model with the checkpoint's weights for use, and the scores of those that were measured."""
    if not has_weights_for_use(settings.checkpoint):
        return measured
    made = export_model(load_classifier(settings.checkpoint, for_use=True), history, settings)
    return replace(made, scores=measured.scores, for_use=True)


def open_graph(graph: bytes, classifier: Classifier, checkpoint: Path) -> OnnxClassifier:
    """A graph as other programs get it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / checkpoint.with_suffix(SUFFIX).name
        path.write_bytes(with_metadata(graph, onnx_metadata(classifier, checkpoint)))
        return load_onnx(path)


def inputs_to_compare(classifier: Classifier, data: TrainingData | None) -> tuple[np.ndarray, bool]:
    """Inputs to compare file and checkpoint on, and whether they are real samples: of val, else of any split."""
    kind = classifier.kind
    for hands in () if data is None else (data.split("val"), data.hands):
        rows = np.flatnonzero(kind.usable(hands.points, len(hands.samples)))
        if len(rows):
            return kind.take(hands.crops, hands.points, spread(rows)), True
    return kind.example(COMPARED_SAMPLES, classifier.crop_size), False


def score_all(
    network: OnnxClassifier, data: TrainingData | None, settings: ExportOnnxSettings
) -> dict[str, SplitScores]:
    """The scores of the splits that have samples."""
    splits = {name: data.split(name) for name in MEASURED} if data is not None else {}
    return {
        name: score_split(predict_hands(hands, network), settings.resamples, settings.seed)
        for name, hands in splits.items()
        if len(hands.samples)
    }


def reduce(
    made: ExportedModel, classifier: Classifier, history: CheckpointHistory, settings: ExportOnnxSettings
) -> tuple[bytes, Int8Outcome]:
    """The graph with 8-bit weights, and what they cost."""
    data = check_data(history.data, history.missing)
    graph = reduce_to_8_bits(made, history)
    scores = score_all(open_graph(graph, classifier, settings.checkpoint), data, settings)
    loss = made.scores["val"].whole.weighted_f1 - scores["val"].whole.weighted_f1
    wholes = {name: each.whole for name, each in scores.items()}
    return graph, Int8Outcome(loss, settings.max_loss, len(graph) / len(made.graph), wholes)


def reduce_to_8_bits(made: ExportedModel, history: CheckpointHistory) -> bytes:
    """The graph with 8-bit weights, from the hands of train."""
    return quantise(made.graph, made.network.kind, check_data(history.data, history.missing).split("train"))


def measure_tones(network: OnnxClassifier, settings: ExportOnnxSettings) -> tuple[ToneScores | None, str]:
    """The scores per skin tone, or why there are none."""
    if not settings.tones.subjects:
        return None, "tones=0 switched it off"
    try:
        with settings.detector.build() as detector:
            predictor = Predictor(network, detector)
            scores = score_tones(predictor, settings.tones, settings.resamples, settings.seed)
    except UserError as error:
        return None, f"the detector could not be used ({error})"
    return scores, "" if scores is not None else "fewer than two of its gestures have a pose in conf/poses/"


def gather_facts(
    classifier: Classifier, history: CheckpointHistory, made: ExportedModel, settings: ExportOnnxSettings
) -> CardFacts:
    """What the card says, as far as it does not depend on int8 and skin tones."""
    trained_with = history.record.get("config") or {}
    names = classifier.vocabulary.names
    samples = None if history.data is None else history.data.hands.samples
    known = {"checkpoint": checkpoint_digest(settings.checkpoint), "precision": "float32"}
    return CardFacts(
        file=settings.file.name,
        int8_file=None,
        about=onnx_metadata(classifier, settings.checkpoint) | known,
        inputs=network_inputs(made.network),
        data_version=history.data_version,
        missing=history.missing,
        subjects_apart=(trained_with.get("split") or {}).get("group") != "session",
        sources=()
        if samples is None
        else describe_sources(samples, trained_with.get("sources") or {}, settings.sources),
        gestures=pd.DataFrame() if samples is None else count_gestures(samples, names),
        scores=made.scores,
        difference=made.difference,
        compared=made.compared,
        on_real=made.on_real,
        int8=None,
        tones=None,
        no_tones="",
        for_use=made.for_use,
    )


def metadata(facts: CardFacts, scores: Mapping[str, Score]) -> dict[str, Any]:
    """The file's metadata."""
    sources = [each.plain() for each in facts.sources]
    return {
        **facts.about,
        "data": {"version": facts.data_version, "sources": sources},
        "scores": {name: each.plain() for name, each in scores.items()},
        "parity": {"difference": facts.difference, "samples": facts.compared, "real": facts.on_real},
    }


def write_files(settings: ExportOnnxSettings, facts: CardFacts, graph: bytes, int8: bytes | None) -> CardFacts:
    """Write the file, the one with 8-bit weights if val allows it, and the card."""
    whole = {name: each.whole for name, each in facts.scores.items()}
    write_bytes(settings.file, with_metadata(graph, metadata(facts, whole)))
    if int8 is not None and facts.int8 is not None and facts.int8.is_kept:
        about = metadata(facts, facts.int8.scores) | {"precision": "int8"}
        write_bytes(settings.int8_file, with_metadata(int8, about))
        facts = replace(facts, int8_file=settings.int8_file.name)
    elif int8 is not None:
        settings.int8_file.unlink(missing_ok=True)  # one of an earlier checkpoint
    write_card(facts, card_path(settings.file))
    return facts


def show_export(facts: CardFacts, settings: ExportOnnxSettings) -> None:
    """Print what was written, and how good it is."""
    on = "samples" if facts.on_real else "random inputs"
    say(
        f"{settings.file}: {decimal(settings.file.stat().st_size)}; on {facts.compared:,} {on} its answers differ from "
        f"the checkpoint's by at most {facts.difference:.1g}"
    )
    for name, each in facts.scores.items():
        say(f"weighted F1 on {name}: {score_in_words(each.whole)}")
    if facts.missing:
        note(f"{facts.missing}; scores, sources and gestures are not in the card")
    if facts.int8 is not None:
        show_int8(facts.int8, settings)
    say(f"model card: {card_path(settings.file)}")


def show_int8(int8: Int8Outcome, settings: ExportOnnxSettings) -> None:
    """Print what 8-bit weights cost."""
    what = f"8-bit weights cost {int8.loss:+.4f} of weighted F1 on val"
    if int8.is_kept:
        say(f"{settings.int8_file}: {decimal(settings.int8_file.stat().st_size)}; {what}")
    else:
        note(f"{what}, more than {int8.max_loss}; {settings.int8_file} is not written. To allow it: max_loss=VALUE")


if __name__ == "__main__":
    main()

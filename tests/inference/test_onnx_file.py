from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.inference.onnx_classifier import OnnxClassifier, load_onnx
from static_gesture_classification.inference.onnx_file import write_onnx
from static_gesture_classification.training.checkpoint import Classifier, load_classifier

MISSING = {"crops": 0, "points": np.nan}


@pytest.fixture(scope="module")
def pair(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Classifier, OnnxClassifier]:
    """A checkpoint that sees crops and landmarks, and its ONNX file."""
    output = tmp_path_factory.mktemp("exported") / "fused.onnx"
    write_onnx(checkpoint("fused"), output)
    return load_classifier(checkpoint("fused")), load_onnx(output)


@pytest.mark.parametrize("hands", [1, 5, 65])
@pytest.mark.parametrize("without", [(), ("crops",), ("points",), ("crops", "points")])
@pytest.mark.full
def test_file_of_both_parts_answers_as_the_checkpoint_where_a_part_is_missing(
    pair: tuple[Classifier, OnnxClassifier], without: tuple[str, ...], hands: int
) -> None:
    original, copy = pair
    inputs = original.kind.example(hands, original.crop_size)
    for place, part in enumerate(without):  # both: every other hand lacks the one or the other
        inputs[part][place :: len(without)] = MISSING[part]
    ours, theirs = original.answers(inputs), copy.answers(inputs)
    assert np.isfinite(theirs.probabilities).all()
    assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-4
    assert np.abs(ours.embeddings - theirs.embeddings).max() < 1e-4

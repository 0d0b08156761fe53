import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor, hand_inputs, load_model
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.cutting import HEADROOM
from static_gesture_classification.preparation.geometry import hand_square
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import BOX, read_samples, write_samples
from static_gesture_classification.training.checkpoint import Classifier, load_classifier
from tests.inference.conftest import MARGIN, SIZE, VOCABULARY
from tests.support.hagrid_hands import hagrid_hands

EVERYWHERE = BoxDetector([0, 0, 1, 1])
Made = Callable[[str], Path]


def test_crops_are_those_of_the_crops_stage(checkpoint: Made, photographs: Path, tmp_path: Path) -> None:
    """Byte for byte, but where the stage decodes a JPEG of a large hand at half its size: there within its noise."""
    samples = hagrid_hands(photographs / "hagrid_mini", every=40)
    write_samples(samples, tmp_path / "samples.parquet")
    settings = CropSettings(size=SIZE, margin=MARGIN, max_rejected_share=0)
    build_crops(tmp_path / "samples.parquet", tmp_path / "crops", settings)
    stage, rows = open_crops(tmp_path / "crops"), read_samples(tmp_path / "crops" / "samples.parquet")
    predictor = Predictor.load(checkpoint("crops"), EVERYWHERE)
    same = []
    for crop, row in zip(stage, rows.to_dict("records"), strict=True):
        image, box = read_image(Path(row["root"]) / row["image"]), tuple(row[name] for name in BOX)
        ours = hand_inputs(predictor.classifier, image, [DetectedHand(box, score=1.0)])[0]
        same.append(np.array_equal(ours, crop))
        reduced = hand_square(image.shape[1], image.shape[0], box, MARGIN).side >= 2 * HEADROOM * SIZE
        assert same[-1] or (reduced and np.abs(ours.astype(int) - crop).mean() < 1.5)
    assert sum(same) > 30


def test_points_are_those_of_the_landmarks_stage(checkpoint: Made, photographs: Path, detector: Detector) -> None:
    image = read_image(sorted((photographs / "hagrid_mini" / "palm").glob("*.jpg"))[0])
    assert image.shape == (480, 640, 3)
    hands = detector.detect(image)
    points = hand_inputs(load_classifier(checkpoint("landmarks")), image, hands)
    stage = points_of(np.stack([hand.landmarks for hand in hands if hand.landmarks is not None]), 640 / 480)
    assert np.array_equal(points, stage)


@pytest.mark.parametrize("kind", ["crops", "landmarks"])
def test_each_hand_gets_the_probabilities_of_the_checkpoint(
    kind: str, checkpoint: Made, photographs: Path, detector: Detector
) -> None:
    image = read_image(sorted((photographs / "hagrid_people" / "palm").iterdir())[1])
    predictor = Predictor.load(checkpoint(kind), detector)
    both = np.concatenate([image, image[:, ::-1]], axis=1)
    recognised = predictor.predict(both)
    assert len(recognised) == 2
    probabilities, embeddings = load_classifier(checkpoint(kind)).predict(
        hand_inputs(predictor.classifier, both, [each.hand for each in recognised])
    )
    for each, row, embedding in zip(recognised, probabilities, embeddings, strict=True):
        assert each.probabilities == pytest.approx(row, abs=1e-5)
        assert each.embedding is not None
        assert each.embedding == pytest.approx(embedding, abs=1e-4)
        assert each.gesture == VOCABULARY.names[row.argmax()]
        assert each.score == pytest.approx(row.max())


@pytest.mark.parametrize("hands", [1, 2, 5])
def test_graph_of_a_crop_model_says_what_the_network_says_of_any_number_of_hands(checkpoint: Made, hands: int) -> None:
    crops = np.random.default_rng(hands).integers(0, 256, (hands, SIZE, SIZE, 3), np.uint8)
    original, quick = load_classifier(checkpoint("crops")), load_model(checkpoint("crops"))
    assert isinstance(quick, Classifier)
    assert quick.network.backbone is not original.network.backbone
    for ours, theirs in zip(quick.predict(crops), original.predict(crops), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_frame_without_a_hand_gives_nothing(checkpoint: Made, detector: Detector) -> None:
    assert Predictor.load(checkpoint("crops"), detector).predict(np.zeros((480, 640, 3), np.uint8)) == []


def test_checkpoint_of_landmarks_refuses_a_detector_without_them(checkpoint: Made) -> None:
    with pytest.raises(UserError, match=r"landmarks.*detector=hands"):
        Predictor.load(checkpoint("landmarks"), EVERYWHERE)


def test_hand_without_landmarks_is_refused_by_a_checkpoint_of_landmarks(checkpoint: Made, detector: Detector) -> None:
    predictor = Predictor.load(checkpoint("landmarks"), detector)
    with pytest.raises(UserError, match="found without them"):
        predictor.classify(np.zeros((10, 10, 3), np.uint8), [DetectedHand((0, 0, 1, 1), 1.0)])


@pytest.mark.parametrize("name", ["absent.ckpt", "absent.onnx"])
def test_missing_model_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=name):
        Predictor.load(tmp_path / name, EVERYWHERE)


@pytest.mark.parametrize("name", ["text.ckpt", "text.onnx"])
def test_damaged_model_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no model")
    with pytest.raises(UserError, match=rf"{name} is not a readable"):
        Predictor.load(tmp_path / name, EVERYWHERE)


def test_onnx_file_is_used_without_torch(project: Path) -> None:
    program = "import sys, static_gesture_classification.inference.predictor; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=project)

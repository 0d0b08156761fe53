"""An input kind that the program does not know, of crops and landmarks both, goes all the way when it is registered."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

import train_static_gestures
from static_gesture_classification import samples as table
from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation import evaluate
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.inference.onnx_file import write_onnx
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.training import models
from static_gesture_classification.training.augmentation import Augmentation
from static_gesture_classification.training.backbones import build_backbone
from static_gesture_classification.training.checkpoint import load_classifier, read_checkpoint
from static_gesture_classification.training.inputs import KINDS, InputKind, Parts, PreparedHands, input_kind
from static_gesture_classification.training.models import landmarks
from static_gesture_classification.training.models.landmark_features import features
from static_gesture_classification.training.models.network import Network
from tests.support.patches import SIZE, patches, write_patches
from tests.support.posed_hands import hands as posed
from tests.training.test_added_model import ADDED, SEARCHED

SPLITS = {"train": 12, "val": 5, "test": 5}


class FusedBackbone(nn.Module):
    """Embeddings of crops and of landmarks, one behind the other."""

    def __init__(self, crops: nn.Module, points: nn.Module) -> None:
        super().__init__()
        self.crops, self.points = crops, points

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        return torch.cat([self.crops(images), self.points(points)], 1)


class FusedNetwork(Network):
    """A network of crops (n, 3, size, size) and points (n, 21, 2)."""

    def embed(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        images, points = inputs
        return self.backbone(images / 255, features(points))


class FusedAugmentation(nn.Module):
    """Changes of crops, and points as they are."""

    def __init__(self, augs: Mapping[str, Any]) -> None:
        super().__init__()
        self.crops = Augmentation(**augs)

    def forward(self, inputs: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.crops(inputs[0], generator), inputs[1]


class Both(InputKind):
    """Crops and landmarks of the same hand."""

    name = "both"
    needs_crops = needs_landmarks = True

    def join(self, crops: np.ndarray | None, points: np.ndarray | None) -> np.ndarray:
        assert crops is not None
        assert points is not None
        kind = [("crop", np.uint8, crops.shape[1:]), ("points", np.float32, points.shape[1:])]
        inputs = np.empty(len(points), kind)
        inputs["crop"], inputs["points"] = crops, points
        return inputs

    def feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        return {"crops": inputs["crop"], "points": inputs["points"]}

    def to_network(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        crops, points = arguments
        return crops.permute(0, 3, 1, 2), points

    def parts_of(self, batch: Any) -> Parts:
        return Parts(KINDS["crops"].parts_of(batch[0]).crops, batch[1].cpu().numpy())

    def network(self, model: Mapping[str, Any], classes: int) -> Network:
        crops, width = build_backbone(model["backbone"], pretrained=False)
        points, further = landmarks.backbone(pretrained=False, **model["points"])
        return FusedNetwork(FusedBackbone(crops, points), width + further, classes)

    def augmentation(self, augs: Mapping[str, Any]) -> nn.Module:
        return FusedAugmentation(augs)

    def describe(self, hands: PreparedHands) -> str:
        return "Crops with landmarks"


class Posed(Detector):
    """Sees one hand everywhere, with the same landmarks."""

    gives_landmarks = True

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        return [DetectedHand((0.2, 0.2, 0.8, 0.8), 1.0, landmarks=posed({"test": 1})[0][0])]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with patches and posed hands, and the kind registered."""
    monkeypatch.setitem(KINDS, Both.name, Both())
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(ADDED)])
    write_patches(tmp_path, SPLITS)
    points, _ = posed(SPLITS, missed=2)
    _, samples = patches(SPLITS)
    table.write_samples(samples.iloc[::-1], tmp_path / "data/landmarks/samples.parquet")  # in an order of its own
    np.save(tmp_path / "data/landmarks/landmarks.npy", points[::-1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_third_kind_trains_loads_predicts_and_exports(
    both: Path, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    config = composed(SEARCHED, "model=both", "train_hyperparams.epochs=8")
    train_static_gestures.main.__wrapped__(config)
    assert "Crops with landmarks" in capsys.readouterr().out
    assert read_checkpoint(both / "models/trained.ckpt")["crop"] == {"size": SIZE, "margin": config.crops.margin}
    classifier = load_classifier(both / "models/trained.ckpt")
    assert classifier.input == "both"
    (crops, samples), (points, _) = patches({"test": 5}, seed=5), posed({"test": 5})
    inputs = classifier.kind.join(crops, points)
    probabilities, embeddings = classifier.predict(inputs)
    assert (probabilities.argmax(1) == classifier.vocabulary.indices(samples["gesture"])).mean() > 0.9
    assert embeddings.shape == (len(inputs), 32 + 16)
    write_onnx(both / "models/trained.ckpt", both / "models/trained.onnx")
    assert load_onnx(both / "models/trained.onnx").predict(inputs)[0] == pytest.approx(probabilities, abs=1e-4)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    one, other = (
        Predictor.load(both / f"models/trained.{suffix}", Posed()).predict(image)[0] for suffix in ("ckpt", "onnx")
    )
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    prepared = [f"evaluate.{name}=data/{name}" for name in ("crops", "landmarks")]
    where = ["evaluate.samples=data/splits/samples.parquet", "evaluate.bootstrap=10", "evaluate.output=reports"]
    evaluate.main.__wrapped__(
        composed(SEARCHED, "model=both", "evaluate.checkpoint=models/trained.ckpt", *prepared, *where)
    )
    predictions = read_predictions(both / "reports/predictions/val.parquet")
    right = predictions.column("gesture") == predictions.column("prediction")
    assert len(predictions) == 20
    assert right.sum() == 18  # the two hands that were not found count as errors


def test_a_kind_of_both_parts_pairs_them_by_sample_and_leaves_out_hands_that_were_not_found(both: Path) -> None:
    hands = input_kind("both").open(both / "data/crops", both / "data/landmarks", both / "data/splits/samples.parquet")
    crops, samples = patches(SPLITS)
    assert hands.samples["sample_id"].tolist() == samples["sample_id"].tolist()[::-1]
    assert hands.crops is not None
    assert np.array_equal(hands.crops[np.array([0, 3])], crops[[-1, -4]])
    assert (~input_kind("both").usable(hands.points, len(samples))).sum() == 2 * len(SPLITS)


def test_a_detector_without_landmarks_does_for_no_kind_that_needs_them() -> None:
    KINDS["crops"].check_detector(BoxDetector([0, 0, 1, 1]))
    for kind in (KINDS["landmarks"], Both()):
        with pytest.raises(UserError, match="detector=hands"):
            kind.check_detector(BoxDetector([0, 0, 1, 1]))


def test_hands_and_their_table_belong_together() -> None:
    crops, samples = patches({"train": 2})
    with pytest.raises(DataError, match="do not fit together"):
        PreparedHands(samples, crops=crops[1:])


def test_a_kind_that_nobody_knows_is_named() -> None:
    with pytest.raises(UserError, match=r"model\.input is 'sounds'; it is crops or landmarks or fused"):
        input_kind("sounds")

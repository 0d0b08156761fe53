"""The fused model: crop and landmarks, each of which may be missing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import nn

import train_static_gestures
from static_gesture_classification import samples as table
from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.inference.onnx_file import write_onnx
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.training.checkpoint import load_classifier, read_checkpoint
from static_gesture_classification.training.inputs import input_kind
from static_gesture_classification.training.models.fused import FusedNetwork, backbone
from static_gesture_classification.training.models.hand_network import HandNetwork
from tests.conftest import HAND_LANDMARKER
from tests.support.patches import patches, write_patches
from tests.support.posed_hands import hands as posed

SPLITS = {"train": 12, "val": 5, "test": 5}
SMALL = (
    "model=fused",
    "train_hyperparams=landmarks",
    "train_hyperparams.lr=0.02",
    "model.weights=none",
    "model.backbone.size=32",
    "model.backbone.hidden=[32,16]",
    "crops.size=32",
    "train_hyperparams.batch_size=24",
    "train_hyperparams.passes=20",
    "train_hyperparams.for_use=[]",
)
needs_model = pytest.mark.skipif(not HAND_LANDMARKER.is_file(), reason="no ../shared/models/hand_landmarker.task")


@pytest.fixture
def network() -> FusedNetwork:
    """With random weights."""
    torch.manual_seed(0)
    return FusedNetwork(*backbone("fused", False, 32, [16, 8], 0.1, 0.1, 2), 4).eval()


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with patches, their posed hands, two of each split not found, and one hand without a crop."""
    write_patches(tmp_path, SPLITS)
    points, _ = posed(SPLITS, missed=2)
    _, samples = patches(SPLITS)
    samples.loc[len(samples)] = {**samples.iloc[5], "sample_id": "posed", "source": "synthetic_landmarks"}
    table.write_samples(samples, tmp_path / "data/landmarks/samples.parquet")
    np.save(tmp_path / "data/landmarks/landmarks.npy", np.concatenate([points, points[5:6]]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_hand_with_a_crop_or_landmarks_is_opened(prepared: Path) -> None:
    kind = input_kind("fused")
    hands = kind.open(prepared / "data/crops", prepared / "data/landmarks", prepared / "data/splits/samples.parquet")
    crops, samples = patches(SPLITS)
    assert hands.samples["sample_id"].tolist() == [*samples["sample_id"], "posed"]
    assert hands.points is not None
    assert hands.crops is not None
    assert np.isnan(hands.points).all(axis=(1, 2)).sum() == 2 * len(SPLITS)
    assert kind.usable(hands.points, len(hands.points)).all()
    last = np.array([3, len(samples)])
    assert np.array_equal(hands.crops[last], [crops[3], np.zeros_like(crops[0])])


def test_what_is_missing_has_no_influence(network: FusedNetwork) -> None:
    crops, points = torch.randint(1, 256, (5, 3, 32, 32), dtype=torch.uint8), torch.randn(5, 21, 2)
    none = torch.zeros_like(crops), torch.full_like(points, torch.nan)
    with torch.inference_mode():
        both, crop, landmarks = (
            network.embed(inputs) for inputs in ((crops, points), (crops, none[1]), (none[0], points))
        )
        assert network(none).isfinite().all()
    of_points, of_crop, of_both = (slice(0, 8), slice(8, 16), slice(16, 24))
    assert torch.allclose(both[:, of_points] * 3, landmarks[:, of_points], atol=1e-5)
    assert torch.allclose(both[:, of_crop] * 3, crop[:, of_crop], atol=1e-5)
    assert not landmarks[:, of_crop].any()
    assert not crop[:, of_points].any()
    assert not crop[:, of_both].any()
    assert both[:, of_both].any()


def test_missing_inputs_leave_the_standardisation_alone(network: FusedNetwork) -> None:
    network.train()
    crops, points = torch.randint(1, 256, (6, 3, 32, 32), dtype=torch.uint8), torch.randn(6, 21, 2)
    crops[:3], points[3:] = 0, torch.nan
    standardisation = network.backbone.of_points
    assert isinstance(standardisation, nn.BatchNorm1d)
    network((crops, points))
    with_missing = standardisation.running_mean.clone()
    standardisation.reset_running_stats()
    network((crops[:3], points[:3]))
    assert torch.equal(with_missing, standardisation.running_mean)


def test_it_trains_recognises_without_landmarks_and_exports(
    prepared: Path, composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    train_static_gestures.main.__wrapped__(composed(*SMALL))
    checkpoint = prepared / "models/trained.ckpt"
    assert not {"weights", "hand_network", "embeddings"} & read_checkpoint(checkpoint)["model"].keys()
    classifier = load_classifier(checkpoint)
    (crops, samples), (points, _) = patches({"test": 5}, seed=5), posed({"test": 5})
    expected = classifier.vocabulary.indices(samples["gesture"])
    inputs = classifier.kind.join(crops, points)
    answers = classifier.predict(inputs)
    assert (answers[0].argmax(1) == expected).mean() > 0.9
    without = classifier.predict(classifier.kind.join(np.zeros_like(crops), points))[0]
    assert (without.argmax(1) == expected).mean() > 0.9
    write_onnx(checkpoint, prepared / "models/trained.onnx")
    exported = load_onnx(prepared / "models/trained.onnx")
    inputs["points"][:5] = np.nan
    inputs["crops"][5:10] = 0
    assert exported.predict(inputs)[0] == pytest.approx(classifier.predict(inputs)[0], abs=1e-4)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    assert len(Predictor(classifier, BoxDetector([0.2, 0.2, 0.8, 0.8])).predict(image)) == 1


@pytest.mark.full
def test_embeddings_of_crops_are_computed_once(
    prepared: Path, composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    forward = HandNetwork.forward

    def counted(network: HandNetwork, crops: torch.Tensor) -> torch.Tensor:
        computed.append(len(crops))
        return forward(network, crops)

    monkeypatch.setattr(HandNetwork, "forward", counted)
    few = ("train_hyperparams.passes=1", "train_hyperparams.fresh=true")
    counts = []
    for _ in range(2):
        computed.clear()
        train_static_gestures.main.__wrapped__(composed(*SMALL, *few))
        counts.append(sum(computed))
    trained = 4 * (SPLITS["train"] + SPLITS["val"])
    assert counts[0] - counts[1] == 2 * trained  # each crop and its mirror image


def test_hand_weights_need_a_file(composed: Callable[..., DictConfig], prepared: Path) -> None:
    with pytest.raises(UserError, match=r"model\.hand_network names no file"):
        train_static_gestures.main.__wrapped__(composed(*SMALL, "model.weights=hands", "model.hand_network=null"))
    (prepared / "other.task").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"other\.task is not MediaPipe's hand_landmarker\.task"):
        HandNetwork(32).read_weights(prepared / "other.task")


@needs_model
@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors.*")
def test_the_hand_network_computes_what_the_published_one_does() -> None:
    import zipfile

    from ai_edge_litert.interpreter import Interpreter

    network = HandNetwork(224).eval()
    network.read_weights(HAND_LANDMARKER)
    with zipfile.ZipFile(HAND_LANDMARKER) as archive:
        model = archive.read("hand_landmarks_detector.tflite")
    published = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
    published.allocate_tensors()
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    published.set_tensor(published.get_input_details()[0]["index"], image[None].astype(np.float32) / 255)
    published.invoke()
    (average,) = [step for step in published._get_ops_details() if step["op_name"] == "MEAN"]
    expected = published.get_tensor(average["outputs"][0])[0]
    assert network(torch.from_numpy(image).permute(2, 0, 1)[None])[0].numpy() == pytest.approx(expected, abs=1e-3)

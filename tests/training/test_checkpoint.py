import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.checkpoint import (
    Origin,
    build_network,
    export_checkpoint,
    initial_network,
    load_classifier,
    save,
)
from tests.support.patches import VOCABULARY

MODEL = {
    "name": "test_efficientnet",
    "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    "backbone": {
        "_target_": "static_gesture_classification.training.models.timm_models.backbone",
        "name": "test_efficientnet",
    },
}


def checkpoint(vocabulary: Vocabulary = VOCABULARY, seed: int = 0, **changes: object) -> dict[str, object]:
    torch.manual_seed(seed)
    network = build_network({**MODEL, "weights": "none"}, len(vocabulary))
    header = Origin(MODEL, vocabulary, crop_size=32, crop_margin=0.15).header()
    return {**header, "epoch": 3, "scores": None, "state_dict": network.state_dict()} | changes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(checkpoint(), tmp_path / "trained.ckpt")
    return tmp_path / "trained.ckpt"


def test_a_classifier_gives_probabilities_and_embeddings(path: Path) -> None:
    classifier = load_classifier(path)
    assert classifier.vocabulary == VOCABULARY
    assert (classifier.crop_size, classifier.crop_margin) == (32, 0.15)
    crops = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), np.uint8)
    probabilities, embeddings = classifier.predict(crops)
    assert probabilities.shape == (70, 4)
    assert probabilities.dtype == embeddings.dtype == np.float32
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert embeddings.shape == (70, classifier.network.head.in_features)
    assert np.allclose(classifier.predict(crops[3:5])[0], probabilities[3:5], atol=1e-5)


def test_no_crops_give_empty_predictions(path: Path) -> None:
    probabilities, embeddings = load_classifier(path).predict(np.zeros((0, 32, 32, 3), np.uint8))
    assert probabilities.shape == (0, 4)
    assert embeddings.shape[0] == 0


def test_a_runs_last_checkpoint_and_its_export_are_the_same_classifier(tmp_path: Path) -> None:
    entries = checkpoint()
    state = {f"network.{name}": tensor for name, tensor in entries["state_dict"].items()}
    entries["state_dict"] = state | {"confusion.confmat": torch.zeros(4, 4)}
    save(entries | {"optimizer_states": [], "loops": {}}, tmp_path / "last.ckpt")
    export_checkpoint(tmp_path / "last.ckpt", tmp_path / "trained.ckpt")
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    last, exported = (load_classifier(tmp_path / name).predict(crops)[0] for name in ("last.ckpt", "trained.ckpt"))
    assert np.array_equal(last, exported)
    kept = torch.load(tmp_path / "trained.ckpt", weights_only=True)
    assert set(kept) == {"checkpoint_version", "model", "gestures", "crop", "epoch", "scores", "state_dict"}


def test_the_same_weights_export_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        export_checkpoint(path, tmp_path / folder / f"{folder}.ckpt")
    assert (tmp_path / "a/a.ckpt").read_bytes() == (tmp_path / "b/b.ckpt").read_bytes()


def test_training_can_start_from_a_checkpoint_with_other_gestures(path: Path) -> None:
    other = Vocabulary(("TWO", "OKAY", "BACKGROUND"), "BACKGROUND")
    network = initial_network({**MODEL, "weights": str(path)}, other)
    start = load_classifier(path).network
    assert torch.equal(
        network.backbone.state_dict()["conv_stem.weight"], start.backbone.state_dict()["conv_stem.weight"]
    )
    assert torch.equal(network.head.weight[0], start.head.weight[VOCABULARY.index("TWO")])
    assert torch.equal(network.head.weight[2], start.head.weight[VOCABULARY.index("BACKGROUND")])


def test_training_cannot_start_from_another_model(path: Path) -> None:
    with pytest.raises(UserError, match="test_efficientnet"):
        initial_network({**MODEL, "name": "test_resnet", "weights": str(path)}, VOCABULARY)


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def not_a_checkpoint(path: Path) -> None:
    path.write_text("a text")


def of_another_program(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


def of_another_version(path: Path) -> None:
    save(checkpoint(checkpoint_version=99), path)


def with_other_tensors(path: Path) -> None:
    save(checkpoint(state_dict={"head.weight": torch.zeros(4, 1)}), path)


def with_code(path: Path) -> None:
    path.write_bytes(pickle.dumps(Path("x")))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "spoil",
    [
        damaged,
        not_a_checkpoint,
        of_another_program,
        of_another_version,
        with_other_tensors,
        with_code,
        empty,
        Path.unlink,
    ],
)
def test_an_unusable_checkpoint_is_named(path: Path, spoil) -> None:
    spoil(path)
    with pytest.raises(UserError, match=r"trained\.ckpt"):
        load_classifier(path)


def test_committee_of_an_earlier_version_is_refused_and_says_so(path: Path) -> None:
    save({"checkpoint_version": 1, "members": [checkpoint()], "weights": [1.0]}, path)
    with pytest.raises(UserError, match=r"trained\.ckpt is a committee of an earlier version"):
        load_classifier(path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_one(path: Path) -> None:
    with pytest.raises(OutputError, match="file, not a folder"):
        save(checkpoint(), path / "below_a_file.ckpt")
    assert load_classifier(path).vocabulary == VOCABULARY
    assert [each.name for each in path.parent.iterdir()] == ["trained.ckpt"]


def test_calibration_changes_the_answer_and_is_exported(path: Path, tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    plain = load_classifier(path).predict(crops)[0]
    background = VOCABULARY.names.index(str(VOCABULARY.background))
    save(checkpoint(calibration={"temperature": 2.0, "advantage": 50.0}), tmp_path / "calibrated.ckpt")
    export_checkpoint(tmp_path / "calibrated.ckpt", tmp_path / "exported.ckpt")
    answers = load_classifier(tmp_path / "exported.ckpt").answers(crops)
    assert (plain.argmax(1) != background).any()
    assert (answers.probabilities.argmax(1) == background).all()
    assert (answers.strangeness > 0.5).all()


@pytest.mark.parametrize(
    "calibration",
    [
        {"temperature": 0.0, "advantage": 0.0},
        {"temperature": float("nan"), "advantage": 0.0},
        {"temperature": 1.0},
        {"temperature": "${oc.env:HOME}", "advantage": 0.0},
    ],
)
def test_calibration_that_is_none_is_refused(tmp_path: Path, calibration: dict[str, object]) -> None:
    save(checkpoint(calibration=calibration), tmp_path / "made_up.ckpt")
    with pytest.raises(UserError, match=r"made_up\.ckpt.*calibration"):
        load_classifier(tmp_path / "made_up.ckpt")

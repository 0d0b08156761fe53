"""Landmarks and crop that disagree: of a fused model, and of two models."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import Predictor, hand_inputs
from static_gesture_classification.live.catcher import Catcher
from static_gesture_classification.live.doubts import DISAGREES
from static_gesture_classification.live.opinions import open_opinions
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.training.checkpoint import Origin, build_network, plain_model, save
from tests.live.conftest import VOCABULARY
from tests.live.test_catcher import sight

MODELS = {
    "crops": ["model=timm", "model.name=test_efficientnet"],
    "fused": ["model=fused", "model.backbone.size=32"],
}


@pytest.fixture(scope="module")
def checkpoint(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A checkpoint of an input kind; `sees` is the gesture that it sees in everything, "" for random weights."""
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def made(kind: str, sees: str = "", vocabulary: Vocabulary = VOCABULARY) -> Path:
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            model = plain_model(compose("config", MODELS[kind]).model)
        torch.manual_seed(0)
        network = build_network({**model, "weights": "none"}, len(vocabulary))
        if sees:
            with torch.no_grad():
                network.head.weight.zero_()
                network.head.bias.copy_(torch.tensor([8.0 * (name == sees) for name in vocabulary]))
        header = Origin(model, vocabulary, 48, 0.2).header()
        path = folder / f"{kind}{sees}{len(vocabulary)}.ckpt"
        save({**header, "state_dict": network.state_dict(), "epoch": 0, "scores": None}, path)
        return path

    return made


def predictor(path: Path) -> Predictor:
    return Predictor.load(path, BoxDetector(box=(0.25, 0.25, 0.75, 0.75)))


def test_fused_model_is_asked_about_each_part_alone(checkpoint: Callable[..., Path]) -> None:
    model, seen = predictor(checkpoint("fused")), sight(3, "FIST")
    ask = open_opinions(model, None, fast=False)
    assert ask is not None
    by_crop, by_points = (hand_inputs(model.classifier, seen.image, [seen.hand]) for _ in range(2))
    by_crop["points"], by_points["crops"] = np.nan, 0
    expected = [VOCABULARY.names[int(model.classifier.predict(each)[0].argmax())] for each in (by_points, by_crop)]
    assert ask(seen) == dict(zip(("landmarks", "crop"), expected, strict=False))
    assert ask(sight(4, None)) == {}


def test_model_of_one_part_alone_has_nobody_to_ask(checkpoint: Callable[..., Path]) -> None:
    assert open_opinions(predictor(checkpoint("crops")), None, fast=False) is None


def test_held_hand_on_which_a_second_model_disagrees_is_caught(
    settings: Callable[..., LiveSettings], checkpoint: Callable[..., Path]
) -> None:
    made = settings("live.catch=true", "live.catch_rest=100", "recording.min_sharpness=0")
    storage = made.recording.storage.model_copy(update={"root": made.root})
    first = predictor(checkpoint("fused", "FIST"))
    ask = open_opinions(first, checkpoint("crops", "ONE"), fast=False)
    catcher = Catcher(made.catching, made.recording, storage, VOCABULARY, "best.ckpt", "anna", "kitchen", ask)
    told = [catcher.see(sight(number, "FIST", pose=0)) for number in range(20)]
    assert any("a held pose is FIST by fused, ONE by crop" in text for text in told)
    (folder,) = made.root.iterdir()
    assert {image.kept_because for image in read_session(folder).images} == {DISAGREES}


def test_second_model_of_other_gestures_is_refused(checkpoint: Callable[..., Path]) -> None:
    other = checkpoint("crops", vocabulary=Vocabulary(("A", "B", "C"), "A"))
    with pytest.raises(UserError, match="cannot be compared"):
        open_opinions(predictor(checkpoint("crops")), other, fast=False)
    with pytest.raises(UserError, match=r"live\.second is none\.ckpt, which does not exist"):
        open_opinions(predictor(checkpoint("crops")), Path("none.ckpt"), fast=False)

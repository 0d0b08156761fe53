"""A model that is one file in training/models/ and one YAML is trained, saved, loaded and used."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

import train_static_gestures
from static_gesture_classification.training import callbacks, models
from static_gesture_classification.training.backbones import backbone_names
from static_gesture_classification.training.checkpoint import load_classifier
from tests.support.patches import patches

ADDED = Path(__file__).parent / "added"
SEARCHED = f"hydra.searchpath=[file://{ADDED}/conf]"


def test_a_model_is_a_file_and_a_yaml(
    composed: Callable[..., DictConfig], prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(ADDED)])
    monkeypatch.setattr(train_static_gestures, "EpochCallback", callbacks.Callback)
    assert "static_gesture_classification.training.models.pooled.backbone" in backbone_names()
    config = composed(SEARCHED, "model=pooled", "train_hyperparams.batch_size=4", "train_hyperparams.epochs=10")
    train_static_gestures.main.__wrapped__(config)
    classifier = load_classifier(prepared / "models/trained.ckpt")
    crops, samples = patches({"test": 5}, seed=5)
    predicted = classifier.predict(crops)[0].argmax(1)
    assert (predicted == classifier.vocabulary.indices(samples["gesture"])).mean() > 0.9

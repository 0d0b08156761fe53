from collections.abc import Callable

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

import train_static_gestures
from static_gesture_classification.active_learning.retraining import retrain
from static_gesture_classification.errors import UserError
from static_gesture_classification.training import experiment, hardware


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("wanted", "device"), [(1, 1), ("1", 1), ([1], [1]), ("1,", [1]), (OmegaConf.create([0]), [0])]
)
@pytest.mark.usefixtures("two_cards")
def test_one_device_is_taken(wanted: object, device: object) -> None:
    assert hardware.one_device(wanted, "gpu") == device


@pytest.mark.parametrize("wanted", ["auto", -1, "-1"])
def test_all_devices_are_taken_where_there_is_one(wanted: object) -> None:
    assert hardware.one_device(wanted, "cpu") == 1


@pytest.mark.parametrize("wanted", [2, "2", [0, 1], "0,1", "auto", -1, "-1", 0, [], "", None, True, "two", [-1], 1.5])
@pytest.mark.usefixtures("two_cards")
def test_more_than_one_device_is_refused_with_the_way_out(wanted: object) -> None:
    with pytest.raises(UserError, match=r"trainer\.devices=.*trains on one for now: trainer\.devices=1"):
        hardware.one_device(wanted, "gpu")


def test_two_devices_are_refused_before_anything_is_built(composed: Callable[..., DictConfig]) -> None:
    config = composed("trainer.devices=2", "paths.landmarks=nowhere", "paths.crops=nowhere", "retrain.method=crops")
    with pytest.raises(UserError, match=r"trainer\.devices=2 is not one device"):
        train_static_gestures.main.__wrapped__(config)
    with pytest.raises(UserError, match=r"trainer\.devices=2 is not one device"):
        experiment.build_trainer(config)
    with pytest.raises(UserError, match=r"trainer\.devices=2 is not one device"):
        retrain.main.__wrapped__(config)

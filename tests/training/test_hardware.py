from collections.abc import Callable

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

import train_static_gestures
from static_gesture_classification.active_learning.retraining import retrain
from static_gesture_classification.errors import UserError
from static_gesture_classification.torchvision_operators import models
from static_gesture_classification.training import hardware


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("wanted", "devices"),
    [
        (1, 1),
        ("1", 1),
        ([1], [1]),
        ("1,", [1]),
        (OmegaConf.create([0]), [0]),
        (2, 2),
        ("2", 2),
        ([0, 1], [0, 1]),
        ("0,1", [0, 1]),
        ("auto", 2),
        (-1, 2),
        ("-1", 2),
    ],
)
@pytest.mark.usefixtures("two_cards")
def test_devices_are_taken_as_named(wanted: object, devices: object) -> None:
    assert hardware.devices(wanted, "gpu") == devices


@pytest.mark.parametrize(("wanted", "processes"), [("auto", 1), (-1, 1), (1, 1), (2, 2)])
def test_the_processor_is_one_device_and_can_be_shared_by_processes(wanted: object, processes: int) -> None:
    assert hardware.devices(wanted, "cpu") == processes


@pytest.mark.parametrize("wanted", [0, 3, "3", [], "", None, True, "two", [-1], [0, 0], 1.5])
@pytest.mark.usefixtures("two_cards")
def test_devices_that_are_not_there_are_refused_with_the_way_out(wanted: object) -> None:
    with pytest.raises(UserError, match=r"trainer\.devices=.*set trainer\.devices=auto"):
        hardware.devices(wanted, "gpu")


def test_the_quick_loop_trains_on_one_device(composed: Callable[..., DictConfig]) -> None:
    config = composed("trainer.devices=2", "paths.landmarks=nowhere", "paths.crops=nowhere", "retrain.method=crops")
    with pytest.raises(UserError, match=r"gestures retrain trains on one device; set trainer\.devices=1"):
        retrain.main.__wrapped__(config)


def test_devices_that_are_not_there_are_refused_before_anything_is_read(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match=r"trainer\.devices=none names no devices"):
        train_static_gestures.main.__wrapped__(composed("trainer.devices=none", "paths.crops=nowhere"))


@pytest.mark.parametrize(
    ("network", "bfloat16", "precision"),
    [
        ("resnet18", True, "bf16-mixed"),
        ("resnet18", False, "32-true"),
        ("mobilenet_v2", True, "32-true"),
        ("efficientnet_b0", True, "32-true"),
    ],
)
def test_a_processor_uses_bfloat16_where_it_has_it_and_no_convolution_sees_each_channel_alone(
    network: str, bfloat16: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_processor_has_bfloat16", lambda: bfloat16)
    with torch.device("meta"):
        model = models.get_model(network)
    assert hardware.precision("auto", "cpu", model) == precision
    assert hardware.precision("16-mixed", "cpu", model) == "16-mixed"

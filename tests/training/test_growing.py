from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from static_gesture_classification.errors import UserError
from static_gesture_classification.training import experiment, growing
from static_gesture_classification.training.growing import Growth
from static_gesture_classification.training.settings import TrainingSettings


def test_crops_grow_to_their_full_size_and_stay_there() -> None:
    sides = [Growth(0.4).side(160, progress / 20) for progress in range(21)]
    assert sides[0] == 64
    assert sides == sorted(sides)
    assert set(sides[12:]) == {160}
    assert Growth(0.1).side(64, 0) == 32
    assert Growth(0.1).side(24, 0) == 24


def test_small_crops_look_like_the_large_ones() -> None:
    crops = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    crops[..., 32:] = 200
    small = Growth(0.5)(crops, 0)
    assert small.shape == (1, 3, 32, 32)
    assert small.dtype == torch.float32
    assert small[..., :14].abs().max() == 0
    assert (small[..., 18:] - 200).abs().max() < 1e-3
    assert Growth(0.5)(crops, 0.7) is crops


def test_training_begins_on_small_crops_and_validates_on_whole_ones(
    composed: Callable[..., DictConfig], prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "SMALLEST", 16)
    # Crops this small leave 2 x 2 pixels to a convolution, which oneDNN in bfloat16 now and then makes NaN.
    small = ("train_hyperparams.first_size=0.5", "train_hyperparams.epochs=2", "trainer.precision=32-true")
    settings = TrainingSettings.from_config(composed(*small))
    data = experiment.open_data(settings)
    module = experiment.build_module(settings, data)
    sides: dict[bool, list[int]] = {True: [], False: []}
    module.network.register_forward_pre_hook(
        lambda network, inputs: sides[network.training].append(inputs[0].shape[-1])
    )
    experiment.build_trainer(settings, module).fit(module, data)
    assert sides[True][0] == 16
    assert sides[True][-1] == 32
    assert set(sides[False]) == {32}


def test_only_crops_grow(composed: Callable[..., DictConfig], prepared: Path) -> None:
    settings = TrainingSettings.from_config(composed("model=fused", "train_hyperparams.first_size=0.5"))
    with pytest.raises(UserError, match=r"first_size=0\.5 is for models of crops; test_efficientnet needs 1\.0"):
        experiment.growth_of(settings)

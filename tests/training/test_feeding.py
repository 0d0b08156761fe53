"""Whichever way batches take to the device, they are the same in the same order, and so is what is trained."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.configuration import CONF
from static_gesture_classification.training.batches import Batch, PreparedHandsDataset
from static_gesture_classification.training.datamodule import SeededBatches
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.feeding import Feeding
from static_gesture_classification.training.inputs import KINDS, PreparedHands
from static_gesture_classification.training.settings import TrainingSettings
from tests.support.posed_hands import write_hands

COUNT = 40
CPU = torch.device("cpu")
MODES = ("null", "default")
WAYS = {"device": Feeding("device"), "ahead": Feeding("host", ahead=3)}


def dataset(kind: str) -> PreparedHandsDataset:
    random = np.random.default_rng(0)
    hands = PreparedHands(
        pd.DataFrame({"sample_id": np.arange(COUNT).astype(str)}),
        random.integers(0, 256, (COUNT, 8, 8, 3), np.uint8),
        random.random((COUNT, 21, 2), np.float32),
    )
    return PreparedHandsDataset(KINDS[kind], hands, np.arange(COUNT) % 3, np.flatnonzero(np.arange(COUNT) % 5))


def batches(kind: str, feeding: Feeding) -> list[Batch]:
    hands = dataset(kind)
    order = SeededBatches(len(hands), 7, seed=0)
    return list(feeding.loader(hands, order, CPU, feeding.is_on_device([hands], CPU)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_batches_are_the_same_in_the_same_order(way: str, kind: str) -> None:
    given, expected = batches(kind, WAYS[way]), batches(kind, Feeding())
    torch.testing.assert_close(given, expected, rtol=0, atol=0)
    crops = [parts.inputs[0] if kind == "fused" else parts.inputs for parts in given]
    if kind != "landmarks":
        assert all(each.is_contiguous(memory_format=torch.channels_last) for each in crops)


def test_an_epoch_that_ends_early_leaves_no_thread() -> None:
    hands = dataset("crops")
    stopped = iter(WAYS["ahead"].loader(hands, SeededBatches(len(hands), 7, seed=0), CPU, False))
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(stopped)


def test_hands_stay_on_disk_where_there_is_no_gpu_unless_told_otherwise() -> None:
    assert not Feeding("auto").is_on_device([dataset("crops")], CPU)
    assert Feeding("device").is_on_device([dataset("crops")], CPU)


def trained(config: DictConfig) -> dict[str, torch.Tensor]:
    settings = TrainingSettings.from_config(config)
    data = open_data(settings)
    module = build_module(settings, data)
    build_trainer(settings, module).fit(module, data)
    return module.network.state_dict()


@pytest.mark.usefixtures("prepared")
def test_the_settings_for_a_gpu_train_the_same_network(composed: Callable[..., DictConfig]) -> None:
    plain = trained(composed("train_hyperparams.epochs=1", "trainer.precision=32-true"))
    on_processor = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.deterministic=true"]
    with torch.compiler.set_stance("force_eager"):  # what is compiled is measured by benchmarks/gpu.py
        for store in ("device", "host"):
            gpu = ["trainer=gpu", f"trainer.store={store}", "trainer.ahead=2", *on_processor]
            torch.testing.assert_close(trained(composed("train_hyperparams.epochs=1", *gpu)), plain, rtol=0, atol=0)


@pytest.mark.full
def test_a_compiled_network_keeps_the_names_of_its_weights_and_nearly_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hands(tmp_path, {"train": 24, "val": 8})
    monkeypatch.chdir(tmp_path)
    small = ["gestures.names=[BACKGROUND,ONE,TWO,FIST]", "logger=[]", "trainer.accelerator=cpu", "model=landmarks"]
    small += ["train_hyperparams.passes=2", "train_hyperparams.batch_size=32", "trainer.precision=32-true"]
    # A compiled network drops out the same units only by fallback_random.
    with torch._inductor.config.patch(fallback_random=True), initialize_config_dir(str(CONF), version_base="1.3"):
        plain, compiled = (
            trained(compose("config", [*small, f"trainer.compile={how}"])) for how in ("null", "default")
        )
    torch.testing.assert_close(compiled, plain, rtol=0.05, atol=0.01)

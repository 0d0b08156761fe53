"""A small data set and a run trained on it, shared by the tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.configuration import CONF
from static_gesture_classification.evaluation.epoch_callback import EpochCallback
from static_gesture_classification.samples import write_samples
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.callbacks import LAST, Checkpoints
from static_gesture_classification.training.checkpoint import read_checkpoint
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.settings import TrainingSettings
from tests.support.seeded_predictions import GESTURES, sample_table

SIZE = 32


def composed(*overrides: str) -> DictConfig:
    """The project's configuration with overrides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*overrides])


def coloured_crops(samples: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Crops (n, SIZE, SIZE, 3) in which the gesture is the colour of a square, so that a network learns it at once."""
    random = np.random.default_rng(seed)
    colours = np.random.default_rng(1).integers(0, 256, (len(GESTURES), 3))
    crops = random.integers(0, 256, (len(samples), SIZE, SIZE, 3), dtype=np.uint8)
    for crop, gesture in zip(crops, samples["gesture"], strict=True):
        crop[4:28, 4:28] = colours[GESTURES.index(gesture)]
    return crops


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Folder with crops/ and splits/ as the pipeline makes them: 240 crops, 12 people, three splits."""
    folder = tmp_path_factory.mktemp("prepared")
    samples = sample_table([GESTURES[i % 10] for i in range(240)], people=12)
    subjects = samples["subject"].str.split().str[1].astype(int)
    samples["split"] = np.where(subjects < 6, "train", np.where(subjects < 9, "val", "test")).astype(object)
    (folder / "crops").mkdir()
    np.save(folder / "crops/crops.npy", coloured_crops(samples))
    write_samples(samples, folder / "crops/samples.parquet")
    write_samples(samples, folder / "splits/samples.parquet")
    return folder


def training_config(prepared, runs, epochs: int) -> DictConfig:
    """A configuration that trains a small network on `prepared` in a second."""
    return composed(
        f"paths.crops={prepared / 'crops'}",
        f"paths.splits={prepared / 'splits'}",
        f"paths.runs={runs}",
        f"crops.size={SIZE}",
        "train_hyperparams=default",
        f"train_hyperparams.epochs={epochs}",
        "train_hyperparams.batch_size=16",
        "train_hyperparams.lr=0.02",
        "augs=none",
        "model=timm",
        "model.name=test_resnet",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
    )


def train(config: DictConfig, run_id: str) -> RunFolder:
    """Train as train_static_gestures.py does, going on with the run where it exists."""
    settings = TrainingSettings.from_config(config)
    data = open_data(settings)
    run = RunFolder.create(Path(config.paths.runs), run_id, OmegaConf.to_container(config, resolve=True))
    last = run.checkpoint_folder / LAST
    if last.is_file():
        run.resume_from(read_checkpoint(last)["epoch"] + 1)
    with RunLogger(run, sampling_period=0) as logger:
        callbacks = [EpochCallback(samples_shown=12), Checkpoints(run.checkpoint_folder, keep=3)]
        module = build_module(settings, data)
        trainer = build_trainer(settings, module, logger, callbacks)
        trainer.fit(module, data, ckpt_path=last if last.is_file() else None, weights_only=True)
    return run


@pytest.fixture(scope="session")
def trained_run(prepared, tmp_path_factory) -> RunFolder:
    """A finished run of three epochs on `prepared`."""
    return train(training_config(prepared, tmp_path_factory.mktemp("runs"), epochs=3), "first")

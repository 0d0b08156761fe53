"""A small world to mine in: pictures whose colour is their gesture, a model that knows it, and its errors on val."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.configuration import CONF
from static_gesture_classification.evaluation.predictions import predictions_of, sample_keys, write_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.training.checkpoint import (
    Classifier,
    Origin,
    initial_network,
    load_classifier,
    plain_model,
    save,
)

COLOURS = {"ONE": (220, 40, 40), "TWO": (40, 200, 40), "THREE": (40, 40, 220), "FIST": (210, 210, 40)}
SIDE = 48


@dataclass(frozen=True)
class World:
    """A project folder in which the model takes some TWO for THREE, and a configuration of it."""

    folder: Path
    overrides: tuple[str, ...]

    def config(self, *overrides: str) -> DictConfig:
        return composed(*self.overrides, *overrides)

    @property
    def raw(self) -> Path:
        return self.folder / "raw"


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*overrides])


def save_picture(path: Path, colour: str, seed: int) -> None:
    """Noise, no two alike, in the colour of a gesture."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (SIDE, SIDE, 3)) * 0.4 + np.array(COLOURS[colour]) * 0.6
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def save_raw(raw: Path) -> None:
    """People who train, people in val, and people nobody has used yet (`new...`); some TWO look like THREE."""
    seed = 0
    for gesture in COLOURS:
        for subject, pictures in {"train1": 3, "train2": 3, "val1": 3, "new1": 3, "new2": 3}.items():
            for number in range(pictures):
                seed += 1
                save_picture(raw / gesture / subject / f"{number}.png", gesture, seed)
    for subject, pictures in {"val1": 3, "new1": 4, "new3": 4}.items():
        for number in range(pictures):
            seed += 1
            save_picture(raw / "TWO" / subject / f"odd{number}.png", "THREE", seed)


def fitted(crops: np.ndarray, classes: list[int], config: DictConfig) -> Classifier:
    """An ImageNet network, whose last layer is fitted to crops."""
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_config(config)
    network = initial_network(config.model, vocabulary).eval()
    classifier = Classifier(network, vocabulary, crops.shape[1], config.crops.margin)
    features = torch.tensor(classifier.predict(crops)[1])
    mean = features.mean(0)
    scale = features.std(0).clamp_min(float(features.std()) * 0.01)
    head = torch.nn.Linear(features.shape[1], len(vocabulary))
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head((features - mean) / scale), torch.tensor(classes)).backward()
        optimizer.step()
    with torch.no_grad():
        network.head.weight.copy_(head.weight / scale)
        network.head.bias.copy_(head.bias - (head.weight * (mean / scale)).sum(1))
    return classifier


@pytest.fixture(scope="session")
def made_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    places = {"index": "index", "crops": "crops", "splits": "splits", "models": "models", "reports": "reports"}
    overrides = [f"paths.{name}={folder / place}" for name, place in places.items()]
    overrides += [
        "sources=[folder]",
        f"sources.folder.root={folder / 'raw'}",
        "model=efficientnet_lite0",
        "crops.size=32",
    ]
    overrides += ["trainer.threads=1", f"mining.root={folder / 'recorded'}"]
    overrides += [f"mining.cache={folder / 'pool'}", f"paths.landmarks={folder / 'landmarks'}"]
    world = World(folder, tuple(overrides))
    config = world.config()
    save_raw(world.raw)
    samples, _ = read_sources(Sources.from_config(config), Vocabulary.from_config(config))
    subject = samples["subject"].str.rpartition("/")[2]
    known = samples[~subject.str.startswith("new")].reset_index(drop=True)
    write_samples(known, folder / "index/samples.parquet")
    settings = CropSettings(size=32, margin=config.crops.margin, max_rejected_share=0)
    build_crops(folder / "index/samples.parquet", folder / "crops", settings)
    known = known.assign(split=known["subject"].str.rpartition("/")[2].str.rstrip("12"))
    write_samples(known, folder / "splits/samples.parquet")
    learn(world)
    return world


def learn(world: World) -> None:
    """Make the checkpoint, its predictions on val, and the plan."""
    config, folder = world.config(), world.folder
    known, crops = read_samples(folder / "splits/samples.parquet"), open_crops(folder / "crops")
    vocabulary = Vocabulary.from_config(config)
    train = np.flatnonzero(known["split"] == "train")
    classifier = fitted(crops[train], vocabulary.indices(known["gesture"].iloc[train].tolist()), config)
    header = Origin(plain_model(config.model), vocabulary, 32, config.crops.margin).header()
    save(header | {"epoch": None, "scores": None, "state_dict": classifier.network.state_dict()}, checkpoint(world))
    val = np.flatnonzero(known["split"] == "val")
    probabilities, embeddings = load_classifier(checkpoint(world)).predict(crops[val])
    predictions = predictions_of(sample_keys(known.iloc[val]), probabilities, vocabulary, embeddings)
    write_predictions(predictions, folder / "reports/predictions/val.parquet")
    line = PlannedRecording("TWO", "THREE", 4, 3, 0.5, 0.1, "3 of 6 are taken for THREE")
    write_plan(RecordingPlan(PLAN_VERSION, "models/best.ckpt", (line,)), folder / "reports/plan.json")


def checkpoint(world: World) -> Path:
    return world.folder / "models/best.ckpt"


@pytest.fixture
def world(made_world: World, tmp_path: Path) -> World:
    """The world, with places of its own for what a test writes."""
    own = (f"mining.root={tmp_path / 'recorded'}", f"mining.output={tmp_path / 'mined'}")
    return World(made_world.folder, (*made_world.overrides, *own))


@pytest.fixture
def unlabelled(made_world: World, tmp_path: Path) -> Path:
    """Copies of the new pictures in a folder that says nothing of their gesture."""
    folder = tmp_path / "heap"
    for path in sorted(made_world.raw.glob("*/new*/*.png")):
        gesture, subject, name = path.relative_to(made_world.raw).parts
        (folder / subject).mkdir(parents=True, exist_ok=True)
        (folder / subject / f"{gesture}_{name}").write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def whole_picture() -> tuple[str, ...]:
    """The detector that takes the whole picture for the hand."""
    return ("detector=box", "detector.box=[0,0,1,1]")

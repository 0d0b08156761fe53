"""How long a model of crops trains until it reaches 0.92 weighted F1 on val of the photographs, in several ways.

    python benchmarks/time_to_score.py                       # all ways; about 4 minutes on two cores
    python benchmarks/time_to_score.py before small          # some of them; the results keep the other rows
    python benchmarks/time_to_score.py --shared before small # on a shared machine: processor time of one thread

EfficientNet-Lite0 with ImageNet's weights, fine-tuned on crops of the photographs beside the project, as the README's
example does; all ways have the same samples, split and seed. The time is that of the training: opening the data,
building the network, epochs with validation, reports and checkpoints. Val is scored after each epoch, at full size; the
clock stops after the first one with the score. Imports, which each training has alike, are left out.

before    train_hyperparams=finetune: 8 epochs at 64 pixels
small     the same, with crops that grow from half their side (train_hyperparams.first_size=0.5)
short     3 epochs that begin small, with batches twice as large and twice the learning rate
compiled  as before, with trainer.compile=default; needs a C++ compiler

The best of several epochs on val is a little worse elsewhere; here it only stops the clock.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from static_gesture_classification.configuration import CONF  # noqa: E402
from static_gesture_classification.evaluation.epoch_callback import EpochCallback  # noqa: E402
from static_gesture_classification.preparation import crops, index, split  # noqa: E402
from static_gesture_classification.tracking.logger import RunLogger  # noqa: E402
from static_gesture_classification.tracking.run_folder import RunFolder  # noqa: E402
from static_gesture_classification.training.callbacks import Callback, Checkpoints  # noqa: E402
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data  # noqa: E402
from static_gesture_classification.training.module import WEIGHTED_F1  # noqa: E402
from static_gesture_classification.training.settings import TrainingSettings  # noqa: E402

RESULT = PROJECT / "benchmarks" / "results" / "time_to_score.md"
PHOTOGRAPHS = PROJECT.parent / "shared" / "data"
WANTED, SIZE = 0.92, 64  # weighted F1; pixels of a crop
SHARED = "--shared"
SOURCES = ["sources=[hagrid,hands,recorded_legacy]"] + [
    f"sources.{name}.root={PHOTOGRAPHS / folder}"
    for name, folder in {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}.items()
]
MODEL = ["model=efficientnet_lite0", f"crops.size={SIZE}", "logger=[]"]
SHORT = ("first_size=0.5", "epochs=3", "batch_size=64", "lr=0.002")
WAYS = {
    "before": ["train_hyperparams=finetune"],
    "small": ["train_hyperparams=finetune", "train_hyperparams.first_size=0.5"],
    "short": ["train_hyperparams=finetune", *(f"train_hyperparams.{each}" for each in SHORT)],
    "compiled": ["train_hyperparams=finetune", "trainer.compile=default"],
}
TITLES = ("On a quiet machine: seconds", "On a shared machine: seconds of the processor, one thread")
HEADER = f"""EfficientNet-Lite0 at {SIZE} pixels; one training each, same samples, split and seed.

| way | settings | until {WANTED} | weighted F1 on val after each epoch | measured |
|---|---|---:|---|---|
"""


@dataclass
class Stopwatch(Callback):
    """Stops a training at the wanted score, and notes each epoch's score and the seconds until then."""

    clock: Callable[[], float]
    begun: float
    epochs: list[tuple[float, float]] = field(default_factory=list)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """See Lightning."""
        score = float(trainer.callback_metrics[WEIGHTED_F1])
        self.epochs.append((score, self.clock() - self.begun))
        trainer.should_stop = score >= WANTED


def main() -> None:
    chosen, shared = [name for name in sys.argv[1:] if name != SHARED] or list(WAYS), SHARED in sys.argv
    if unknown := set(chosen) - set(WAYS):
        raise SystemExit(f"{sorted(unknown)[0]} is no way; there are {', '.join(WAYS)}")
    if not PHOTOGRAPHS.is_dir():
        raise SystemExit(f"the photographs are not at {PHOTOGRAPHS}")
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        project = Path(folder)
        config = configured(project, [])
        for stage in (index, crops, split):
            stage.main.__wrapped__(config)
        ways = {name: train(configured(project, WAYS[name]), name, shared) for name in chosen}
    rows = {name: row(name, watch) for name, watch in ways.items()}
    print(HEADER + "\n".join(rows.values()))
    keep(rows, shared)


def configured(project: Path, overrides: list[str]) -> DictConfig:
    """The configuration of a training on the photographs, whose data and runs are in `project`."""
    names = ("index", "crops", "splits", "landmarks", "runs", "models")
    return compose("config", [*(f"paths.{name}={project / name}" for name in names), *SOURCES, *MODEL, *overrides])


def train(config: DictConfig, name: str, shared: bool) -> Stopwatch:
    """Train as train_static_gestures.py does, until the score is reached."""
    config.trainer.threads = 1 if shared else None
    clock = time.process_time if shared else time.perf_counter
    watch = Stopwatch(clock, clock())
    settings = TrainingSettings.from_config(config)
    data = open_data(settings)
    module = build_module(settings, data)
    folder = RunFolder.create(settings.workspace.runs, name, settings.configuration)
    with RunLogger(folder) as logger:
        keeping = Checkpoints(folder.checkpoint_folder, settings.hyperparameters.keep_checkpoints)
        build_trainer(settings, module, logger, [EpochCallback(), watch, keeping]).fit(module, data)
    return watch


def row(name: str, watch: Stopwatch) -> str:
    """A way's row of the table, in Markdown."""
    score, seconds = watch.epochs[-1]
    reached = f"{seconds:.0f}" if score >= WANTED else f"not in {seconds:.0f}"
    scores = ", ".join(f"{each:.3f}" for each, _ in watch.epochs)
    machine = f"{measured_on('torch', 'timm')}; load {os.getloadavg()[1]:.1f}"
    return f"| {name} | `{' '.join(WAYS[name])}` | {reached} | {scores} | {machine} |"


def keep(rows: dict[str, str], shared: bool) -> None:
    """Put the rows into the results in place of earlier ones of the same ways, measured in the same way."""
    parts = dict.fromkeys(TITLES, "")
    if RESULT.is_file():
        parts |= dict(part.split("\n\n", 1) for part in RESULT.read_text(encoding="utf-8").split("\n## ")[1:])
    known = {line.split(" | ")[0].strip("| "): line for line in parts[TITLES[shared]].splitlines() if "| `" in line}
    known |= rows
    parts[TITLES[shared]] = HEADER + "\n".join(known[name] for name in WAYS if name in known)
    sections = [f"## {title}\n\n{text.strip()}\n" for title, text in parts.items() if text]
    RESULT.write_text("\n".join([f"# Time to {WANTED} weighted F1\n", *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How long a model of crops trains until it reaches 0.92 weighted F1 on val of the photographs, in several ways.

    python benchmarks/time_to_score.py                       # all ways; about 6 minutes
    python benchmarks/time_to_score.py before small          # some of them
    python benchmarks/time_to_score.py --shared before small # on a shared machine: processor time of one thread

EfficientNet-Lite0 with ImageNet's weights, fine-tuned on crops of the photographs beside the project, as the README's
example does; all ways have the same samples, split and seed. The time is that of the training: opening the data,
building the network, epochs with validation, reports and checkpoints. Val is scored after each epoch, at full size; the
clock stops after the first one with the score. Imports, which each training has alike, are left out.

before    train_hyperparams=finetune: 8 epochs at 96 pixels
small     the same, with crops that grow from half their side (train_hyperparams.first_size=0.5)
short     train_hyperparams=sprint: 3 epochs that begin small, with larger batches
compiled  sprint with trainer.compile=default; needs a C++ compiler

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
WANTED = 0.92
SHARED = "--shared"
SOURCES = ["sources=[hagrid,hands,recorded_legacy]"] + [
    f"sources.{name}.root={PHOTOGRAPHS / folder}"
    for name, folder in {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}.items()
]
MODEL = ["model=efficientnet_lite0", "crops.size=96", "logger=[]"]
WAYS = {
    "before": ["train_hyperparams=finetune"],
    "small": ["train_hyperparams=finetune", "train_hyperparams.first_size=0.5"],
    "short": ["train_hyperparams=sprint"],
    "compiled": ["train_hyperparams=sprint", "trainer.compile=default"],
}


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
    text = report(ways, shared)
    print(text)
    keep(text, shared)


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
        build_trainer(settings, logger, [EpochCallback(), watch, keeping]).fit(module, data)
    return watch


def report(ways: dict[str, Stopwatch], shared: bool) -> str:
    """The table, in Markdown."""
    lines = []
    first = next(iter(ways.values())).epochs[-1][1]
    for name, watch in ways.items():
        score, seconds = watch.epochs[-1]
        reached = f"{seconds:.0f}" if score >= WANTED else f"not reached in {seconds:.0f}"
        scores = ", ".join(f"{each:.3f}" for each, _ in watch.epochs)
        lines.append(f"| {name} | `{' '.join(WAYS[name])}` | {reached} | {first / seconds:.1f} | {scores} |")
    return "\n".join(
        [
            f"{'Processor seconds of one thread' if shared else 'Seconds'} until weighted F1 on val is {WANTED}; one "
            "training each, same samples, split and seed.",
            "",
            f"| way | settings | seconds to {WANTED} | times as fast | weighted F1 on val after each epoch |",
            "|---|---|---:|---:|---|",
            *lines,
            "",
            f"{measured_on('torch', 'pytorch-lightning', 'timm')}; load {os.getloadavg()[1]:.1f}.",
            "",
        ]
    )


def keep(text: str, shared: bool) -> None:
    """Put the table into the results in place of the earlier one of its kind."""
    titles = ("On a quiet machine", "On a shared machine")
    earlier = RESULT.read_text(encoding="utf-8").split("\n## ")[1:] if RESULT.is_file() else []
    tables = dict(section.split("\n\n", 1) for section in earlier) | {titles[shared]: text}
    sections = [f"## {title}\n\n{tables[title].strip()}\n" for title in titles if title in tables]
    RESULT.write_text("\n".join([f"# Time to {WANTED} weighted F1\n", *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()

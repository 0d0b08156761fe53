"""How long a model of crops trains until it reaches 0.92 weighted F1 on val of the photographs, in several ways.

    python benchmarks/time_to_score.py                            # all ways, three seeds; about 25 minutes on two cores
    python benchmarks/time_to_score.py before now                 # some of them; the results keep the other rows
    python benchmarks/time_to_score.py --shared --seed=1 now      # one seed; on a shared machine: processor time of one
                                                                  # thread
    python benchmarks/time_to_score.py --epochs=12 before now     # longer, the schedule stretched over them: other rows
    python benchmarks/time_to_score.py --data=FOLDER ...          # keeps the crops from one command to the next
    python benchmarks/time_to_score.py --rates                    # images a second by precision, layout and compiler

EfficientNet-Lite0 with ImageNet's weights, fine-tuned on crops of the photographs beside the project, as the README's
example does; all ways have the same samples and split, and each seed the same order of them. The time is that of the
training: opening the data, building the network, epochs with validation, reports and checkpoints. Val is scored after
each epoch, at full size; the clock stops after the first one with the score. Imports, which each training has alike,
are left out.

WAYS says what each way is. The best of several epochs on val is a little worse elsewhere; here it only stops the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig
from torch.nn.functional import cross_entropy

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from static_gesture_classification.configuration import CONF  # noqa: E402
from static_gesture_classification.evaluation.epoch_callback import EpochCallback  # noqa: E402
from static_gesture_classification.gestures import Vocabulary  # noqa: E402
from static_gesture_classification.preparation import crops, index, split  # noqa: E402
from static_gesture_classification.tracking.logger import RunLogger  # noqa: E402
from static_gesture_classification.tracking.run_folder import RunFolder  # noqa: E402
from static_gesture_classification.training import hardware  # noqa: E402
from static_gesture_classification.training.callbacks import Callback, Checkpoints  # noqa: E402
from static_gesture_classification.training.checkpoint import initial_network, plain_model  # noqa: E402
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data  # noqa: E402
from static_gesture_classification.training.module import WEIGHTED_F1  # noqa: E402
from static_gesture_classification.training.settings import TrainingSettings  # noqa: E402

RESULT = PROJECT / "benchmarks" / "results" / "time_to_score.md"
PHOTOGRAPHS = PROJECT.parent / "shared" / "data"
WANTED, SIZE = 0.92, 64  # weighted F1; pixels of a crop
SEEDS = (0, 1, 2)
STEP, STEPS = 32, 4  # images of a step, and steps whose time is taken
SOURCES = ["sources=[hagrid,hands,recorded_legacy]"] + [
    f"sources.{name}.root={PHOTOGRAPHS / folder}"
    for name, folder in {"hagrid": "hagrid_mini", "hands": "hands_mini", "recorded_legacy": "recorded_legacy"}.items()
]
MODEL = ["model=efficientnet_lite0", f"crops.size={SIZE}", "logger=[]", "train_hyperparams=finetune"]
HOW = "train_hyperparams."
OLD = ("trainer.precision=bf16-mixed", "+model.backbone.memory=0.99")
WAYS = {
    "before": ("bfloat16, slow statistics", OLD),
    "float32": ("float32 alone", OLD[1:]),
    "now": ("as it ships: float32, statistics that follow", ()),
    "small": ("now, crops grow from half their side", (f"{HOW}first_size=0.5",)),
    "large": ("now, batches four times as large, twice the rate", (f"{HOW}batch_size=128", f"{HOW}lr=0.002")),
    "short": ("now, half the epochs, twice the rate", (f"{HOW}epochs=4", f"{HOW}lr=0.002")),
    "compiled": ("now, trainer.compile=default, its time included", ("trainer.compile=default",)),
}
TITLES = (
    "On a quiet machine: seconds",
    "On a shared machine: seconds of the processor, one thread",
    "Steps by precision, and compiled",
)
NETWORKS = ("efficientnet_lite0", "resnet18", "mobilenet_v2")
HEADER = f"""EfficientNet-Lite0 at {SIZE} pixels; same samples and split.

| way | seed | settings | until {WANTED} | weighted F1 on val after each epoch | measured |
|---|---:|---|---:|---|---|
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
    parser = argparse.ArgumentParser()
    parser.add_argument("ways", nargs="*", metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    if unknown := set(given.ways) - set(WAYS):
        raise SystemExit(f"{sorted(unknown)[0]} is no way; there are {', '.join(WAYS)}")
    if given.rates:
        measure_steps()
        return
    if not PHOTOGRAPHS.is_dir():
        raise SystemExit(f"the photographs are not at {PHOTOGRAPHS}")
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        project = (given.data or Path(folder)).resolve()
        prepare(project)
        for name in given.ways or WAYS:
            for seed in given.seed or SEEDS:
                longer = [f"{HOW}epochs={given.epochs}"] if given.epochs else []
                config = configured(project, [*WAYS[name][1], *longer, f"seed={seed}"])
                title = f"{name}, {given.epochs} epochs" if given.epochs else name
                line = row(title, name, seed, train(config, f"{title}-{seed}".replace(", ", "-"), given.shared))
                print(line, flush=True)
                keep({(title, seed): line}, given.shared)


def prepare(project: Path) -> None:
    """Make the crops and their split, unless they are there."""
    if (project / "splits/samples.parquet").is_file():
        return
    for stage in (index, crops, split):
        stage.main.__wrapped__(configured(project, []))


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


def row(title: str, name: str, seed: int, watch: Stopwatch) -> str:
    """A training's row of the table, in Markdown; its title tells it from other rows of this way and seed."""
    score, seconds = watch.epochs[-1]
    reached = f"{seconds:.0f}" if score >= WANTED else f"not in {seconds:.0f}"
    scores = ", ".join(f"{each:.3f}" for each, _ in watch.epochs)
    machine = f"{measured_on('torch')}; load {os.getloadavg()[1]:.1f}"
    return f"| {title} | {seed} | {WAYS[name][0]} | {reached} | {scores} | {machine} |"


def keep(rows: dict[tuple[str, int], str], shared: bool) -> None:
    """Put the rows into the results in place of earlier ones of the same ways and seeds, measured in the same way."""
    lines = sections_kept()[TITLES[shared]].splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| ")]
    known = {(each[0].strip("| "), int(each[1])): " | ".join(each) for each in cells if each[1].isdigit()} | rows
    ways = list(WAYS)
    order = sorted(known, key=lambda each: (ways.index(each[0].partition(",")[0]), each))
    write(TITLES[shared], HEADER + "\n".join(known[each] for each in order))


def write(title: str, text: str) -> None:
    """Put a section into the results in place of an earlier one."""
    parts = sections_kept() | {title: text}
    sections = [f"## {name}\n\n{part.strip()}\n" for name, part in parts.items() if part]
    RESULT.write_text("\n".join([f"# Time to {WANTED} weighted F1\n", *sections]), encoding="utf-8")


def sections_kept() -> dict[str, str]:
    """The sections of the results, by title; empty ones where there are none."""
    found = RESULT.read_text(encoding="utf-8").split("\n## ")[1:] if RESULT.is_file() else []
    return dict.fromkeys(TITLES, "") | dict((part + "\n\n").split("\n\n", 1) for part in found)


def measure_steps() -> None:
    """Images a second of forward and backward, in processor time of one thread, and what compilation takes."""
    hardware.use_processor(1)
    rows = []
    for name in NETWORKS:
        plain, low = (rate_of_steps(name, each, compiled=False)[0] for each in (False, True))
        compiled, seconds = rate_of_steps(name, low > plain, compiled=True)
        gained = 1 / max(plain, low) - 1 / compiled
        pays = f"{seconds / gained:,.0f}" if gained > 0 else "never"
        rows.append(f"| {name} | {plain:.0f} | {low:.0f} | {compiled:.0f} | {seconds:.0f} | {pays} |")
        print(rows[-1], flush=True)
        write(TITLES[-1], report_of_steps(rows))


def report_of_steps(rows: list[str]) -> str:
    """The section on them."""
    return "\n".join(
        [
            f"Crops of {SIZE} pixels in batches of {STEP}, channels-last, one thread; images a second of forward and "
            "backward. Compiled (trainer.compile=default) in the better precision; seconds of the processor that its "
            "first step takes, and the images after which that is paid for.",
            "",
            "| network | float32 | bfloat16 | compiled | compilation, s | pays after images |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"{measured_on('torch', 'torchvision')}; load {os.getloadavg()[1]:.1f}.",
        ]
    )


def rate_of_steps(name: str, low: bool, compiled: bool) -> tuple[float, float]:
    """Images a second of a network's steps, and the seconds of its first step; of the processor."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"model={name}"])
    network = initial_network(plain_model(config.model) | {"weights": "none"}, Vocabulary.from_config(config)).train()
    images = torch.randint(0, 256, (STEP, SIZE, SIZE, 3), dtype=torch.uint8).permute(0, 3, 1, 2).float()
    targets = torch.zeros(STEP, dtype=torch.int64)
    if compiled:
        network.compile(mode="default")

    def steps(count: int) -> None:
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = cross_entropy(network(images).float(), targets)
            loss.backward()
            network.zero_grad()

    first = processor_seconds(lambda: steps(1))
    steps(1)
    return STEP * STEPS / processor_seconds(lambda: steps(STEPS)), first


def processor_seconds(act: Callable[[], object]) -> float:
    """What something takes of the processor, with the compilers that it starts and waits for."""
    before = os.times()
    act()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    main()

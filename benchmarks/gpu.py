"""Training on a GPU: the whole epoch beside the bare rate of the same chip, and beside the older input path.

    python benchmarks/gpu.py               # on a machine with a GPU: 8 minutes
    python benchmarks/gpu.py --rehearse    # anywhere, tiny, on the processor: does all of it run? Nothing is kept

ResNet18 of crops at 224 and at 64 pixels, and the landmark network, trained as `gestures train trainer=gpu` does. Rates
are those of whole epochs, with validation, reports, figures and checkpoints; the first epoch, which compiles, is left
out.

device          hands are kept in the device's memory (trainer.store=device)
ahead           hands are read from disk and copied while the step runs (trainer.store=host)
bare            forward and backward on one batch that is there already: the fastest of plain, compiled, and compiled
                with CUDA graphs; in bfloat16 and channels-last memory, like ours
older           one process decodes full frames (1920 x 1080 JPEG), crops, resizes and transforms them one by one;
                float32, the default memory layout

Asked for: at least 0.9 of bare, and 50 times the older path. Each part is printed as it ends, and kept in
benchmarks/results/gpu.md with the card's name; if $OUT names a folder, there as well. Parts that would begin after
8 minutes are left out, and the page says so. Compilation needs a C++ compiler; without one nothing is compiled, and the
page says that too. The clock of a whole epoch stops before the last checkpoint is on the disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from training_speed import OlderDataset, Step, row_of, write_frames

from static_gesture_classification.configuration import CONF
from static_gesture_classification.evaluation.epoch_callback import EpochCallback
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import sample_id, write_samples
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.callbacks import Callback, Checkpoints
from static_gesture_classification.training.checkpoint import initial_network, plain_model
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.models.network import Network
from static_gesture_classification.training.settings import TrainingSettings

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "gpu.md"
MODES = {"plain": None, "compiled": "default", "CUDA graphs": "reduce-overhead"}
WANTED = {"bare": 0.9, "older": 50.0}
VAL = 16  # a sixteenth of the samples
PICTURES = 64  # different crops
OLDER_FRAMES = 16  # that the older path decodes, again and again
LIMIT = 480  # seconds after which no part begins


@dataclass(frozen=True)
class Load:
    """What is trained.

    Args:
        size: of crops, in pixels; 0: landmarks.
        samples: of train.
        batch: samples of a step.
        epochs: of which the first is not counted.
        seconds: of the bare rate of each mode.
    """

    size: int
    samples: int
    batch: int
    epochs: int = 3
    seconds: float = 3.0

    @property
    def name(self) -> str:
        """In tables."""
        return f"ResNet18 at {self.size}" if self.size else "landmarks"


LOADS = (Load(224, 32_768, 256), Load(64, 262_144, 1024), Load(0, 1_048_576, 8192))
REHEARSAL = (Load(32, 32, 8, 2, 0.05), Load(0, 512, 64, 2))


def main() -> None:
    rehearsal = "--rehearse" in sys.argv
    if not torch.cuda.is_available() and not rehearsal:
        print("No GPU here, so nothing is measured. `--rehearse` runs the same code on the processor, tiny.")
        return
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: a rehearsal"
    until = time.monotonic() + LIMIT
    lines: list[str] = []
    compiles = may_compile(lines.append)
    for load in REHEARSAL if rehearsal else LOADS:
        for line in rows_of(load, rehearsal, compiles, until):
            lines.append(line)
            print(f"{line} {LIMIT - until + time.monotonic():.0f} s", flush=True)
            keep(report(card, lines), rehearsal)
    print(report(card, lines))


def keep(text: str, rehearsal: bool) -> None:
    """Write the page of results; that of a rehearsal only to $OUT."""
    folder = os.environ.get("OUT")
    for path in ([] if rehearsal else [RESULT]) + ([Path(folder) / "gpu.md"] if folder else []):
        path.write_text(text, encoding="utf-8")


def may_compile(tell: Callable[[str], None]) -> bool:
    """Whether torch.compile works here; what it lacks is told as a row."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.compile(lambda x: (x * 2).relu())(torch.ones(8, device=device))
    except Exception as error:  # the compiler's own, which are of many kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        tell(f"| nothing is compiled | {first.replace('|', '/')} | |")
        return False
    return True


def rows_of(load: Load, rehearsal: bool, compiles: bool, until: float) -> Iterator[str]:
    """The rows of a load, as they are measured, as long as there is time."""
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        project = Path(folder)
        rates: dict[str, float] = {}
        for way, measure in parts_of(load, project, rehearsal, compiles).items():
            if time.monotonic() > until:
                yield f"| {load.name} | {way} | left out: {LIMIT} s were over |"
                continue
            if not (project / "runs").exists():
                (project / "runs").mkdir()
                write_data(project, load)
            try:
                rates[way] = measure()
            except Exception as error:
                if rehearsal:
                    raise
                traceback.print_exc()  # what is left of a lent GPU's minutes is for the other parts
                yield f"| {load.name} | {way} | failed: {type(error).__name__} |"
                continue
            yield row(load, way, rates[way])
        if load.size and (said := compared(load, rates)):
            yield said


def parts_of(load: Load, project: Path, rehearsal: bool, compiles: bool) -> dict[str, Callable[[], float]]:
    """What is measured of a load, by its name in the table, the most important first."""

    def config(store: str) -> DictConfig:
        return composed(project, load, f"trainer.store={store}", rehearsal=rehearsal, compiles=compiles)

    parts: dict[str, Callable[[], float]] = {"device": lambda: whole_epoch_rate(config("device"), load)}
    if load.size:
        modes = {name: mode for name, mode in MODES.items() if mode is None or (compiles and not rehearsal)}
        parts |= {
            f"bare, {name}": lambda mode=mode: bare_rate(config("device"), load, mode)  # type: ignore[misc]
            for name, mode in modes.items()
        }
        parts["older"] = lambda: older_rate(config("host"), project, load)
    return parts | {"ahead": lambda: whole_epoch_rate(config("host"), load)}


def composed(project: Path, load: Load, *overrides: str, rehearsal: bool, compiles: bool) -> DictConfig:
    """The configuration of a training on the data in `project`."""
    names = ("crops", "landmarks", "splits", "runs", "models")
    given = [f"paths.{name}={project / name}" for name in names] + [
        "logger=[]",
        "trainer=gpu",
        "train_hyperparams.lr=0.001",
    ]
    given += [f"crops.size={load.size}"] if load.size else ["model=landmarks", "train_hyperparams.passes=1"]
    given += [f"train_hyperparams.batch_size={load.batch}", f"train_hyperparams.epochs={load.epochs}", *overrides]
    if rehearsal or not compiles:
        given += ["trainer.compile=null"]
    if rehearsal:
        given += ["trainer.accelerator=cpu", "trainer.precision=auto", "trainer.threads=1"]
    return compose("config", given)


def write_data(project: Path, load: Load) -> None:
    """Crops or landmarks with their splits, as the pipeline leaves them; noise, since only time is measured."""
    names = list(compose("config").gestures.names)
    count = load.samples + load.samples // VAL
    first = pd.DataFrame([row_of(0, names[0], "train")])
    samples = first.loc[np.zeros(count, int)].reset_index(drop=True)  # a million rows one by one take half a minute
    samples["image"] = [f"{number}.jpg" for number in range(count)]
    samples["sample_id"] = [sample_id("benchmark", str(number), 0) for number in range(count)]
    samples["gesture"] = np.array(names)[np.arange(count) % len(names)]
    samples["split"] = np.where(np.arange(count) < load.samples, "train", "val")
    random = np.random.default_rng(0)
    if load.size:
        pictures = random.integers(0, 256, (PICTURES, load.size, load.size, 3), np.uint8)
        (project / "crops").mkdir()
        shape = (count, load.size, load.size, 3)
        crops = np.lib.format.open_memmap(project / "crops/crops.npy", "w+", np.uint8, shape)
        for start in range(0, count, PICTURES):
            crops[start : start + PICTURES] = pictures[: count - start]
        crops.flush()
    else:
        (project / "landmarks").mkdir()
        np.save(project / "landmarks/landmarks.npy", random.random((count, 21, 2), np.float32))
    for folder in ("crops", "splits") if load.size else ("landmarks",):
        (project / folder).mkdir(exist_ok=True)
        write_samples(samples, project / folder / "samples.parquet")


class EpochClock(Callback):
    """Notes when each epoch begins, and when the last one has ended."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.ended = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """See Lightning."""
        self.begun.append(now())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """See Lightning; what a run draws once at its end is not of an epoch."""
        self.ended = now()


def whole_epoch_rate(config: DictConfig, load: Load) -> float:
    """Samples a second of all epochs but the first, trained as train_static_gestures.py does."""
    settings = TrainingSettings.from_config(config)
    data = open_data(settings)
    module = build_module(settings, data)
    folder = RunFolder.create(settings.workspace.runs, f"benchmark-{settings.trainer.store}", settings.configuration)
    clock = EpochClock()
    with RunLogger(folder) as logger:
        keeping = Checkpoints(folder.checkpoint_folder, settings.hyperparameters.keep_checkpoints)
        build_trainer(settings, module, logger, [clock, EpochCallback(), keeping]).fit(module, data)
    steps = load.samples // load.batch
    return (load.epochs - 1) * steps * load.batch / (clock.ended - clock.begun[1])


def bare_rate(config: DictConfig, load: Load, mode: str | None) -> float:
    """Samples a second of forward and backward alone."""
    step = Step(fresh_network(config), config, native=True, normalised=True)
    if mode is not None:
        step.network.compile(mode=mode)
    images = torch.randint(0, 256, (load.batch, load.size, load.size, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    batch = images.float().to(step.device), torch.zeros(load.batch, dtype=torch.int64, device=step.device)
    for _ in range(3):
        step.forward_backward(*batch)
    start, steps = now(), 0
    while now() - start < load.seconds:
        for _ in range(10):
            step.forward_backward(*batch)
        steps += 10
    return steps * load.batch / (now() - start)


def fresh_network(config: DictConfig) -> Network:
    """The network before training, not compiled."""
    return initial_network(plain_model(config.model) | {"weights": "none"}, Vocabulary.from_config(config))


def older_rate(config: DictConfig, project: Path, load: Load) -> float:
    """Samples a second of the older path, in this process."""
    step = Step(fresh_network(config), config, native=False, normalised=False)
    dataset = OlderDataset(write_frames(project / "frames", OLDER_FRAMES), config, 4 * 16)
    batches = iter(DataLoader(dataset, 16))
    step.forward_backward(*(part.to(step.device) for part in next(batches)))
    start, images = now(), 0
    for pictures, targets in batches:
        step.forward_backward(pictures.to(step.device), targets.to(step.device))
        step.optimizer.step()
        images += len(targets)
    return images / (now() - start)


def now() -> float:
    """Seconds, once the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def row(load: Load, way: str, rate: float) -> str:
    """One row of the table."""
    return f"| {load.name} | {way} | {rate:,.0f} |"


def compared(load: Load, rates: dict[str, float]) -> str:
    """What was asked for: ours against bare, and against the older path; empty where a part was left out."""
    ours = [rates[way] for way in ("device", "ahead") if way in rates]
    bare = [rate for way, rate in rates.items() if way.startswith("bare")]
    if not ours or not bare or "older" not in rates:
        return ""
    shares = {"bare": max(ours) / max(bare), "older": max(ours) / rates["older"]}
    said = [
        f"{share:.2f} of {name}{'' if share >= WANTED[name] else ' (**missed**)'}" for name, share in shares.items()
    ]
    return f"| {load.name} | **ours is** | {', '.join(said)} |"


def report(card: str, lines: list[str]) -> str:
    """The page of results."""
    return "\n".join(
        [
            "# Training on a GPU",
            "",
            f"{card}; {measured_on('torch', 'torchvision', 'pytorch-lightning')}. Samples a second; what the rows are: "
            "benchmarks/gpu.py. Asked for: at least 0.9 of bare and 50 times the older path.",
            "",
            "| | | samples/s |",
            "|---|---|---:|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()

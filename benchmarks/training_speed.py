"""Images per second of a training epoch, beside what the processor could do and beside the older input path.

    python benchmarks/training_speed.py                  # as `make repro` trains; about 4 minutes
    python benchmarks/training_speed.py crops.size=224   # with overrides; about 14 minutes
    python benchmarks/training_speed.py --shared         # where other programs compute beside it; about 3 minutes

With `--shared` everything is measured in processor time of one thread, which other programs disturb little; the older
path, whose processes are its own, is left out.

With the small crops of `make repro` the optimizer's step, which touches every weight whatever the size, is a larger
part of each step than at 224 pixels, and float32 is less behind. Both are kept in benchmarks/results/training_speed.md.

Measured in turns, so that a busy machine disturbs all alike; ratios are taken within a turn, and their median counts.

ours            the training steps of an epoch of train_static_gestures.py: crops from disk, uint8 to the device,
                augmentation, forward, backward, optimizer, and what callbacks keep of every step
whole epoch     the same with all else until the next epoch begins: validation, report, figures, checkpoints. A training
                writes some of it while the next epoch trains; here it is waited for, and is part of its own epoch
bare            forward and backward on one batch that is there already, nothing else, by torch's own convolutions
bare, optimizer the same with the optimizer's step
bare, products  forward and backward with the smallest maps' convolutions as products of matrices, as ours trains
                (training/models/small_maps.py)
bare, val       forward alone, as validation needs it
older           the input path that ours replaces, with the same network, precision and optimizer: every epoch decodes
                the full frames (1920 x 1080 JPEG, as HaGRID's), crops, resizes and transforms them one by one
older, float32  the same in float32 and the default memory layout, as it was used

A bare epoch, which the whole epoch is compared with, has the same images as ours, each at the bare rate: those of train
forward and backward, those of val forward. An epoch here has fewer images than that of `make repro`, so what comes once
an epoch counts for more. Of a whole training, the start and the end come once; its share of bare is computed from the
medians. The start is that of the process, imports, settings, data, the tracker that `make repro` mirrors the run to,
network and first pictures; the end is the errors' pictures, the run's page, the tracker's rest, the exported checkpoint
and the end of the process.

The older path runs in a process of its own, since ours changes how the whole process holds memory.

Frames are enlarged photographs of ../shared/data where that is there, else noise.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from machine import measured_on
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from static_gesture_classification.code_identity import PACKAGE  # noqa: E402
from static_gesture_classification.configuration import CONF  # noqa: E402
from static_gesture_classification.evaluation.epoch_callback import EpochCallback  # noqa: E402
from static_gesture_classification.garbage_collection import leave_out_what_is_there  # noqa: E402
from static_gesture_classification.gestures import Vocabulary  # noqa: E402
from static_gesture_classification.samples import sample_id, write_samples  # noqa: E402
from static_gesture_classification.tracking import trackers  # noqa: E402
from static_gesture_classification.training import hardware  # noqa: E402
from static_gesture_classification.training.callbacks import Callback, writes_of  # noqa: E402
from static_gesture_classification.training.checkpoint import initial_network, plain_model  # noqa: E402
from static_gesture_classification.training.experiment import build_module, open_data  # noqa: E402
from static_gesture_classification.training.inputs import Crops  # noqa: E402
from static_gesture_classification.training.models.network import CropNetwork, Network  # noqa: E402
from static_gesture_classification.training.models.small_maps import SmallMapConv2d  # noqa: E402
from static_gesture_classification.training.run import run_training  # noqa: E402
from static_gesture_classification.training.settings import TrainingSettings  # noqa: E402

RESULT = PROJECT / "benchmarks" / "results" / "training_speed.md"
PHOTOGRAPHS = PROJECT.parent / "shared" / "data" / "hagrid_mini"
FRAME = (1920, 1080)
FRAMES = 64
TRAIN, VAL = 2560, 320  # samples of an epoch; the shares are those of `make repro`
REPRO = (6400, 800)  # samples of train and val of `make repro`
LARGE, TRAIN_LARGE = 160, 512  # pixels from which an epoch has fewer, since each takes longer
TURNS, TURNS_LARGE = 7, 5
TURNS_SHARED = 5
SHARED = "--shared"
KEPT = {
    "": "As `make repro` trains",
    "crops.size=224": "At 224 pixels",
    SHARED: "As `make repro` trains, on a shared machine",
}
BARE_STEPS, FORWARDS, OLDER_STEPS = 12, 12, 6
ROWS = {
    "ours": "ours",
    "whole": "whole epoch",
    "bare": "bare",
    "bare_step": "bare, optimizer",
    "bare_products": "bare, products",
    "forward": "bare, val",
    "older": "older",
    "older_float32": "older, float32",
}


def main() -> None:
    overrides = sys.argv[1:]
    table = measured(overrides)
    print(table)
    if " ".join(overrides) in KEPT:
        keep(KEPT[" ".join(overrides)], table)


def keep(title: str, table: str) -> None:
    """Put the table into the results in place of the earlier one of that title."""
    earlier = RESULT.read_text(encoding="utf-8").split("\n## ")[1:] if RESULT.is_file() else []
    tables = dict(section.split("\n\n", 1) for section in earlier) | {title: table}
    sections = [f"## {name}\n\n{tables[name].strip()}\n" for name in KEPT.values() if name in tables]
    RESULT.write_text("\n".join(["# Training speed\n", *sections]), encoding="utf-8")


def measured(overrides: list[str]) -> str:
    shared = SHARED in overrides
    given = ["trainer.threads=1" if each == SHARED else each for each in overrides]
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        project = Path(folder)
        paths = [f"paths.{name}={project / name}" for name in ("crops", "splits", "runs", "models")]
        config = compose("config", [*paths, *given])
        turns = TURNS if config.crops.size < LARGE else TURNS_LARGE
        config.train_hyperparams.epochs = 1 + (TURNS_SHARED if shared else turns)
        frames = write_frames(project / "frames")
        write_data(project, frames, config)
        leave_out_what_is_there()  # as the command does
        return report(run(config, frames, shared), config, shared)


def write_frames(folder: Path, count: int = FRAMES) -> list[Path]:
    """JPEG frames of 1920 x 1080 pixels."""
    folder.mkdir()
    photographs = sorted(PHOTOGRAPHS.glob("*/*.jpg"))
    photographs = photographs[:: max(1, len(photographs) // count)]
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = (
            Image.open(photographs[number]).convert("RGB")
            if photographs
            else Image.fromarray(random.integers(0, 256, (54, 96, 3), np.uint8))
        )
        paths.append(folder / f"{number}.jpg")
        small.resize(FRAME, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def write_data(project: Path, frames: list[Path], config: DictConfig) -> None:
    """Crops and splits as the pipeline leaves them."""
    names, size = list(config.gestures.names), int(config.crops.size)
    pictures = [np.asarray(crop_of(frame, size)) for frame in frames]
    train = TRAIN if size < LARGE else TRAIN_LARGE
    rows = [
        row_of(number, names[number % len(names)], "train" if number < train else "val")
        for number in range(train + VAL)
    ]
    samples = pd.DataFrame(rows)
    for folder in ("crops", "splits"):
        (project / folder).mkdir()
        write_samples(samples, project / folder / "samples.parquet")
    np.save(project / "crops/crops.npy", np.stack([pictures[number % FRAMES] for number in range(len(samples))]))


def row_of(number: int, gesture: str, split: str) -> dict[str, Any]:
    box = {"x1": 0.1, "y1": 0.1, "x2": 0.4, "y2": 0.6, "landmarks": None}
    texts = dict.fromkeys(("root", "source", "source_label", "subject", "session", "hand"), "benchmark")
    return {**box, **texts, "sample_id": sample_id("benchmark", str(number), 0), "image": f"{number}.jpg",
            "gesture": gesture, "split": split}  # fmt: skip


def crop_of(frame: Path, size: int) -> Image.Image:
    """A hand's crop of a frame, as the older path made it: the whole frame is decoded."""
    image = Image.open(frame).convert("RGB")
    return image.crop((200, 150, 740, 690)).resize((size, size), Image.Resampling.BILINEAR)


class OlderDataset(Dataset[tuple[Tensor, int]]):
    """Decodes, crops and transforms one sample at a time."""

    def __init__(self, frames: list[Path], config: DictConfig, length: int) -> None:
        from torchvision import transforms  # noqa: TID251  (what ours is compared with)

        augs, norm = config.augs, config.model.normalisation
        self.frames, self.size, self.length = frames, int(config.crops.size), length
        colour = transforms.ColorJitter(augs.brightness, augs.contrast, augs.saturation, augs.hue)
        affine = transforms.RandomAffine(augs.rotation, (augs.shift, augs.shift), tuple(augs.scale), augs.shear)
        self.transforms: list[Callable[[Any], Any]] = [
            transforms.RandomApply([colour], augs.probability),
            transforms.RandomApply([affine], augs.probability),
            transforms.ToTensor(),
            transforms.Normalize(list(norm.mean), list(norm.std)),
        ]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image: Any = crop_of(self.frames[index % len(self.frames)], self.size)
        for transform in self.transforms:
            image = transform(image)
        return image, index % 2


@dataclass
class Turn:
    """Images per second of each way, measured one after the other; images and seconds of the whole epoch."""

    rates: dict[str, float] = field(default_factory=dict)
    images: int = 0
    seconds: float = 0.0

    def of_bare(self, bare: str, images: int = 0, val: int = VAL, seconds: float = 0.0) -> float:
        """How much of the seconds a bare epoch takes; without images and seconds, of the epoch measured."""
        needed = (images or self.images) / self.rates[bare] + val / self.rates["forward"]
        return needed / (seconds or self.seconds)


class Turns(Callback):
    """Measures the other ways before each epoch of ours, and then that epoch."""

    def __init__(self, others: dict[str, Callable[[], float]], clock: Callable[[], float], begin: float) -> None:
        self.others, self.turns, self.clock = others, list[Turn](), clock
        self.begin, self.start, self.images = begin, 0.0, 0
        self.precision = ""  # Lightning's name of it
        self.before = self.after = 0.0  # seconds until the first epoch, and from the last one to the end

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Measure the others and start the clock of ours."""
        if self.turns:
            writes_of(trainer).wait()  # else they would be written while the others are measured, and disturb those
            self.finish()
        else:
            self.before = self.clock() - self.begin
        self.turns.append(Turn({name: rate() for name, rate in self.others.items()}))
        self.start, self.images = self.clock(), 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count; what stands after the last step is the epoch's rate."""
        self.images += len(batch.targets)
        self.turns[-1].rates["ours"] = self.images / (self.clock() - self.start)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Note the precision, and close the last epoch; what comes after it is the run's end."""
        self.precision = str(trainer.precision)
        self.finish()
        self.after = self.clock()

    def finish(self) -> None:
        """Close the epoch before, with all that came after its steps."""
        turn = self.turns[-1]
        turn.images, turn.seconds = self.images, self.clock() - self.start
        turn.rates["whole"] = turn.images / turn.seconds


def run(config: DictConfig, frames: list[Path], shared: bool) -> Turns:
    """Train as train_static_gestures.py does; the first turn warms up and is left out."""
    clock = time.process_time if shared else time.perf_counter
    natives = {} if shared else {"older": True, "older_float32": False}
    older = {name: Elsewhere(config, frames, native) for name, native in natives.items()}
    for each in older.values():
        each()  # so that they have begun
    settings = TrainingSettings.from_config(config)
    network, size = build_module(settings, open_data(settings)).network, settings.crop_size
    turns = Turns(
        {
            "bare": Bare(with_torchs_convolutions(network), config, size, False, clock),
            "bare_step": Bare(with_torchs_convolutions(network), config, size, True, clock),
            "bare_products": Bare(network, config, size, False, clock),
            "forward": Forward(network, config, size, clock),
            **older,
        },
        clock,
        clock(),
    )
    run_training(settings, open_data(settings), [turns, EpochCallback()], trackers.from_config(config))
    turns.after = clock() - turns.after
    turns.before += seconds_of_command(shared)
    for each in older.values():
        each.close()
    del turns.turns[0]
    return turns


def seconds_of_command(shared: bool) -> float:
    """What `make repro`'s training takes where it finds no data: start, imports, settings, end of the process.

    Seconds, or seconds of the processor.
    """
    with tempfile.TemporaryDirectory() as folder:
        composing = [sys.executable, "-m", f"{PACKAGE}.configuration"]
        subprocess.run(composing, cwd=folder, check=True, capture_output=True)
        start, before = time.perf_counter(), os.times()
        command = [sys.executable, str(PROJECT / "train_static_gestures.py")]
        command += ["--config-dir", ".", "--config-name", "params"]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True).stderr
        after = os.times()
    assert "data/crops" in said, said
    processor = after.children_user - before.children_user + after.children_system - before.children_system
    return processor if shared else time.perf_counter() - start


class Elsewhere:
    """The older path in a process of its own, which waits until it is asked."""

    def __init__(self, config: DictConfig, frames: list[Path], native: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.asking, answering = context.Pipe()
        # Not a daemon, since its loader has processes of its own.
        context.Process(target=answer, args=(answering, config, frames, native)).start()
        answering.close()

    def close(self) -> None:
        """Let the process end: nobody asks any more."""
        self.asking.close()

    def __call__(self) -> float:
        """Images per second."""
        self.asking.send(None)
        return float(self.asking.recv())


def answer(connection: Any, config: DictConfig, frames: list[Path], native: bool) -> None:
    """Measure the older path as often as asked."""
    network = initial_network(plain_model(config.model) | {"weights": "none"}, Vocabulary.from_config(config))
    older = Older(network, config, frames, native)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(older())


def with_torchs_convolutions(network: Network) -> Network:
    """A copy of a network without convolutions of ours."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, SmallMapConv2d):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    return network


class Step:
    """Forward and backward of a copy of the network, with or without its own normalisation, and the optimizer."""

    def __init__(self, network: Network, config: DictConfig, native: bool, normalised: bool) -> None:
        network = copy.deepcopy(network).train()
        assert isinstance(network, CropNetwork)
        self.network = network if normalised else nn.Sequential(network.backbone, network.head)
        if not native:
            self.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        accelerator = hardware.accelerator(config.trainer.accelerator)
        self.device = torch.device("cuda" if accelerator == "gpu" else accelerator)
        self.network.to(self.device)
        mixed = native and hardware.precision(config.trainer.precision, accelerator, network).endswith("mixed")
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)
        self.optimizer = instantiate(config.optimizer)(self.network.parameters())

    def forward_backward(self, images: Tensor, targets: Tensor) -> None:
        """Leave the gradients of one batch behind."""
        self.optimizer.zero_grad()
        with self.autocast:
            loss = cross_entropy(self.network(images).float(), targets)
        loss.backward()

    def wait(self) -> None:
        """Let the device finish what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Bare(Step):
    """Forward and backward on one batch that is on the device already, with or without the optimizer's step."""

    def __init__(
        self, network: Network, config: DictConfig, size: int, stepping: bool, clock: Callable[[], float]
    ) -> None:
        super().__init__(network, config, native=True, normalised=True)
        self.stepping, self.clock = stepping, clock
        batch = config.train_hyperparams.batch_size
        images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8).permute(0, 3, 1, 2).float()
        self.images, self.targets = images.to(self.device), torch.zeros(batch, dtype=torch.int64, device=self.device)

    def __call__(self) -> float:
        """Images per second."""
        self.forward_backward(self.images, self.targets)
        self.wait()
        start = self.clock()
        for _ in range(BARE_STEPS):
            self.forward_backward(self.images, self.targets)
            if self.stepping:
                self.optimizer.step()
        self.wait()
        return BARE_STEPS * len(self.images) / (self.clock() - start)


class Forward(Step):
    """Forward alone, as in validation, on one batch that is on the device already."""

    def __init__(self, network: Network, config: DictConfig, size: int, clock: Callable[[], float]) -> None:
        super().__init__(network, config, native=True, normalised=True)
        self.network.eval()
        shape = (max(config.train_hyperparams.batch_size, Crops.batch_size), size, size, 3)
        images = torch.randint(0, 256, shape, dtype=torch.uint8).permute(0, 3, 1, 2)
        self.images, self.clock = images.to(self.device), clock

    @torch.no_grad()
    def __call__(self) -> float:
        """Images per second."""
        with self.autocast:
            self.network(self.images)
            self.wait()
            start = self.clock()
            for _ in range(FORWARDS):
                self.network(self.images)
        self.wait()
        return FORWARDS * len(self.images) / (self.clock() - start)


class Older(Step):
    """Training steps on what a loader with a process per core decodes and transforms sample by sample."""

    def __init__(self, network: Network, config: DictConfig, frames: list[Path], native: bool) -> None:
        super().__init__(with_torchs_convolutions(network), config, native, normalised=False)
        batch = config.train_hyperparams.batch_size
        dataset = OlderDataset(frames, config, (OLDER_STEPS + 1) * batch)
        self.loader = DataLoader(dataset, batch, num_workers=os.cpu_count() or 1, multiprocessing_context="fork")
        self.native = native

    def __call__(self) -> float:
        """Images per second."""
        batches = iter(self.loader)
        self.step(*next(batches))
        self.wait()
        start, images = time.perf_counter(), 0
        for batch in batches:
            self.step(*batch)
            images += len(batch[0])
        self.wait()
        return images / (time.perf_counter() - start)

    def step(self, images: Tensor, targets: Tensor) -> None:
        """One training step."""
        layout = torch.channels_last if self.native else torch.contiguous_format
        self.forward_backward(images.to(self.device, memory_format=layout), targets.to(self.device))
        self.optimizer.step()


def report(measured: Turns, config: DictConfig, shared: bool) -> str:
    """The table, in Markdown."""
    turns = measured.turns
    rows = {name: title for name, title in ROWS.items() if name in turns[0].rates}
    rates = {name: median(turn.rates[name] for turn in turns) for name in rows}
    ratios = {name: sorted(turn.rates["ours"] / turn.rates[name] for turn in turns) for name in rows}
    whole = {bare: sorted(turn.of_bare(bare) for turn in turns) for bare in ("bare", "bare_step", "bare_products")}
    lines = [
        f"| {title} | {rates[name]:.1f} | {median(found):.2f} | {found[0]:.2f} to {found[-1]:.2f} |"
        for (name, title), found in zip(rows.items(), ratios.values(), strict=True)
    ]
    accelerator = hardware.accelerator(config.trainer.accelerator)
    optimizer = str(config.optimizer._target_).rpartition(".")[2]
    size, batch = config.crops.size, config.train_hyperparams.batch_size
    machine = measured_on("torch", "torchvision", "pytorch-lightning")
    return "\n".join(
        [
            f"{config.model.name}, {optimizer}, at {size} x {size}, batch {batch}, {measured.precision}: medians of "
            f"{len(turns)} turns{', in processor time of one thread' if shared else ''}. What the rows are: "
            "benchmarks/training_speed.py.",
            "",
            "| | images/s | ours is ... times that | least and most |",
            "|---|---:|---:|---:|",
            *lines,
            "",
            f"In short: the steps alone run at {median(ratios['bare']):.2f} of what the processor can do, the whole "
            f"epoch at **{median(whole['bare']):.2f}** of a bare one ({whole['bare'][0]:.2f} to "
            f"{whole['bare'][-1]:.2f}), at {median(whole['bare_step']):.2f} of one with the optimizer's step, and at "
            f"{median(whole['bare_products']):.2f} of one that computes the smallest maps as ours does"
            f"{_beside_older(ratios)}. The start of a training, Python's included, takes {measured.before:.1f} s, its "
            f"end {measured.after:.1f} s.",
            *_whole_training(measured, config),
            "",
            f"Asked for: at least 0.95 of bare, at least 2.5 times the older path. {machine}; "
            f"accelerator {accelerator}, load {os.getloadavg()[1]:.1f}.",
            "",
        ]
    )


def _whole_training(measured: Turns, config: DictConfig) -> list[str]:
    """What a training of `make repro` is of bare, start and end included; computed, where epochs are like its own."""
    if config.crops.size >= LARGE:
        return []
    (train, val), epochs = REPRO, int(compose("config").train_hyperparams.epochs)
    shares = []
    for turn in measured.turns:
        once = turn.seconds - turn.images / turn.rates["ours"] - VAL / turn.rates["forward"]  # whatever its images
        epoch = train / turn.rates["ours"] + val / turn.rates["forward"] + max(once, 0.0)
        whole = measured.before + epochs * epoch + measured.after
        shares.append(turn.of_bare("bare", epochs * train, epochs * val, whole))
    return [
        f"A training of `make repro` ({epochs} epochs of {train:,} and {val:,} images), computed from these, is at "
        f"{median(shares):.2f} of bare, start and end included."
    ]


def _beside_older(ratios: dict[str, list[float]]) -> str:
    if "older" not in ratios:
        return ""
    return (
        f"; {median(ratios['older']):.1f} times the older path at equal precision, "
        f"{median(ratios['older_float32']):.1f} times where that computes in float32"
    )


if __name__ == "__main__":
    main()

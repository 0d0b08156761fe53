"""Callbacks: checkpoints that survive a kill, early stopping, progress."""

from __future__ import annotations

import time
from collections.abc import Iterable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import TaskID
from torch import Tensor

from static_gesture_classification.atomic_files import partial_path
from static_gesture_classification.terminal import progress_bar, say
from static_gesture_classification.training.background_writes import BackgroundWrites
from static_gesture_classification.training.calibrate import Calibrator
from static_gesture_classification.training.checkpoint import calibrated, save
from static_gesture_classification.training.lightning import (
    Callback,
    Checkpoint,
    LightningEarlyStopping,
    LightningModule,
    RichProgressBar,
    TorchCheckpointIO,
    Trainer,
    gather_all_tensors,
)
from static_gesture_classification.training.module import TRAIN_LOSS, VAL_LOSS, WEIGHTED_F1, GestureModule

LAST = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, while training goes on, and reads tensors and plain values only.

    Attributes:
        writes: what is being written; wait for it before you read a checkpoint.
    """

    def __init__(self) -> None:
        self.writes = BackgroundWrites()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a copy to `path`; on a full disk `writes.wait` raises `OutputError`."""
        self.writes.ask(partial(save, deepcopy(checkpoint), Path(path)))

    def teardown(self) -> None:
        """End the thread that writes."""
        self.writes.close()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read from `path`."""
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)


class Checkpoints(Checkpoint):
    """Keeps the last checkpoint and the best ones by weighted F1 on val (of equals, the earlier).

    The best ones hold the classifier alone, calibrated by what it said to val (see `calibrate`). The last one, from
    which training resumes, also lists the best ones. It is written after new ones and before old ones are removed. So
    after a kill at any moment all listed checkpoints exist, and unlisted ones are removed when training resumes.

    They are written while the next epoch trains, and are there when training ends. A disk that is full ends it one
    epoch later.

    Args:
        folder: where checkpoints are written.
        keep: how many of the best.
        calibrator: of the best; None leaves them without a calibration.
    """

    def __init__(self, folder: Path, keep: int, calibrator: Calibrator | None = None) -> None:
        self.folder, self.keep, self.calibrator = folder, keep, calibrator
        self._outputs: list[dict[str, Tensor]] = []  # of the steps of val
        self.best: list[tuple[float, int]] = []  # weighted F1 and epoch, best first

    @property
    def state_key(self) -> str:
        """Name of this callback's state in a checkpoint."""
        return "Checkpoints"

    @property
    def paths(self) -> list[Path]:
        """The best checkpoints, best first."""
        return [self.folder / checkpoint_name(epoch, score) for score, epoch in self.best]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove files of a killed run."""
        if trainer.is_global_zero:
            self._sweep({path.name for path in self.paths})

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until the checkpoints of the epoch before are written: who reads of an epoch can rely on them."""
        writes_of(trainer).wait()
        self._outputs = []

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Keep what the network says, for its calibration."""
        if self.calibrator is not None:
            self._outputs.append({name: outputs[name] for name in ("logits", "rows")})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write this epoch's checkpoints. Lightning calls this after the module and the other callbacks."""
        assert isinstance(pl_module, GestureModule)
        files = _files_of(trainer)
        epoch, score = trainer.current_epoch, float(trainer.callback_metrics[WEIGHTED_F1])
        self.best = sorted([*self.best, (score, epoch)], key=lambda entry: (-entry[0], entry[1]))[: self.keep]
        if (score, epoch) in self.best:
            said = outputs_of_all(self._outputs, trainer.world_size) if self._outputs else None
            if trainer.is_global_zero:
                copied = deepcopy(pl_module.classifier_checkpoint())
                files.writes.ask(partial(self._save_best, copied, said, self.folder / checkpoint_name(epoch, score)))
        trainer.save_checkpoint(self.folder / LAST)
        if trainer.is_global_zero:
            files.writes.ask(partial(self._sweep, {path.name for path in self.paths}))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until all is written."""
        writes_of(trainer).wait()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Likewise, so that training goes on after the last epoch."""
        writes_of(trainer).wait()

    def state_dict(self) -> dict[str, Any]:
        """The best epochs, plain values."""
        return {"best": [list(entry) for entry in self.best]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epochs of the run that is resumed."""
        self.best = [(float(score), int(epoch)) for score, epoch in state_dict["best"]]

    def _save_best(self, checkpoint: dict[str, Any], said: tuple[Tensor, Tensor] | None, path: Path) -> None:
        if self.calibrator is not None and said is not None:
            logits, rows = (tensor.cpu().numpy() for tensor in said)
            checkpoint = calibrated(checkpoint, self.calibrator.calibration(logits, rows), self.calibrator.share)
        save(checkpoint, path)

    def _sweep(self, kept: set[str]) -> None:
        for path in self.folder.glob("*.ckpt"):
            if path.name not in kept and path.name != LAST:
                path.unlink()
        for path in self.folder.glob(partial_path(self.folder / "*.ckpt").name):
            path.unlink()


def outputs_of_all(outputs: Iterable[dict[str, Tensor]], world: int) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and table rows (n,) of the steps of all `world` processes, each of which calls this."""
    logits, rows = (torch.cat([step[name] for step in outputs]) for name in ("logits", "rows"))
    if world > 1:
        logits, rows = (torch.cat(gather_all_tensors(tensor)) for tensor in (logits, rows))
    return logits, rows


def writes_of(trainer: Trainer) -> BackgroundWrites:
    """What a trainer of ours writes while it trains, checkpoints among it."""
    return _files_of(trainer).writes


def _files_of(trainer: Trainer) -> AtomicCheckpointIO:
    files = trainer.strategy.checkpoint_io
    assert isinstance(files, AtomicCheckpointIO), "this needs a trainer with the plugin AtomicCheckpointIO"
    return files


def checkpoint_name(epoch: int, score: float) -> str:
    """File name of an epoch's checkpoint: `checkpoint_epoch=49-val_weighted_F1=0.88.ckpt`."""
    return f"checkpoint_epoch={epoch}-val_weighted_F1={score:.2f}.ckpt"


class EarlyStopping(LightningEarlyStopping):
    """Stops when weighted F1 on val has not got better for `patience` epochs; a resumed run stays stopped."""

    def __init__(self, patience: int) -> None:
        super().__init__(WEIGHTED_F1, patience=patience, mode="max", check_on_train_epoch_end=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not go on with a run that had stopped when it was interrupted."""
        if self.stopped_epoch:
            trainer.should_stop = True


class ProgressBar(RichProgressBar):
    """A bar per epoch with the loss so far and the last epoch's scores, under their short names."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The metrics beside the bar."""
        shown = super().get_metrics(trainer, pl_module)
        if isinstance(pl_module, GestureModule) and (mean := pl_module.train_loss).count > 0:
            shown[TRAIN_LOSS] = float(mean.total / mean.count)  # of this rank: `compute` would wait for the others
        return {name.removeprefix("training/"): value for name, value in shown.items() if name != "v_num"}


class EpochLines(Callback):
    """One line per epoch, for logs and for scrolling back."""

    def __init__(self) -> None:
        self._start = 0.0
        self._images = 0
        self._bar = progress_bar()  # never drawn; it notes the progress for who watches this process
        self._task: TaskID | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count batches."""
        batches, epochs = trainer.num_training_batches, trainer.max_epochs or 0
        self._task = self._bar.add_task("training", total=epochs * batches, unit="batches")
        self._bar.advance(self._task, trainer.current_epoch * batches)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start, self._images = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count."""
        self._images += len(batch.targets) * trainer.world_size
        if self._task is not None:
            self._bar.advance(self._task)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the line."""
        seconds = time.perf_counter() - self._start
        rate = self._images / max(seconds, 1e-9)
        known = trainer.callback_metrics
        metrics = " ".join(
            f"{name.removeprefix('training/')} {float(known[name]):.4f}"
            for name in (TRAIN_LOSS, VAL_LOSS, WEIGHTED_F1)
            if name in known
        )
        epoch = f"epoch {trainer.current_epoch} ({trainer.current_epoch + 1} of {trainer.max_epochs})"
        say(f"{epoch}: {metrics} ({rate:.0f} images/s, {seconds:.1f} s)")

"""The Lightning module: training and validation steps, and an epoch's scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.batches import Batch
from static_gesture_classification.training.checkpoint import Origin
from static_gesture_classification.training.growing import Growth
from static_gesture_classification.training.lightning import LightningModule, Metric, MulticlassConfusionMatrix
from static_gesture_classification.training.models.network import Network
from static_gesture_classification.training.schedules import Schedule
from static_gesture_classification.training.scores import Scores, scores_of

WEIGHTED_F1 = "training/val_weighted_F1"
TRAIN_LOSS = "training/train_loss"
VAL_LOSS = "training/val_loss"
LEARNING_RATE = "training/lr"
FULL_SIZE = Growth()


class MeanLoss(Metric):
    """The mean loss of an epoch's samples, over all ranks.

    Lightning's own mean over ranks rounds the mean number of their samples down, which is wrong where they differ;
    torchmetrics' looks at every value for NaN, for which a GPU has to wait, or ignores the weights.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, loss: Tensor, samples: int) -> None:
        """Add the mean loss of a batch."""
        self.total += loss * samples
        self.count += samples

    def compute(self) -> Tensor:
        """The mean so far; NaN if one was."""
        return self.total / self.count


class GestureModule(LightningModule):
    """Trains a network.

    All randomness (augmentation, dropout) is a function of seed and epoch, so a run that is resumed between two epochs
    gives the same result. For the same reason the schedule moves before the epoch's checkpoint is written; Lightning
    would move it afterwards.

    Args:
        network: the network to train.
        loss: takes logits (n, classes) and class indices (n,).
        optimizer: makes an optimizer of parameters.
        schedule: makes a schedule of the optimizer and the number of steps.
        augmentation: changes training inputs; takes a batch of them and a generator.
        vocabulary: the gestures, in class order.
        origin: the checkpoint's header.
        seed: of all randomness.
        growth: how crops grow during training.
    """

    def __init__(
        self,
        network: Network,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[..., Schedule],
        augmentation: nn.Module,
        vocabulary: Vocabulary,
        origin: Origin,
        seed: int,
        growth: Growth = FULL_SIZE,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss, self.augmentation, self.vocabulary, self.seed = loss, augmentation, vocabulary, seed
        self.confusion = MulticlassConfusionMatrix(len(vocabulary))
        self.train_loss, self.val_loss = MeanLoss(), MeanLoss()
        self.scores: Scores | None = None  # of the last validated epoch
        self._make_optimizer, self._make_schedule, self._origin = optimizer, schedule, origin
        self._growth, self._steps = growth, 1
        self._schedule: Schedule | None = None
        self._schedule_state: dict[str, Any] | None = None
        self._generator = torch.Generator()

    def forward(self, inputs: Any) -> Tensor:
        """Logits (n, classes) of a batch, as `InputKind.batch` makes it."""
        return self.network(inputs)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Loss, and for callbacks: detached float32 logits, targets, table rows."""
        inputs = batch.inputs if self._growth.first == 1 else self._growth(batch.inputs, self.global_step / self._steps)
        return self._step(self.augmentation(inputs, self._generator), batch, self.train_loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As `training_step`, on inputs as they are."""
        outputs = self._step(batch.inputs, batch, self.val_loss)
        self.confusion.update(outputs["logits"], batch.targets)
        return outputs

    def _step(self, inputs: Any, batch: Batch, mean: MeanLoss) -> dict[str, Tensor]:
        logits = self.network(inputs).float()
        loss = self.loss(logits, batch.targets)
        mean.update(loss.detach(), len(batch.targets))
        # Callbacks keep the logits: a copy, since a CUDA graph writes the next step's in the same place.
        return {"loss": loss, "logits": logits.detach().clone(), "targets": batch.targets, "rows": batch.rows}

    def on_train_epoch_start(self) -> None:
        """Set the random state of this epoch."""
        torch.manual_seed(_seed_of(self.seed, self.current_epoch, "network", self.global_rank))
        self._generator.manual_seed(_seed_of(self.seed, self.current_epoch, "augmentation", self.global_rank))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Move a schedule that moves every step; after the last step of the epoch tell its loss.

        Lightning's `log` takes a tenth of a small network's step, so it is called once an epoch.
        """
        if self._schedule is not None and self._schedule.every_step:
            self._schedule.scheduler.step()
        if self.trainer.is_last_batch:
            self._tell({TRAIN_LOSS: self.train_loss.compute()})
            self.train_loss.reset()

    def on_validation_epoch_end(self) -> None:
        """Score the epoch."""
        self.scores = scores_of(self.confusion.compute().cpu().numpy(), self.vocabulary.names)
        self._tell({WEIGHTED_F1: self.scores["weighted_f1"], VAL_LOSS: self.val_loss.compute()})
        self.confusion.reset()
        self.val_loss.reset()

    def _tell(self, values: dict[str, Any]) -> None:
        """Give callbacks an epoch's values, which are over all ranks."""
        self.log_dict(values, on_step=False, on_epoch=True, prog_bar=True, logger=False, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Log the epoch, then move a schedule that moves every epoch.

        Lightning itself would log after the epoch's checkpoint is written, and a kill in between would lose a line.
        """
        known = self.trainer.callback_metrics
        metrics = {name: float(known[name]) for name in (TRAIN_LOSS, VAL_LOSS, WEIGHTED_F1) if name in known}
        if not math.isfinite(metrics[TRAIN_LOSS]):
            raise UserError(
                f"the loss is {metrics[TRAIN_LOSS]} after epoch {self.current_epoch}: training diverged. Lower "
                "train_hyperparams.lr, or set trainer.gradient_clip=1.0"
            )
        metrics[LEARNING_RATE] = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]
        for logger in self.trainer.loggers:
            logger.log_metrics({**metrics, "epoch": self.current_epoch}, self.global_step)
        if self._schedule is not None and not self._schedule.every_step:
            watched = metrics.get(VAL_LOSS, metrics[TRAIN_LOSS])  # without val, as far as training itself can tell
            self._schedule.scheduler.step(watched)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Optimizer:
        """The optimizer; the schedule stays in this module (see the class)."""
        optimizer = self._make_optimizer(self.network.parameters())
        self._steps = int(self.trainer.estimated_stepping_batches)
        self._schedule = self._make_schedule(optimizer, steps=self._steps)
        if self._schedule_state is not None:
            self._schedule.scheduler.load_state_dict(self._schedule_state)
        return optimizer

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient's norm; Lightning refuses that for fused optimizers, which only scaled gradients forbid."""
        if self.trainer.scaler is not None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def classifier_checkpoint(self) -> dict[str, Any]:
        """The network as it is, with its origin, epoch and scores: see `checkpoint.py`."""
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        return {**self._origin.header(), "epoch": self.current_epoch, "scores": self.scores, "state_dict": state}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the header, the epoch's scores and the schedule."""
        checkpoint.update(self._origin.header(), scores=self.scores)
        if self._schedule is not None:
            checkpoint["schedule"] = self._schedule.scheduler.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the schedule's state for `configure_optimizers`, which is called later."""
        self._schedule_state = checkpoint.get("schedule")
        self.scores = checkpoint.get("scores")


def _seed_of(seed: int, epoch: int, use: str, rank: int) -> int:
    """A seed; ranks differ, so that they do not change their samples alike."""
    text = f"{seed} {epoch} {use}" + f" {rank}" * (rank > 0)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")

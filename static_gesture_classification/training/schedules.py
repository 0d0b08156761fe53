"""Learning-rate schedules. Each is a function of the optimizer and the length of training."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau


@dataclass(frozen=True)
class Schedule:
    """A scheduler and when it moves: after every step, or after every epoch.

    After an epoch it follows the loss on val; on train where nothing is validated.
    """

    scheduler: LRScheduler
    every_step: bool


def plateau(optimizer: Optimizer, steps: int, *, factor: float, patience: int) -> Schedule:
    """Multiply the learning rate by `factor` after `patience` epochs without a lower validation loss."""
    return Schedule(ReduceLROnPlateau(optimizer, factor=factor, patience=patience), every_step=False)


def cosine(optimizer: Optimizer, steps: int, *, final: float) -> Schedule:
    """Go down to `final` (0 to 1) of the learning rate in `steps` steps, along a cosine."""
    lowest = final * optimizer.param_groups[0]["lr"]
    return Schedule(CosineAnnealingLR(optimizer, T_max=steps, eta_min=lowest), every_step=True)


def one_cycle(optimizer: Optimizer, steps: int, *, warmup: float) -> Schedule:
    """Go up to the learning rate during `warmup` (0 to 1) of `steps` steps, then down (Smith, arXiv:1708.07120)."""
    highest = optimizer.param_groups[0]["lr"]
    rising = warmup / 2 if warmup * steps == 1 else warmup  # torch divides by the length of the rise less a step
    return Schedule(OneCycleLR(optimizer, max_lr=highest, total_steps=steps, pct_start=rising), every_step=True)

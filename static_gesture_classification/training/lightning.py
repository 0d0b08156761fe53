"""Classes of Lightning and torchmetrics, both of which import torchvision: `torchvision_operators` comes first."""

from __future__ import annotations

import static_gesture_classification.torchvision_operators  # noqa: F401

# isort: split
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, Checkpoint, RichProgressBar
from pytorch_lightning.callbacks import EarlyStopping as LightningEarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torchmetrics.classification import MulticlassConfusionMatrix

__all__ = [
    "Callback",
    "Checkpoint",
    "LightningDataModule",
    "LightningEarlyStopping",
    "LightningModule",
    "Logger",
    "MulticlassConfusionMatrix",
    "RichProgressBar",
    "TorchCheckpointIO",
    "Trainer",
]

"""Classes of Lightning and torchmetrics, both of which `torchmetrics_alone` has to come before."""

from __future__ import annotations

import static_gesture_classification.torchmetrics_alone  # noqa: F401

# isort: split
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, Checkpoint, RichProgressBar
from pytorch_lightning.callbacks import EarlyStopping as LightningEarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.strategies import DDPStrategy
from torchmetrics import Metric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.utilities.distributed import gather_all_tensors

__all__ = [
    "Callback",
    "Checkpoint",
    "DDPStrategy",
    "LightningDataModule",
    "LightningEarlyStopping",
    "LightningModule",
    "Logger",
    "Metric",
    "MulticlassConfusionMatrix",
    "RichProgressBar",
    "SLURMEnvironment",
    "TorchCheckpointIO",
    "TorchElasticEnvironment",
    "Trainer",
    "find_free_network_port",
    "gather_all_tensors",
]

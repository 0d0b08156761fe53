"""The quick loop's settings: the stages' settings, in folders of its own, with a model that trains in seconds.

The pipeline's results are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.comparison.before_after import CompareSettings
from static_gesture_classification.configuration import compose_again
from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.crops import CropSettings
from static_gesture_classification.preparation.index import IndexSettings
from static_gesture_classification.preparation.landmarks import LandmarkSettings
from static_gesture_classification.preparation.split import SplitSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.training.checkpoint import read_checkpoint
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.training.settings import TrainingSettings
from static_gesture_classification.workspace import Workspace

BY_LANDMARKS, HEAD, FINETUNE = "landmarks", "head", "finetune"
METHODS_WITH_START = (HEAD, FINETUNE)  # from a checkpoint; the others train from scratch
METHOD_OVERRIDES = {BY_LANDMARKS: ("model=landmarks",), FINETUNE: ("train_hyperparams=finetune",)}


class FinetuneSettings(Settings):
    """How a crop model is finetuned; see conf/retrain.

    Args:
        epochs, lr: as in train_hyperparams.
        replayed: known samples that are trained on with the new ones.
    """

    epochs: int = Field(ge=1)
    lr: float = Field(gt=0)
    replayed: int = Field(ge=0)


class RetrainSettings(Settings, key="retrain"):
    """What the quick loop trains, and where it works; see conf/retrain.

    Args:
        method: how it trains.
        start: the checkpoint that head and finetune start from.
        workspace: of the quick loop.
        pipeline: the pipeline's workspace.
        embeddings: folder of the embedding stores.
        strengths: of the regularisation towards the starting layer.
        finetune: see its class.
        force: promote the new model whatever the comparison says.
        index, crops, split, landmarks, training, compare: of the stages, in `workspace`.
    """

    method: Literal["landmarks", "crops", "head", "finetune"]
    start: Path
    workspace: Annotated[Workspace, At("retrain.paths")]
    pipeline: Workspace
    embeddings: Annotated[Path, At("retrain.paths.embeddings")]
    strengths: Annotated[tuple[float, ...], At("retrain.head.strengths")] = Field(min_length=1)
    finetune: FinetuneSettings
    force: bool
    index: IndexSettings
    crops: CropSettings
    split: SplitSettings
    landmarks: LandmarkSettings
    training: TrainingSettings
    compare: CompareSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> RetrainSettings:
        """From the composed configuration; the method's own choices apply where the command line makes none.

        Raises:
            UserError: a value is not allowed, the method does not train this kind of model, or the starting checkpoint
                is missing or no crop model.
        """
        implied = METHOD_OVERRIDES.get(str(config.retrain.method), ())
        if implied and HydraConfig.initialized():  # else a caller has composed it, and has chosen
            given = list(HydraConfig.get().overrides.task)
            config = compose_again([*drop_overridden(implied, given), *given])
        workspace = Workspace.read(config, "retrain.paths")
        settings = cls.read(
            config,
            "retrain",
            landmarks=LandmarkSettings.from_config(config, extract=True),
            training=TrainingSettings.from_config(config).model_copy(update={"workspace": workspace}),
            compare=CompareSettings.from_config(config).at(workspace),
        )
        if settings.method in METHODS_WITH_START:
            settings = settings.with_start(read_checkpoint(settings.start))
        training = settings.training
        if (settings.method == BY_LANDMARKS) != kind_of(training.model).needs_landmarks:
            raise UserError(
                f"retrain.method={settings.method} does not train model={training.model['name']}; choose another of "
                "the two"
            )
        return settings.model_copy(
            update={"training": training.model_copy(update={"configuration": configuration_of(training)})}
        )

    def with_start(self, entries: Mapping[str, Any]) -> RetrainSettings:
        """With the model and crop geometry of a starting checkpoint's entries.

        Raises:
            UserError: it is no crop model.
        """
        if kind_of(entries["model"]).needs_landmarks:
            raise UserError(
                f"{self.start} is a model of landmarks; retrain.method={self.method} goes on from a crop model. "
                f"Name one with retrain.start=FILE, or use retrain.method={BY_LANDMARKS}"
            )
        size, margin = int(entries["crop"]["size"]), float(entries["crop"]["margin"])
        training, changed = self.training, {"epochs": self.finetune.epochs, "lr": self.finetune.lr}
        optimizer = dict(training.optimizer)
        if optimizer.get("lr") == training.hyperparameters.lr:  # it refers to train_hyperparams
            optimizer["lr"] = self.finetune.lr
        training = training.model_copy(
            update={
                "model": {**entries["model"], "weights": str(self.start)},
                "crop_size": size,
                "crop_margin": margin,
                "hyperparameters": training.hyperparameters.model_copy(update=changed),
                "optimizer": optimizer,
            }
        )
        crops = self.crops.model_copy(update={"size": size, "margin": margin})
        return self.model_copy(update={"training": training, "crops": crops})


def configuration_of(training: TrainingSettings) -> dict[str, Any]:
    """The whole configuration with the quick loop's changes, for the run and the checkpoint's record."""
    composed, how = training.configuration, training.hyperparameters
    return {
        **composed,
        "paths": training.workspace.model_dump(mode="json"),
        "model": training.model,
        "optimizer": training.optimizer,
        "train_hyperparams": {**composed["train_hyperparams"], "epochs": how.epochs, "lr": how.lr},
        "crops": {**composed["crops"], "size": training.crop_size, "margin": training.crop_margin},
    }


def drop_overridden(choices: Sequence[str], given: Sequence[str]) -> list[str]:
    """Drop the choices of groups that the command line chooses itself."""
    groups = {override.partition("=")[0].lstrip("+~") for override in given}
    return [choice for choice in choices if choice.partition("=")[0] not in groups]

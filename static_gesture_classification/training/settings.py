"""The settings of a training: the model, hyperparameters, and the trainer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, field_validator, model_validator

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.workspace import Workspace

# The nodes of the configuration that the trained weights depend on.
NODES = (
    "gestures",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "train_hyperparams",
    "augs",
    "sampler",
    "trainer",
    "seed",
    "background",
)


class HyperParameters(Settings):
    """Hyperparameters of the training; `train_hyperparams` of the configuration.

    Args:
        lr, momentum, weight_decay: for the optimizer, whose node refers to them.
        batch_size: samples per step.
        epochs: the model is validated after each.
        passes: over the training samples in an epoch.
        first_size: share of their side that crops have when training begins; they grow (see `growing`).
        early_stopping: epochs without a better weighted F1 on val before training stops; None: never.
        keep_checkpoints: of the best epochs, besides the last one.
        overfit_samples: train and validate on this many training samples only; None: on all.
        for_use: splits that a second training learns, too; see `for_use`. Empty: there is none.
        fresh: begin a new run if there is a finished one.
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    passes: int = Field(default=1, ge=1)
    first_size: float = Field(default=1.0, gt=0, le=1)
    early_stopping: int | None = Field(default=None, ge=0)
    keep_checkpoints: int = Field(default=1, ge=1)
    overfit_samples: int | None = Field(default=None, ge=0)
    for_use: tuple[Literal["val", "test"], ...] = ()
    fresh: bool = False

    @field_validator("for_use", mode="before")
    @classmethod
    def _none_for_use(cls, named: object) -> object:
        return named or ()

    @model_validator(mode="after")
    def _trains_to_the_end(self) -> HyperParameters:
        if self.for_use and self.early_stopping is not None:
            raise ValueError("for_use needs early_stopping=null: a second training has no val to stop by")
        return self


class SamplerSettings(Settings):
    """How often training sees each sample; `sampler` of the configuration.

    Args:
        power: from 0, each sample alike, to 1, each subject alike: a subject with n samples counts n^(1 - power).
        even: sources whose samples keep the share that they have of all samples: their people are made up.
    """

    power: float = Field(default=0.0, ge=0, le=1)
    even: tuple[str, ...] = ()

    @field_validator("even", mode="before")
    @classmethod
    def _default_even(cls, even: object) -> object:
        return even or ()


class TrainerSettings(Settings, key="trainer"):
    """Device, precision and the like; `trainer` of the configuration (see conf/trainer/)."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Any = 1
    precision: str = "auto"
    deterministic: bool = True
    threads: int | None = Field(default=None, ge=1)
    gradient_clip: float | None = None
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = None
    store: Literal["auto", "host", "device"] = "host"
    ahead: int = Field(default=0, ge=0)
    fast_dev_run: bool | int = False


class TrainingSettings(Settings, key=""):
    """All settings of a training.

    Args:
        vocabulary: the gestures, in class order.
        model, loss, optimizer, scheduler, augs: nodes of the configuration, plain values.
        hyperparameters, sampler, trainer: see their classes.
        crop_size, crop_margin: of crops: pixels, and share of the box's longer side.
        workspace: where data and results lie.
        background_share: of hands in use that show no gesture; `background.share`.
        seed: of all randomness.
        tags: further short labels of the run.
        engine: where embeddings of crops are computed.
        configuration: the whole configuration, plain values, which the run folder keeps.
    """

    vocabulary: Vocabulary
    model: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    augs: dict[str, Any]
    hyperparameters: Annotated[HyperParameters, At("train_hyperparams")]
    sampler: SamplerSettings
    trainer: TrainerSettings
    crop_size: Annotated[int, At("crops.size")] = Field(ge=1)
    crop_margin: Annotated[float, At("crops.margin")] = Field(ge=0)
    workspace: Workspace
    background_share: Annotated[float, At("background.share")] = Field(gt=0, lt=1)
    seed: int
    tags: list[str] = Field(default_factory=list)
    engine: EngineSettings = EngineSettings()
    configuration: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def from_config(cls, config: DictConfig) -> TrainingSettings:
        """Read the nodes that a training is made of; raises as `read`."""
        whole = OmegaConf.to_container(config, resolve=True)
        return cls.read(config, "", tags=config.get("tags") or [], configuration=whole)

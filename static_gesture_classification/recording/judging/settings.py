"""Settings of the selection: thresholds, the model that judges, and how it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.workspace import Workspace

HandRule = Literal["largest", "surest", "left", "right"]


class SelectionSettings(Settings):
    """Which pictures are worth keeping; see conf/recording/default.yaml."""

    best_of: int = Field(ge=1, strict=True)
    novelty: float = Field(ge=0, strict=True)
    interval: float = Field(ge=0, strict=True)
    near_identical: float = Field(ge=0, strict=True)
    min_sharpness: float = Field(ge=0, strict=True)
    min_hand: int = Field(ge=1, strict=True)
    edge: float = Field(ge=0, strict=True)


class JudgeSettings(Settings, key="recording"):
    """The detector and the model that judge pictures; see also conf/recording/default.yaml.

    Args:
        other_checkpoints: the first existing one judges if neither the settings nor the plan name one.
        detector: of the recorder.
        pipeline, quick_loop: their workspaces.
        embeddings: of crop models, by the quick loop.
        seed: of random draws.
    """

    hand: HandRule
    look_for_more: int = Field(ge=0, strict=True)
    checkpoint: Path | None
    other_checkpoints: tuple[Path, ...]
    onnx: bool
    refit_every: int = Field(ge=0, strict=True)
    refit_strength: float = Field(gt=0, strict=True)
    refit_samples: int = Field(ge=1, strict=True)
    refit_landmarks: Path | None
    detector: DetectorSettings
    pipeline: Workspace
    quick_loop: Annotated[Workspace, At("retrain.paths")]
    embeddings: Annotated[Path, At("retrain.paths.embeddings")]
    seed: Annotated[int, At("seed")]

    @classmethod
    def from_config(cls, config: DictConfig) -> JudgeSettings:
        """From `config.recording`; its node `detector` overrides `config.detector`."""
        return cls.read(
            config,
            "recording",
            other_checkpoints=[Workspace.from_config(config).best, *config.recording.other_checkpoints],
            detector=DetectorSettings.from_config(config, config.recording.detector),
        )

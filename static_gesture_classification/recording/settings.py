"""The recorder's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.admission import AdmissionSettings
from static_gesture_classification.active_learning.planning.dealing import DealingSettings
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import CameraSettings
from static_gesture_classification.recording.judging.settings import JudgeSettings, SelectionSettings
from static_gesture_classification.recording.session_writer import StorageSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.workspace import Workspace


class RecordingSettings(Settings, key="recording"):
    """The `recording` node, explained in conf/recording/default.yaml, and further settings of the recorder.

    Args:
        vocabulary: the project's gestures.
        plan: the recording plan, which need not exist.
        split_table: the split stage's sample table, which need not exist.
        group: `split.group`.
        in_use: folder of the sessions that `gestures live` caught, of the same people.
        dealing: how the next gesture is chosen with `order: dealt`.
    """

    source: int | str
    mode: Literal["auto", "plan", "free"]
    order: Literal["dealt", "listed"]
    gesture: str | None
    mistaken_for: str | None
    background: bool = Field(strict=True)
    count: int | None = Field(ge=1, strict=True)
    seconds: float | None = Field(strict=True)
    hard: Literal["auto", True, False]
    review: bool
    subject: str | None
    room: str | None
    countdown: float = Field(ge=0, strict=True)
    patience: float = Field(ge=0, strict=True)
    window: Literal["screen", "none"]
    mirror: bool
    commit: bool
    vocabulary: Vocabulary
    plan: Annotated[Path, At("plan.path")]
    split_table: Path
    group: Annotated[str, At("split.group")]
    in_use: Annotated[Path, At("confusions.in_use")]
    admission: AdmissionSettings
    camera: Annotated[CameraSettings, At("recording")]
    selection: Annotated[SelectionSettings, At("recording")]
    judge: JudgeSettings
    storage: Annotated[StorageSettings, At("recording")]
    dealing: Annotated[DealingSettings, At("recording.dealing")]

    @classmethod
    def from_config(cls, config: DictConfig) -> RecordingSettings:
        """From `config.recording`; raises as `read`."""
        return cls.read(config, "recording", split_table=Workspace.from_config(config).split_table)

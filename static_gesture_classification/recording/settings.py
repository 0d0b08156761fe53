"""The recorder's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.admission import AdmissionSettings
from static_gesture_classification.active_learning.planning.dealing import DealingSettings
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import CameraSettings
from static_gesture_classification.recording.judging.settings import JudgeSettings, SelectionSettings
from static_gesture_classification.recording.session_writer import StorageSettings
from static_gesture_classification.settings import Settings
from static_gesture_classification.workspace import Workspace


class RecordingSettings(Settings):
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
    count: int = Field(ge=1, strict=True)
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
    plan: Path
    split_table: Path
    group: str
    in_use: Path
    admission: AdmissionSettings
    camera: CameraSettings
    selection: SelectionSettings
    judge: JudgeSettings
    storage: StorageSettings
    dealing: DealingSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> RecordingSettings:
        """From `config.recording`.

        Raises:
            UserError: a value is not among its choices, or out of its range.
        """
        return cls.read(
            config,
            "recording",
            vocabulary=Vocabulary.from_config(config),
            plan=config.plan.path,
            split_table=Workspace.from_config(config).split_table,
            group=config.split.group,
            in_use=config.confusions.in_use,
            admission=AdmissionSettings.from_config(config),
            camera=CameraSettings.read(config, "recording"),
            selection=SelectionSettings.read(config, "recording"),
            judge=JudgeSettings.from_config(config),
            storage=StorageSettings.read(config, "recording"),
            dealing=DealingSettings.read(config, "recording.dealing"),
        )

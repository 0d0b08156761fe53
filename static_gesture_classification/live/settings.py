"""The settings of `gestures live`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from static_gesture_classification.inference.held_gestures import HoldSettings
from static_gesture_classification.live.hooks.settings import HookSettings
from static_gesture_classification.recording.capture.camera import CameraSettings
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.settings import At, Settings


class CatchSettings(Settings):
    """What is kept of errors in use; see conf/live/default.yaml."""

    catch: bool
    catch_seconds: float = Field(gt=0, strict=True)
    catch_count: int = Field(ge=1, strict=True)
    catch_doubts: bool
    catch_rest: float = Field(ge=0, strict=True)
    second: Path | None
    subject: str | None
    room: str | None


class LiveSettings(Settings, key="live"):
    """The `live` node, explained in conf/live/default.yaml.

    Args:
        added: the checkpoint that learned a gesture (`gestures add`); may be absent.
        recording: the recorder's settings, whose rules hold for what is caught.
    """

    source: int | str
    window: Literal["screen", "none"]
    mirror: bool
    checkpoint: Path | None
    added: Annotated[Path, At("add.output")]
    root: Path
    camera: Annotated[CameraSettings, At("live")]
    holding: Annotated[HoldSettings, At("live")]
    hooks: Annotated[HookSettings, At("live")]
    catching: Annotated[CatchSettings, At("live")]
    recording: RecordingSettings

    @field_validator("window", mode="before")
    @classmethod
    def _window_or_not(cls, window: object) -> object:
        return {"true": "screen", "false": "none"}.get(str(window).lower(), window)

"""The settings of `gestures live`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import CameraSettings
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.settings import At, Settings


class HoldSettings(Settings):
    """When a gesture begins and ends; see conf/live/default.yaml."""

    smooth: float = Field(ge=0, strict=True)
    hold: float = Field(ge=0, strict=True)
    least: float = Field(ge=0, le=1, strict=True)


class HookSettings(Settings):
    """What acts on gestures; see conf/live/default.yaml.

    Args:
        json_lines: a file, or "-" for standard output; None: none.
        commands: gesture -> command.
        keys: gesture -> keys joined with +.
        websocket: a port; None: none.
    """

    json_lines: str | None
    commands: dict[str, tuple[str, ...]]
    command_seconds: float = Field(gt=0, strict=True)
    keys: dict[str, str]
    websocket: int | None = Field(ge=0, le=65535)
    websocket_host: str
    websocket_origins: tuple[str, ...]

    @field_validator("commands", mode="before")
    @classmethod
    def _commands_are_lists(cls, commands: object) -> object:
        """No shell reads a command, so its arguments are a list."""
        for gesture, command in _by_gesture(commands, "[PROGRAM, ARGUMENT]").items():
            if not isinstance(command, list) or not command:
                raise ValueError(f"must give {gesture} a list, without a shell: {gesture}: [PROGRAM, ARGUMENT]")
        return commands or {}

    @field_validator("keys", mode="before")
    @classmethod
    def _keys_are_named(cls, keys: object) -> object:
        return _by_gesture(keys, "page_down")

    def check_gestures(self, vocabulary: Vocabulary) -> None:
        """Raise `UserError` where a command or key is for a gesture that the model does not know."""
        for gesture in (*self.commands, *self.keys):
            vocabulary.index(gesture)


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


def _by_gesture(value: object, example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping | None):
        raise ValueError(f"must name gestures: {{FIST: {example}}}")
    return value or {}

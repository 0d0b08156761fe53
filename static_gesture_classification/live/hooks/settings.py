"""The settings of the hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.settings import Settings


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


def _by_gesture(value: object, example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping | None):
        raise ValueError(f"must name gestures: {{FIST: {example}}}")
    return value or {}

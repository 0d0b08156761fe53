"""The hooks that the configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from static_gesture_classification.live.hooks.commands import Commands
from static_gesture_classification.live.hooks.hook import Hook
from static_gesture_classification.live.hooks.json_lines import JsonLines
from static_gesture_classification.live.hooks.key_presses import KeyPresses
from static_gesture_classification.live.hooks.settings import HookSettings


def open_hooks(settings: HookSettings, open_until: ExitStack) -> list[Hook]:
    """Open the hooks until the stack closes.

    Raises:
        UserError: one cannot work here: says which, and what to do.
    """
    return [open_until.enter_context(hook) for hook in _hooks(settings)]


def _hooks(settings: HookSettings) -> Iterator[Hook]:
    if settings.json_lines is not None:
        yield JsonLines(settings.json_lines)
    if settings.commands:
        yield Commands(settings.commands, settings.command_seconds)
    if settings.keys:
        yield KeyPresses(settings.keys)
    if settings.websocket is not None:
        from static_gesture_classification.live.hooks.websocket import Websocket

        yield Websocket(settings.websocket_host, settings.websocket, settings.websocket_origins)

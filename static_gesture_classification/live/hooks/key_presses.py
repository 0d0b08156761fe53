"""A key per gesture, pressed when the gesture begins, as if somebody typed it: for slides, players, games.

The window that has the focus gets it. pynput presses it, which is an extra: pip install
'static-gesture-classification[keys]'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.held_gestures import BEGIN, GestureEvent
from static_gesture_classification.live.hooks.hook import Hook

if TYPE_CHECKING:
    from pynput.keyboard import Key, KeyCode

INSTALL = "pip install 'static-gesture-classification[keys]'"


class KeyPresses(Hook):
    """Presses the key of each gesture that begins.

    Args:
        keys: gesture -> a character, or a name of pynput's `Key` such as page_down; several joined with +.

    Raises:
        UserError: pynput is not installed or cannot work here, or there is no such key.
    """

    name = "keys"

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__()
        keyboard = _pynput_keyboard()
        self._keys = {gesture: _read(keyboard, text, gesture) for gesture, text in keys.items()}
        self._controller = keyboard.Controller()
        self._refusal = keyboard.Controller.InvalidKeyException

    def act(self, event: GestureEvent) -> None:
        """See `Hook.act`."""
        keys = self._keys.get(event.gesture)
        if event.event != BEGIN or keys is None:
            return
        try:
            with ExitStack() as held:
                for key in keys:
                    self._controller.press(key)
                    held.callback(self._controller.release, key)
        except (self._refusal, ValueError) as error:
            self.complain(f"the key for {event.gesture} cannot be pressed here: {error}")


def _pynput_keyboard() -> Any:
    try:
        from pynput import keyboard
    except ModuleNotFoundError as error:
        raise UserError(f"live.keys needs pynput, which is not installed: {INSTALL}") from error
    except ImportError as error:  # there is no display, or no permission
        raise UserError(f"live.keys needs a desktop to press keys on, and pynput finds none: {error}") from error
    return keyboard


def _read(keyboard: Any, text: str, gesture: str) -> Sequence[Key | KeyCode]:
    """The keys of a text such as `ctrl+page_down` or `a`; `+` alone is itself."""
    names = [text] if len(text) == 1 else text.split("+")
    keys = []
    for name in names:
        key = name if len(name) == 1 else getattr(keyboard.Key, name, None)
        if key is None:
            known = ", ".join(sorted(key.name for key in keyboard.Key))
            raise UserError(
                f"live.keys.{gesture} is {text!r}, which is no key: a character, or one of {known}; several are joined "
                "with +, as in ctrl+page_down"
            )
        keys.append(key)
    return keys

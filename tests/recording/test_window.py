from types import SimpleNamespace

import numpy as np
import pytest

from static_gesture_classification.opencv import cv2
from static_gesture_classification.recording.drawing import Canvas
from static_gesture_classification.recording.keys import BACKSPACE, DELETE, ENTER, ESCAPE, LEFT, SPACE, UP
from static_gesture_classification.recording.window import Keys, Window, key_name


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (ord("a"), "a"),
        (ord("/"), "/"),
        (32, SPACE),
        (13, ENTER),
        (27, ESCAPE),
        (8, BACKSPACE),
        (0xFF51, LEFT),
        (0xFF52, UP),
        (0xFFFF, DELETE),
        (0xFFB7, "7"),  # of the keypad
        (0x6D6, "ж"),  # Cyrillic_zhe
        (0x6D1, "я"),
        (0x7E2, "β"),  # Greek_beta
        (0x1B1, "ą"),
        (0xFC, "ü"),
        (-36, "ü"),  # as Qt gives it
        (0x01000000 + ord("漢"), "漢"),
        (0x250000, LEFT),  # Windows
        (-1, ""),
        (0xFFBE, ""),  # F1
        (0xFFE3, ""),  # Control
    ],
)
def test_key_of_a_code(code: int, key: str) -> None:
    assert key_name(code) == key


def test_shift_makes_the_next_letter_a_capital() -> None:
    keys = Keys()
    assert [keys.key(code) for code in (0xFFE1, -1, ord("a"), ord("b"), 0xFFE1, 0x6D1)] == ["", "", "A", "b", "", "Я"]


def test_window_is_given_its_picture_as_opencv_takes_it() -> None:
    shown: list[np.ndarray] = []
    window = object.__new__(Window)  # without a display
    window._keys, window._clicks = Keys(), []
    window._cv2 = SimpleNamespace(  # type: ignore[assignment]
        cvtColor=cv2.cvtColor,
        COLOR_RGB2BGR=cv2.COLOR_RGB2BGR,
        WND_PROP_AUTOSIZE=cv2.WND_PROP_AUTOSIZE,
        imshow=lambda title, pixels: shown.append(pixels),
        waitKeyEx=lambda wait: -1,
        getWindowProperty=lambda title, which: 0,
        error=cv2.error,
    )
    canvas = Canvas.blank(8, 8)
    canvas.pixels[:] = (220, 90, 10)
    assert window.put(canvas, 1) == []
    assert shown[0][0, 0].tolist() == [10, 90, 220]

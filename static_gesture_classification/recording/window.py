"""The recorder's window, by OpenCV: shows what `screens` draws, gives keys and clicks back."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.drawing import Canvas
from static_gesture_classification.recording.keys import (
    BACKSPACE,
    CLOSED,
    DELETE,
    DOWN,
    ENTER,
    ESCAPE,
    LEFT,
    PAGE_DOWN,
    PAGE_UP,
    RIGHT,
    SPACE,
    UP,
)
from static_gesture_classification.recording.observer import Sight
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.screens import HEIGHT, WIDTH, Figures, draw

TITLE = "Record gestures"
NO_DISPLAY = (
    "run this on the machine's own desktop, through ssh -X, or under a virtual display (xvfb-run); "
    "or record without a window: window=none"
)
PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"
PROBE_SECONDS = 20

# What waitKeyEx gives: ASCII; beyond it X11's keysyms (Linux), virtual keys << 16 (Windows), Cocoa's codes (macOS).
_NAMED = {
    8: BACKSPACE, 9: DOWN, 13: ENTER, 10: ENTER, 27: ESCAPE, 32: SPACE,
    0xFF08: BACKSPACE, 0xFF0D: ENTER, 0xFF8D: ENTER, 0xFF1B: ESCAPE, 0xFFFF: DELETE, 0xFF9F: DELETE,
    0xFF51: LEFT, 0xFF52: UP, 0xFF53: RIGHT, 0xFF54: DOWN, 0xFF55: PAGE_UP, 0xFF56: PAGE_DOWN,
    0xFF96: LEFT, 0xFF97: UP, 0xFF98: RIGHT, 0xFF99: DOWN, 0xFF9A: PAGE_UP, 0xFF9B: PAGE_DOWN,
    0x250000: LEFT, 0x260000: UP, 0x270000: RIGHT, 0x280000: DOWN, 0x2E0000: DELETE, 0x210000: PAGE_UP,
    0x220000: PAGE_DOWN, 0xF700: UP, 0xF701: DOWN, 0xF702: LEFT, 0xF703: RIGHT, 0xF72C: PAGE_UP, 0xF72D: PAGE_DOWN,
    0xF728: DELETE, 127: DELETE,
}  # fmt: skip
# X11's keysyms of other scripts: the high byte names the character set that the low byte is in (keysymdef.h).
_CHARACTER_SETS = {
    0: "latin-1",
    1: "iso8859_2",
    2: "iso8859_3",
    3: "iso8859_4",
    5: "iso8859_6",
    6: "koi8_r",
    7: "iso8859_7",
    12: "iso8859_8",
}
_UNICODE = 0x01000000  # keysyms from here on are code points
_SHIFT = (0xFFE1, 0xFFE2)
_KEYPAD = range(0xFFB0, 0xFFBA)  # its digits


class Window:
    """An open window. Use it as a context manager.

    Raises:
        UserError: OpenCV cannot be loaded, or there is no display; says what to try.
    """

    def __init__(self) -> None:
        prepare_qt()
        from static_gesture_classification.opencv import cv2

        check_display()
        self._cv2 = cv2
        self._clicks: list[tuple[int, int]] = []
        self._keys = Keys()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, WIDTH, HEIGHT)
        cv2.setMouseCallback(TITLE, self._mouse)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(self._cv2.error):  # the user may have closed it
            self._cv2.destroyAllWindows()
            self._cv2.waitKey(1)

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Draw what the recorder is doing; returns the keys that were pressed and what was clicked."""
        canvas = draw(recorder, sight, figures)
        return self.put(canvas, 1 if recorder.state.looks else 20)

    def put(self, canvas: Canvas, wait: int) -> list[str]:
        """Show a canvas and wait so many milliseconds for keys; returns them and what was clicked."""
        cv2 = self._cv2
        cv2.imshow(TITLE, cv2.cvtColor(canvas.pixels, cv2.COLOR_RGB2BGR))
        key = self._keys.key(cv2.waitKeyEx(wait))
        if self._is_closed():
            return [CLOSED]
        return ([key] if key else []) + self._clicked(canvas)

    def _is_closed(self) -> bool:
        try:
            # Not whether it is visible: asked for that, Qt left the window black in a third of the starts.
            return self._cv2.getWindowProperty(TITLE, self._cv2.WND_PROP_AUTOSIZE) < 0
        except self._cv2.error:  # Qt's way of saying that the last window is gone
            return True

    def _clicked(self, canvas: Canvas) -> list[str]:
        clicks, self._clicks = self._clicks, []
        return [target.key for x, y in clicks for target in canvas.targets if target.holds(x, y)]

    def _mouse(self, event: int, x: int, y: int, flags: int, data: Any) -> None:
        if event == self._cv2.EVENT_LBUTTONDOWN:
            self._clicks.append((x, y))


def check_display() -> None:
    """Whether a window can be opened. A process of its own finds out: Qt ends the one in which it fails.

    Raises:
        UserError: it cannot; says why and what to try.
    """
    linux = sys.platform.startswith("linux")
    if linux and not os.environ.get("DISPLAY"):
        raise UserError(f"there is no display to open a window on (DISPLAY is not set): {NO_DISPLAY}")
    try:
        probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"the display does not answer within {PROBE_SECONDS} s: {NO_DISPLAY}") from None
    if probe.returncode != 0:
        lines = [line for line in probe.stderr.decode(errors="replace").splitlines() if line.strip()]
        why = next((line for line in lines if "display" in line.lower() or "error" in line.lower()), "no reason given")
        where = f" on DISPLAY={os.environ.get('DISPLAY')}" if linux else ""
        raise UserError(f"no window can be opened{where} ({why.strip()}): {NO_DISPLAY}")


class Keys:
    """Turns OpenCV's key codes into keys. Qt gives letters small, and Shift as a key before them."""

    def __init__(self) -> None:
        self._shift = False

    def key(self, code: int) -> str:
        """The key of a code; "" for none and for those that do nothing by themselves."""
        if code == -1:
            return ""
        name = key_name(code)
        if self._shift and len(name) == 1:
            name = name.upper()
        self._shift = code in _SHIFT
        return name


def key_name(code: int) -> str:
    """The key that OpenCV's `waitKeyEx` reports, by the names of `keys`; "" for none and for those that do nothing."""
    if -128 <= code < -1:  # Qt's letters of Latin-1 as signed bytes, always as capitals
        return chr(code + 256).lower()
    if code < 0:
        return ""
    if code in _NAMED:
        return _NAMED[code]
    if code in _KEYPAD:
        return str(code - _KEYPAD.start)
    if code >= _UNICODE:
        return _printable(chr(code - _UNICODE)) if code - _UNICODE <= 0x10FFFF else ""
    high, low = divmod(code, 256)
    if high not in _CHARACTER_SETS:
        return ""
    try:
        return _printable(bytes([low]).decode(_CHARACTER_SETS[high]))
    except UnicodeDecodeError:
        return ""


def prepare_qt() -> None:
    """Settings of Qt, which draws OpenCV's window; before the first window.

    It is kept from telling of fonts that nothing here needs, and from handing pictures to an X server through shared
    memory, with which the window stayed black more often (see `Window._is_closed`; OpenCV 5.0, Xvfb).
    """
    os.environ.setdefault("QT_LOGGING_RULES", "*.debug=false;*.warning=false")
    os.environ.setdefault("QT_X11_NO_MITSHM", "1")


def _printable(character: str) -> str:
    return character if character.isprintable() else ""

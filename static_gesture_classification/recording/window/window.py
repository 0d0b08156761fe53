"""The recorder's window, by SDL (pygame-ce): shows the screens, and returns keys and clicks in order.

OpenCV's own Qt window remembers only the last key that comes while a picture is processed (`last_key` in
opencv/modules/highgui/src/window_QT.cpp). SDL queues all keys, and supports composed text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.judging.observer import Sight
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
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.window.drawing import Canvas
from static_gesture_classification.recording.window.parts import HEIGHT, WIDTH
from static_gesture_classification.recording.window.screens import draw_screen

if TYPE_CHECKING:
    import pygame

RECORDER_TITLE = "Record gestures"
LOOKING_MS, IDLE_MS = 1, 20  # time to wait for keys, while pictures are processed and while they are not
NO_DISPLAY = (
    "run this on the machine's own desktop, through ssh -X, or under a virtual display (xvfb-run); "
    "or do without a window: window=none"
)

# By SDL's names. Keys that write something come as text, the space too.
_KEY_NAMES = {
    "backspace": BACKSPACE, "tab": DOWN, "return": ENTER, "enter": ENTER, "escape": ESCAPE, "delete": DELETE,
    "left": LEFT, "right": RIGHT, "up": UP, "down": DOWN, "page up": PAGE_UP, "page down": PAGE_DOWN,
}  # fmt: skip
_KEYPAD = {
    "[4]": LEFT, "[6]": RIGHT, "[8]": UP, "[2]": DOWN, "[9]": PAGE_UP, "[3]": PAGE_DOWN, "[.]": DELETE,
}  # fmt: skip


class Window:
    """An open window. Use it as a context manager.

    Args:
        title: in its frame.

    Attributes:
        sdl: SDL's window.

    Raises:
        UserError: there is no display.
    """

    def __init__(self, title: str = RECORDER_TITLE) -> None:
        check_display()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # printed as it is imported
        import pygame

        self._pygame = pygame
        try:
            pygame.display.init()
            self.sdl = pygame.Window(title, (WIDTH, HEIGHT), resizable=True)
            self.sdl.get_surface()  # where SDL needs another window for it, it makes that one now
        except pygame.error as error:
            raise UserError(f"no window can be opened{_where()} ({error}): {NO_DISPLAY}") from error
        pygame.key.start_text_input()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sdl.destroy()
        self._pygame.display.quit()

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """Draw the recorder's state; returns the keys and clicks since then, in order."""
        return self.put(draw_screen(recorder, sight, figures), LOOKING_MS if recorder.state.looks else IDLE_MS)

    def put(self, canvas: Canvas, wait: int) -> list[str]:
        """Show a canvas, and wait up to `wait` milliseconds; returns the keys and clicks since then, in order."""
        self._paint(canvas)
        events = [self._pygame.event.wait(wait), *self._pygame.event.get()]
        keys = [key for event in events for key in self._keys(event, canvas)]
        return keys[: keys.index(CLOSED) + 1] if CLOSED in keys else keys

    def _paint(self, canvas: Canvas) -> None:
        pygame, surface = self._pygame, self.sdl.get_surface()
        picture = pygame.image.frombuffer(canvas.pixels, canvas.pixels.shape[1::-1], "RGB")
        place = place_in_window(picture.get_size(), surface.get_size())
        if place.size == picture.get_size() == surface.get_size():
            surface.blit(picture, (0, 0))
        else:
            surface.fill(0)
            surface.blit(pygame.transform.smoothscale(picture, place.size), place)
        self.sdl.flip()

    def _keys(self, event: pygame.event.Event, canvas: Canvas) -> Iterator[str]:
        """An event as names of `keys`."""
        pygame = self._pygame
        if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
            yield CLOSED
        elif event.type == pygame.TEXTINPUT:
            yield from (SPACE if character == " " else character for character in event.text if character.isprintable())
        elif event.type == pygame.KEYDOWN:
            yield from self._read_key(event)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == pygame.BUTTON_LEFT:
            yield from self._read_click(event.pos, canvas)

    def _read_key(self, event: pygame.event.Event) -> Iterator[str]:
        name = self._pygame.key.name(event.key)
        if name in _KEY_NAMES:
            yield _KEY_NAMES[name]
        elif name in _KEYPAD and not event.mod & self._pygame.KMOD_NUM:
            yield _KEYPAD[name]

    def _read_click(self, position: tuple[int, int], canvas: Canvas) -> Iterator[str]:
        height, width = canvas.pixels.shape[:2]
        place = place_in_window((width, height), self.sdl.size)
        x = (position[0] - place.x) * width // place.width
        y = (position[1] - place.y) * height // place.height
        yield from (target.key for target in canvas.targets if target.holds(x, y))


def place_in_window(picture: tuple[int, int], window: tuple[int, int]) -> pygame.Rect:
    """The place of a picture (width, height) in a window: as large as possible, undistorted, centred."""
    import pygame

    return pygame.Rect(0, 0, *picture).fit(pygame.Rect(0, 0, *window))


def check_display() -> None:
    """Check on Linux that there is a display, and limit SDL to desktops. Raises `UserError` where there is none."""
    if not sys.platform.startswith("linux") or os.environ.get("SDL_VIDEODRIVER"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError(f"there is no display to open a window on (DISPLAY is not set): {NO_DISPLAY}")
    os.environ["SDL_VIDEODRIVER"] = "x11,wayland"  # else it may take over a console
    if os.environ.get("DISPLAY"):  # plain X is ten times faster than OpenGL without a graphics card
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")


def _where() -> str:
    named = [f"{name}={os.environ[name]}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)]
    return f" on {', '.join(named)}" if named else ""

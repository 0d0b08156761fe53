"""The window on SDL's own display without a screen; its real keyboard is tried in test_record_gestures.py."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest

from static_gesture_classification.recording.capture.camera import open_camera
from static_gesture_classification.recording.capture.latest_frame import LatestFrame
from static_gesture_classification.recording.keys import (
    BACKSPACE,
    CLOSED,
    DELETE,
    ENTER,
    ESCAPE,
    LEFT,
    PAGE_UP,
    RIGHT,
    SPACE,
    UP,
)
from static_gesture_classification.recording.loop import run_recorder
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.window.drawing import Canvas
from static_gesture_classification.recording.window.parts import HEIGHT, WIDTH
from static_gesture_classification.recording.window.window import Window

pytestmark = pytest.mark.concurrent


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window() as opened:
        yield opened


@pytest.fixture
def canvas() -> Canvas:
    """Three rows of red, green and blue."""
    blank = Canvas.blank(WIDTH, HEIGHT)
    for row in range(3):
        blank.pixels[row * HEIGHT // 3 : (row + 1) * HEIGHT // 3] = np.eye(3, dtype=np.uint8)[row] * 255
    return blank


def write(text: str) -> None:
    """As SDL tells of what is typed; a line's end is Enter."""
    for character in text:
        if character == "\n":
            press(pygame.K_RETURN)
        else:
            pygame.event.post(pygame.Event(pygame.TEXTINPUT, text=character))


def press(key: int, mod: int = 0) -> None:
    pygame.event.post(pygame.Event(pygame.KEYDOWN, key=key, mod=mod, unicode=""))


def test_all_that_is_pressed_between_two_pictures_counts_in_order(window: Window, canvas: Canvas) -> None:
    write("office\nanna")
    press(pygame.K_BACKSPACE)
    write("A")
    assert window.put(canvas, 1) == [*"office", ENTER, *"anna", BACKSPACE, "A"]
    assert window.put(canvas, 1) == []


def test_names_typed_faster_than_pictures_come_are_whole(
    window: Window, record: Callable[..., Recorder], clip: Callable[..., Path], tmp_path: Path
) -> None:
    recorder = record(named=False)
    write("Zoë Müller\noffice 漢字\nq\n")
    camera = open_camera(str(clip(tmp_path / "clip.avi", 2)), recorder.settings.camera)
    with LatestFrame(camera, recorder.settings.camera) as frames:
        run_recorder(recorder, None, frames, window)  # type: ignore[arg-type]  nothing is looked at
    assert (recorder.subject, recorder.room) == ("Zoë Müller", "office 漢字")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (pygame.K_RETURN, ENTER),
        (pygame.K_KP_ENTER, ENTER),
        (pygame.K_ESCAPE, ESCAPE),
        (pygame.K_BACKSPACE, BACKSPACE),
        (pygame.K_DELETE, DELETE),
        (pygame.K_LEFT, LEFT),
        (pygame.K_UP, UP),
        (pygame.K_PAGEUP, PAGE_UP),
        (pygame.K_KP_6, RIGHT),
    ],
)
def test_keys_that_write_nothing_have_names(window: Window, canvas: Canvas, key: int, name: str) -> None:
    press(key)
    assert window.put(canvas, 1) == [name]


def test_keys_that_write_come_as_what_they_write(window: Window, canvas: Canvas) -> None:
    press(pygame.K_a, pygame.KMOD_SHIFT)
    write("A жβąü/7")
    press(pygame.K_KP_6, pygame.KMOD_NUM)
    write("6")
    press(pygame.K_F1)
    press(pygame.K_c, pygame.KMOD_CTRL)
    pygame.event.post(pygame.Event(pygame.TEXTINPUT, text="漢字"))  # composed
    assert window.put(canvas, 1) == ["A", SPACE, *"жβąü/76漢字"]


def test_nothing_counts_after_the_window_is_closed(window: Window, record: Callable[..., Recorder]) -> None:
    recorder = record()
    recorder.press(SPACE)
    pygame.event.post(pygame.Event(pygame.WINDOWCLOSE, window=None))
    write("\n")
    keys = window.put(Canvas.blank(WIDTH, HEIGHT), 1)
    assert keys == [CLOSED]


def test_canvas_is_shown_in_its_colours_and_a_larger_window_shows_it_larger(window: Window, canvas: Canvas) -> None:
    for size in ((WIDTH, HEIGHT), (WIDTH * 2, HEIGHT * 2), (WIDTH + 100, HEIGHT)):
        window.sdl.size = size
        window.put(canvas, 1)
        shown = pygame.surfarray.array3d(window.sdl.get_surface()).swapaxes(0, 1)
        assert shown.shape == (size[1], size[0], 3)
        middles = [size[1] * part // 6 for part in (1, 3, 5)]
        assert shown[middles, size[0] // 2].tolist() == (np.eye(3, dtype=int) * 255).tolist()
    assert (shown[:, :50] == 0).all()  # a wider one has bars at the sides


@pytest.mark.parametrize(
    ("size", "clicked"),
    [
        ((WIDTH, HEIGHT), (15, 25)),
        ((WIDTH * 2, HEIGHT * 2), (30, 50)),
        ((WIDTH + 100, HEIGHT), (65, 25)),
        ((WIDTH, HEIGHT + 200), (15, 125)),
    ],
)
def test_click_is_what_it_was_made_on_whatever_the_windows_size(
    window: Window, canvas: Canvas, size: tuple[int, int], clicked: tuple[int, int]
) -> None:
    window.sdl.size = size
    canvas.click(10, 20, 20, 30, "here")
    canvas.click(20, 20, 30, 30, "beside")
    write("a")
    pygame.event.post(pygame.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=clicked))
    pygame.event.post(pygame.Event(pygame.MOUSEBUTTONDOWN, button=3, pos=clicked))
    write("b")
    assert window.put(canvas, 1) == ["a", "here", "b"]

"""The command itself, on videos, and its window."""

import contextlib
import functools
import http.server
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.held_gestures import HeldGestures
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.live import live
from static_gesture_classification.live.screen import NOTHING_KEPT, Screen, draw_watch
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.live.watch import Watch
from static_gesture_classification.opencv import cv2
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.window import parts
from static_gesture_classification.recording.window.window import Window
from static_gesture_classification.sources.recorded import read_session
from tests.support.one_answer import MODEL, write_model

SIZE, RATE = (320, 240), 15
USUAL = ("recording.onnx=false", "live.least=0", "live.window=false", "live.pace=all", "live.smooth=0")
CATCHING = ("live.catch=true", "recording.min_sharpness=0", "recording.near_identical=0", "live.catch_doubts=false")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of crops that sees ONE in everything."""
    return write_model(tmp_path_factory.mktemp("models") / "one.ckpt")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of noise."""
    path = tmp_path_factory.mktemp("clips") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, SIZE)
    random = np.random.default_rng(0)
    for _ in range(2 * RATE):
        small = random.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
        writer.write(cv2.resize(small, SIZE, interpolation=cv2.INTER_NEAREST))
    writer.release()
    return path


class Command:
    """`gestures live` in an empty folder, in this process."""

    def __init__(self, folder: Path, checkpoint: Path, composed: DictConfig) -> None:
        self.folder, self.checkpoint, self.composed = folder, checkpoint, composed
        self.in_use = folder / "in_use"

    def run(self, source: object, *overrides: str) -> tuple[int, str, str]:
        """Run it: exit status, standard output, standard error."""
        status, out, err = 0, io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        places = (f"live.root={self.in_use}", f"confusions.in_use={self.in_use}", f"live.checkpoint={self.checkpoint}")
        changes = OmegaConf.from_dotlist([*places, *USUAL, f"live.source={source}", *overrides])
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                live.main.__wrapped__(OmegaConf.merge(self.composed, changes))  # type: ignore[attr-defined]
        except SystemExit as end:
            status = int(end.code or 0)
        out.flush()
        return status, out.buffer.getvalue().decode(), err.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def boxed(project: Path) -> DictConfig:
    """The configuration with a hand in a fixed box."""
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config", ["detector=box"])


@pytest.fixture
def command(tmp_path: Path, checkpoint: Path, boxed: DictConfig, monkeypatch: pytest.MonkeyPatch) -> Command:
    from static_gesture_classification.terminal import console

    monkeypatch.setattr(console, "stderr", False)  # JSON on standard output moves all else for good
    return Command(tmp_path, checkpoint, boxed)


def test_events_of_a_video_go_to_a_file_and_to_the_terminal(command: Command, clip: Path) -> None:
    events = command.folder / "events.jsonl"
    status, printed, _ = command.run(clip, f"live.json_lines={events}")
    assert status == 0
    begin, end = map(json.loads, events.read_text().splitlines())
    assert (begin["event"], begin["gesture"], end["event"]) == ("begin", "ONE", "end")
    assert 0.3 <= begin["time"] < 0.5
    assert "Nothing is kept" in printed
    assert "ONE, 100%" in printed
    assert not command.in_use.exists()


def test_standard_output_is_nothing_but_json_where_json_goes_there(command: Command, clip: Path) -> None:
    status, printed, others = command.run(clip, "live.json_lines='-'")
    assert status == 0
    assert [json.loads(line)["event"] for line in printed.splitlines()] == ["begin", "end"]
    assert "names the gestures" in others


def test_typed_name_keeps_the_last_seconds_as_that_gesture(
    command: Command, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed: list[str] = []
    monkeypatch.setattr(live.EventLines, "_read", lambda lines: None)
    shown = live.EventLines.show

    def type_it(lines: live.EventLines, watch: Watch, figures: Figures) -> list[str]:
        if watch.captured is not None and watch.captured.number == 20 and not typed:
            typed.append("FIST")
            lines._typed.put("FISTT")
            lines._typed.put("FIST")
        return shown(lines, watch, figures)

    monkeypatch.setattr(live.EventLines, "show", type_it)
    status, printed, _ = command.run(clip, *CATCHING, "live.subject=anna")
    assert status == 0
    assert "Catching is on" in printed
    assert "There is no gesture 'FISTT'" in printed
    (folder,) = command.in_use.iterdir()
    session = read_session(folder)
    assert (session.gesture, session.subject) == ("FIST", "anna")
    assert {image.prediction for image in session.images} == {"ONE"}
    assert str(folder) in printed.replace("\n", "")
    assert "gestures retrain" in printed


@pytest.fixture
def stream(clip: Path) -> Iterator[str]:
    """A stream that ends."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(clip.parent))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{clip.name}"
        server.shutdown()


def test_stream_that_ends_is_told_and_ends_its_gestures(command: Command, stream: str) -> None:
    events = command.folder / "events.jsonl"
    status, printed, _ = command.run(stream, f"live.json_lines={events}", "live.hold=0", "live.reconnect_seconds=0")
    assert status == 1
    assert "stopped giving pictures" in printed
    assert [json.loads(line)["event"] for line in events.read_text().splitlines()] == ["begin", "end"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("live.checkpoint=none.ckpt",), r"none\.ckpt, which does not exist"),
        (("live.commands={FOUR: [x]}",), "unknown gesture 'FOUR'"),
        (("live.source=7",), "no camera 7"),
        (("live.source=nothing.mp4",), "no file or folder here"),
    ],
)
def test_what_cannot_be_watched_is_an_error(
    overrides: tuple[str, ...], message: str, command: Command, clip: Path
) -> None:
    with pytest.raises(UserError, match=message):
        command.run(clip, *overrides)


# The window


@pytest.fixture
def watch(checkpoint: Path, settings: Callable[..., LiveSettings]) -> Callable[..., Watch]:
    def made(*overrides: str) -> Watch:
        how = settings(*overrides)
        predictor = Predictor.load(checkpoint, BoxDetector(box=(0.25, 0.25, 0.75, 0.75)))
        catcher = live.open_catcher(how, predictor, checkpoint)
        return Watch(predictor, HeldGestures(how.holding, MODEL), [], catcher, "largest", print)

    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All texts that are drawn."""
    texts: list[str] = []
    write = parts.Canvas.text

    def noted(canvas: parts.Canvas, text: str, *args: object, **options: object) -> int:
        texts.append(text)
        return write(canvas, text, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.Canvas, "text", noted)
    return texts


def look(watch: Watch, count: int, size: tuple[int, int] = SIZE) -> None:
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), np.uint8)
        watch.see(Captured(image, number, number / RATE))


def test_screen_says_what_is_seen_and_that_nothing_is_kept(watch: Callable[..., Watch], said: list[str]) -> None:
    seen = watch()
    look(seen, 10)
    draw_watch(seen, Figures(15.0, 14.6, 3), mirrored=True)
    assert {"ONE 100%", NOTHING_KEPT, "ONE"} <= set(said)
    assert any("15 frames/s" in text for text in said)
    assert "that was wrong" not in said


def test_key_and_number_keep_what_was_wrong_and_the_screen_says_so(
    watch: Callable[..., Watch], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    seen = watch(*CATCHING)
    look(seen, 10)
    with Window("live") as window:
        screen = Screen(window, mirrored=False)
        for text in ("w", "4"):
            pygame.event.post(pygame.Event(pygame.TEXTINPUT, text=text))
            for key in screen.show(seen, Figures()):
                seen.press(key)
        screen.show(seen, Figures())
    assert any(text.startswith("catching: hands are kept in") for text in said)
    assert "What was meant?" in said
    (error,) = seen.catcher.kept
    assert error.gesture == "FIST"
    assert any("which was taken for ONE" in text for text in said)


def test_escape_keeps_nothing(watch: Callable[..., Watch], said: list[str]) -> None:
    seen = watch(*CATCHING)
    look(seen, 10)
    seen.press("w")
    draw_watch(seen, Figures(), mirrored=True)
    assert {"What was meant?", "The model said ONE."} <= set(said)
    seen.press("escape")
    assert seen.catcher.waiting is None
    assert not seen.over
    assert seen.catcher.kept == []


def test_pictures_of_another_size_are_shown(watch: Callable[..., Watch]) -> None:
    seen = watch(*CATCHING)
    for size in (SIZE, (1280, 720), (240, 640)):
        look(seen, 3, size)
        assert draw_watch(seen, Figures(), mirrored=True).pixels.shape == (parts.HEIGHT, parts.WIDTH, 3)


def test_an_added_gesture_counts_until_a_newer_model_is_made(
    settings: Callable[..., LiveSettings], tmp_path: Path
) -> None:
    wanted = settings(f"paths.models={tmp_path}")
    with pytest.raises(UserError, match="train a model"):
        live.find_checkpoint(wanted)
    best, added = tmp_path / "best.ckpt", tmp_path / "added.ckpt"
    for path, second in ((best, 100), (added, 200)):
        path.touch()
        os.utime(path, (second, second))
    assert live.find_checkpoint(wanted) == added
    os.utime(best, (300, 300))
    assert live.find_checkpoint(wanted) == best

"""The command itself, on videos: how it ends, what it prints, and what is on the disk afterwards."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.window.parts import HEIGHT, WIDTH
from static_gesture_classification.sources.recorded import Recorded, Session, read_session
from tests.support.waiting import PATIENCE, until

Clip = Callable[..., Path]
BOXED = (
    "detector=box",
    "recording.min_sharpness=0",
    "recording.window=none",
    "recording.gesture=FIST",
    "recording.interval=0",
)
GESTURES = Vocabulary(("BACKGROUND", "ONE", "TWO", "THREE", "FOUR", "FIVE", "FIST"), "BACKGROUND")


class Command:
    """`record_gestures.py` run in an empty folder, so that no plan and no checkpoint of the project plays a part."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.root = folder / "recorded"

    def start(self, *overrides: str, **environment: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [sys.executable, str(self.project / "record_gestures.py"), f"recording.root={self.root}", *overrides],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
        )

    def run(self, *overrides: str) -> tuple[int, str]:
        """Run it in this process: exit status, and all that it printed."""
        import record_gestures

        printed, arguments, status = io.StringIO(), sys.argv, 0
        sys.argv = ["record_gestures.py", f"recording.root={self.root}", *overrides]
        try:
            with (
                contextlib.chdir(self.folder),
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
            ):
                record_gestures.main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.argv = arguments
        return status, " ".join(printed.getvalue().split())

    def sessions(self) -> list[Session]:
        """The sessions that are on the disk; each must load, and so must its pictures."""
        found = []
        for path in sorted(self.root.glob("*/session.json")):
            session = read_session(path.parent)
            for image in session.images:
                Image.open(path.parent / image.file).load()
            found.append(session)
        return found

    def wait_for_pictures(self, count: int) -> None:
        """Wait until so many are listed."""
        until(lambda: sum(len(session.images) for session in self.sessions()) >= count)

    def wait_for_files(self, pattern: str, count: int) -> None:
        """Wait until there are so many of a pattern."""
        until(lambda: len(list(self.root.glob(pattern))) >= count)


@pytest.fixture
def command(project: Path, tmp_path: Path) -> Command:
    return Command(project, tmp_path)


def test_video_of_a_person_becomes_a_session(command: Command, photographs: Path) -> None:
    status, printed = command.run(
        "recording.window=none",
        "recording.gesture=FIVE",
        "recording.count=6",
        "recording.pace=all",
        "recording.subject=Анна / 🖐",
        f"recording.source={photographs / 'videos/webcam.mp4'}",
        f"detector.model.path={photographs.parent / 'models/hand_landmarker.task'}",
    )
    assert status == 0, printed
    (session,) = command.sessions()
    assert (session.gesture, session.subject, len(session.images)) == ("FIVE", "Анна / 🖐", 6)
    assert all(image.landmarks is not None for image in session.images)
    batches = list(Recorded(name="recorded", root=str(command.root)).read(GESTURES))
    assert sum(len(batch.table) for batch in batches) == 6
    assert not [row for batch in batches for row in batch.rejected]
    assert "dvc repro" in printed
    assert "6 of 6 recorded" in printed


@pytest.mark.concurrent
def test_kill_leaves_a_session_that_loads(command: Command, clip: Clip) -> None:
    video = clip(command.folder / "clip.avi", 400)
    process = command.start(*BOXED, "recording.count=400", f"recording.source={video}")
    command.wait_for_pictures(4)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert len(command.sessions()[0].images) >= 4


@pytest.mark.concurrent
def test_interrupt_ends_it_with_the_session_and_the_commands(command: Command, clip: Clip) -> None:
    video = clip(command.folder / "clip.avi", 400)
    process = command.start(*BOXED, "recording.count=400", f"recording.source={video}")
    command.wait_for_pictures(2)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert "dvc repro" in printed
    assert len(command.sessions()[0].images) >= 2


@pytest.mark.concurrent
@pytest.mark.full
def test_two_recorders_at_once_lose_nothing(command: Command, clip: Clip) -> None:
    video = clip(command.folder / "clip.avi", 40)
    both = [
        command.start(*BOXED, "recording.count=20", "recording.pace=all", f"recording.source={video}") for _ in range(2)
    ]
    for process in both:
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, printed
    assert [len(session.images) for session in command.sessions()] == [20, 20]


def test_disk_that_fills_up_is_told_of_and_no_picture_is_lost(command: Command, clip: Clip) -> None:
    disk, rescue = command.folder / "disk", command.folder / "rescue"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk]).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        command.root = disk / "recorded"
        video = clip(command.folder / "clip.avi", 60)
        whole = ("recording.whole_frame=true", "recording.pace=all", "recording.count=60", f"recording.rescue={rescue}")
        status, printed = command.run(*BOXED, *whole, f"recording.source={video}")
        saved = command.sessions()[0].images
        command.root = rescue
        rescued = command.sessions()[0].images
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert status == 1
    assert "the disk is full" in printed
    assert str(rescue) in printed
    names = [image.file for image in (*saved, *rescued)]
    assert names == [f"{number:06d}.jpg" for number in range(len(names))]


def test_what_was_caught_in_use_without_a_gesture_is_to_be_named(tmp_path: Path, project: Path) -> None:
    from hydra import compose, initialize_config_dir

    from static_gesture_classification.recording.opening import unnamed_sets
    from static_gesture_classification.recording.settings import RecordingSettings
    from static_gesture_classification.sources.recorded import RecordedImage, write_session

    folder = tmp_path / "in_use" / ".unlabelled-2026-11-27_10-00-00_anna"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "000000.jpg")
    write_session(folder, Session("", subject="anna", images=(RecordedImage("000000.jpg", (0.2, 0.2, 0.8, 0.8)),)))
    places = [f"confusions.in_use={tmp_path / 'in_use'}", f"recording.root={tmp_path / 'recorded'}"]
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        settings = RecordingSettings.from_config(compose("config", places))
    (writer,) = unnamed_sets(settings)
    writer.label("FIST")
    writer.close()
    assert [path.name for path in (tmp_path / "in_use").iterdir()] == ["2026-11-27_10-00-00_anna_FIST"]


def test_place_that_cannot_be_written_is_an_error_before_anything_is_recorded(command: Command, clip: Clip) -> None:
    (command.folder / "recorded").write_text("a file")
    status, printed = command.run(*BOXED, f"recording.source={clip(command.folder / 'clip.avi', 2)}")
    assert status == 1
    assert "is a file, not a folder" in printed
    assert "Traceback" not in printed


def test_video_without_hands_records_nothing_and_says_so(command: Command, clip: Clip, photographs: Path) -> None:
    status, printed = command.run(
        "recording.window=none",
        "recording.gesture=FIST",
        "recording.pace=all",
        f"recording.source={clip(command.folder / 'clip.avi', 8)}",
        f"detector.model.path={photographs.parent / 'models/hand_landmarker.task'}",
    )
    assert status == 0, printed
    assert "no hand found" in printed
    assert "Nothing was recorded" in printed


def test_video_of_two_frames_gives_two_pictures(command: Command, clip: Clip) -> None:
    video = clip(command.folder / "clip.avi", 2)
    status, printed = command.run(*BOXED, "recording.pace=all", f"recording.source={video}")
    assert status == 0, printed
    assert len(command.sessions()[0].images) == 2


def test_video_that_changes_its_size_and_is_cut_off_gives_what_it_has(command: Command) -> None:
    video, random = command.folder / "clip.mjpeg", np.random.default_rng(0)
    with video.open("wb") as file:
        for size in ((320, 240), (320, 240), (160, 120), (160, 120), (160, 120)):
            small = Image.fromarray(random.integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8))
            jpeg = io.BytesIO()
            small.resize(size, Image.Resampling.NEAREST).save(jpeg, "JPEG", quality=95)
            file.write(jpeg.getvalue())
        file.write(jpeg.getvalue()[:500])
    status, printed = command.run(*BOXED, "recording.pace=all", "recording.min_hand=8", f"recording.source={video}")
    assert status == 0, printed
    assert len(command.sessions()[0].images) >= 5


def test_without_a_window_something_must_say_what_is_performed(command: Command, clip: Clip) -> None:
    video = clip(command.folder / "clip.avi", 2)
    status, printed = command.run("recording.window=none", "detector=box", f"recording.source={video}")
    assert status == 1
    assert "give recording.gesture=NAME" in printed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named on Linux only")
@pytest.mark.parametrize("display", ["", ":4321"])
def test_missing_display_is_an_error_that_says_what_to_try(
    display: str, command: Command, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    status, printed = command.run("detector=box", f"recording.source={clip(command.folder / 'clip.avi', 2)}")
    assert status == 1
    assert "window can be opened" in printed or "no display" in printed
    assert "window=none" in printed


# With real keys in a real window


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual display."""
    missing = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (apt-get install xvfb xdotool)")
    reading, writing = os.pipe()
    screen = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH + 40}x{HEIGHT + 60}x24"]
    server = subprocess.Popen(screen, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


# The ClientMessage WM_DELETE_WINDOW (ICCCM 4.2.8.1), by libX11: type, serial, send_event, display, window, ...
CLOSE_WINDOW = """
import ctypes, sys
x = ctypes.CDLL("libX11.so.6")
x.XOpenDisplay.restype = ctypes.c_void_p
x.XInternAtom.restype = ctypes.c_ulong
display = ctypes.c_void_p(x.XOpenDisplay(None))
window = int(sys.argv[1])
message, delete = (x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
event = (ctypes.c_long * 24)(33, 0, 1, display.value, window, message, 32, delete)
x.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), event)
x.XFlush(display)
"""


class Keyboard:
    """Presses keys in the window of a recorder that says that it is open. None waits for the one before."""

    def __init__(self, recorder: subprocess.Popen[str], display: str) -> None:
        self.environment = {**os.environ, "DISPLAY": display}
        assert recorder.stdout is not None
        printed = []
        for line in recorder.stdout:
            printed.append(line)
            if "The window is open" in line:
                break
        else:
            raise AssertionError("".join(printed))
        self.window = self._xdotool("search", "--pid", str(recorder.pid)).split()[-1]
        self._xdotool("windowfocus", self.window)

    def press(self, *keys: str) -> None:
        self._xdotool("key", *keys)

    def type(self, text: str) -> None:
        """A name, as fast as it goes."""
        self._xdotool("type", "--delay", "0", text)
        self.press("Return")

    def close_window(self) -> None:
        """What a click on the window's cross sends."""
        subprocess.run([sys.executable, "-c", CLOSE_WINDOW, self.window], env=self.environment, check=True)

    def _xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], env=self.environment, capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        return done.stdout.strip()


@pytest.mark.concurrent
def test_keys_in_the_window_record_name_drop_and_keep(command: Command, clip: Clip, display: str) -> None:
    video = clip(command.folder / "clip.avi", 300, rate=5)  # a minute, of which two seconds are wanted
    process = command.start("detector=box", "recording.min_sharpness=0", f"recording.source={video}", DISPLAY=display)
    keyboard = Keyboard(process, display)
    keyboard.type("Anna Bobb")
    keyboard.type("office, mississippi 0011")
    keyboard.press("space")
    command.wait_for_files(".unlabelled-*/[0-9]*.jpg", 4)
    keyboard.press("Return", "4", "Right", "space", "Return", "q", "Return")
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    (session,) = command.sessions()
    assert (session.gesture, session.subject) == ("THREE", "Anna Bobb")
    assert session.camera == "office, mississippi 0011"
    assert len(session.images) >= 3
    assert session.images[1].file == "000002.jpg"
    assert len(list(command.root.glob("*/*.jpg"))) == len(session.images)


@pytest.mark.concurrent
def test_closed_window_keeps_the_session(command: Command, clip: Clip, display: str) -> None:
    video = clip(command.folder / "clip.avi", 300, rate=5)
    names = ("recording.subject=bo", "recording.room=office", "recording.gesture=FIST", "recording.countdown=0")
    process = command.start(
        "detector=box", "recording.min_sharpness=0", *names, f"recording.source={video}", DISPLAY=display
    )
    keyboard = Keyboard(process, display)
    keyboard.press("space")
    command.wait_for_pictures(2)
    keyboard.close_window()
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert len(command.sessions()[0].images) >= 2

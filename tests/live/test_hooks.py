"""Hooks act on real files, processes, sockets and keyboards."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from static_gesture_classification.errors import UserError
from static_gesture_classification.inference.held_gestures import GestureEvent
from static_gesture_classification.live.hooks.commands import Commands
from static_gesture_classification.live.hooks.hook import Hook
from static_gesture_classification.live.hooks.json_lines import JsonLines
from static_gesture_classification.live.hooks.key_presses import KeyPresses
from static_gesture_classification.live.hooks.websocket import Websocket
from static_gesture_classification.live.settings import LiveSettings
from tests.support.waiting import PATIENCE, until

Event = Callable[..., GestureEvent]
pytestmark = pytest.mark.concurrent


def problems_of(hook: Hook, count: int = 1) -> list[str]:
    """Wait for so many problems."""
    found: list[str] = []
    until(lambda: found.extend(hook.problems()) or len(found) >= count)
    return found


def test_each_event_is_a_line_of_json_beside_those_that_were_there(tmp_path: Path, event: Event) -> None:
    path = tmp_path / "below" / "events.jsonl"
    for _ in range(2):
        with JsonLines(str(path)) as hook:
            hook.tell(event())
            hook.tell(event(ends=True))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begin", "end"] * 2
    assert lines[0]["gesture"] == "FIST"
    assert lines[0]["box"] == [0.3, 0.3, 0.6, 0.7]
    assert lines[1]["held"] == 1.5


def test_file_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a part of this path is a file"):
        JsonLines(str(tmp_path / "file" / "events.jsonl"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk_is_said_once(event: Event) -> None:
    with JsonLines("/dev/full") as hook:
        for _ in range(3):
            hook.tell(event())
        assert problems_of(hook) == ["JSON lines: No space left on device"]
    assert hook.problems() == []


def test_command_of_a_gesture_runs_without_a_shell_and_is_told_about_it(tmp_path: Path, event: Event) -> None:
    out = tmp_path / "said"
    code = "import os, sys, pathlib; p = pathlib.Path(sys.argv[1] + '.new'); p.write_text(os.environ['GESTURE'] + "
    code += "sys.argv[2]); p.rename(sys.argv[1])"
    with Commands({"FIST": (sys.executable, "-c", code, str(out), " $HOME; `id`")}, 60.0) as hook:
        hook.tell(event("ONE"))
        hook.tell(event())
        until(out.exists)
    assert out.read_text() == "FIST $HOME; `id`"


def test_command_that_fails_or_is_not_there_is_said_once(event: Event) -> None:
    failing = (sys.executable, "-c", "import sys; sys.exit('no projector')")
    with Commands({"FIST": failing, "ONE": ("no-such-program",)}, 60.0) as hook:
        hook.tell(event())
        (failed,) = problems_of(hook)
        hook.tell(event("ONE"))
        (absent,) = problems_of(hook)
        hook.tell(event("ONE"))
    assert "failed with status 1: no projector" in failed
    assert "no-such-program" in absent
    assert hook.problems() == []


def test_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path, event: Event) -> None:
    mark = f"{tmp_path.name}-hangs"
    child = "import subprocess, sys, threading; subprocess.Popen([sys.executable, '-c', "
    child += "'import threading; threading.Event().wait()', sys.argv[1]]); threading.Event().wait()"
    with Commands({"FIST": (sys.executable, "-c", child, mark)}, 0.5) as hook:
        hook.tell(event())
        (problem,) = problems_of(hook)
    assert "ran longer than" in problem
    until(lambda: mark not in running_commands())


def running_commands() -> str:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return listed.stdout


@pytest.fixture
def websocket() -> Iterator[Websocket]:
    with Websocket("127.0.0.1", 0) as hook:
        yield hook


def test_everybody_who_is_connected_gets_each_event(websocket: Websocket, event: Event) -> None:
    address = f"ws://127.0.0.1:{websocket.port}"
    with connect(address) as one, connect(address, origin="http://localhost:8000") as other:  # type: ignore[arg-type]
        websocket.tell(event())
        for client in (one, other):
            assert json.loads(client.recv(PATIENCE))["gesture"] == "FIST"


def test_client_that_leaves_disturbs_nobody(websocket: Websocket, event: Event) -> None:
    address = f"ws://127.0.0.1:{websocket.port}"
    with connect(address) as one:
        with connect(address):
            pass
        websocket.tell(event())
        assert one.recv(PATIENCE)
    assert websocket.problems() == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_web_page_of_another_site_is_refused(websocket: Websocket, origin: str) -> None:
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{websocket.port}", origin=origin)  # type: ignore[arg-type]


def test_port_in_use_is_an_error_that_names_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match=r"live\.websocket=8766"):
        Websocket("127.0.0.1", taken.getsockname()[1])


KEYS = """
import os, sys
from Xlib import X, XK, display
from static_gesture_classification.inference.held_gestures import GestureEvent
from static_gesture_classification.live.hooks.key_presses import KeyPresses
screen = display.Display()
window = screen.screen().root.create_window(0, 0, 100, 100, 0, X.CopyFromParent, event_mask=X.KeyPressMask)
window.map()
screen.sync()
window.set_input_focus(X.RevertToParent, X.CurrentTime)
screen.sync()
with KeyPresses({"FIST": "page_down", "ONE": "ctrl+a"}) as hook:
    for gesture in ("FIST", "ONE"):
        hook.tell(GestureEvent("begin", gesture, 0.9, "right", 1, (0, 0, 1, 1), 0.0))
        hook.tell(GestureEvent("end", gesture, 0.9, "right", 1, (0, 0, 1, 1), 0.0))
    pressed = []
    while len(pressed) < 3:
        event = screen.next_event()
        if event.type == X.KeyPress:
            symbol = screen.keycode_to_keysym(event.detail, 0)
            names = [name for name in ("Next", "Control_L", "a") if XK.string_to_keysym(name) == symbol]
            pressed.append((*names, event.state))
print(pressed)
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    yield f":{os.read(reading, 16).decode().strip()}"
    server.terminate()
    server.wait()


def test_window_with_the_focus_gets_the_key_of_a_gesture(display: str, project: Path) -> None:
    pytest.importorskip("Xlib")
    done = subprocess.run(
        [sys.executable, "-c", KEYS],
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": str(project)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[('Next', 0), ('Control_L', 0), ('a', 4)]"


def test_missing_pynput_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynput", None)
    with pytest.raises(UserError, match=r"pynput.*pip install"):
        KeyPresses({"FIST": "space"})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("live.commands={FIST: firefox}", "must give FIST a list, without a shell"),
        ("live.commands={FIST: []}", "must give FIST a list"),
        ("live.commands=firefox", "must name gestures"),
        ("live.keys=[space]", "must name gestures"),
        ("live.websocket=70000", "less than or equal to 65535"),
    ],
)
def test_hook_that_is_written_wrongly_is_refused(
    override: str, message: str, settings: Callable[..., LiveSettings]
) -> None:
    with pytest.raises(UserError, match=message):
        settings(override)

"""Recording with the browser's camera: what a page sends, and what it is shown."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from starlette.testclient import TestClient, WebSocketTestSession

from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.images import read_image
from static_gesture_classification.recording.keys import CLOSED, ENTER, SPACE
from static_gesture_classification.recording.states import CLICKED
from static_gesture_classification.review.camera.sockets import RECORD
from static_gesture_classification.sources.recorded import Confusion, Session, read_session
from tests.review.conftest import PHONE, Served

ROOT = Path("data/recorded")
State = dict[str, Any]


class Page:
    """What `recorder.js` does: it sends pictures while it waits for a state."""

    def __init__(self, socket: WebSocketTestSession) -> None:
        self.socket = socket
        self.numbers = itertools.count()
        self.pictures: dict[str, str] = {}
        self.state: State = {}

    def press(self, *keys: str) -> None:
        self.socket.send_json({"keys": list(keys)})

    def until(self, shows: Callable[[State], bool]) -> State:
        """Send pictures until a state comes that is as wanted."""
        while True:
            number = next(self.numbers)
            noise = np.random.default_rng(number).integers(0, 255, (120, 160, 3), np.uint8)
            jpeg = simplejpeg.encode_jpeg(noise, colorspace="RGB")
            self.socket.send_bytes(number.to_bytes(4, "big") + jpeg)
            message = self.socket.receive_json()
            self.pictures |= message.get("pictures", {})
            self.state = message["state"]
            if shows(self.state):
                return self.state

    def on(self, screen: str) -> State:
        return self.until(lambda state: state["screen"] == screen)


@contextmanager
def opened(client: TestClient, query: str = "?gesture=FIST") -> Iterator[Page]:
    with client.websocket_connect(RECORD + query) as socket:
        yield Page(socket)


def sessions(root: Path = ROOT) -> list[Session]:
    return [read_session(folder) for folder in sorted(root.glob("[!.]*"))]


def test_a_set_is_recorded_looked_through_and_kept(served: Served) -> None:
    with opened(served("recording.count=4")) as page:
        ready = page.on("ready")
        assert (ready["title"], ready["wanted"], ready["subject"]) == ("FIST", "4 pictures", "anna")
        assert {"key": SPACE, "shown": "Space", "does": "start"} in ready["keys"]
        looked = page.until(lambda state: bool(state.get("hands")) and state["frame"] >= 0)
        assert looked["hands"][0]["box"] == [0.25, 0.25, 0.75, 0.75]
        page.press(SPACE)
        sheet = page.on("reviewing")
        assert [each["picture"] in page.pictures for each in sheet["pictures"]] == [True] * 4
        page.press(f"{CLICKED}1")
        page.until(lambda state: state["pictures"][1]["dropped"])
        page.press(ENTER)
        page.on("ready")
        page.press("q", ENTER)
        over = page.on("over")
    assert [(each["gesture"], each["pictures"]) for each in over["sets"]] == [("FIST", 3)]
    (session,) = sessions()
    assert (session.gesture, session.subject, session.camera, len(session.images)) == ("FIST", "anna", "kitchen", 3)


def test_a_page_that_is_closed_leaves_a_session_that_loads(served: Served) -> None:
    with opened(served("recording.count=400")) as page:
        page.on("ready")
        page.press(SPACE)
        page.until(lambda state: state.get("kept", 0) >= 3)
    (session,) = sessions()
    assert len(session.images) >= 3
    (folder,) = ROOT.glob("[!.]*")
    assert all(read_image(folder / image.file).size for image in session.images)


def test_a_second_page_is_told_that_one_is_recording(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("static_gesture_classification.review.camera.sockets.PATIENCE", 0.0)
    client = served()
    with client, opened(client) as first:
        first.on("ready")
        with opened(client) as second:
            assert "Another page" in second.on("problem")["text"]
        first.press(SPACE)
        assert first.on("recording")["kept"] >= 0
        first.press(CLOSED)
        first.on("over")


def test_a_confusion_is_recorded_as_one(served: Served) -> None:
    with opened(served("recording.count=2"), "?gesture=FIST&mistaken_for=ONE") as page:
        assert page.on("ready")["title"] == "FIST, the model takes it for ONE"
        page.press(SPACE)
        page.on("reviewing")
    assert sessions()[0].confusion == Confusion("FIST", "ONE")


def test_a_line_of_the_plan_is_recorded_with_its_number_and_reason(served: Served) -> None:
    lines = [PlannedRecording("FIST", other, count, 1, 0.1, 0.1, f"for {other}") for other, count in
             (("ONE", 7), ("TWO", 9))]  # fmt: skip
    write_plan(RecordingPlan(PLAN_VERSION, "", tuple(lines)), Path("reports/plan.json"))
    with opened(served(), "?gesture=FIST&mistaken_for=TWO") as page:
        ready = page.on("ready")
    assert (ready["wanted"], ready["reason"]) == ("9 pictures", "for TWO")


def test_names_are_asked_for_and_typed(served: Served) -> None:
    with opened(served("recording.subject=null", "recording.room=null"), "?what=free") as page:
        assert page.on("asking")["known"] == []
        page.press(*"Eva", ENTER)
        page.until(lambda state: state["screen"] == "asking" and "room" in state["title"])
        page.press(*"hall", ENTER)
        ready = page.on("ready")
    assert (ready["subject"], ready["room"]) == ("Eva", "hall")


def test_a_phones_pictures_are_masked(served: Served) -> None:
    with opened(served("recording.count=1", "recording.whole_frame=true", address=PHONE)) as page:
        assert page.on("ready")["masked"]
        page.press(SPACE)
        page.on("reviewing")
    (folder,) = ROOT.glob("[!.]*")
    picture = read_image(folder / "000000.jpg").astype(int)
    assert (
        np.abs(np.diff(picture[:10, :30], axis=1)).mean() < 8 < np.abs(np.diff(picture[50:70, 60:100], axis=1)).mean()
    )


def test_what_cannot_be_recorded_is_said(served: Served) -> None:
    client = served()
    for query in ("gesture=NOTHING", "what=all", "mistaken_for=ONE", "gesture=ONE&mistaken_for=ONE", "gesture=../etc"):
        with opened(client, f"?{query}") as page:
            assert page.on("problem")["text"]
    assert not ROOT.exists()


def test_what_no_page_sends_changes_nothing(served: Served) -> None:
    with opened(served()) as page:
        page.on("ready")
        for text in (
            "",
            "{",
            "[]",
            '{"keys": 3}',
            '{"keys": [1, null, ""]}',
            '{"key": "q"}',
            '{"keys": ["' + "q" * 101 + '"]}',
        ):
            page.socket.send_text(text)
        page.socket.send_bytes(b"")
        page.socket.send_bytes(b"\x00\x00\x00\x01no picture")
        page.press(SPACE)
        page.until(lambda state: state.get("kept", 0) >= 2)
        page.press(ENTER)
        page.on("reviewing")
        page.press(f"{CLICKED}99", f"{CLICKED}-1", f"{CLICKED}x", "no key")
        assert not any(each["dropped"] for each in page.on("reviewing")["pictures"])
        page.press(CLOSED)
        assert page.on("over")["sets"]

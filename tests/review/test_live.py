"""The live view, and trying pictures and videos."""

import io
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image
from starlette.testclient import TestClient

from static_gesture_classification.active_learning.diagnosis.in_use import find_errors_in_use
from static_gesture_classification.opencv import cv2
from static_gesture_classification.review.camera.live_face import CATCH_ON
from static_gesture_classification.review.camera.sockets import LIVE, TRY, WRONG
from static_gesture_classification.review.camera.trying import SAMPLED
from tests.review.conftest import PHONE, Served
from tests.review.test_record import Page
from tests.support.one_answer import write_model

IN_USE = Path("data/in_use")
USUAL = ("recording.onnx=false", "live.least=0", "live.smooth=0", f"live.root={IN_USE}", f"confusions.in_use={IN_USE}")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It sees ONE in everything."""
    return write_model(tmp_path_factory.mktemp("models") / "one.ckpt")


@pytest.fixture
def client(served: Served, checkpoint: Path) -> TestClient:
    return served(*USUAL, f"live.checkpoint={checkpoint}")


def picture(kind: str = "JPEG", size: tuple[int, int] = (160, 120)) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, kind)
    return written.getvalue()


def test_the_live_view_names_gestures_and_keeps_nothing_unless_switched_on(client: TestClient) -> None:
    with client.websocket_connect(LIVE) as socket:
        page = Page(socket)
        live = page.until(lambda state: state["screen"] == "live" and bool(state["hands"]))
        assert not live["catching"]
        assert live["list"][0]["gestures"][0][0] == "ONE"
        assert [key["key"] for key in live["keys"]] == ["q"]
        page.press("w", CATCH_ON)
        page.until(lambda state: state["catching"])
        page.press("w")
        assert page.until(lambda state: state["said"] is not None)["said"] == "ONE"
        fist = next(each["key"] for each in page.state["gestures"] if each["name"] == "FIST")
        page.press(fist)
        assert page.until(lambda state: state["caught"] > 0)["said"] is None
        page.press("q")
        assert page.on("over")["problems"] == []
    (error,) = find_errors_in_use(IN_USE)
    assert (error.gesture, error.prediction) == ("FIST", "ONE")


def test_a_picture_is_tried_and_what_was_wrong_is_kept(client: TestClient) -> None:
    seen = client.post(TRY, content=picture("PNG")).json()
    (tried,) = seen["pictures"]
    assert (seen["kind"], tried["size"], tried["hands"][0]["gesture"]) == ("picture", [160, 120], "ONE")
    assert tried["address"].startswith("data:image/jpeg")
    assert not IN_USE.exists()
    wrong = {"picture": tried["name"], "hand": 0, "gesture": "FIST"}
    assert client.post(WRONG, json=wrong).json()["said"] == "Kept 1 picture: FIST, which was taken for ONE."
    (error,) = find_errors_in_use(IN_USE)
    assert (error.gesture, error.prediction, error.pictures) == ("FIST", "ONE", 1)


def test_a_video_is_sampled_and_not_kept(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (160, 120))
    for grey in range(60):
        writer.write(np.full((120, 160, 3), 4 * grey, np.uint8))
    writer.release()
    before = sorted(tmp_path.rglob("*"))
    seen = client.post(TRY, content=path.read_bytes()).json()
    times = [each["time"] for each in seen["pictures"]]
    assert seen["kind"] == "video"
    assert len(times) <= SAMPLED
    assert times == sorted(times)
    assert times[-1] > 3
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_neither_picture_nor_video_is_said(client: TestClient) -> None:
    for data in (b"", b"text", picture()[:500], b"\x00\x00\x00\x18ftypmp42" + bytes(100)):
        assert "neither a picture nor a video" in client.post(TRY, content=data).json()["problem"]


def test_what_cannot_be_wrong_is_said_and_keeps_nothing(client: TestClient) -> None:
    name = client.post(TRY, content=picture()).json()["pictures"][0]["name"]
    for tried, hand, gesture, says in (
        ("../../etc/passwd", 0, "FIST", "no longer in memory"),
        (name, 5, "FIST", "no longer in memory"),
        (name, 0, "NOTHING", "NOTHING"),
    ):
        answer = client.post(WRONG, json={"picture": tried, "hand": hand, "gesture": gesture})
        assert says in answer.json()["problem"]
    for body in (b"{", b"[]", b'{"picture": 3, "hand": "x"}', b""):
        assert client.post(WRONG, content=body, headers={"content-type": "application/json"}).status_code == 422
    assert not IN_USE.exists()


def test_a_phones_errors_are_masked(served: Served, checkpoint: Path) -> None:
    client = served(*USUAL, f"live.checkpoint={checkpoint}", "recording.whole_frame=true", address=PHONE)
    name = client.post(TRY, content=picture()).json()["pictures"][0]["name"]
    client.post(WRONG, json={"picture": name, "hand": 0, "gesture": "FIST"})
    (path,) = IN_USE.rglob("*.jpg")
    kept = simplejpeg.decode_jpeg(path.read_bytes()).astype(int)
    assert np.abs(np.diff(kept[:10, :30], axis=1)).mean() < 8


def test_without_a_model_it_is_said_what_to_do(served: Served) -> None:
    with served(*USUAL).websocket_connect(LIVE) as socket:
        assert "train a model" in Page(socket).on("problem")["text"]

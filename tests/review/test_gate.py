"""Who may come in."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from static_gesture_classification.review.gate import COOKIE, Gate
from static_gesture_classification.review.settings import LOOPBACK

LOCAL, OTHER = ("127.0.0.1", 5000), ("192.168.0.7", 5000)
URL = "http://127.0.0.1:8080"


def client(token: str | None = None, address: tuple[str, int] = LOCAL) -> TestClient:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("page")

    async def upload(request: object) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))  # type: ignore[attr-defined]

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    routes = [Route("/page", page), Route("/upload", upload, methods=["POST"]), WebSocketRoute("/socket", socket)]
    return TestClient(Gate(Starlette(routes=routes), LOOPBACK, token, 1000), URL, client=address)


def test_own_pages_come_in_and_may_be_framed_by_nobody() -> None:
    answer = client().get("/page", headers={"origin": URL})
    assert answer.text == "page"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "", "[::1"])
def test_a_foreign_name_for_this_machine_is_refused(host: str) -> None:
    assert client().get("/page", headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://evil/127.0.0.1:8080"]
)
def test_pages_of_other_sites_may_neither_post_nor_open_a_websocket(origin: str) -> None:
    assert client().post("/upload", content=b"x", headers={"origin": origin}).status_code == 403
    with (
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        client().websocket_connect("/socket", headers={"origin": origin}) as socket,
    ):
        socket.receive_text()


def test_a_browser_that_says_the_request_is_cross_site_is_believed() -> None:
    assert client().post("/upload", content=b"x", headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"content-length": "-1"}, {"content-length": "many"}])
def test_a_body_that_is_too_large_or_lies_about_its_length_is_refused(headers: dict[str, str]) -> None:
    assert client().post("/upload", content=b"x" * 1001, headers=headers).status_code == 413


def test_other_machines_stay_outside_without_a_token() -> None:
    assert client(None, OTHER).get("/page").status_code == 401
    assert client("secret", OTHER).get("/page").status_code == 401
    assert client("secret", OTHER).get("/page?token=guess").status_code == 401


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    phone = client("secret", OTHER)
    answer = phone.get("/page?token=secret&run=a", follow_redirects=False)
    assert answer.headers["location"] == "/page?run=a"
    assert f"{COOKIE}=secret" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert phone.get("/page").text == "page"

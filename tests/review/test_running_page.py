"""The running page: every page opens in a real browser and keeps nobody out; bad requests change nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from static_gesture_classification.review.pages import PAGES
from tests.support.browser import WIDE, opened
from tests.support.obstacles import check_nobody_is_kept_out
from tests.support.review_server import review_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ADDRESSES = [page.address for page in PAGES if "{" not in page.address]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which there is nothing yet."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def empty(folder: Path) -> Iterator[str]:
    """The page in that folder."""
    with review_server(folder, ["review.largest_upload=1"]) as address:
        yield address


@pytest.mark.parametrize("place", ADDRESSES)
def test_a_page_without_data_opens_and_keeps_nobody_out(browser: Browser, empty: str, place: str) -> None:
    with opened(browser, empty + place) as (page, log):
        page.locator("#content").wait_for()
        check_nobody_is_kept_out(page)
    log.check()


def test_the_navigation_is_reached_by_keyboard_alone(browser: Browser, empty: str) -> None:
    with opened(browser, empty, size=WIDE) as (page, log):
        page.locator("#content").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        reached = set()
        for _ in range(len(PAGES) + 4):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
        listed = {each.address for each in PAGES if each.listed}
    log.check()
    assert listed <= reached


# ---- requests that no page makes -----------------------------------------------------------------------------------

NASTY = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%ff",
    "null",
    "{}",
    "*",
    ".",
    "a" * 3000,
    "'\"<script>",
    "~",
)
SOCKET = "/_nicegui_ws/socket.io/"
NAMES = (
    "gesture",
    "run",
    "runs",
    "sample",
    "token",
    "split",
    "epoch",
    "EIO",
    "transport",
    "sid",
    "mistaken_for",
    "what",
)
parts = st.sampled_from(NASTY) | st.text(max_size=20).map(quote)
addresses = st.sampled_from([page.address for page in PAGES]) | st.sampled_from(
    ["/thumbnails/{x}", "/_nicegui/client/{x}/upload/1", "/_nicegui/{x}/static/{x}", SOCKET, "/{x}/{x}"]
)
queries = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NASTY) | st.text(max_size=20).map(quote), max_size=3)
bodies = st.binary(max_size=300) | st.sampled_from([b"{", b"[1", b"--x\r\n\r\n", b'42["event",{}]', b"4" * 5000])
kinds = st.sampled_from(
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain", "a/b/c"]
)
methods = st.sampled_from(["GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])


def state_of(folder: Path) -> dict[str, bytes]:
    """All files but the server's own log."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "app.log")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def answer(address: str, method: str, place: str, body: bytes, headers: dict[str, str]) -> int:
    """The status that the server answers with."""
    where = urlsplit(address)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.request(method, place, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def send_malformed(address: str, folder: Path, count: int) -> None:
    """Send malformed requests to all addresses; none is a fault of the server, and none changes a file."""
    before = state_of(folder)

    @settings(max_examples=count, deadline=None, derandomize=True, database=None)
    @given(methods, addresses, st.lists(parts, min_size=3, max_size=3), queries, bodies, kinds)
    def sent(method: str, where: str, filled: list[str], query: dict[str, str], body: bytes, kind: str) -> None:
        place = (
            re.sub(r"\{[^}]*\}", lambda _: filled.pop(), where) + "?" + "&".join(f"{a}={b}" for a, b in query.items())
        )
        assert answer(address, method, place, body, {"Content-Type": kind} if kind else {}) < 500

    sent()
    assert state_of(folder) == before
    assert answer(address, "GET", "/", b"", {}) == 200


def test_malformed_requests_are_refused_and_change_nothing(empty: str, folder: Path) -> None:
    send_malformed(empty, folder, 80)


@pytest.mark.full
def test_a_thousand_malformed_requests_are_refused_and_change_nothing(empty: str, folder: Path) -> None:
    send_malformed(empty, folder, 1000)


def test_malformed_messages_leave_the_server_at_work(empty: str, folder: Path) -> None:
    """As a page that is none of ours would speak to it, by socket.io's long polling."""
    before, polling = state_of(folder), f"{SOCKET}?EIO=4&transport=polling"
    where = urlsplit(empty)
    for message in (
        '42["event",{}]',
        '42["handshake",[]]',
        '42["event",{"client_id":"x","id":1}]',
        "42{",
        "9",
        "42" * 999,
    ):
        connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
        connection.request("GET", polling)
        opened_as = json.loads(connection.getresponse().read()[1:])["sid"]
        for packet in ("40", message):
            connection.request("POST", f"{polling}&sid={opened_as}", packet)
            answered = connection.getresponse()
            answered.read()
            assert answered.status < 500
        connection.close()
    assert answer(empty, "GET", "/", b"", {}) == 200
    assert state_of(folder) == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80", "Origin": "http://evil.example:80"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Length": "2000000"}, 413),
    ],
)
def test_a_request_of_another_site_is_refused(empty: str, headers: dict[str, str], status: int) -> None:
    assert answer(empty, "POST", f"{SOCKET}?EIO=4&transport=polling", b"", headers) == status

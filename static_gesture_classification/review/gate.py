"""The gate before the page: only requests that its own pages make come in.

A page of another site can make a browser send requests to this machine (cross-site posts and websockets), or give its
own name this machine's address (DNS rebinding). So each request must name this server in `Host`, and, where the
browser says from which page it comes (`Origin`), that page must be of this server too. From other machines a token is
needed: in the address once, then in a cookie.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "gestures_token"
TOKEN = "token"
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # NiceGUI's templates are compiled in the browser
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: an HTTP status and a sentence."""

    status: int
    reason: str


class Gate:
    """ASGI middleware; see the module.

    Args:
        app: what lies behind.
        hosts: names and addresses by which this server may be called, without port.
        token: which other machines need; None where they cannot come.
        largest: bytes of a request's body.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str | None, largest: int) -> None:
        self.app, self.hosts, self.token, self.largest = app, frozenset(hosts), token, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await _answer(scope, receive, send, refusal)
        elif (query := self._query_token(scope)) is not None and scope["type"] == "http":
            await _remember_token(scope, send, query)
        else:
            await self.app(scope, self._limit(receive), _with_headers(send))

    def _refuse(self, scope: Scope, headers: dict[str, str]) -> Refusal | None:
        host = headers.get("host", "")
        if _name_in(host) not in self.hosts:
            return Refusal(421, f"this server is not called {host or 'nothing'}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Refusal(403, f"a page of {origin} may not use this server")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return Refusal(403, "a page of another site may not use this server")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.largest:
            return Refusal(413, f"at most {self.largest / 1e6:g} MB may be sent at once (review.largest_upload)")
        if not self._is_allowed(scope, headers):
            return Refusal(401, "open the address with its token, as the terminal shows it")
        return None

    def _is_allowed(self, scope: Scope, headers: dict[str, str]) -> bool:
        if is_loopback(scope.get("client")):
            return True
        if self.token is None:
            return False
        given = self._query_token(scope) or _cookie(headers.get("cookie", ""))
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _query_token(self, scope: Scope) -> str | None:
        if self.token is None:
            return None
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return query.get(TOKEN, [None])[0]

    def _limit(self, receive: Receive) -> Receive:
        """Ends a body that is longer than it said, or did not say how long it is."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > self.largest else message

        return limited


def _name_in(host: str) -> str:
    """The name in a `Host` header, without port and brackets.

    >>> _name_in("[::1]:8080"), _name_in("localhost:8080")
    ('::1', 'localhost')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(client: tuple[str, int] | None) -> bool:
    """Whether a request comes from this machine; `client` is its address and port."""
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


async def _remember_token(scope: Scope, send: Send, token: str) -> None:
    """Put the token into a cookie, and lead to the address without it, so that it stays in no history."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    query.pop(TOKEN, None)
    rest = urlencode(query, doseq=True)
    place = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")  # "//host" would lead elsewhere
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
    if scope.get("scheme") == "https":
        cookie += "; Secure"
    headers = [(b"location", place.encode("latin-1", "replace")), (b"set-cookie", cookie.encode("latin-1", "replace"))]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answer(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason[:120]})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.reason.encode()})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending

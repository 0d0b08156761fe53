"""Requests to a server that may be slow, cut the connection or be away for a moment: what is retried, and how long."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
import urllib3

from static_gesture_classification.downloads.byte_progress import say
from static_gesture_classification.errors import UserError

CHUNK = 1 << 20  # bytes of a file read at a time
RECEIVED = 1 << 16  # bytes of a body read at a time: at most so many are lost to a kill
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses worth asking again for
ATTEMPTS_WITHOUT_CONTACT = 3  # nothing was ever received: most likely there is no network
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class DownloadError(UserError):
    """A file that cannot be fetched. The message names it, the reason and the way by hand."""


class PassingError(Exception):
    """A request failed in a way that often passes. `reason` is for the user, `pause` what the server asked for."""

    def __init__(self, reason: str, *, contact: bool = True, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.contact, self.pause = reason, contact, pause


class RangeUnsatisfiableError(Exception):
    """There is nothing in the file from the asked byte on. `total` is the file's size, None if the server keeps it."""

    def __init__(self, total: int | None) -> None:
        super().__init__(f"nothing there; the file has {total} bytes")
        self.total = total


class FinalError(Exception):
    """A request failed for good: the file is not there or may not be had."""


@dataclass(frozen=True)
class Reply:
    """A response whose body begins at byte `start` of a file of `total` bytes (None: the server does not say).

    `validator` identifies this version of the file (strong ETag, else Last-Modified), None where the server has none.
    """

    response: requests.Response
    start: int
    total: int | None
    validator: str | None

    def body(self) -> Iterator[bytes]:
        """The body in pieces. Raises `PassingError` where it is cut off."""
        try:
            yield from self.response.raw.stream(RECEIVED, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PassingError(f"the connection was cut ({_short(error)})") from error

    def close(self) -> None:
        """Drop the connection; the rest of the body stays unread."""
        self.response.close()


@dataclass
class Connection:
    """How to talk to servers.

    Args:
        attempts: failures in a row after which it is given up; anything received starts the count anew.
        wait: seconds before the second attempt; doubles with each, up to `longest_wait`.
        timeout: seconds without a byte after which the connection counts as cut.
    """

    attempts: int = 8
    wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 60.0
    user_agent: str = "Mozilla/5.0 (compatible; static-gesture-classification)"
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, url: str, start: int = 0, end: int | None = None, validator: str | None = None) -> Reply:
        """Ask for a file from byte `start` on (to `end`, exclusive), as long as it is the version of `validator`.

        The reply begins at 0 where the server ignores ranges or has another version by now.

        Raises:
            PassingError: worth another attempt.
            FinalError: not worth one.
            RangeUnsatisfiableError: the file ends before `start`.
        """
        headers = {"User-Agent": self.user_agent, "Accept-Encoding": "identity"}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if validator:
                headers["If-Range"] = validator  # RFC 9110, 13.1.5
        return self._reply(self._response(url, headers), url)

    def json(self, url: str) -> object:
        """Ask for a small JSON document. Raises as `get` does."""
        response = self._response(url, {"User-Agent": self.user_agent, "Accept": "application/json"})
        try:
            self._check(response, url)
            return response.json()
        except ValueError as error:
            raise FinalError(f"the answer of {url} is not JSON") from error

    def _response(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            return self.session.get(url, headers=headers, stream=True, timeout=self.timeout)
        except (
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
        ) as error:
            raise FinalError(str(error)) from error
        except requests.RequestException as error:
            raise PassingError(f"no answer from the server ({_short(error)})", contact=False) from error

    def _reply(self, response: requests.Response, url: str) -> Reply:
        self._check(response, url)
        start, total = 0, _length(response)
        if response.status_code == 206:
            match = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if match is None:
                response.close()
                raise FinalError(f"the server answered {url} with a part, but does not say which")
            start, total = int(match[1]), None if match[3] == "*" else int(match[3])
        return Reply(response, start, total, _validator(response))

    def _check(self, response: requests.Response, url: str) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        response.close()
        if status == 416:
            total = response.headers.get("Content-Range", "").removeprefix("bytes */")
            raise RangeUnsatisfiableError(int(total) if total.isdecimal() else None)
        if status in PASSING:
            raise PassingError(f"the server answered {status} {response.reason}", pause=_retry_after(response))
        raise FinalError(f"the server answered {status} {response.reason} for {url}")


@dataclass
class Attempts:
    """Counts failures in a row, waits between attempts, and gives up at last."""

    connection: Connection
    what: str
    failures: int = 0
    furthest: int = 0
    contact: bool = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """One attempt: a passing error in it is said, waited for and swallowed, the last one is raised."""
        try:
            yield
        except PassingError as error:
            self._failed(error)

    def reached(self, position: int) -> None:
        """So many bytes were received in all; more than ever before means that it goes on."""
        self.contact = True
        if position > self.furthest:
            self.furthest, self.failures = position, 0

    def _failed(self, error: PassingError) -> None:
        self.contact |= error.contact
        self.failures += 1
        limit = self.connection.attempts if self.contact else min(ATTEMPTS_WITHOUT_CONTACT, self.connection.attempts)
        if self.failures >= limit:
            raise error
        pause = min(self.connection.wait * 2 ** (self.failures - 1), self.connection.longest_wait)
        pause = max(pause, min(error.pause, self.connection.longest_wait))
        say(f"  {self.what}: {error.reason}; trying again in {pause:.0f} s")
        time.sleep(pause)


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _validator(response: requests.Response) -> str | None:
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _retry_after(response: requests.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _short(error: Exception) -> str:
    """The innermost reason, without the chain of wrappers around it."""
    text = str(error)
    return text[text.rfind("]") + 2 :].strip("')\" ") if "[Errno" in text else text[:160]

"""Requests to a server that is slow, cuts the connection or does not answer for a moment.

`requests` with urllib3's `Retry` asks again until the server answers. They lack: to continue a body after a cut, and to
notice that the file has changed meanwhile.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError

from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import say

RECEIVED = 1 << 16  # bytes of a body read at a time; a kill loses no more
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses worth asking again for
ATTEMPTS_WITHOUT_CONTACT = 3  # before any answer: probably there is no network
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^)'\"]+)")

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # that it asks again is said here, once


class DownloadError(UserError):
    """A file cannot be fetched. The message names it, the reason and how to get it by hand."""


class TransferError(Exception):
    """A server does not send a file, even after all attempts."""


class CutError(TransferError):
    """The connection was cut, or the file changed: worth another request."""


@dataclass(frozen=True)
class Version:
    """A version of a file on a server: strong ETag or else Last-Modified, and size in bytes; None where unknown."""

    url: str
    validator: str | None
    total: int | None

    def agrees(self, other: Version) -> bool:
        """Whether both may be the same version."""
        totals = {self.total, other.total} - {None}
        return (self.url, self.validator) == (other.url, other.validator) and len(totals) < 2


@dataclass(frozen=True)
class Reply:
    """An answer whose body begins at byte `start` of a file; None where the file ends before the requested byte."""

    response: requests.Response
    start: int | None
    version: Version


class AnnouncedRetry(urllib3.Retry):
    """urllib3's retries, with a message for each and no wait longer than `backoff_max`."""

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, *more: Any, **pool: Any
    ) -> AnnouncedRetry:
        """See urllib3."""
        following = super().increment(method, url, response, error, *more, **pool)
        reason = f"the server answered {response.status} {response.reason}" if response else explain(error)
        pause = (response and following.get_retry_after(response)) or following.get_backoff_time()
        say(f"  {reason}; trying again" + (f" in {pause:.0f} s" if pause else ""))
        return following

    def parse_retry_after(self, retry_after: str) -> float:
        """See urllib3, which raises for a value that is no time."""
        try:
            return min(super().parse_retry_after(retry_after), self.backoff_max)
        except InvalidHeader:
            return 0.0


@dataclass
class Connection:
    """How to talk to servers.

    Args:
        attempts: number of failures in a row before it gives up; any received byte resets the count.
        wait: the second attempt follows at once, the third after twice as many seconds; then each pause doubles.
        longest_wait: the longest pause, in seconds.
        timeout: seconds without a byte after which the connection counts as cut.
    """

    attempts: int = 8
    wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 60.0
    user_agent: str = "Mozilla/5.0 (compatible; static-gesture-classification)"

    def __post_init__(self) -> None:
        retry = AnnouncedRetry(self.attempts - 1, status_forcelist=PASSING, raise_on_status=False)
        self._retry = retry.new(backoff_factor=self.wait, backoff_max=self.longest_wait)
        few = min(self.attempts, ATTEMPTS_WITHOUT_CONTACT) - 1
        self._adapter = HTTPAdapter(max_retries=self._retry.new(connect=few, read=few, other=few))
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": self.user_agent, "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)

    def get(self, url: str, start: int = 0, end: int | None = None, version: Version | None = None) -> Reply:
        """Ask for the bytes `start` to `end` (exclusive) of a file, if it still has this version.

        The reply begins at 0 if the server ignores ranges or has another version. Raises `TransferError`.
        """
        headers = {}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if version and version.validator:
                headers["If-Range"] = version.validator  # RFC 9110, 13.1.5
        response = self._ask(url, headers)
        whole = f"bytes 0-0/{response.headers.get('Content-Length', '*')}"
        part = response.headers.get("Content-Range", "")
        match = CONTENT_RANGE.match(whole if response.status_code == 200 else part)
        first, total = match.groups() if match else (None, "*")
        tag = response.headers.get("ETag", "W/")
        validator = response.headers.get("Last-Modified") if tag.startswith("W/") else tag
        found = Version(url, validator, None if total == "*" else int(total))
        return Reply(response, None if first is None else int(first), found)

    def receive(
        self, url: str, start: int, end: int | None, version: Version | None, accept: Callable[[Reply, int], int]
    ) -> Iterator[bytes]:
        """The bytes `start` to `end` (exclusive) of a file; after a cut it asks for the rest.

        Args:
            accept: called with each reply and the requested byte, before the body is read. It returns the byte to
                continue at, the requested one or 0 to begin again, or raises.

        Raises:
            TransferError: the server fails, or all attempts do.
        """
        position = furthest = start
        retry = self._retry
        while True:
            try:
                reply = self.get(url, position, end, version)
                with reply.response:
                    if reply.start is None and reply.version.total == position:
                        return
                    position, version = accept(reply, position), reply.version
                    if position != reply.start:
                        raise CutError("the file changed on the server")
                    for piece in _body(reply.response):
                        position += len(piece)
                        yield piece
                if (end or version.total) in (None, position):
                    return
                raise CutError("the connection was cut")
            except CutError as error:
                if position > furthest:
                    furthest, retry = position, self._retry
                try:
                    retry = retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise error from None
                retry.sleep()

    def json(self, url: str) -> Any:
        """Ask for a small JSON document. Raises `TransferError`."""
        try:
            return self._ask(url, {"Accept": "application/json"}).json()
        except (ValueError, requests.RequestException) as error:
            raise TransferError(f"the answer of {url} is not JSON") from error

    def _ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            response = self._session.get(url, headers=headers, stream=True, timeout=self.timeout)
        except ValueError as error:  # an unusable address
            raise TransferError(str(error)) from error
        except requests.RequestException as error:
            raise TransferError(explain(error.args[0] if error.args else error)) from error
        self._adapter.max_retries = self._retry
        if response.status_code not in (200, 206, 416):
            response.close()
            raise TransferError(f"the server answered {response.status_code} {response.reason} for {url}")
        return response


def explain(error: Exception) -> str:
    """Why there is no answer, without the libraries' wrapping."""
    if isinstance(error, CutError):
        return str(error)
    text = str(getattr(error, "reason", error))
    system = SYSTEM_ERROR.search(text)
    return f"no answer from the server ({system[1] if system else text.rpartition(': ')[2]})"


def _body(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.raw.stream(RECEIVED, decode_content=False)
    except (HTTPError, OSError) as error:
        raise CutError("the connection was cut") from error

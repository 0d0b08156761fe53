"""A file on a server, read like one on disk: `zipfile` takes single members out of an archive that is never stored.

HaGRID's 512-pixel archive has 128 GB and all 34 gestures; two of them are 7 GB. Reading goes on at the same byte when
the connection is cut, and stops when the file changes on the server meanwhile.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from static_gesture_classification.downloads.connection import (
    Attempts,
    Connection,
    FinalError,
    PassingError,
    RangeUnsatisfiableError,
    Reply,
)

BUFFER = 1 << 20  # bytes asked from the stream at a time; small reads and seeks within it cost nothing
READ_OVER = 4 << 20  # bytes that are read and dropped rather than asking anew further on


class RangesIgnoredError(Exception):
    """The server does not serve parts of this file."""


class RangeFile(io.RawIOBase):
    """Read-only, seekable view of `url`. Sequential reads share one request.

    Raises, from any read:
        PassingError: the connection was cut more often than `connection` allows.
        FinalError: the file is gone or has changed.
        RangesIgnoredError: from the constructor.
    """

    def __init__(self, url: str, connection: Connection) -> None:
        super().__init__()
        self._url, self._connection = url, connection
        self._position = 0
        self._reply: Reply | None = None
        self._body: Iterator[bytes] = iter(())
        self._body_at = 0  # position of the next byte that `_body` gives, less what is in `_rest`
        self._rest = b""
        self.size, self._validator = self._probe()

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase`; nothing is fetched before the next read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase`."""
        if self._position >= self.size or not len(buffer):
            return 0
        attempts = Attempts(self._connection, self._url.rpartition("/")[2], contact=True)
        while True:
            with attempts.one():
                piece = self._piece(len(buffer))
                buffer[: len(piece)] = piece
                self._position += len(piece)
                return len(piece)
            self._drop()

    def close(self) -> None:
        """Drop the connection."""
        self._drop()
        super().close()

    def _probe(self) -> tuple[int, str | None]:
        attempts = Attempts(self._connection, self._url.rpartition("/")[2])
        while True:
            with attempts.one():
                reply = self._connection.get(self._url, 0, end=1)
                reply.close()
                if reply.response.status_code != 206 or reply.total is None:
                    raise RangesIgnoredError
                return reply.total, reply.validator

    def _piece(self, length: int) -> bytes:
        """At least one byte from the current position on, at most `length`."""
        gap = self._position - self._body_at
        if self._reply is None or gap < 0 or gap > READ_OVER:
            self._ask()
        while not self._rest or self._position >= self._body_at + len(self._rest):
            self._body_at += len(self._rest)
            self._rest = self._next()
        self._rest = self._rest[self._position - self._body_at :]
        piece, self._rest = self._rest[:length], self._rest[length:]
        self._body_at = self._position + len(piece)
        return piece

    def _next(self) -> bytes:
        piece = next(self._body, b"")
        if not piece:
            raise PassingError("the connection was closed early")
        return piece

    def _ask(self) -> None:
        self._drop()
        try:
            reply = self._connection.get(self._url, self._position, self.size, self._validator)
        except RangeUnsatisfiableError as error:
            raise FinalError(f"{self._url} became shorter while it was read; repeat the command") from error
        if reply.start != self._position or (reply.total, reply.validator) != (self.size, self._validator):
            reply.close()
            raise FinalError(f"{self._url} changed while it was read; repeat the command")
        self._reply, self._body, self._body_at, self._rest = reply, reply.body(), self._position, b""

    def _drop(self) -> None:
        if self._reply is not None:
            self._reply.close()
        self._reply, self._body, self._rest = None, iter(()), b""

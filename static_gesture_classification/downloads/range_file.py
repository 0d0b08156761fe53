"""A file on a server, read like one on disk, so that `zipfile` can fetch single members of an archive.

HaGRID's 512-pixel archive has 128 GB and all 34 gestures; two of them are 7 GB. fsspec reads ahead and seeks. The
requests are ours, because fsspec's do not continue after a cut or notice that the file changed.
"""

from __future__ import annotations

from fsspec.spec import AbstractBufferedFile

from static_gesture_classification.downloads.connection import Connection, Reply, TransferError

READ_AHEAD = 16 << 20  # bytes per request


class RangesIgnoredError(Exception):
    """The server does not serve parts of this file."""


class RangeFile(AbstractBufferedFile):
    """Read-only, seekable view of `url`.

    Raises, from any read:
        TransferError: the connection was cut too often, the file is gone or has changed.
        RangesIgnoredError: from the constructor.
    """

    def __init__(self, url: str, connection: Connection) -> None:
        first = connection.get(url, 0, end=1)
        first.response.close()
        if first.response.status_code != 206 or first.version.total is None:
            raise RangesIgnoredError
        self._connection, self._version = connection, first.version
        super().__init__(None, url, block_size=READ_AHEAD, size=first.version.total)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return b"".join(self._connection.receive(self.path, start, end, self._version, self._accept))

    def _accept(self, reply: Reply, asked: int) -> int:
        if (reply.start, reply.version) != (asked, self._version):
            raise TransferError(f"{self.path} changed while it was read; repeat the command")
        return asked

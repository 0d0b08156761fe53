"""One file from a server to the disk: resumed after a cut or a kill, and checked.

An unfinished file lies beside its destination as `.NAME.partial`; `.NAME.partial.json` has its URL and version. A file
that is not the published one is kept and reported, never deleted. This is ours because pooch restarts after a cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from static_gesture_classification.atomic_files import explain_write_errors, partial_path, write_json
from static_gesture_classification.downloads.byte_progress import ByteProgress
from static_gesture_classification.downloads.connection import (
    Connection,
    DownloadError,
    Reply,
    TransferError,
    Version,
)
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.terminal import say


@dataclass(frozen=True)
class RemoteFile:
    """A published file, with its published `size` in bytes and `sha256` (hex), None where unknown.

    `settings` is the folder where these two are set, for messages.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None
    settings: str = "conf/download/"


def fetch(remote: RemoteFile, destination: Path, connection: Connection, room_for: Callable[[int], None]) -> Path:
    """Fetch `remote` to `destination`, continuing an earlier download; returns `destination`.

    An existing file, fetched or put there by hand, is only checked.

    Args:
        room_for: called with the number of missing bytes once it is known; raises if they do not fit.

    Raises:
        DownloadError: it cannot be fetched.
        DataError: it is not the published file.
        OutputError: it cannot be written.
    """
    if destination.exists():
        check_download(destination, remote)
        return destination
    with explain_write_errors(destination), way_by_hand(remote, destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = PartialFile(partial_path(destination), remote, room_for)
        partial.complete(connection)
        check_download(partial.path, remote)
        partial.path.replace(destination)
        partial.state.unlink(missing_ok=True)
    return destination


@contextmanager
def way_by_hand(remote: RemoteFile, destination: Path, page: str = "") -> Iterator[None]:
    """Turn a `TransferError` into a `DownloadError` that says how to get the file by hand, from its `page`."""
    try:
        yield
    except TransferError as error:
        raise DownloadError(
            f"cannot fetch {remote.url or remote.name}: {error}. Repeat the command to continue; or "
            f"fetch {remote.name} in another way, put it at {destination} and repeat the command{page and f' ({page})'}"
        ) from error


def check_download(path: Path, remote: RemoteFile) -> None:
    """Compare a file with the published size and hash, if known.

    Raises:
        DataError: they differ. The file stays.
    """
    size = path.stat().st_size
    advice = (
        f"It was kept; delete it to fetch it again. If {remote.url} itself has changed, correct its size and sha256 in "
        f"{remote.settings}"
    )
    if remote.size is not None and size != remote.size:
        raise DataError(f"{path} has {size:,} bytes, published are {remote.size:,}. {advice}")
    if remote.sha256 is None:
        return
    say(f"checking {path.name}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != remote.sha256.lower():
        raise DataError(f"{path} has the SHA-256 {found}, published is {remote.sha256}. {advice}")


class PartialFile:
    """The beginning of a file at `path`, with its version in the JSON file at `state`."""

    def __init__(self, path: Path, remote: RemoteFile, room_for: Callable[[int], None]) -> None:
        self.path, self.state = path, path.with_name(f"{path.name}.json")
        self._remote, self._room_for = remote, room_for
        path.touch()
        self._version = self._read_version()

    def complete(self, connection: Connection) -> None:
        """Fetch the rest. Raises `TransferError`, or `DataError` if the server offers another file."""
        version, start = self._version, self.path.stat().st_size if self._version else 0
        if version and start == version.total:
            return
        try:
            with (
                self.path.open("r+b") as self._file,
                ByteProgress(self._remote.name, start, self._remote.size) as self._progress,
            ):
                for piece in connection.receive(self._remote.url, start, None, version, self._accept):
                    self._file.write(piece)
                    self._progress.add(len(piece))
        except TransferError:
            if self.path.stat().st_size == 0:
                self.path.unlink()
                self.state.unlink(missing_ok=True)
            raise

    def _accept(self, reply: Reply, asked: int) -> int:
        """The position of the reply's body in the file; empties the file if the reply does not continue it."""
        total = reply.version.total
        if None not in (self._remote.size, total) and self._remote.size != total:
            raise DataError(
                f"{self._remote.url} offers {total:,} bytes, published are {self._remote.size:,}: it has changed, or "
                "the server sends something else. Look at it in a browser; if it is the right file, correct its size "
                f"and sha256 in {self._remote.settings} ({self.path.name} is kept)"
            )
        same = self._version is not None and self._version.agrees(reply.version)
        position = asked if same and reply.start == asked else 0
        if asked and position == 0:
            reason = "the server cannot resume" if same else "the file changed on the server"
            say(f"  {self._remote.name}: {reason}, beginning again")
        if position == 0:
            self._empty(reply.version if reply.start == 0 else None)
        if total is not None:
            self._room_for(total - position)
        self._file.seek(position)
        self._progress.at(position, total or self._remote.size)
        return position

    def _empty(self, version: Version | None) -> None:
        """Empty the file, then write its version; in this order they agree after a kill."""
        self._file.seek(0)
        self._file.truncate()
        self._version = version
        if version is None:
            self.state.unlink(missing_ok=True)
        else:
            write_json(self.state, asdict(version))

    def _read_version(self) -> Version | None:
        """The version of the partial file; None where it is not known well enough to continue."""
        try:
            version = read_json(self.state, Version, "")
        except DataError:
            return None
        identified = version.url == self._remote.url and (version.validator or version.total is not None)
        fits = version.total is None or self.path.stat().st_size <= version.total
        return version if identified and fits else None

"""Where data lie: a folder of this machine, or a URL that fsspec opens (`s3://bucket/hands`, `gs://...`, `memory://...`).

`locate` is the one door. For a local path it gives a plain `pathlib.Path`, so nothing is slower there; for a URL a
`RemotePath`, which answers what sources and stages ask of a `Path`. Only reading is offered: results are written to the
workspace, which is local, because they are memory-mapped.

A file that is missing or forbidden is that file's own trouble, as on a disk. Anything else (no network, wrong keys, a
server that is down) stops the command, so that a bad connection never costs samples.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

from static_gesture_classification.errors import DataError

BLOCK = 1 << 16  # bytes that are asked for at a time where a file is read in parts
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters at least: "C://" is a drive
# What storages call the identity of a file's contents, the best first.
_TOKENS = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "updated", "mtime", "created")


def is_url(root: str | os.PathLike[str]) -> bool:
    """Whether this is a URL and no path of this machine.

    >>> is_url("s3://bucket/hands"), is_url("/data/hands"), is_url("C:/hands")
    (True, False, False)
    """
    return isinstance(root, str) and _URL.match(root) is not None


def locate(root: str | Path) -> Path:
    """The folder or file `root`: a `Path`, whose `~` is expanded, or for a URL a `RemotePath` in the guise of one."""
    if isinstance(root, RemotePath) or not is_url(root):
        return cast(Path, root) if isinstance(root, RemotePath) else Path(root).expanduser()
    return cast(Path, RemotePath(str(root).rstrip("/")))


def real_path(place: str | Path) -> str:
    """The path of a file without links; a URL is its own."""
    return str(place) if isinstance(place, RemotePath) or is_url(place) else os.path.realpath(place)


@contextmanager
def scan(folder: str | Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of a folder, as `os.scandir` gives them.

    Raises:
        OSError: it is missing or no folder. DataError: its storage cannot be reached.
    """
    place = folder if isinstance(folder, RemotePath) else locate(folder) if is_url(folder) else None
    if isinstance(place, RemotePath):
        yield cast("Iterator[os.DirEntry[str]]", iter(place.entries()))
        return
    with os.scandir(folder) as entries:
        yield entries


def names_in(folder: str | Path) -> list[str]:
    """The names of a folder's entries; raises as `scan`."""
    with scan(folder) as entries:
        return [entry.name for entry in entries]


@dataclass(frozen=True)
class RemoteState:
    """The state of a remote file: bytes, and a number that changes with its contents, in the place of its time."""

    st_size: int
    st_mtime_ns: int
    st_mode: int


@dataclass(frozen=True)
class RemoteEntry:
    """An entry of a remote folder, in the guise of an `os.DirEntry`."""

    name: str
    path: str
    state: RemoteState

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.state.st_mode)

    def is_file(self) -> bool:
        """Whether it is a file."""
        return not self.is_dir()

    def is_symlink(self) -> bool:
        """Storages have no links."""
        return False

    def stat(self) -> RemoteState:
        """Its state, as the listing tells it."""
        return self.state


@dataclass(frozen=True)
class RemotePath:
    """A file or folder at a URL. It can be pickled and is equal to another of the same URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: object) -> RemotePath:
        below = [part for part in str(name).split("/") if part not in ("", ".")]
        return RemotePath("/".join([self.url, *below]))

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The last part's ending, with its dot."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        return RemotePath(self.url.rpartition("/")[0])

    def as_posix(self) -> str:
        """The URL."""
        return self.url

    def expanduser(self) -> RemotePath:
        """Itself: a URL has no home folder."""
        return self

    def resolve(self) -> RemotePath:
        """Itself: storages have no links."""
        return self

    def is_symlink(self) -> bool:
        """Storages have no links."""
        return False

    def exists(self) -> bool:
        """Whether there is a file or folder."""
        return self._state_or_none() is not None

    def is_file(self) -> bool:
        """Whether there is a file."""
        state = self._state_or_none()
        return state is not None and not stat.S_ISDIR(state.st_mode)

    def is_dir(self) -> bool:
        """Whether there is a folder: in a bucket, anything below it."""
        state = self._state_or_none()
        return state is not None and stat.S_ISDIR(state.st_mode)

    def stat(self) -> RemoteState:
        """Its state; that of a folder changes with the names and contents of what lies in it.

        Raises:
            FileNotFoundError: there is nothing.
        """
        with self._reached():
            state = _state(self._storage.info(self._path))
        if not stat.S_ISDIR(state.st_mode):
            return state
        listed = repr([(entry.name, entry.state) for entry in sorted(self.entries(), key=lambda each: each.name)])
        return RemoteState(0, _number(listed), state.st_mode)

    def entries(self) -> list[RemoteEntry]:
        """What lies in this folder, by one listing. Raises `FileNotFoundError` where there is nothing."""
        with self._reached():
            listed = self._storage.ls(self._path, detail=True)
        found = [(str(info["name"]).rstrip("/"), _state(info)) for info in listed]
        names = [(path.rpartition("/")[2], state) for path, state in found if path.strip("/") != self._path.strip("/")]
        return [RemoteEntry(name, f"{self.url}/{name}", state) for name, state in names if name]

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self._reached():
            return cast(bytes, self._storage.cat_file(self._path))

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The whole file as text."""
        with self.open("r", encoding=encoding, errors=errors) as file:
            return cast(str, file.read())

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open the file for reading; without buffering it is read in parts, as far as is needed.

        Raises:
            FileNotFoundError, PermissionError: of this file. DataError: its storage cannot be reached.
        """
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"{self.url} can be read only, not opened as {mode!r}")
        if buffering == 0:
            with self._reached():
                opened = self._storage.open(self._path, "rb", block_size=BLOCK, cache_type="readahead")
            return cast(IO[Any], RemoteParts(self, opened))
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, encoding, errors, newline)

    @cached_property
    def _located(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs  # it costs a tenth of a second, and most data are local

        with self._reached():  # listings are asked for anew each time: others may write there
            storage, path = url_to_fs(self.url, use_listings_cache=False)
        return storage, str(path)

    @property
    def _storage(self) -> Any:
        return self._located[0]

    @property
    def _path(self) -> str:
        return self._located[1]

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def _state_or_none(self) -> RemoteState | None:
        try:
            with self._reached():
                return _state(self._storage.info(self._path))
        except FileNotFoundError:
            return None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url) from None
        except PermissionError:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.url) from None
        except (IsADirectoryError, NotADirectoryError, DataError):
            raise
        except ImportError as error:  # fsspec names the package
            raise DataError(f"cannot open {self.url}: {error}; for s3:// that is the extra [s3]") from error
        except Exception as error:  # storages raise exceptions of their own
            reason = str(error) or type(error).__name__
            raise DataError(
                f"cannot read {self.url} ({reason}); check the address, your keys and the network "
                "(docs/many_machines.md) and repeat the command"
            ) from error


class RemoteParts(io.RawIOBase):
    """A remote file that is read in parts."""

    def __init__(self, path: RemotePath, file: Any) -> None:
        self._path, self._file = path, file

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase.seek`."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """See `io.IOBase.tell`."""
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase.readinto`. Raises as `RemotePath.open`."""
        with self._path._reached():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close it."""
        self._file.close()
        super().close()


def _state(info: Any) -> RemoteState:
    if info.get("type") == "directory":
        return RemoteState(0, 0, stat.S_IFDIR)
    token = next((info[name] for name in _TOKENS if info.get(name)), "")
    if isinstance(token, datetime):  # some storages give a date by itself and a number in a listing
        token = token.timestamp()
    return RemoteState(int(info.get("size") or 0), _number(str(token)), stat.S_IFREG)


def _number(token: str) -> int:
    """A number of 63 bits for a text, so that it can be kept like a time."""
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "big") >> 1

"""Unpacks wanted members of archives from elsewhere to their places, and nothing anywhere else.

An archive with a name that leads out of the folder is refused as a whole; links and devices are left out. The unpacked
size is compared with the free disk first. Whole files that exist are not written again, so that an interrupted
unpacking continues. This is ours because `extractall` of zipfile and tarfile renames escaping members and writes all of
them.
"""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

from rich.filesize import decimal

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.downloads.byte_progress import ByteProgress
from static_gesture_classification.downloads.disk_space import require_free_disk
from static_gesture_classification.errors import DataError
from static_gesture_classification.terminal import say

BYTES_AT_ONCE = 1 << 20  # bytes of a file read at a time
SUSPICIOUS = re.compile(r"^/|\.\.|[\\:\0]")  # names worth a closer look; archives have a million others
LARGEST_EXPANSION = 200  # times the packed size; JSON reaches 20, a bomb 1,000 and more
ENCRYPTED = 0x1  # bit of a zip member's flags
FILE_KIND, REGULAR_FILE = 0o170000, 0o100000  # S_IFMT, S_IFREG; in the upper half of a zip member's attributes


@dataclass(frozen=True)
class Member:
    """A regular file in an archive: its name there, its size and its packed size in bytes, and how to open it."""

    name: str
    size: int
    packed: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Archive:
    """An open archive: its regular files, in the order in which they are stored."""

    label: str
    members: list[Member]


def unpack(archive: Archive, wanted: re.Pattern[str], to: str, folder: Path) -> tuple[int, int]:
    """Unpack the members whose whole name matches `wanted` to `folder`/`to`, where `{group}` is a named group.

    Returns:
        Number of files, and of bytes.

    Raises:
        DataError: no member matches, two have one place, one is damaged, or the unpacked size is not credible.
        OutputError: it does not fit on the disk, or cannot be written.
    """
    chosen = _destinations(archive, wanted, to)
    label, packed, size = archive.label, sum(m.packed for m in chosen.values()), sum(m.size for m in chosen.values())
    if size > LARGEST_EXPANSION * max(packed, BYTES_AT_ONCE):
        raise DataError(
            f"{label} has {decimal(packed)} and claims to unpack to {decimal(size)}; that is not the published archive"
        )
    missing = {path: member for path, member in chosen.items() if not _is_whole(folder / path, member)}
    require_free_disk(folder, sum(member.size for member in missing.values()), f"unpacking {label}")
    done = packed - sum(member.packed for member in missing.values())
    with ByteProgress(f"unpacking {label}", done, packed) as progress:
        for path, member in missing.items():
            _write(member, folder / path, label)
            progress.add(member.packed)
    return len(chosen), size


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a zip or tar archive on disk.

    Raises:
        DataError: it is neither, is damaged, or has a name that leads out of the folder.
    """
    with explain_damage(str(path), "delete it and repeat the command to fetch it again"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                yield open_zip(file, path.name)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                yield open_tar(tar, path.name)
        else:
            raise DataError(
                f"{path} is not a whole archive ({_looks_like(path)}); look at it, delete it and repeat the command"
            )


def open_zip(file: zipfile.ZipFile, label: str) -> Archive:
    """A zip archive, on disk or on a server. Raises `DataError` as `open_archive` does, and for a password."""
    infos = sorted(file.infolist(), key=lambda info: info.header_offset)
    refuse_escapes([info.filename for info in infos], label)
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise DataError(f"{label} is protected by a password; unpack it by hand")
    files = [info for info in infos if not info.is_dir()]
    regular = [info for info in files if info.external_attr >> 16 & FILE_KIND in (0, REGULAR_FILE)]
    _say_left_out(label, len(files) - len(regular))
    members = [Member(info.filename, info.file_size, info.compress_size, partial(file.open, info)) for info in regular]
    return Archive(label, members)


def open_tar(file: tarfile.TarFile, label: str) -> Archive:
    """A tar archive, compressed or not. Raises `DataError` as `open_archive` does."""
    infos = file.getmembers()
    refuse_escapes([info.name for info in infos], label)
    files = [info for info in infos if not info.isdir()]
    regular = [info for info in files if info.isreg()]
    _say_left_out(label, len(files) - len(regular))
    open_member = cast(
        Callable[[tarfile.TarInfo], IO[bytes]], file.extractfile
    )  # None only for other members than files
    return Archive(label, [Member(info.name, info.size, info.size, partial(open_member, info)) for info in regular])


@contextmanager
def explain_damage(place: str, way_out: str) -> Iterator[None]:
    """Turn errors of the archive modules into a `DataError` that names `place` and the way out."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise DataError(f"{place} is damaged ({error}); {way_out}") from error


def refuse_escapes(names: list[str], label: str) -> None:
    """Raise `DataError` for a member's name that is absolute or climbs out of the folder, on any system."""
    for name in filter(SUSPICIOUS.search, names):
        windows = PureWindowsPath(name)
        outside = PurePosixPath(name).is_absolute() or windows.drive or windows.root
        if outside or ".." in windows.parts or "\0" in name:
            raise DataError(f"{label} has a member {name!r}, which leads out of the folder; nothing of it was unpacked")


def _destinations(archive: Archive, wanted: re.Pattern[str], to: str) -> dict[str, Member]:
    """Path below the folder -> the member that belongs there."""
    chosen: dict[str, Member] = {}
    for member in archive.members:
        match = wanted.fullmatch(member.name)
        if match is None:
            continue
        path = to.format(**match.groupdict())
        if path in chosen:
            raise DataError(f"{archive.label} has two files for {path}: {chosen[path].name} and {member.name}")
        chosen[path] = member
    if not chosen:
        raise DataError(
            f"{archive.label} has nothing that looks like {wanted.pattern}; "
            "if its layout has changed, correct `members` in conf/download/"
        )
    return chosen


def _write(member: Member, path: Path, label: str) -> None:
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, BYTES_AT_ONCE)
            written = target.tell()
    if written != member.size:
        raise DataError(
            f"{label}: {member.name} has {written:,} bytes, the archive says {member.size:,}; fetch it again"
        )


def _is_whole(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.size


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if start[:1] == b"<":
        return "it begins like a web page: the server wants you to look at it first, or the address has changed"
    return f"{decimal(path.stat().st_size)}, beginning with {start[:8]!r}"


def _say_left_out(label: str, count: int) -> None:
    if count:
        say(f"  {label}: {count} links and special files left out")

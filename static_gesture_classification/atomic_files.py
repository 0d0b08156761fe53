"""Files that matter are written beside themselves and renamed: a reader sees the old file or the new, never half.

The name of the unfinished file is a function of the final one, so a repeated command overwrites what a killed one
left behind, and nothing piles up.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from static_gesture_classification.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and repeat the command",
    errno.EFBIG: "the file is larger than is allowed here; raise the limit (ulimit -f) or choose another output folder",
    errno.EDQUOT: "the disk quota is used up; free some space and repeat the command",
    errno.EROFS: "the file system is read-only; choose another output folder",
    errno.EACCES: "no permission to write there; change the permissions or choose another output folder",
    errno.EPERM: "no permission to write there; change the permissions or choose another output folder",
    errno.EEXIST: "a part of this path is a file, not a folder; choose another output folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another output folder",
    errno.ENOENT: "its folder is gone (deleted, or its disk taken out); bring it back or choose another output folder",
}


def partial_path(path: Path) -> Path:
    """Where `path` is written until it is complete: a hidden file in the same folder."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's write errors into an `OutputError` that names `path` and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS or (error.errno == errno.ENOENT and not _is_near(error.filename, path)):
            raise
        raise OutputError(f"cannot write {path}: {_REASONS[error.errno]} (earlier results are untouched)") from error


def _is_near(missing: object, path: Path) -> bool:
    """Whether a missing file is the one that is written, or one around it: another one was to be read."""
    if not isinstance(missing, str | os.PathLike):
        return False
    file = Path(missing)
    return file in (path, partial_path(path), *path.parents) or path in file.parents


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path to write to; on success it is flushed to disk and renamed to `path`, on failure removed.

    Raises:
        OutputError: the folder is read-only, the disk is full.
    """
    partial = partial_path(path)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            flush_to_disk(partial)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def flush_to_disk(path: Path) -> None:
    """Wait until a written file is on the disk.

    It is opened for writing, without which Windows and some network file systems refuse to flush it (EACCES, EBADF).
    """
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all. Raises `OutputError` as `atomic_path`."""
    with atomic_path(target) as partial:
        shutil.copyfile(source, partial)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON (keys in the order given) to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

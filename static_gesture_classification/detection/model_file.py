"""A detector's model file: on disk, or fetched once; its size and hash are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from static_gesture_classification.downloads.connection import Connection, DownloadError
from static_gesture_classification.downloads.disk_space import require_free_disk
from static_gesture_classification.downloads.transfer import RemoteFile, fetch
from static_gesture_classification.errors import DataError, UserError


def model_file(model: Mapping[str, Any], connection: Connection | None = None) -> Path:
    """The model file of a `detector.model` node, fetched if it is not there.

    Args:
        model: `path`, and `url`, `size` (bytes) and `sha256`; each may be null.
        connection: how to fetch it.

    Raises:
        UserError: it is missing and cannot be fetched; says how to get it by hand.
        DataError: it is not the published file: damaged, cut off, or another.
    """
    path = Path(model["path"])
    remote = RemoteFile(path.name, str(model.get("url") or ""), model.get("size"), model.get("sha256"))
    if path.is_file():
        check_model_file(path, remote)
    elif remote.url:
        try:
            fetch(
                remote, path, connection or Connection(), lambda size: require_free_disk(path.parent, size, path.name)
            )
        except DownloadError as error:
            raise UserError(f"{error}; if you have it, name it: detector.model.path=PATH") from error
    else:
        raise UserError(f"no hand detection model at {path}; put it there, or set detector.model.path or .url")
    return path


def model_digest(model: Mapping[str, Any]) -> str:
    """The SHA-256 of the model of a `detector.model` node: as published, else of its file.

    Raises:
        UserError, DataError: see `model_file`; only where no SHA-256 is given.
    """
    if model.get("sha256"):
        return str(model["sha256"]).lower()
    with model_file(model).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_model_file(path: Path, remote: RemoteFile) -> None:
    """Raise `DataError` where a file is not the published one; a size or SHA-256 of None is not compared."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wrong = [f"it has {size:,} bytes, not {remote.size:,}"] if remote.size not in (None, size) else []
    if remote.sha256 and remote.sha256.lower() != digest:
        wrong.append(f"its SHA-256 is {digest}, not {remote.sha256}")
    if wrong:
        raise DataError(
            f"{path} is not the hand detection model that was published: {', and '.join(wrong)}. Delete it to fetch it "
            "again; for a model of your own, set detector.model.size=null detector.model.sha256=null"
        )

"""A detector's model file: on disk, or fetched once; its size and hash are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from static_gesture_classification.errors import DataError, UserError

if TYPE_CHECKING:
    from static_gesture_classification.downloads.connection import Connection


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
    if path.is_file():
        check_model_file(path, model)
    elif model.get("url"):
        _fetch(path, model, connection)
    else:
        raise UserError(f"no hand detection model at {path}; put it there, or set detector.model.path or .url")
    return path


def _fetch(path: Path, model: Mapping[str, Any], connection: Connection | None) -> None:
    # Imported here: where the file is, nothing that fetches is needed (deployment/demo_space).
    from static_gesture_classification.downloads.connection import Connection, DownloadError
    from static_gesture_classification.downloads.disk_space import require_free_disk
    from static_gesture_classification.downloads.transfer import RemoteFile, fetch

    remote = RemoteFile(path.name, str(model["url"]), model.get("size"), model.get("sha256"))
    try:
        fetch(remote, path, connection or Connection(), lambda size: require_free_disk(path.parent, size, path.name))
    except DownloadError as error:
        raise UserError(f"{error}; if you have it, name it: detector.model.path=PATH") from error


def model_digest(model: Mapping[str, Any]) -> str:
    """The SHA-256 of the model of a `detector.model` node: as published, else of its file.

    Raises:
        UserError, DataError: see `model_file`; only where no SHA-256 is given.
    """
    if model.get("sha256"):
        return str(model["sha256"]).lower()
    with model_file(model).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_model_file(path: Path, model: Mapping[str, Any]) -> None:
    """Raise `DataError` where a file is not the published one; a size or SHA-256 of None is not compared."""
    size, published, expected = path.stat().st_size, model.get("size"), model.get("sha256")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wrong = [f"it has {size:,} bytes, not {published:,}"] if published not in (None, size) else []
    if expected and expected.lower() != digest:
        wrong.append(f"its SHA-256 is {digest}, not {expected}")
    if wrong:
        raise DataError(
            f"{path} is not the hand detection model that was published: {', and '.join(wrong)}. Delete it to fetch it "
            "again; for a model of your own, set detector.model.size=null detector.model.sha256=null"
        )

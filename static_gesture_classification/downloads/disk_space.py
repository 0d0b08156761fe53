"""Checks the free disk before a download, not after a night of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.filesize import decimal

from static_gesture_classification.errors import OutputError

RESERVE = 256_000_000  # bytes left for everything else


def require_free_disk(folder: Path, needed: int, what: str) -> None:
    """Check that `needed` bytes fit on the disk of `folder`, which may not exist yet.

    Raises:
        OutputError: they do not; names the folder, the needed and the free bytes.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed and needed + RESERVE > free:
        raise OutputError(
            f"{what} needs {decimal(needed)} in {folder} (and {decimal(RESERVE)} to spare), "
            f"but {decimal(free)} are free; "
            "free some space and repeat the command, or set the dataset's root to a folder on another disk"
        )

"""Folders that a command writes as a whole, and may replace: nothing of anybody else's is lost."""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.errors import UserError


def require_own(folder: Path, mark: str, setting: str) -> None:
    """Check that a folder is absent, empty, or holds what the command wrote there before.

    Args:
        folder: to be written.
        mark: a file that every folder of the command has.
        setting: that names the folder, for the message.

    Raises:
        UserError: it holds other things, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; {setting} is a folder, name another")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise UserError(f"{folder} holds other files, which might be lost; empty it, or set {setting} to another")

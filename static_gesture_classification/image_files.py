"""Which files are images, and which files a folder holds: one rule for sources, predict, pools and the recorder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from static_gesture_classification.file_names import is_text, printable
from static_gesture_classification.images import ImageHeader, UnreadableImageError, image_header
from static_gesture_classification.places import real_path, scan

# What `images` reads: the names under which its formats are saved.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif", ".avif"),
    *(".gif", ".bmp", ".dib", ".tif", ".tiff", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"),
)
MANY_FRAMES = (".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".avif")  # those that can hold more than one
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mjpeg", ".mjpg", ".wmv", ".ts")
LITTER = ("thumbs.db", "desktop.ini", "icon\r")  # what systems leave in folders of pictures
NAMED = 5  # files in a line

NOT_UTF8 = "its name is not UTF-8 (rename it)"
LOOP = "a link to a folder that it lies in; it is not followed"
NO_FILE = "no regular file"  # reading a pipe, say, would never end


@dataclass
class FilesBelow:
    """The files in a folder and below it, without hidden ones.

    Args:
        images: paths relative to the folder with forward slashes, sorted.
        videos, others: likewise, for videos and for all other files.
        refused: files and folders that cannot be used, by their printable name, with the reason.
    """

    images: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def not_images(self) -> list[str]:
        """Videos and others, sorted."""
        return sorted(self.videos + self.others)


def is_image(name: str) -> bool:
    """Whether a file name has the suffix of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def is_video(name: str) -> bool:
    """Whether a file name has the suffix of a video."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or left there by the operating system."""
    return name.startswith(".") or name.lower() in LITTER


def files_below(root: Path, folder: str = "") -> FilesBelow:
    """All files in `root`/`folder` and below, relative to `root`. Links are followed; a loop of them ends.

    A folder that cannot be listed is among the refused.
    """
    found = FilesBelow()
    place = str(root / folder) if folder else str(root)
    real, top = real_path(place), real_path(root)
    if folder and _holds(real, top):
        found.refused.append((folder, LOOP))
        return found
    _look_into(place, folder, real, (top,), found)
    for names in (found.images, found.videos, found.others):
        names.sort()
    found.refused.sort()
    return found


def _look_into(place: str, below: str, real: str, above: tuple[str, ...], found: FilesBelow) -> None:
    """Add the files of a folder to `found`.

    Args:
        place: its path; `real` is the same without links.
        below: its path relative to the root.
        above: real paths of the root and of the links that led here.
    """
    try:
        with scan(place) as listing:
            entries = [entry for entry in listing if not is_hidden(entry.name)]
    except OSError as error:
        found.refused.append((below or place, f"this folder cannot be listed: {error.strerror or error}"))
        return
    for entry in entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if not is_text(entry.name):
            found.refused.append((printable(name), NOT_UTF8))
        elif is_folder(entry):
            _follow(entry, name, real, above, found)
        else:
            _sort_in(entry, name, found)


def _follow(entry: os.DirEntry[str], name: str, real: str, above: tuple[str, ...], found: FilesBelow) -> None:
    if not entry.is_symlink():
        _look_into(entry.path, name, f"{real}{os.sep}{entry.name}", above, found)
        return
    target = os.path.realpath(entry.path)
    trail = (*above, real)
    if any(_holds(target, folder) for folder in trail):
        found.refused.append((name, LOOP))
    else:
        _look_into(entry.path, name, target, trail, found)


def _holds(folder: str, other: str) -> bool:
    """Whether a folder is another or lies above it; both are real paths."""
    return folder == other or other.startswith(folder.rstrip(os.sep) + os.sep)


def _sort_in(entry: os.DirEntry[str], name: str, found: FilesBelow) -> None:
    kind = found.images if is_image(entry.name) else found.videos if is_video(entry.name) else found.others
    if entry.is_symlink() or _is_file(entry):  # a broken link is found when it is opened
        kind.append(name)
    elif kind is not found.others:
        found.refused.append((name, NO_FILE))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def has_more_frames(path: Path) -> bool:
    """Whether an image file is an animation or has further pages; False where it is unreadable."""
    if not path.name.lower().endswith(MANY_FRAMES):
        return False
    try:
        header: ImageHeader = image_header(path)
    except UnreadableImageError:
        return False
    return header.more_frames


def describe_animated(names: Sequence[str]) -> list[str]:
    """A report's line about images with more than one frame; none without."""
    if not names:
        return []
    subject = "1 animated or multi-page picture"
    if len(names) > 1:
        subject = f"{len(names):,} animated or multi-page pictures"
    return [f"{subject}: the first frame alone is used: {some_of(names)}"]


def describe_others(names: Sequence[str]) -> list[str]:
    """A report's line about files that are no images, by suffix; none without."""
    if not names:
        return []
    subject = "1 file is no picture" if len(names) == 1 else f"{len(names):,} files are no pictures"
    suffixes = Counter(os.path.splitext(name)[1].lower() or "without a suffix" for name in names)  # noqa: PTH122
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common())
    return [f"{subject} that can be read ({kinds}): {some_of(names)}"]


def some_of(names: Sequence[str], separator: str = ", ") -> str:
    """The first names, and how many more there are."""
    more = f"{separator}and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return separator.join(names[:NAMED]) + more

"""Fetch a published dataset to the root of its source.

    gestures download download.dataset=hands
    gestures download download.dataset=hagrid "download.parts=like dislike"
    gestures download download.dataset=hagrid download.variant=annotations
    gestures download download.dataset=digits

Unfinished files lie in `ROOT/.download`. A content (a gesture's images) is recorded and moved to its place when it is
whole. Repeat the command to continue; when everything is there, it does nothing. The record lies in a folder that the
pipeline watches, so that `dvc repro` notices a new gesture, and is the same on each machine and day.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

from omegaconf import DictConfig
from rich.filesize import decimal
from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import explain_write_errors, write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.downloads.connection import Connection, TransferError
from static_gesture_classification.downloads.disk_space import require_free_disk
from static_gesture_classification.downloads.mendeley import list_files
from static_gesture_classification.downloads.plan import FileToFetch, choose_files
from static_gesture_classification.downloads.range_file import RangeFile, RangesIgnoredError
from static_gesture_classification.downloads.settings import DownloadSettings, PublishedFile
from static_gesture_classification.downloads.transfer import RemoteFile, fetch, way_by_hand
from static_gesture_classification.downloads.unpacking import Archive, explain_damage, open_archive, open_zip, unpack
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.file_state import bytes_in
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.terminal import note, say

DOWNLOADS_VERSION = 1
WORKING = ".download"  # below the root: archives, parts of archives, what is being unpacked


@entry_point
def main(config: DictConfig) -> None:
    """Fetch a published dataset."""
    try:
        download(DownloadSettings.from_config(config))
    except KeyboardInterrupt:
        say("stopped; repeat the command to continue")
        sys.exit(130)


def download(settings: DownloadSettings) -> None:
    """Fetch the parts of a dataset that are not there yet.

    Raises:
        UserError: a part is unknown; a file cannot be fetched, is not the published one, or does not fit.
    """
    plan, root = choose_files(settings), settings.published.root
    with working_folder(root) as folder:
        downloader = Downloader(settings, folder)
        missing = [rest for item in plan if (rest := downloader.without_present(item))]
        needed = expected_bytes(missing, settings.keep_archives) - bytes_in(folder)
        require_free_disk(root, max(0, needed), f"{settings.dataset} ({settings.variant})")
        for item in missing:
            downloader.fetch_contents(downloader.with_address(item))
    if missing:
        say(f"{settings.dataset} is in {root}; run the pipeline (make repro) to train with it")
    else:
        say(f"{settings.dataset} is in {root} already; nothing was fetched")


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    """The folder of unfinished files, for one process at a time; it is removed when it is empty."""
    folder = root / WORKING
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = ProcessLock(folder / "lock")
        if not lock.acquire():
            raise UserError(f"another download into {root} is running; wait for it or end it")
    try:
        yield folder
        if [path.name for path in folder.iterdir()] == ["lock"]:
            shutil.rmtree(folder)
    finally:
        lock.release()


def expected_bytes(items: list[FileToFetch], keep_archives: bool) -> int:
    """Bytes that the items take on the disk at most, as far as known; archives are deleted one by one."""
    unpacked = sum(item.unpacked_bytes for item in items)
    archives = [item.bytes for item in items if keep_archives or not item.file.stream]
    return unpacked + (sum(archives) if keep_archives else max(archives, default=0))


class Downloader:
    """Fetches the contents of published files to their places below the dataset's root.

    Args:
        settings: of the dataset.
        folder: see `working_folder`.
    """

    def __init__(self, settings: DownloadSettings, folder: Path) -> None:
        self._settings, self._published, self._root = settings, settings.published, settings.published.root
        self._folder = folder
        self._contents = read_downloads(self._root / self._published.record)
        self._connection = Connection(
            settings.attempts, settings.wait, timeout=settings.timeout, user_agent=settings.user_agent
        )

    def without_present(self, item: FileToFetch) -> FileToFetch | None:
        """The item with its missing contents; None if there are none."""
        missing = {
            name: content
            for name, content in item.contents.items()
            if not self._is_present(name, content, item.remote.name)
        }
        return replace(item, contents=missing) if missing else None

    def with_address(self, item: FileToFetch) -> FileToFetch:
        """The item with its address, from the dataset's listing if the settings have none."""
        name, by_hand = item.remote.name, self._folder / item.remote.name
        if item.remote.url or self._published.listing is None or by_hand.exists():
            return item
        with way_by_hand(item.remote, by_hand, self._published.page):
            if name not in self._listed:
                raise TransferError(f"{self._published.page} lists only {', '.join(sorted(self._listed))}")
            found = asdict(self._listed[name])
            return replace(item, file=item.file.model_copy(update=found))

    def fetch_contents(self, item: FileToFetch) -> None:
        """Fetch the item's contents to their places: single members of the archive, else the whole archive."""
        archive = self._folder / item.remote.name
        stream = item.file.stream and not self._settings.keep_archives and not item.remote.sha256
        if stream and not archive.exists():
            try:
                self._take_from_server(item, archive)
                return
            except RangesIgnoredError:
                say(f"{item.remote.url} cannot be read in parts; the whole archive is fetched")

        def room_for(coming: int) -> None:
            unpacked = int(item.bytes * item.file.expands) or coming
            require_free_disk(self._folder, coming + unpacked, f"{item.remote.name} with what is in it")

        fetch(item.remote, archive, self._connection, room_for)
        if item.file.members is None:
            self._place_file(item, archive)
            return
        with open_archive(archive) as opened:
            self._place_contents(item, opened)
        if not self._settings.keep_archives:
            archive.unlink()

    @cached_property
    def _listed(self) -> dict[str, RemoteFile]:
        assert self._published.listing is not None
        return list_files(self._settings.mendeley, self._published.listing, self._connection)

    def _is_present(self, name: str, content: PublishedFile, file: str) -> bool:
        """Whether a content is in its place; prints a line if it came from elsewhere, since nothing is replaced."""
        entry = self._contents.get(name)
        if entry is None:
            there = next((place for path in content.present if _holds_something(place := self._root / path)), None)
            if there is not None:
                say(f"{there} exists, not fetched by this command; it stays as it is")
            return there is not None
        places = [self._root / place for place in entry["places"]]
        in_place = all(place.exists() for place in places)
        if in_place and entry["file"] != file:
            where = ", ".join(map(str, places))
            say(f"{where} is from {entry['file']} and stays; delete it to fetch it from {file} instead")
        return in_place

    def _take_from_server(self, item: FileToFetch, archive: Path) -> None:
        """Unpack the item's contents from the archive on the server.

        Raises:
            RangesIgnoredError: the server does not serve parts of files.
        """
        url = item.remote.url
        with (
            way_by_hand(item.remote, archive),
            RangeFile(url, self._connection) as remote,
            explain_damage(url, "repeat the command, or fetch it in another way"),
            zipfile.ZipFile(remote) as file,
        ):
            self._place_contents(item, open_zip(file, item.remote.name))

    def _place_contents(self, item: FileToFetch, archive: Archive) -> None:
        """Unpack contents aside, record them, move them to their places; this order survives a kill."""
        for name, content in item.contents.items():
            assert content.members is not None
            aside = self._folder / f"{name}.unpacking"
            files, size = unpack(archive, content.members, content.to, aside)
            if content.files not in (None, files):
                note(f"{name} has {files:,} files, {content.files:,} were published")
            with explain_write_errors(self._root):
                folders = [Path(path).relative_to(aside).as_posix() for path, _, names in os.walk(aside) if names]
                self._note(name, item.remote, files, size, folders)
                _merge(aside, self._root)
            say(f"{name}: {files:,} files, {decimal(size)}")

    def _place_file(self, item: FileToFetch, fetched: Path) -> None:
        """Record a file that is a whole content, and move it to its place."""
        goal = self._root / item.file.to
        with explain_write_errors(self._root):
            self._note(item.file.name, item.remote, 1, fetched.stat().st_size, [item.file.to])
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, goal)

    def _note(self, name: str, remote: RemoteFile, files: int, size: int, places: list[str]) -> None:
        self._contents[name] = DownloadedContent(
            file=remote.name, url=remote.url, sha256=remote.sha256, files=files, bytes=size, places=sorted(places)
        )
        write_downloads(self._root / self._published.record, self._settings.dataset, self._contents)


def _holds_something(place: Path) -> bool:
    return place.is_file() or (place.is_dir() and any(place.iterdir()))


def _merge(source: Path, target: Path) -> None:
    """Move the contents of `source` into `target`; folders that are new there move as a whole."""
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if path.is_dir() and goal.is_dir():
            _merge(path, goal)
        else:
            shutil.move(path, goal)
    source.rmdir()


class DownloadedContent(TypedDict):
    """One content; `places` are its folders, or its file, relative to the dataset's root."""

    file: str
    url: str
    sha256: str | None
    files: int
    bytes: int
    places: list[str]


class DownloadsRecord(TypedDict):
    """The content of the file."""

    contents: dict[str, DownloadedContent]


def read_downloads(path: Path) -> dict[str, DownloadedContent]:
    """The contents by name; none without a record. Raises `DataError` for another file."""
    way_out = "it is not a record of downloads: delete it (fetched files stay)"
    return (
        read_json(path, DownloadsRecord, way_out, ("record_version", DOWNLOADS_VERSION))["contents"]
        if path.exists()
        else {}
    )


def write_downloads(path: Path, dataset: str, contents: dict[str, DownloadedContent]) -> None:
    """Write the record as JSON, whole or not at all."""
    write_json(
        path, {"record_version": DOWNLOADS_VERSION, "dataset": dataset, "contents": dict(sorted(contents.items()))}
    )


if __name__ == "__main__":
    main()

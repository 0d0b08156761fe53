"""Fetch a published dataset to where its source looks for it.

    gestures download downloads.dataset=hands
    gestures download downloads.dataset=hagrid "downloads.parts=like dislike"
    gestures download downloads.dataset=hagrid downloads.variant=annotations
    gestures download downloads.dataset=digits

Everything unfinished lies in `ROOT/.download`; a content (a gesture's images) moves to its place when it is whole, and
the record of what was fetched is written. Repeating the command goes on where it stopped, or finds nothing to do.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig
from rich.filesize import decimal

from static_gesture_classification.atomic_files import explained_write_errors
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.downloads.byte_progress import say
from static_gesture_classification.downloads.connection import Connection, DownloadError, FinalError, PassingError
from static_gesture_classification.downloads.disk_space import require_free_disk
from static_gesture_classification.downloads.mendeley import published_files
from static_gesture_classification.downloads.plan import Content, Item, Plan, planned
from static_gesture_classification.downloads.range_file import BUFFER, RangeFile, RangesIgnoredError
from static_gesture_classification.downloads.record import Record
from static_gesture_classification.downloads.transfer import RemoteFile, by_hand, fetch
from static_gesture_classification.downloads.unpacking import (
    Archive,
    ZipArchive,
    damage_explained,
    open_archive,
    unpack,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.process_lock import ProcessLock

WORKSHOP = ".download"  # below the root: archives, parts of archives, what is being unpacked


@entry_point
def main(config: DictConfig) -> None:
    """Fetch what `downloads` names."""
    try:
        download(config.downloads)
    except KeyboardInterrupt:
        say("stopped; repeat the command to go on")
        sys.exit(130)


def download(config: DictConfig) -> None:
    """Fetch what `config` (the `downloads` node) names, as far as it is not there yet.

    Raises:
        UserError: nothing or something unknown is named; it cannot be fetched, is not what was published, does not fit.
    """
    plan = planned(config)
    connection = Connection(
        attempts=config.attempts, wait=config.wait, timeout=config.timeout, user_agent=config.user_agent
    )
    with workshop(plan.root) as shop:
        record = Record(plan.root / plan.record, plan.dataset)
        missing = [rest for item in plan.items if (rest := without_present(item, plan, record))]
        needed = expected_bytes(missing, config.keep_archives) - bytes_in(shop)
        require_free_disk(plan.root, max(0, needed), f"{plan.dataset} ({plan.variant})")
        for item in with_addresses(missing, plan, config.mendeley, connection, shop):
            fetch_item(item, plan, record, shop, connection, keep=config.keep_archives)
    if missing:
        say(f"{plan.dataset} is in {plan.root}; run the pipeline (make repro) to train with it")
    else:
        say(f"{plan.dataset} is in {plan.root} already; nothing was fetched")


@contextmanager
def workshop(root: Path) -> Iterator[Path]:
    """The folder for everything unfinished, for one process at a time; it is removed when nothing is left to do."""
    shop = root / WORKSHOP
    with explained_write_errors(shop):
        shop.mkdir(parents=True, exist_ok=True)
        lock = ProcessLock(shop / "lock")
        if not lock.acquire():
            raise UserError(f"another download into {root} is running; wait for it or end it")
    try:
        yield shop
        if [path.name for path in shop.iterdir()] == ["lock"]:
            shutil.rmtree(shop)
    finally:
        lock.release()


def without_present(item: Item, plan: Plan, record: Record) -> Item | None:
    """The item with those contents only that are not there yet; None if all are."""
    missing = tuple(content for content in item.contents if not is_present(content, item.remote.name, plan, record))
    return replace(item, contents=missing) if missing else None


def is_present(content: Content, file: str, plan: Plan, record: Record) -> bool:
    """Whether a content is in its place; where it came from elsewhere, it is said, as nothing is ever replaced."""
    entry = record.entry(content.name)
    if entry is not None:
        in_place = record.in_place(content.name, plan.root)
        if in_place and entry["file"] != file:
            where = ", ".join(str(plan.root / place) for place in entry["places"])
            say(f"{where} is from {entry['file']} and stays; delete it to fetch it from {file} instead")
        return in_place
    there = [place for path in content.present if holds_something(place := plan.root / path)]
    if there:
        say(f"{there[0]} is there already, not fetched by this command; it is left as it is")
    return bool(there)


def holds_something(place: Path) -> bool:
    """Whether `place` is a file, or a folder with something in it."""
    return place.is_file() or (place.is_dir() and any(place.iterdir()))


def expected_bytes(items: Sequence[Item], keep_archives: bool) -> int:
    """Disk needed at most at one time, as far as it is known before anything is fetched.

    Archives are fetched, unpacked and deleted one by one.
    """
    unpacked = sum(int(item.about * item.expands) for item in items if not item.shared)
    archives = [item.about for item in items if keep_archives or not item.stream]
    return unpacked + (sum(archives) if keep_archives else max(archives, default=0))


def with_addresses(items: list[Item], plan: Plan, api: str, connection: Connection, shop: Path) -> Iterator[Item]:
    """The items, those without an address looked up where the dataset is published; not before one is needed."""
    listed: dict[str, RemoteFile] | None = None
    for item in items:
        if item.remote.url or plan.listing is None or (shop / item.remote.name).exists():
            yield item
            continue
        if listed is None:
            try:
                listed = published_files(api, plan.listing, connection)
            except DownloadError as error:
                raise DownloadError(
                    f"{error}. {by_hand(item.remote, shop / item.remote.name)} ({plan.page})"
                ) from error
        if item.remote.name not in listed:
            raise DownloadError(
                f"{plan.page} does not list {item.remote.name}, only {', '.join(sorted(listed))}; "
                f"{by_hand(item.remote, shop / item.remote.name)}"
            )
        yield replace(item, remote=listed[item.remote.name])


def fetch_item(item: Item, plan: Plan, record: Record, shop: Path, connection: Connection, keep: bool) -> None:
    """Bring the item's contents to their places, through the archive on the server or one that is fetched."""
    archive = shop / item.remote.name
    if item.stream and not keep and not item.remote.sha256 and not archive.exists():
        try:
            take_from_server(item, plan, record, shop, connection)
            return
        except RangesIgnoredError:
            say(f"{item.remote.url} cannot be read in parts; the whole archive is fetched")

    def room_for(coming: int) -> None:
        needed = coming + (int(item.about * item.expands) if item.about else coming)
        require_free_disk(shop, needed, f"{item.remote.name} with what is in it")

    fetch(item.remote, archive, connection, room_for)
    if item.contents[0].members is None:
        place_file(item.contents[0], item, archive, plan, record)
        return
    with open_archive(archive) as opened:
        for content in item.contents:
            place_content(content, item, opened, plan, record, shop)
    if not keep:
        archive.unlink()


def take_from_server(item: Item, plan: Plan, record: Record, shop: Path, connection: Connection) -> None:
    """Unpack the item's contents straight from the archive on the server.

    Raises:
        RangesIgnoredError: the server does not serve parts of files.
    """
    url = item.remote.url
    try:
        with (
            io.BufferedReader(RangeFile(url, connection), BUFFER) as remote,
            damage_explained(url, "repeat the command, or fetch it in another way"),
            zipfile.ZipFile(remote) as file,
        ):
            archive = ZipArchive(file, item.remote.name)
            for content in item.contents:
                place_content(content, item, archive, plan, record, shop)
    except (PassingError, FinalError) as error:
        raise DownloadError(f"cannot fetch {url}: {error}. {by_hand(item.remote, shop / item.remote.name)}") from error


def place_content(content: Content, item: Item, archive: Archive, plan: Plan, record: Record, shop: Path) -> None:
    """Unpack one content aside, record it, and move it to its place: in this order, every kill can be gone on from."""
    assert content.members is not None
    aside = shop / f"{content.name}.unpacking"
    unpacked = unpack(archive, content.members, content.to, aside)
    if content.files is not None and unpacked.files != content.files:
        say(f"note: {content.name} has {unpacked.files:,} files, {content.files:,} were published")
    with explained_write_errors(plan.root):
        record.add(content.name, item.remote, unpacked.files, unpacked.bytes, folders_of_files(aside))
        merge(aside, plan.root)
    say(f"{content.name}: {unpacked.files:,} files, {decimal(unpacked.bytes)}")


def place_file(content: Content, item: Item, fetched: Path, plan: Plan, record: Record) -> None:
    """Record a file that is a content by itself, and move it to its place."""
    with explained_write_errors(plan.root):
        record.add(content.name, item.remote, 1, fetched.stat().st_size, [content.to])
        (plan.root / content.to).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fetched, plan.root / content.to)


def folders_of_files(folder: Path) -> list[str]:
    """The folders below `folder` that hold files, relative to it."""
    return [Path(path).relative_to(folder).as_posix() for path, _, files in os.walk(folder) if files]


def merge(source: Path, target: Path) -> None:
    """Move what is in `source` into `target`, whole folders where there are none of that name yet."""
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if path.is_dir() and goal.is_dir():
            merge(path, goal)
        else:
            shutil.move(path, goal)
    source.rmdir()


def bytes_in(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()

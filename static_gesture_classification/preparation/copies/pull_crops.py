"""Fetch crops that another machine has pushed.

    gestures pull-crops crop_copy.url=s3://bucket/crops

The result is the folder that was pushed, byte by byte. Shards that are here already are not fetched again, be it from
an earlier pull, a killed one, or the crops of this machine. Each is checked by its hash.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import explain_write_errors, flush_to_disk, partial_path, write_bytes
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.parallel.local import LocalEngine
from static_gesture_classification.preparation import crop_store
from static_gesture_classification.preparation.copies.shards import (
    SHARDS_FOLDER,
    STORE_FILE,
    TABLES_FOLDER,
    CopyPlace,
    CopySettings,
    Shard,
    StoreList,
    digest_of,
    shard_bytes,
)
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.terminal import say, track
from static_gesture_classification.workspace import Workspace

PULLED = ".crops.npy.pulled"  # the array while it is fetched


@entry_point
def main(config: DictConfig) -> None:
    """Pull them."""
    pull_crops(Workspace.from_config(config).crops, CopySettings.from_config(config))


def pull_crops(folder: Path, settings: CopySettings) -> int:
    """Make a folder's crops those of the copy; returns the number of bytes that were fetched.

    Raises:
        DataError: there is no copy, or a part of it is missing or damaged; earlier crops stay.
        OutputError: read-only folder, full disk; earlier crops stay.
    """
    start, place = time.perf_counter(), CopyPlace(settings.url)
    wanted = place.read_list(STORE_FILE, StoreList)
    if wanted is None or not wanted.shards:
        raise DataError(f"there are no crops at {settings.url}; push some there first (gestures push-crops)")
    crop_store.finish_publishing(folder)
    tables = {name: place.fetch(f"{TABLES_FOLDER}/{digest}", digest, "crops") for name, digest in wanted.tables.items()}
    with explain_write_errors(folder / CROPS_FILE):
        folder.mkdir(parents=True, exist_ok=True)
        fetched = _fetch_array(folder, wanted, place, settings.transfers)
    for name, data in tables.items():
        write_bytes(partial_path(folder / name), data)
    (folder / PULLED).replace(partial_path(folder / CROPS_FILE))
    crop_store.publish_crops(folder, list(tables), array_is_new=True)
    say(
        f"pulled {wanted.rows:,} crops from {settings.url}: {fetched / 1e6:,.1f} MB fetched, the rest was here "
        f"({time.perf_counter() - start:.1f} s)"
    )
    return fetched


def _fetch_array(folder: Path, wanted: StoreList, place: CopyPlace, transfers: int) -> int:
    """Complete the array at `PULLED`; returns the number of fetched bytes."""
    start, row_bytes = _header(wanted), wanted.size * wanted.size * 3
    path, length = folder / PULLED, len(start) + wanted.rows * row_bytes
    if not path.is_file() or path.stat().st_size != length or path.read_bytes()[: len(start)] != start:
        with path.open("wb") as file:
            crop_store.allocate(file, length)
            file.seek(0)
            file.write(start)
    here = [_rows_of(path, len(start), wanted.size), _rows_of(folder / CROPS_FILE, len(start), wanted.size)]
    spans = list(wanted.spans())
    bring = partial(_bring, here=here, place=place, path=path, offset=len(start))
    fetched = LocalEngine().map(bring, spans, threads=True, jobs=transfers)
    total = sum(track(fetched, "pulling crops", len(spans), "shards"))
    flush_to_disk(path)
    return total


def _header(wanted: StoreList) -> bytes:
    file = io.BytesIO()
    shape = (wanted.rows, wanted.size, wanted.size, 3)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def _rows_of(path: Path, offset: int, size: int) -> np.ndarray:
    """The whole rows of a file: uint8 (n, size, size, 3)."""
    row_bytes = size * size * 3
    count = max(0, path.stat().st_size - offset) // row_bytes if path.is_file() else 0
    if not count:
        return np.zeros((0, size, size, 3), np.uint8)
    return np.memmap(path, np.uint8, "r", offset, (count, size, size, 3))


def _bring(span: tuple[Shard, int], here: Sequence[np.ndarray], place: CopyPlace, path: Path, offset: int) -> int:
    """Write a shard's pixels to the array that begins at `offset` of a file; returns how many bytes were fetched."""
    shard, first = span
    pixels, fetched = _rows_here(shard, first, here), 0
    if pixels is None:
        data = place.fetch(f"{SHARDS_FOLDER}/{shard.digest}.npy", shard.digest, "crops")
        pixels, fetched = np.load(io.BytesIO(data), allow_pickle=False), len(data)
    with path.open("r+b") as file:
        file.seek(offset + first * pixels[0].nbytes)
        file.write(pixels.tobytes())
    return fetched


def _rows_here(shard: Shard, first: int, here: Sequence[np.ndarray]) -> np.ndarray | None:
    candidates = (rows[first : first + shard.rows] for rows in here)
    return next(
        (some for some in candidates if len(some) == shard.rows and digest_of(shard_bytes(some)) == shard.digest), None
    )


if __name__ == "__main__":
    main()

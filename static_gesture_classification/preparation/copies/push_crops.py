"""Copy the crops to a URL or folder, in shards.

    gestures push-crops crop_copy.url=s3://bucket/crops

Only what the copy lacks is sent, and an interrupted push continues; see `shards` for the format.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.parallel.local import LocalEngine
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
from static_gesture_classification.preparation.crop_store import RECORDS
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.publishing import REJECTED_CSV, REPORT, SAMPLES
from static_gesture_classification.terminal import say, track
from static_gesture_classification.workspace import Workspace

COPIED_TABLES = (SAMPLES, REJECTED_CSV, REPORT, RECORDS)


@entry_point
def main(config: DictConfig) -> None:
    """Push them."""
    push_crops(Workspace.from_config(config).crops, CopySettings.from_config(config))


def push_crops(folder: Path, settings: CopySettings) -> StoreList:
    """Bring the copy of a folder's crops up to date; returns what it consists of.

    Raises:
        DataError: there are no crops, or they are damaged.
        OutputError: the copy cannot be written; an earlier one stays as it is.
    """
    start, crops, place = time.perf_counter(), open_crops(folder), CopyPlace(settings.url)
    step = max(1, (settings.shard_mib << 20) // max(1, crops[:1].nbytes))
    pieces = [crops[first : first + step] for first in range(0, len(crops), step)]
    send = partial(_send, place=place, there=place.sizes(SHARDS_FOLDER))
    sent = LocalEngine().map(send, pieces, threads=True, jobs=settings.transfers)
    done = list(track(sent, "pushing crops", len(pieces), unit="shards"))
    tables = {name: _send_table(folder / name, place) for name in COPIED_TABLES if (folder / name).is_file()}
    made = StoreList(size=crops.shape[1], shards=[shard for shard, _ in done], tables=tables)
    place.write(STORE_FILE, made.model_dump_json(indent=1).encode())
    moved = sum(size for _, size in done)
    say(
        f"pushed {len(crops):,} crops in {len(done):,} shards to {settings.url}: {moved / 1e6:,.1f} MB sent, the rest "
        f"was there ({time.perf_counter() - start:.1f} s)"
    )
    return made


def _send(rows: np.ndarray, place: CopyPlace, there: dict[str, int]) -> tuple[Shard, int]:
    """The shard of some rows, and how many bytes were sent."""
    data = shard_bytes(rows)
    shard = Shard(digest=digest_of(data), rows=len(rows))
    name = f"{shard.digest}.npy"
    if there.get(name) == len(data):
        return shard, 0
    place.write(f"{SHARDS_FOLDER}/{name}", data)
    return shard, len(data)


def _send_table(path: Path, place: CopyPlace) -> str:
    data = path.read_bytes()
    digest = digest_of(data)
    place.write(f"{TABLES_FOLDER}/{digest}", data)
    return digest


if __name__ == "__main__":
    main()

"""Fetch what another machine has pushed: index, splits, landmarks, computed embeddings, synthetic hands.

    gestures pull-data data_copy.url=s3://bucket/data

The files become those that were pushed, byte by byte; others in the folders stay. Landmarks and embeddings that were
computed here and that the copy lacks are not lost: then the copy of these is left, and the command says so. Pieces are
checked by their hash, and files that are here already are not fetched again, be it from a killed pull.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from static_gesture_classification.atomic_files import explain_write_errors, flush_to_disk, partial_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.keyed_store import KEYS, KeyedStore, KeyIndex
from static_gesture_classification.parallel.local import LocalEngine
from static_gesture_classification.preparation import publishing
from static_gesture_classification.preparation.copies.folders import (
    FETCHED_STORE,
    PIECES_FOLDER,
    Bundle,
    DataCopySettings,
    FolderList,
    pieces_of,
)
from static_gesture_classification.preparation.copies.shards import CopyPlace, digest_of
from static_gesture_classification.terminal import note, say, track


@entry_point
def main(config: DictConfig) -> None:
    """Pull them."""
    pull_data(DataCopySettings.from_config(config))


def pull_data(settings: DataCopySettings) -> dict[str, int]:
    """Make the chosen folders those of the copies; returns how many bytes of each were fetched.

    Raises:
        DataError: there is no copy, or a part of it is missing or damaged; earlier files stay.
        OutputError: read-only folder, full disk; earlier files stay.
    """
    place, chosen = CopyPlace(settings.url), settings.chosen
    lists = {name: place.read_list(f"{name}.json", FolderList) for name in chosen}
    found = {name: wanted for name, wanted in lists.items() if wanted is not None}
    if not found:
        raise DataError(
            f"there is no copy of {', '.join(chosen)} at {settings.url}; push it first (gestures push-data)"
        )
    if absent := [name for name in chosen if name not in found]:
        note(f"not pulled, since nobody pushed it: {', '.join(absent)}")
    return {name: pull_folder(name, chosen[name], wanted, place, settings) for name, wanted in found.items()}


def pull_folder(name: str, folder: Path, wanted: FolderList, place: CopyPlace, settings: DataCopySettings) -> int:
    """Make a folder that of the copy `name`; returns the number of bytes that were fetched. Raises as `pull_data`."""
    start = time.perf_counter()
    publishing.finish_writes(folder)
    stores = {Path(file).parent for file in wanted.names if Path(file).name == KEYS}
    with explain_write_errors(folder):
        bring = partial(_bring, folder=folder, stores=stores, place=place, piece=wanted.piece)
        brought = LocalEngine().map(bring, wanted.bundles, threads=True, jobs=settings.transfers)
        fetched = list(track(brought, f"pulling {name}", len(wanted.bundles), "bundles"))
        changed = [file for file in wanted.names if partial_path(folder / file).is_file()]
        if changed:
            publishing.announce(folder, changed)
            publishing.finish_writes(folder)
        for store in sorted(stores):
            take_store(folder / store)
    say(
        f"pulled {name}: {len(wanted.names):,} files, {sum(fetched) / 1e6:,.1f} MB fetched, the rest was here "
        f"({time.perf_counter() - start:.1f} s)"
    )
    return sum(fetched)


def take_store(folder: Path) -> None:
    """Put a fetched store of rows in the place of an earlier one, unless that has rows that the new one lacks."""
    pulled = folder / FETCHED_STORE
    if not (pulled / KEYS).is_file():
        return
    own, fetched = (np.array(KeyedStore(each, {}).column(KEYS)) for each in (folder, pulled))
    if lacking := int((KeyIndex(fetched).find(own) < 0).sum()):
        note(
            f"{folder} stays as it is: {lacking:,} of its {len(own):,} results are not in the copy; push it from here, "
            "or delete it and pull again"
        )
    else:
        (folder / KEYS).unlink(missing_ok=True)  # from here on a kill leaves an empty store, and the next pull goes on
        for path in sorted(pulled.iterdir(), key=lambda each: each.name == KEYS):
            path.replace(folder / path.name)
    shutil.rmtree(pulled)


def _bring(bundle: Bundle, folder: Path, stores: set[Path], place: CopyPlace, piece: int) -> int:
    """Fetch the files of a bundle to where they wait, unless they are here; returns how many bytes were fetched."""
    waiting = [_waiting(Path(name), folder, stores) for name, _ in bundle.files]
    if any(_are(bundle, paths, piece) for paths in ([folder / name for name, _ in bundle.files], waiting)):
        return 0
    pieces, data = (place.fetch(f"{PIECES_FOLDER}/{digest}", digest, "files") for digest in bundle.pieces), b""
    for path, (_, left) in zip(waiting, bundle.files, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while left:
                data = data or next(pieces, b"")
                if not data:
                    raise DataError(f"the list of {folder.name} at {place.url} has too few pieces; push again")
                file.write(data[:left])
                data, left = data[left:], max(0, left - len(data))
        flush_to_disk(path)
    return bundle.size


def _waiting(name: Path, folder: Path, stores: set[Path]) -> Path:
    """Where a file waits until all are there."""
    return folder / name.parent / FETCHED_STORE / name.name if name.parent in stores else partial_path(folder / name)


def _are(bundle: Bundle, paths: Sequence[Path], piece: int) -> bool:
    """Whether these files are those of a bundle."""
    sizes = [size for _, size in bundle.files]
    if [path.stat().st_size if path.is_file() else -1 for path in paths] != sizes:
        return False
    files = list(zip(map(str, paths), sizes, strict=True))
    return [digest_of(data) for data in pieces_of(Path(), files, piece)] == bundle.pieces


if __name__ == "__main__":
    main()

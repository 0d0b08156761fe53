"""Copy what the pipeline derived, other than crops, to a URL or folder.

    gestures push-data data_copy.url=s3://bucket/data
    gestures push-data data_copy.url=s3://bucket/data 'data_copy.only=[landmark_cache]'

Index, splits, landmarks, the landmarks and embeddings that were computed, and synthetic hands. Only what the copy lacks
is sent, and an interrupted push continues; see `folders` for the format.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from static_gesture_classification.atomic_files import partial_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.parallel.local import LocalEngine
from static_gesture_classification.preparation import publishing
from static_gesture_classification.preparation.copies.folders import (
    FETCHED_STORE,
    PIECES_FOLDER,
    Bundle,
    DataCopySettings,
    FolderList,
    bundled,
    pieces_of,
)
from static_gesture_classification.preparation.copies.shards import CopyPlace, digest_of
from static_gesture_classification.terminal import note, say, track


@entry_point
def main(config: DictConfig) -> None:
    """Push them."""
    push_data(DataCopySettings.from_config(config))


def push_data(settings: DataCopySettings) -> dict[str, FolderList]:
    """Bring the copies of the chosen folders up to date; returns what each consists of.

    Raises:
        DataError: none of the folders is there. OutputError: a copy cannot be written; an earlier one stays as it is.
    """
    place, chosen = CopyPlace(settings.url), settings.chosen
    there = {name: folder for name, folder in chosen.items() if files_to_push(folder)}
    if not there:
        raise DataError(f"there is nothing to push: none of {', '.join(map(str, chosen.values()))} has files")
    if absent := [str(chosen[name]) for name in chosen if name not in there]:
        note(f"not pushed, since they are empty or missing: {', '.join(absent)}")
    return {name: push_folder(name, folder, place, settings) for name, folder in there.items()}


def push_folder(name: str, folder: Path, place: CopyPlace, settings: DataCopySettings) -> FolderList:
    """Bring the copy `name` of a folder up to date; returns what it consists of. Raises as `push_data`."""
    start, piece = time.perf_counter(), settings.piece_mib << 20
    publishing.finish_writes(folder)
    send = partial(_send, folder=folder, place=place, there=place.sizes(PIECES_FOLDER), piece=piece)
    bundles = list(bundled(files_to_push(folder), piece))
    sent = LocalEngine().map(send, bundles, threads=True, jobs=settings.transfers)
    done = list(track(sent, f"pushing {name}", len(bundles), unit="bundles"))
    made = FolderList(piece=piece, bundles=[bundle for bundle, _ in done])
    place.write(f"{name}.json", made.model_dump_json(indent=1).encode())
    say(
        f"pushed {name}: {len(made.names):,} files, {sum(size for _, size in done) / 1e6:,.1f} MB sent, the rest was "
        f"there ({time.perf_counter() - start:.1f} s)"
    )
    return made


def files_to_push(folder: Path) -> list[tuple[str, int]]:
    """Path below the folder and bytes of each file, in order; without locks and unfinished files."""
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    ending = partial_path(Path("x")).suffix
    unfinished = {path for path in found if path.suffix in (".lock", ending) or path.parent.name == FETCHED_STORE}
    kept = [path for path in found if path not in unfinished and path.name != publishing.MARKER]
    return [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in kept]


def _send(
    files: list[tuple[str, int]], folder: Path, place: CopyPlace, there: dict[str, int], piece: int
) -> tuple[Bundle, int]:
    """The bundle of some files, and how many bytes were sent."""
    digests, moved = [], 0
    for data in pieces_of(folder, files, piece):
        digest = digest_of(data)
        digests.append(digest)
        if there.get(digest) != len(data):
            place.write(f"{PIECES_FOLDER}/{digest}", data)
            moved += len(data)
    return Bundle(files=files, pieces=digests), moved


if __name__ == "__main__":
    main()

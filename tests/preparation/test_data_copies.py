"""What the pipeline derived travels to a folder or URL and back, and nothing that was computed is lost on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.keyed_store import KEY, KeyedStore, digest
from static_gesture_classification.preparation.copies.folders import PIECES_FOLDER, Bundle, DataCopySettings
from static_gesture_classification.preparation.copies.pull_data import pull_data
from static_gesture_classification.preparation.copies.push_data import push_data

PIECE = 1 << 20
COLUMN = {"rows.bin": np.dtype("<i8")}


def copying(root: Path, url: Path | str, *only: str) -> DataCopySettings:
    folders = {"synthetic": root / "synthetic", "landmark_cache": root / "cache"}
    return DataCopySettings(url=str(url), folders=folders, only=only, piece_mib=1, transfers=2)


def contents_of(folder: Path) -> Mapping[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def add_rows(folder: Path, *numbers: int) -> None:
    keys = np.array([digest(str(number).encode()) for number in numbers], KEY)
    KeyedStore(folder, COLUMN).add(keys, {"rows.bin": np.array(numbers)})


def rows_of(folder: Path) -> list[int]:
    return sorted(KeyedStore(folder, COLUMN).column("rows.bin").tolist())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Folders with many small files, a large one of three pieces, an empty one, and a store of rows."""
    random = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / f"here/synthetic/{'ab'[number % 2]}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.bytes(number * 100))
    (tmp_path / "here/synthetic/large.json").write_bytes(random.bytes(2 * PIECE + 5))
    add_rows(tmp_path / "here/cache/extracted", 1, 2, 3)
    return tmp_path / "here"


def test_pulled_folders_are_those_that_were_pushed_byte_by_byte(here: Path, tmp_path: Path) -> None:
    pushed = push_data(copying(here, tmp_path / "copy"))
    assert [len(bundle.pieces) for bundle in pushed["synthetic"].bundles] == [1, 3]
    pull_data(copying(tmp_path / "there", tmp_path / "copy"))
    assert contents_of(tmp_path / "there") == contents_of(here)


def test_only_what_changed_travels(here: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    push_data(copying(here, copy))
    pull_data(copying(tmp_path / "there", copy))
    pieces = set((copy / PIECES_FOLDER).iterdir())
    (here / "synthetic/a/0.jpg").write_bytes(b"another picture")
    push_data(copying(here, copy))
    assert len(set((copy / PIECES_FOLDER).iterdir()) - pieces) == 1
    fetched = pull_data(copying(tmp_path / "there", copy))
    assert 0 < fetched["synthetic"] < PIECE
    assert fetched["landmark_cache"] == 0
    assert contents_of(tmp_path / "there") == contents_of(here)


def test_a_damaged_or_missing_piece_is_named_and_what_is_here_stays(here: Path, tmp_path: Path) -> None:
    copy, there = tmp_path / "copy", tmp_path / "there"
    pushed = push_data(copying(here, copy))
    (there / "synthetic").mkdir(parents=True)
    (there / "synthetic/large.json").write_bytes(b"mine")
    piece = copy / PIECES_FOLDER / pushed["synthetic"].bundles[1].pieces[1]
    piece.write_bytes(b"?")
    with pytest.raises(DataError, match=f"{piece.name} is damaged; delete it there and push again"):
        pull_data(copying(there, copy))
    assert (there / "synthetic/large.json").read_bytes() == b"mine"
    piece.unlink()
    with pytest.raises(DataError, match=f"{piece.name} is missing"):
        pull_data(copying(there, copy))
    push_data(copying(here, copy))
    pull_data(copying(there, copy))
    assert contents_of(there) == contents_of(here)


def test_results_that_only_this_machine_has_are_not_lost_by_a_pull(here: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    push_data(copying(here, tmp_path / "copy"))
    add_rows(there / "cache/extracted", 2, 3)
    pull_data(copying(there, tmp_path / "copy"))
    assert rows_of(there / "cache/extracted") == [1, 2, 3]
    add_rows(here / "cache/extracted", 4)
    push_data(copying(here, tmp_path / "copy"))
    add_rows(there / "cache/extracted", 5)
    pull_data(copying(there, tmp_path / "copy"))
    assert rows_of(there / "cache/extracted") == [1, 2, 3, 5]


def test_one_folder_can_be_pushed_and_pulled_alone(here: Path, tmp_path: Path) -> None:
    push_data(copying(here, tmp_path / "copy", "landmark_cache"))
    assert list(pull_data(copying(tmp_path / "there", tmp_path / "copy"))) == ["landmark_cache"]
    assert not (tmp_path / "there/synthetic").exists()
    with pytest.raises(UserError, match=r"data_copy\.only has pictures; there are synthetic, landmark_cache"):
        push_data(copying(here, tmp_path / "copy", "pictures"))


def test_where_there_is_nothing_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is nothing to push"):
        push_data(copying(tmp_path, tmp_path / "copy"))
    with pytest.raises(DataError, match=r"push it first \(gestures push-data\)"):
        pull_data(copying(tmp_path, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_a_copy_writes_nothing_outside_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="is no path below the folder"):
        Bundle(files=[(name, 1)], pieces=[])

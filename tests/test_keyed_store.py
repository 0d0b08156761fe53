import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification import keyed_store
from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.keyed_store import KEY, KeyedStore, KeyIndex, Keys, digest
from static_gesture_classification.process_lock import ProcessLock

COLUMNS = {"points.bin": np.dtype(("<f4", (2,))), "counts.bin": np.dtype("<i4")}


def keys(*numbers: int) -> Keys:
    return np.array([digest(bytes([number])) for number in numbers], KEY)


def add(store: KeyedStore, *numbers: int, shift: int = 0) -> None:
    counts = np.array(numbers) + shift
    store.add(keys(*numbers), {"points.bin": np.stack([counts, -counts], axis=1), "counts.bin": counts})


def counts(store: KeyedStore, *numbers: int) -> list[int]:
    return store.column("counts.bin")[store.find(keys(*numbers))].tolist()


def test_rows_are_found_by_key_at_once_and_after_opening_anew(tmp_path: Path) -> None:
    store = KeyedStore(tmp_path / "store", COLUMNS)
    assert store.find(keys(1)).tolist() == [-1]
    add(store, 5, 3)
    add(store, 9)
    for each in (store, KeyedStore(tmp_path / "store", COLUMNS)):
        assert counts(each, 9, 5, 3) == [9, 5, 3]
        assert each.find(keys(3, 4)).tolist() == [1, -1]
        assert each.column("points.bin")[2].tolist() == [9, -9]


def test_of_rows_with_one_key_the_last_counts(tmp_path: Path) -> None:
    add(KeyedStore(tmp_path, COLUMNS), 1, 2)
    store = KeyedStore(tmp_path, COLUMNS)
    add(store, 2, shift=10)
    assert counts(store, 1, 2) == [1, 12]
    assert counts(KeyedStore(tmp_path, COLUMNS), 1, 2) == [1, 12]


@pytest.mark.parametrize("name", ["keys.bin", "points.bin", "counts.bin"])
@pytest.mark.parametrize("bytes_more", [-1, 3])
def test_a_row_that_a_kill_has_torn_is_lost_and_no_other(tmp_path: Path, name: str, bytes_more: int) -> None:
    add(KeyedStore(tmp_path, COLUMNS), 1, 2, 3)
    with (tmp_path / name).open("r+b") as file:
        file.truncate((tmp_path / name).stat().st_size + bytes_more)
    store = KeyedStore(tmp_path, COLUMNS)
    assert len(store) == 3 + min(bytes_more, 0)
    add(store, 4)
    assert counts(KeyedStore(tmp_path, COLUMNS), 1, 2, 4) == [1, 2, 4]


ADD = """
import sys
from pathlib import Path
from tests.test_keyed_store import COLUMNS, KeyedStore, add
store = KeyedStore(Path(sys.argv[1]), COLUMNS)
print(flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    add(store, number)
"""


def test_commands_that_add_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    spans = ((0, 40), (40, 80))
    adding = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(tmp_path), *map(str, span)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for span in spans
    ]
    for process in adding:  # all have opened the empty store before one adds to it
        assert process.stdout is not None
        process.stdout.readline()
    for process in adding:
        process.communicate(b"\n")
        assert process.returncode == 0
    assert counts(KeyedStore(tmp_path, COLUMNS), *range(80)) == list(range(80))


def test_a_store_that_stays_locked_is_an_error_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_store, "LONGEST_WAIT", 0.0)
    lock = ProcessLock(tmp_path / keyed_store.APPEND_LOCK)
    assert lock.acquire()
    with pytest.raises(UserError, match="is locked by another command, or its file system has no locks; end"):
        add(KeyedStore(tmp_path, COLUMNS), 1)
    lock.release()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a part of this path is a file"):
        add(KeyedStore(tmp_path / "file" / "store", COLUMNS), 1)


def test_keys_that_begin_alike_are_told_apart() -> None:
    known = np.array([bytes(8) + bytes([number]) * 8 for number in (1, 2)], KEY)
    assert KeyIndex(known).find(known[1:]).tolist() == [1]
    assert KeyIndex(known).find(np.array([bytes(8) + bytes([7]) * 8], KEY)).tolist() == [-1]

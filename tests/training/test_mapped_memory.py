import re
import sys
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.row_arrays import SelectedRows
from static_gesture_classification.training import mapped_memory
from static_gesture_classification.training.inputs import CropsOrNone
from static_gesture_classification.training.mapped_memory import MappedMemory

MIB = 2**20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def crops(tmp_path: Path) -> np.ndarray:
    """64 MiB of crops, memory-mapped."""
    np.save(tmp_path / "crops.npy", np.random.default_rng(0).integers(0, 256, (1024, 128, 128, 4), np.uint8))
    return np.load(tmp_path / "crops.npy", mmap_mode="r")


def resident(name: str) -> int:
    """Bytes of a mapped file that are resident in this process."""
    maps = Path("/proc/self/smaps").read_text()
    return 1024 * int(re.search(rf"{re.escape(name)}\n.*?^Rss:\s+(\d+) kB", maps, re.DOTALL | re.MULTILINE)[1])


@linux
@pytest.mark.parametrize("wrapped", [lambda array: array, lambda array: array.view(np.ndarray)])
def test_no_more_than_the_limit_stays_resident_and_what_is_read_is_right(crops: np.memmap, wrapped) -> None:
    array, expected = wrapped(crops), np.array(crops)
    memory, most = MappedMemory(array, None, limit=16 * MIB), 0
    memory.give_back()
    for rows in np.random.default_rng(1).permutation(1024)[:96].reshape(-1, 8):
        assert np.array_equal(array[rows], expected[rows])
        most = max(most, resident("crops.npy"))
        memory.note(len(rows))
    assert 0 < most <= 18 * MIB


@linux
def test_crops_are_found_behind_what_reads_rows_of_them(crops: np.memmap) -> None:
    rows = np.arange(1024)
    hands = SelectedRows(CropsOrNone(crops, rows, 128), rows)
    assert crops.sum(dtype=np.int64) > 0
    assert resident("crops.npy") > 32 * MIB
    MappedMemory(hands).give_back()  # no larger than the limit
    assert resident("crops.npy") > 32 * MIB
    MappedMemory(hands, limit=MIB).give_back()
    assert resident("crops.npy") < MIB


def test_arrays_in_memory_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.ones((4, 2, 2, 3), np.uint8)
    memory = MappedMemory(array, None, limit=1)
    memory.note(4)
    assert array.all()
    monkeypatch.setattr(mapped_memory, "_CAN_GIVE_BACK", False)
    MappedMemory(array, limit=1).note(4)

from pathlib import Path

import pytest

from static_gesture_classification import free_memory as module
from static_gesture_classification.free_memory import free_memory

UNLIMITED = 2**63 - 4096  # what the first version says where there is no limit


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of control groups; `own` beside it says which this process is in."""
    monkeypatch.setattr(module, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(module, "OWN_GROUPS", tmp_path / "own")
    return tmp_path / "groups"


def limit(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"{text}\n")


def test_the_limit_of_a_job_and_of_what_it_runs_in_counts_in_both_versions(groups: Path) -> None:
    first, second = "memory.limit_in_bytes", "memory.max"
    (groups.parent / "own").write_text("5:cpu,cpuacct:/\n4:memory:/slurm/job_7\n0::/user/a:b\n")
    assert free_memory() > 2**20  # of the machine: no group has a limit
    limit(groups / "memory", first, str(UNLIMITED))
    limit(groups / "memory/slurm/job_7", first, "7000")
    assert free_memory() == 7000
    limit(groups / "memory/slurm", first, "6000")
    assert free_memory() == 6000
    limit(groups / "user/a:b", second, "max")
    assert free_memory() == 6000
    limit(groups / "user", second, "5000")
    assert free_memory() == 5000


def test_a_container_that_shows_its_own_groups_alone_has_the_limit_of_their_root(groups: Path) -> None:
    limit(groups, "memory.max", "4000")
    assert free_memory() == 4000
    (groups.parent / "own").write_text("0::/docker/0123\n")
    assert free_memory() == 4000

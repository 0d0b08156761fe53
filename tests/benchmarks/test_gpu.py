"""The script that gets a GPU for some minutes once has been seen to run to its end before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.full
def test_rehearsal_measures_every_part_and_keeps_the_page(tmp_path: Path) -> None:
    script = str(PROJECT / "benchmarks" / "gpu.py")
    kept = PROJECT / "benchmarks" / "results" / "gpu.md"
    before = kept.read_bytes()
    environment = {**os.environ, "OUT": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, script, "--rehearse"], cwd=PROJECT, env=environment, check=True)
    page = (tmp_path / "gpu.md").read_text()
    for part in ("at 32 | device", "at 32 | bare, plain", "at 32 | older", "at 32 | ahead", "landmarks | ahead"):
        assert f"{part} |" in page
    assert "left out" not in page
    assert kept.read_bytes() == before

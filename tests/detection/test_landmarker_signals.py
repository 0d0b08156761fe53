"""What MediaPipe's library does to the process that it is loaded in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
import numpy as np
from static_gesture_classification.detection.landmarker import Landmarker

landmarker = Landmarker({"path": sys.argv[1]}, False, 1, 0.5, 0.5, 0.5)
landmarker(np.zeros((64, 64, 3), np.uint8))
for number in (signal.SIGPROF, signal.SIGTERM):  # as Lightning does after a training
    signal.signal(number, signal.getsignal(number))
os.kill(os.getpid(), signal.SIGPROF)
print("alive")
"""


@pytest.mark.concurrent
def test_a_tick_of_its_profiler_does_not_end_the_process_once_handlers_are_put_back(hand_landmarker: Path):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(hand_landmarker)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "alive"), result.stderr

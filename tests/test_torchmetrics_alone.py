import subprocess
import sys

SAID = """
import sys
import static_gesture_classification.training.lightning
assert "scipy.signal" not in sys.modules, "torchmetrics imported it"
from scipy.signal import find_peaks
import scipy
assert scipy.signal.find_peaks is find_peaks
print(find_peaks([0, 1, 0])[0])
"""


def test_lightning_is_imported_without_scipy_signal_and_scipy_stays_whole() -> None:
    said = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True)
    assert said.stdout.strip() == "[1]", said.stderr

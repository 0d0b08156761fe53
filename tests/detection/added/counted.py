"""A detector that writes down which process builds it, and whose thread keeps a process alive until it is closed."""

import os
import threading
from pathlib import Path

import numpy as np

from static_gesture_classification.detection.detector import DetectedHand
from tests.detection.added.everywhere import Everywhere


class Counted(Everywhere):
    """A hand everywhere; each time one is built, the process adds its number to a file.

    Like the real ones it starts its thread when it first looks at a picture.
    """

    def __init__(self, half: float, log: str) -> None:
        super().__init__(half)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._closed.wait)
            self._thread.start()
        return super().detect(image)

    def close(self) -> None:
        self._closed.set()

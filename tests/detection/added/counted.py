"""A detector that writes down which process builds it."""

import os
from pathlib import Path

from tests.detection.added.everywhere import Everywhere


class Counted(Everywhere):
    """A hand everywhere; each time one is built, the process adds its number to a file."""

    def __init__(self, half: float, log: str) -> None:
        super().__init__(half)
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")

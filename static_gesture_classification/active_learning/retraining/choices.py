"""What the quick loop can be told on the page and in scripts: the experiments and methods, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from static_gesture_classification.active_learning.retraining.settings import BY_LANDMARKS, FINETUNE, HEAD

CROPS = "crops"
BY_EXPERIMENT = "+experiment="  # how a command is told to use one
METHODS = {
    BY_LANDMARKS: "The landmark model, from the beginning: seconds",
    HEAD: "The picture model: its last layer alone",
    FINETUNE: "The picture model: all layers, a little",
    CROPS: "The picture model, from the beginning: slow",
}


@dataclass(frozen=True)
class Experiment:
    """A file of conf/experiment: its name, and what its first comment says."""

    name: str
    about: str

    @property
    def override(self) -> str:
        """How a command is told to use it."""
        return f"{BY_EXPERIMENT}{self.name}"


def experiments_in(folders: Iterable[Path]) -> list[Experiment]:
    """The experiments of the folders `conf/`, by name."""
    files = {path.stem: path for folder in folders for path in sorted((folder / "experiment").glob("*.yaml"))}
    return [Experiment(name, _first_comment(path)) for name, path in sorted(files.items())]


def _first_comment(path: Path) -> str:
    """The first sentence of a file's first comment."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    texts = [line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line]
    return texts[0].partition(";")[0].rstrip(".:") if texts else ""

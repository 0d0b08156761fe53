"""Small datasets in the layouts of the published ones, written anew for each test."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from static_gesture_classification.configuration import CONF
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.sources.source import Source

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome:
    """What reading a source gave: rows of the table, item -> reason of what was rejected, lines for the report."""

    rows: list[dict[str, Any]]
    reasons: dict[str, str]
    notes: list[str]

    def boxes(self, digits: int = 4) -> list[tuple[float, ...]]:
        """Boxes of the rows, rounded."""
        return [tuple(round(row[side], digits) for side in ("x1", "y1", "x2", "y2")) for row in self.rows]

    def told(self, *columns: str) -> list[tuple[Any, ...]]:
        """Some columns of the rows."""
        return [tuple(row[column] for column in columns) for row in self.rows]


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_mapping(yaml.safe_load((PROJECT / "conf/gestures/static.yaml").read_text()))


@pytest.fixture(scope="session")
def labels() -> Callable[[str], dict[str, str]]:
    """The label map of a source as configured."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        names = [path.stem for path in sorted((CONF / "sources").glob("*.yaml"))]
        sources = compose("config", overrides=[f"sources=[{','.join(names)}]"]).sources
    return lambda name: OmegaConf.to_container(sources[name].labels)


@pytest.fixture
def outcome(vocabulary: Vocabulary, labels: Callable[[str], dict[str, str]]) -> Callable[..., Outcome]:
    """Read a source of a kind at a root, with the label map it is configured with."""

    def read(kind: type[Source], root: Path, **options: Any) -> Outcome:
        name = kind.__module__.rpartition(".")[2]
        batches = list(kind(name=name, root=str(root), labels=labels(name), **options).read(vocabulary))
        return Outcome(
            rows=[row for batch in batches for row in batch.table.to_pylist()],
            reasons={entry.item: entry.reason for batch in batches for entry in batch.rejected},
            notes=[note for batch in batches for note in batch.notes],
        )

    return read


@pytest.fixture
def save_image() -> Callable[..., Path]:
    """Write a picture of a given size; its colour tells it from others."""

    def save(path: Path, width: int = 32, height: int = 24, colour: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height), (colour, 100, 50)).save(path)
        return path

    return save


@pytest.fixture
def save_hagrid(save_image: Callable[..., Path]) -> Callable[..., Path]:
    """Write HaGRID annotations of one gesture (image name -> entry), and an image for each."""

    def save(
        root: Path, gesture: str, entries: dict[str, Any], folder: str = "annotations/train", images: str | None = None
    ) -> Path:
        file = root / folder / f"{gesture}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(entries), encoding="utf-8")
        for colour, name in enumerate(entries):
            save_image(root / (images or gesture) / f"{name}.jpg", colour=colour % 256)
        return file

    return save


@pytest.fixture
def hagrid_entry() -> Callable[..., dict[str, Any]]:
    """One image's entry as HaGRID v2 publishes it."""

    def entry(*labels: str, user: str = "a1", box: Any = (0.25, 0.25, 0.5, 0.5), **more: Any) -> dict[str, Any]:
        return {"bboxes": [list(box)] * len(labels), "labels": list(labels), "user_id": user, **more}

    return entry

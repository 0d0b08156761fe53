"""The landmarks of all photographs in ../shared/data, found once and kept in data/benchmarks/real_hands.

Hands with a published box are looked for around it; the photographs of hagrid_people, more_people and other_hands are
looked at as a whole, and their largest hand counts. The finder is the one that ships (conf/detector); one with other
settings or code looks anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from frames import PROJECT, SHARED, composed, detector

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import BOX
from static_gesture_classification.sources.folder import WHOLE_IMAGE
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.terminal import track

DATA = SHARED / "data"
KEPT = PROJECT / "data" / "benchmarks" / "real_hands"


@dataclass(frozen=True)
class RealHands:
    """Hands in photographs, one row each.

    Args:
        points: float32 (n, 21, 2), in units of the image's height; NaN where no hand was found.
        worlds: float32 (n, 21, 3), landmarks in metres; likewise NaN.
        labels: (n,), as published.
        people: (n,), the person or room; where nobody says, the photograph.
        sessions: (n,), frames of one recording; where nobody says, the person.
        sources: (n,), the folder of ../shared/data.
        files: (n,), below ../shared/data.
    """

    points: npt.NDArray[np.float32]
    worlds: npt.NDArray[np.float32]
    labels: np.ndarray
    people: np.ndarray
    sessions: np.ndarray
    sources: np.ndarray
    files: np.ndarray

    def select(self, rows: np.ndarray) -> RealHands:
        """Some of them."""
        return RealHands(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.points)


def real_hands() -> RealHands:
    """All hands; looked for now where nothing is kept."""
    with detector() as finder:
        file = KEPT / f"{finder.identity()}.npz"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = list(_look(finder))
            columns: dict[str, Any] = {
                name: np.array([row[name] for row in rows]) for name in RealHands.__dataclass_fields__
            }
            np.savez_compressed(file, **columns)
    with np.load(file) as kept:
        return RealHands(**{name: kept[name] for name in RealHands.__dataclass_fields__})


def _look(finder: Detector) -> Iterator[dict[str, object]]:
    boxed, whole = _with_boxes(), _whole_photographs()
    row: Any
    for row in track(boxed.itertuples(), "around boxes", total=len(boxed)):
        image = read_image(Path(row.root) / row.image)
        box = tuple(getattr(row, side) for side in BOX)
        yield _row(image, finder.landmarks_in(image, box), row, Path(row.root) / row.image)
    for row in track(whole.itertuples(), "whole photographs", total=len(whole)):
        image = read_image(DATA / row.file)
        yield _row(image, _largest(finder, image), row, DATA / row.file)


def _row(image: np.ndarray, hand: DetectedHand | None, row: Any, path: Path) -> dict[str, object]:
    points, world = np.full((21, 2), np.nan, np.float32), np.full((21, 3), np.nan, np.float32)
    if hand is not None and hand.landmarks is not None and hand.world_landmarks is not None:
        points, world = points_of(hand.landmarks[None], image.shape[1] / image.shape[0])[0], hand.world_landmarks
    names = {name: getattr(row, name) for name in ("labels", "people", "sessions", "sources")}
    return {"points": points, "worlds": world, "files": path.relative_to(DATA).as_posix(), **names}


def _largest(finder: Detector, image: np.ndarray) -> DetectedHand | None:
    return max(finder.detect(image), key=lambda hand: overlap(hand.box, WHOLE_IMAGE), default=None)


def _with_boxes() -> pd.DataFrame:
    """hagrid_mini, hands_mini and recorded_legacy."""
    config = composed(
        "sources=[hagrid,hands,recorded_legacy]", f"sources.recorded_legacy.root={DATA / 'recorded_legacy'}"
    )
    sources = list(Sources.from_config(config))
    samples = read_sources(sources, Vocabulary.from_config(config), config.index.max_rejected_share)[0]
    who = samples["subject"].where(samples["subject"] != "", samples["session"])
    return samples.assign(
        labels=samples["source_label"],
        people=samples["source"] + "/" + who,
        sessions=samples["source"] + "/" + samples["session"].where(samples["session"] != "", who),
        sources=[Path(root).name for root in samples["root"]],
    )


def _whole_photographs() -> pd.DataFrame:
    """hagrid_people, whose photographs are of one person each, more_people and other_hands."""
    strangers = sorted(path.relative_to(DATA).as_posix() for path in (DATA / "hagrid_people").glob("*/*.jpg"))
    people = pd.DataFrame({"file": strangers, "label": [name.split("/")[1] for name in strangers], "person": strangers})
    listed = pd.read_csv(DATA / "more_hands.csv")
    both = pd.concat([people, listed[["file", "label", "person"]]], ignore_index=True)
    both["sources"] = [name.split("/")[0] for name in both["file"]]
    return both.assign(
        labels=both["label"], people=both["person"], sessions=both["person"].astype(str) + "/" + both["label"]
    )

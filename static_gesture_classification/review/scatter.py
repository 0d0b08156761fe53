"""Points on a map that is zoomed, and of which some are chosen, by pointer or by keys; `scatter.js` is its code in the
browser.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nicegui import ui
from nicegui.element import Element

from static_gesture_classification.arrays import Singles
from static_gesture_classification.review import palette

STYLE = Path(__file__).parent / "scatter.css"


@dataclass(frozen=True)
class Kind:
    """A kind of points, in the legend.

    Args:
        name: in words.
        count: of its points.
        colour: as CSS writes it.
        shape: number of one of the shapes that `scatter.js` has; they begin anew after the last.
    """

    name: str
    count: int
    colour: str
    shape: int


class Scatter(Element, component="scatter.js"):
    """Points that show what they are when they are pointed at.

    It emits `choose` with `rows` and `how` ("lasso", "rectangle", "nearest", "shown"; "" for none), `open` with a row,
    and `at` with the row that is pointed at, which `describe` answers.

    Args:
        places: (n, 2), -1..1.
        names: (n,), the kind of each point.
        samples: n ids, of their thumbnails.
        label: is read out.
    """

    def __init__(self, places: Singles, names: pd.Series, samples: Sequence[str], label: str) -> None:
        super().__init__()
        ui.add_css(STYLE)
        kinds, of = legend(names)
        self._props.update(places=_text(places, "<f4"), of=of, legend=kinds, samples=list(samples), label=label)
        self.classes("w-full")

    def arrange(self, places: Singles) -> None:
        """Move the points."""
        self.run_method("arrange", _text(places, "<f4"))

    def colour(self, names: pd.Series) -> None:
        """Give them other kinds."""
        kinds, of = legend(names)
        self.run_method("colour", of, kinds)

    def describe(self, row: int, text: str) -> None:
        """Say what a point is."""
        self.run_method("describe", row, text)


def legend(names: pd.Series) -> tuple[list[dict[str, Any]], str]:
    """The kinds, the most frequent first, and the number of each point's kind, a byte each, as text."""
    counts = names.value_counts()
    kinds = [
        Kind(str(name), int(count), palette.category(number), number)
        for number, (name, count) in enumerate(counts.items())
    ]
    return [asdict(kind) for kind in kinds], _text(counts.index.get_indexer(pd.Index(names)), "u1")


def _text(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")

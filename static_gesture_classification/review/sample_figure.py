"""The drawings of a sample: its picture with landmarks and what matters, probabilities as bars, and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from static_gesture_classification.evaluation.hand_drawing import BONES
from static_gesture_classification.review import large_pictures, palette, thumbnails
from static_gesture_classification.review.shown_sample import ShownSample

STYLE = """
<style>
  .viewer { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
  @media (min-width: 800px) { .viewer { grid-template-columns: minmax(280px, 440px) minmax(0, 1fr); } }
  .sample-picture { position: relative; width: 100%; max-width: 440px; aspect-ratio: 1; }
  .sample-picture > * { position: absolute; inset: 0; width: 100%; height: 100%; }
  .sample-picture img.base { object-fit: contain; border-radius: 6px; background: rgba(128, 128, 128, 0.2); }
  .sample-note { font-size: 12px; max-width: 440px; }
  .sample-note a { color: inherit; text-decoration: underline; }
  .verdict { font-weight: 600; background: #00598c; color: white; border-radius: 4px; padding: 2px 8px; }
  kbd { font: 11px monospace; border: 1px solid currentColor; border-radius: 3px; padding: 0 4px; margin-left: 6px; }
  .bars { border-collapse: collapse; font-size: 13px; width: 100%; max-width: 460px; }
  .bars th { text-align: left; font-weight: 400; white-space: nowrap; padding-right: 8px; width: 1%; }
  .bars td.number { text-align: right; width: 1%; padding-left: 6px; font-variant-numeric: tabular-nums; }
  .bars .track { background: rgba(128, 128, 128, 0.2); height: 12px; border-radius: 3px; overflow: hidden; }
  .bars .track div { height: 12px; }
  .facts { font-size: 13px; }
  .facts th { text-align: left; font-weight: 500; padding-right: 12px; vertical-align: top; white-space: nowrap; }
  .facts td { overflow-wrap: anywhere; }
  .near { display: flex; gap: 8px; overflow-x: auto; padding-bottom: 4px; font-size: 12px; }
  .near a { color: inherit; text-decoration: none; flex: 0 0 96px; }
  .near img { width: 96px; height: 96px; object-fit: cover; border-radius: 4px; display: block; }
</style>
"""


@dataclass(frozen=True)
class Geometry:
    """Where things are in the large picture, in shares of its side.

    Args:
        landmarks: (21, 2), None where there are none.
        crop: left, top and side of the crop that the model sees; None where that is not known.
    """

    landmarks: np.ndarray | None = None
    crop: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the model says what it says.

    Args:
        note: in words.
        heat: a picture over the crop, as an address of its data; "" without.
        weights: of the landmarks, 0..1: (21,); None without.
    """

    note: str
    heat: str = ""
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Neighbour:
    """A sample of train that the model sees alike.

    Args:
        sample: its id.
        gesture: its label.
        similarity: cosine of the embeddings, -1..1.
    """

    sample: str
    gesture: str
    similarity: float


def figure(sample: ShownSample, geometry: Geometry, explanation: Explanation | None) -> str:
    """The hand with its landmarks and what matters to the model."""
    weights = explanation.weights if explanation else None
    layers = [f'<img class="base" src="{large_pictures.address_of(sample.sample)}" alt="{escape(sample.title)}">']
    if explanation and explanation.heat and geometry.crop:
        left, top, side = (f"{100 * value:.2f}%" for value in geometry.crop)
        place = f"inset: auto; left: {left}; top: {top}; width: {side}; height: {side}"
        layers.append(f'<img src="{explanation.heat}" alt="" style="{place}; opacity: 0.7">')
    if geometry.landmarks is not None:
        layers.append(_hand(geometry.landmarks, weights))
    note = escape(explanation.note) if explanation else "&nbsp;"
    whole = f'<a href="{large_pictures.whole_address_of(sample.sample)}" target="_blank">The whole image</a>'
    if not sample.path.exists():
        whole = "There is no image: a posed hand has its 21 points alone."
    return f'<div class="sample-picture">{"".join(layers)}</div><div class="sample-note">{note}<br>{whole}</div>'


def _hand(points: np.ndarray, weights: np.ndarray | None) -> str:
    # A dark line below a light one is seen on skin, on dark and on light ground.
    lines = "".join(
        f'<line x1="{points[a, 0]:.4f}" y1="{points[a, 1]:.4f}" x2="{points[b, 0]:.4f}" y2="{points[b, 1]:.4f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
        for colour, width in (("black", 0.009), ("#56B4E9", 0.005))
        for a, b in BONES
    )
    dots = "".join(
        f'<circle cx="{x:.4f}" cy="{y:.4f}" r="{0.008 + 0.022 * weight:.4f}" fill="{_warmth(weight)}" '
        'stroke="black" stroke-width="0.002"/>'
        for (x, y), weight in zip(points, np.zeros(len(points)) if weights is None else weights, strict=True)
    )
    return f'<svg viewBox="0 0 1 1" aria-hidden="true">{lines}{dots}</svg>'


def _warmth(weight: float) -> str:
    return "#56B4E9" if weight < 0.25 else "#E69F00" if weight < 0.6 else "#D55E00"


def bars(sample: ShownSample) -> str:
    """The probability of each gesture."""
    if not sample.probabilities:
        return ""
    rows = []
    for gesture, value in sample.probabilities.items():
        colour = palette.RIGHT if gesture == sample.gesture else palette.WRONG
        mark = " (label)" if gesture == sample.gesture else ""
        rows.append(
            f'<tr><th scope="row">{escape(gesture)}{mark}</th><td><div class="track"><div style="width: '
            f'{100 * value:.1f}%; background: {colour}"></div></div></td><td class="number">{value:.3f}</td></tr>'
        )
    return f'<table class="bars" aria-label="Probabilities">{"".join(rows)}</table>'


def facts_table(sample: ShownSample) -> str:
    """Who and where."""
    facts = {
        "why": sample.remark,
        "label": sample.gesture,
        "person": sample.subject or "unknown",
        "session": sample.session,
        "source": sample.source,
        "split": sample.split,
        "hand": sample.hand,
        "image": sample.image,
        "sample": sample.sample,
    }
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{escape(value)}</td></tr>' for name, value in facts.items() if value
    )
    return f'<table class="facts">{rows}</table>'


def neighbours_strip(neighbours: Sequence[Neighbour] | str) -> str:
    """The nearest samples of train, or why there are none."""
    heading = '<div class="text-subtitle2">Most alike in train, to the model</div>'
    if isinstance(neighbours, str):
        return f'{heading}<div class="sample-note">{escape(neighbours)}</div>' if neighbours else ""
    pictures = "".join(
        f'<a href="/samples/{each.sample}" target="_blank"><img src="{thumbnails.address_of(each.sample)}" alt="">'
        f"{escape(each.gesture)} {each.similarity:.2f}</a>"
        for each in neighbours
    )
    return f'{heading}<div class="near">{pictures}</div>'

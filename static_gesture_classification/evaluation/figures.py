"""Figures of predictions and samples: Matplotlib figures for numbers, plain uint8 images for grids of crops.

Figures are made object by object, without pyplot: there is no global state, no display, and a thread may draw one.
Blue is right or a count, orange is wrong.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.evaluation.metrics import Integers, confusion_rates

BLUE, SKY, GREEN, ORANGE, INK, PALE = "#2f6db3", "#9cc3e6", "#4f9d69", "#e07b39", "#2b2b2b", "#e6e6e6"
DPI = 110
READABLE = 40  # gestures whose confusion matrix has its numbers in it, and whose bars stand side by side
BARS_IN_COLUMN, MOST_COLUMNS = 50, 5  # of the bars of more gestures, which lie below each other
LOWEST_CURVES = 10  # of more gestures, which have a colour and a name

Image8 = npt.NDArray[np.uint8]


def confusion_matrix(counts: Integers, labels: Sequence[str], title: str) -> Figure:
    """Confusion matrix as counts (left) and as rates of each gesture's support (right).

    That of more gestures than are `READABLE` is one picture of the rates, without numbers.

    Args:
        counts: (L, L), rows are the ground truth.
        labels: L names.
    """
    rates = confusion_rates(counts)
    if len(labels) > READABLE:
        return _large_confusion_matrix(rates, labels, title)
    height = 1.7 + 0.42 * len(labels)
    figure = _figure(2 * height + 0.5, height, title)
    names = [f"{label}  {support:,}" for label, support in zip(labels, counts.sum(1), strict=True)]
    numbers = [[f"{value:,}" if value else "" for value in row] for row in counts]
    shares = [[f"{100 * value:.0f}" if value >= 0.005 else "" for value in row] for row in np.nan_to_num(rates)]
    left, right = figure.subplots(1, 2)
    _matrix(left, rates, numbers, names, labels, "samples")
    _matrix(right, rates, shares, labels, labels, "% of the ground truth's samples")
    _lay_out(figure)
    return figure


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once and for all: matplotlib would draw it once more for that when it is saved.

    Training draws such a figure after every epoch.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def gesture_bars(scores: pd.DataFrame, title: str) -> Figure:
    """Precision, recall and F1 of each gesture (`metrics.gesture_scores`) side by side, with the support below.

    Those of more gestures than are `READABLE` lie below each other: F1 as a bar, precision and recall as points.
    """
    if len(scores) > READABLE:
        return _many_gesture_bars(scores, title)
    figure = _figure(max(6.0, 0.95 * len(scores) + 1.2), 4.0, title)
    axes = _plain(figure.subplots(), "", "score")
    for offset, (column, colour) in enumerate({"precision": SKY, "recall": BLUE, "f1": GREEN}.items()):
        positions = np.arange(len(scores)) + 0.27 * (offset - 1)
        axes.bar(positions, scores[column].fillna(0.0), 0.25, color=colour, label=column.replace("f1", "F1"))
    for position, value in enumerate(scores["f1"]):
        text = "no samples" if np.isnan(value) else f"{value:.2f}"
        axes.text(position + 0.27, np.nan_to_num(value) + 0.01, text, ha="center", va="bottom", fontsize=7, color=INK)
    axes.set_ylim(0, 1.08)
    axes.set_xticks(range(len(scores)), [f"{name}\n{n:,}" for name, n in scores["support"].items()], fontsize=8)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def precision_recall(curves: pd.DataFrame, average: pd.Series, title: str) -> Figure:
    """Precision over recall of each gesture against the rest, with average precision in the legend.

    Of more gestures than are `READABLE`, those with the lowest average precision have a colour and a name.
    """
    many = len(average) > READABLE
    figure = _figure(7.6, 4.8, f"{title}; named: the {LOWEST_CURVES} lowest of {len(average)}" if many else title)
    axes = _plain(figure.subplots(), "recall", "precision")
    by_gesture = {str(name): curve for name, curve in curves.groupby("gesture", sort=False)}
    named = average.nsmallest(LOWEST_CURVES) if many else average
    for name, curve in by_gesture.items():
        if name not in named.index:
            axes.plot(curve["recall"], curve["precision"], color=PALE, lw=1, zorder=1)
    colours = mpl.colormaps["tab20" if len(named) > 10 else "tab10"].colors  # type: ignore[attr-defined]
    for index, (gesture, value) in enumerate(named.items()):
        curve = by_gesture.get(str(gesture), curves.iloc[:0])
        label = f"{gesture}  {'no samples' if np.isnan(value) else f'{value:.3f}'}"
        axes.plot(curve["recall"], curve["precision"], color=colours[index % len(colours)], label=label, lw=1.4)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    axes.grid(axis="x", color=PALE, lw=0.8)
    axes.legend(
        frameon=False, fontsize=8, title="average precision", title_fontsize=8, bbox_to_anchor=(1, 1), loc="upper left"
    )
    return figure


def reliability(bins: pd.DataFrame, error: float, title: str) -> Figure:
    """Reliability diagram: accuracy over score per bin (`metrics.calibration`), and how many samples each bin has."""
    figure = _figure(5.2, 5.2, f"{title}: calibration error {error:.3f}")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    centres, width = (bins["low"] + bins["high"]) / 2, bins["high"] - bins["low"]
    _plain(upper, "", "share that is right").bar(centres, bins["accuracy"].fillna(0), width * 0.92, color=BLUE)
    filled = bins["samples"] > 0
    upper.plot(
        bins["confidence"][filled], bins["accuracy"][filled], "o", color=ORANGE, ms=4, label="mean score of the bin"
    )
    upper.plot([0, 1], [0, 1], color=INK, lw=1, ls="--", label="score = share that is right")
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    _plain(lower, "score of the prediction", "samples").bar(centres, bins["samples"], width * 0.92, color=SKY)
    return figure


def distribution(counts: Mapping[str, pd.Series] | pd.Series, title: str) -> Figure:
    """Samples per gesture as bars, one colour per split.

    Those of more gestures than are `READABLE` lie below each other, in columns.

    Args:
        counts: one series gesture -> samples, or several by name.
    """
    series = {"samples": counts} if isinstance(counts, pd.Series) else dict(counts)
    gestures = list(next(iter(series.values())).index)
    if len(gestures) > READABLE:
        return _many_counts(series, title)
    figure = _figure(max(5.0, 0.8 * len(gestures) + 1), 3.4, title)
    axes = _plain(figure.subplots(), "", "samples")
    width = 0.8 / len(series)
    for offset, ((name, values), colour) in enumerate(zip(series.items(), (BLUE, ORANGE, GREEN, SKY), strict=False)):
        positions = np.arange(len(gestures)) + width * (offset - (len(series) - 1) / 2)
        bars = axes.bar(positions, values, width * 0.94, color=colour, label=f"{name} ({values.sum():,})")
        axes.bar_label(bars, [f"{value:,}" for value in values], fontsize=7, padding=1, color=INK)
    axes.set_xticks(range(len(gestures)), gestures, fontsize=8, rotation=30, ha="right", rotation_mode="anchor")
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=len(series), loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _many_counts(series: Mapping[str, pd.Series], title: str) -> Figure:
    """`distribution` of many gestures: bars that lie below each other, in columns."""
    counts = pd.DataFrame(series)
    colours, thick = (BLUE, ORANGE, GREEN, SKY), 0.84 / len(series)
    totals = ", ".join(f"{name} {total:,}" for name, total in counts.sum().items()) if len(series) > 1 else ""
    figure, columns = _columns(counts, f"{title} ({totals})" if totals else title, "samples")
    for axes, rows in columns:
        for offset, ((name, values), colour) in enumerate(zip(rows.items(), colours, strict=False)):
            places = np.arange(len(rows)) + thick * (offset - (len(series) - 1) / 2)
            bars = axes.barh(places, values, thick * 0.94, color=colour, label=name)
            axes.bar_label(bars, [f"{value:,}" for value in values], fontsize=5.5, padding=1, color=INK)
        axes.set_xlim(0, 1.25 * max(1, int(counts.to_numpy().max())))
    if len(series) > 1:
        columns[0][0].legend(frameon=False, fontsize=6, loc="lower right")
    return figure


def _many_gesture_bars(scores: pd.DataFrame, title: str) -> Figure:
    """`gesture_bars` of many gestures: F1 as bars that lie below each other, in columns."""
    shown = scores.set_axis([f"{name} ({n:,})" for name, n in scores["support"].items()])
    figure, columns = _columns(shown, title, "score")
    for axes, rows in columns:
        places = np.arange(len(rows))
        axes.barh(places, rows["f1"].fillna(0.0), 0.8, color=GREEN, alpha=0.6, label="F1")
        for column, colour in {"precision": SKY, "recall": BLUE}.items():
            axes.plot(rows[column], places, "|", color=colour, ms=6, mew=2, label=column)
        for place, value in enumerate(rows["f1"]):
            text = "no samples" if np.isnan(value) else f"{value:.2f}"
            axes.text(1.03, place, text, ha="left", va="center", fontsize=5.5, color=INK)
        axes.set_xlim(0, 1.3)
    figure.legend(*columns[0][0].get_legend_handles_labels(), frameon=False, fontsize=7, ncols=3, loc="upper right")
    return figure


def _columns(rows: pd.DataFrame, title: str, scale: str) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A figure of columns side by side, each with the axes and the rows, top down, that are drawn in it."""
    height = max(BARS_IN_COLUMN, ceil(len(rows) / MOST_COLUMNS))
    parts = [rows.iloc[start : start + height] for start in range(0, len(rows), height)]
    figure = _figure(3.0 * len(parts), 0.13 * height + 1.0, title)
    drawn = []
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        _plain(axes, scale, "").grid(False)
        axes.set_yticks(range(len(part)), [str(name) for name in part.index], fontsize=5.5)
        axes.set_ylim(height - 0.5, -0.5)
        axes.tick_params(axis="x", labelsize=6)
        drawn.append((axes, part))
    return figure, drawn


def image_grid(crops: Image8, captions: Sequence[str], title: str, columns: int = 6, tile: int = 112) -> Image8:
    """Crops in rows with a caption under each, as one image.

    Args:
        crops: (n, size, size, 3) uint8 RGB; with n = 0 only the title is drawn.
        captions: n short texts; what does not fit under a tile is cut.
        tile: edge of a drawn crop in pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    gap, strip, head = 6, 16, 26
    columns = max(1, min(columns, len(crops)))
    rows = -(-len(crops) // columns)
    width = max(columns * (tile + gap) + gap, int(_font(13).getlength(title)) + 2 * gap)
    canvas = Image.new("RGB", (width, head + rows * (tile + strip + gap)), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((gap, 5), title, INK, _font(13))
    for index, (crop, caption) in enumerate(zip(crops, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = gap + column * (tile + gap), head + row * (tile + strip + gap)
        canvas.paste(Image.fromarray(crop).resize((tile, tile), Image.Resampling.BILINEAR), (x, y))
        draw.text((x + 1, y + tile + 1), _cut_to_width(caption, tile), INK, _font(11))
    return np.asarray(canvas)


def error_grid(
    crops: Image8, scores: Sequence[float], names: Sequence[str], gesture: str, prediction: str, total: int
) -> Image8:
    """Grid of samples of `gesture` that were taken for `prediction`, each with its score and its name.

    `total` is how many there are; `crops` (n, size, size, 3) may be fewer.
    """
    captions = [f"{score:.2f} {name}" for score, name in zip(scores, names, strict=True)]
    count = f"{total:,}" if total == len(crops) else f"{len(crops):,} of {total:,}"
    return image_grid(crops, captions, f"{gesture} taken for {prediction}: {count}")


def png_bytes(figure: Figure | Image8) -> bytes:
    """A figure or an image (height, width, 3) uint8 RGB as PNG; the same input gives the same bytes."""
    buffer = io.BytesIO()
    if isinstance(figure, Figure):
        figure.savefig(buffer, format="png", dpi=DPI)
    else:
        Image.fromarray(figure).save(buffer, format="png", compress_level=3)
    return buffer.getvalue()


def write_figure(figure: Figure | Image8, path: Path) -> None:
    """Write a figure or an image as PNG to `path`."""
    content = png_bytes(figure)
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def _figure(width: float, height: float, title: str) -> Figure:
    figure = Figure((width, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def _plain(axes: Axes, x: str, y: str) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    return axes


def _large_confusion_matrix(rates: Doubles, labels: Sequence[str], title: str) -> Figure:
    """Rates as colours; lines of labels that are as high as their font."""
    side = 0.08 * len(labels)
    figure = Figure((side + 2.2, side + 2.2), dpi=DPI, facecolor="white")
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    axes = figure.add_axes((1.8 / (side + 2.2), 1.7 / (side + 2.2), side / (side + 2.2), side / (side + 2.2)))
    axes.imshow(_shades(np.nan_to_num(rates)), interpolation="nearest")
    axes.set_xticks(range(len(labels)), labels, fontsize=4.5, rotation=90)
    axes.set_yticks(range(len(labels)), labels, fontsize=4.5)
    axes.tick_params(length=0, colors=INK, pad=1)
    axes.spines[:].set_color(PALE)
    axes.set_xlabel("prediction (% of the ground truth's samples, as shade)", fontsize=9, color=INK)
    axes.set_ylabel("ground truth", fontsize=9, color=INK)
    return figure


def _shades(share: Doubles) -> Doubles:
    """Colours (L, L, 4): right answers blue, errors orange (by the square root, so that rare ones show)."""
    diagonal = np.eye(len(share), dtype=bool)
    blue, orange = mpl.colormaps["Blues"](0.75 * share), mpl.colormaps["Oranges"](0.75 * np.sqrt(share))
    orange[share == 0] = 1.0
    return np.where(diagonal[..., None], blue, orange)


def _matrix(
    axes: Axes,
    rates: Doubles,
    texts: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    caption: str,
) -> None:
    """Draw one matrix with its numbers."""
    share = np.nan_to_num(rates)
    axes.imshow(_shades(share))
    edges = np.arange(len(share) + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], PALE, lw=0.5)
    axes.vlines(edges, edges[0], edges[-1], PALE, lw=0.5)
    for row, column in np.argwhere(np.array(texts, dtype=object) != ""):
        colour = "white" if share[row, column] > (0.7 if row == column else 0.5) else INK
        text = axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=7.5, color=colour)
        text.set_in_layout(False)  # it is in its cell; measuring each takes as long as drawing it
    axes.set_xticks(range(len(columns)), columns, fontsize=8, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"prediction ({caption})", fontsize=9, color=INK)
    axes.set_ylabel("ground truth", fontsize=9, color=INK)


def _cut_to_width(text: str, width: int) -> str:
    font = _font(11)
    fitting = bisect_right(range(1, len(text) + 1), width, key=lambda letters: ceil(font.getlength(text[:letters])))
    return text[:fitting]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from static_gesture_classification.evaluation import figures, metrics
from tests.support.seeded_predictions import GESTURES, seeded_predictions


@pytest.fixture(scope="module")
def outcomes():
    return metrics.outcomes_of(seeded_predictions(400))


@pytest.fixture(scope="module")
def counts(outcomes):
    return metrics.confusion_counts(outcomes.truths, outcomes.predictions, 10)


def texts(axes):
    return {tuple(int(v) for v in text.get_position()): text.get_text() for text in axes.texts}


def test_a_confusion_matrix_shows_counts_and_shares_with_the_prediction_along_x(counts):
    left, right = figures.confusion_matrix(counts, GESTURES, "val").axes
    row, column = np.argwhere(counts * (1 - np.eye(10, dtype=int)) > 0)[0]
    assert texts(left)[column, row] == str(counts[row, column])
    assert texts(right)[3, 3] == f"{100 * counts[3, 3] / counts[3].sum():.0f}"
    assert left.get_yticklabels()[0].get_text() == f"BACKGROUND  {counts[0].sum()}"


def test_a_perfect_confusion_matrix_has_numbers_on_its_diagonal_only():
    left, right = figures.confusion_matrix(np.diag([5, 0, 7]), ["A", "B", "C"], "val").axes
    assert texts(left) == {(0, 0): "5", (2, 2): "7"}
    assert texts(right) == {(0, 0): "100", (2, 2): "100"}


def test_the_matrix_of_very_many_gestures_is_coloured_cells_with_all_names():
    names = [f"G{number}" for number in range(figures.READABLE + 1)]
    figure = figures.confusion_matrix(np.eye(len(names), dtype=int), names, "val")
    (axes,) = figure.axes
    assert not axes.texts
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert max(figure.get_size_inches()) < 6


def test_every_figure_can_be_written_also_where_gestures_have_no_samples(tmp_path):
    some = metrics.outcomes_of(seeded_predictions(3))
    counts = metrics.confusion_counts(some.truths, some.predictions, 10)
    scores = metrics.gesture_scores(counts, GESTURES)
    bins = metrics.calibration(some)
    drawn = {
        "confusion": figures.confusion_matrix(counts, GESTURES, "val"),
        "bars": figures.gesture_bars(scores, "val"),
        "curves": figures.precision_recall(*metrics.precision_recall_curves(some), "val"),
        "reliability": figures.reliability(bins, 0.1, "val"),
        "distribution": figures.distribution({"train": scores["support"], "val": scores["support"]}, "samples"),
    }
    for name, figure in drawn.items():
        figures.write_figure(figure, tmp_path / f"{name}.png")
        assert Image.open(tmp_path / f"{name}.png").getextrema() != ((255, 255),) * 4


def test_the_same_numbers_give_the_same_bytes(counts):
    once, again = (figures.png_bytes(figures.confusion_matrix(counts, GESTURES, "val")) for _ in range(2))
    assert once == again


def test_a_distribution_has_a_bar_per_gesture_and_split():
    counts = pd.Series([3, 0, 5], index=["A", "B", "C"])
    (axes,) = figures.distribution({"train": counts, "val": counts * 2}, "samples").axes
    assert [bar.get_height() for bar in axes.patches] == [3, 0, 5, 6, 0, 10]


def many_scores():
    names = [f"GESTURE_{number}" for number in range(200)]
    values = np.linspace(0.2, 1.0, 200)
    columns = {"precision": values, "recall": values[::-1], "f1": values, "support": np.arange(200)}
    return pd.DataFrame(columns, index=pd.Index(names, name="gesture"))


def test_figures_of_200_gestures_fit_on_a_screen_and_name_every_gesture():
    scores = many_scores()
    drawn = {
        "bars": figures.gesture_bars(scores, "val"),
        "one split": figures.distribution(scores["support"], "samples"),
        "two splits": figures.distribution({"train": scores["support"], "val": scores["support"]}, "samples"),
    }
    for figure in drawn.values():
        assert max(figure.get_size_inches()) < 16
        named = [label.get_text().split()[0] for axes in figure.axes for label in axes.get_yticklabels()]
        assert named == list(scores.index)
    widths = [bar.get_width() for axes in drawn["one split"].axes for bar in axes.patches]
    assert widths == list(range(200))


def test_of_200_precision_recall_curves_the_lowest_have_names():
    scores = many_scores()
    curves = pd.DataFrame({"gesture": scores.index.repeat(2), "recall": [0.0, 1.0] * 200, "precision": 0.5})
    (axes,) = figures.precision_recall(curves, scores["f1"], "val").axes
    assert len(axes.lines) == 200
    named = [text.get_text().split()[0] for text in axes.get_legend().get_texts()]
    assert named == list(scores.index[: figures.LOWEST_CURVES])


def test_a_grid_holds_each_crop_once_in_order():
    crops = np.stack([np.full((20, 20, 3), value, np.uint8) for value in (40, 90, 140)])
    grid = figures.error_grid(crops, [0.9, 0.8, 0.7], ["a", "имя", "c" * 99], "TWO", "THREE", 3)
    assert grid.dtype == np.uint8
    assert [int(grid[60, 60 + 118 * i].mean()) for i in range(3)] == [40, 90, 140]


def test_a_grid_of_many_crops_breaks_into_rows():
    crops = np.zeros((14, 8, 8, 3), np.uint8)
    grid = figures.image_grid(crops, [""] * 14, "title", columns=6, tile=20)
    assert grid.shape[0] == 26 + 3 * 42

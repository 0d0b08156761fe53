"""Charts."""

import numpy as np
import pandas as pd

from static_gesture_classification.review.charts import MOST_ROWS, Line, lines, values_html


def test_a_single_epoch_stands_alone_between_two_ends_without_a_mark() -> None:
    options = lines(
        "score", [Line("a", pd.Series({3: 0.9}), 0), Line("b", pd.Series({3: 0.8, 4: np.nan}), 1)], marked=3
    )
    assert (options["xAxis"]["min"], options["xAxis"]["max"], options["xAxis"]["interval"]) == (2, 4, 1)
    assert not options["yAxis"]["scale"], "the axis begins at 0"
    assert not any("markLine" in series for series in options["series"])


def test_the_best_of_several_epochs_is_marked() -> None:
    options = lines("score", [Line("a", pd.Series({0: 0.5, 1: 0.9}), 0)], marked=1)
    assert options["series"][0]["markLine"]["data"] == [{"xAxis": 1}]
    assert options["yAxis"]["scale"]


def test_the_values_of_lines_are_a_row_for_each_place_at_which_one_has_a_value() -> None:
    drawn = [Line("a<b", pd.Series({0: 0.5, 2: 0.25}), 0), Line("c", pd.Series({2: np.nan, 3: 12345.6}), 1)]
    text = values_html(drawn, "epoch")
    assert "a&lt;b" in text
    assert text.count('<th scope="row">') == 3
    assert '<tr><th scope="row">2</th><td>0.25</td><td>-</td></tr>' in text
    assert "1.235e+04" in text


def test_of_very_many_values_some_are_shown_from_the_first_to_the_last() -> None:
    text = values_html([Line("a", pd.Series(np.arange(10_000.0)), 0)], "seconds")
    assert text.count('<th scope="row">') == MOST_ROWS
    assert f"{MOST_ROWS} of 10,000 rows" in text
    assert '<th scope="row">0</th>' in text
    assert '<th scope="row">9999</th>' in text

"""Charts."""

import numpy as np
import pandas as pd

from static_gesture_classification.review.charts import Line, lines


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

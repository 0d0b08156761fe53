"""Runs beside each other."""

import pandas as pd

from static_gesture_classification.tracking.run_list import NOT_SET, differing_settings, shared_metrics


def test_only_settings_that_differ_are_listed_and_absent_ones_are_not_set() -> None:
    first = {"model": {"name": "resnet18", "weights": None}, "seed": 0}
    second = {"model": {"name": "landmarks", "weights": None}, "seed": 0, "augs": {"p": 0.8}}
    table = differing_settings([first, second, first])
    assert table.T.to_dict("list") == {
        "model/name": ["resnet18", "landmarks", "resnet18"],
        "augs/p": [NOT_SET, "0.8", NOT_SET],
    }
    assert differing_settings([first, first]).empty


def test_metrics_of_one_run_alone_are_not_compared() -> None:
    tables = [pd.DataFrame(columns=["training/loss", "training/lr", "val/x"]), pd.DataFrame(columns=["training/loss"])]
    assert shared_metrics(tables) == ["training/loss"]

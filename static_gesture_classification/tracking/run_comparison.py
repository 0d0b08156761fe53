"""Several runs beside each other: the settings that differ, and the metrics that they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from static_gesture_classification.tracking.trackers import flatten

NOT_SET = ""


def differing_settings(configs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The settings that are not the same in all of n configurations, as texts.

    Returns:
        Indexed by setting (`train_hyperparams/lr`), in the order of the configurations; columns 0 to n - 1; `NOT_SET`
        where a configuration does not have the setting.

    >>> differing_settings([{"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0}]).to_dict("index")
    {'lr': {0: '0.1', 1: '0.2'}}
    """
    columns = [{field: str(value) for field, value in flatten(config, "").items()} for config in configs]
    fields = dict.fromkeys(field for column in columns for field in column)
    rows = {field: [column.get(field, NOT_SET) for column in columns] for field in fields}
    differing = {field: values for field, values in rows.items() if len(set(values)) > 1}
    return pd.DataFrame.from_dict(differing, orient="index", columns=range(len(columns)), dtype=object)


def shared_metrics(tables: Sequence[pd.DataFrame], prefix: str = "training/") -> list[str]:
    """The fields below `prefix` that more than one of some tables of metrics has, in alphabetical order."""
    counts = pd.Series(
        [field for table in tables for field in table.columns if field.startswith(prefix)]
    ).value_counts()
    return sorted(str(field) for field, count in counts.items() if count > 1)

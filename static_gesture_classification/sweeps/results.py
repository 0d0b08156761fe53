"""What a sweep found: a table, as CSV and in the terminal, and a figure of all trials.

reports/sweeps/<name>/trials.csv
reports/sweeps/<name>/parallel_coordinates.png
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from static_gesture_classification.atomic_files import write_bytes, write_text
from static_gesture_classification.sweeps.settings import SweepSettings
from static_gesture_classification.sweeps.study import (
    PLACE,
    RUN,
    SECONDS_TAKEN,
    TRIAL_ERROR,
    distribution_of,
    ended_trials,
    values_of,
)
from static_gesture_classification.terminal import Column, Table

TRIALS, PARALLEL_COORDINATES = "trials.csv", "parallel_coordinates.png"
_SHOWN = 10  # trials in the terminal
_STATES = {"COMPLETE": "complete", "PRUNED": "stopped early", "FAIL": "failed"}
_SCORE = "weighted_F1"


def trials_table(study: optuna.Study, settings: SweepSettings) -> pd.DataFrame:
    """The trials that are over, best first: complete ones, then those stopped early, then failed ones.

    Returns:
        Columns trial (from 1), state, weighted_F1 (on val: of the best epoch; of a trial stopped early, of its last),
        epochs, seconds, run, error, and a column for each searched setting.
    """
    distributions = {each.setting: distribution_of(each) for each in settings.space}
    rows = [_row(trial, distributions) for trial in ended_trials(study)]
    columns = ["trial", "state", _SCORE, "epochs", "seconds", "run", "error", *distributions]
    frame = pd.DataFrame(rows, columns=columns)
    rank = frame["state"].map({name: place for place, name in enumerate(_STATES.values())})
    order = frame.assign(rank=rank).sort_values(["rank", _SCORE, "trial"], ascending=[True, False, True]).index
    return frame.loc[order].reset_index(drop=True)


def write_results(study: optuna.Study, settings: SweepSettings) -> pd.DataFrame:
    """Write the table and the figure; returns the table.

    Raises:
        OutputError: they cannot be written.
    """
    table = trials_table(study, settings)
    write_text(settings.folder / TRIALS, table.to_csv(index=False, float_format="%.6g"))
    content = io.BytesIO()
    parallel_coordinates(table, settings).savefig(content, format="png", dpi=110)
    write_bytes(settings.folder / PARALLEL_COORDINATES, content.getvalue())
    return table


def terminal_table(table: pd.DataFrame, settings: SweepSettings) -> Table:
    """The best trials of a table of `trials_table`; of each setting, the last part of its name."""
    shown = Table(
        *(Column(name, justify="right", no_wrap=True) for name in ("trial", "weighted F1", "epochs")),
        Column("state", no_wrap=True),
        Column("values", ratio=1),
        title=f"Sweep {settings.name}: {min(_SHOWN, len(table))} of {len(table)} trials, the best first",
    )
    for row in table.head(_SHOWN).to_dict("records"):
        values = ", ".join(f"{each.setting.rpartition('.')[2]} {_cell(row[each.setting])}" for each in settings.space)
        score = "-" if pd.isna(row[_SCORE]) else f"{row[_SCORE]:.4f}"
        shown.add_row(str(row["trial"]), score, str(row["epochs"]), str(row["state"]), values)
    return shown


def parallel_coordinates(table: pd.DataFrame, settings: SweepSettings) -> Figure:
    """Each trial as a line over the searched settings to its score; those stopped early are grey and dashed.

    Args:
        table: of `trials_table`.
        settings: of the sweep.
    """
    distributions = {each.setting: distribution_of(each) for each in settings.space}
    figure = Figure((2.0 + 1.5 * len(distributions), 5.0), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots()
    scored = table.dropna(subset=[_SCORE])
    complete = scored[scored["state"] == _STATES["COMPLETE"]]
    low, high = _ends(scored[_SCORE], complete[_SCORE])
    colours = ScalarMappable(Normalize(low, high), mpl.colormaps["viridis_r"])
    heights = {name: _heights(scored[name], distribution) for name, distribution in distributions.items()}
    lines = np.column_stack([*heights.values(), ((scored[_SCORE] - low) / (high - low)).clip(0, 1)])
    for line, (_, row) in reversed(list(zip(lines, scored.iterrows(), strict=True))):
        is_complete, is_best = row["state"] == _STATES["COMPLETE"], row["trial"] == table["trial"].iloc[0]
        style: dict[str, Any] = (
            {"color": colours.to_rgba(row[_SCORE])} if is_complete else {"color": "0.75", "ls": "--"}
        )
        axes.plot(line, lw=3 if is_best else 1.2, **style, zorder=3 if is_best else 2 if is_complete else 1)
    lower = "\N{LESS-THAN OR EQUAL TO} " if (scored[_SCORE] < low).any() else ""
    _draw_scales(axes, distributions, [f"{lower}{low:.3f}", f"{high:.3f}"])
    best = f", the best {complete[_SCORE].max():.4f} (thick)" if len(complete) else ""
    stopped = f"; {len(scored) - len(complete)} stopped early (dashed)" if len(scored) > len(complete) else ""
    axes.set_title(f"Sweep {settings.name}: {len(complete)} complete trials{best}{stopped}", loc="left", fontsize=11)
    return figure


def _row(trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    reported = trial.intermediate_values
    score = trial.value if trial.value is not None else reported[max(reported)] if reported else None
    facts = trial.user_attrs
    return {
        "trial": facts.get(PLACE, trial.number) + 1,
        "state": _STATES[trial.state.name],
        _SCORE: score,
        "epochs": len(reported),
        "seconds": facts.get(SECONDS_TAKEN),
        "run": facts.get(RUN, ""),
        "error": facts.get(TRIAL_ERROR, ""),
        **values_of(trial.params, distributions),
    }


def _ends(scores: pd.Series, complete: pd.Series) -> tuple[float, float]:
    """The range of the scores' axis, which is never empty.

    It has all complete trials and most of those stopped early: a few that were far worse would squeeze the others.
    """
    if not len(scores):
        return 0.0, 1.0
    low, high = float(min([scores.quantile(0.1), *complete])), float(scores.max())
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def _heights(values: pd.Series, distribution: BaseDistribution) -> np.ndarray:
    """Where values lie on their axis, 0 to 1."""
    if isinstance(distribution, CategoricalDistribution):
        texts = [str(choice) for choice in _choices(distribution)]
        return np.array([texts.index(str(value)) / (len(texts) - 1) for value in values])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = np.log if distribution.log else np.asarray
    low, high = float(scale(distribution.low)), float(scale(distribution.high))
    return (np.asarray(scale(values.to_numpy(np.float64))) - low) / (high - low)


def _choices(distribution: CategoricalDistribution) -> list[Any]:
    return [values_of({"": choice}, {"": distribution})[""] for choice in distribution.choices]


def _draw_scales(axes: Axes, distributions: Mapping[str, BaseDistribution], scores: list[str]) -> None:
    """An axis for each setting and one for the score, with their values beside them."""
    for place, distribution in enumerate(distributions.values()):
        if isinstance(distribution, CategoricalDistribution):
            texts = list(map(_cell, _choices(distribution)))
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            texts = [f"{distribution.low:.4g}", f"{distribution.high:.4g}"]
        _draw_scale(axes, place, texts)
    _draw_scale(axes, len(distributions), scores)
    names = [name.rpartition(".")[2] for name in distributions]
    axes.set_xticks(range(len(names) + 1), [*names, "weighted F1"], fontsize=9)
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, len(names) + 0.6), ylim=(-0.08, 1.08))
    axes.spines[:].set_visible(False)


def _draw_scale(axes: Axes, place: int, texts: list[str]) -> None:
    axes.axvline(place, 0.08 / 1.16, 1.08 / 1.16, color="0.4", lw=1, zorder=2.5)
    for height, text in zip(np.linspace(0, 1, len(texts)), texts, strict=True):
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}
        axes.text(place + 0.04, height, text, fontsize=8, va="center", bbox=box, zorder=4)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

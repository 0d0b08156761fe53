"""Engines give the results in order, and are built from the configuration."""

import importlib.util

import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.parallel.local import LocalEngine
from tests.support.composing import composed


def test_this_machine_is_the_engine_unless_another_is_chosen() -> None:
    assert isinstance(EngineSettings.from_config(composed()).build(), LocalEngine)
    assert isinstance(EngineSettings().build(), LocalEngine)


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(LocalEngine().map(lambda number: 2 * number, range(40), threads=True)) == list(range(0, 80, 2))


def test_what_is_no_engine_is_named() -> None:
    with pytest.raises(UserError, match=r"parallel\._target_ is 'pathlib\.Path', which is no engine"):
        EngineSettings(node={"_target_": "pathlib.Path"}).build()


def test_without_ray_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'static-gesture-classification\[ray\]'"):
        EngineSettings.from_config(composed("parallel=ray", "parallel.address=nowhere:1")).build()

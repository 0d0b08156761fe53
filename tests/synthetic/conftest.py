"""A small plan of synthetic hands, as the configuration describes it."""

from collections.abc import Callable
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from static_gesture_classification.configuration import CONF
from static_gesture_classification.synthetic.plan import Plan

SMALL = ("synthetic.images=33", "synthetic.people=7", "synthetic.size=64", "synthetic.n_jobs=1")


@pytest.fixture(scope="session")
def composed() -> Callable[..., Any]:
    """The composed configuration of a small dataset, with further overrides."""

    def with_overrides(*overrides: str) -> Any:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", [*SMALL, *overrides])

    return with_overrides


@pytest.fixture(scope="session")
def plan(composed: Callable[..., Any]) -> Plan:
    """The plan of a small dataset."""
    return Plan.from_config(composed())

from typing import Annotated, Literal

import pytest
from omegaconf import DictConfig, OmegaConf
from pydantic import Field, ValidationError

from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import At, Settings


class Part(Settings):
    rate: float = Field(gt=0)


class Rate(Part, key="rates.fast"):
    pass


class Example(Settings, key="splits"):
    share: float = Field(ge=0, lt=1)
    group: Literal["subject", "session"]
    count: int
    seed: Annotated[int, At("seed")]
    part: Part
    fast: Rate
    slow: Annotated[Part, At("rates.slow")]
    threads: Annotated[int, At("trainer.threads")] = 2


def config(**changes: object) -> DictConfig:
    node = {"share": 0.1, "group": "subject", "count": 3, "unrelated": "x", "part": {"rate": 2}, **changes}
    return OmegaConf.create({"seed": 7, "splits": node, "rates": {"fast": {"rate": 9}, "slow": {"rate": 1}}})


def test_settings_hold_the_nodes_values_and_those_that_stand_elsewhere() -> None:
    settings = Example.from_config(config())
    assert (settings.share, settings.group, settings.seed, settings.part.rate) == (0.1, "subject", 7, 2.0)
    assert (settings.fast.rate, settings.slow.rate, settings.threads) == (9.0, 1.0, 2)


def test_what_a_caller_computes_comes_before_what_the_configuration_says() -> None:
    settings = Example.read(config(), "splits", seed=3, slow=Part(rate=5))
    assert (settings.seed, settings.slow.rate) == (3, 5)


def test_value_that_stands_elsewhere_is_named_with_the_key_where_it_stands() -> None:
    wrong = {**config(), "seed": "many", "rates": {"fast": {"rate": 0}, "slow": {"rate": 1}}}
    with pytest.raises(UserError, match=r"^rates\.fast\.rate is 0; it must"):
        Example.from_config(OmegaConf.create(wrong))
    wrong["rates"] = config().rates
    with pytest.raises(UserError, match=r"^seed is 'many'; it must be a valid integer"):
        Example.from_config(OmegaConf.create(wrong))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 1}, "splits.share is 1; it must be less than 1"),
        ({"group": "room"}, "splits.group is 'room'; it must be 'subject' or 'session'"),
        ({"count": 2.5}, "splits.count is 2.5; it must be a valid integer"),
        ({"part": {"rate": 0}}, "splits.part.rate is 0; it must be greater than 0"),
        ({"part": {}}, "splits.part.rate is missing"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_key_and_what_is_allowed(change: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Example.from_config(config(**change))
    assert str(caught.value).startswith(message)


def test_settings_do_not_change_once_they_are_made() -> None:
    settings = Example.from_config(config())
    with pytest.raises(ValidationError):
        settings.share = 0.2  # type: ignore[misc]

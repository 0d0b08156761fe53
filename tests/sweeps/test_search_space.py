"""What may be searched, and what a mistake in the search space is told."""

import pytest

from static_gesture_classification.conf_files import read_declared
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.sweeps.search_space import ValueChoices, ValueRange, overrides_of, read_space

LR = {"low": 0.001, "high": 0.1, "log": True}


def space(**node: object) -> dict[str, object]:
    return {each.setting: each.values for each in read_space(node, read_declared(CONF))}


def test_settings_are_nested_as_in_the_configuration_and_null_leaves_one_out() -> None:
    assert space(
        train_hyperparams={"lr": LR, "batch_size": {"choices": [32, 64]}, "momentum": None},
        augs={"choices": ["none", "strong"]},
        model={"backbone": {"hidden": {"choices": [[64], [128, 64]]}}},
    ) == {
        "train_hyperparams.lr": ValueRange(low=0.001, high=0.1, log=True),
        "train_hyperparams.batch_size": ValueChoices(choices=(32, 64)),
        "augs": ValueChoices(choices=("none", "strong")),
        "model.backbone.hidden": ValueChoices(choices=([64], [128, 64])),
    }


def test_whole_numbers_are_drawn_where_both_ends_are_whole() -> None:
    found = space(train_hyperparams={"passes": {"low": 1, "high": 5}, "weight_decay": {"low": 0, "high": 0.5}})
    assert [each.is_whole for each in found.values()] == [True, False]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({}, "names no setting to search; choose sweep=landmarks or sweep=crops"),
        ({"train_hyperparams": {"lr": 0.1}}, r"lr is 0.1; write {low: 0.001, high: 0.1, log: true}"),
        ({"train_hyperparams": {"lr": {"low": 1}}}, "lr.high is missing"),
        ({"train_hyperparams": {"lr": {"low": 0.2, "high": 0.1}}}, "must have a low below its high"),
        ({"train_hyperparams": {"lr": {"low": 0, "high": 1, "log": True}}}, "must have a low above 0"),
        ({"train_hyperparams": {"lr": {"low": 0.1, "high": 1, "step": 2}}}, "has step, which means nothing here"),
        ({"train_hyperparams": {"lr": {"choices": [1]}}}, "lr.choices is"),
        ({"train_hyperparams": {"lrr": LR}}, "no such setting; did you mean train_hyperparams.lr?"),
        ({"augs": {"choices": ["none", {"noise": 1}]}}, "must have values as choices, not groups"),
        ({"augs": LR}, "augs is a group; its choices are files of conf/augs/"),
        (
            {"crops": {"size": {"choices": [64, 96]}}},
            "crops cannot be searched, since all trials share",
        ),
    ],
)
def test_a_mistake_is_told_with_the_way_out(node: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as error:
        space(**node)
    assert told in str(error.value)


def test_values_are_overrides_that_hydra_reads() -> None:
    assert overrides_of({"augs": "none", "a.b": [128, 64], "c.d": None, "e.f": 1e-05}) == [
        "augs='none'",
        "a.b=[128, 64]",
        "c.d=null",
        "e.f=1e-05",
    ]

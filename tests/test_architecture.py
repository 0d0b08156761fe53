"""The house rules that the syntax trees show: imports run down, no circles, the configuration ends at the door."""

from pathlib import Path

import pytest

from benchmarks.structure import (
    Module,
    circles,
    folder_arrows,
    functions_in,
    imports_of,
    modules_in,
    names_defined_in,
    takes_dict_config,
)

# From the ground up. A module may import from its own floor and from those before it.
FLOORS = (
    ".",
    "downloads",
    "tracking",
    "synthetic",
    "sources.exports",
    "sources",
    "detection",
    "preparation",
    "training.models",
    "training",
    "inference",
    "evaluation",
    "sweeps",
    "deployment",
    "active_learning",  # admission alone
    "active_learning.diagnosis",
    "active_learning.planning",
    "active_learning.labels",
    "active_learning.comparison",
    "active_learning.mining",
    "active_learning.retraining",
    "active_learning.adding",
    "recording",
    "live",
    "review",
    "top",
)
TOP = {"__main__", "add_gesture", "app", "performer", "walkthrough"}
DOOR = {"configuration.expand_homes", "settings.Settings.read", "settings._value_elsewhere"}
"""What every `main` and every `from_config` is called or made with."""
ROLES = {"main", "backbone"}
"""What a command runs, and what a file in training/models/ builds: named by the module."""
OWN_WORDS = ("review", "deployment.demo_space", "deployment.web")
"""Pages and programs that are published: they have words of their own."""


@pytest.fixture(scope="module")
def modules(project: Path) -> dict[str, Module]:
    return modules_in(project / "static_gesture_classification")


def floor_of(module: Module) -> int:
    """The floor of a module: that of the innermost folder that has one."""
    if module.name in TOP:
        return FLOORS.index("top")
    folder = module.folder
    while folder not in FLOORS:
        folder = folder.rpartition(".")[0] or "."
    return FLOORS.index(folder)


def test_imports_never_run_up(modules: dict[str, Module]) -> None:
    upwards = [
        f"{module.name} imports {name}"
        for module in modules.values()
        for name in sorted(imports_of(module, modules))
        if floor_of(modules[name]) > floor_of(module)
    ]
    assert not upwards


def test_no_two_modules_import_each_other(modules: dict[str, Module]) -> None:
    assert not circles({name: imports_of(module, modules) for name, module in modules.items()})


def test_no_two_folders_import_each_other(modules: dict[str, Module]) -> None:
    arrows: dict[str, set[str]] = {}
    for source, target in folder_arrows(modules):
        arrows.setdefault(source, set()).add(target)
    assert not circles(arrows)


def test_the_configuration_ends_in_main_and_from_config(modules: dict[str, Module]) -> None:
    inside = {
        f"{module.name}.{name}"
        for module in modules.values()
        for name, function in functions_in(module)
        if takes_dict_config(function) and name.rpartition(".")[2] not in ("main", "from_config")
    }
    assert inside == DOOR


def test_public_name_has_one_meaning(modules: dict[str, Module]) -> None:
    owners: dict[str, list[str]] = {}
    ours = [module for module in modules.values() if not module.folder.startswith(OWN_WORDS)]
    for module in ours:
        for name in names_defined_in(module):
            owners.setdefault(name, []).append(module.name)
    shared = {name: where for name, where in owners.items() if len(where) > 1 and name not in ROLES}
    assert not shared

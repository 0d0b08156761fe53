"""Which code made a result: what is part of it, and what a change of it must be to count; and what DVC watches."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from static_gesture_classification.code_identity import (
    PACKAGE,
    SURROUNDINGS,
    closure,
    code_digest,
)
from static_gesture_classification.training.identity import training_code

LOSS = '''"""A loss."""

from static_gesture_classification.errors import DataError
from static_gesture_classification.numbers import HALF


def loss(x):
    """Half of it."""
    return HALF * x  # it is small
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of a loss, a number that it uses, its errors, and what it has nothing to do with."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    contents = {"__init__": "", "loss": LOSS, "numbers": "HALF = 0.5", "errors": "DataError = ValueError", "other": ""}
    for name, text in contents.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def digest(package: Path) -> str:
    return code_digest([package / "loss.py"], package.parent)


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("loss", "HALF * x ", "0 * x ", False),
        ("numbers", "0.5", "0.25", False),
        ("__init__", "", "import os", False),
        ("loss", "it is small", "it is not small", True),
        ("loss", "Half of it.", "One half of it.", True),
        ("loss", "HALF * x ", "(HALF   *  x)", True),
        ("errors", "ValueError", "KeyError", True),
        ("other", "", "X = 1", True),
    ],
)
def test_a_digest_follows_what_code_works_out_and_not_how_it_is_written(
    package: Path, file: str, old: str, new: str, same: bool
) -> None:
    before = digest(package)
    path = package / f"{file}.py"
    path.write_text(path.read_text().replace(old, new, 1))
    assert (digest(package) == before) is same


def test_imports_within_functions_belong_to_it_and_those_for_type_checkers_do_not(package: Path) -> None:
    (package / "loss.py").write_text(
        "from typing import TYPE_CHECKING\n"
        f"if TYPE_CHECKING:\n    from {PACKAGE}.other import X\n"
        f"def loss():\n    from {PACKAGE} import numbers\n    return numbers.HALF\n"
    )
    assert {path.name for path in closure([package / "loss.py"], package.parent)} == {
        "__init__.py",
        "loss.py",
        "numbers.py",
    }


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("    def forward", "    # as published\n    def forward", True), ("return ", "return 0 * ", False)],
)
def test_a_changed_loss_is_other_training_code_and_a_changed_comment_is_not(
    project: Path, tmp_path: Path, old: str, new: str, same: bool
) -> None:
    before = training_code(project / PACKAGE / "training")
    shutil.copytree(project / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    losses = tmp_path / PACKAGE / "training" / "losses.py"
    assert old in losses.read_text()
    losses.write_text(losses.read_text().replace(old, new))
    assert (training_code(losses.parent) == before) is same


def test_changed_measurements_are_other_training_code(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    measured = tmp_path / PACKAGE / "training" / "finder_errors.json"
    measured.write_text(measured.read_text().replace("median", "Median"))
    assert training_code(measured.parent) != training_code(project / PACKAGE / "training")


STAGES = yaml.safe_load((Path(__file__).parent.parent / "dvc.yaml").read_text())["stages"]
# What a stage imports and does not run, or what shows in none of its outputs.
NOT_RUN = {
    # What is drawn into the run folder, which is not in the checkpoint; how crops and landmarks are made and kept.
    "train": [
        *("evaluation", "tracking", "file_state.py", "keyed_store.py"),
        *("preparation/per_image.py", "preparation/publishing.py"),
    ],
    # Sources are read where it is not given what is prepared.
    "evaluate": ["sources", "image_files.py", "edited_tables.py"],
    "promote": ["sources", "image_files.py", "edited_tables.py"],
}


def entry(command: str, project: Path) -> Path:
    module = re.search(r"python -m ([\w.]+)", command)
    return project / (f"{module[1].replace('.', '/')}.py" if module else command.split()[1])


@pytest.mark.parametrize("stage", [name for name, described in STAGES.items() if not described.get("always_changed")])
def test_a_stage_depends_on_all_code_that_it_runs(project: Path, stage: str) -> None:
    described = STAGES[stage]
    watched = [project / path for path in described["deps"] if not path.startswith("$")]
    watched += [project / PACKAGE / name for name in NOT_RUN.get(stage, [])]
    watched += [path for name in SURROUNDINGS for path in (project / PACKAGE / name, project / PACKAGE / f"{name}.py")]
    run = closure([entry(described["cmd"], project)], project)
    assert run
    holes = [
        path.relative_to(project).as_posix()
        for path in sorted(run)
        if path.name != "__init__.py" and not any(path == file or file in path.parents for file in watched)
    ]
    assert not holes, holes

"""The examples in the docstrings (`>>>`) give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.conftest import PROJECT

FILES = [
    file for file in sorted(PROJECT.glob("static_gesture_classification/**/*.py")) if ">>> " in file.read_text("utf-8")
]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_examples_of(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # an example may write files
    results = doctest.testmod(importlib.import_module(name_of(file)))
    assert results.attempted > 0, "the >>> is in no docstring, so nobody runs it"
    assert results.failed == 0, "see the output of doctest above"

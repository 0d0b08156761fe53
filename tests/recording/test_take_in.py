import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.recording.take_in import print_commands, take_in, to_add
from static_gesture_classification.sources.recorded import Session, write_session

PIPELINE = """
stages:
  index:
    cmd: ls data/recorded > index.txt
    deps: [data/recorded]
    outs: [index.txt]
"""


@pytest.fixture
def repository(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the project's ignore files and a pipeline that watches the recordings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copy(project / ".gitignore", tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, check=True)
    shutil.copy(project / ".dvcignore", tmp_path)
    write_session(tmp_path / "data/recorded/one", Session("FIST", "anna"))
    return tmp_path


def test_dvc_adds_the_session_and_reruns_what_depends_on_it(repository: Path) -> None:
    root = Path("data/recorded")
    take_in([root / "one"], root)
    assert (root / "one.dvc").is_file()
    assert "one" in Path("index.txt").read_text().split()
    shown = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, text=True, check=True).stdout
    assert "data/recorded/one.dvc" in shown
    assert "data/recorded/one/" not in shown


def test_without_dvc_taking_in_says_so_and_that_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"needs DVC.*sessions are safe in data/recorded"):
        take_in([Path("data/recorded/one")], Path("data/recorded"))


def test_folder_that_dvc_has_as_a_whole_is_added_as_a_whole(tmp_path: Path) -> None:
    root = tmp_path / "recorded"
    assert to_add([root / "one", root / "two"], root) == ["add", str(root / "one"), str(root / "two")]
    (tmp_path / "recorded.dvc").touch()
    assert to_add([root / "one"], root) == ["add", str(root)]


def test_commands_are_printed_as_they_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    print_commands([Path("data/recorded/2026 Анна")], Path("data/recorded"))
    printed = capsys.readouterr().out
    assert "dvc add 'data/recorded/2026 Анна'" in printed
    assert "dvc repro" in printed
    assert "gestures retrain" in printed

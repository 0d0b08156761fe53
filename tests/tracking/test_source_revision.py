import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from static_gesture_classification.tracking.source_revision import source_revision


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    project = tmp_path / "a project"
    project.mkdir()
    (project / "train.py").write_text("epochs = 1\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", "Begin")
    return project


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", project, *arguments], check=True, capture_output=True, text=True).stdout


def test_a_clean_commit_is_all_there_is_to_keep(repository: Path) -> None:
    revision = source_revision(repository)
    assert revision.commit == git(repository, "rev-parse", "HEAD").strip()
    assert (revision.branch, revision.message, revision.dirty) == ("main", "Begin", False)
    assert (revision.diff, revision.archive) == ("", b"")


def test_a_changed_and_a_new_file_are_kept_beside_the_commit(repository: Path) -> None:
    clean = source_revision(repository)
    (repository / "train.py").write_text("epochs = 2\n")
    (repository / "neu ü.yaml").write_text("lr: 1\n")
    (repository / "photo.jpg").write_bytes(b"private")
    (repository / ".gitignore").write_text("local.yaml\n")
    (repository / "local.yaml").write_text("lr: 2\n")
    revision = source_revision(repository)
    assert revision.dirty
    assert "+epochs = 2" in revision.diff
    assert names(revision.archive) == ["local.yaml", "neu ü.yaml"]
    assert revision.digest != clean.digest


def test_without_git_all_sources_are_kept(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "train.py").write_text("epochs = 1\n")
    for folder in (".venv", "data", "runs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "other.py").write_text("x = 1\n")
    revision = source_revision(tmp_path)
    assert (revision.commit, revision.branch, revision.dirty) == ("", "", False)
    assert names(revision.archive) == ["train.py", "conf/config.yaml"]
    assert revision.archive == source_revision(tmp_path).archive


def names(archive: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()

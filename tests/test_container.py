"""The container has what the checks need, and nothing that is somebody's own."""

import re
from pathlib import Path


def test_container_has_the_packages_of_the_checks(project: Path) -> None:
    installed = re.search(r"apt-get install .*?\\\n\s+(.*?) \\\n", (project / "Dockerfile").read_text())
    wanted = re.search(r"packages=\((.*?)\)", (project / ".ci" / "run").read_text())
    assert installed
    assert wanted
    assert set(installed[1].split()) == {*wanted[1].split(), "git", "make"}  # which .ci/run finds there


def test_what_git_ignores_is_in_no_image(project: Path) -> None:
    ignored = {line.removeprefix("**/") for line in (project / ".dockerignore").read_text().splitlines()}
    lines = [line.strip("/") for line in (project / ".gitignore").read_text().splitlines()]
    names = [line for line in lines if line and not line.startswith(("#", "!"))]
    assert {"data/*", "conf/local", "data/raw/*/*", "data/recorded/*"} <= ignored
    assert [name for name in names if not name.startswith("data/") and name not in ignored] == []

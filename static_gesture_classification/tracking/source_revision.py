"""A run's source revision, environment, machine and owner."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import io
import os
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import joblib

SOURCES = (".py", ".yaml", ".yml", ".toml", ".txt", ".cfg")
MOST_BYTES = 1_000_000  # a larger file is data, not source
_NAME, _VERSION = (re.compile(rf"^{field}: (\S+)", re.MULTILINE) for field in ("Name", "Version"))
NOT_SOURCES = {"data", "runs", "models", "reports", "mlruns", "outputs", "multirun", "node_modules", "build", "dist"}


@dataclass(frozen=True)
class SourceRevision:
    """Which source code ran.

    Args:
        commit: the checked-out commit, "" without Git.
        branch: its branch, "" without Git or on a detached head.
        message: first line of the commit's message.
        dirty: whether the working tree differs from the commit (new files count).
        digest: hash of all source files (Python and configuration) below the project; works without Git too.
        diff: the working tree's patch against the commit, "" if there is none.
        archive: zip of the source files that are not in the commit (all files without Git), b"" if none.
    """

    commit: str
    branch: str
    message: str
    dirty: bool
    digest: str
    diff: str
    archive: bytes


def source_revision(project: Path) -> SourceRevision:
    """The source revision of the project in a folder, with or without Git."""
    sources = _source_files(project)
    digest = _digest(project, sources)
    commit = _git(project, "rev-parse", "HEAD").strip()
    if not commit:
        return SourceRevision("", "", "", False, digest, "", _zip(project, sources))
    diff = _git(project, "diff", "HEAD", "--", ".")
    untracked = _git(project, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    tracked = {project / name for name in _git(project, "ls-files", "-z", "--", ".").split("\0") if name}
    return SourceRevision(
        commit=commit,
        branch=_git(project, "symbolic-ref", "--short", "-q", "HEAD").strip(),
        message=_git(project, "log", "-1", "--format=%s").strip(),
        dirty=bool(diff or untracked),
        digest=digest,
        diff=diff,
        archive=_zip(project, [path for path in sources if path not in tracked]),
    )


def environment() -> dict[str, str | int]:
    """Python, operating system, processor and the accelerator that training would use."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": int(joblib.cpu_count()),  # those that this process may use; a container's limit counts
        "accelerator": _accelerator(),
        "hostname": platform.node(),
        "command": " ".join(sys.argv),
    }


def packages() -> str:
    """The installed distributions, one `name==version` a line, sorted."""
    texts = (each.read_text("METADATA") or each.read_text("PKG-INFO") for each in importlib.metadata.distributions())
    # Their first lines are enough; importlib would parse all of each text, which takes a quarter of a second.
    found = [(_NAME.search(text), _VERSION.search(text)) for text in texts if text]
    named = {name[1].lower(): f"{name[1]}=={version[1]}" for name, version in found if name and version}
    return "\n".join(named[name] for name in sorted(named)) + "\n"


def owner() -> str:
    """The user's login name; "unknown" in a container without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _git(project: Path, *arguments: str) -> str:
    """Output of a Git command, "" when Git is missing, this is no repository, or it has no commit."""
    command = ["git", "-C", str(project), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _source_files(project: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(project):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if _holds_sources(here / name, project))
        found += [here / name for name in sorted(files) if name.endswith(SOURCES)]
    return [path for path in found if path.is_file() and path.stat().st_size <= MOST_BYTES]


def _holds_sources(folder: Path, project: Path) -> bool:
    if folder.name.startswith(".") or folder.name.endswith(".egg-info") or folder.name == "__pycache__":
        return False
    return not (folder.parent == project and folder.name in NOT_SOURCES) and not (folder / "pyvenv.cfg").is_file()


def _digest(project: Path, sources: Iterable[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _zip(project: Path, sources: list[Path]) -> bytes:
    if not sources:
        return b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources:  # a fixed date, so that equal sources give equal archives
            entry = zipfile.ZipInfo(path.relative_to(project).as_posix(), (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _accelerator() -> str:
    torch = sys.modules.get("torch")  # imported for training; reading a run does without
    if torch is None:
        return "unknown"
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return "mps" if torch.backends.mps.is_available() else "cpu"

"""Neptune mirrors a run: offline by default, so that nothing leaves the machine; online when an API token is set.

Neptune's hosted service was shut down in March 2026. The client (1.14) works on: offline, with a self-hosted server
of version 2, or replaced by a module with the same interface (`logger.neptune.client`).
Fields and types: https://docs-legacy.neptune.ai/api/field_types
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking.run_folder import RunFolder, Scalar, Status
from static_gesture_classification.tracking.trackers import Tracker

DATA_DIRECTORY = "NEPTUNE_DATA_DIRECTORY"  # where the client keeps what it has not sent, ./.neptune unless set
TOKEN = "NEPTUNE_API_TOKEN"
MODE = "NEPTUNE_MODE"
# The server sets these itself and takes no other value, so a run's own facts go to monitoring/.
_SET_BY_SERVER = {
    f"sys/{name}": f"monitoring/{name}" for name in ("id", "uid", "creation_time", "owner", "running_time", "status")
}

_GRAMMAR = "rfc3987_syntax"
_FILE_SETS = ("source_code/files",)  # the one field here whose type Neptune prescribes


class NeptuneTracker(Tracker):
    """Mirrors a run folder to Neptune.

    Offline, the run goes to `trackers/neptune/offline/` of the run folder, whole again after each resumption; the
    client's own `neptune sync --path RUN/trackers/neptune` sends it. Online, an interrupted run is continued under
    its Neptune id.

    Args:
        client: name of the client module: `neptune`, or one with the same `init_run`.
        project: `workspace/name`; only used online.
        mode: offline, async, sync or debug; None means NEPTUNE_MODE, or else async if NEPTUNE_API_TOKEN is set and
            offline if it is not.
        capture_stdout: whether the client records standard output.
        capture_stderr: whether the client records standard error.
        checkpoints: whether the run's checkpoints are attached when it has ended.

    Raises:
        UserError: the client module is not installed.
    """

    name = "neptune"

    def __init__(
        self,
        client: str = "neptune",
        project: str | None = None,
        mode: str | None = None,
        capture_stdout: bool = False,
        capture_stderr: bool = False,
        checkpoints: bool = True,
    ) -> None:
        if not _is_installed(client):
            raise UserError(
                f"logger.neptune.client={client!r} is not installed; pip install it, or choose trackers by logger=[...]"
            )
        self.sends_checkpoints = checkpoints
        self.mode = mode or os.environ.get(MODE) or ("async" if os.environ.get(TOKEN) else "offline")
        self._client_name = client
        self._project = project
        self._capture = {"capture_stdout": capture_stdout, "capture_stderr": capture_stderr}
        self._run: Any = None
        self._tags: set[str] = set()

    @property
    def is_online(self) -> bool:
        """Whether there is a server that keeps the run."""
        return self.mode not in ("offline", "debug")

    def start(self, run: RunFolder, known: str | None) -> str | None:
        """Open a Neptune run, online the one with the id `known` if there is one. See `Tracker.start`."""
        client = _imported(self._client_name)
        logging.getLogger("neptune").setLevel(logging.INFO if self.is_online else logging.WARNING)
        folder = run.path / "trackers" / "neptune"
        if not self.is_online:
            shutil.rmtree(folder / "offline", ignore_errors=True)  # incomplete; the folder is replayed from its start
        identity = {"with_id": known} if known and self.is_online else {"custom_run_id": run.record()["uid"]}
        with _data_directory(folder):
            self._run = client.init_run(
                mode=self.mode,
                project=self._project if self.is_online else None,
                name=run.run_id,
                source_files=[],  # the run folder has the source revision, and it is the one that ran
                git_ref=False,
                capture_hardware_metrics=False,  # likewise
                capture_traceback=False,
                monitoring_namespace="monitoring",
                **identity,
                **self._capture,
            )
        return self._identifier() if self.is_online else None

    def config(self, fields: Mapping[str, Scalar]) -> None:
        """Assign conf/... fields."""
        self.values(fields)

    def values(self, fields: Mapping[str, Scalar]) -> None:
        """Assign single values; numbers that Neptune cannot hold (NaN, infinities) as text."""
        for field, value in fields.items():
            plain = str(value) if isinstance(value, float) and not math.isfinite(value) else value
            self._run[_SET_BY_SERVER.get(field, field)].assign(plain)

    def tags(self, tags: Sequence[str]) -> None:
        """Make `sys/tags` hold these tags."""
        if gone := self._tags - set(tags):
            self._run["sys/tags"].remove(sorted(gone))
        if tags:
            self._run["sys/tags"].add(list(tags))
        self._tags = set(tags)

    def series(self, rows: pd.DataFrame) -> None:
        """Append to float series, without NaN and infinities, which Neptune does not take."""
        columns = (rows[name].tolist() for name in ("field", "step", "value", "time"))
        for field, step, value, time in zip(*columns, strict=True):
            if math.isfinite(value):
                self._run[field].append(value, step=step, timestamp=time)

    def file(self, field: str, path: Path) -> None:
        """Upload a file to its field; the client reads it from where it is."""
        if field in _FILE_SETS:
            self._run[field].upload_files(str(path))
        else:
            self._run[field].upload(str(path))

    def status(self, status: Status) -> None:
        """Set `sys/failed`; the status itself is among the values."""
        self._run["sys/failed"].assign(status == "failed")

    def flush(self) -> None:
        """Write what is queued, online send it."""
        self._run.wait()

    def close(self) -> None:
        """Stop the Neptune run."""
        self._run.stop()

    def _identifier(self) -> str | None:
        return str(self._run["sys/id"].fetch())


def _imported(client: str) -> Any:
    """The client module, without the grammar of internationalized addresses.

    Neptune's client imports jsonschema, which compiles that grammar at once where it can: a second of the processor,
    for a check of the format "iri" that a run never needs. Without it jsonschema leaves that format unchecked.
    """
    there = _GRAMMAR in sys.modules
    sys.modules.setdefault(_GRAMMAR, None)  # type: ignore[arg-type]  # importing it is then an ImportError
    try:
        return importlib.import_module(client)
    finally:
        if not there:
            del sys.modules[_GRAMMAR]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@contextmanager
def _data_directory(folder: Path) -> Iterator[None]:
    """Let the client keep its unsent data below `folder`, unless the user has set another place."""
    if DATA_DIRECTORY in os.environ:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[DATA_DIRECTORY] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ[DATA_DIRECTORY]

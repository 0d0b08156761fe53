"""Mirroring a run folder to a tracker: always by reading the folder, both live and later.

`trackers/<name>.json` in the run folder keeps what a tracker has received. So nothing is sent twice, a resumed run
continues, and a tracker that was unreachable gets the rest later.
"""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.file_state import file_state
from static_gesture_classification.terminal import warn
from static_gesture_classification.tracking.run_folder import BEST_SO_FAR, RunFolder
from static_gesture_classification.tracking.trackers import Tracker, flatten

PAUSE = 2.0  # seconds between two updates during a run, which leave the processor to the training


class Mirror:
    """Brings one tracker up to date with a run folder, in the calling thread; errors are the tracker's own.

    Args:
        run: the run folder.
        tracker: where to.
    """

    def __init__(self, run: RunFolder, tracker: Tracker) -> None:
        self.run = run
        self.tracker = tracker
        self._state_path = run.path / "trackers" / f"{tracker.name}.json"
        self._state = _read_state(self._state_path)
        self._started = False

    def update(self) -> None:
        """Send everything that is new in the run folder since the last update.

        The status is sent last, so a run that is finished in the tracker is complete there.
        """
        self._start()
        status = self.run.status
        self._send_facts()
        self._send_series()
        self._send_files(with_checkpoints=status != "running" and self.tracker.sends_checkpoints)
        self._send("status", status, self.tracker.status)
        self.tracker.flush()

    def close(self) -> None:
        """End the tracker's connection."""
        if self._started:
            self._started = False
            self.tracker.close()

    def _start(self) -> None:
        if self._started:
            return
        known = self._state["id"]
        given = self.tracker.start(self.run, known)
        self._started = True
        if given is None or given != known:
            self._state = _empty_state() | {"id": given}
            self._keep_state()

    def _send_facts(self) -> None:
        self._send("config", flatten(self.run.config), self.tracker.config)
        self._send("tags", self.run.tags, self.tracker.tags)
        values = self.run.values()
        if best := self.run.best:
            values[BEST_SO_FAR] = best[1]
        known = self._state["values"] or {}
        if changed := {field: value for field, value in values.items() if known.get(field) != value}:
            self.tracker.values(changed)
            self._state["values"] = values
            self._keep_state()

    def _send(self, what: str, content: Any, send: Any) -> None:
        if self._state[what] != content:
            send(content)
            self._state[what] = content
            self._keep_state()

    def _send_series(self) -> None:
        """Send the steps after the last sent one of each field; repeated epochs are not sent again."""
        sent: dict[str, int] = self._state["series"]
        rows = self.run.rows()
        last = np.array([sent.get(field, -1) for field in rows["field"]], np.int64)
        new = rows[rows["step"].to_numpy() > last].sort_values(["field", "step"], ignore_index=True)
        if new.empty:
            return
        self.tracker.series(new)
        sent.update(dict(zip(new["field"].tolist(), new["step"].tolist(), strict=True)))  # the last of a field stays
        self._keep_state()

    def _send_files(self, with_checkpoints: bool) -> None:
        files = self.run.files()
        if with_checkpoints:
            files |= {f"training/checkpoints/{path.stem}": path for path in self.run.checkpoints()}
        sent: dict[str, list[int]] = self._state["files"]
        try:
            for field, path in files.items():
                state = list(file_state(path))
                if path.exists() and sent.get(field) != state:
                    self.tracker.file(field, path)
                    sent[field] = state
        finally:
            self._keep_state()

    def _keep_state(self) -> None:
        write_json(self._state_path, self._state)


class LiveMirror:
    """A mirror that follows a run folder in its own thread: training never waits for a tracker or fails by one.

    A tracker's first error is shown, with the command to send the run later. The tracker is tried again at each change,
    since the run folder still has everything.

    Args:
        run: the run folder.
        tracker: where to.
    """

    def __init__(self, run: RunFolder, tracker: Tracker) -> None:
        self._mirror = Mirror(run, tracker)
        self._changed = threading.Condition()
        self._wanted = 0  # changes so far
        self._done = 0  # changes that were sent, or failed
        self._hurry = False  # somebody waits
        self._closing = False
        self._broken = False
        self._late = False
        self._warned = False
        self._thread = threading.Thread(target=self._follow, name=f"mirror to {tracker.name}", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Announce a change of the run folder; returns at once."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all changes are sent or failed, at most `seconds`; returns whether they are."""
        with self._changed:
            wanted = self._wanted
            return self._changed.wait_for(lambda: self._done >= wanted, seconds)

    def flush(self, seconds: float) -> bool:
        """Wait until the tracker has all that is in the run folder, at most `seconds`; returns whether it has."""
        with self._changed:
            self._hurry = True
        self.notify()
        in_time = self.wait(seconds)
        self._hurry = False
        if not in_time:
            self._late = True
            self._warn(f"did not answer within {seconds:g} s")
        return in_time and not self._broken

    def close(self, seconds: float) -> None:
        """End the connection, waiting at most `seconds`, and not again for one that did not answer before."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(0 if self._late else seconds)

    def _follow(self) -> None:
        while self._wait_for_news():
            with self._changed:
                wanted = self._wanted
            self._broken = not self._try(self._mirror.update)
            with self._changed:
                self._done = wanted
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._hurry or self._closing, PAUSE)
        self._try(self._mirror.close)

    def _wait_for_news(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._wanted > self._done)
            return self._wanted > self._done

    def _try(self, step: Any) -> bool:
        try:
            step()
        except Exception as error:  # whatever a tracker raises must not reach the training
            self._warn(describe_error(error))
            return False
        return True

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warn(
                f"tracker {self._mirror.tracker.name}: {what}. The run folder has everything; send it later with\n"
                f"  gestures sync run='{self._mirror.run.path}' logger={self._mirror.tracker.name}"
            )


def start_mirror(run: RunFolder, tracker: Tracker, seconds: float) -> LiveMirror:
    """A live mirror; waits at most `seconds` for its tracker to start.

    Clients draw random names from Python's global generator at their start. The generator's state is restored, so a
    run's random numbers do not depend on its trackers.
    """
    state = random.getstate()
    mirror = LiveMirror(run, tracker)
    mirror.notify()
    mirror.wait(seconds)
    random.setstate(state)
    return mirror


def _empty_state() -> dict[str, Any]:
    return {"id": None, "config": None, "tags": None, "values": None, "status": None, "series": {}, "files": {}}


def _read_state(path: Path) -> dict[str, Any]:
    try:
        return _empty_state() | read_json(path, dict[str, Any], "")
    except DataError:
        return _empty_state()


def describe_error(error: Exception) -> str:
    """A tracker's error in one line: its type and its first meaningful line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = (line.strip() for line in plain.splitlines())
    first = next((line for line in lines if line and not line.startswith(("---", "==="))), "")
    return f"{type(error).__name__}: {first[:300]}".rstrip(".: ")

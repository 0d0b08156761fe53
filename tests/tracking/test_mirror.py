import random
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking import trackers
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.mirror import Mirror
from static_gesture_classification.tracking.run_folder import RunFolder, Scalar, Status
from static_gesture_classification.tracking.sync import sync
from static_gesture_classification.tracking.trackers import flatten
from tests.support.small_runs import CONFIG, TAGS, log_epoch, log_run
from tests.support.waiting import PATIENCE


class Notebook:
    """A tracker that writes down what it is given, and can fail at its k-th call or hang."""

    name = "notebook"
    sends_checkpoints = True

    def __init__(self, fails_at: Sequence[int] = (), hangs: threading.Event | None = None) -> None:
        self.calls = 0
        self.fails_at = set(fails_at)
        self.hangs = hangs
        self.fields: dict[str, Any] = {}
        self.labels: list[str] = []
        self.steps: dict[str, list[tuple[int, float]]] = {}
        self.state = ""
        self.closed = False

    def _call(self) -> None:
        self.calls += 1
        if self.hangs:
            self.hangs.wait(PATIENCE)
        if self.calls in self.fails_at:
            raise ConnectionError(f"call {self.calls} was lost")

    def start(self, run: RunFolder, known: str | None) -> str | None:
        self._call()
        random.random()
        return known or "1"

    def config(self, fields: Mapping[str, Scalar]) -> None:
        self._call()
        self.fields |= fields

    values = config

    def tags(self, tags: Sequence[str]) -> None:
        self._call()
        self.labels = list(tags)

    def series(self, rows: pd.DataFrame) -> None:
        self._call()
        for row in rows.itertuples():
            self.steps.setdefault(row.field, []).append((row.step, row.value))

    def file(self, field: str, path: Path) -> None:
        self._call()
        self.fields[field] = path.read_bytes()

    def status(self, status: Status) -> None:
        self._call()
        self.state = status

    def flush(self) -> None:
        self._call()

    def close(self) -> None:
        self.closed = True

    def content(self) -> tuple[Any, ...]:
        fields = {field: value for field, value in self.fields.items() if field != "sys/running_time"}
        return fields, self.labels, self.steps, self.state


def trained(run: RunFolder, *trackers: Notebook) -> None:
    """A run that is followed while it goes on."""
    with RunLogger(run, trackers, patience=20, sampling_period=0) as logger:
        log_run(run)
        logger.log_series("training/lr", 0.1, 0)
        logger.set_status("finished")


def test_a_tracker_that_follows_gets_what_one_gets_that_is_sent_the_folder_later(run: RunFolder) -> None:
    live, later = Notebook(), Notebook()
    trained(run, live)
    (run.path / "trackers" / "notebook.json").unlink()
    sync(run, later)
    assert live.content() == later.content()
    assert live.steps["training/val_weighted_F1"] == [(0, 0.5), (1, 0.75)]
    assert live.labels == TAGS
    assert live.fields["training/checkpoints/checkpoint_epoch=1-val_weighted_F1=0.75"] == b"weights"
    assert live.state == "finished"
    assert live.closed


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 6, 8, 12])
def test_a_tracker_that_fails_at_any_call_costs_nothing_but_a_warning(
    run: RunFolder, call: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Notebook(fails_at=range(call, 1000))
    trained(run, tracker)
    assert run.status == "finished"
    assert run.best == (1, 0.75)
    told = capsys.readouterr().err
    assert told.count("warning") == 1
    assert f"tracker notebook: ConnectionError: call {call} was lost" in told
    assert f"gestures sync run='{run.path}' logger=notebook" in told
    tracker.fails_at.clear()
    sync(run, tracker)
    whole = Notebook()
    (run.path / "trackers" / "notebook.json").unlink()
    sync(run, whole)
    assert tracker.content() == whole.content()


def test_a_tracker_that_comes_back_catches_up(run: RunFolder) -> None:
    tracker = Notebook(fails_at=[1, 4, 7])
    with RunLogger(run, [tracker], patience=20, sampling_period=0) as logger:
        for epoch in range(4):
            log_epoch(run, epoch, epoch / 10)
            logger.log_series("training/lr", 0.1, epoch)
        for _ in tracker.fails_at:
            logger.set_status("finished")
    assert tracker.steps["training/val_weighted_F1"] == [(epoch, epoch / 10) for epoch in range(4)]
    assert "val/figures/confusion_matrices/0003" in tracker.fields


@pytest.mark.concurrent
def test_training_does_not_wait_for_a_tracker_that_hangs(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    release = threading.Event()
    tracker = Notebook(hangs=release)
    with RunLogger(run, [tracker], patience=0.1, sampling_period=0) as logger:
        log_run(run)
        logger.log_series("training/lr", 0.1, 0)
        logger.set_status("finished")
    assert run.status == "finished"
    assert run.series("training/lr")["value"].tolist() == [0.1]
    assert "tracker notebook: did not answer within 0.1 s" in capsys.readouterr().err
    release.set()
    for thread in threading.enumerate():  # let it end here, not in the midst of the next test
        if thread.name == "mirror to notebook":
            thread.join(60)


def test_trackers_do_not_change_the_runs_random_numbers(tmp_path: Path) -> None:
    drawn = []
    for chosen in ([], [Notebook(), Notebook()]):
        random.seed(1)
        run = RunFolder.create(tmp_path, f"run {len(chosen)}", CONFIG, project=tmp_path)
        with RunLogger(run, chosen, sampling_period=0):
            drawn.append(random.random())
    assert drawn[0] == drawn[1]


def test_nothing_is_sent_twice(finished_run: RunFolder) -> None:
    tracker = Notebook()
    mirror = Mirror(finished_run, tracker)
    mirror.update()
    before = tracker.calls
    mirror.update()
    assert tracker.calls == before + 1  # the flush


def test_a_run_that_goes_on_elsewhere_is_not_sent(run: RunFolder) -> None:
    with pytest.raises(UserError, match="still being written"):
        sync(run, Notebook())


def test_a_failure_to_send_later_is_said_in_one_line(finished_run: RunFolder) -> None:
    with pytest.raises(UserError, match=r"^tracker notebook: ConnectionError: call 1 was lost$"):
        sync(finished_run, Notebook(fails_at=[1]))


def test_configuration_becomes_fields() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": None}, "e": [1, {"f": 2}], "g": {}}) == {
        "conf/a/b/c": 1,
        "conf/a/d": "None",
        "conf/e": '[1, {"f": 2}]',
        "conf/g": "{}",
    }


def test_no_logger_means_no_tracker() -> None:
    assert trackers.from_config({}) == []
    assert trackers.from_config({"logger": {}}) == []

import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from neptune.core.components.queue.disk_queue import DiskQueue
from neptune.internal.operation import Operation

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking.mirror import Mirror
from static_gesture_classification.tracking.neptune import NeptuneTracker
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.sync import sync
from tests.support import stand_in_client
from tests.support.small_runs import TAGS, log_epoch, log_run

SAID = """
import importlib.util, sys
from static_gesture_classification.tracking.neptune import _imported
assert hasattr(_imported("neptune"), "init_run")
assert not [name for name in sys.modules if name.startswith("rfc3987_syntax")], "the grammar was compiled"
assert importlib.util.find_spec("rfc3987_syntax") is not None
"""


class OfflineRun:
    """What the client's offline mode wrote for a run, read back with the client's own queue."""

    def __init__(self, run: RunFolder) -> None:
        (folder,) = (run.path / "trackers" / "neptune" / "offline").iterdir()
        self.values: dict[str, Any] = {}
        self.series: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.files: dict[str, Path] = {}
        self.file_sets: dict[str, list[str]] = defaultdict(list)
        self.tags: set[str] = set()
        queue = DiskQueue(folder, lambda operation: operation.to_dict(), Operation.from_dict, threading.RLock())
        while (element := queue.get()) is not None:
            self._apply(element.obj)
        queue.close()

    def _apply(self, operation: Any) -> None:
        field, kind = "/".join(operation.path), type(operation).__name__
        if kind.startswith("Assign"):
            self.values[field] = operation.value
        elif kind == "LogFloats":
            self.series[field] += [(value.step, value.value) for value in operation.values]
        elif kind == "UploadFile":
            self.files[field] = Path(operation.file_path)
        elif kind == "UploadFileSet":
            self.file_sets[field] += operation.file_globs
        elif kind == "AddStrings":
            self.tags |= set(operation.values)
        elif kind == "RemoveStrings":
            self.tags -= set(operation.values)


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "a token")
    stand_in_client.RUNS.clear()
    stand_in_client.CALLS.clear()


def test_offline_mode_writes_every_field_of_the_run_in_its_type(finished_run: RunFolder) -> None:
    sync(finished_run, NeptuneTracker())
    offline = OfflineRun(finished_run)
    assert offline.series["training/val_weighted_F1"] == [(0, 0.5), (1, 0.75)]
    assert offline.series["val/classification_report/ONE/precision"] == [(0, 0.5), (1, 0.75)]
    assert offline.files["val/figures/confusion_matrices/0001"].suffix == ".png"
    assert offline.files["datasets/train_samples/sample_0"].is_file()
    assert offline.files["val/predictions/0000"].suffix == ".parquet"
    assert "training/checkpoints/checkpoint_epoch=1-val_weighted_F1=0.75" in offline.files
    assert offline.tags == set(TAGS)
    configuration = {
        "conf/model/name": "resnet18",
        "conf/model/weights": "None",
        "conf/train_hyperparams/lr": 0.001,
        "conf/train_hyperparams/betas": "[0.9, 0.99]",
        "conf/augs/flip": False,
    }
    assert configuration.items() <= offline.values.items()
    assert offline.values["sys/name"] == "first run"
    assert offline.values["sys/failed"] is False
    assert offline.values["training/max_val_weighted_F1"] == 0.75
    assert offline.values["monitoring/status"] == "finished"
    assert {"source_code/commit", "source_code/entrypoint", "monitoring/owner"} <= offline.values.keys()
    assert offline.files["source_code/requirements"].is_file()
    assert [Path(path).name for path in offline.file_sets["source_code/files"]] == ["files.zip"]
    namespaces = {field.partition("/")[0] for field in (*offline.values, *offline.series, *offline.files)}
    assert namespaces == {"conf", "datasets", "monitoring", "source_code", "sys", "training", "val"}


def test_offline_data_stays_in_the_run_folder(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mirror = Mirror(run, NeptuneTracker())
    mirror.update()
    mirror.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a project", "runs"]


def test_a_resumed_run_has_one_whole_offline_copy(run: RunFolder) -> None:
    log_epoch(run, 0, 0.5)
    mirror = Mirror(run, NeptuneTracker())
    mirror.update()
    mirror.close()
    log_epoch(run, 1, 0.75)
    resumed = Mirror(run, NeptuneTracker())
    resumed.update()
    resumed.close()
    assert OfflineRun(run).series["training/val_weighted_F1"] == [(0, 0.5), (1, 0.75)]


def test_values_that_neptune_cannot_hold_are_left_out_of_series(run: RunFolder) -> None:
    for step, value in enumerate((0.5, float("nan"), float("inf"), 0.25)):
        run.log_series({"training/train_loss": value}, step)
    run.set_status("failed")
    sync(run, NeptuneTracker())
    offline = OfflineRun(run)
    assert offline.series["training/train_loss"] == [(0, 0.5), (3, 0.25)]
    assert offline.values["sys/failed"] is True


def test_a_drop_in_client_gets_the_run_online(finished_run: RunFolder, online: None) -> None:
    sync(finished_run, NeptuneTracker(client="tests.support.stand_in_client", project="team/hands"))
    (call,) = stand_in_client.CALLS
    assert (call["mode"], call["project"], call["name"]) == ("async", "team/hands", "first run")
    assert call["capture_stdout"] is False
    server = stand_in_client.RUNS["HANDS-1"]
    assert server.series["training/val_weighted_F1"] == [(0, 0.5), (1, 0.75)]
    assert server.files["val/figures/confusion_matrices/0001"].startswith(b"\x89PNG")
    assert server.files["training/checkpoints/checkpoint_epoch=1-val_weighted_F1=0.75"] == b"weights"
    assert server.stopped


def test_an_interrupted_run_is_continued_online_under_its_id(run: RunFolder, online: None) -> None:
    log_epoch(run, 0, 0.5)
    log_epoch(run, 1, 0.6)
    Mirror(run, NeptuneTracker(client="tests.support.stand_in_client")).update()
    run.resume_from(1)
    log_epoch(run, 1, 0.6)
    log_epoch(run, 2, 0.7)
    Mirror(run, NeptuneTracker(client="tests.support.stand_in_client")).update()
    assert [call["with_id"] for call in stand_in_client.CALLS] == [None, "HANDS-1"]
    assert stand_in_client.RUNS["HANDS-1"].series["training/val_weighted_F1"] == [(0, 0.5), (1, 0.6), (2, 0.7)]


def test_changed_tags_are_replaced(run: RunFolder, online: None) -> None:
    mirror = Mirror(run, NeptuneTracker(client="tests.support.stand_in_client"))
    mirror.update()
    run.set_tags(["test_run"])
    mirror.update()
    assert stand_in_client.RUNS["HANDS-1"].tags == {"test_run"}


def test_a_run_kept_offline_can_be_sent_later(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    log_run(run)
    run.set_status("finished")
    stand_in_client.RUNS.clear()
    sync(run, NeptuneTracker())
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "a token")
    sync(run, NeptuneTracker(client="tests.support.stand_in_client"))
    assert stand_in_client.RUNS["HANDS-1"].series["training/val_weighted_F1"] == [(0, 0.5), (1, 0.75)]
    assert "val/predictions/0001" in stand_in_client.RUNS["HANDS-1"].files


def test_the_client_is_imported_without_compiling_a_grammar_that_stays_there_for_others() -> None:
    said = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def test_a_client_that_is_not_installed_is_said_before_the_run_begins() -> None:
    with pytest.raises(UserError, match="'neptun_e' is not installed"):
        NeptuneTracker(client="neptun_e")

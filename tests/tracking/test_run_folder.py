import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.process_lock import ProcessLock, is_locked
from static_gesture_classification.tracking import series
from static_gesture_classification.tracking.run_folder import STEPS, RunFolder
from static_gesture_classification.tracking.run_list import list_runs
from tests.support.small_runs import CONFIG, TAGS, log_epoch
from tests.support.waiting import PATIENCE


def test_a_run_folder_holds_all_that_was_logged_under_its_fields(finished_run: RunFolder) -> None:
    run = RunFolder.open(finished_run.path)
    assert (run.config, run.tags, run.status) == (CONFIG, TAGS, "finished")
    assert run.series("training/val_weighted_F1").to_dict("list") == {"step": [0, 1], "value": [0.5, 0.75]}
    assert run.metrics().loc[1, "val/classification_report/ONE/recall"] == 0.75
    assert run.best == (1, 0.75)
    assert [path.name for path in run.checkpoints()] == ["checkpoint_epoch=1-val_weighted_F1=0.75.ckpt"]
    sample = run.file("datasets/train_samples/sample_0")
    assert np.asarray(Image.open(sample))[0, 0].tolist() == [250, 10, 10]
    assert run.files()["val/figures/confusion_matrices/0001"].suffix == ".png"
    assert pd.read_parquet(run.file("val/predictions/0001"))["score"].tolist() == [0.75, 1.0]
    assert run.file("val/predictions/0002") is None


def test_numbers_come_back_as_they_were_logged(run: RunFolder) -> None:
    values = [0.1 + 0.2, float("nan"), float("inf"), -1e-300]
    for step, value in enumerate(values):
        run.log_series({"a, quoted": value}, step)
    assert np.array_equal(run.series("a, quoted")["value"], values, equal_nan=True)


def test_a_line_torn_by_a_kill_is_ignored_and_then_cut_off(run: RunFolder) -> None:
    log_epoch(run, 0, 0.5)
    path = run.path / "series" / "epochs.csv"
    path.write_bytes(path.read_bytes() + b"training/val_weighted_F1,1,0.")
    assert run.series("training/val_weighted_F1")["step"].tolist() == [0]
    run.log_series({"training/val_weighted_F1": 0.6}, 1)
    assert run.series("training/val_weighted_F1")["value"].tolist() == [0.5, 0.6]


def test_a_kill_at_any_byte_of_a_series_file_leaves_it_readable(tmp_path: Path) -> None:
    for step in range(3):
        series.append(tmp_path / "whole", {"loss": step / 3, "f1": 0.5}, step)
    whole = (tmp_path / "whole").read_bytes()
    for length in range(len(whole)):
        torn = tmp_path / "torn"
        torn.write_bytes(whole[:length])
        kept = len(series.read(torn))
        series.append(torn, {"f1": 1.0}, 9)
        assert len(series.read(torn)) == kept + 1


def test_a_repeated_epoch_leaves_no_duplicates(run: RunFolder) -> None:
    log_epoch(run, 0, 0.5)
    log_epoch(run, 1, 0.6)
    log_epoch(run, 1, 0.7)
    assert run.series("training/val_weighted_F1").to_dict("list") == {"step": [0, 1], "value": [0.5, 0.7]}
    assert run.metrics().index.tolist() == [0, 1]


def test_resuming_forgets_the_resumed_epoch_and_later_ones(run: RunFolder) -> None:
    for epoch in range(3):
        run.log_series({"training/lr": 0.1}, 10 * epoch, STEPS)
        log_epoch(run, epoch, 0.5)
        run.log_bytes(f"val/predictions/{epoch:04d}.embeddings", b"floats", ".npy")
        run.log_bytes(f"val/error_pairs/{epoch:04d}/ONE_TWO", b"grid", ".png")
    run.resume_from(1)
    assert run.metrics().index.tolist() == [0]
    assert run.series("training/lr")["step"].tolist() == [0]
    assert [field for field in run.files() if field.startswith("val/")] == [
        "val/error_pairs/0000/ONE_TWO",
        "val/figures/confusion_matrices/0000",
        "val/predictions/0000.embeddings",
        "val/predictions/0000",
    ]


def test_creating_an_existing_run_goes_on_with_it(finished_run: RunFolder) -> None:
    root, before = finished_run.path.parent, finished_run.record()
    again = RunFolder.create(root, finished_run.run_id, CONFIG, ["resumed"], project=root)
    assert again.status == "running"
    assert (again.record()["uid"], again.created) == (before["uid"], before["created"])
    assert again.tags == ["resumed"]
    assert again.best == (1, 0.75)


@pytest.mark.concurrent
def test_a_killed_run_reads_as_interrupted_and_can_be_resumed(tmp_path: Path) -> None:
    begin = f"""
import time
from pathlib import Path
from static_gesture_classification.tracking.run_folder import RunFolder
run = RunFolder.create(Path({str(tmp_path)!r}), "run", {{}}, project=Path({str(tmp_path)!r}))
run.log_series({{"training/val_weighted_F1": 0.5}}, 0)
print("begun", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", begin], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert RunFolder.open(tmp_path / "run").status == "running"
        with pytest.raises(UserError, match="another process"):
            RunFolder.create(tmp_path, "run", {}, project=tmp_path)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert RunFolder.open(tmp_path / "run").status == "interrupted"
    assert RunFolder.create(tmp_path, "run", {}, project=tmp_path).status == "running"


@pytest.mark.concurrent
def test_a_forked_worker_does_not_hold_its_parents_run(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / "lock")
    assert lock.acquire()
    assert is_locked(lock.path)
    fork = multiprocessing.get_context("fork")
    ready, done = fork.Event(), fork.Event()
    worker = fork.Process(target=lambda: (ready.set(), done.wait(PATIENCE)))
    worker.start()
    ready.wait(PATIENCE)
    lock.release()
    try:
        assert not is_locked(lock.path)
    finally:
        done.set()
        worker.join()


def test_runs_are_listed_newest_first_with_their_best_score(tmp_path: Path) -> None:
    for name, scores in (("old", (0.5, 0.9, 0.7)), ("new", ())):
        run = RunFolder.create(tmp_path, name, CONFIG, TAGS, project=tmp_path)
        for epoch, score in enumerate(scores):
            log_epoch(run, epoch, score)
        run.set_status("finished")
    broken = tmp_path / "broken" / "run.json"
    broken.parent.mkdir()
    broken.write_text("{", encoding="utf-8")
    table = list_runs(tmp_path).set_index("id")
    assert table.index.tolist() == ["new", "old", "broken"]
    assert table.loc["old", ["max_weighted_F1", "best_epoch", "epochs"]].tolist() == [0.9, 1, 3]
    assert table.loc["old", ["tags", "status", "owner"]].tolist() == [
        ", ".join(TAGS),
        "finished",
        run.record()["owner"],
    ]
    assert table.loc["new", ["max_weighted_F1", "best_epoch"]].isna().all()
    assert table.loc["broken", "status"] == "unreadable"


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run folder at"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("field", ["", "/etc/passwd", "../other", "val//x", "val/../../x", "val/a\nb", ".hidden"])
def test_a_field_cannot_leave_the_folder(run: RunFolder, field: str) -> None:
    with pytest.raises(ValueError, match="no field path"):
        run.log_text(field, "text")


def test_a_full_disk_is_said_and_leaves_what_was_logged(run: RunFolder) -> None:
    log_epoch(run, 0, 0.5)
    (run.path / "series" / "steps.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        run.log_series({"training/lr": 0.1}, 0, STEPS)
    assert run.series("training/val_weighted_F1")["value"].tolist() == [0.5]


def test_a_runs_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        RunFolder.create(tmp_path / "runs", "run", {}, project=tmp_path)


def test_half_written_files_of_a_killed_process_are_removed_when_the_run_goes_on(finished_run: RunFolder) -> None:
    torn = finished_run.path / "val" / ".0002.png.partial"
    torn.write_bytes(b"half")
    assert "val/.0002.png" not in finished_run.files()
    RunFolder.create(finished_run.path.parent, finished_run.run_id, CONFIG, project=finished_run.path)
    assert not torn.exists()


def test_the_environment_is_recorded(run: RunFolder) -> None:
    values = run.values()
    assert values["monitoring/python"] == ".".join(map(str, sys.version_info[:3]))
    assert values["source_code/entrypoint"] == Path(sys.argv[0]).name
    packages = run.file("source_code/requirements")
    assert packages is not None
    assert f"numpy=={np.__version__}" in packages.read_text(encoding="utf-8").splitlines()

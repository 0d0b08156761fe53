"""The list of runs reads little, and never what has changed twice the same."""

from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.tracking import series
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.run_list import list_kept, list_runs
from tests.support.small_runs import CONFIG, TAGS, log_epoch, log_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", "one", CONFIG, TAGS, project=tmp_path)


def only_row(run: RunFolder) -> dict:
    (row,) = list_runs(run.path.parent).to_dict("records")
    return row


def test_each_change_of_a_run_is_seen(run: RunFolder) -> None:
    assert (only_row(run)["epochs"], only_row(run)["status"]) == (0, "running")
    log_epoch(run, 0, 0.5)
    assert only_row(run)["max_weighted_F1"] == 0.5
    log_epoch(run, 1, 0.75)
    run.set_tags(["renamed"])
    run.log_values({"datasets/version": "abc"})
    run.set_status("failed")
    row = only_row(run)
    shown = ("epochs", "best_epoch", "max_weighted_F1", "tags", "data_version", "model", "status")
    assert [row[name] for name in shown] == [2, 1, 0.75, "renamed", "abc", "resnet18", "failed"]
    run.set_status("running")
    run.resume_from(1)
    assert only_row(run)["max_weighted_F1"] == 0.5


def test_a_node_of_the_configuration_is_what_the_whole_file_says(run: RunFolder) -> None:
    for name in (*CONFIG, "nothing"):
        assert run.config_node(name) == run.config.get(name, {})


def test_a_damaged_configuration_is_an_error_that_names_the_file(run: RunFolder) -> None:
    (run.path / "config.yaml").write_text("model:\n  name: [\n")
    with pytest.raises(DataError, match=r"config\.yaml is not readable YAML"):
        run.config_node("model")
    assert only_row(run)["status"] == "unreadable"


def test_steps_are_counted_as_the_whole_table_has_them(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    for step, value in ((0, 0.25), (1, np.nan), (2, 0.5), (1, 0.75)):
        series.append(path, {"score": value, 'gesture, "quoted"': 1.0}, step)
    with path.open("a") as file:
        file.write("score,3,0.9")  # torn by a kill
    table = series.read(path)
    scores = table[table["field"] == "score"].set_index("step")["value"].sort_index()
    assert series.count_steps(path, "score") == (table["step"].nunique(), scores.to_dict())


def test_kept_checkpoints_come_with_their_scores(run: RunFolder) -> None:
    log_run(run)
    (row,) = list_kept(run.path.parent).to_dict("records")
    assert (row["run"], row["epoch"], row["weighted_F1"], row["bytes"]) == ("one", 1, 0.75, len(b"weights"))
    assert row["path"] == run.best_checkpoint()

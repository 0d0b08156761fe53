import importlib.util
from pathlib import Path
from typing import Any

import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.tracking.mirror import Mirror
from static_gesture_classification.tracking.mlflow import LONGEST_PARAM, MLflowTracker, legal_key
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.sync import sync
from tests.support.small_runs import TAGS, log_epoch

# Looked for, not imported: it must not be imported before the tracker has switched its telemetry off.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A SQLite store of MLflow's, in a folder with a space; its tables are made once."""
    folder = tmp_path_factory.mktemp("a store")
    return {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifact_location": (folder / "artifacts").as_uri()}


@pytest.fixture
def tracker(store: dict[str, str], request: pytest.FixtureRequest) -> MLflowTracker:
    """A tracker with an experiment per test."""
    return MLflowTracker(experiment=request.node.name, **store)


def stored(store: dict[str, str], run: RunFolder) -> tuple[Any, Any]:
    """MLflow's client and the only run of this name in the store."""
    from mlflow import MlflowClient

    client = MlflowClient(store["tracking_uri"])
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    uid = run.record()["uid"]
    (found,) = client.search_runs(experiments, f"tags.`sys/uid` = '{uid}'")
    return client, found


def history(client: Any, found: Any, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, key)]


def test_the_store_holds_every_part_of_the_run(
    finished_run: RunFolder, tracker: MLflowTracker, store: dict[str, str]
) -> None:
    sync(finished_run, tracker)
    client, found = stored(store, finished_run)
    assert (found.info.run_name, found.info.status) == ("first run", "FINISHED")
    assert found.info.start_time == round(finished_run.created * 1000)
    assert history(client, found, "training/val_weighted_F1") == [(0, 0.5), (1, 0.75)]
    assert history(client, found, "val/classification_report/ONE/recall") == [(0, 0.5), (1, 0.75)]
    assert found.data.metrics["training/max_val_weighted_F1"] == 0.75
    assert found.data.params["conf/train_hyperparams/lr"] == "0.001"
    assert found.data.params["conf/augs/flip"] == "False"
    assert {f"tag.{tag}" for tag in TAGS} <= found.data.tags.keys()
    assert found.data.tags["mlflow.user"] == finished_run.record()["owner"]
    assert found.data.tags["source_code/commit"] == finished_run.values()["source_code/commit"]
    for folder, name in (
        ("val/figures/confusion_matrices", "0001.png"),
        ("datasets/train_samples", "sample_0.png"),
        ("val/predictions", "0000.parquet"),
        ("conf", "config.yaml"),
        ("training/checkpoints", "checkpoint_epoch=1-val_weighted_F1=0.75.ckpt"),
    ):
        assert f"{folder}/{name}" in {item.path for item in client.list_artifacts(found.info.run_id, folder)}


def test_a_resumed_run_is_the_same_run_without_duplicates(
    run: RunFolder, tracker: MLflowTracker, store: dict[str, str]
) -> None:
    log_epoch(run, 0, 0.5)
    log_epoch(run, 1, 0.6)
    Mirror(run, tracker).update()
    state = run.path / "trackers" / "mlflow.json"  # killed before it was noted that the values were sent
    state.write_text(state.read_text().replace('"training/val_weighted_F1": 1', '"training/val_weighted_F1": 0'))
    run.resume_from(1)
    log_epoch(run, 1, 0.6)
    log_epoch(run, 2, 0.7)
    run.set_status("interrupted")
    again = MLflowTracker(experiment="another experiment", **store)
    Mirror(run, again).update()
    client, found = stored(store, run)
    assert history(client, found, "training/val_weighted_F1") == [(0, 0.5), (1, 0.6), (2, 0.7)]
    assert found.info.status == "KILLED"


def test_telemetry_is_off_and_was_never_on(finished_run: RunFolder, tracker: MLflowTracker) -> None:
    sync(finished_run, tracker)
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None


def test_names_and_lengths_that_mlflow_refuses_are_made_legal(
    tmp_path: Path, tracker: MLflowTracker, store: dict[str, str]
) -> None:
    config = {"long": "x" * (LONGEST_PARAM + 1), "sources": {"a&b": {"root": "daten/Hände"}}, "k" * 300: 1}
    run = RunFolder.create(tmp_path, "run", config, project=tmp_path)
    run.log_series({"val/classification_report/thumbs & up/recall": float("nan"), "val/F1 (%)": 2.0}, 0)
    run.set_status("failed")
    sync(run, tracker)
    client, found = stored(store, run)
    assert found.info.status == "FAILED"
    assert len(found.data.params["conf/long"]) == LONGEST_PARAM
    assert found.data.params[legal_key("conf/sources/a&b/root")] == "daten/Hände"
    assert history(client, found, "val/F1 ___") == [(0, 2.0)]


def test_a_run_that_was_deleted_from_the_store_is_sent_whole_again(
    finished_run: RunFolder, tracker: MLflowTracker, store: dict[str, str]
) -> None:
    sync(finished_run, tracker)
    client, found = stored(store, finished_run)
    client.delete_run(found.info.run_id)
    sync(finished_run, tracker)
    client, again = stored(store, finished_run)
    assert again.info.run_id != found.info.run_id
    assert history(client, again, "training/val_weighted_F1") == [(0, 0.5), (1, 0.75)]


def test_a_missing_mlflow_is_said_before_the_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'static-gesture-classification\[mlflow\]'"):
        MLflowTracker()

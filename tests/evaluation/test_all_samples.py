"""Predictions and embeddings of all samples of train and val."""

import os
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.evaluation.all_samples import KEPT_RESULTS, predict_all, predict_drawn
from static_gesture_classification.evaluation.predictions import Predictions, write_predictions
from static_gesture_classification.preparation.landmark_store import POINTS, SAMPLES
from static_gesture_classification.samples import to_arrow, write_samples
from static_gesture_classification.training.checkpoint import Origin, build_network, save
from static_gesture_classification.training.models import landmark_features
from static_gesture_classification.workspace import Workspace
from tests.support.seeded_predictions import VOCABULARY, sample_table

BACKBONE = {
    "_target_": "static_gesture_classification.training.models.landmarks.backbone",
    "name": "landmarks",
    "hidden": [8],
    "dropout": 0.0,
    "features_version": landmark_features.FEATURES_VERSION,
}
MODEL = {"name": "landmarks", "input": "landmarks", "backbone": BACKBONE}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Five hands, of which one is of test and one was not found, and a network that was not trained."""
    workspace = Workspace.at(tmp_path)
    samples = sample_table(["ONE", "TWO", "THREE", "FOUR", "FIVE"], split="train")
    samples.loc[1, "split"], samples.loc[2, "split"] = "val", "test"
    write_samples(to_arrow(samples), workspace.landmarks / SAMPLES)
    points = np.random.default_rng(0).random((5, 21, 2)).astype(np.float32)
    points[3] = np.nan
    np.save(workspace.landmarks / POINTS, points)
    state = build_network({**MODEL, "weights": "none"}, len(VOCABULARY)).state_dict()
    save({**Origin(MODEL, VOCABULARY).header(), "epoch": 0, "scores": None, "state_dict": state}, workspace.trained)
    return workspace


def test_train_and_val_are_predicted_and_test_is_left_out(workspace: Workspace, tmp_path: Path) -> None:
    predictions = predict_all(workspace.trained, workspace, tmp_path / "kept")
    assert predictions.column("split").tolist() == ["train", "val", "train", "train"]
    assert predictions.found.tolist() == [True, True, False, True]
    assert predictions.embeddings is not None
    assert np.isnan(predictions.embeddings[2]).all()


def test_some_stand_for_all_that_the_model_can_see_and_what_it_got_wrong_is_among_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    every, val = predict_all(workspace.trained, workspace, tmp_path / "kept"), tmp_path / "val.parquet"
    wrong = every.table.set_column(every.table.column_names.index("prediction"), "prediction", [["ONE"] * len(every)])
    write_predictions(Predictions(wrong.slice(1, 1), every.gestures), val)
    told: list[float] = []
    drawn = predict_drawn(workspace.trained, workspace, tmp_path / "kept", 2, val, told.append)
    assert told == [1]
    assert drawn.count == 3
    assert drawn.predictions.found.all()
    ids = every.column("sample_id").tolist()
    chosen = drawn.predictions.column("sample_id").tolist()
    assert len(chosen) == 2
    assert ids[1] in chosen
    rows = [ids.index(each) for each in chosen]
    assert drawn.predictions.embeddings is not None
    assert every.embeddings is not None
    assert np.allclose(drawn.predictions.embeddings, every.embeddings[rows], atol=1e-5)
    (kept,) = (path for path in (tmp_path / "kept").glob("*.parquet") if "-" in path.name)
    written = kept.stat().st_mtime_ns
    predict_drawn(workspace.trained, workspace, tmp_path / "kept", 2, val)
    assert kept.stat().st_mtime_ns == written


def test_they_are_kept_until_the_samples_change_and_the_oldest_go(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    predict_all(workspace.trained, workspace, folder)
    (kept,) = folder.glob("*.parquet")
    written = kept.stat().st_mtime_ns
    predict_all(workspace.trained, workspace, folder)
    assert kept.stat().st_mtime_ns == written
    for number in range(KEPT_RESULTS - 1):
        (folder / f"older{number}.parquet").touch()
        os.utime(folder / f"older{number}.parquet", (number, number))
    np.save(workspace.landmarks / POINTS, np.random.default_rng(1).random((5, 21, 2)).astype(np.float32))
    predict_all(workspace.trained, workspace, folder)
    names = {path.name for path in folder.glob("*.parquet")}
    assert len(names) == KEPT_RESULTS
    assert "older0.parquet" not in names
    assert kept.name in names

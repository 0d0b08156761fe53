"""What a run keeps of each epoch."""

import shutil

import numpy as np
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.epochs import (
    epoch_interval,
    epoch_matrix,
    gesture_f1,
    predicted_epochs,
    predictions_file,
)
from static_gesture_classification.evaluation.metrics import gesture_scores
from static_gesture_classification.evaluation.predictions import write_predictions
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.scores import weighted_f1
from tests.support.seeded_predictions import seeded_predictions


def test_matrix_and_interval_are_of_the_epoch_and_agree_with_what_was_logged(trained_run: RunFolder) -> None:
    scores = trained_run.series("training/val_weighted_F1").set_index("step")["value"]
    assert predicted_epochs(trained_run) == [0, 1, 2]
    for epoch in (0, 2):
        counts, labels = epoch_matrix(trained_run, epoch)
        assert weighted_f1(counts) == pytest.approx(scores[epoch], abs=1e-6)
        interval = epoch_interval(trained_run, epoch, 200, 0)
        assert interval.low <= weighted_f1(counts) <= interval.high
    best = trained_run.best
    assert best is not None
    counts, labels = epoch_matrix(trained_run, best[0])
    logged = gesture_f1(trained_run)
    np.testing.assert_allclose(gesture_scores(counts, labels)["f1"][logged.index], logged, atol=1e-6)


def test_scores_per_gesture_come_from_the_checkpoint_where_none_were_logged(trained_run: RunFolder, tmp_path) -> None:
    shutil.copytree(trained_run.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    (copy.path / "series/epochs.csv").unlink()
    copy.log_series({"training/val_weighted_F1": 0.5}, 0)
    expected = gesture_f1(copy)
    assert len(expected)
    assert expected.between(0, 1).all()
    shutil.rmtree(copy.checkpoint_folder)
    assert gesture_f1(copy).empty


def test_a_replaced_table_is_read_again_and_a_missing_one_named(tmp_path) -> None:
    run = RunFolder(tmp_path)
    path = predictions_file(run, "val", 0)
    for right in (0.9, 0.2):
        path.parent.mkdir(parents=True, exist_ok=True)
        predictions = seeded_predictions(right=right)
        write_predictions(predictions, path)
        share = np.mean(predictions.column("prediction") == predictions.column("gesture"))
        counts, _ = epoch_matrix(run, 0)
        assert np.trace(counts) / counts.sum() == share
    with pytest.raises(DataError, match="no predictions at"):
        epoch_matrix(run, 1)

import numpy as np
import pytest
import torch
from PIL import Image

from static_gesture_classification.evaluation import figures, metrics
from static_gesture_classification.evaluation.epoch_callback import best_and_last, report_series
from static_gesture_classification.evaluation.epochs import predictions_file
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.samples import read_samples
from static_gesture_classification.tracking.run_folder import BEST_SCORE
from static_gesture_classification.training.checkpoint import load_classifier
from static_gesture_classification.training.scores import weighted_f1
from tests.evaluation.conftest import train, training_config
from tests.support.seeded_predictions import GESTURES


def test_every_epoch_keeps_the_predictions_of_train_and_val(trained_run, prepared):
    samples = read_samples(prepared / "splits/samples.parquet")
    for epoch in range(3):
        val = read_predictions(predictions_file(trained_run, "val", epoch))
        assert list(val.column("sample_id")) == list(samples.loc[samples["split"] == "val", "sample_id"])
        train_rows = read_predictions(predictions_file(trained_run, "train", epoch))
        assert set(train_rows.column("split")) == {"train"}
        assert len(train_rows) == 112  # the incomplete last batch is left out of training
        assert len(set(train_rows.column("sample_id"))) == 112


def test_the_predictions_are_those_of_the_epochs_checkpoint(trained_run, prepared):
    (checkpoint,) = [path for path in trained_run.checkpoints() if "epoch=2-" in path.name]
    kept = read_predictions(predictions_file(trained_run, "val", 2))
    crops = np.load(prepared / "crops/crops.npy")[kept.to_frame()["sample_id"].map(lambda name: int(name, 16))]
    probabilities, _ = load_classifier(checkpoint).predict(crops)
    assert np.allclose(kept.probabilities, probabilities, atol=1e-4)


def test_the_logged_weighted_f1_is_that_of_the_predictions_table(trained_run):
    logged = trained_run.series(BEST_SCORE)["value"].tolist()
    for epoch, value in enumerate(logged):
        outcomes = metrics.outcomes_of(read_predictions(predictions_file(trained_run, "val", epoch)))
        counts = metrics.confusion_counts(outcomes.truths, outcomes.predictions, 10)
        assert value == pytest.approx(weighted_f1(counts), abs=1e-6)
        series = trained_run.series("val/classification_report/weighted avg/f1-score")
        assert series["value"][epoch] == pytest.approx(value, abs=1e-6)


def test_the_report_has_four_series_per_gesture_and_average(trained_run):
    fields = set(trained_run.metrics().columns)
    for row in (*GESTURES, "weighted avg", "macro avg"):
        for column in ("precision", "recall", "f1-score", "support"):
            assert f"val/classification_report/{row}/{column}" in fields


def test_scores_that_do_not_exist_are_left_out_of_the_series():
    values = report_series(np.array([[2, 0], [0, 0]]), ("A", "B"))
    assert values["val/classification_report/A/f1-score"] == 1.0
    assert values["val/classification_report/B/support"] == 0.0
    assert "val/classification_report/B/f1-score" not in values


def test_figures_and_samples_are_logged_under_their_fields(trained_run):
    files = trained_run.files()
    expected = [f"val/figures/confusion_matrices/{epoch:04d}" for epoch in range(3)]
    expected += ["datasets/train_distribution", "datasets/val_distribution"]
    expected += [f"datasets/{split}_samples/sample_{i}" for split in ("train", "val") for i in range(12)]
    for field in expected:
        assert Image.open(files[field]).getextrema() != ((255, 255),) * 4


def test_of_very_many_gestures_only_the_best_and_the_last_epoch_have_a_confusion_matrix(
    prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr(figures, "READABLE", len(GESTURES) - 1)
    run = train(training_config(prepared, tmp_path, 3), "many gestures")
    drawn = {field.split("/")[-1] for field in run.files() if "/confusion_matrices/" in field}
    assert drawn == {f"{epoch:04d}" for epoch in best_and_last(run)}


def test_error_pairs_are_drawn_for_the_best_and_the_last_epoch_only(trained_run):
    drawn = {field.split("/")[2] for field in trained_run.files() if field.startswith("val/error_pairs/")}
    assert drawn <= {f"{trained_run.best[0]:04d}", "0002"}
    for epoch in drawn:
        outcomes = metrics.outcomes_of(read_predictions(predictions_file(trained_run, "val", int(epoch))))
        counts = metrics.confusion_counts(outcomes.truths, outcomes.predictions, 10)
        pairs = metrics.error_pairs(counts, GESTURES)
        names = {f"{pair.gesture}_taken_for_{pair.prediction}" for pair in pairs.itertuples()}
        assert names == {path.stem for path in (trained_run.path / "val/error_pairs" / epoch).glob("*.png")}


def test_a_resumed_run_keeps_what_an_undisturbed_one_does(trained_run, prepared, tmp_path):
    train(training_config(prepared, tmp_path, epochs=1), "resumed")
    resumed = train(training_config(prepared, tmp_path, epochs=3), "resumed")
    for split in ("train", "val"):
        for epoch in range(3):
            one, other = (predictions_file(run, split, epoch) for run in (trained_run, resumed))
            assert one.read_bytes() == other.read_bytes()
    assert resumed.metrics().equals(trained_run.metrics())


def test_reporting_leaves_the_weights_as_they_would_be_without_it(trained_run, prepared, tmp_path):
    from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
    from static_gesture_classification.training.settings import TrainingSettings

    config = training_config(prepared, tmp_path, epochs=3)
    settings = TrainingSettings.from_config(config)
    data = open_data(settings)
    module = build_module(settings, data)
    build_trainer(settings, module).fit(module, data)
    kept = torch.load(trained_run.checkpoint_folder / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in module.state_dict().items())

import json
import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import f1_score

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation import report
from static_gesture_classification.evaluation.evaluate import evaluate_set, main
from static_gesture_classification.evaluation.evaluation_set import EvaluateSettings, evaluation_sets
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.training.checkpoint import export_checkpoint, load_classifier
from static_gesture_classification.training.scores import weighted_f1
from tests.evaluation.conftest import composed
from tests.support.seeded_predictions import GESTURES

evaluate = main.__wrapped__


@pytest.fixture(scope="session")
def checkpoint(trained_run, tmp_path_factory):
    """An exported checkpoint, with the record that training writes beside it."""
    path = tmp_path_factory.mktemp("models") / "trained.ckpt"
    export_checkpoint(trained_run.checkpoint_folder / "last.ckpt", path)
    path.with_suffix(".json").write_text(json.dumps({"run": trained_run.run_id}))
    return path


def pipeline(prepared, checkpoint, output, *overrides):
    """The configuration that the pipeline's stage runs with."""
    return composed(
        f"evaluate.checkpoint={checkpoint}",
        f"evaluate.output={output}",
        f"evaluate.crops={prepared / 'crops'}",
        f"evaluate.samples={prepared / 'splits/samples.parquet'}",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
        "evaluate.bootstrap=100",
        *overrides,
    )


def alone(photographs, checkpoint, output, *overrides):
    """The configuration of an evaluation on HaGRID's layout."""
    return composed(
        f"evaluate.checkpoint={checkpoint}",
        "sources=[hagrid]",
        f"sources.hagrid.root={photographs / 'hagrid_mini'}",
        f"evaluate.output={output}",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
        "evaluate.bootstrap=100",
        *overrides,
    )


@pytest.fixture(scope="session")
def evaluated_output(prepared, checkpoint, trained_run, tmp_path_factory):
    """What the stage writes in the pipeline."""
    output = tmp_path_factory.mktemp("reports")
    evaluate(pipeline(prepared, checkpoint, output, f"paths.runs={trained_run.path.parent}"))
    return output


def test_metrics_json_has_the_test_split_on_top_and_both_splits_in_full(evaluated_output):
    content = json.loads((evaluated_output / "metrics.json").read_text())
    assert content["split"] == "test"
    assert content["weighted_f1"] == content["test"]["weighted_f1"]
    assert list(content["per_gesture"]) == list(GESTURES)
    assert set(content["per_gesture"]["ONE"]) == {"precision", "recall", "f1", "support"}
    for split in ("val", "test"):
        frame = read_predictions(evaluated_output / f"predictions/{split}.parquet").to_frame()
        expected = f1_score(frame["gesture"], frame["prediction"], average="weighted")
        assert content[split]["weighted_f1"] == pytest.approx(expected)
        assert content[split]["weighted_f1_interval"]["unit"] == "subject"
        assert content[split]["people"] == 3
        assert content[split]["samples"] == len(frame) == 60


def test_predictions_and_embeddings_of_both_splits_are_kept(evaluated_output, prepared, checkpoint):
    samples = read_samples(prepared / "splits/samples.parquet")
    kept = read_predictions(evaluated_output / "predictions/test.parquet")
    rows = np.flatnonzero(samples["split"] == "test")
    assert list(kept.column("sample_id")) == list(samples["sample_id"].iloc[rows])
    probabilities, embeddings = load_classifier(checkpoint).predict(np.load(prepared / "crops/crops.npy")[rows])
    assert np.allclose(kept.probabilities, probabilities, atol=1e-5)
    assert np.allclose(kept.embeddings, embeddings, atol=1e-4)


def test_every_table_and_figure_is_written(evaluated_output):
    names = ("outcomes", "confusion", "per_gesture", "precision_recall", "calibration")
    for split in ("val", "test"):
        for name in (*names, "per_source", "per_subject", "error_pairs"):
            pd.read_csv(evaluated_output / f"tables/{split}_{name}.csv")
        for name in ("confusion_matrix", "per_gesture", "precision_recall", "reliability"):
            Image.open(evaluated_output / f"figures/{split}/{name}.png").verify()
    curves = pd.read_csv(evaluated_output / "tables/training.csv")
    assert list(curves) == ["epoch", "train_loss", "val_loss", "val_weighted_f1"]
    assert list(curves["epoch"]) == [0, 1, 2]


def test_an_evaluation_repeated_gives_the_same_bytes(evaluated_output, prepared, checkpoint, trained_run, tmp_path):
    evaluate(pipeline(prepared, checkpoint, tmp_path, f"paths.runs={trained_run.path.parent}"))
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {path.relative_to(evaluated_output) for path in evaluated_output.rglob("*") if path.is_file()}
    for file in files:
        assert (tmp_path / file).read_bytes() == (evaluated_output / file).read_bytes(), file


def test_what_no_longer_is_so_is_removed_when_the_pipeline_evaluates_again(
    evaluated_output, prepared, checkpoint, tmp_path
):
    shutil.copytree(evaluated_output, tmp_path, dirs_exist_ok=True)
    stale = tmp_path / "figures/val/errors/ONE_taken_for_NOTHING.png"
    stale.parent.mkdir(exist_ok=True)
    stale.write_bytes(b"")
    evaluate(pipeline(prepared, checkpoint, tmp_path, "evaluate.split=val"))
    assert not stale.exists()
    assert not list(tmp_path.rglob("*test*.csv"))
    assert not list(tmp_path.rglob("test*.parquet"))
    assert not list((tmp_path / "figures/test").rglob("*.png"))
    assert json.loads((tmp_path / "metrics.json").read_text())["split"] == "val"


def test_an_evaluation_alone_takes_the_official_split(photographs, checkpoint, tmp_path, capsys):
    evaluate(alone(photographs, checkpoint, tmp_path, "evaluate.split=test"))
    content = json.loads((tmp_path / "metrics.json").read_text())
    published = [
        len(item["bboxes"])
        for path in (photographs / "hagrid_mini/annotations/test").glob("*.json")
        for item in json.loads(path.read_text()).values()
    ]
    assert content["test"]["samples"] == sum(published)
    assert content["test"]["split_by"] == {"hagrid": "official"}
    assert content["weighted_f1"] == content["test"]["weighted_f1"]
    assert set(content["per_gesture"]) == set(GESTURES)
    assert "the split of hagrid is as published" in capsys.readouterr().out


def test_an_evaluation_alone_of_a_source_without_splits_assigns_them_and_says_so(photographs, checkpoint, tmp_path):
    settings = alone(photographs, checkpoint, tmp_path, "evaluate.split=val")
    settings.sources = composed("sources=[recorded_legacy,hands]").sources
    settings.sources.recorded_legacy.root = str(photographs / "recorded_legacy")
    settings.sources.hands.root = str(photographs / "hands_mini")
    settings.split.test = 0.0
    evaluate(settings)
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert set(content["val"]["split_by"].values()) == {"assigned"}


def test_a_split_without_samples_is_an_error_that_says_what_there_is(photographs, prepared, checkpoint, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(photographs / "hagrid_mini/annotations/train", root / "annotations/train")
    for gesture in (photographs / "hagrid_mini").iterdir():
        (root / gesture.name).exists() or (root / gesture.name).symlink_to(gesture)
    with pytest.raises(DataError, match=r"no sample in the split test; there are .* train"):
        evaluate(alone(photographs, checkpoint, tmp_path, "evaluate.split=test", f"sources.hagrid.root={root}"))
    samples = read_samples(prepared / "splits/samples.parquet")
    write_samples(samples.assign(split="train"), tmp_path / "samples.parquet")
    settings = pipeline(prepared, checkpoint, tmp_path, f"evaluate.samples={tmp_path / 'samples.parquet'}")
    with pytest.raises(DataError, match=r"no sample in val or test; there are 240 train"):
        evaluate(settings)


def test_crops_of_another_geometry_are_refused(prepared, checkpoint, tmp_path):
    shutil.copytree(prepared / "crops", tmp_path / "crops")
    (tmp_path / "crops/report.json").write_text(json.dumps({"size": 32, "margin": 0.4}))
    settings = pipeline(prepared, checkpoint, tmp_path, f"evaluate.crops={tmp_path / 'crops'}")
    with pytest.raises(UserError, match=r"margin 0\.4, the checkpoint was trained on size 32 and margin 0\.15"):
        evaluate(settings)


def test_an_unknown_split_names_the_splits(prepared, checkpoint, tmp_path):
    with pytest.raises(UserError, match="split is 'holdout'; it must be 'train', 'val' or 'test'"):
        evaluate(pipeline(prepared, checkpoint, tmp_path, "evaluate.split=holdout"))


def test_gestures_that_one_side_does_not_know_are_said_and_counted(prepared, checkpoint, tmp_path, capsys):
    samples = read_samples(prepared / "splits/samples.parquet")
    samples["gesture"] = samples["gesture"].replace({"FIST": "ROCK"})
    write_samples(samples, tmp_path / "samples.parquet")
    evaluate(
        pipeline(
            prepared, checkpoint, tmp_path, f"evaluate.samples={tmp_path / 'samples.parquet'}", "evaluate.split=test"
        )
    )
    content = json.loads((tmp_path / "metrics.json").read_text())["test"]
    assert content["unknown_to_checkpoint"] == {
        "ROCK": int((samples["gesture"][samples["split"] == "test"] == "ROCK").sum())
    }
    assert content["without_samples"] == ["FIST"]
    assert content["per_gesture"]["ROCK"]["f1"] == 0
    assert content["per_gesture"]["FIST"]["f1"] is None
    assert content["weighted_f1_of_known_gestures"] > content["weighted_f1"]
    out = " ".join(capsys.readouterr().out.split())
    assert "the checkpoint does not know ROCK" in out
    assert "no sample shows FIST" in out


def test_a_full_or_read_only_output_leaves_the_earlier_result(
    evaluated_output, prepared, checkpoint, tmp_path, monkeypatch
):
    before = (evaluated_output / "metrics.json").read_bytes()
    classifier = load_classifier(checkpoint)
    settings = EvaluateSettings.from_config(pipeline(prepared, checkpoint, tmp_path))
    scored = [evaluate_set(data, classifier, settings) for data in evaluation_sets(settings, classifier)]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a part of this path is a file"):
        report.write_report(scored, tmp_path / "file" / "reports")
    assert (evaluated_output / "metrics.json").read_bytes() == before
    assert not math.isnan(weighted_f1(scored[0].counts))


def test_the_command_works_from_any_folder_on_a_runs_own_checkpoint(photographs, trained_run, project, tmp_path):
    name = next(path for path in trained_run.checkpoints() if "=" in path.name)
    command = [sys.executable, "-m", "static_gesture_classification.evaluation.evaluate", f"evaluate.checkpoint={name}"]
    command += [
        "sources=[hagrid]",
        f"sources.hagrid.root={photographs / 'hagrid_mini'}",
        "evaluate.split=val",
        "evaluate.output=my results",
    ]
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "weighted F1" in done.stdout
    assert set(json.loads((tmp_path / "my results/metrics.json").read_text())["per_gesture"]) == set(GESTURES)
    assert [path.name for path in tmp_path.iterdir()] == ["my results"]

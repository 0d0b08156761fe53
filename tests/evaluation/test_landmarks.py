"""Evaluation and promotion of landmark models; a hand that was not found is an error."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from PIL import Image

import train_static_gestures
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation import evaluate, promote
from static_gesture_classification.evaluation.evaluation_set import EvaluateSettings, fill_splits
from static_gesture_classification.evaluation.hand_drawing import draw_landmarks
from static_gesture_classification.evaluation.metrics import NO_HAND, confusion_counts, gesture_scores, outcomes_of
from static_gesture_classification.evaluation.predictions import (
    NO_PREDICTION,
    predictions_of,
    read_predictions,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.evaluation.sample_pictures import SIZE, CutPictures
from static_gesture_classification.samples import read_samples
from tests.evaluation.conftest import composed
from tests.support.posed_hands import write_hands
from tests.support.seeded_predictions import GESTURES, VOCABULARY, probabilities_for, sample_table

train, evaluated, promoted = (
    stage.main.__wrapped__ for stage in (train_static_gestures, evaluate, promote)
)  # without the command line
MISSED = 3


def small(*overrides: str) -> DictConfig:
    return composed(
        "gestures.names=[BACKGROUND,ONE,TWO,FIST]",
        "model=landmarks",
        "logger=[]",
        "trainer.accelerator=cpu",
        "train_hyperparams.epochs=2",
        "train_hyperparams.passes=12",
        "train_hyperparams.batch_size=32",
        "evaluate.bootstrap=20",
        *overrides,
    )


def in_pipeline(*overrides: str) -> DictConfig:
    return small(
        "evaluate.checkpoint=models/trained.ckpt",
        "evaluate.output=reports",
        "evaluate.crops=data/crops",
        "evaluate.landmarks=data/landmarks",
        "evaluate.samples=data/splits/samples.parquet",
        *overrides,
    )


@pytest.fixture(scope="session")
def project_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which landmarks were made, a model trained, evaluated and promoted; there are no crops."""
    folder = tmp_path_factory.mktemp("project")
    write_hands(folder, {"train": 40, "val": 10, "test": 10}, MISSED)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for stage, config in ((train, small()), (evaluated, in_pipeline()), (promoted, small())):
            stage(config)
    finally:
        os.chdir(before)
    return folder


def missing_every_tenth(count: int = 100) -> np.ndarray:
    truths = np.arange(count) % len(GESTURES)
    probabilities = probabilities_for(truths, right=1.0)
    probabilities[::10] = 0
    return probabilities


def test_a_prediction_that_there_is_none_of_is_empty_and_an_error(tmp_path: Path) -> None:
    samples = sample_table([GESTURES[i % 10] for i in range(100)])
    predictions = predictions_of(sample_keys(samples), missing_every_tenth(), VOCABULARY)
    write_predictions(predictions, tmp_path / "val.parquet")
    read = read_predictions(tmp_path / "val.parquet")
    assert (~read.found).tolist() == [row % 10 == 0 for row in range(100)]
    assert set(read.column("prediction")[~read.found]) == {NO_PREDICTION}
    assert not read.table.column("score").to_numpy()[~read.found].any()
    outcomes = outcomes_of(read)
    counts = confusion_counts(outcomes.truths, outcomes.predictions, len(outcomes.labels))
    assert outcomes.labels == (*GESTURES, NO_HAND)
    assert counts[0, -1] == 10
    scores = gesture_scores(counts, outcomes.labels)
    assert list(scores.index) == list(GESTURES)
    assert scores["recall"].iloc[0] == 0
    assert (scores["recall"].iloc[1:] >= 0.8).all()


def test_without_missed_hands_nothing_differs() -> None:
    samples = sample_table([GESTURES[i % 10] for i in range(100)])
    predictions = predictions_of(sample_keys(samples), probabilities_for(np.arange(100) % 10), VOCABULARY)
    assert predictions.found.all()
    assert outcomes_of(predictions).labels == GESTURES


def test_evaluation_counts_missed_hands_and_gives_the_score_on_found_ones_beside(project_folder: Path) -> None:
    metrics = json.loads((project_folder / "reports/metrics.json").read_text())
    for split in ("val", "test"):
        numbers = metrics[split]
        assert numbers["samples"] == 40
        assert numbers["missed"] == MISSED
        assert numbers["weighted_f1"] < numbers["weighted_f1_of_found_hands"]
        assert numbers["weighted_f1_of_found_hands"] > 0.95
        assert NO_HAND not in numbers["per_gesture"]
        assert NO_HAND not in numbers["without_samples"]
        predictions = read_predictions(project_folder / f"reports/predictions/{split}.parquet")
        assert (~predictions.found).sum() == MISSED
        assert np.isnan(predictions.embeddings).all(axis=1).tolist() == (~predictions.found).tolist()
    pairs = pd.read_csv(project_folder / "reports/tables/test_error_pairs.csv")
    assert pairs["prediction"].iloc[0] == NO_HAND
    grid = Image.open(project_folder / "reports/figures/test/errors/BACKGROUND_no_hand_found.png")
    assert min(grid.size) > SIZE


def test_the_terminal_says_how_many_hands_were_not_found(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project_folder)
    evaluated(in_pipeline("evaluate.split=test", "evaluate.output=reports/again"))
    printed = capsys.readouterr().out
    assert f"{MISSED} not found" in " ".join(printed.split())
    assert NO_HAND in printed


def test_the_first_landmark_model_is_promoted_with_what_it_sees(project_folder: Path) -> None:
    record = json.loads((project_folder / "models/best.json").read_text())
    assert record["input"] == "landmarks"
    assert record["crop"] is None
    assert record["people_trained_on"]
    assert (project_folder / "models/best.ckpt").read_bytes() == (project_folder / "models/trained.ckpt").read_bytes()


def test_a_worse_landmark_model_is_not_promoted(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project_folder)
    before = (project_folder / "models/best.ckpt").read_bytes()
    worse = ["train_hyperparams.lr=0.0001", "train_hyperparams.epochs=1", "train_hyperparams.passes=1"]
    models = [f"paths.models={tmp_path}", f"paths.reports={tmp_path}"]
    for name in ("best.ckpt", "best.json"):
        (tmp_path / name).write_bytes((project_folder / "models" / name).read_bytes())
    train(small(*worse, *models))
    evaluated(
        in_pipeline(*worse, *models, f"evaluate.checkpoint={tmp_path / 'trained.ckpt'}", f"evaluate.output={tmp_path}")
    )
    promoted(small(*worse, *models))
    assert (tmp_path / "best.ckpt").read_bytes() == before
    assert "not promoted" in capsys.readouterr().out


def test_alone_landmarks_are_extracted_and_found_again(
    project_folder: Path, photographs: Path, project: Path, tmp_path: Path
) -> None:
    model = project.parent / "shared/models/hand_landmarker.task"
    if not model.is_file():
        pytest.skip("MediaPipe's model file is not present at ../shared/models")
    config = small(
        f"evaluate.checkpoint={project_folder / 'models/trained.ckpt'}",
        "sources=[hagrid]",
        f"sources.hagrid.root={photographs / 'hagrid_mini'}",
        "sources.hagrid.max_per_gesture=4",
        "sources.hagrid.gestures=[ONE,TWO,FIST]",
        "gestures.names=[BACKGROUND,ONE,TWO,THREE,FOUR,FIVE,THUMBS_UP,THUMBS_DOWN,OKAY,FIST]",
        f"detector.model.path={model}",
        f"landmarks.cache={tmp_path / 'cache'}",
        f"evaluate.output={tmp_path / 'out'}",
        "evaluate.split=null",
    )
    evaluated(config)
    predictions = read_predictions(tmp_path / "out/predictions/all.parquet")
    assert len(predictions) == 12
    assert predictions.found.sum() >= 10
    grids = list((tmp_path / "out/figures/all/errors").glob("*.png"))
    assert grids
    first = (tmp_path / "out/predictions/all.parquet").read_bytes()
    evaluated(config)
    assert (tmp_path / "out/predictions/all.parquet").read_bytes() == first
    kept = read_samples(tmp_path / "out/prepared/landmarks/samples.parquet")
    assert kept["landmarks"].notna().sum() == predictions.found.sum()


def test_alone_a_split_that_no_source_publishes_is_assigned_as_the_pipeline_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = sample_table([GESTURES[i % 10] for i in range(20)], people=20, split="")
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in table["image"]:
        Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / "photos" / name)
    table["root"], table["source"] = str(tmp_path / "photos"), "hagrid"
    table["landmarks"] = list(random.uniform(0.2, 0.8, (20, 42)).astype(np.float32))
    config = composed("evaluate.output=out", "split.incomplete=warn", "crops.size=32")
    samples, split_by = fill_splits(table, EvaluateSettings.from_config(config))
    assert set(samples["split"]) == {"train", "val", "test"}
    assert split_by == {"hagrid": "assigned"}


def test_landmarks_that_are_not_there_are_named(project_folder: Path, tmp_path: Path) -> None:
    config = in_pipeline(
        f"evaluate.checkpoint={project_folder / 'models/trained.ckpt'}", f"evaluate.landmarks={tmp_path / 'nowhere'}"
    )
    with pytest.raises(DataError, match="run the landmarks stage"):
        evaluated(config)


def test_pictures_are_cut_from_images_and_drawn_where_there_is_none(tmp_path: Path) -> None:
    samples = sample_table(["ONE", "TWO"])
    Image.new("RGB", (100, 100), (10, 200, 30)).save(tmp_path / "image_0.jpg")
    samples["root"] = str(tmp_path)
    points = np.random.default_rng(0).uniform(size=(2, 21, 2)).astype(np.float32)
    pictures = CutPictures(samples, points)[np.array([0, 1])]
    assert pictures.shape == (2, SIZE, SIZE, 3)
    assert np.abs(pictures[0].reshape(-1, 3).mean(0) - [10, 200, 30]).max() < 5
    assert np.array_equal(pictures[1], draw_landmarks(points[1]))
    assert len(np.unique(draw_landmarks(points[1]))) > 10
    assert len(np.unique(draw_landmarks(np.full((21, 2), np.nan)))) == 1

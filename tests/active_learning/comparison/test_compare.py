"""Comparing two classifiers: on which samples, what it says, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from static_gesture_classification.active_learning.comparison import compare
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.checkpoint_record import split_subjects
from static_gesture_classification.evaluation.predictions import (
    Predictions,
    predictions_of,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import write_samples
from static_gesture_classification.training.checkpoint import Origin, build_network, plain_model, save
from tests.evaluation.conftest import composed
from tests.support.seeded_predictions import GESTURES, VOCABULARY, probabilities_for, sample_table

run_compare = compare.main.__wrapped__
COUNT = 600


@pytest.fixture(autouse=True)
def project_folder(tmp_path, monkeypatch):
    """An empty project's folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def split_samples(split, people=12, count=COUNT):
    """Samples of a split whose ids and people are its own."""
    random = np.random.default_rng(0)
    samples = sample_table([GESTURES[i] for i in random.integers(10, size=count)], people, split)
    prefix = {"train": "a", "val": "b", "test": "c"}[split]
    return samples.assign(sample_id=prefix + samples["sample_id"].str[1:], subject=prefix + " " + samples["subject"])


def predict(samples, right, seed=0, blind=(), vocabulary=VOCABULARY):
    """Predictions about samples of which about `right` are right, and none of the gestures in `blind`."""
    truths = np.array([vocabulary.names.index(name) for name in samples["gesture"]])
    probabilities = probabilities_for(truths, right, seed, len(vocabulary))
    for gesture in blind:
        probabilities[:, vocabulary.names.index(gesture)] = 0
    return predictions_of(sample_keys(samples), probabilities, vocabulary)


def write_tables(name, right, seed, splits=("val", "test"), **options):
    """A folder of predictions tables as the evaluate stage leaves it."""
    for split in splits:
        write_predictions(predict(split_samples(split), right, seed, **options), Path(name) / f"{split}.parquet")


def compared(*overrides):
    """Compare `before` and `after`; returns comparison.json."""
    run_compare(composed("compare.before=before", "compare.after=after", "compare.resamples=200", *overrides))
    return json.loads(Path("reports/compare/comparison.json").read_text())


def test_a_better_one_is_to_be_promoted_with_interval_and_reason(capsys):
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    result = compared()
    val = result["splits"]["val"]
    assert result["verdict"]["promote"]
    assert 0 < val["interval"]["low"] < val["difference"] < val["interval"]["high"]
    assert (val["samples"], val["people"]) == (COUNT, 12)
    assert set(val["per_source"]) == {"hagrid", "hands"}
    printed = " ".join(capsys.readouterr().out.split())
    assert "verdict: promote" in printed
    assert f"{val['weighted_f1_before']:.4f} -> {val['weighted_f1_after']:.4f}" in printed


def test_a_worse_one_is_not_and_the_command_succeeds():
    write_tables("before", 0.9, 1)
    write_tables("after", 0.7, 2)
    assert not compared()["verdict"]["promote"]


def test_one_that_loses_a_gesture_is_not_promoted_though_it_scores_higher():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.97, 2, blind=["OKAY"])
    result = compared()
    assert result["splits"]["val"]["difference"] > 0
    assert not result["verdict"]["promote"]
    assert "OKAY worse" in result["verdict"]["reason"]


def test_files_say_the_same_as_the_json_and_nothing_is_said_of_test(capsys):
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    result = compared()
    folder = Path("reports/compare")
    gestures = pd.read_csv(folder / "gestures.csv").set_index(["split", "gesture"])
    for gesture, values in result["splits"]["val"]["per_gesture"].items():
        assert gestures.loc[("val", gesture), "difference"] == pytest.approx(values["difference"], abs=1e-5)
    changed = pd.read_csv(folder / "changed.csv")
    assert set(changed["split"]) == {"val"}
    lost = sum(values["lost"] for values in result["splits"]["val"]["per_gesture"].values())
    assert (changed["change"] == "lost").sum() == lost
    assert (folder / "comparison.png").stat().st_size > 10_000
    assert list(result["splits"]) == ["val"]
    assert set(pd.read_csv(folder / "pairs.csv")["split"]) == {"val"}
    assert "test" not in capsys.readouterr().out


def test_planned_pairs_are_counted_before_and_after():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    lines = (
        PlannedRecording("TWO", "THREE", 20, 9, 0.1, 0.01, "mixed up"),
        PlannedRecording("OKAY", None, 10, 0, 0.0, 0.0, "little data"),
    )
    write_plan(RecordingPlan(PLAN_VERSION, "models/best.ckpt", lines), Path("reports/plan.json"))
    result = compared()
    assert result["planned"]
    first, second = result["splits"]["val"]["pairs"]
    assert (first["gesture"], first["mistaken_for"], first["planned"]) == ("TWO", "THREE", 20)
    assert first["errors_after"] == first["errors_before"] - first["fixed"] + first["made"]
    assert second["mistaken_for"] is None
    assert second["errors_before"] > second["errors_after"] > 0


def test_without_a_plan_the_commonest_errors_of_before_are_watched(capsys):
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    result = compared()
    assert not result["planned"]
    counts = [pair["errors_before"] for pair in result["splits"]["val"]["pairs"]]
    assert counts == sorted(counts, reverse=True)
    assert "there is no plan" in capsys.readouterr().out


def test_a_damaged_plan_is_an_error_that_names_it():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    Path("reports").mkdir(exist_ok=True)
    Path("reports/plan.json").write_text("{")
    with pytest.raises(DataError, match=r"reports/plan\.json"):
        compared()


def test_samples_that_only_one_has_predictions_of_are_left_out_and_counted():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    samples = split_samples("val")
    write_predictions(predict(samples[samples.index < 500], 0.9, 2), Path("after/val.parquet"))
    result = compared()
    assert result["splits"]["val"]["samples"] == 500
    assert result["left_out"]["samples"] == {"only one has predictions of": 100}


def test_tables_in_another_order_are_paired_by_sample():
    write_tables("before", 0.7, 1, splits=("val",))
    samples = split_samples("val")
    shuffled = predict(samples, 0.7, 1)
    order = np.random.default_rng(0).permutation(len(samples))
    write_predictions(Predictions(shuffled.table.take(order), shuffled.gestures), Path("after") / "val.parquet")
    val = compared()["splits"]["val"]
    assert (val["samples"], val["difference"]) == (COUNT, 0)
    assert all(row["lost"] == row["gained"] == 0 for row in val["per_gesture"].values())


def test_predictions_of_different_samples_are_an_error_that_says_why():
    write_tables("before", 0.7, 1)
    other = split_samples("val").assign(sample_id=[f"d{i:023x}" for i in range(COUNT)])
    write_predictions(predict(other, 0.9), Path("after/val.parquet"))
    with pytest.raises(DataError, match=r"no sample of val in common.*only one has predictions of"):
        compared()


def test_samples_of_train_do_not_count_though_a_table_has_predictions_of_them():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    samples = split_samples("val")
    known = samples.assign(split=np.where(samples.index < 100, "train", "val"))  # when after was trained
    write_predictions(predict(known, 0.9, 2), Path("after/val.parquet"))
    write_samples(pd.concat([samples, split_samples("test")]), Path("data/splits/samples.parquet"))
    assert compared()["splits"]["val"]["samples"] == 500


def test_gestures_that_only_one_knows_are_left_out_and_named():
    more = Vocabulary((*GESTURES, "CALL"), "BACKGROUND")
    write_tables("before", 0.7, 1, splits=["val"])
    samples = split_samples("val")
    samples.loc[samples["gesture"] == "FIVE", "gesture"] = "CALL"
    write_predictions(predict(samples, 0.9, 2, vocabulary=more), Path("after/val.parquet"))
    result = compared()
    assert result["left_out"]["samples"] == {"of gestures only one knows": int((samples["gesture"] == "CALL").sum())}
    assert "only after tells CALL apart" in result["notes"]


def test_a_better_score_on_the_gestures_in_common_decides_nothing(capsys):
    more = Vocabulary((*GESTURES, "CALL"), "BACKGROUND")
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2, vocabulary=more)
    verdict = compared()["verdict"]
    assert (verdict["promote"], verdict["undecided"]) == (False, True)
    assert "cannot be compared: only after tells CALL apart" in verdict["reason"]
    assert "verdict: decide yourself" in " ".join(capsys.readouterr().out.split())


def test_a_better_score_on_a_small_part_of_val_decides_nothing():
    write_tables("before", 0.7, 1)
    write_tables("after", 0.9, 2)
    samples = split_samples("val")
    write_predictions(predict(samples[samples.index < 200], 0.97, 2), Path("after/val.parquet"))
    verdict = compared()["verdict"]
    assert (verdict["promote"], verdict["undecided"]) == (False, True)
    assert "only 200 of the 600 samples of val are left to compare them on" in verdict["reason"]


def test_a_gesture_that_two_people_show_cannot_be_lost_unseen(capsys):
    samples = split_samples("val")
    few = samples[(samples["gesture"] != "OKAY") | samples["subject"].isin(["b person 1", "b person 2"])]
    write_predictions(predict(few, 0.8, 1), Path("before/val.parquet"))
    write_predictions(predict(few, 0.97, 2, blind=["OKAY"]), Path("after/val.parquet"))
    verdict = compared()["verdict"]
    assert not verdict["promote"]
    assert "samples of 2 people, too few to rule out chance" in verdict["reason"]
    okay = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("OKAY "))
    assert "of 2 " in okay
    assert okay.split()[-1] == "worse"
    assert compared("compare.large_gesture_loss=1")["verdict"]["promote"]
    okay = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("OKAY "))
    assert okay.split()[-1] == "few"


def test_classifiers_of_different_vocabularies_are_an_error_that_names_both():
    write_tables("before", 0.7, 1)
    other = Vocabulary(("CALL", "ROCK"), None)
    samples = split_samples("val").assign(gesture="ROCK")
    write_predictions(predict(samples, 0.9, vocabulary=other), Path("after/val.parquet"))
    with pytest.raises(UserError, match=r"BACKGROUND.*CALL, ROCK.*too few gestures in common"):
        compared()


@pytest.mark.parametrize("missing", ["nowhere.ckpt", "nowhere.parquet", "nowhere"])
def test_what_is_not_there_is_named(missing):
    write_tables("before", 0.7, 1)
    with pytest.raises(UserError, match="nowhere"):
        compared(f"compare.after={missing}")


def test_a_hand_that_was_not_found_is_an_error_for_its_classifier():
    write_tables("before", 0.95, 1)
    samples = split_samples("val")
    truths = np.array([GESTURES.index(name) for name in samples["gesture"]])
    probabilities = probabilities_for(truths, 0.95, 1)
    probabilities[::4] = 0
    write_predictions(predictions_of(sample_keys(samples), probabilities, VOCABULARY), Path("after/val.parquet"))
    val = compared()["splits"]["val"]
    assert val["weighted_f1_after"] < val["weighted_f1_before"] - 0.05
    changed = pd.read_csv("reports/compare/changed.csv", keep_default_na=False)
    assert set(changed["after"]) == {""}


@pytest.fixture
def prepared(project_folder):
    """Crops, landmarks and splits as the pipeline leaves them: 12 people in each of val and test."""
    samples = pd.concat([split_samples("val", count=120), split_samples("test", count=120)], ignore_index=True)
    random = np.random.default_rng(0)
    Path("data/crops").mkdir(parents=True)
    np.save("data/crops/crops.npy", random.integers(0, 256, (240, 32, 32, 3), np.uint8))
    Path("data/crops/report.json").write_text('{"size": 32, "margin": 0.15}')
    points = random.random((240, 21, 2)).astype(np.float32)
    points[5] = np.nan
    Path("data/landmarks").mkdir()
    np.save("data/landmarks/landmarks.npy", points)
    for folder in ("crops", "splits", "landmarks"):
        write_samples(samples, Path(f"data/{folder}/samples.parquet"))
    return samples


def write_checkpoint(path, *overrides, seed=0, record=None, crop_size=32):
    """An untrained network of the configured kind, with a record beside it."""
    torch.manual_seed(seed)
    config = composed(*overrides)
    model = plain_model(config.model)
    entries = Origin(model, VOCABULARY, crop_size, 0.15).header()
    network = build_network({**model, "weights": "none"}, len(VOCABULARY))
    save({**entries, "epoch": 0, "scores": None, "state_dict": network.state_dict()}, path)
    if record is not None:
        path.with_suffix(".json").write_text(json.dumps(record))


CROPS_MODEL = ("model=timm", "model.name=test_resnet")


def test_a_landmark_model_is_compared_with_a_crop_model_on_the_same_samples(prepared):
    write_checkpoint(Path("crops.ckpt"), *CROPS_MODEL)
    write_checkpoint(Path("landmarks.ckpt"), "model=landmarks")
    result = compared("compare.before=crops.ckpt", "compare.after=landmarks.ckpt")
    assert result["splits"]["val"]["samples"] == 120
    changed = pd.read_csv("reports/compare/changed.csv", keep_default_na=False).set_index("sample_id")
    assert changed.loc[prepared["sample_id"][5], "after"] == ""  # no hand was found there
    assert changed.loc[prepared["sample_id"][5], "before"] in GESTURES


def test_a_checkpoint_of_another_crop_geometry_looks_at_crops_of_its_own(prepared):
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for root, image in zip(prepared["root"], prepared["image"], strict=True):
        Path(root).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(Path(root) / image)
    write_checkpoint(Path("old.ckpt"), *CROPS_MODEL)
    write_checkpoint(Path("new.ckpt"), *CROPS_MODEL, seed=1, crop_size=24)
    result = compared("compare.before=old.ckpt", "compare.after=new.ckpt")
    assert result["splits"]["val"]["samples"] == 120
    assert np.load("reports/compare/prepared/val-24-0.15/crops/crops.npy").shape == (120, 24, 24, 3)


def test_where_sessions_are_kept_apart_people_stay_and_sessions_are_resampled(prepared):
    everyone = " ".join(split_subjects(prepared.assign(split="train"), "train"))
    write_checkpoint(Path("old.ckpt"), *CROPS_MODEL, record={"people_trained_on": everyone})
    write_checkpoint(Path("new.ckpt"), *CROPS_MODEL, seed=1)
    result = compared("compare.before=old.ckpt", "compare.after=new.ckpt", "split.group=session")
    assert result["splits"]["val"]["interval"]["unit"] == "session"
    assert result["left_out"] == {"people": 0, "samples": {}}
    assert any("says nothing of new people" in note for note in result["notes"])


def test_people_that_either_was_trained_on_are_left_out_and_counted(prepared, capsys):
    val = prepared[prepared["split"] == "val"]
    one, two = (val[val["subject"] == f"b person {number}"].assign(split="train") for number in (3, 4))
    write_checkpoint(
        Path("old.ckpt"), *CROPS_MODEL, record={"people_trained_on": " ".join(split_subjects(one, "train"))}
    )
    write_checkpoint(
        Path("new.ckpt"), *CROPS_MODEL, seed=1, record={"people_trained_on": " ".join(split_subjects(two, "train"))}
    )
    result = compared("compare.before=old.ckpt", "compare.after=new.ckpt")
    assert result["left_out"] == {"people": 2, "samples": {"of people one was trained on": 20}}
    assert result["splits"]["val"]["samples"] == 100
    assert "20 samples of people one was trained on (2 people)" in " ".join(capsys.readouterr().out.split())


def test_whom_a_checkpoint_was_trained_on_being_unknown_is_said(prepared):
    write_checkpoint(Path("old.ckpt"), *CROPS_MODEL)
    write_checkpoint(Path("new.ckpt"), *CROPS_MODEL, seed=1, record={"sha256": "of another", "people_trained_on": ""})
    notes = " ".join(compared("compare.before=old.ckpt", "compare.after=new.ckpt")["notes"])
    assert "whom old.ckpt was trained on is not known" in notes
    assert "whom new.ckpt was trained on is not known" in notes


def test_nobody_left_to_compare_on_is_an_error_that_says_why(prepared):
    everyone = " ".join(split_subjects(prepared.assign(split="train"), "train"))
    write_checkpoint(Path("old.ckpt"), *CROPS_MODEL, record={"people_trained_on": everyone})
    write_checkpoint(Path("new.ckpt"), *CROPS_MODEL, seed=1)
    with pytest.raises(DataError, match="120 samples of people one was trained on"):
        compared("compare.before=old.ckpt", "compare.after=new.ckpt")


def test_a_checkpoint_compared_with_itself_says_so(prepared):
    write_checkpoint(Path("old.ckpt"), *CROPS_MODEL)
    result = compared("compare.before=old.ckpt", "compare.after=old.ckpt")
    assert "old.ckpt and old.ckpt are the same checkpoint" in result["notes"]
    assert not result["verdict"]["promote"]

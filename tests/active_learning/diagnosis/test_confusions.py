"""Confused pairs: what they cost, where they come from, and what is answers where there is nothing to say."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import f1_score

from static_gesture_classification.active_learning.diagnosis import confusions as module
from static_gesture_classification.active_learning.diagnosis.confusions import (
    pair_grid,
    read_errors,
    show_confusions,
    write_confusions,
    write_pairs,
)
from static_gesture_classification.active_learning.diagnosis.pairs import find_confusions, rate_intervals
from static_gesture_classification.active_learning.diagnosis.pictures import GREY, Pictures
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.predictions import write_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import write_samples
from tests.support.confused_predictions import VOCABULARY, composed, predicted, table

ROOMS = [("ONE", "room1", 10), ("ONE", "room5", 10), ("TWO", "room1", 12), ("THREE", "room5", 6)]


def errors_of(rows=ROOMS, wrong=None, **columns):
    return find_confusions(predicted(table(rows, **columns), wrong), resamples=200, seed=0)


def test_f1_at_stake_is_what_weighted_f1_gains_when_the_pair_is_right():
    wrong = {0: "TWO", 11: "TWO", 12: "TWO", 21: "ONE", 34: "TWO"}
    errors = errors_of(wrong=wrong)
    truth = table(ROOMS)["gesture"].tolist()
    for pair in errors.pairs:
        answers = [wrong.get(row, gesture) for row, gesture in enumerate(truth)]
        mended = [t if (t, s) == (pair.gesture, pair.prediction) else s for t, s in zip(truth, answers, strict=True)]
        gain = f1_score(truth, mended, average="weighted") - f1_score(truth, answers, average="weighted")
        assert pair.f1_at_stake == pytest.approx(gain)
    assert next((pair.gesture, pair.prediction, pair.count, pair.support) for pair in errors.pairs) == (
        "ONE",
        "TWO",
        3,
        20,
    )
    assert [pair.f1_at_stake for pair in errors.pairs] == sorted((p.f1_at_stake for p in errors.pairs), reverse=True)


def test_directions_of_a_pair_are_apart():
    pairs = {(p.gesture, p.prediction): p.count for p in errors_of(wrong={0: "TWO", 1: "TWO", 20: "ONE"}).pairs}
    assert pairs == {("ONE", "TWO"): 2, ("TWO", "ONE"): 1}


def test_pair_that_comes_from_one_room_shows_as_such():
    pair = errors_of(wrong={1: "TWO", **dict.fromkeys(range(10, 17), "TWO")}).pairs[0]
    assert pair.whereabouts == "7 of 8 from room5"
    assert [(part.subject, part.count, part.support) for part in pair.subjects] == [("room5", 7, 10), ("room1", 1, 10)]
    assert [(part.source, part.count, part.support) for part in pair.sources] == [("photos", 8, 20)]


def test_pair_of_the_only_person_who_shows_the_gesture_says_so():
    assert errors_of(wrong={33: "ONE", 34: "ONE"}).pairs[0].whereabouts == "all from room5, alone in showing it"


def test_source_that_has_more_of_the_errors_than_of_the_samples_is_named():
    rows = [("ONE", f"person {i}", 4) for i in range(8)]
    source = np.repeat(["webcam", "closeup"], 16)
    pair = errors_of(rows, {0: "TWO", 4: "TWO", 8: "TWO", 12: "TWO"}, source=source).pairs[0]
    assert pair.whereabouts == "4 people, all in webcam"


def test_hands_that_were_not_found_are_no_confusion():
    errors = errors_of(wrong={0: "", 1: "", 2: "TWO"})
    assert [(pair.gesture, pair.prediction) for pair in errors.pairs] == [("ONE", "TWO")]
    assert [(missed.gesture, missed.count, missed.name) for missed in errors.not_found] == [("ONE", 2, "ONE_not_found")]
    truth = table(ROOMS)["gesture"].tolist()
    answers = ["", "", "TWO", *truth[3:]]
    labels = sorted(set(truth))
    expected = f1_score(truth, answers, labels=labels, average="weighted", zero_division=0)
    assert errors.weighted_f1 == pytest.approx(expected)


def test_interval_over_people_is_wide_where_one_person_has_all_errors():
    errors = np.stack([np.full(10, 2), np.eye(10, dtype=np.int64)[0] * 10], axis=1)
    narrow, wide = rate_intervals(errors, np.full(10, 10), 500, 0)
    assert (narrow.low, narrow.high, narrow.unit) == (0.2, 0.2, "subject")
    assert wide.high - wide.low > 0.2
    (alone,) = rate_intervals(np.array([[2]]), np.array([10]), 500, 0)
    assert alone.unit == "sample"
    assert alone.low < 0.2 < alone.high


@pytest.mark.parametrize("wrong", [None, {0: ""}])
def test_perfect_matrix_has_no_pairs_and_is_said_to_be_perfect(wrong, capsys, tmp_path):
    errors = errors_of(wrong=wrong)
    assert errors.pairs == ()
    show_confusions(errors, 10)
    assert "nothing is confused" in capsys.readouterr().out
    write_confusions(errors, tmp_path, "val.parquet")
    assert json.loads((tmp_path / "confusions.json").read_text())["pairs"] == []


def test_table_without_samples_is_no_error(capsys, tmp_path):
    errors = errors_of([])
    show_confusions(errors, 10)
    assert "no sample" in capsys.readouterr().out
    write_confusions(errors, tmp_path, "val.parquet")
    assert json.loads((tmp_path / "confusions.json").read_text())["weighted_f1"] is None
    assert len(pd.read_csv(tmp_path / "confusions.csv")) == 0


def test_files_hold_all_pairs_their_people_and_their_samples(tmp_path):
    errors = errors_of(wrong={1: "TWO", 10: "TWO", 20: "ONE", 21: ""})
    write_confusions(errors, tmp_path, "val.parquet")
    content = json.loads((tmp_path / "confusions.json").read_text())
    assert [(pair["gesture"], pair["prediction"], pair["count"]) for pair in content["pairs"]] == [
        ("ONE", "TWO", 2),
        ("TWO", "ONE", 1),
    ]
    assert content["pairs"][0]["samples"] == [f"{1:024x}", f"{10:024x}"]
    assert content["not_found"][0]["count"] == 1
    by_subject = pd.read_csv(tmp_path / "by_person.csv")
    assert by_subject.query("gesture == 'ONE'")["subject"].tolist() == ["room1", "room5"]


def test_pictures_of_pairs_that_are_gone_are_removed(tmp_path):
    pictures = Pictures(None, 32, 0.1)
    write_pairs(errors_of(wrong={0: "TWO", 1: ""}), pictures, tmp_path, 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ONE_not_found.png", "ONE_taken_for_TWO.png"]
    write_pairs(errors_of(wrong={20: "ONE"}), pictures, tmp_path, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["TWO_taken_for_ONE.png"]


def save_crops(folder, samples, size=32):
    folder.mkdir()
    crops = (
        np.zeros((len(samples), size, size, 3), np.uint8) + np.arange(len(samples), dtype=np.uint8)[:, None, None, None]
    )
    np.save(folder / "crops.npy", crops)
    write_samples(samples, folder / "samples.parquet")
    return crops


def test_pictures_come_from_the_crops_by_sample_whatever_the_order(tmp_path):
    samples = table(ROOMS)
    crops = save_crops(tmp_path / "crops", samples)
    pictures = Pictures(tmp_path / "crops", 99, 0.1).of(samples.iloc[[30, 2, 7]])
    assert (pictures == crops[[30, 2, 7]]).all()


def test_pictures_are_cut_from_the_images_where_there_are_no_crops(tmp_path):
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "image_0.jpg")
    samples = table([("ONE", "anna", 2)], root=str(tmp_path))
    pictures = Pictures(tmp_path / "absent", 16, 0.1)
    red, grey = pictures.of(samples)
    assert red.shape == (16, 16, 3)
    assert red[..., 0].min() > 150 > 80 > red[..., 1].max()
    assert (grey == GREY).all()
    assert "image_1.jpg: the file is missing" in pictures.notes()[0]


def test_grid_shows_the_most_certain_errors_first(tmp_path):
    errors = errors_of(wrong={0: "TWO", 1: "TWO"})
    scores = errors.predictions.table.column("score").to_numpy()[errors.pairs[0].rows]
    assert (np.diff(scores) <= 0).all()
    grid = pair_grid(errors.predictions, errors.pairs[0], Pictures(None, 32, 0.1), 8)
    assert grid.dtype == np.uint8
    assert grid.shape[2] == 3


def test_crops_of_other_data_are_refused(tmp_path):
    samples = table(ROOMS)
    save_crops(tmp_path / "crops", samples.assign(sample_id=[f"f{i:023x}" for i in range(len(samples))]))
    with pytest.raises(DataError, match=r"none of the 38 samples of val\.parquet has a crop .*from different data"):
        Pictures(tmp_path / "crops", 32, 0.1).check(samples, "val.parquet")


def test_samples_that_have_no_crop_are_cut_from_their_images(tmp_path):
    samples = table([("ONE", "anna", 3)], root=str(tmp_path))
    crops = save_crops(tmp_path / "crops", samples.iloc[1:], size=16)
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "image_0.jpg")
    pictures = Pictures(tmp_path / "crops", 32, 0.1)
    assert "1 samples have no crop" in pictures.check(samples, "val.parquet")[0]
    shown = pictures.of(samples)
    assert (shown[1:] == crops).all()
    assert shown[0, ..., 0].min() > 150
    assert pictures.are_readable(samples).all()


def test_labels_that_changed_since_the_evaluation_are_noted(tmp_path):
    samples = table(ROOMS)
    save_crops(tmp_path / "crops", samples.assign(gesture=["TWO", *samples["gesture"][1:]]))
    assert "1 samples have another label by now" in Pictures(tmp_path / "crops", 32, 0.1).check(samples, "v")[0]


def test_predictions_of_another_vocabulary_are_refused_with_both(tmp_path):
    write_predictions(predicted(table(ROOMS)), tmp_path / "val.parquet")
    with pytest.raises(DataError, match=r"val\.parquet .*NONE, ONE, TWO, THREE.*FIST, PALM"):
        read_errors(tmp_path / "val.parquet", Vocabulary(("FIST", "PALM")))


def test_predictions_on_test_are_refused(tmp_path):
    write_predictions(predicted(table([("ONE", "a", 2)], split=["val", "test"])), tmp_path / "some.parquet")
    with pytest.raises(DataError, match=r"some\.parquet holds 1 samples of test: .*confusions\.predictions"):
        read_errors(tmp_path / "some.parquet", VOCABULARY)


def test_command_prints_the_table_and_writes_everything(tmp_path, capsys):
    write_predictions(predicted(table(ROOMS), {0: "TWO", 1: "TWO", 2: ""}), tmp_path / "val.parquet")
    config = composed(
        f"confusions.predictions={tmp_path / 'val.parquet'}",
        f"confusions.output={tmp_path / 'out'}",
        "confusions.crops=null",
        f"gestures.names=[{','.join(VOCABULARY)}]",
        "gestures.background=NONE",
        "confusions.bootstrap=20",
    )
    module.main.__wrapped__(config)
    printed = capsys.readouterr().out
    assert "2 of 20" in printed
    assert "no hand was found in 1 of 38 samples" in printed
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {
        "confusions.json", "confusions.csv", "by_person.csv", "by_source.csv", "in_use.csv", "ONE_taken_for_TWO.png",
        "ONE_not_found.png",
    }  # fmt: skip

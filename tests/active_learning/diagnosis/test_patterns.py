"""What a pair's samples have in common: told where it is beyond chance, with counts, and not told where it is not."""

import json

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.active_learning.diagnosis import patterns as module
from static_gesture_classification.active_learning.diagnosis.measurements import measure, read_landmarks, tilts
from static_gesture_classification.active_learning.diagnosis.over_representation import (
    SignificanceSettings,
    find_over_represented,
)
from static_gesture_classification.active_learning.diagnosis.pairs import find_confusions
from static_gesture_classification.active_learning.diagnosis.patterns import cluster_rows
from static_gesture_classification.evaluation.predictions import write_predictions
from static_gesture_classification.samples import LANDMARK_COUNT, write_samples
from tests.support.confused_predictions import VOCABULARY, composed, predicted, table

SIGNIFICANCE = SignificanceSettings(permutations=300)


def hands(count: int, seed: int = 0, **columns) -> pd.DataFrame:
    """Measured samples of many people, everything at random."""
    random = np.random.default_rng(seed)
    frame = {
        "person": [f"person {i % 12} of photos" for i in range(count)],
        "session": [f"session {i % 12}" for i in range(count)],
        "source": "photos",
        "hand": random.choice(["left", "right"], count, p=[0.2, 0.8]),
        "size": random.uniform(50, 200, count),
        "brightness": random.uniform(60, 200, count),
        "sharpness": random.uniform(100, 900, count),
        "tilt": random.uniform(0, 60, count),
        "edge": random.random(count) < 0.05,
    }
    return pd.DataFrame(frame | columns)


def test_left_hands_that_are_small_are_told_as_one_with_counts():
    errors = hands(41, 1)
    errors.loc[:30, "hand"], errors.loc[:30, "size"] = "left", np.linspace(30, 58, 31)
    errors.loc[31:, "hand"], errors.loc[31:, "size"] = "right", np.linspace(90, 190, 10)
    finding, *_ = find_over_represented(errors, hands(300, 2), SIGNIFICANCE)
    assert finding.text.startswith("left hands smaller than")
    assert (finding.count, finding.total) == (31, 41)
    assert finding.usual < 0.15
    assert finding.subjects == 12
    assert finding.sentence.startswith("31 of 41 are left hands smaller than")


@pytest.mark.parametrize("count", [2, 5, 30])
def test_samples_like_all_others_make_no_story(count):
    told = [find_over_represented(hands(count, seed), hands(300, 100 + seed), SIGNIFICANCE) for seed in range(6)]
    assert [findings for findings in told if findings] == []


def test_two_samples_make_no_story_however_alike():
    errors = hands(2, hand="left", size=20.0, brightness=250.0)
    assert find_over_represented(errors, hands(300, 5, hand="right"), SIGNIFICANCE) == []


def test_what_only_goes_along_with_a_person_is_no_second_finding():
    errors, others = hands(20, 1), hands(300, 2)
    errors[["person", "session", "brightness"]] = ["eve of photos", "evening", 20.0]
    findings = find_over_represented(errors, others, SIGNIFICANCE)
    assert len(findings) == 1
    told = findings[0].sentence
    assert "eve of photos" in told or "darker than" in told
    assert findings[0].subjects == 1
    assert any("darker than" in text or "of eve" in text for text in findings[0].along)


def test_independent_properties_are_two_findings():
    errors, others = hands(60, 1), hands(300, 2)
    errors.loc[:29, "brightness"] = 10.0
    errors.loc[30:, "edge"] = True
    errors.loc[:29, "edge"] = False
    texts = [finding.text for finding in find_over_represented(errors, others, SIGNIFICANCE)]
    assert any("darker than" in text for text in texts)
    assert any("at the image's edge" in text for text in texts)
    assert len(texts) == 2


def test_measurement_that_is_mostly_unknown_is_left_out():
    errors = hands(20, 1, tilt=np.nan)
    assert all(
        "turned" not in finding.text for finding in find_over_represented(errors, hands(300, 2, tilt=5.0), SIGNIFICANCE)
    )


def test_nothing_to_compare_with_is_no_error():
    assert find_over_represented(hands(20), hands(0), SIGNIFICANCE) == []


def test_clusters_are_found_where_embeddings_fall_apart_and_only_there():
    random = np.random.default_rng(0)
    one = random.normal(size=(30, 8)).astype(np.float32)
    assert len(cluster_rows(one, 5, 0)) == 1
    apart = np.concatenate([random.normal((9, 0, 0), 0.3, (20, 3)), random.normal((0, 9, 0), 0.3, (10, 3))])
    parts = cluster_rows(apart.astype(np.float32), 5, 0)
    assert [sorted(part.tolist()) for part in parts] == [list(range(20)), list(range(20, 30))]


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_few_or_equal_embeddings_are_one_cluster(count):
    assert len(cluster_rows(np.ones((count, 4), np.float32), 5, 0)) == 1


def test_measurements_of_a_picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 100)).save(tmp_path / "image_0.jpg")
    samples = table([("ONE", "anna", 2)], root=str(tmp_path), x1=np.float32(0.0))
    flat, striped = np.full((32, 32, 3), 90, np.uint8), np.zeros((32, 32, 3), np.uint8)
    striped[:, ::2] = 255
    values = measure(samples, np.stack([flat, striped]), np.array([True, True]), {})
    assert values["size"][0] == pytest.approx(120)  # 0.6 of 200 pixels
    assert np.isnan(values["size"][1])  # there is no such image
    assert values["brightness"][0] == pytest.approx(90, abs=0.5)
    assert values["sharpness"][0] == pytest.approx(0, abs=1e-3)
    assert values["sharpness"][1] > 1000
    assert values["edge"].all()
    assert values["tilt"].isna().all()


def test_pictures_that_could_not_be_had_are_not_measure():
    values = measure(table([("ONE", "anna", 1)]), np.zeros((1, 32, 32, 3), np.uint8), np.array([False]), {})
    assert values[["brightness", "sharpness", "size"]].isna().all(axis=None)


def test_tilt_is_measured_in_pixels_from_the_wrist_to_the_middle_finger():
    upright, level = np.zeros((LANDMARK_COUNT, 2)), np.zeros((LANDMARK_COUNT, 2))
    upright[0], upright[9] = (0.5, 0.9), (0.5, 0.5)
    level[0], level[9] = (0.2, 0.5), (0.4, 0.4)  # 0.2 of 100 pixels and 0.1 of 200: 45 degrees
    shapes = np.array([[100.0, 200.0]] * 3)
    assert tilts(["a", "b", "c"], shapes, {"a": upright, "b": level})[:2] == pytest.approx([0, 45])


def test_landmarks_are_taken_from_a_sample_table(tmp_path):
    samples = table([("ONE", "anna", 2)])
    samples["landmarks"] = [np.arange(42, dtype=np.float32), None]
    write_samples(samples, tmp_path / "samples.parquet")
    found = read_landmarks(tmp_path / "samples.parquet", samples["sample_id"].tolist())
    assert list(found) == [samples["sample_id"][0]]
    assert found[samples["sample_id"][0]][1].tolist() == [2, 3]
    assert read_landmarks(tmp_path / "absent.parquet", ["a"]) == {}


def command(tmp_path, predictions):
    write_predictions(predictions, tmp_path / "val.parquet")
    config = composed(
        f"confusions.predictions={tmp_path / 'val.parquet'}",
        f"confusions.output={tmp_path / 'out'}",
        "confusions.crops=null",
        f"gestures.names=[{','.join(VOCABULARY)}]",
        "gestures.background=NONE",
        "confusions.patterns.permutations=200",
    )
    module.main.__wrapped__(config)
    return json.loads((tmp_path / "out/patterns.json").read_text())["patterns"]


def test_command_tells_what_right_samples_are_not(tmp_path, capsys):
    hand = ["left"] * 12 + ["right"] * 48
    samples = table([("ONE", f"person {i}", 6) for i in range(10)], hand=hand)
    embeddings = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    patterns = command(tmp_path, predicted(samples, dict.fromkeys(range(12), "TWO"), embeddings))
    assert patterns[0]["summary"].startswith("12 of 12 are left hands (0% of the correct ones)")
    assert (tmp_path / "out/patterns/ONE_taken_for_TWO.png").is_file()
    assert "12 of 12 are left hands" in capsys.readouterr().out


def test_pair_with_one_sample_and_table_without_embeddings_are_said_to_be_too_little(tmp_path, capsys):
    patterns = command(tmp_path, predicted(table([("ONE", "anna", 9)]), {4: "TWO"}))
    assert patterns[0]["summary"] == "1 sample: too few for a pattern"
    assert patterns[0]["clusters"] == []


def test_gesture_that_is_never_right_has_nothing_to_compare_with(tmp_path, capsys):
    patterns = command(tmp_path, predicted(table([("ONE", "anna", 5)]), dict.fromkeys(range(5), "TWO")))
    assert patterns[0]["summary"] == "no ONE was classified right, so there is nothing to compare with"


def test_perfect_predictions_have_no_pattern(tmp_path, capsys):
    assert command(tmp_path, predicted(table([("ONE", "anna", 5)]))) == []
    assert "nothing is confused" in capsys.readouterr().out


def test_same_input_gives_the_same_patterns(tmp_path):
    samples = table([("ONE", f"person {i}", 6) for i in range(10)])
    predictions = predicted(samples, dict.fromkeys(range(12), "TWO"))
    errors = find_confusions(predictions, 0, 0)
    assert errors.pairs[0].rows.tolist() == list(range(12))
    assert command(tmp_path, predictions) == command(tmp_path, predictions)

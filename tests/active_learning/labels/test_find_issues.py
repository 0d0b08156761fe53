"""Wrong labels: found by cross-validation, by val's predictions and by near-duplicates, ranked, and decided on."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from static_gesture_classification.active_learning.labels import decide as fixing
from static_gesture_classification.active_learning.labels import find_issues as module
from static_gesture_classification.active_learning.labels.cross_validation import (
    Features,
    cross_validate,
    of_pictures,
    temper,
)
from static_gesture_classification.active_learning.labels.decide import add_decisions, find_sample
from static_gesture_classification.active_learning.labels.suggestions import (
    Suggestion,
    keep_decisions,
    read_suggestions,
    write_suggestions,
)
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.predictions import predictions_of, sample_keys, write_predictions
from static_gesture_classification.preparation.label_fixes import LabelFix, read_label_fixes, write_label_fixes
from static_gesture_classification.samples import LANDMARK_COUNT, read_samples, write_samples
from tests.support.confused_predictions import VOCABULARY, composed, table

GESTURES = ("NONE", "ONE", "TWO", "THREE")
PEOPLE = 10
WRONG_IN_TRAIN, WRONG_IN_VAL, TWINS = (3, 40, 77), 150, (5, 60)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with landmarks, crops, splits, index and val's predictions, in which some labels are wrong.

    10 people in train and 5 in val show each gesture twice or three times; the hand's points are the gesture's, with
    noise. Two crops are the same picture.
    """
    folder, random = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    rows = [(gesture, f"person {i}", 3 if i < PEOPLE else 2) for gesture in GESTURES for i in range(PEOPLE + 5)]
    samples = table(rows)
    samples["split"] = np.where(samples["subject"].str.split().str[1].astype(int) < PEOPLE, "train", "val").astype(
        object
    )
    samples = samples.sort_values("split", kind="stable", ignore_index=True)  # train first
    samples["sample_id"] = [f"{i:024x}" for i in range(len(samples))]
    truth = samples["gesture"].tolist()
    shapes = {gesture: random.normal(size=(LANDMARK_COUNT, 2)) for gesture in GESTURES}
    points = np.array([shapes[gesture] + random.normal(0, 0.15, (LANDMARK_COUNT, 2)) for gesture in truth], np.float32)
    points[100] = np.nan  # no hand was found in it
    for row in (*WRONG_IN_TRAIN, WRONG_IN_VAL, TWINS[1]):
        samples.loc[row, "gesture"] = GESTURES[(GESTURES.index(truth[row]) + 1) % 4]
    noise = gaussian_filter(random.normal(size=(len(samples), 48, 48)), (0, 1.5, 1.5))
    crops = np.repeat(np.clip(128 + 300 * noise, 0, 255).astype(np.uint8)[..., None], 3, axis=3)
    crops[TWINS[1]] = np.clip(crops[TWINS[0]].astype(int) + 6, 0, 255)
    for name in ("landmarks", "crops", "splits", "index"):
        (folder / name).mkdir()
        write_samples(samples, folder / name / "samples.parquet")
    np.save(folder / "landmarks/landmarks.npy", points)
    np.save(folder / "crops/crops.npy", crops)
    val = samples[samples["split"] == "val"]
    predicted = np.full((len(val), 4), 0.02, np.float32)
    predicted[np.arange(len(val)), [GESTURES.index(truth[row]) for row in val.index]] = 0.94
    write_predictions(predictions_of(sample_keys(val), predicted, VOCABULARY), folder / "val.parquet")
    return folder


def config_of(world: Path, tmp_path: Path, *overrides: str):
    return composed(
        *(f"paths.{name}={world / name}" for name in ("landmarks", "crops", "splits", "index")),
        f"label_issues.predictions={world / 'val.parquet'}",
        f"label_issues.output={tmp_path / 'issues'}",
        f"label_issues.fixes={tmp_path / 'fixes.csv'}",
        f"gestures.names=[{','.join(GESTURES)}]",
        "gestures.background=NONE",
        *overrides,
    )


def issues_of(world: Path, tmp_path: Path, *overrides: str) -> list[Suggestion]:
    module.main.__wrapped__(config_of(world, tmp_path, *overrides))
    return read_suggestions(tmp_path / "issues/suggestions.csv")


def row_of(issue: Suggestion) -> int:
    return int(issue.sample, 16)


def test_wrong_labels_of_train_and_val_are_found_with_the_right_gesture(world, tmp_path, capsys):
    issues = issues_of(world, tmp_path)
    wrong = {*WRONG_IN_TRAIN, WRONG_IN_VAL, TWINS[1]}
    assert {row_of(issue) for issue in issues[:5]} == wrong
    for issue in issues[:5]:
        before = GESTURES[(GESTURES.index(issue.published) - 1) % 4]
        assert issue.to == before
        assert issue.likely
    assert [issue.quality for issue in issues] == sorted(issue.quality for issue in issues)
    evidence = {row_of(issue): issue.evidence for issue in issues}
    assert evidence[WRONG_IN_TRAIN[0]].startswith("cross-validation ")
    assert evidence[WRONG_IN_VAL].startswith("validation ")
    printed = capsys.readouterr().out
    assert "1 samples of train have no landmarks" in printed
    assert f"apply={tmp_path / 'issues/suggestions.csv'}" in printed
    assert (tmp_path / "issues/label_issues.png").is_file()


def test_same_picture_with_two_labels_accuses_the_less_probable_one(world, tmp_path):
    issues = {row_of(issue): issue for issue in issues_of(world, tmp_path)}
    assert f"of {TWINS[0]:024x}"[:13] in issues[TWINS[1]].evidence
    assert "near-duplicate" in issues[TWINS[1]].evidence
    assert TWINS[0] not in issues
    assert (tmp_path / "issues/near_duplicates.png").is_file()
    issues_of(world, tmp_path, "label_issues.near_duplicates=false")
    assert not (tmp_path / "issues/near_duplicates.png").exists()


def test_labels_that_somebody_decided_on_are_not_listed_again(world, tmp_path):
    issue = issues_of(world, tmp_path)[0]
    write_label_fixes(
        [LabelFix(issue.sample, issue.published, issue.published, "eva", "2026-01-02", "")], tmp_path / "fixes.csv"
    )
    assert issue.sample not in {each.sample for each in issues_of(world, tmp_path)}


def test_val_without_predictions_is_left_out_and_said_to_be(world, tmp_path, capsys):
    issues = issues_of(world, tmp_path, f"label_issues.predictions={tmp_path / 'none.parquet'}")
    assert all(issue.split == "train" for issue in issues)
    assert "val's labels were not checked" in capsys.readouterr().out


def test_predictions_of_another_vocabulary_are_refused(world, tmp_path):
    with pytest.raises(DataError, match=r"val\.parquet was predicted by a model of other gestures"):
        issues_of(world, tmp_path, "gestures.names=[NONE,ONE,TWO,THREE,FOUR]")


def test_samples_of_gestures_that_are_not_in_the_vocabulary_are_refused(world, tmp_path):
    with pytest.raises(DataError, match=r"samples\.parquet has samples of THREE"):
        issues_of(world, tmp_path, "gestures.names=[NONE,ONE,TWO]")


def test_crops_of_other_samples_are_refused(world, tmp_path):
    samples = table([("ONE", "anna", 4)], split="train", sample_id=[f"f{i:023x}" for i in range(4)])
    write_samples(samples, tmp_path / "samples.parquet")
    with pytest.raises(DataError, match=r"4 samples have no crop in .*crops .*other data"):
        issues_of(world, tmp_path, f"label_issues.samples={tmp_path / 'samples.parquet'}")


def test_unknown_features_are_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"label_issues\.features is 'pixels'; it must be 'auto', 'landmarks'"):
        issues_of(world, tmp_path, "label_issues.features=pixels")


def test_pictures_give_features_where_there_are_no_landmarks():
    crops = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    features = of_pictures(crops, 0)
    assert features.known.all()
    assert len(features.values) == 6
    assert np.isfinite(features.values).all()


def test_nobody_is_judged_by_what_was_learned_from_themselves():
    """One person's label noise cannot be learned by heart: features that name the person tell nothing."""
    subjects = np.repeat(np.arange(10), 4)
    labels = np.random.default_rng(0).integers(0, 2, 40)
    values = np.eye(40, dtype=np.float32)  # each sample is recognised, so learning by heart would give certainty
    predicted = cross_validate(Features("landmarks", values, np.ones(40, bool)), labels, subjects, 5, 0)
    assert predicted[np.arange(40), labels].max() < 0.9


def test_what_is_known_of_a_person_is_not_learned_from_their_other_samples():
    """Features name the person and nothing else: whoever learned from the same person would be surer than chance."""
    subjects, labels = np.repeat(np.arange(10), 4), np.repeat(np.arange(10) % 2, 4)
    values = np.eye(10, dtype=np.float32)[subjects]
    predicted = cross_validate(Features("landmarks", values, np.ones(40, bool)), labels, subjects, 5, 0)
    assert predicted == pytest.approx(0.5, abs=0.05)


def test_gesture_that_one_person_alone_shows_is_not_judged():
    subjects, labels = np.repeat(np.arange(6), 4), np.repeat([0, 1, 0, 1, 0, 2], 4)
    values = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    predicted = cross_validate(Features("landmarks", values, np.ones(24, bool)), labels, subjects, 5, 0)
    assert np.isnan(predicted[labels == 2]).all()
    assert np.isfinite(predicted[labels != 2]).all()


def test_one_person_cannot_be_cross_validated():
    values = np.zeros((4, 2), np.float32)
    predicted = cross_validate(
        Features("landmarks", values, np.ones(4, bool)), np.array([0, 1, 0, 1]), np.zeros(4), 5, 0
    )
    assert np.isnan(predicted).all()


def test_overconfident_probabilities_are_tempered():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    predicted = np.full((300, 3), 0.0005)
    predicted[np.arange(300), np.where(random.random(300) < 0.8, labels, (labels + 1) % 3)] = 0.999
    mild = temper(predicted, labels)
    assert mild.max() == pytest.approx(0.8, abs=0.05)
    assert (mild.argmax(axis=1) == predicted.argmax(axis=1)).all()


SUGGESTED = Suggestion("ab12", "ONE", "TWO", 0.01, True, "cross-validation 0.97", "train", "photos", "anna", "a.jpg")


def decide(world: Path, tmp_path: Path, *overrides: str) -> dict[str, LabelFix]:
    fixing.main.__wrapped__(config_of(world, tmp_path, "fix_labels.who=eva", *overrides))
    return {fix.sample: fix for fix in read_label_fixes(tmp_path / "fixes.csv", VOCABULARY).fixes}


def sample_of(row: int) -> str:
    return f"fix_labels.sample='{row:024x}'"


def test_label_is_corrected_dropped_kept_and_taken_back(world, tmp_path):
    first, second, third = (f"{row:024x}" for row in (0, 1, 2))
    fixes = decide(world, tmp_path, sample_of(0), "fix_labels.to=TWO", "fix_labels.why='thumb, hidden'")
    assert (fixes[first].published, fixes[first].to, fixes[first].who, fixes[first].why) == (
        "NONE",
        "TWO",
        "eva",
        "thumb, hidden",
    )
    assert len(fixes[first].when) == 10
    decide(world, tmp_path, sample_of(1), "fix_labels.to=drop")
    fixes = decide(world, tmp_path, sample_of(2), "fix_labels.to=keep")
    assert [fixes[sample].to for sample in (first, second, third)] == ["TWO", "drop", "NONE"]
    assert set(decide(world, tmp_path, f"fix_labels.undo='{first}'")) == {second, third}


def test_new_decision_on_a_sample_replaces_the_line_and_keeps_the_published_label():
    earlier = [LabelFix("ab12", "ONE", "TWO", "eva", "2026-01-02", "", 2)]
    (fix,) = add_decisions(earlier, [fixing.Decision("ab12", "TWO", "THREE", "look again")], "bo")
    assert (fix.published, fix.to, fix.who) == ("ONE", "THREE", "bo")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((sample_of(0), "fix_labels.to=FIVE"), "unknown gesture 'FIVE'"),
        ((sample_of(0),), "say what it is: to=GESTURE"),
        (("fix_labels.sample=zz", "fix_labels.to=drop"), "no sample zz in the index"),
        (("fix_labels.sample='00'", "fix_labels.to=drop"), "samples in the index begin with 00"),
        ((sample_of(0), "fix_labels.undo=a"), "sample and undo are given"),
        (("fix_labels.undo=zz",), r"no sample zz in .*fixes\.csv"),
    ],
)
def test_unclear_decision_is_refused(world, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        decide(world, tmp_path, *overrides)
    assert not (tmp_path / "fixes.csv").exists()


def test_beginning_of_an_id_is_enough_where_it_is_one_samples():
    assert find_sample("ab", ["ab12", "cd34"], "x") == "ab12"
    assert find_sample("ab", ["ab", "ab12"], "x") == "ab"


def test_id_of_digits_stays_as_it_was_typed(project, world, tmp_path):
    places = [f"paths.index={tmp_path / 'index'}", f"label_issues.fixes={tmp_path / 'fixes.csv'}"]
    samples = read_samples(world / "index/samples.parquet")
    samples.loc[0, "sample_id"] = "12e5"
    write_samples(samples, tmp_path / "index/samples.parquet")
    command = [
        sys.executable,
        "-m",
        fixing.__name__,
        *places,
        "fix_labels.sample=12e5",
        "fix_labels.to=drop",
        "fix_labels.why=1,2",
        "fix_labels.who=eva",
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    with (tmp_path / "fixes.csv").open() as file:
        assert [(row["sample"], row["to"], row["why"]) for row in csv.DictReader(file)] == [("12e5", "drop", "1,2")]


def test_table_that_was_filled_in_is_applied_as_a_whole(world, tmp_path):
    issues = issues_of(world, tmp_path)
    path = tmp_path / "issues/suggestions.csv"
    decisions = ["yes", "drop", "keep", "NONE", ""]
    write_suggestions(
        [Suggestion(**(vars(issue) | {"decision": word})) for issue, word in zip(issues, decisions, strict=False)], path
    )
    fixes = decide(world, tmp_path, f"fix_labels.apply={path}")
    expected = [issues[0].to, "drop", issues[2].published, "NONE"]
    assert [fixes[issue.sample].to for issue in issues[:4]] == expected
    assert len(fixes) == 4
    assert fixes[issues[0].sample].why == issues[0].evidence


def test_decisions_stay_when_the_table_is_made_again(world, tmp_path):
    issues = issues_of(world, tmp_path)
    path = tmp_path / "issues/suggestions.csv"
    path.write_text(path.read_text().replace(f",{issues[1].sample}", f"drop,{issues[1].sample}", 1))
    assert [issue.decision for issue in issues_of(world, tmp_path)[:3]] == ["", "drop", ""]


def test_decision_on_a_label_that_has_changed_since_is_not_kept(tmp_path):
    write_suggestions([Suggestion(**(vars(SUGGESTED) | {"decision": "yes"}))], tmp_path / "s.csv")
    changed = Suggestion(**(vars(SUGGESTED) | {"published": "THREE"}))
    assert [each.decision for each in keep_decisions([SUGGESTED, changed], tmp_path / "s.csv")] == ["yes", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decision,sample,from,to\nmaybe,{0},NONE,TWO\n", r"s\.csv, line 2: the decision 'maybe' is none of yes"),
        ("sample;from;to\n", r"s\.csv, line 1 lacks the columns decision"),
        ("decision,sample,from,to\nyes,,NONE,TWO\n", r"s\.csv, line 2: no sample is named"),
        ("decision,sample,from,to\nyes,{0},THREE,TWO\n", r"s\.csv, line 2: sample .* is labelled NONE by now"),
        ("decision,sample,from,to\nyes,zz,ONE,TWO\n", r"line 2: sample zz, there ONE, is not in the index"),
        ("decision,sample,from,to\n,{0},NONE,TWO\n", "nothing is decided"),
    ],
)
def test_unfit_table_of_suggestions_is_refused_with_its_line(world, tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text.format(f"{0:024x}"))
    with pytest.raises(UserError, match=message):
        decide(world, tmp_path, f"fix_labels.apply={tmp_path / 's.csv'}")
    assert not (tmp_path / "fixes.csv").exists()


def test_damaged_file_of_fixes_stays_as_it_is(world, tmp_path):
    (tmp_path / "fixes.csv").write_text("sample,from\n")
    with pytest.raises(DataError, match=r"fixes\.csv, line 1"):
        decide(world, tmp_path, sample_of(0), "fix_labels.to=TWO")
    assert (tmp_path / "fixes.csv").read_text() == "sample,from\n"


def test_listing_names_what_is_decided(world, tmp_path, capsys):
    write_label_fixes([LabelFix("ab12", "ONE", "ONE", "eva", "2026-01-02", "fine")], tmp_path / "fixes.csv")
    fixing.main.__wrapped__(config_of(world, tmp_path))
    assert "right as it is" in capsys.readouterr().out

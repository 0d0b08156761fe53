"""The recording plan: what it asks for and why, how it shares its budget, its file, and what it does with little."""

import numpy as np
import pytest

from static_gesture_classification.active_learning.diagnosis.pairs import find_confusions
from static_gesture_classification.active_learning.planning import make_plan as module
from static_gesture_classification.active_learning.planning.budget import BudgetSettings, allot, share
from static_gesture_classification.active_learning.planning.make_plan import (
    PlanSettings,
    Stock,
    Wanted,
    little_data,
    make_plan,
)
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    as_markdown,
    count_recorded,
    read_plan,
    show_plan,
    write_plan,
)
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.predictions import write_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import write_samples
from static_gesture_classification.sources.recorded import Confusion, RecordedImage, Session, write_session
from tests.support.confused_predictions import VOCABULARY, composed, predicted, table
from tests.support.table_reads import table_reads

GESTURES = ("NONE", "ONE", "TWO", "THREE")
ROWS = [(gesture, f"person {i}", 6) for gesture in GESTURES for i in range(6)]
WANTED = Wanted(train_samples=100, train_subjects=10, val_samples=20, val_subjects=3)


def plan_of(config):
    return make_plan(PlanSettings.from_config(config), VOCABULARY)


def config_of(tmp_path, *overrides):
    """The configuration for the tables in a folder."""
    return composed(
        f"plan.predictions={tmp_path / 'val.parquet'}",
        f"plan.samples={tmp_path / 'samples.parquet'}",
        f"plan.path={tmp_path / 'plan.json'}",
        f"gestures.names=[{','.join(VOCABULARY)}]",
        "gestures.background=NONE",
        "confusions.crops=null",
        "confusions.bootstrap=50",
        *overrides,
    )


def of_samples(tmp_path, wrong=None, *overrides, rows=ROWS, **columns):
    """The plan for samples whose val is predicted with errors in the rows `wrong`."""
    split = np.where(np.arange(sum(count for *_, count in rows)) % 2, "train", "val")
    samples = table(rows, **{"split": split, **columns})
    write_samples(samples, tmp_path / "samples.parquet")
    val = samples[samples["split"] == "val"].reset_index(drop=True)
    write_predictions(predicted(val, wrong), tmp_path / "val.parquet")
    return plan_of(config_of(tmp_path, "confusions.patterns.permutations=100", *overrides))


def enough(*overrides):
    """Overrides with which no gesture has too little data."""
    wanted = ("train_samples=1", "train_subjects=1", "val_samples=1", "val_subjects=1")
    return (*(f"plan.wanted.{name}" for name in wanted), *overrides)


def test_pairs_get_samples_in_proportion_to_what_they_cost_and_say_why(tmp_path):
    wrong = {18: "TWO", 19: "TWO", 21: "TWO", 24: "TWO", 27: "TWO", 30: "TWO", 36: "ONE", 39: "ONE"}
    plan = of_samples(tmp_path, wrong, *enough("plan.per_error=50", "plan.most=100"))
    first, second = plan.recordings
    assert (first.gesture, first.mistaken_for, first.errors, second.gesture, second.mistaken_for) == (
        "ONE",
        "TWO",
        6,
        "TWO",
        "ONE",
    )
    assert first.count > second.count >= 10
    assert plan.count <= 100
    assert first.rate == pytest.approx(6 / 18)
    assert "6 of 18 val samples are taken for TWO (33.3%, 95% interval" in first.reason
    assert f"weighted F1 {first.f1_at_stake:+.4f} if none were. 5 people." in first.reason
    assert len(first.examples) == 6
    assert {example.root for example in first.examples} == {"data/raw/somewhere"}
    how = {standing.gesture: (standing.seen, standing.taken_for) for standing in plan.standings}
    assert how["ONE"] == (18, (("TWO", 6),))  # where the recorder begins to deal
    assert how["THREE"] == (18, ())


def test_the_sample_table_is_opened_once_and_not_read_whole(tmp_path):
    of_samples(tmp_path, {18: "TWO", 19: "TWO", 21: "TWO"})
    with table_reads() as reads:
        plan = plan_of(config_of(tmp_path))
    assert {line.mistaken_for for line in plan.recordings} == {"TWO", None}
    assert (reads.opened[tmp_path.name], reads.whole[tmp_path.name]) == (1, 0)


def test_samples_are_limited_by_the_errors_seen(tmp_path):
    plan = of_samples(tmp_path, {18: "TWO", 21: "TWO", 24: "TWO"}, *enough("plan.per_error=5"))
    assert [(line.gesture, line.count) for line in plan.recordings] == [("ONE", 15)]


def caught(tmp_path, count=1, gesture="ONE", prediction="THREE"):
    """Sessions of an error in use; returns the override that names their folder."""
    for number in range(count):
        folder = tmp_path / "in_use" / f"{gesture} {number}"
        folder.mkdir(parents=True)
        image = RecordedImage("0.jpg", (0.2, 0.2, 0.8, 0.8), prediction=prediction)
        write_session(folder, Session(gesture, subject="anna", time="2026-11-27T10:00:00+00:00", images=(image,)))
    return f"confusions.in_use={tmp_path / 'in_use'}"


def test_error_that_was_caught_in_use_is_planned_beside_those_of_val(tmp_path):
    in_use = caught(tmp_path, count=3)
    plan = of_samples(tmp_path, {18: "TWO", 21: "TWO", 24: "TWO"}, *enough("plan.per_error=5", in_use))
    assert [(line.gesture, line.mistaken_for, line.count) for line in plan.recordings] == [
        ("ONE", "TWO", 15),
        ("ONE", "THREE", 15),
    ]
    assert plan.recordings[1].reason.startswith("Caught in use 3 times (3 pictures, 1 person).")


def test_errors_in_use_get_their_part_of_the_budget_and_no_more(tmp_path):
    in_use = caught(tmp_path, count=30)
    plan = of_samples(tmp_path, None, "plan.budget=100", "plan.for_in_use=0.2", in_use)
    assert [line.count for line in plan.recordings if line.mistaken_for] == [20]
    assert plan.count <= 100


def test_pair_that_val_shows_too_is_planned_once(tmp_path):
    in_use = caught(tmp_path, prediction="TWO")
    plan = of_samples(tmp_path, {18: "TWO", 21: "TWO", 24: "TWO"}, *enough(in_use))
    assert [(line.gesture, line.mistaken_for) for line in plan.recordings] == [("ONE", "TWO")]


def test_error_in_use_is_planned_until_enough_is_recorded_for_it(tmp_path):
    in_use, recorded = caught(tmp_path), tmp_path / "recorded"
    image = RecordedImage("0.jpg", (0.2, 0.2, 0.8, 0.8))
    session = Session(
        "ONE", time="2026-11-28T10:00:00+00:00", confusion=Confusion("ONE", "THREE"), images=(image,) * 10
    )
    (recorded / "monday").mkdir(parents=True)
    write_session(recorded / "monday", session)
    settings = enough(in_use, f"recording.root={recorded}")
    before = of_samples(tmp_path, None, *settings)
    sources = np.where(np.arange(sum(count for *_, count in ROWS)) == 0, "recorded", "somewhere")
    images = [f"monday/{number}.jpg" for number in range(len(sources))]
    after = of_samples(tmp_path, None, *settings, source=sources, image=images)
    assert [line.gesture for line in before.recordings if line.mistaken_for] == ["ONE"]
    assert [line.gesture for line in after.recordings if line.mistaken_for] == []


def test_pair_of_one_sample_is_not_followed(tmp_path):
    plan = of_samples(tmp_path, {18: "TWO"}, *enough())
    assert all(line.mistaken_for is None for line in plan.recordings)
    assert any("only single samples are confused" in note for note in plan.notes)


def test_pattern_behind_a_pair_is_in_its_reason(tmp_path):
    hand = [
        "left" if gesture == "ONE" and person == "person 0" else "right"
        for gesture, person, n in ROWS
        for _ in range(n)
    ]
    plan = of_samples(tmp_path, {18: "TWO", 19: "TWO", 20: "TWO"}, *enough(), hand=hand)
    assert "All from person 0" in plan.recordings[0].reason
    assert "3 of 3 are" in plan.recordings[0].reason
    assert "0% of the correct ones" in plan.recordings[0].reason


def test_perfect_predictions_plan_what_has_little_data(tmp_path):
    rows = [*ROWS[:-6], ("THREE", "person 0", 4)]
    plan = of_samples(tmp_path, None, rows=rows)
    assert plan.recordings[0].gesture == "THREE"
    assert "2 train samples (200 wanted) of 1 person (10 wanted)" in plan.recordings[0].reason
    assert plan.notes == ("nothing is confused on 56 val samples",)
    assert plan.count == 100


def test_nothing_confused_and_enough_data_plan_those_that_fewest_people_show(tmp_path):
    rows = [row for row in ROWS if row[0] != "TWO" or row[1] in ("person 0", "person 1")]
    plan = of_samples(tmp_path, None, *enough(), rows=rows)
    assert plan.recordings[0].gesture == "TWO"
    assert plan.recordings[0].reason.startswith("fewest people: 6 train samples of 2 people")
    assert len(plan.recordings) == 3


def test_gesture_without_any_sample_comes_first(tmp_path):
    rows = [row for row in ROWS if row[0] != "THREE"]
    plan = of_samples(tmp_path, None, rows=rows)
    assert plan.recordings[0].gesture == "THREE"
    assert "none in train (200 samples of 10 people wanted)" in plan.recordings[0].reason
    assert plan.recordings[0].examples == ()


def test_predictions_without_samples_still_make_a_plan(tmp_path):
    plan = of_samples(tmp_path, None, split="train")
    assert plan.count == 100
    assert plan.notes == ("there are no predictions on val, so nothing is known to be confused",)


def test_drawn_samples_do_not_count_as_data(tmp_path):
    plan = of_samples(tmp_path, None, source="synthetic")
    assert "none in train" in plan.recordings[0].reason


def test_hands_that_were_not_found_are_noted_and_not_planned(tmp_path):
    plan = of_samples(tmp_path, {18: "", 21: "", 24: ""}, *enough())
    assert all(line.mistaken_for is None and line.errors == 0 for line in plan.recordings)
    noted = "no hand is found in 3 of 72 val samples, mostly ONE (17% of its samples)"
    assert any(noted in note for note in plan.notes)


def test_predictions_on_test_are_refused(tmp_path):
    test = table(ROWS, split="test")
    write_predictions(predicted(test), tmp_path / "val.parquet")
    gestures = (f"gestures.names=[{','.join(VOCABULARY)}]", "gestures.background=NONE")
    config = composed(f"plan.predictions={tmp_path / 'val.parquet'}", *gestures)
    with pytest.raises(DataError, match=r"val\.parquet holds 144 samples of test: .*plan\.predictions"):
        plan_of(config)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("plan.budget=5", "plan.budget is 5, less than plan.least"),
        ("plan.least=0", "plan.least is 0"),
        ("plan.most=3", "plan.most is 3, less than plan.least"),
        ("plan.for_little_data=2", "plan.for_little_data is 2"),
    ],
)
def test_numbers_that_make_no_plan_are_refused(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        of_samples(tmp_path, None, override)


def test_allotment_is_proportional_within_its_limits():
    assert allot([3, 2, 1], [50, 50, 50], 60, 10) == [30, 20, 10]
    assert allot([3, 2, 0.01], [50, 50, 50], 60, 10) == [36, 24]  # the third is not worth a line
    assert allot([3, 2, 1], [12, 50, 50], 60, 10) == [12, 32, 16]
    assert allot([1, 1], [10, 10], 100, 10) == [10, 10]
    assert allot([], [], 100, 10) == []
    assert allot([1.0] * 10, [50] * 10, 30, 10) == [10, 10, 10]


def test_budget_is_shared_and_what_one_kind_cannot_use_goes_to_the_other():
    pairs = find_confusions(predicted(table(ROWS), {36: "TWO", 37: "TWO", 38: "TWO", 39: "TWO"}), 0, 0).pairs
    budget = BudgetSettings(budget=100, least=10, most=50, per_error=5, for_little_data=0.3)
    assert share(budget, pairs, [1.0, 1.0]) == ([20], [40, 40])
    assert share(budget, pairs, []) == ([20], [])
    assert share(budget, (), [1.0, 1.0, 1.0]) == ([], [34, 33, 33])
    wide = BudgetSettings(budget=100, least=10, most=100, per_error=50, for_little_data=0.3)
    assert share(wide, pairs, [1.0]) == ([70], [30])


def test_shortfall_is_that_of_the_scarcest():
    assert Stock("ONE", 100, 5, 20, 3).shortfall(WANTED) == pytest.approx(0.5)
    assert Stock("ONE", 100, 10, 0, 0).shortfall(WANTED) == 1
    assert Stock("ONE", 1000, 10, 20, 3).shortfall(WANTED) == 0


def test_people_of_two_sources_are_different_people():
    samples = table([("ONE", "anna", 4)], split="train", source=["a", "a", "b", "b"])
    assert little_data(samples, Vocabulary(("ONE", "TWO")), WANTED, fallback=False)[1][0].train_subjects == 2


PLAN = RecordingPlan(
    PLAN_VERSION,
    "models/trained.ckpt",
    (
        PlannedRecording(
            "TWO", "THREE", 20, 4, 0.25, 0.01, "a | b", (Example("a", "b.jpg", "c", (0.1, 0.2, 0.3, 0.4)),)
        ),
        PlannedRecording("FIST", None, 10, 0, 0.0, 0.0, "little data"),
    ),
    ("a note",),
    ("monday",),
)


def test_written_plan_reads_back(tmp_path):
    write_plan(PLAN, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == PLAN
    assert PLAN.count == 30


def test_markdown_has_a_row_a_line_and_the_pictures():
    text = as_markdown(PLAN)
    assert "| TWO | THREE | 20 | a / b |" in text
    assert "- `c/b.jpg`" in text
    assert "Note: a note." in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not whole JSON"),
        ("[]", "version None"),
        ('{"version": 99}', "version 99, this program reads 2"),
        (
            '{"version": 2, "checkpoint": "a", "notes": [], "taken_in": [], "recordings": [{"gesture": "ONE"}]}',
            r"recordings\[0\]\.mistaken_for is missing",
        ),
    ],
)
def test_unfit_plan_is_refused(tmp_path, content, message):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_plan(tmp_path / "plan.json")


def test_absent_plan_and_one_of_other_gestures_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no recording plan at .*gestures plan"):
        read_plan(tmp_path / "plan.json")
    write_plan(PLAN, tmp_path / "plan.json")
    with pytest.raises(UserError, match=r"plans THREE, which is not in the vocabulary \(TWO, FIST\)"):
        read_plan(tmp_path / "plan.json", Vocabulary(("TWO", "FIST")))


def test_command_prints_the_plan_and_writes_the_same_bytes_again(tmp_path, capsys):
    contents = []
    for _ in range(2):
        plan = of_samples(tmp_path, {18: "TWO", 21: "TWO", 24: "TWO"}, *enough())
        config = config_of(tmp_path)
        module.main.__wrapped__(config)
        contents.append((tmp_path / "plan.json").read_bytes() + (tmp_path / "plan.md").read_bytes())
    assert contents[0] == contents[1]
    assert plan.recordings
    assert "record next" in capsys.readouterr().out


def test_a_plan_does_not_promise_a_better_model(capsys):
    show_plan(PLAN)
    assert "as many random pictures taught as much" in capsys.readouterr().out
    assert "as many random pictures taught as much" in as_markdown(PLAN)


def test_a_plan_that_is_made_again_remembers_what_was_recorded_for_it(tmp_path, capsys):
    wrong = {18: "TWO", 21: "TWO", 24: "TWO"}
    images = tuple(RecordedImage(f"{number}.jpg", (0, 0, 1, 1)) for number in range(4))
    session = Session("ONE", time="2026-11-20T10:00:00", confusion=Confusion("ONE", "TWO"), images=images)
    write_session(tmp_path / "recorded/monday", session)
    for _ in range(2):
        plan = of_samples(tmp_path, wrong, *enough())
        assert count_recorded(plan, tmp_path / "recorded") == {("ONE", "TWO"): 4}
    show_plan(plan, count_recorded(plan, tmp_path / "recorded"))
    assert "4 of them are recorded already" in capsys.readouterr().out
    names = [f"monday/{number}.jpg" for number in range(sum(count for *_, count in ROWS))]
    taken_in = of_samples(tmp_path, wrong, *enough(), source="recorded", image=names)
    assert taken_in.taken_in == ("monday",)
    assert count_recorded(taken_in, tmp_path / "recorded") == {}


def test_reading_a_plan_needs_no_drawing_library(project):
    import subprocess
    import sys

    module = "static_gesture_classification.active_learning.planning.plan_file"
    code = f"import sys, {module}; print('matplotlib' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"

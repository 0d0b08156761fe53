from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.active_learning.admission import (
    AdmissionSettings,
    Judgement,
    PastSession,
    SetCounts,
    judge,
    judge_all,
    past_sessions,
    split_for,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import write_samples
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from tests.support.confused_predictions import table

VOCABULARY = Vocabulary(("NONE", "ONE", "TWO", "THREE"), "NONE")
SETTINGS = AdmissionSettings(margin=0.3, easy=0.1, held_out=0.2)
SURE_ONE, SURE_TWO, UNSURE_ONE = [0.0, 0.9, 0.1, 0.0], [0.0, 0.1, 0.9, 0.0], [0.0, 0.6, 0.4, 0.0]


def judge_as(probabilities: list[float], gesture: str, **more: object) -> Judgement:
    return judge(np.array(probabilities, np.float32), gesture, VOCABULARY, SETTINGS, **more)


def test_errors_and_doubts_join_and_what_is_known_does_not() -> None:
    outcomes = [
        (judge_as(SURE_TWO, "ONE", mistaken_for="TWO"), "planned error", True),
        (judge_as(SURE_TWO, "ONE", mistaken_for="THREE"), "error", True),
        (judge_as(SURE_TWO, "ONE"), "error", True),
        (judge_as(UNSURE_ONE, "ONE", mistaken_for="TWO"), "unsure", True),
        (judge_as(SURE_ONE, "ONE", mistaken_for="TWO"), "easy", False),
    ]
    for judgement, outcome, admitted in outcomes:
        assert (judgement.outcome, judgement.admitted) == (outcome, admitted)


def test_judgement_keeps_what_the_model_said() -> None:
    judgement = judge_as(UNSURE_ONE, "ONE")
    assert judgement.prediction == "ONE"
    assert judgement.score == pytest.approx(0.6)
    assert judgement.margin == pytest.approx(0.2)


def test_hand_that_was_not_found_is_an_error() -> None:
    assert judge_as([0.0] * 4, "ONE", mistaken_for="") == Judgement("", 0.0, 0.0, "planned error", True)
    assert judge_as([0.0] * 4, "ONE") == Judgement("", 0.0, 0.0, "error", True)


def test_gesture_that_the_model_has_never_heard_of_is_an_error() -> None:
    assert judge_as(SURE_ONE, "WAVE").outcome == "error"


def test_a_share_of_easy_ones_joins_and_no_more() -> None:
    probabilities = np.array([SURE_TWO] * 18 + [SURE_ONE] * 40)
    judgements = judge_all(probabilities, ["ONE"] * 58, VOCABULARY, SETTINGS).with_easy_share(0.1)
    assert judgements.admitted.sum() == 20
    assert (judgements.outcome[judgements.admitted] == "easy").sum() == 2
    assert not judge_all(probabilities[18:], ["ONE"] * 40, VOCABULARY, SETTINGS).with_easy_share(0.1).admitted.any()


def test_recording_one_by_one_admits_as_many_easy_ones() -> None:
    kept = SetCounts()
    for number in range(100):
        judgement = judge_as(SURE_ONE if number % 2 else SURE_TWO, "ONE", kept=kept)
        if judgement.admitted:
            kept.add(judgement)
    assert (kept.hard, kept.easy) == (50, 5)


def test_many_are_judged_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.3] * 4, 200)
    gestures = random.choice(list(VOCABULARY), 200).tolist()
    mistaken = [None if number % 3 else "TWO" for number in range(200)]
    together = list(judge_all(probabilities, gestures, VOCABULARY, SETTINGS, mistaken))
    alone = [
        judge(row, gesture, VOCABULARY, SETTINGS, other)
        for row, gesture, other in zip(probabilities, gestures, mistaken, strict=True)
    ]
    assert together == alone


def test_probabilities_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 samples of 4 gestures"):
        judge_as([0.5, 0.5], "ONE")
    with pytest.raises(ValueError, match="not a number"):
        judge_as([np.nan, 0.5, 0.5, 0.0], "ONE")


@pytest.mark.parametrize("wrong", [{"margin": 1.5}, {"easy": 1.0}, {"held_out": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"admission.{next(iter(wrong))}"):
        AdmissionSettings.check(wrong, "admission")


def splits_of_new_subjects(count: int, share: float) -> list[str]:
    past: list[PastSession] = []
    for number in range(count):
        past.append(PastSession(f"p{number}", split_for(f"p{number}", past, share).split))
    return [session.split for session in past]


def test_every_fifth_new_person_is_held_out_and_the_first_are_not() -> None:
    assert splits_of_new_subjects(10, 0.2) == ["train"] * 4 + ["val"] + ["train"] * 4 + ["val"]
    assert set(splits_of_new_subjects(20, 0.0)) == {"train"}


def test_person_stays_on_their_side() -> None:
    past = [PastSession("anna", "train"), PastSession("ben", "val")] + [
        PastSession(f"p{k}", "train") for k in range(20)
    ]
    assert split_for("anna", past, 0.5).split == "train"
    assert split_for("ben", past, 0.0).split == "val"
    assert "never in two splits" in split_for("ben", past, 0.0).reason
    assert split_for("ben", past, 0.0).held_out


def test_person_whom_the_split_stage_put_in_test_stays_there() -> None:
    assert split_for("anna", [PastSession("anna", "", "test")], 0.2).split == "test"
    assert split_for("anna", [PastSession("anna", "", "train")], 0.2).split == "train"


def test_sessions_of_one_person_part_where_only_sessions_are_kept_apart() -> None:
    past = [PastSession("anna", "train")] * 4
    assert split_for("anna", past, 0.2).split == "train"
    assert split_for("anna", past, 0.2, group="session").split == "val"


def test_session_of_everything_that_was_performed_is_left_to_the_split_stage() -> None:
    assert split_for("anna", [], 0.2, whole=True).split == ""
    assert split_for("anna", [PastSession("anna", "", "train")], 0.2, whole=True).split == ""
    assert split_for("anna", [PastSession("anna", "val")], 0.2, whole=True).split == "val"


def test_nobody_is_two_people_who_are_not_named() -> None:
    assert split_for("", [PastSession("", "val")] + [PastSession("", "train")] * 9, 0.1).split == "train"


def test_a_mined_person_is_on_the_side_of_the_dataset_that_they_come_from(tmp_path: Path) -> None:
    write_samples(table([("ONE", "a1", 2)], source="hagrid", split="val"), tmp_path / "splits.parquet")
    box = (0.0, 0.0, 1.0, 1.0)
    images = (RecordedImage("0.jpg", box, subject="a1", source="hagrid"), RecordedImage("1.jpg", box, subject="bo"))
    write_session(tmp_path / "recorded/mined", Session("ONE", images=images))
    found = past_sessions(tmp_path / "recorded", tmp_path / "splits.parquet")
    assert found == [PastSession("bo"), PastSession("hagrid/a1", placed="val")]
    assert split_for("hagrid/a1", found, 0.0).split == "val"


def test_people_of_recordings_are_read_with_their_sides(tmp_path: Path) -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    write_session(tmp_path / "a", Session("ONE", subject="anna", split="train", images=(RecordedImage("0.jpg", box),)))
    mined = tuple(RecordedImage(f"{k}.jpg", box, subject=f"hagrid/{k % 2}") for k in range(4))
    write_session(tmp_path / "mined-b", Session("ONE", split="val", images=mined))
    (tmp_path / "unfinished").mkdir()
    assert past_sessions(tmp_path) == [
        PastSession("anna", "train"),
        PastSession("hagrid/0", "val"),
        PastSession("hagrid/1", "val"),
    ]
    assert past_sessions(tmp_path / "nowhere") == []

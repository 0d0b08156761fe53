from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    Example,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.jobs import EXAMPLE_SIZE, Work, dealt_job, find_work, open_dealer
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.sources.recorded import Confusion, RecordedImage, Session, write_session

Work_ = Callable[..., Work]


@pytest.fixture
def work(configuration: Callable[..., DictConfig], vocabulary: Vocabulary) -> Work_:
    def found(*overrides: str) -> Work:
        settings = RecordingSettings.from_config(configuration(*overrides))
        return find_work(settings.model_copy(update={"vocabulary": vocabulary}))

    return found


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of 5 THREE taken for TWO, whose first example is gone, and 4 FIST, made when `before` was data already."""
    Image.new("RGB", (64, 48), (200, 0, 0)).save(tmp_path / "three.png")
    examples = tuple(Example("a", name, str(tmp_path), (0.2, 0.2, 0.8, 0.8)) for name in ("gone.png", "three.png"))
    three = PlannedRecording("THREE", "TWO", 5, 23, 0.2, 0.01, "23 of 110", examples)
    fist = PlannedRecording("FIST", None, 4, 0, 0.0, 0.0, "few samples")
    planned = RecordingPlan(PLAN_VERSION, "models/best.ckpt", (three, fist), taken_in=("before",))
    write_plan(planned, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_plan_is_followed_where_there_is_one(work: Work_, plan: Path) -> None:
    found = work()
    assert [(job.gesture, job.count) for job in found.jobs] == [("THREE", 5), ("FIST", 4)]
    assert found.jobs[0].title == "THREE, the model takes it for TWO"
    assert found.jobs[0].example is not None
    assert found.jobs[0].example.shape == (EXAMPLE_SIZE, EXAMPLE_SIZE, 3)
    assert (found.checkpoint, found.planned, found.endless) == ("models/best.ckpt", True, False)


def test_what_was_recorded_and_is_not_among_the_plans_data_is_no_longer_missing(
    work: Work_, plan: Path, tmp_path: Path
) -> None:
    images = (RecordedImage("0.jpg", (0, 0, 1, 1)), RecordedImage("1.jpg", (0, 0, 1, 1), gesture="FIST"))
    confusion = Confusion("THREE", "TWO")
    now = "2026-01-02T00:00:00+00:00"
    for name, time in (("after", now), ("before", now), ("mined", "")):
        write_session(tmp_path / "recorded" / name, Session("THREE", time=time, confusion=confusion, images=images))
    assert [job.count for job in work().jobs] == [4, 4]
    many = tuple(RecordedImage(f"{number}.jpg", (0, 0, 1, 1)) for number in range(5))
    write_session(tmp_path / "recorded/three", Session("THREE", time=now, confusion=confusion, images=many))
    write_session(tmp_path / "recorded/fist", Session("FIST", time=now, images=many))
    with pytest.raises(UserError, match=r"all that .* asks for is recorded.*dvc repro"):
        work()


def test_plan_is_dealt_where_something_judges_and_listed_otherwise(
    work: Work_, plan: Path, configuration: Callable[..., DictConfig], vocabulary: Vocabulary
) -> None:
    settings = RecordingSettings.from_config(configuration()).model_copy(update={"vocabulary": vocabulary})
    found = work()
    assert found.dealt == 9
    dealer = open_dealer(settings, found, vocabulary)
    assert dealer is not None
    dealer.saw("THREE", "TWO", missed=True)
    job = dealt_job(dealer, "THREE", 3, found.jobs)
    assert (job.gesture, job.count, job.mistaken_for) == ("THREE", 3, "TWO")
    assert job.reason == "THREE: 1 of 1 views missed, mostly taken for TWO"
    assert job.example is found.jobs[0].example
    assert open_dealer(settings, found, None) is None
    assert work("recording.order=listed").dealt == work("recording.gesture=FIST").dealt == 0


def test_one_gesture_of_the_plan(work: Work_, plan: Path) -> None:
    assert [job.gesture for job in work("recording.gesture=FIST").jobs] == ["FIST"]


def test_count_that_is_asked_for_is_recorded_whatever_the_plan_misses(work: Work_, plan: Path) -> None:
    assert [job.count for job in work("recording.gesture=FIST", "recording.count=2").jobs] == [2]
    assert [job.count for job in work("recording.gesture=FIST", "recording.count=40").jobs] == [40]
    assert sum(job.count for job in work("recording.order=listed", "recording.count=7").jobs) == 7
    assert work("recording.count=7").dealt == 7


def test_gesture_that_the_plan_does_not_ask_for_is_recorded_all_the_same(work: Work_, plan: Path) -> None:
    (job,) = work("recording.gesture=TWO", "recording.count=7").jobs
    assert (job.gesture, job.count, job.mistaken_for) == ("TWO", 7, None)
    with pytest.raises(UserError, match="asks for no TWO"):
        work("recording.gesture=TWO", "recording.mode=plan")


def test_without_a_plan_or_freely_sets_are_named_afterwards_without_end(work: Work_) -> None:
    found = work()
    assert ([job.gesture for job in found.jobs], found.endless, found.planned) == ([None], True, False)


def test_plan_that_is_asked_for_and_missing_says_how_to_make_it(work: Work_) -> None:
    with pytest.raises(UserError, match=r"no recording plan at .*make one with"):
        work("recording.mode=plan")


def test_unknown_gesture_lists_the_vocabulary(work: Work_) -> None:
    with pytest.raises(UserError, match="unknown gesture 'VULCAN'; the vocabulary is BACKGROUND, TWO"):
        work("recording.gesture=VULCAN")

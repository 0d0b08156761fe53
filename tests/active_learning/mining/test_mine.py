import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.active_learning.mining import mine as mining
from static_gesture_classification.active_learning.mining import similarity as search
from static_gesture_classification.active_learning.planning.plan_file import (
    PLAN_VERSION,
    PlannedRecording,
    RecordingPlan,
    write_plan,
)
from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.evaluation.predictions import read_predictions, write_predictions
from tests.active_learning.conftest import World, checkpoint


def mined(world: World, *overrides: str) -> pd.DataFrame:
    config = world.config(*overrides)
    mining.main.__wrapped__(config)
    return listed(next(Path(config.mining.output).glob("*/list.csv")))


def listed(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def planned(path: Path, *lines: PlannedRecording) -> str:
    write_plan(RecordingPlan(PLAN_VERSION, "models/best.ckpt", lines), path)
    return f"mining.plan={path}"


def test_hands_with_the_planned_error_are_found_where_labels_are_known(world: World) -> None:
    found = mined(world, "mining.pool=folder")
    assert set(found["outcome"]) == {"planned error"}
    assert found["image"].str.contains("/TWO/new./odd").all()
    assert set(found["keep"]) == {"yes"}
    assert set(found["gesture"]) == {"TWO"}
    assert len(found) == 4


def test_hands_like_the_errors_are_found_where_nobody_labelled_them(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...]
) -> None:
    found = mined(world, f"mining.pool={unlabelled}", *whole_picture)
    assert set(found["keep"]) == {""}
    assert set(found["gesture"]) == {"TWO"}
    assert set(found["prediction"]) == {"THREE"}  # what the model is sure to be TWO, ONE or FIST is not proposed


def test_few_hands_of_one_person_are_proposed_while_there_are_others(world: World) -> None:
    found = mined(world, "mining.pool=folder", "mining.per_subject=2")
    assert found["subject"].value_counts().to_dict() == {"folder/new1": 2, "folder/new3": 2}
    assert len(mined(world, "mining.pool=folder", "mining.per_subject=1")) == 4  # then the others are taken after all


def test_hand_serves_one_line_of_the_plan_only(world: World, tmp_path: Path) -> None:
    line = PlannedRecording("TWO", "THREE", 3, 3, 0.5, 0.1, "why")
    found = mined(world, "mining.pool=folder", planned(tmp_path / "plan.json", line, line))
    assert len(found) == 6
    assert not found["sample_id"].duplicated().any()


def test_line_about_lacking_data_proposes_the_gestures_hands_that_the_model_does_not_know(
    world: World, tmp_path: Path
) -> None:
    line = PlannedRecording("TWO", None, 5, 0, 0.0, 0.0, "little data")
    found = mined(world, "mining.pool=folder", planned(tmp_path / "plan.json", line))
    assert set(found["gesture"]) == {"TWO"}
    assert not (found["outcome"] == "easy").any()


def test_copies_of_hands_in_the_index_and_of_one_another_are_left_out(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    known = sorted(world.raw.glob("TWO/val1/odd*.png"))
    for path in known:  # the very errors that are searched by, each by someone of its own
        shutil.copy(path, unlabelled / f"known_{path.name}")
    first = next(unlabelled.glob("new3/TWO_odd0.png"))
    shutil.copy(first, unlabelled / "again.png")
    config = ("mining.count=20", f"mining.pool={unlabelled}", *whole_picture)
    found = mined(world, *config)
    assert not found["image"].str.contains("known_").any()
    assert found["image"].str.contains("again|new3/TWO_odd0").sum() == 1
    out = capsys.readouterr().out
    assert f"left out: {len(known)} near-duplicates of hands in the index" in out
    assert "left out: 1 near-duplicates of better candidates" in out


def test_nothing_is_learned_from_someone_of_whom_val_has_a_near_duplicate(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(next(world.raw.glob("TWO/val1/odd0.png")), unlabelled / "new3/known.png")
    found = mined(world, "mining.count=20", f"mining.pool={unlabelled}", *whole_picture)
    assert set(found["subject"]) == {"new1", "new2"}
    assert "left out: 4 of people who have a near-duplicate in val or test" in capsys.readouterr().out


def test_decisions_are_kept_when_mining_is_repeated(world: World) -> None:
    found = mined(world, "mining.pool=folder")
    path = Path(world.config().mining.output) / "folder/list.csv"
    edited = found.assign(keep=["no", "yes", "yes", "yes"], subject=["anna", *found["subject"][1:]])
    edited.to_csv(path, index=False, sep=";")  # as some spreadsheets save it
    again = mined(world, "mining.pool=folder")
    assert again.equals(edited)


def test_second_search_computes_no_embedding_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    mined(world, "mining.pool=folder")
    keys = [path.stat().st_size for path in world.folder.glob("pool/*/keys.bin")]
    mined(world, "mining.pool=folder")
    assert [path.stat().st_size for path in world.folder.glob("pool/*/keys.bin")] == keys


def test_list_names_the_checkpoint_that_was_searched_with(world: World) -> None:
    mined(world, "mining.pool=folder")
    origin = json.loads((Path(world.config().mining.output) / "folder/mining.json").read_text())
    assert origin["checkpoint"] == str(checkpoint(world))
    assert len(origin["digest"]) == 16


def test_plan_without_lines_says_that_there_is_nothing_to_search_for(world: World, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="plans nothing"):
        mined(world, "mining.pool=folder", planned(tmp_path / "plan.json"))


def test_checkpoint_that_cannot_make_the_planned_error_does_not_fit(world: World, tmp_path: Path) -> None:
    line = PlannedRecording("TWO", "WAVE", 3, 3, 0.5, 0.1, "why")
    names = "gestures.names=[BACKGROUND,ONE,TWO,THREE,FOUR,FIVE,THUMBS_UP,THUMBS_DOWN,OKAY,FIST,WAVE]"
    with pytest.raises(UserError, match=r"does not fit .*WAVE"):
        mined(world, "mining.pool=folder", planned(tmp_path / "plan.json", line), names)


def test_predictions_of_test_are_not_searched_by(world: World, tmp_path: Path) -> None:
    predictions = read_predictions(world.folder / "reports/predictions/val.parquet")
    at = predictions.table.schema.get_field_index("split")
    test = predictions.table.set_column(at, "split", [["test"] * len(predictions)])
    write_predictions(type(predictions)(test, predictions.gestures), tmp_path / "test.parquet")
    with pytest.raises(UserError, match="samples of test"):
        mined(world, "mining.pool=folder", f"mining.predictions={tmp_path / 'test.parquet'}")


def test_pool_of_gestures_that_nobody_asked_for_is_said_to_have_nothing(world: World, tmp_path: Path) -> None:
    line = PlannedRecording("OKAY", "FIST", 3, 3, 0.5, 0.1, "why")
    with pytest.raises(DataError, match="no hand for any line"):
        mined(world, "mining.pool=folder", planned(tmp_path / "plan.json", line))


def test_output_that_cannot_be_written_is_said_so(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a part of this path is a file"):
        mined(world, "mining.pool=folder", f"mining.output={tmp_path / 'file'}")


def test_likeness_is_the_cosine_to_the_nearest_errors_less_that_to_what_is_right() -> None:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(20_000, 8)).astype(np.float16)
    rows = random.permutation(20_000)[:9_000]
    examples, others = random.normal(size=(2, 5, 8)).astype(np.float32)
    mean = search.centre(embeddings, rows)

    def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        unit = [(each - mean) / np.linalg.norm(each - mean, axis=1, keepdims=True) for each in (a, b)]
        return np.sort(unit[0] @ unit[1].T, axis=1)[:, -3:].mean(axis=1)

    x = embeddings[rows].astype(np.float32)
    expected = cosines(x, examples) - search.AGAINST * cosines(x, others)
    np.testing.assert_allclose(search.likeness(embeddings, rows, examples, others, mean), expected, atol=1e-5)
    alone = search.likeness(embeddings, rows[:0], examples, others[:0], mean)
    assert len(alone) == 0


def test_diverse_choice_takes_the_unlike_one_before_the_second_best() -> None:
    embeddings = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0]], np.float32)
    scores, subjects = np.array([1.0, 0.99, 0.8, 0.0], np.float32), np.array(["a", "b", "c", "d"], object)
    assert search.diverse(scores, embeddings, subjects, 2, 0.3, 5).tolist() == [0, 2]
    assert search.diverse(scores, embeddings, subjects, 2, 0.0, 5).tolist() == [0, 1]

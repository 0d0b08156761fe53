from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import SPLITS, to_frame
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.synthetic import seen_points
from static_gesture_classification.synthetic.any_pose import NEAR, AnyPose
from static_gesture_classification.synthetic.dataset import SyntheticDataset

SMALL = (
    "sources=[synthetic_landmarks]",
    "sources.synthetic_landmarks.hands=240",
    "sources.synthetic_landmarks.any_pose=0",
    "sources.synthetic_landmarks.as_seen=false",
)

FEW = ("sources.synthetic_landmarks.hands=20",)


@pytest.fixture(scope="module")
def composed() -> Callable[..., Any]:
    def with_overrides(*overrides: str) -> Any:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", [*SMALL, *overrides])

    return with_overrides


def read(config: Any) -> pd.DataFrame:
    (source,) = Sources.from_config(config)
    vocabulary = Vocabulary.from_config(config)
    batches = list(source.read(vocabulary))
    assert not any(batch.rejected for batch in batches)
    return pd.concat([to_frame(batch.table) for batch in batches], ignore_index=True)


@pytest.fixture(scope="module")
def rows(composed: Callable[..., Any]) -> pd.DataFrame:
    return read(composed())


def dataset_of(config: Any) -> SyntheticDataset:
    (source,) = Sources.from_config(config)
    return source.dataset  # type: ignore[attr-defined]


def test_every_hand_has_landmarks_inside_its_box_and_no_picture(rows: pd.DataFrame):
    assert len(rows) == 240
    assert rows.image.is_unique
    points = np.stack(rows.landmarks).reshape(-1, 21, 2)
    boxes = rows[["x1", "y1", "x2", "y2"]].to_numpy()
    assert (points >= boxes[:, None, :2] - 1e-5).all()
    assert (points <= boxes[:, None, 2:] + 1e-5).all()


def test_all_gestures_are_there_and_background_as_often_as_asked_for(rows: pd.DataFrame, composed: Callable[..., Any]):
    counts = rows.gesture.value_counts()
    assert set(counts.index) == set(composed().gestures.names)
    assert counts["BACKGROUND"] == 3 * counts["TWO"]


def test_the_same_seed_gives_the_same_hands_and_another_one_others(rows: pd.DataFrame, composed: Callable[..., Any]):
    pd.testing.assert_frame_equal(read(composed()), rows)
    other = read(composed("seed=1"))
    assert (np.stack(other.landmarks) != np.stack(rows.landmarks)).any(axis=1).all()


@pytest.mark.concurrent
def test_several_processes_give_the_same_hands(
    rows: pd.DataFrame, composed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("static_gesture_classification.sources.synthetic_landmarks.HANDS_IN_PARALLEL", 1)
    monkeypatch.setattr("static_gesture_classification.sources.synthetic_landmarks.HANDS_PER_TASK", 100)
    pd.testing.assert_frame_equal(read(composed()), rows)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.6])
def test_the_landmarks_stage_gets_hands_that_are_not_distorted(composed: Callable[..., Any], aspect: float):
    config = composed("sources.synthetic_landmarks.hands=20", f"landmarks.aspect_without_image={aspect}")
    table = read(config)
    points = points_of(np.stack(table.landmarks).reshape(-1, 21, 2), aspect)
    dataset = dataset_of(config)
    posed = {
        f"{picture.gesture}/{picture.number:06d}": dataset.draw_hand(picture)[0].landmarks
        for picture in dataset.pictures
    }
    for name, seen in zip(table.image, points, strict=True):
        ratio = np.linalg.norm(seen - seen[0], axis=1)[1:] / np.linalg.norm(posed[name] - posed[name][0], axis=1)[1:]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_people_are_in_one_split_each(rows: pd.DataFrame):
    assert set(rows.split) == set(SPLITS)
    assert rows.groupby("subject").split.nunique().max() == 1


def test_no_hand_is_also_in_a_synthetic_picture(composed: Callable[..., Any]):
    config = composed()
    posed, photographed = dataset_of(config), SyntheticDataset.from_config(config)
    for picture in posed.pictures[:24]:
        assert (posed.draw_hand(picture)[0].landmarks != photographed.draw_hand(picture)[0].landmarks).all()


def test_a_gesture_described_in_yaml_gets_landmarks(composed: Callable[..., Any]):
    config = composed(
        "+poses.gestures.CALL=[{fingers: {index: curled, middle: curled, ring: curled, pinky: straight}, thumb: out}]",
        "gestures.names=[BACKGROUND,CALL]",
    )
    assert (read(config).gesture == "CALL").sum() == 60


def test_points_are_where_the_hand_finder_places_them(composed: Callable[..., Any]):
    joints = read(composed("sources.synthetic_landmarks.hands=20"))
    found = read(composed("sources.synthetic_landmarks.hands=20", "sources.synthetic_landmarks.as_seen=true"))
    aspect = composed().landmarks.aspect_without_image
    posed, moved = (points_of(np.stack(table.landmarks).reshape(-1, 21, 2), aspect) for table in (joints, found))
    np.testing.assert_allclose(moved, seen_points.as_seen(posed.astype(float)), atol=1e-4)
    pd.testing.assert_frame_equal(found.drop(columns="landmarks"), joints.drop(columns="landmarks"))


def test_hands_in_any_pose_are_more_background_and_change_no_other_hand(
    rows: pd.DataFrame, composed: Callable[..., Any]
):
    more = read(composed("sources.synthetic_landmarks.any_pose=10"))
    pd.testing.assert_frame_equal(more[:240], rows)
    assert len(more) == 250
    assert set(more.gesture[240:]) == {"BACKGROUND"}
    assert more.image.is_unique
    without = composed("sources.synthetic_landmarks.any_pose=10", "gestures.background=null", *FEW)
    assert len(read(without)) == 20


def test_any_pose_keeps_away_from_every_gesture(composed: Callable[..., Any]):
    poses = dataset_of(composed()).poses
    gestures = tuple(name for name in composed().gestures.names if name != "BACKGROUND")
    anyhow, rng = AnyPose(poses, gestures), np.random.default_rng(0)
    assert min(anyhow.distance(anyhow.draw(rng)[0]) for _ in range(15)) > NEAR
    for gesture in gestures:  # the gestures themselves would be drawn again
        assert anyhow.distance(poses.draw(gesture, rng)[0]) < NEAR
    horns = AnyPose(poses, ())
    assert horns.distance(horns.draw(rng)[0]) == np.inf


def test_settings_that_make_no_sense_are_named(composed: Callable[..., Any]):
    with pytest.raises(UserError, match="variety is 2"):
        read(composed("sources.synthetic_landmarks.variety=2"))
    with pytest.raises(UserError, match=r"synthetic_landmarks\.any_pose is -1"):
        read(composed("sources.synthetic_landmarks.any_pose=-1"))

"""A landmark network learns one more gesture and keeps the old ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from static_gesture_classification.active_learning.adding import posing
from static_gesture_classification.active_learning.adding.add import Start, extend_weights
from static_gesture_classification.active_learning.adding.extension import GestureLesson, extend
from static_gesture_classification.active_learning.adding.known_hands import KnownHands, gather_known_hands
from static_gesture_classification.active_learning.adding.local_gestures import add_to_local
from static_gesture_classification.active_learning.adding.mixing import mix_hands
from static_gesture_classification.active_learning.adding.namesakes import find_namesakes
from static_gesture_classification.active_learning.adding.old_gesture import predict_names, same_gesture
from static_gesture_classification.active_learning.adding.posing import pose_hands
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.local_settings import check_local_settings
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.synthetic.seen_points import as_seen
from static_gesture_classification.training.checkpoint import (
    FOR_USE,
    Classifier,
    Origin,
    build_network,
    classifier_of,
    entries_for_use,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.models import landmark_features
from static_gesture_classification.workspace import Workspace
from tests.support.posed_hands import GESTURES, MODEL, VOCABULARY, hands, write_hands

OLD = Vocabulary(GESTURES[:3], "BACKGROUND")
NEW = GESTURES[3]


@pytest.fixture(scope="module")
def points() -> dict[str, np.ndarray]:
    made, samples = hands({"train": 30})
    return {name: made[(samples["gesture"] == name).to_numpy()] for name in GESTURES}


@pytest.fixture(scope="module")
def old(points: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Classifier]:
    """A checkpoint that knows three gestures."""
    torch.manual_seed(0)
    network = build_network({**MODEL, "weights": "none"}, len(OLD))
    inputs = torch.from_numpy(np.concatenate([points[name] for name in OLD]))
    targets = torch.arange(len(OLD)).repeat_interleave(30)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), targets).backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("models") / "old.ckpt"
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    save({**Origin(MODEL, OLD).header(), "epoch": 0, "scores": None, "state_dict": state}, path)
    entries = read_checkpoint(path)
    return entries, classifier_of(entries, path)


def lesson(points: dict[str, np.ndarray]) -> GestureLesson:
    return GestureLesson(
        points[NEW][:5], np.zeros((0, 21, 2), np.float32), np.concatenate([points[name] for name in OLD])
    )


def test_the_weights_for_use_learn_it_too(
    old: tuple[dict, Classifier], points: dict[str, np.ndarray], tmp_path: Path
) -> None:
    entries, classifier = old
    used = {name: tensor * 1.01 if name == "head.weight" else tensor for name, tensor in entries["state_dict"].items()}
    start = Start(tmp_path / "old.ckpt", {**entries, FOR_USE: used}, classifier)
    made = extend_weights(start, lesson(points), NEW, seed=0)
    for answering in (made, entries_for_use(made)):
        answers = predict_names(classifier_of(answering, tmp_path / "new.ckpt"), points[NEW][5:])
        assert (answers == NEW).mean() > 0.9
    assert not torch.equal(made[FOR_USE]["head.weight"], made["state_dict"]["head.weight"])


def test_new_gesture_is_learned_and_the_old_ones_stay(
    old: tuple[dict, Classifier], points: dict[str, np.ndarray], tmp_path: Path
) -> None:
    entries, classifier = old
    save(extend(entries, classifier, NEW, lesson(points), 0), tmp_path / "added.ckpt")
    added = classifier_of(read_checkpoint(tmp_path / "added.ckpt"), tmp_path / "added.ckpt")
    assert added.vocabulary == Vocabulary((*OLD.names, NEW), "BACKGROUND")
    assert (predict_names(added, points[NEW][5:]) == NEW).mean() > 0.9
    for name in OLD:
        assert (predict_names(added, points[name]) == predict_names(classifier, points[name])).mean() > 0.95
    seen = torch.from_numpy(points["ONE"])
    with torch.inference_mode():
        before, after = classifier.network(seen), added.network(seen)
    assert after[:, :3].numpy() == pytest.approx(before.numpy(), abs=1e-4)


def test_new_gesture_wins_also_against_the_advantage_of_the_background(
    old: tuple[dict, Classifier], points: dict[str, np.ndarray]
) -> None:
    calibrated = {**old[0], "calibration": {"temperature": 0.5, "advantage": 6.0}}
    classifier = classifier_of(calibrated, Path("old"))
    added = classifier_of(extend(calibrated, classifier, NEW, lesson(points), 0), Path("added"))
    assert (predict_names(added, points[NEW][5:]) == NEW).mean() > 0.9


def test_gesture_that_is_known_is_named(old: tuple[dict, Classifier], points: dict[str, np.ndarray]) -> None:
    _, classifier = old
    gestures = np.repeat(np.array(OLD.names, object), 30)
    known = KnownHands(np.concatenate([points[name] for name in OLD]), gestures, np.ones(90, bool), "here")
    assert same_gesture(classifier, points["TWO"][:3], points["TWO"][3:], known) == "TWO"
    assert same_gesture(classifier, points[NEW][:3], points[NEW][3:], known) is None


def test_settings_keep_comments_and_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "local/default.yaml"
    path.parent.mkdir()
    path.write_text("seed: 3 # mine\nposes:\n  gestures:\n    WAVE: []\n")
    add_to_local(path, "NO", ["BACKGROUND", "ONE", "NO"], [{"spread": [0.0, 4.0], "thumb": "out"}], ["no"])
    text = path.read_text()
    assert all(part in text for part in ("seed: 3 # mine", "WAVE", '"no": "NO"'))
    check_local_settings(CONF, tmp_path)


def test_published_namesakes_go_to_the_gesture_unless_they_show_another() -> None:
    maps = [{"rock": "BACKGROUND", "fist": "FIST"}, {"Rock": "BACKGROUND", "horns": "TWO"}]
    found = find_namesakes("ROCK", [["rock", "horns"], ["call"]], maps, "BACKGROUND")
    assert (found.labels, found.elsewhere) == (("Rock", "rock"), {"horns": "TWO"})
    assert find_namesakes("WAVE", [["rock", "horns"]], maps, "BACKGROUND").labels == ()


def test_prepared_hands_that_show_the_new_gesture_or_may_are_not_learned_as_background(tmp_path: Path) -> None:
    write_hands(tmp_path, {"train": 6})
    table = tmp_path / "data/landmarks/samples.parquet"
    samples = read_samples(table)
    samples.loc[samples.index[:3], "source_label"] = "rock"
    posed = samples["image"].str.endswith("5.jpg")  # one hand of each gesture
    samples.loc[posed, "source"] = "synthetic_landmarks"
    write_samples(samples, table)
    names = ("landmarks", "index", "crops", "splits", "runs", "models", "reports")
    workspace = Workspace(**{name: tmp_path / "data" / name for name in names})
    known = gather_known_hands([workspace], VOCABULARY, {}, 0, "ROCK", ["rock"])
    assert (known.gestures == "BACKGROUND").sum() == (samples["gesture"] == "BACKGROUND").sum() - 3 - 1
    assert (known.gestures == "ONE").sum() == (samples["gesture"] == "ONE").sum()


def test_posed_hands_lie_where_the_hand_finder_would_place_them(monkeypatch: pytest.MonkeyPatch) -> None:
    poses = {"gestures": {"FLAT": [{"thumb": {}, "view": {}, "fingers": {"mcp": 5, "pip": 5, "dip": 5}}]}}
    placed = pose_hands(poses, "FLAT", 3, 0)
    monkeypatch.setattr(posing, "as_seen", lambda joints: joints)
    joints = pose_hands(poses, "FLAT", 3, 0)
    assert placed == pytest.approx(as_seen(joints.astype(np.float64)), abs=1e-4)
    assert np.abs(placed - joints).max() > 0.005


def test_mixed_hands_lie_between_the_sample_and_known_hands(points: dict[str, np.ndarray]) -> None:
    sample, others = points[NEW][:1], np.concatenate([points[name] for name in OLD])
    mixed = mix_hands(sample, others, 60, 0)
    assert mixed.shape == (60, 21, 2)
    apart = _distances(mixed, sample)
    assert 0 < apart.min() < apart.mean() < _distances(others, sample).min()
    assert np.unique(apart).size == 60
    assert len(mix_hands(sample[:0], others, 60, 0)) == len(mix_hands(sample, others[:0], 60, 0)) == 0


def _distances(some: np.ndarray, one: np.ndarray) -> np.ndarray:
    """How far the features of hands are from those of one hand."""
    seen, wanted = (landmark_features.features(torch.from_numpy(np.asarray(each, np.float32))) for each in (some, one))
    return (seen - wanted).norm(dim=1).numpy()


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "default.yaml"
    path.write_text("a: [1\n")
    with pytest.raises(UserError, match=r"default\.yaml cannot be read"):
        add_to_local(path, "ROCK", ["ONE", "ROCK"], [])

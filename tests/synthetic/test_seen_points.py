"""Points of posed hands where the hand finder would place them."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from static_gesture_classification.configuration import CONF
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.synthetic.dataset import SyntheticDataset, annotate
from static_gesture_classification.synthetic.scenes import photograph
from static_gesture_classification.synthetic.seen_points import as_seen, fit_moves, move_points


@pytest.fixture
def hands(dataset: SyntheticDataset) -> np.ndarray:
    """Posed hands (33, 21, 2), in shares of the picture."""
    return np.stack([dataset.draw_hand(picture)[0].landmarks for picture in dataset.pictures])


def test_move_goes_with_the_hand_wherever_it_is_however_large_turned_and_mirrored(hands: np.ndarray) -> None:
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    moved = as_seen(hands)
    assert np.abs(moved - hands).max() > 0.01
    assert as_seen(3 * hands + 5) == pytest.approx(3 * moved + 5)
    assert as_seen(hands @ turn) == pytest.approx(moved @ turn)
    assert as_seen(hands * (-1, 1)) == pytest.approx(moved * (-1, 1))


def test_moves_are_learned_from_pairs(hands: np.ndarray) -> None:
    random = np.random.default_rng(0)
    posed = np.concatenate([hands + 0.02 * random.normal(size=hands.shape) for _ in range(20)])
    found = posed.copy()
    found[:, 8] += 0.3 * (posed[:, 7] - posed[:, 8])  # the index finger's tip, nearer to its joint
    learned = move_points(posed, fit_moves(posed, found))
    assert np.abs(learned - found).mean() < 0.2 * np.abs(posed - found).mean()


def test_rendered_hands_are_found_nearer_to_where_they_are_expected(hand_landmarker: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["synthetic.size=160", f"detector.model.path={hand_landmarker}"])
    dataset = SyntheticDataset.from_config(config)
    before, after = [], []
    with Detector.from_config(config) as detector:
        for picture in dataset.pictures[:16]:
            hand, random = dataset.draw_hand(picture)
            x, y, width, height = annotate(hand)["bboxes"][0]
            found = detector.landmarks_in(photograph(hand, random, 0.3), (x, y, x + width, y + height))
            if found is not None and found.landmarks is not None:
                posed = hand.landmarks[None]
                before.append(distance(posed[0], found.landmarks))
                after.append(distance(as_seen(posed)[0], found.landmarks))
    assert len(before) > 10
    assert np.median(after) < 0.9 * np.median(before)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square distance of the points (21, 2) of two hands, each about its centre."""
    return float(np.sqrt(np.square((one - one.mean(0)) - (other - other.mean(0))).mean()))

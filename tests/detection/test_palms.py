"""The palm network's output: anchors, duplicates, and the square of the hand around a palm."""

import math

import numpy as np
import pytest

from static_gesture_classification.detection.palms import Palm, anchors, palms_of
from static_gesture_classification.detection.regions import Region
from static_gesture_classification.detection.turned_square import TurnedSquare, upwards

SIZE = 2016


def output(*palms: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of some anchors: anchor, side in pixels, score before the sigmoid; all others are no palms."""
    values, scores = np.zeros((SIZE, 18), np.float32), np.full(SIZE, -50, np.float32)
    for anchor, side, score in palms:
        values[anchor, 2:4], scores[anchor] = side, score
    return values, scores


def test_anchors_are_two_in_each_fine_cell_and_six_in_each_coarse_one() -> None:
    places, counts = np.unique(anchors(), axis=0, return_counts=True)
    assert len(anchors()) == SIZE
    assert sorted(set(counts.tolist())) == [2, 6]
    assert places.min() == pytest.approx(0.5 / 24)


def test_overlapping_palms_are_one_their_mean_by_score() -> None:
    (palm,) = palms_of(*output((600, 40, 2.0), (602, 40, 0.0)), least=0.3)
    first, second = anchors()[600], anchors()[602]
    weights = np.array([1 / (1 + math.exp(-2.0)), 0.5])
    assert palm.box.mean(axis=0) == pytest.approx(np.average([first, second], axis=0, weights=weights))
    assert palm.score == pytest.approx(weights[0])


def test_palms_apart_are_two_the_surest_first() -> None:
    palms = palms_of(*output((10, 8, 0.5), (1000, 8, 3.0)), least=0.3)
    assert [palm.score for palm in palms] == sorted((palm.score for palm in palms), reverse=True)
    assert len(palms) == 2


def test_what_is_no_palm_or_has_no_area_does_no_harm() -> None:
    assert palms_of(*output(), least=0.3) == []
    assert len(palms_of(*output((5, 0, 4.0)), least=0.3)) == 1


@pytest.mark.parametrize(("direction", "turn"), [((0, -1), 0), ((1, 0), math.pi / 2), ((-1, 0), -math.pi / 2)])
def test_square_turns_until_the_fingers_point_upwards(direction: tuple[int, int], turn: float) -> None:
    assert upwards(np.array(direction)) == pytest.approx(turn)


def test_square_of_a_hand_lies_beyond_its_palm_in_the_way_of_the_fingers() -> None:
    points = np.full((7, 2), 0.5)
    points[0], points[2] = (0.4, 0.5), (0.6, 0.5)  # from the wrist to the right
    palm = Palm(np.array([(0.4, 0.45), (0.6, 0.55)]), points, 1.0)
    square = TurnedSquare.around_palm(palm, TurnedSquare.of_region(Region(0, 0, 100, 100)), 0.0, (2.6, 0.5))
    assert square == TurnedSquare(pytest.approx(55), pytest.approx(50), pytest.approx(52), pytest.approx(math.pi / 2))


def test_squares_are_apart_by_the_way_of_their_corners() -> None:
    square = TurnedSquare(50, 50, 20, 0.5)
    assert square.apart(square) == 0
    assert square.apart(TurnedSquare(53, 54, 20, 0.5)) == pytest.approx(5 / 20)
    assert square.apart(TurnedSquare(50, 50, 20, 0.5 + math.pi / 2)) == pytest.approx(1)


def test_cut_of_a_turned_square_and_its_points_agree() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[90:94, 200:204] = 255
    square = TurnedSquare(180, 100, 80, 0.7)
    rows, columns = np.nonzero(square.cut(image, 160)[..., 0] > 127)
    middle = np.array([((columns.mean() + 0.5) / 160, (rows.mean() + 0.5) / 160)])
    assert square.to_image(middle)[0] == pytest.approx((202, 92), abs=0.6)


def test_what_is_outside_of_the_region_is_black_and_beyond_the_image_repeated() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    cut = TurnedSquare.of_region(Region(0, 0, 200, 100)).cut(image, 192, inside=Region(0, 0, 200, 100))
    assert (cut[:48] == 0).all()
    assert (cut[48:144] == 255).all()
    assert (cut[144:] == 0).all()
    assert (TurnedSquare(0, 0, 50, 0.3).cut(image, 64) == 255).all()


@pytest.mark.parametrize(
    ("x", "y", "side"), [(150, 100, 120), (10, 190, 90), (150, 100, 700), (-80, 40, 60), (400, 300, 50)]
)
def test_upright_squares_are_cut_like_turned_ones_also_beyond_the_image(x: float, y: float, side: float) -> None:
    random = np.random.default_rng(0)
    image = np.kron(random.integers(0, 256, (20, 30, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
    upright, turned = (TurnedSquare(x, y, side, turn).cut(image, 96).astype(int) for turn in (0.0, 1e-7))
    assert np.abs(upright - turned).max() <= 2

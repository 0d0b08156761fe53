import numpy as np
import pytest

from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.detection.regions import Region, keep_distinct, overlap, tiles

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)


def test_point_in_a_region_is_where_it_is_in_the_image() -> None:
    region = Region(20, 10, 50, 40)
    points = region.to_image(np.array([(0.0, 0.0), (0.5, 0.25), (1.0, 1.0)]), 100, 60)
    assert points * (100, 60) == pytest.approx(np.array([(20, 10), (45, 20), (70, 50)]))


def test_enlarging_a_region_does_not_move_its_points() -> None:
    spot = np.zeros((60, 100, 3), np.uint8)
    spot[30:34, 40:44] = 255
    region = Region(20, 10, 40, 40)
    rows, columns = np.nonzero(region.cut(spot, least=400)[..., 0] > 127)
    middle = np.array([((columns.mean() + 0.5) / 400, (rows.mean() + 0.5) / 400)])
    assert region.to_image(middle, 100, 60)[0] * (100, 60) == pytest.approx((42, 32), abs=0.1)


def test_region_beyond_the_image_repeats_the_border() -> None:
    pixels = Region(-10, -5, 40, 40).cut(IMAGE, least=1)
    assert pixels.shape == (40, 40, 3)
    assert np.array_equal(pixels[5:, 10:], IMAGE[:35, :30])
    assert (pixels[:5, 10:] == IMAGE[0, :30]).all()


def test_region_around_a_box_is_a_square_about_its_middle() -> None:
    region = Region.around((0.2, 0.5, 0.4, 0.6), width=100, height=60, surroundings=1.5)
    assert (region.width, region.height) == (30, 30)
    assert (region.left + 15, region.top + 15) == (30, 33)


def test_tiles_overlap_and_cover_the_whole_image() -> None:
    seen = np.zeros((61, 99), int)
    for tile in tiles(99, 61, columns=3, rows=3, share=0.5):
        seen[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert seen.min() >= 1
    assert seen[20, 30] == 4


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 0.2, 0.2), (0.1, 0, 0.3, 0.2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0.2, 0.2), (0.2, 0, 0.3, 0.2)) == 0


def test_hand_that_was_found_twice_counts_once() -> None:
    whole = DetectedHand((0.1, 0.1, 0.3, 0.3), 0.6)
    part = DetectedHand((0.15, 0.1, 0.25, 0.2), 0.9)
    other = DetectedHand((0.6, 0.1, 0.8, 0.3), 0.5)
    assert keep_distinct([other, part, whole], same=0.7, most=2) == [whole, other]
    assert keep_distinct([other, part, whole], same=0.7, most=1) == [whole]


def test_hands_that_touch_are_two() -> None:
    hands = [DetectedHand((0.1, 0.1, 0.3, 0.3), 0.9), DetectedHand((0.2, 0.1, 0.4, 0.3), 0.8)]
    assert keep_distinct(hands, same=0.7, most=2) == hands

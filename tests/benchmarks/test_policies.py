"""What the recorder is compared with: recording freely, and random."""

import numpy as np
import pytest

from benchmarks import policies

GESTURES = np.repeat([0, 1, 2], [50, 10, 4])
ROWS = np.arange(100, 164)


def test_free_recording_takes_each_gesture_alike_as_far_as_there_are_frames():
    chosen = policies.free_rows(ROWS, GESTURES, 24, np.random.default_rng(0))
    assert np.bincount(GESTURES[chosen - 100]).tolist() == [10, 10, 4]
    assert len(np.unique(chosen)) == 24


def test_free_recording_takes_every_nth_frame_and_not_the_first_ones():
    chosen = policies.free_rows(ROWS[:50], GESTURES[:50], 5, np.random.default_rng(0))
    assert chosen.tolist() == [100, 110, 120, 130, 140]


@pytest.mark.parametrize("count", [0, 7, 1000])
def test_dealing_alike_never_exceeds_a_limit_or_the_count(count):
    dealt = policies.dealt_alike(np.array([3, 0, 5]), count)
    assert dealt.sum() == min(count, 8)
    assert (dealt <= [3, 0, 5]).all()


def test_random_rows_depend_on_the_generator_alone():
    first, second = (policies.at_random(ROWS, 5, np.random.default_rng(3)) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert set(first) <= set(ROWS)

import numpy as np
import pytest

from static_gesture_classification.preparation.hand_pictures import cut_out

IMAGE = np.kron(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
MARKS = np.random.default_rng(1).uniform(0.4, 0.6, (21, 2)).astype(np.float32)
BOX = (0.4, 0.3, 0.6, 0.6)


def test_saved_is_the_hand_with_its_surroundings_and_not_the_room() -> None:
    cut = cut_out(IMAGE, BOX, MARKS, 0.5)  # 320 x 240; the hand is 64 x 72 pixels, its square 144
    assert cut.pixels.shape == (144, 144, 3)
    assert np.array_equal(cut.pixels, IMAGE[36:180, 88:232])
    assert cut.box == pytest.approx([(128 - 88) / 144, (72 - 36) / 144, (192 - 88) / 144, (144 - 36) / 144], abs=1e-4)
    assert np.array(cut.landmarks) * 144 + [88, 36] == pytest.approx(MARKS * [320, 240], abs=0.01)


def test_cut_ends_where_the_picture_ends() -> None:
    cut = cut_out(IMAGE, (0.0, 0.0, 0.2, 0.3), None, 0.5)
    assert np.array_equal(cut.pixels, IMAGE[: 72 + 36, : 64 + 40])
    assert cut.box == pytest.approx([0, 0, 64 / 104, 72 / 108], abs=1e-4)
    assert cut.landmarks is None


def test_without_a_margin_the_whole_picture_stays() -> None:
    cut = cut_out(IMAGE, BOX, None, None)
    assert np.array_equal(cut.pixels, IMAGE)
    assert cut.box == BOX

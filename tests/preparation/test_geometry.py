import numpy as np
import pytest
from PIL import Image

from static_gesture_classification.preparation.geometry import crop_square, hand_square


def photograph_like(width: int, height: int) -> np.ndarray:
    """A smooth picture without repetition."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def test_square_is_the_longer_side_with_the_margin_on_each_side_around_the_middle() -> None:
    square = hand_square(width=200, height=100, box=(0.25, 0.2, 0.5, 0.8), margin=0.1)
    assert square.side == pytest.approx(60 * 1.2)
    assert square.left == pytest.approx(75 - 36)
    assert square.top == pytest.approx(50 - 36)


def test_crop_without_resampling_is_the_image_itself() -> None:
    image = photograph_like(100, 80)
    assert np.array_equal(crop_square(image, (0.2, 0.25, 0.6, 0.75), size=40, margin=0), image[20:60, 20:60])


def test_crop_keeps_the_proportions_of_the_hand() -> None:
    image = np.zeros((120, 200, 3), np.uint8)
    image[40:80, 90:110] = 255  # twice as high as wide
    crop = crop_square(image, (90 / 200, 40 / 120, 110 / 200, 80 / 120), size=80, margin=0.5)
    white = np.argwhere(crop[..., 0] > 127)
    assert white.min(axis=0).tolist() == [20, 30]
    assert white.max(axis=0).tolist() == [59, 49]


def test_square_beyond_the_image_repeats_the_border() -> None:
    image = photograph_like(60, 60)
    crop = crop_square(image, (0, 0, 0.5, 0.5), size=60, margin=0.5)
    assert crop.shape == (60, 60, 3)
    assert np.array_equal(crop[15:60, 15:60], image[:45, :45])
    assert (crop[:15, 15:60] == image[:1, :45]).all()
    assert (crop[:15, :15] == image[0, 0]).all()


def test_position_is_not_rounded_to_whole_pixels() -> None:
    ramp = np.repeat(np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 50, axis=0), 3, axis=2)
    here = crop_square(ramp, (0.2, 0.2, 0.6, 0.6), size=20, margin=0).astype(float)
    beyond = crop_square(ramp, (0.208, 0.2, 0.608, 0.6), size=20, margin=0).astype(float)  # 0.4 pixels to the right
    assert (beyond - here)[5:15, 5:15].mean() == pytest.approx(2.0, abs=0.3)


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    checkered = np.repeat((np.indices((96, 96)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    crop = crop_square(checkered, (0, 0, 1, 1), size=24, margin=0)
    assert abs(crop.astype(int) - 127).max() < 12


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.999, 0.999, 1, 1), (0, 0.4, 0.01, 1), (0.3, 0.3, 0.3001, 0.3001)])
@pytest.mark.parametrize("margin", [0, 0.15, 2])
def test_any_box_with_an_area_gives_a_crop(box: tuple[float, ...], margin: float) -> None:
    assert crop_square(photograph_like(37, 53), box, size=16, margin=margin).shape == (16, 16, 3)

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from static_gesture_classification.synthetic import backgrounds
from static_gesture_classification.synthetic.backgrounds import draw_background, draw_colour

KINDS = ("paper", "gradient", "room", "pattern", "clutter", "foliage")
FURNITURE = ("window", "door", "shelf", "monitor", "frame", "chair")


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw(kind: str, seed: int, size: int = 64) -> np.ndarray:
    return np.asarray(getattr(backgrounds, f"draw_{kind}")(rng(seed), size), np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_fills_the_picture_and_follows_its_random_numbers(kind: str):
    pictures = [draw(kind, seed) for seed in range(8)]
    assert all(picture.shape == (64, 64, 3) and 0 <= picture.min() <= picture.max() <= 255 for picture in pictures)
    assert all(np.ptp(picture) > 0 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 8
    np.testing.assert_array_equal(draw(kind, 3), pictures[3])


def test_every_kind_is_drawn_as_often_as_it_is_to_and_only_quiet_ones_in_a_studio(monkeypatch: pytest.MonkeyPatch):
    seen: Counter[str] = Counter()
    for kind in KINDS:
        monkeypatch.setattr(
            backgrounds,
            f"draw_{kind}",
            lambda _, size, kind=kind: seen.update([kind]) or Image.new("RGB", (size, size)),
        )
    for seed in range(1000):
        draw_background(rng(seed), 1)
    shares = {"paper": 0.2, "gradient": 0.1, "room": 0.33, "pattern": 0.12, "clutter": 0.15, "foliage": 0.1}
    for kind, share in shares.items():
        assert seen[kind] / 1000 == pytest.approx(share, abs=0.04), kind
    seen.clear()
    for seed in range(200):
        draw_background(rng(seed), 1, variety=0)
    assert set(seen) == {"paper", "gradient"}


def test_kinds_are_as_busy_as_what_they_stand_for():
    def busy(kind: str) -> float:
        return float(np.median([np.abs(np.diff(draw(kind, seed), axis=1)).mean() for seed in range(12)]))

    assert busy("paper") < 1.5 < busy("clutter")
    assert busy("gradient") < 8
    assert busy("pattern") > 3 * busy("paper")
    assert busy("foliage") > 3 * busy("paper")
    assert busy("room") > busy("paper")


@pytest.mark.parametrize("thing", FURNITURE)
def test_every_piece_of_furniture_shows_in_most_rooms(thing: str):
    shown = []
    for seed in range(12):
        image = Image.new("RGB", (64, 64), (1, 2, 3))
        getattr(backgrounds, f"_draw_{thing}")(ImageDraw.Draw(image), rng(seed), 64)
        shown.append((np.asarray(image) != (1, 2, 3)).any(axis=2).mean())
    assert np.median(shown) > 0.01
    assert min(np.mean(shown), 0.9) < 0.95


def test_a_person_has_clothes_below_a_face_with_two_eyes():
    tones = []
    for seed in range(10):
        image = Image.new("RGB", (96, 96), (1, 2, 3))
        backgrounds._draw_person(image, rng(seed), 96)
        changed = (np.asarray(image) != (1, 2, 3)).any(axis=2)
        tones.append(changed.mean())
        assert changed[-1].mean() >= changed[0].mean()  # wider below
    assert np.mean(tones) > 0.25
    canvas = Image.new("RGB", (96, 96))
    skin = np.array([200.0, 150, 120])
    backgrounds._draw_face(ImageDraw.Draw(canvas), rng(1), 48, 20, 24, skin)
    face = np.asarray(canvas).astype(int)
    is_skin = (face == skin).all(axis=2)
    rows, columns = np.nonzero(is_skin)
    assert columns.min() == pytest.approx(48 - 0.8 * 24, abs=2)
    assert columns.max() == pytest.approx(48 + 0.8 * 24, abs=2)
    assert rows.max() == pytest.approx(20 + 2.3 * 24, abs=2)
    eyes = ~is_skin[45, 31:66]  # above the nose
    assert np.abs(np.diff(eyes.astype(int))).sum() == 4  # skin, eye, skin, eye, skin


def test_cloth_has_two_to_four_colours_in_a_period():
    kinds = set()
    for seed in range(30):
        cloth = np.asarray(backgrounds._draw_cloth(rng(seed), 64, 16.0))
        colours = {tuple(pixel) for pixel in cloth.reshape(-1, 3).tolist()}
        assert 1 <= len(colours) <= 4
        kinds.add(len(colours))
    assert {2, 4} <= kinds


def test_uneven_light_darkens_and_its_strength_says_how_much():
    plain = Image.new("RGB", (32, 32), (200, 100, 50))
    dark = [np.asarray(backgrounds._light_unevenly(plain, rng(seed), 0.5)).astype(float) for seed in range(20)]
    assert all(picture[..., 0].max() <= 200 for picture in dark)
    assert all(picture[..., 0].min() + 3 >= 100 for picture in dark)
    assert min(picture[..., 0].min() for picture in dark) < 115
    np.testing.assert_allclose(dark[0][..., 0], 2 * dark[0][..., 1], atol=2)
    np.testing.assert_array_equal(np.asarray(backgrounds._light_unevenly(plain, rng(0), 0.0)), np.asarray(plain))


def test_colours_are_mostly_muted_and_in_range():
    colours = np.array([draw_colour(rng(seed)) for seed in range(500)])
    assert colours.min() >= 0
    assert colours.max() <= 255
    saturation = np.ptp(colours, axis=1) / colours.max(axis=1)
    assert 0.15 < np.median(saturation) < 0.4
    assert np.ptp(colours.mean(axis=1)) > 200
    assert backgrounds._colour((-5, 300, 7.9)) == (0, 255, 7)


def test_things_of_any_shape_are_drawn_some_like_skin():
    areas = []
    for seed in range(40):
        image = Image.new("RGB", (64, 64), (1, 2, 3))
        backgrounds._draw_thing(ImageDraw.Draw(image), rng(seed), 64, 0.5)
        areas.append((np.asarray(image) != (1, 2, 3)).any(axis=2).mean())
    assert np.mean(np.array(areas) > 0) > 0.75
    assert np.std(areas) > 0.03

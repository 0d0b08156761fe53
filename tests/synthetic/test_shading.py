import numpy as np
import pytest

from static_gesture_classification.synthetic.flesh import CLOTH as CLOTH_ROLE
from static_gesture_classification.synthetic.flesh import DISTAL, FOREARM, MIDDLE_PHALANX, OUTER, PROXIMAL, SLEEVE
from tests.synthetic.capsules import AWAY, CLOTH, DARK, LIGHT, SKIN, TO_CAMERA, ball, capsule, colour_of, join

BALL = ball((0, 0, 400), 18)
FINGER = ((0, 14, 400), (0, -14, 400), 9)
RED, GREEN, BLUE = np.eye(3) * 0.6 + 0.05


def brightness(picture: np.ndarray) -> dict[str, float]:
    grey = picture.mean(axis=2)
    return {
        "left": np.nanmean(grey[:, :24]),
        "right": np.nanmean(grey[:, 24:]),
        "top": np.nanmean(grey[:24]),
        "bottom": np.nanmean(grey[24:]),
    }


def at(picture: np.ndarray, row: int, column: int = 24) -> np.ndarray:
    return picture[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize(
    ("direction", "bright", "dark"),
    [
        ((-0.8, 0, -0.6), "left", "right"),
        ((0.8, 0, -0.6), "right", "left"),
        ((0, -0.8, -0.6), "top", "bottom"),
        ((0, 0.8, -0.6), "bottom", "top"),
    ],
)
def test_the_side_of_the_lamp_is_brighter(direction, bright: str, dark: str):
    sides = brightness(colour_of(BALL, light=LIGHT._replace(direction=np.array(direction))))
    assert sides[bright] > 1.5 * sides[dark]


def test_sky_lights_the_top_and_the_ground_the_bottom():
    ambient = LIGHT._replace(key=DARK)
    above = brightness(colour_of(BALL, light=ambient._replace(sky=np.ones(3))))
    below = brightness(colour_of(BALL, light=ambient._replace(ground=np.ones(3))))
    assert above["top"] > 1.3 * above["bottom"]
    assert below["bottom"] > 1.3 * below["top"]
    assert above["left"] == pytest.approx(above["right"], rel=0.02)


def test_colours_are_those_of_light_times_skin():
    """A surface of 0.5 that faces a lamp of 0.8 sends back 0.4."""
    np.testing.assert_allclose(at(colour_of(BALL), 24), 0.4, rtol=0.03)
    reddish = LIGHT._replace(key=np.array([0.8, 0.4, 0.2]))
    np.testing.assert_allclose(at(colour_of(BALL, light=reddish), 24), [0.4, 0.2, 0.1], rtol=0.03)


def test_red_reaches_furthest_around_the_edge_of_the_light():
    aside = colour_of(BALL, light=LIGHT._replace(direction=np.array([-1.0, 0, 0]), shadow=0.0))
    red, green, blue = at(aside, 24, 26)
    assert red > 1.3 * green
    assert green > 1.1 * blue


def test_a_light_behind_the_hand_shows_at_its_edge():
    behind = colour_of(BALL, light=LIGHT._replace(key=DARK, rim=np.ones(3)))
    assert at(behind, 24, 8).mean() > 3 * at(behind, 24, 12).mean() > 0.03
    assert at(behind, 24).mean() < 0.01


def test_shine_adds_a_highlight_where_the_skin_mirrors_the_lamp():
    lamp = LIGHT._replace(direction=np.array([-0.6, 0, -0.8]))
    added = colour_of(BALL, SKIN._replace(shine=0.5), light=lamp) - colour_of(BALL, light=lamp)
    row, column = np.unravel_index(np.nanargmax(added.sum(axis=2)), added.shape[:2])
    assert abs(row - 24) < 3
    assert pytest.approx(column, abs=3) == 24 - 18 * 0.32  # half-way between the lamp and the eye
    assert np.nanmax(added) == pytest.approx(0.5 * 0.8 * 0.95, rel=0.1)
    assert at(added, 24, 36).max() < 0.01


def test_a_hand_casts_a_shadow_on_itself_as_dark_as_the_light_says():
    both = join(ball((0, 0, 400), 16), ball((-10, 0, 360), 7, chain=2, role=OUTER))
    lamp = LIGHT._replace(direction=np.array([-0.5, 0, -0.866]))
    none, half, full = (colour_of(both, light=lamp._replace(shadow=dark)) for dark in (0.0, 0.5, 1.0))
    lost = np.nan_to_num(none - full)[..., 1]
    assert (lost > 0.1).sum() > 20
    np.testing.assert_allclose(np.nan_to_num(none - half)[..., 1], lost / 2, atol=1e-3)


def test_palm_and_back_have_their_colours():
    skin = SKIN._replace(palm=RED, back=GREEN)
    palm, back = (at(colour_of(capsule(*FINGER, palmar=side), skin), 24) for side in (TO_CAMERA, AWAY))
    np.testing.assert_allclose(palm, 0.8 * RED, rtol=0.05)
    np.testing.assert_allclose(back, 0.8 * GREEN, rtol=0.05)


def test_only_the_back_of_a_fingertip_has_a_nail():
    skin = SKIN._replace(nail=BLUE)

    def bluest(**other) -> tuple[int, float]:
        picture = colour_of(capsule(*FINGER, role=other.pop("role", OUTER), chain=2, **other), skin)
        blue = np.nan_to_num(picture[..., 2] - picture[..., 0])
        return int(np.unravel_index(blue.argmax(), blue.shape)[0]), float(blue.max())

    row, blue = bluest(part=DISTAL, palmar=AWAY)
    assert blue > 0.3
    assert row < 20  # towards the tip
    assert bluest(part=DISTAL, palmar=TO_CAMERA)[1] < 0.01
    assert bluest(part=MIDDLE_PHALANX, palmar=AWAY)[1] < 0.01


def test_nails_shine_more_than_skin():
    skin = SKIN._replace(shine=0.2)
    tip = {"role": OUTER, "chain": 2, "palmar": AWAY}
    nail, middle = (colour_of(capsule(*FINGER, part=part, **tip), skin) for part in (DISTAL, MIDDLE_PHALANX))
    assert at(nail, 14).mean() > at(middle, 14).mean() + 0.15


@pytest.mark.parametrize(
    ("part", "palmar", "rows"),
    [
        (MIDDLE_PHALANX, TO_CAMERA, {38}),  # at its joint
        (DISTAL, TO_CAMERA, {38}),
        (PROXIMAL, TO_CAMERA, {38 - 13}),  # where the palm's skin ends
        (MIDDLE_PHALANX, AWAY, {36, 38, 40}),
        (FOREARM, TO_CAMERA, {35}),
    ],
)
def test_creases_lie_across_the_joints(part: int, palmar, rows: set[int]):
    finger = capsule(*FINGER, palmar=palmar, part=part, role=OUTER if part != FOREARM else 0, chain=2)
    dark = colour_of(finger) - colour_of(finger, SKIN._replace(crease=1.0))
    darkest = int(np.nanargmax(dark[:, 24, 1]))
    assert min(abs(darkest - row) for row in rows) <= 1
    assert np.nanmax(dark[:, 24, 1]) > 0.05
    assert (np.nan_to_num(dark) > -1e-6).all()


def test_the_palm_has_lines_and_the_back_has_none():
    frame = np.array([[-18, 18, 380.0], [1 / 36, 0, 0], [0, -1 / 36, 0]])
    skin = SKIN._replace(crease=1.0)
    for side, lines in ((TO_CAMERA, True), (AWAY, False)):
        hand = ball((0, 0, 400), 18, palmar=side)
        dark = np.nan_to_num(colour_of(hand, palm=frame) - colour_of(hand, skin, palm=frame))[..., 1]
        assert bool((dark > 0.1).sum() > 12) == lines


def test_texture_follows_the_seed_and_its_strength():
    smooth, first, same, other = (
        colour_of(BALL, SKIN._replace(mottle=mottle, seed=seed)) for mottle, seed in ((0, 1), (1, 1), (1, 1), (1, 2))
    )
    np.testing.assert_array_equal(first, same)
    assert np.nanstd(first / smooth) > 0.03
    assert np.nanmax(np.abs(first - other)) > 0.02
    assert np.nanmean(first / smooth) == pytest.approx(1, abs=0.12)


def test_fingertips_are_redder():
    def ratio(part: int) -> float:
        red, green, _ = at(colour_of(capsule(*FINGER, part=part, role=OUTER, chain=2), SKIN._replace(mottle=1.0)), 14)
        return red / green

    assert ratio(DISTAL) > 1.08 * ratio(MIDDLE_PHALANX)


def test_a_sleeve_has_stripes_of_both_its_colours():
    sleeve = capsule(*FINGER, role=CLOTH_ROLE, chain=6, part=SLEEVE)
    plain, striped = (colour_of(sleeve, cloth=CLOTH._replace(stripe=width)) for width in (0.0, 14.0))
    assert (np.nan_to_num(plain[..., 2]) <= np.nan_to_num(plain[..., 0])).all()
    is_second = striped[10:39, 24, 2] > striped[10:39, 24, 0]
    assert 0.3 < is_second.mean() < 0.7
    assert np.abs(np.diff(is_second.astype(int))).sum() == 28 // 7 - 1 + (28 // 7) % 2 or np.diff(is_second).any()


def test_cloth_does_not_shine():
    sleeve = capsule(*FINGER, role=CLOTH_ROLE, chain=6, part=SLEEVE)
    np.testing.assert_array_equal(colour_of(sleeve), colour_of(sleeve, SKIN._replace(shine=1.0)))

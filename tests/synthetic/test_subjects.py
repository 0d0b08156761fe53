import numpy as np
import pytest

from static_gesture_classification.synthetic.subjects import PALM_TONE, TONES, draw_subject, to_linear

SUBJECTS = [draw_subject(k, str(k), np.random.default_rng(k)) for k in range(300)]
SKINS = [person.skin for person in SUBJECTS]


def test_srgb_becomes_linear_light():
    np.testing.assert_allclose(to_linear([0, 128, 255]), [0, 0.2195, 1], atol=1e-3)
    assert (np.diff([to_linear(tone).mean() for tone in TONES]) < 0).all()  # from light to dark


def test_colours_of_skin_nails_and_cloth_stay_in_range():
    colours = np.array([[*skin.back, *skin.palm, *(skin.nail + 0.005)] for skin in SKINS])
    cloth = np.array([[*c.first, *c.second] for person in SUBJECTS for c in person.wardrobe])
    assert colours.min() > 0.005
    assert colours.max() < 1.05
    assert cloth.min() >= 0
    assert cloth[:, :3].max() <= 1
    assert all(cloth.stripe == 0 or 4 <= cloth.stripe <= 25 for person in SUBJECTS for cloth in person.wardrobe)


def test_skin_is_redder_than_green_and_greener_than_blue_in_every_tone():
    backs = np.array([skin.back for skin in SKINS])
    assert (backs[:, 0] > backs[:, 1]).all()
    assert (backs[:, 1] > 0.9 * backs[:, 2]).all()
    least, greatest = to_linear(TONES[-1]).mean(), to_linear(TONES[0]).mean()
    assert 0.75 * least < backs.mean(axis=1).min() < 2 * least
    assert 0.6 * greatest < backs.mean(axis=1).max() < 1.3 * greatest
    lighter = (backs.mean(axis=1) > to_linear(TONES[5]).mean()).mean()
    assert 0.6 < lighter < 0.85


def test_palms_are_nearer_to_one_tone_than_backs():
    tone = to_linear(PALM_TONE)
    away = np.array([[np.linalg.norm(skin.palm - tone), np.linalg.norm(skin.back - tone)] for skin in SKINS])
    assert (away[:, 0] < away[:, 1] + 0.08).all()
    dark = away[:, 1] > 0.45
    assert (away[dark, 0] < 0.9 * away[dark, 1]).all()


def test_some_nails_are_painted_and_the_others_are_a_little_lighter_than_the_palm():
    natural = np.array(
        [
            (skin.nail >= np.minimum(skin.palm, 1.0) - 1e-9).all() and (skin.nail - skin.palm < 0.2).all()
            for skin in SKINS
        ]
    )
    assert 0.68 < natural.mean() < 0.88
    assert (
        np.mean([(skin.nail / (skin.palm + 0.001)).min() for skin, own in zip(SKINS, natural, strict=True) if own])
        > 1.1
    )


@pytest.mark.parametrize(
    ("name", "least", "greatest", "mean"),
    [
        ("size", 0.8, 1.15, 0.97),
        ("width", 0.88, 1.14, 1.0),
        ("thumb", 0.88, 1.12, 1.0),
        ("thickness", 0.82, 1.2, 0.99),
        ("tips", 0.82, 1.1, 0.97),
    ],
)
def test_proportions_are_those_of_people(name: str, least: float, greatest: float, mean: float):
    values = np.array([getattr(person.proportions, name) for person in SUBJECTS])
    assert least <= values.min() < values.max() <= greatest
    assert values.mean() == pytest.approx(mean, abs=0.02)
    assert np.ptp(values) > 0.6 * (greatest - least)


def test_broad_hands_are_thick_and_fingers_of_a_hand_are_long_together():
    width, thickness = (np.array([getattr(p.proportions, n) for p in SUBJECTS]) for n in ("width", "thickness"))
    assert np.corrcoef(width, thickness)[0, 1] > 0.4
    fingers = np.array([person.proportions.fingers for person in SUBJECTS])
    assert fingers.mean() == pytest.approx(1, abs=0.02)
    assert 0.02 < fingers.std() < 0.08
    assert np.corrcoef(fingers.T).min() > 0.5


def test_strength_of_skins_details_is_in_range_and_varies():
    for name, least, greatest in (("crease", 0.15, 0.5), ("mottle", 0.25, 0.7), ("shine", 0.01, 0.1)):
        values = [getattr(skin, name) for skin in SKINS]
        assert least <= min(values) < least + 0.1 * (greatest - least)
        assert greatest - 0.1 * (greatest - least) < max(values) <= greatest
    assert len({skin.seed for skin in SKINS}) > 290
    assert all(0.25 <= person.bare_arms <= 0.9 and len(person.wardrobe) == 3 for person in SUBJECTS)

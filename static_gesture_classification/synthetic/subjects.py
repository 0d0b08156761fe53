"""Synthetic subjects: the proportions of a hand, its skin and nails, and the clothes on the arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles
from static_gesture_classification.synthetic.shading import Cloth, Skin
from static_gesture_classification.synthetic.skeleton import Proportions

# The ten tones of Monk's scale (Monk, "Monk Skin Tone Scale", 2019), as sRGB; the lightest and the darkest of them mix
# with their neighbours, since no photographed hand has the scale's extremes.
TONES = (
    (241, 218, 203), (238, 208, 188), (232, 190, 165), (222, 174, 142), (205, 154, 118),
    (184, 132, 96), (155, 106, 74), (124, 82, 56), (96, 62, 44), (74, 48, 37),
)  # fmt: skip
PALM_TONE = (226, 160, 138)
# Percent of subjects per tone: the public datasets have more of the lighter half.
TONE_SHARES = (8, 13, 17, 16, 13, 10, 8, 6, 5, 4)


@dataclass(frozen=True)
class Subject:
    """A synthetic subject; the sleeve of each picture comes from the wardrobe."""

    number: int
    user_id: str
    proportions: Proportions
    skin: Skin
    wardrobe: tuple[Cloth, ...]
    bare_arms: float


def draw_subject(number: int, user_id: str, rng: np.random.Generator) -> Subject:
    """Draw a subject; `rng` determines everything."""
    build = rng.normal(0, 1)  # one number for slender to stout, because fingers, palms and thickness go together
    lengths = 1 + 0.045 * rng.normal() + rng.normal(0, 0.022, 4)
    proportions = Proportions(
        size=float(np.clip(rng.normal(0.97, 0.075), 0.8, 1.15)),
        width=float(np.clip(1 + 0.03 * build + rng.normal(0, 0.03), 0.88, 1.14)),
        fingers=(float(lengths[0]), float(lengths[1]), float(lengths[2]), float(lengths[3])),
        thumb=float(np.clip(rng.normal(1, 0.05), 0.88, 1.12)),
        thickness=float(np.clip(0.99 + 0.075 * build + rng.normal(0, 0.04), 0.82, 1.2)),
        tips=float(np.clip(rng.normal(0.97, 0.06), 0.82, 1.1)),
    )
    wardrobe = tuple(_draw_cloth(rng) for _ in range(3))
    return Subject(number, user_id, proportions, _draw_skin(rng), wardrobe, float(rng.uniform(0.25, 0.9)))


def to_linear(colour: npt.ArrayLike) -> Doubles:
    """sRGB 0..255 to linear light 0..1 (the power 2.2 that stands for the sRGB curve)."""
    return (np.asarray(colour, np.float64) / 255.0) ** 2.2


def with_tone(subject: Subject, tone: int) -> Subject:
    """The same subject with skin of another tone, an index of `TONES`; everything else about the skin is its own."""
    return replace(subject, skin=_skin_of(float(tone), np.random.default_rng(subject.number)))


def _draw_skin(rng: np.random.Generator) -> Skin:
    tone = rng.choice(len(TONES), p=np.array(TONE_SHARES) / sum(TONE_SHARES)) + rng.uniform(-0.5, 0.5)
    return _skin_of(float(np.clip(tone, 0, len(TONES) - 1)), rng)


def _skin_of(tone: float, rng: np.random.Generator) -> Skin:
    """Skin of a tone, a place on the scale between 0 and the last of `TONES`."""
    below = min(int(tone), len(TONES) - 2)
    back = to_linear(TONES[below]) * (1 - tone + below) + to_linear(TONES[below + 1]) * (tone - below)
    ruddy = rng.uniform(-0.3, 1.0)  # blood under the skin: pink at one end, sallow at the other
    back = back * np.exp(ruddy * np.array([0.10, -0.13, -0.10]) + rng.normal(0, 0.04, 3))
    # Palms hold little melanin: they are near to one pinkish tone in everybody, nearer the darker the skin.
    share = 0.24 + 0.03 * tone
    palm = back * (1 - share) + to_linear(PALM_TONE) * share * np.exp(rng.normal(0, 0.06, 3)) * (1 - 0.03 * tone)
    if rng.random() < 0.22:
        nail = to_linear(
            rng.choice([(120, 12, 30), (20, 15, 25), (215, 120, 140), (235, 225, 220), (60, 30, 90), (200, 40, 50)])
        )
    else:
        nail = np.minimum(palm * np.array([1.12, 1.1, 1.12]) + 0.03, 1.0)
    return Skin(
        back, palm, nail, float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.01, 0.10)),
        int(rng.integers(1 << 20)),
    )  # fmt: skip


def _draw_cloth(rng: np.random.Generator) -> Cloth:
    if rng.random() < 0.35:
        grey = rng.choice([15, 25, 45, 120, 235]) + rng.uniform(-8, 8, 3)
        first = to_linear(np.clip(grey, 3, 250))
    else:
        first = to_linear(rng.uniform(15, 235, 3))
    second = to_linear(rng.uniform(15, 235, 3)) if rng.random() < 0.5 else first * rng.uniform(0.4, 1.5)
    return Cloth(first, second, float(rng.choice([0.0, 0.0, rng.uniform(4, 25)])))

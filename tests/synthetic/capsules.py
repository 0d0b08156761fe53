"""Single capsules before a camera, for tests of what renders them."""

import numpy as np

from static_gesture_classification.synthetic.flesh import METACARPUS, PALM, Capsules
from static_gesture_classification.synthetic.renderer import PinholeCamera, pack, render
from static_gesture_classification.synthetic.shading import Cloth, Light, Skin
from static_gesture_classification.synthetic.tracing import Surface, make_tiles, trace

CAMERA = PinholeCamera(48, 400.0, (24.0, 24.0))  # one pixel is one millimetre at a depth of 400
TO_CAMERA, AWAY = (0.0, 0.0, -1.0), (0.0, 0.0, 1.0)
NO_PALM = np.array([[0.0, 0, 1e4], [0, 0, 0], [0, 0, 0]])
GREY = np.full(3, 0.5)
SKIN = Skin(GREY, GREY, GREY, 0.0, 0.0, 0.0, 3)
CLOTH = Cloth(np.array([0.6, 0.1, 0.1]), np.array([0.1, 0.1, 0.6]), 0.0)
DARK = np.zeros(3)
LIGHT = Light(np.full(3, 0.8), np.array([0.0, 0.0, -1.0]), DARK, DARK, DARK, 1.0, 1.0)


def capsule(start, end, radius, end_radius=None, palmar=TO_CAMERA, role=PALM, chain=0, part=METACARPUS) -> Capsules:
    """One capsule."""
    radii = [[radius, radius if end_radius is None else end_radius]]
    ends, roles = np.array([[start, end]], float), np.array([[role, chain, part]], np.int32)
    return Capsules(ends, np.array(radii, float), np.array([palmar], float), roles)


def ball(centre, radius, **other) -> Capsules:
    """A capsule without length."""
    return capsule(centre, centre, radius, **other)


def join(*several: Capsules) -> Capsules:
    """All capsules as one hand."""
    return Capsules(
        *(np.concatenate([getattr(c, name) for c in several]) for name in ("ends", "radii", "palmar", "roles"))
    )


def see(capsules: Capsules, camera: PinholeCamera = CAMERA) -> Surface:
    """What each pixel sees."""
    packed, roles = pack(capsules)
    tiles = make_tiles(packed, camera.size, camera.focal, camera.centre)
    return trace(packed, roles, tiles, camera.size, camera.focal, camera.centre)


def colour_of(capsules: Capsules, skin=SKIN, cloth=CLOTH, light=LIGHT, palm=NO_PALM, camera=CAMERA) -> np.ndarray:
    """Linear RGB of each pixel; NaN where the capsules cover it less than wholly."""
    colour, alpha = render(capsules, palm, camera, skin, cloth, light)
    return np.where(alpha[..., None] > 0.93, colour, np.nan)

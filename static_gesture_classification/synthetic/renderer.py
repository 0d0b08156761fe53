"""Render a hand of capsules: colour and coverage of every pixel.

`tracing` finds the surface, `shading` its colour; both are compiled. Camera coordinates: x right, y down, z into the
picture, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from static_gesture_classification.arrays import Doubles, Singles
from static_gesture_classification.synthetic.flesh import Capsules
from static_gesture_classification.synthetic.shading import Cloth, Light, Skin, shade
from static_gesture_classification.synthetic.tracing import NEAR_PLANE, draw_shadow_map, make_tiles, trace


@dataclass(frozen=True)
class PinholeCamera:
    """A pinhole: pixel = focal * (x, y) / z + centre, all in pixels of a square picture of `size`."""

    size: int
    focal: float
    centre: tuple[float, float]

    def project(self, points: Doubles) -> Doubles:
        """Camera coordinates (..., 3) to pixels (..., 2)."""
        return self.focal * points[..., :2] / points[..., 2:] + np.array(self.centre)


def render(
    capsules: Capsules,
    palm_frame: Doubles,
    camera: PinholeCamera,
    skin: Skin,
    cloth: Cloth,
    light: Light,
) -> tuple[Singles, Singles]:
    """Render the hand.

    Args:
        capsules: in camera coordinates.
        palm_frame: (3, 3): origin of the palm (its corner at the little finger's side of the wrist), then the vectors
            that measure a place in the palm, divided by their squared lengths: to the thumb, to the fingertips.

    Returns:
        Linear RGB float32 (size, size, 3) and coverage float32 (size, size), 0..1.
    """
    packed, roles = pack(capsules)
    tiles = make_tiles(packed, camera.size, camera.focal, camera.centre)
    surface = trace(packed, roles, tiles, camera.size, camera.focal, camera.centre)
    shadow_map = draw_shadow_map(packed, roles, np.asarray(light.direction, np.float32))
    parts = (_to_float32(part) for part in (skin, cloth, light))
    frame = np.asarray(palm_frame, np.float32)
    return shade(packed, roles, surface, shadow_map, frame, camera.focal, camera.centre, *parts), surface.alpha


def pack(capsules: Capsules) -> tuple[Singles, npt.NDArray[np.int32]]:
    """Capsules as rows of numbers, ordered by chain; parts nearer than `NEAR_PLANE` are cut off."""
    rows, roles = [], []
    for i in np.argsort(capsules.roles[:, 1], kind="stable"):
        (a, b), (ra, rb) = capsules.ends[i], capsules.radii[i]
        if a[2] - ra < NEAR_PLANE and b[2] - rb < NEAR_PLANE:
            continue
        if min(a[2], b[2]) < NEAR_PLANE:
            share = (NEAR_PLANE - a[2]) / (b[2] - a[2])
            cut, radius = a + share * (b - a), ra + share * (rb - ra)
            (a, ra, b, rb) = (cut, radius, b, rb) if a[2] < b[2] else (a, ra, cut, radius)
        axis = b - a
        squared = max(float(axis @ axis), 1e-6)
        rows.append([*a, *axis, 1 / squared, ra, rb - ra, *capsules.palmar[i], np.sqrt(squared)])
        roles.append(capsules.roles[i])
    return np.array(rows, np.float32), np.array(roles, np.int32)


def _to_float32(parts: Any) -> Any:
    """A named tuple with its arrays as the compiled code takes them."""
    return type(parts)(*(np.float32(part) if isinstance(part, np.ndarray) else part for part in parts))

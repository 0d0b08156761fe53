"""Photograph a hand of capsules: from the scene's parts to colour and coverage of every pixel.

`tracing` finds the surface, `shading` its colour; both are compiled. Camera coordinates: x right, y down, z into the
picture, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from static_gesture_classification.synthetic.flesh import Capsules
from static_gesture_classification.synthetic.shading import shade
from static_gesture_classification.synthetic.tracing import NEAREST, shadow_depths, tiles, trace

Image32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A pinhole: pixel = focal * (x, y) / z + centre, all in pixels of a square picture of `size`."""

    size: int
    focal: float
    centre: tuple[float, float]

    def project(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Camera coordinates (..., 3) to pixels (..., 2)."""
        return self.focal * points[..., :2] / points[..., 2:] + np.array(self.centre)


@dataclass(frozen=True)
class Skin:
    """Colours are linear RGB, 0..1.

    Args:
        back: albedo of the back of the hand.
        palm: albedo of the palm and the pads.
        nail: albedo of the nails.
        crease: how dark the lines are, 0..1.
        mottle: strength of the blotches, 0..1.
        shine: strength of the highlight.
        seed: of the texture.
    """

    back: npt.NDArray[np.float64]
    palm: npt.NDArray[np.float64]
    nail: npt.NDArray[np.float64]
    crease: float
    mottle: float
    shine: float
    seed: int


@dataclass(frozen=True)
class Cloth:
    """A sleeve's two colours (linear RGB) and the width of its stripes in millimetres; 0 for none."""

    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    stripe: float


@dataclass(frozen=True)
class Light:
    """Light on the hand; colours are linear RGB radiance on a white surface.

    Args:
        key: colour of the main lamp.
        direction: unit vector to it.
        sky: ambient colour from above.
        ground: ambient colour from below.
        rim: colour of a lamp behind the hand.
        softness: millimetres over which the edge of a shadow blurs.
        shadow: how dark shadows are, 0..1.
    """

    key: npt.NDArray[np.float64]
    direction: npt.NDArray[np.float64]
    sky: npt.NDArray[np.float64]
    ground: npt.NDArray[np.float64]
    rim: npt.NDArray[np.float64]
    softness: float
    shadow: float


def render(
    capsules: Capsules, palm: npt.NDArray[np.float64], camera: Camera, skin: Skin, cloth: Cloth, light: Light
) -> tuple[Image32, Image32]:
    """Photograph the hand.

    Args:
        capsules: in camera coordinates.
        palm: (3, 3): origin of the palm (its corner at the little finger's side of the wrist), then the vectors on
            which a place in the palm is measured, divided by their squared lengths: to the thumb, to the fingertips.

    Returns:
        Linear RGB float32 (size, size, 3) and coverage float32 (size, size), 0..1.
    """
    packed, roles = pack(capsules)
    starts, lists, near = tiles(packed, roles, camera.size, camera.focal, camera.centre[0], camera.centre[1])
    depth, alpha, normal, owner, openness = trace(
        packed, roles, starts, lists, near, camera.size, camera.focal, camera.centre[0], camera.centre[1]
    )
    shadow_map, basis = shadow_depths(packed, roles, np.asarray(light.direction, np.float32))
    colour = shade(
        packed, roles, depth, normal, owner, openness, shadow_map, basis,
        np.asarray(palm, np.float32), camera.focal, camera.centre[0], camera.centre[1],
        *_skin(skin), *_cloth(cloth), *_light(light),
    )  # fmt: skip
    return colour, alpha


def pack(capsules: Capsules) -> tuple[Image32, npt.NDArray[np.int32]]:
    """Capsules as rows of numbers, ordered by chain; those behind `NEAREST` are cut or left out."""
    rows, roles = [], []
    for i in np.argsort(capsules.roles[:, 1], kind="stable"):
        (a, b), (ra, rb) = capsules.ends[i], capsules.radii[i]
        if a[2] - ra < NEAREST and b[2] - rb < NEAREST:
            continue
        if min(a[2], b[2]) < NEAREST:
            share = (NEAREST - a[2]) / (b[2] - a[2])
            cut, radius = a + share * (b - a), ra + share * (rb - ra)
            (a, ra, b, rb) = (cut, radius, b, rb) if a[2] < b[2] else (a, ra, cut, radius)
        axis = b - a
        squared = max(float(axis @ axis), 1e-6)
        rows.append([*a, *axis, 1 / squared, ra, rb - ra, *capsules.palmar[i], np.sqrt(squared)])
        roles.append(capsules.roles[i])
    return np.array(rows, np.float32), np.array(roles, np.int32)


def _skin(skin: Skin) -> tuple[Any, ...]:
    colours = (np.asarray(colour, np.float32) for colour in (skin.back, skin.palm, skin.nail))
    return (*colours, skin.crease, skin.mottle, skin.shine, skin.seed)


def _cloth(cloth: Cloth) -> tuple[Any, ...]:
    return np.asarray(cloth.first, np.float32), np.asarray(cloth.second, np.float32), cloth.stripe


def _light(light: Light) -> tuple[Any, ...]:
    colours = (light.key, light.direction, light.sky, light.ground, light.rim)
    return (*(np.asarray(colour, np.float32) for colour in colours), light.softness, light.shadow)

"""The colour of each point on the hand: skin, nails, creases, cloth, light and shadow.

Diffuse light wraps around the surface, red the furthest, as light does that scatters under the skin (Green, "Real-Time
Approximations to Subsurface Scattering", GPU Gems, chapter 16). Colours are linear RGB. Arrays are float32 unless the
text says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.synthetic.flesh import DISTAL, FOREARM, MIDDLE_PHALANX, OUTER, PROXIMAL, SLEEVE
from static_gesture_classification.synthetic.tracing import (
    LENGTH,
    RADIUS,
    TAPER,
    Number,
    ShadowMap,
    Surface,
    measure_lamp_share,
)

LinearColour = npt.NDArray[np.floating]  # (3,)


class Skin(NamedTuple):
    """A subject's skin; the colours are albedos."""

    back: LinearColour
    palm: LinearColour  # also of the pads
    nail: LinearColour
    crease: float  # how dark the lines are, 0..1
    mottle: float  # strength of the blotches, 0..1
    shine: float  # strength of the highlight
    seed: int  # of the texture


class Cloth(NamedTuple):
    """A sleeve's two albedos and the width of its stripes in millimetres; 0 for none."""

    first: LinearColour
    second: LinearColour
    stripe: float


class Light(NamedTuple):
    """Light on the hand; colours are radiance on a white surface."""

    key: LinearColour  # of the main lamp
    direction: LinearColour  # unit vector to the main lamp
    sky: LinearColour  # ambient, from above
    ground: LinearColour  # ambient, from below
    rim: LinearColour  # of a lamp behind the hand
    softness: float  # millimetres over which the edge of a shadow blurs
    shadow: float  # how dark shadows are, 0..1


@numba.njit(cache=True, fastmath=True, inline="always")
def _hash(i: int, j: int, k: int, seed: int) -> Number:
    h = (i * 73856093) ^ (j * 19349663) ^ (k * 83492791) ^ (seed * 2654435)
    h = (h ^ (h >> 13)) * 1274126177
    return np.float32(((h ^ (h >> 16)) & 0xFFFF) / 65535.0)


@numba.njit(cache=True, fastmath=True)
def _noise(x: Number, y: Number, z: Number, seed: int) -> Number:
    """Smooth value noise, 0..1."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - i, y - j, z - k
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (fx if a else 1 - fx) * (fy if b else 1 - fy) * (fz if c else 1 - fz)
                total += weight * _hash(i + a, j + b, k + c, seed)
    return total


@numba.njit(cache=True, fastmath=True)
def _darken(distance: Number, width: Number) -> Number:
    """Darkness of a crease at a distance from it, 0..1."""
    share = distance / width
    return np.exp(-share * share)


@numba.njit(cache=True, fastmath=True)
def _crease_finger(part: int, share: Number, length: Number, facing: Number) -> Number:
    """Darkness of the lines across a finger, at a `share` of a bone; `facing`: 1 is the pad's side, -1 the back."""
    along = share * length
    if facing > 0:
        strength = min(facing * 1.6, 1.0)
        dark = _darken(along, 1.1) if part != PROXIMAL else _darken(along - 0.47 * length, 1.2)
        if part == MIDDLE_PHALANX:
            dark += 0.5 * _darken(along - 2.6, 0.9)
        return strength * dark
    strength = min(-facing * 1.3, 1.0)
    if part == PROXIMAL:
        return 0.0
    wrinkles = 0.45 * (_darken(along - 2.2, 0.8) + _darken(along, 0.8) + _darken(along + 2.2, 0.8))
    return strength * wrinkles * (1.0 if part == MIDDLE_PHALANX else 0.6)


@numba.njit(cache=True, fastmath=True)
def _crease_palm(u: Number, v: Number) -> Number:
    """Darkness of the life, head and heart lines; u, v: place in the palm, 0..1 towards the thumb and the fingers."""
    life = _darken(np.sqrt((u - 1.02) ** 2 + ((v - 0.12) * 0.75) ** 2) - 0.52, 0.016) * (1.0 if v < 0.72 else 0.0)
    head = _darken(v - 0.56 + 0.22 * max(1 - u, 0.0) ** 1.5, 0.016) * (1.0 if u > 0.18 else 0.0)
    heart = _darken(v - 0.70 - 0.20 * u * u, 0.016) * (1.0 if u < 0.85 else 0.0)
    return min(life + 0.8 * head + 0.9 * heart, 1.0)


@numba.njit(cache=True, fastmath=True)
def _paint_cloth(albedo: Any, along: Number, across: Number, height: Number, cloth: Cloth, seed: int) -> None:
    """Colour of a sleeve at a place in millimetres along the arm, across and above it."""
    striped = 0.0 if cloth.stripe <= 0 else 1.0 if (along / cloth.stripe) % 1.0 > 0.5 else 0.0
    weave = 0.82 + 0.36 * _noise(along * 0.8, across * 0.8, height * 0.2, seed + 5)
    folds = 0.75 + 0.5 * _noise(along * 0.06, across * 0.08, height * 0.08, seed + 9)
    for c in range(3):
        albedo[c] = (cloth.first[c] * (1 - striped) + cloth.second[c] * striped) * weave * folds


@numba.njit(cache=True, fastmath=True)
def _paint_skin(
    albedo: Any, along: Number, across: Number, height: Number, facing: Number, tip: bool, place: int, skin: Skin
) -> None:
    """Colour of skin before creases: palm or back, blotches, grain, redder fingertips; `place` varies the texture."""
    pad = min(max(0.5 + 0.9 * facing, 0.0), 1.0)
    blotch = _noise(along * 0.09 + 31.0 * place, across * 0.09, height * 0.09, skin.seed) - 0.5
    grain = _noise(along * 0.55 + 17.0 * place, across * 0.55, height * 0.55, skin.seed + 1) - 0.5
    tone = 1.0 + skin.mottle * (0.45 * blotch + 0.30 * grain)
    flush = skin.mottle * (0.5 * blotch + (0.22 if tip else 0.0))
    for c in range(3):
        albedo[c] = (skin.back[c] * (1 - pad) + skin.palm[c] * pad) * tone
    albedo[0] *= 1.0 + 0.25 * flush
    albedo[1] *= 1.0 - 0.35 * flush
    albedo[2] *= 1.0 - 0.30 * flush


@numba.njit(cache=True, fastmath=True)
def _cover_with_nail(along: Number, across: Number, length: Number, radius: Number) -> Number:
    """How much of a point on the back of a fingertip is nail, 0..1: a rounded square with a soft rim."""
    u, v = across / (radius * 0.72), (along - length * 0.78) / (length * 0.42)
    return min(max((1.0 - u * u * u * u - v * v * v * v) * 5.0, 0.0), 1.0)


@numba.njit(cache=True, fastmath=True)
def _crease_skin(
    part: int, along: Number, length: Number, facing: Number, x: Number, y: Number, z: Number, palm_frame: Any
) -> Number:
    """Darkness of the creases at a point of the skin, 0..1."""
    if PROXIMAL <= part <= DISTAL:
        return _crease_finger(part, along / length, length, facing)
    if part == FOREARM:
        return 0.8 * (_darken(along - 3.0, 1.0) + 0.6 * _darken(along - 8.0, 1.0)) * max(facing, 0.0)
    if facing <= 0.2:
        return 0.0
    x, y, z = x - palm_frame[0, 0], y - palm_frame[0, 1], z - palm_frame[0, 2]
    u = x * palm_frame[1, 0] + y * palm_frame[1, 1] + z * palm_frame[1, 2]
    v = x * palm_frame[2, 0] + y * palm_frame[2, 1] + z * palm_frame[2, 2]
    return 0.8 * _crease_palm(u, v)


@numba.njit(cache=True, fastmath=True)
def _light_up(
    colour: Any, albedo: Any, gloss: Number, normal: Any, x: Number, y: Number, z: Number, openness: Number,
    lit: Number, light: Light,
) -> None:  # fmt: skip
    """Colour of a point: lamp with a warm, soft terminator, sky and ground light, highlight, light from behind."""
    key, lamp, sky, ground, rim = light.key, light.direction, light.sky, light.ground, light.rim
    nx, ny, nz = normal[0], normal[1], normal[2]
    view = np.sqrt(x * x + y * y + z * z)
    vx, vy, vz = -x / view, -y / view, -z / view
    hx, hy, hz = lamp[0] + vx, lamp[1] + vy, lamp[2] + vz
    half = max(np.sqrt(hx * hx + hy * hy + hz * hz), 1e-6)
    facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
    highlight = max((nx * hx + ny * hy + nz * hz) / half, 0.0) ** 24 * gloss * max(facing, 0.0)
    grazing = (1.0 - max(nx * vx + ny * vy + nz * vz, 0.0)) ** 3
    upward = 0.5 - 0.5 * ny
    for c in range(3):
        wrap = 0.30 if c == 0 else 0.16 if c == 1 else 0.10
        diffuse = max((facing + wrap) / (1.0 + wrap), 0.0) * lit
        open_colour = openness ** (0.75 if c == 0 else 1.0)
        ambient = (ground[c] * (1 - upward) + sky[c] * upward) * open_colour
        diffused = key[c] * diffuse * (0.45 + 0.55 * open_colour) + ambient
        colour[c] = albedo[c] * diffused + key[c] * highlight * lit + rim[c] * grazing * open_colour


@numba.njit(cache=True, fastmath=True)
def _locate(packed: Any, i: int, x: Number, y: Number, z: Number) -> tuple[Number, Number, Number]:
    """Where a point lies on bone `i`: millimetres along it, across it and above it (on the pad's side)."""
    length = packed[i, LENGTH]
    px, py, pz = x - packed[i, 0], y - packed[i, 1], z - packed[i, 2]
    ax, ay, az = packed[i, 3] / length, packed[i, 4] / length, packed[i, 5] / length
    ox, oy, oz = packed[i, 9], packed[i, 10], packed[i, 11]
    across = px * (ay * oz - az * oy) + py * (az * ox - ax * oz) + pz * (ax * oy - ay * ox)
    return px * ax + py * ay + pz * az, across, px * ox + py * oy + pz * oz


@numba.njit(cache=True, fastmath=True)
def shade(
    packed: Any, roles: Any, surface: Surface, shadow_map: ShadowMap, palm_frame: Any, focal: Number, centre: Any,
    skin: Skin, cloth: Cloth, light: Light,
) -> Any:  # fmt: skip
    """Colour of every covered pixel: linear RGB (size, size, 3). For the arguments see `renderer`."""
    depth, _, normal, owner, openness = surface
    size, (cx, cy) = len(depth), centre
    colour, albedo = np.zeros((size, size, 3), np.float32), np.zeros(3, np.float32)
    for row in range(size):
        for column in range(size):
            i = owner[row, column]
            if i < 0:
                continue
            z = depth[row, column]
            x, y = (column + 0.5 - cx) / focal * z, (row + 0.5 - cy) / focal * z
            n, part, length = normal[row, column], roles[i, 2], packed[i, LENGTH]
            along, across, height = _locate(packed, i, x, y, z)
            facing = n[0] * packed[i, 9] + n[1] * packed[i, 10] + n[2] * packed[i, 11]
            gloss = skin.shine
            if part == SLEEVE:
                _paint_cloth(albedo, along, across, height, cloth, skin.seed)
                gloss = 0.0
            else:
                tip = part == DISTAL and along > 0.4 * length
                _paint_skin(albedo, along, across, height, facing, tip, i, skin)
                dark = _crease_skin(part, along, length, facing, x, y, z, palm_frame)
                if part == DISTAL and roles[i, 0] == OUTER and facing < -0.35:
                    cover = _cover_with_nail(along, across, length, packed[i, RADIUS] + packed[i, TAPER])
                    for c in range(3):
                        albedo[c] = albedo[c] * (1 - cover) + skin.nail[c] * cover
                    dark = dark * (1 - cover) + cover * (1 - cover)
                    gloss = skin.shine * (1.0 + 2.5 * cover)
                for c in range(3):
                    albedo[c] *= 1.0 - skin.crease * min(dark, 1.0) * (0.75 if c == 0 else 0.9)
            lit = measure_lamp_share(shadow_map, x + 1.5 * n[0], y + 1.5 * n[1], z + 1.5 * n[2], light.softness)
            lit = 1.0 - light.shadow * (1.0 - lit)
            _light_up(colour[row, column], albedo, gloss, n, x, y, z, openness[row, column], lit, light)
    return colour

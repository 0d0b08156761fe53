"""Skin, nails, creases, cloth, light and shadow: what colour the renderer gives a point that a ray has met.

Diffuse light wraps around, red the furthest, which stands for light that scatters under the skin (Green, "Real-Time
Approximations to Subsurface Scattering", GPU Gems, chapter 16). Arrays and numbers are float32 unless said otherwise.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from static_gesture_classification.synthetic.tracing import LENGTH, RADIUS, TAPER, Number, lit_share


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
def _line(distance: Number, width: Number) -> Number:
    """Darkness of a crease at a distance from it, 0..1."""
    share = distance / width
    return np.exp(-share * share)


@numba.njit(cache=True, fastmath=True)
def _creases(part: int, share: Number, length: Number, facing: Number) -> Number:
    """Darkness of the lines across a finger's bone at its share of the length; `facing`: 1 pad's side, -1 back."""
    along = share * length
    if facing > 0:
        strength = min(facing * 1.6, 1.0)
        dark = _line(along, 1.1) if part != 1 else _line(along - 0.47 * length, 1.2)
        if part == 2:
            dark += 0.5 * _line(along - 2.6, 0.9)
        return strength * dark
    strength = min(-facing * 1.3, 1.0)
    if part == 1:
        return 0.0
    wrinkles = 0.45 * (_line(along - 2.2, 0.8) + _line(along, 0.8) + _line(along + 2.2, 0.8))
    return strength * wrinkles * (1.0 if part == 2 else 0.6)


@numba.njit(cache=True, fastmath=True)
def _palm_lines(u: Number, v: Number) -> Number:
    """Darkness of the life, head and heart lines; u, v: place in the palm, 0..1 towards the thumb and the fingers."""
    life = _line(np.sqrt((u - 1.02) ** 2 + ((v - 0.12) * 0.75) ** 2) - 0.52, 0.016) * (1.0 if v < 0.72 else 0.0)
    head = _line(v - 0.56 + 0.22 * max(1 - u, 0.0) ** 1.5, 0.016) * (1.0 if u > 0.18 else 0.0)
    heart = _line(v - 0.70 - 0.20 * u * u, 0.016) * (1.0 if u < 0.85 else 0.0)
    return min(life + 0.8 * head + 0.9 * heart, 1.0)


@numba.njit(cache=True, fastmath=True)
def _paint_cloth(
    albedo: Any, along: Number, across: Number, height: Number, first: Any, second: Any, stripe: Number, seed: int
) -> None:
    """Colour of a sleeve at a place in millimetres along the arm, across and above it."""
    striped = 0.0 if stripe <= 0 else 1.0 if (along / stripe) % 1.0 > 0.5 else 0.0
    weave = 0.82 + 0.36 * _noise(along * 0.8, across * 0.8, height * 0.2, seed + 5)
    folds = 0.75 + 0.5 * _noise(along * 0.06, across * 0.08, height * 0.08, seed + 9)
    for c in range(3):
        albedo[c] = (first[c] * (1 - striped) + second[c] * striped) * weave * folds


@numba.njit(cache=True, fastmath=True)
def _paint_skin(
    albedo: Any,
    along: Number,
    across: Number,
    height: Number,
    facing: Number,
    tip: bool,
    place: int,
    back: Any,
    palm: Any,
    mottle: Number,
    seed: int,
) -> None:
    """Colour of skin before creases: palm or back, blotches, grain, redder fingertips."""
    pad = min(max(0.5 + 0.9 * facing, 0.0), 1.0)
    blotch = _noise(along * 0.09 + 31.0 * place, across * 0.09, height * 0.09, seed) - 0.5
    grain = _noise(along * 0.55 + 17.0 * place, across * 0.55, height * 0.55, seed + 1) - 0.5
    tone = 1.0 + mottle * (0.45 * blotch + 0.30 * grain)
    flush = mottle * (0.5 * blotch + (0.22 if tip else 0.0))
    for c in range(3):
        albedo[c] = (back[c] * (1 - pad) + palm[c] * pad) * tone
    albedo[0] *= 1.0 + 0.25 * flush
    albedo[1] *= 1.0 - 0.35 * flush
    albedo[2] *= 1.0 - 0.30 * flush


@numba.njit(cache=True, fastmath=True)
def _nail_cover(along: Number, across: Number, length: Number, radius: Number) -> Number:
    """How much of a point on the back of a fingertip is nail, 0..1: a rounded square with a soft rim."""
    u, v = across / (radius * 0.72), (along - length * 0.78) / (length * 0.42)
    return min(max((1.0 - u * u * u * u - v * v * v * v) * 5.0, 0.0), 1.0)


@numba.njit(cache=True, fastmath=True)
def _lines(
    part: int, along: Number, length: Number, facing: Number, x: Number, y: Number, z: Number, palm_frame: Any
) -> Number:
    """Darkness of the creases at a point of the skin, 0..1."""
    if 1 <= part <= 3:
        return _creases(part, along / length, length, facing)
    if part == 4:
        return 0.8 * (_line(along - 3.0, 1.0) + 0.6 * _line(along - 8.0, 1.0)) * max(facing, 0.0)
    if facing <= 0.2:
        return 0.0
    x, y, z = x - palm_frame[0, 0], y - palm_frame[0, 1], z - palm_frame[0, 2]
    u = x * palm_frame[1, 0] + y * palm_frame[1, 1] + z * palm_frame[1, 2]
    v = x * palm_frame[2, 0] + y * palm_frame[2, 1] + z * palm_frame[2, 2]
    return 0.8 * _palm_lines(u, v)


@numba.njit(cache=True, fastmath=True)
def _light_up(
    colour: Any, albedo: Any, gloss: Number, normal: Any, x: Number, y: Number, z: Number, openness: Number,
    lit: Number, key: Any, lamp: Any, sky: Any, ground: Any, rim: Any,
) -> None:  # fmt: skip
    """Colour of a point: lamp with a warm, soft terminator, sky and ground light, highlight, light from behind."""
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
        light = key[c] * diffuse * (0.45 + 0.55 * open_colour) + ambient
        colour[c] = albedo[c] * light + key[c] * highlight * lit + rim[c] * grazing * open_colour


@numba.njit(cache=True, fastmath=True)
def shade(
    packed: Any, roles: Any, depth: Any, normal: Any, owner: Any, openness: Any, shadow_map: Any, basis: Any,
    palm_frame: Any, focal: Number, cx: Number, cy: Number,
    back: Any, palm: Any, nail: Any, crease: Number, mottle: Number, shine: Number, seed: int,
    cloth_first: Any, cloth_second: Any, stripe: Number,
    key: Any, lamp: Any, sky: Any, ground: Any, rim: Any, softness: Number, shadow: Number,
) -> Any:  # fmt: skip
    """Colour of every covered pixel: linear RGB float32 (size, size, 3). For the arguments see `renderer`."""
    size = len(depth)
    colour, albedo = np.zeros((size, size, 3), np.float32), np.zeros(3, np.float32)
    for row in range(size):
        for column in range(size):
            i = owner[row, column]
            if i < 0:
                continue
            z = depth[row, column]
            x, y = (column + 0.5 - cx) / focal * z, (row + 0.5 - cy) / focal * z
            n, part, length = normal[row, column], roles[i, 2], packed[i, LENGTH]
            # Where the point lies on its bone: along it, above it (on the pad's side) and across.
            px, py, pz = x - packed[i, 0], y - packed[i, 1], z - packed[i, 2]
            ax, ay, az = packed[i, 3] / length, packed[i, 4] / length, packed[i, 5] / length
            ox, oy, oz = packed[i, 9], packed[i, 10], packed[i, 11]
            along, height = px * ax + py * ay + pz * az, px * ox + py * oy + pz * oz
            across = px * (ay * oz - az * oy) + py * (az * ox - ax * oz) + pz * (ax * oy - ay * ox)
            facing = n[0] * ox + n[1] * oy + n[2] * oz
            gloss = shine
            if part == 5:
                _paint_cloth(albedo, along, across, height, cloth_first, cloth_second, stripe, seed)
                gloss = 0.0
            else:
                tip = part == 3 and along > 0.4 * length
                _paint_skin(albedo, along, across, height, facing, tip, i, back, palm, mottle, seed)
                dark = _lines(part, along, length, facing, x, y, z, palm_frame)
                if part == 3 and roles[i, 0] == 2 and facing < -0.35:
                    cover = _nail_cover(along, across, length, packed[i, RADIUS] + packed[i, TAPER])
                    for c in range(3):
                        albedo[c] = albedo[c] * (1 - cover) + nail[c] * cover
                    dark = dark * (1 - cover) + cover * (1 - cover)
                    gloss = shine * (1.0 + 2.5 * cover)
                for c in range(3):
                    albedo[c] *= 1.0 - crease * min(dark, 1.0) * (0.75 if c == 0 else 0.9)
            lit = lit_share(shadow_map, basis, x + 1.5 * n[0], y + 1.5 * n[1], z + 1.5 * n[2], softness)
            lit = 1.0 - shadow * (1.0 - lit)
            _light_up(
                colour[row, column], albedo, gloss, n, x, y, z, openness[row, column], lit, key, lamp, sky, ground, rim
            )
    return colour

"""Photograph capsules: rays through a smooth distance field, then skin, cloth, light and shadow.

The hand is a signed distance field (Hart, "Sphere Tracing", 1996): round tapered capsules, joined by a polynomial smooth
minimum (Quilez, "Smooth minimum"). Tiles of 8 x 8 pixels each know the few capsules that matter to them, which makes a
picture of 256 x 256 a matter of milliseconds. Camera coordinates: x right, y down, z into the picture, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from static_gesture_classification.synthetic.flesh import Capsules

Image32 = npt.NDArray[np.float32]

TILE = 8
NEAREST = 40.0  # millimetres before the lens; what is nearer is cut off
FAR = 1e9
PALM_BLEND, FINGER_BLEND, ROOT_BLEND = 8.0, 2.2, 7.0  # millimetres over which capsules melt together
REACH = 11.0  # millimetres around a capsule in which it may still matter (blending, occlusion)
SHADOW_SIZE = 112  # side of the shadow map, in pixels

# Columns of the packed capsules.
A, AXIS, INVERSE, RADIUS, TAPER, PALMAR, LENGTH = 0, 3, 6, 7, 8, 9, 12
COLUMNS = 13


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
        palm: (3, 3): origin of the palm (its corner at the little finger's side of the wrist), then the vectors to which
            the place in the palm is measured, divided by their squared lengths: across to the thumb, along to the fingers.

    Returns:
        Linear RGB float32 (size, size, 3) and coverage float32 (size, size), 0..1.
    """
    packed, roles = pack(capsules)
    starts, lists, near = tiles(packed, roles, camera.size, camera.focal, camera.centre[0], camera.centre[1])
    depth, alpha, normal, owner, occlusion = trace(
        packed, roles, starts, lists, near, camera.size, camera.focal, camera.centre[0], camera.centre[1]
    )
    shadow_map, basis = shadow_depths(packed, roles, np.asarray(light.direction, np.float32))
    colour = shade(
        packed, roles, depth, alpha, normal, owner, occlusion, shadow_map, basis,
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


@numba.njit(cache=True, fastmath=True)
def tiles(packed: Any, roles: Any, size: int, focal: float, cx: float, cy: float) -> tuple[Any, Any, Any]:
    """Which capsules each tile of `TILE` x `TILE` pixels has to look at, and how far away the nearest one begins.

    Returns:
        starts int32 (tiles + 1,), capsule numbers int32 in one list, near float32 (tiles,).
    """
    n, across = len(packed), (size + TILE - 1) // TILE
    starts = np.zeros(across * across + 1, np.int32)
    lists = np.empty(across * across * n, np.int32)
    near = np.full(across * across, np.float32(FAR))
    half = TILE * 0.5
    projected = np.empty((n, 6), np.float32)
    for i in range(n):
        az, bz = packed[i, 2], packed[i, 2] + packed[i, 5]
        ra, rb = packed[i, RADIUS] + REACH, packed[i, RADIUS] + packed[i, TAPER] + REACH
        projected[i, 0] = focal * packed[i, 0] / az + cx
        projected[i, 1] = focal * packed[i, 1] / az + cy
        projected[i, 2] = focal * (packed[i, 0] + packed[i, 3]) / bz + cx
        projected[i, 3] = focal * (packed[i, 1] + packed[i, 4]) / bz + cy
        # A ball off the axis is drawn as an ellipse; 1.15 covers it within 30 degrees.
        projected[i, 4] = max(focal * ra / max(az - 0.5 * ra, 20.0), focal * rb / max(bz - 0.5 * rb, 20.0)) * 1.05
        projected[i, 5] = min(az - ra, bz - rb)
    count = 0
    for row in range(across):
        for column in range(across):
            x, y = column * TILE + half, row * TILE + half
            tile = row * across + column
            for i in range(n):
                dx, dy = projected[i, 2] - projected[i, 0], projected[i, 3] - projected[i, 1]
                px, py = x - projected[i, 0], y - projected[i, 1]
                share = (px * dx + py * dy) / max(dx * dx + dy * dy, np.float32(1e-6))
                share = min(max(share, np.float32(0.0)), np.float32(1.0))
                px -= share * dx
                py -= share * dy
                if px * px + py * py < (projected[i, 4] + half * 1.42) ** 2:
                    lists[count] = i
                    count += 1
                    near[tile] = min(near[tile], projected[i, 5])
            starts[tile + 1] = count
    return starts, lists[:count].copy(), near


@numba.njit(cache=True, fastmath=True, inline="always")
def _smooth_min(a: float, b: float, width: float) -> float:
    h = max(width - abs(a - b), np.float32(0.0))
    return min(a, b) - h * h * np.float32(0.25) / width


@numba.njit(cache=True, fastmath=True)
def field(x: float, y: float, z: float, tile: Any, roles: Any, count: int, distances: Any) -> float:
    """Distance to the hand in millimetres, negative inside.

    Args:
        tile: float32 (9, n): the tile's capsules, one column each, the palm's first, then chain by chain.
        roles: int32 (2, n): their roles and chains.
        count: how many columns count.
        distances: float32 (n,), overwritten with the distance to each capsule.
    """
    zero, one, big = np.float32(0.0), np.float32(1.0), np.float32(1e6)
    for k in range(count):  # a loop that the compiler turns into vector instructions
        px, py, pz = x - tile[0, k], y - tile[1, k], z - tile[2, k]
        dx, dy, dz = tile[3, k], tile[4, k], tile[5, k]
        share = min(max((px * dx + py * dy + pz * dz) * tile[6, k], zero), one)
        px -= share * dx
        py -= share * dy
        pz -= share * dz
        distances[k] = np.sqrt(px * px + py * py + pz * pz) - tile[7, k] - share * tile[8, k]
    palm, cloth = big, big
    k = 0
    while k < count and roles[0, k] == 0:
        palm = _smooth_min(palm, distances[k], np.float32(PALM_BLEND))
        k += 1
    whole = palm
    while k < count:
        chain, root, outer = roles[1, k], big, big
        while k < count and roles[1, k] == chain:
            role, distance = roles[0, k], distances[k]
            if role == 1:
                root = distance
            elif role == 2:
                outer = _smooth_min(outer, distance, np.float32(FINGER_BLEND))
            else:
                cloth = _smooth_min(cloth, distance, np.float32(PALM_BLEND))
            k += 1
        root = _smooth_min(palm, root, np.float32(ROOT_BLEND))
        whole = min(whole, _smooth_min(root, outer, np.float32(FINGER_BLEND)))
    return min(whole, cloth)


@numba.njit(cache=True, fastmath=True)
def trace(
    packed: Any, roles: Any, starts: Any, lists: Any, near: Any, size: int, focal: float, cx: float, cy: float
) -> tuple[Any, Any, Any, Any, Any]:
    """Follow one ray per pixel to the surface.

    Returns:
        depth along z float32 (size, size), coverage, unit normal (size, size, 3), owner int16 (-1: none), openness 0..1.
    """
    depth = np.full((size, size), np.float32(FAR))
    alpha, openness = np.zeros((size, size), np.float32), np.ones((size, size), np.float32)
    normal, owner = np.zeros((size, size, 3), np.float32), np.full((size, size), -1, np.int16)
    across = (size + TILE - 1) // TILE
    tile, tile_roles = np.empty((9, len(packed)), np.float32), np.empty((2, len(packed)), np.int32)
    distances = np.empty(len(packed), np.float32)
    pixel, x0, y0 = np.float32(1.0 / focal), np.float32(cx), np.float32(cy)
    half = np.float32(TILE * 0.71) * pixel
    for number in range(across * across):
        start, count = starts[number], starts[number + 1] - starts[number]
        if count == 0:
            continue
        for k in range(count):
            i = lists[start + k]
            for column in range(9):
                tile[column, k] = packed[i, column]
            tile_roles[0, k], tile_roles[1, k] = roles[i, 0], roles[i, 1]
        top, left = (number // across) * TILE, (number % across) * TILE
        # A cone around the whole tile first: how far may all of its rays go without touching anything?
        u = (np.float32(left + TILE // 2) - x0) * pixel
        v = (np.float32(top + TILE // 2) - y0) * pixel
        stretch = np.float32(np.sqrt(u * u + v * v + np.float32(1.0)))
        z, touched = max(near[number], np.float32(NEAREST)), False
        for _ in range(64):
            distance = field(u * z, v * z, z, tile, tile_roles, count, distances) - half * z * np.float32(1.2)
            if distance < np.float32(0.8):
                touched = True
                break
            if distance > np.float32(1e4) or z > np.float32(4000.0):
                break
            z += distance * np.float32(0.9) / stretch
        if not touched:
            continue
        for row in range(top, min(top + TILE, size)):
            for column in range(left, min(left + TILE, size)):
                _trace_pixel(
                    row,
                    column,
                    z,
                    x0,
                    y0,
                    pixel,
                    tile,
                    tile_roles,
                    count,
                    distances,
                    lists,
                    start,
                    depth,
                    alpha,
                    normal,
                    owner,
                    openness,
                )
    return depth, alpha, normal, owner, openness


@numba.njit(cache=True, fastmath=True)
def _trace_pixel(
    row: int, column: int, z: float, x0: float, y0: float, pixel: float, tile: Any, roles: Any, count: int, distances: Any,
    lists: Any, start: int, depth: Any, alpha: Any, normal: Any, owner: Any, openness: Any,
) -> None:  # fmt: skip
    """Follow the ray of one pixel from depth `z` on, and fill in what it meets."""
    one, e = np.float32(1.0), np.float32(0.4)
    u = (np.float32(column) + np.float32(0.5) - x0) * pixel
    v = (np.float32(row) + np.float32(0.5) - y0) * pixel
    stride = np.float32(0.97) / np.float32(np.sqrt(u * u + v * v + one))
    edge, best_z, best = np.float32(1e6), np.float32(0.0), np.float32(0.0)
    for _ in range(40):
        distance = field(u * z, v * z, z, tile, roles, count, distances)
        blur = distance / (z * pixel)
        if blur < edge:
            edge, best_z, best = blur, z, distance
        if blur < np.float32(0.2) or blur > np.float32(300.0):
            break
        z += max(distance, np.float32(0.35) * z * pixel) * stride
    if edge >= one:
        return
    x, y, z = u * best_z, v * best_z, best_z
    field(x, y, z, tile, roles, count, distances)
    nearest = 0
    for k in range(1, count):
        if distances[k] < distances[nearest]:
            nearest = k
    alpha[row, column] = min(one, (one - edge) / np.float32(0.85))
    depth[row, column], owner[row, column] = z, lists[start + nearest]
    nx = field(x + e, y, z, tile, roles, count, distances) - best
    ny = field(x, y + e, z, tile, roles, count, distances) - best
    nz = field(x, y, z + e, tile, roles, count, distances) - best
    length = one / max(np.float32(np.sqrt(nx * nx + ny * ny + nz * nz)), np.float32(1e-6))
    nx, ny, nz = nx * length, ny * length, nz * length
    normal[row, column, 0], normal[row, column, 1], normal[row, column, 2] = nx, ny, nz
    near, far = np.float32(3.0), np.float32(9.0)
    near_open = field(x + near * nx, y + near * ny, z + near * nz, tile, roles, count, distances) / near
    far_open = field(x + far * nx, y + far * ny, z + far * nz, tile, roles, count, distances) / far
    near_open, far_open = min(max(near_open, np.float32(0.0)), one), min(max(far_open, np.float32(0.0)), one)
    openness[row, column] = (np.float32(0.25) + np.float32(0.75) * near_open) * (
        np.float32(0.35) + np.float32(0.65) * far_open
    )


@numba.njit(cache=True, fastmath=True)
def shadow_depths(packed: Any, roles: Any, direction: Any) -> tuple[Any, Any]:
    """Depth of the hand as the lamp sees it (parallel light): float32 map, and the lamp's frame (5, 3).

    The frame's rows are right, down, away from the lamp, then corner and scale: u = (p . right - corner[0]) * scale[0].
    """
    n = len(packed)
    basis = np.zeros((5, 3), np.float32)
    away = -direction
    helper = np.array([0.0, 1.0, 0.0], np.float32) if abs(away[1]) < 0.9 else np.array([1.0, 0.0, 0.0], np.float32)
    right = np.cross(helper, away)
    right /= np.sqrt((right * right).sum())
    basis[0], basis[1], basis[2] = right, np.cross(away, right), away
    least, greatest = np.full(3, np.float32(1e9)), np.full(3, np.float32(-1e9))
    for i in range(n):
        if roles[i, 2] >= 4:
            continue  # the arm casts its shadow out of the picture
        for end in range(2):
            for k in range(3):
                value = np.float32(0.0)
                for j in range(3):
                    value += (packed[i, j] + end * packed[i, 3 + j]) * basis[k, j]
                radius = packed[i, RADIUS] + end * packed[i, TAPER] + 2.0
                least[k], greatest[k] = min(least[k], value - radius), max(greatest[k], value + radius)
    side = max(greatest[0] - least[0], greatest[1] - least[1])
    scale = np.float32(SHADOW_SIZE / side)
    basis[3] = least
    basis[4, 0], basis[4, 1] = scale, scale
    depths = np.full((SHADOW_SIZE, SHADOW_SIZE), np.float32(FAR))
    for i in range(n):
        if roles[i, 2] < 4:
            _draw_depth(depths, packed, i, basis, scale)
    return depths, basis


@numba.njit(cache=True, fastmath=True)
def _draw_depth(depths: Any, packed: Any, i: int, basis: Any, scale: float) -> None:
    """Draw one capsule into a shadow map as a row of balls."""
    steps = int(packed[i, LENGTH] / max(packed[i, RADIUS] * 0.35, 1.0)) + 2
    for step in range(steps):
        share = np.float32(step / (steps - 1))
        radius = packed[i, RADIUS] + share * packed[i, TAPER]
        centre = np.zeros(3, np.float32)
        for k in range(3):
            for j in range(3):
                centre[k] += (packed[i, j] + share * packed[i, 3 + j]) * basis[k, j]
        u, v = (centre[0] - basis[3, 0]) * scale, (centre[1] - basis[3, 1]) * scale
        r = radius * scale
        for row in range(max(int(v - r), 0), min(int(v + r) + 1, SHADOW_SIZE)):
            for column in range(max(int(u - r), 0), min(int(u + r) + 1, SHADOW_SIZE)):
                height = radius * radius - ((column + 0.5 - u) ** 2 + (row + 0.5 - v) ** 2) / (scale * scale)
                if height > 0:
                    depths[row, column] = min(depths[row, column], centre[2] - np.sqrt(height))


@numba.njit(cache=True, fastmath=True)
def _lit(depths: Any, basis: Any, x: float, y: float, z: float, softness: float) -> float:
    """Share of the lamp that reaches a point, 0..1, smoothed over its neighbourhood in the shadow map."""
    p0 = x * basis[0, 0] + y * basis[0, 1] + z * basis[0, 2]
    p1 = x * basis[1, 0] + y * basis[1, 1] + z * basis[1, 2]
    p2 = x * basis[2, 0] + y * basis[2, 1] + z * basis[2, 2]
    u, v = (p0 - basis[3, 0]) * basis[4, 0], (p1 - basis[3, 1]) * basis[4, 1]
    spread = max(softness * basis[4, 0], 0.6)
    open_share = np.float32(0.0)
    for i in range(-1, 2):
        for j in range(-1, 2):
            column, row = int(u + j * spread), int(v + i * spread)
            if column < 0 or row < 0 or column >= SHADOW_SIZE or row >= SHADOW_SIZE:
                open_share += 1.0
            else:
                open_share += min(max(1.0 - (p2 - depths[row, column] - 3.5) / 3.0, 0.0), 1.0)
    return open_share / np.float32(9.0)


@numba.njit(cache=True, fastmath=True, inline="always")
def _hash(i: int, j: int, k: int, seed: int) -> float:
    h = (i * 73856093) ^ (j * 19349663) ^ (k * 83492791) ^ (seed * 2654435)
    h = (h ^ (h >> 13)) * 1274126177
    return np.float32(((h ^ (h >> 16)) & 0xFFFF) / 65535.0)


@numba.njit(cache=True, fastmath=True)
def _noise(x: float, y: float, z: float, seed: int) -> float:
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
def _line(distance: float, width: float) -> float:
    """Darkness of a crease at a distance from it, 0..1."""
    share = distance / width
    return np.exp(-share * share)


@numba.njit(cache=True, fastmath=True)
def _creases(part: int, share: float, length: float, facing: float) -> float:
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
def _palm_lines(u: float, v: float) -> float:
    """Darkness of the life, head and heart lines; u, v: place in the palm, 0..1 towards the thumb and the fingers."""
    life = _line(np.sqrt((u - 1.02) ** 2 + ((v - 0.12) * 0.75) ** 2) - 0.52, 0.016) * (1.0 if v < 0.72 else 0.0)
    head = _line(v - 0.56 + 0.22 * max(1 - u, 0.0) ** 1.5, 0.016) * (1.0 if u > 0.18 else 0.0)
    heart = _line(v - 0.70 - 0.20 * u * u, 0.016) * (1.0 if u < 0.85 else 0.0)
    return min(life + 0.8 * head + 0.9 * heart, 1.0)


@numba.njit(cache=True, fastmath=True)
def shade(
    packed: Any, roles: Any, depth: Any, alpha: Any, normal: Any, owner: Any, openness: Any, shadow_map: Any, basis: Any,
    palm_frame: Any, focal: float, cx: float, cy: float,
    back: Any, palm: Any, nail: Any, crease: float, mottle: float, shine: float, seed: int,
    cloth_first: Any, cloth_second: Any, stripe: float,
    key: Any, lamp: Any, sky: Any, ground: Any, rim: Any, softness: float, shadow: float,
) -> Any:  # fmt: skip
    """Colour of every covered pixel: linear RGB float32 (size, size, 3)."""
    size = len(depth)
    colour, albedo = np.zeros((size, size, 3), np.float32), np.zeros(3, np.float32)
    for row in range(size):
        for column in range(size):
            i = owner[row, column]
            if i < 0:
                continue
            z = depth[row, column]
            x, y = (column + 0.5 - cx) / focal * z, (row + 0.5 - cy) / focal * z
            nx, ny, nz = normal[row, column, 0], normal[row, column, 1], normal[row, column, 2]
            part, length = roles[i, 2], packed[i, LENGTH]
            px, py, pz = x - packed[i, 0], y - packed[i, 1], z - packed[i, 2]
            ax, ay, az = packed[i, 3] / length, packed[i, 4] / length, packed[i, 5] / length
            along = px * ax + py * ay + pz * az
            ox, oy, oz = packed[i, 9], packed[i, 10], packed[i, 11]
            facing = nx * ox + ny * oy + nz * oz
            height = px * ox + py * oy + pz * oz
            sx, sy, sz = ay * oz - az * oy, az * ox - ax * oz, ax * oy - ay * ox
            across = px * sx + py * sy + pz * sz
            gloss = shine
            if part == 5:  # sleeve
                stripes = 0.0 if stripe <= 0 else 1.0 if (along / stripe) % 1.0 > 0.5 else 0.0
                weave = 0.82 + 0.36 * _noise(along * 0.8, across * 0.8, height * 0.2, seed + 5)
                folds = 0.75 + 0.5 * _noise(along * 0.06, across * 0.08, height * 0.08, seed + 9)
                for c in range(3):
                    albedo[c] = (cloth_first[c] * (1 - stripes) + cloth_second[c] * stripes) * weave * folds
                gloss = 0.0
            else:
                share = along / length
                pad = min(max(0.5 + 0.9 * facing, 0.0), 1.0)
                blotch = _noise(along * 0.09 + 31.0 * i, across * 0.09, height * 0.09, seed) - 0.5
                grain = _noise(along * 0.55 + 17.0 * i, across * 0.55, height * 0.55, seed + 1) - 0.5
                tone = 1.0 + mottle * (0.45 * blotch + 0.30 * grain)
                flush = mottle * (0.5 * blotch + (0.22 if part == 3 and share > 0.4 else 0.0))
                dark = 0.0
                if part == 1 or part == 2 or part == 3:
                    dark = _creases(part, share, length, facing)
                elif part == 0 and facing > 0.2:
                    qx, qy, qz = x - palm_frame[0, 0], y - palm_frame[0, 1], z - palm_frame[0, 2]
                    u = qx * palm_frame[1, 0] + qy * palm_frame[1, 1] + qz * palm_frame[1, 2]
                    v = qx * palm_frame[2, 0] + qy * palm_frame[2, 1] + qz * palm_frame[2, 2]
                    dark = 0.8 * _palm_lines(u, v)
                elif part == 4:
                    dark = 0.8 * (_line(along - 3.0, 1.0) + 0.6 * _line(along - 8.0, 1.0)) * max(facing, 0.0)
                for c in range(3):
                    albedo[c] = (back[c] * (1 - pad) + palm[c] * pad) * tone
                albedo[0] *= 1.0 + 0.25 * flush
                albedo[1] *= 1.0 - 0.35 * flush
                albedo[2] *= 1.0 - 0.30 * flush
                if part == 3 and roles[i, 0] == 2 and facing < -0.35:
                    radius = packed[i, RADIUS] + packed[i, TAPER]
                    du, dv = across / (radius * 0.72), (along - length * 0.78) / (length * 0.42)
                    inside = min(max((1.0 - du * du * du * du - dv * dv * dv * dv) * 5.0, 0.0), 1.0)
                    for c in range(3):
                        albedo[c] = albedo[c] * (1 - inside) + nail[c] * inside
                    dark = dark * (1 - inside) + 0.5 * inside * (1 - inside) * 2.0
                    gloss = shine * (1.0 + 2.5 * inside)
                for c in range(3):
                    albedo[c] *= 1.0 - crease * min(dark, 1.0) * (0.75 if c == 0 else 0.9)
            facing_lamp = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
            lit = _lit(shadow_map, basis, x + 1.5 * nx, y + 1.5 * ny, z + 1.5 * nz, softness)
            lit = 1.0 - shadow * (1.0 - lit)
            view = np.sqrt(x * x + y * y + z * z)
            vx, vy, vz = -x / view, -y / view, -z / view
            hx, hy, hz = lamp[0] + vx, lamp[1] + vy, lamp[2] + vz
            half = max(np.sqrt(hx * hx + hy * hy + hz * hz), 1e-6)
            highlight = max((nx * hx + ny * hy + nz * hz) / half, 0.0) ** 24 * gloss * max(facing_lamp, 0.0)
            grazing = (1.0 - max(nx * vx + ny * vy + nz * vz, 0.0)) ** 3
            upward = 0.5 - 0.5 * ny
            for c in range(3):
                # Light scatters under the skin, red the furthest: the terminator is soft and warm.
                wrap = 0.30 if c == 0 else 0.16 if c == 1 else 0.10
                diffuse = max((facing_lamp + wrap) / (1.0 + wrap), 0.0) * lit
                open_colour = openness[row, column] ** (0.75 if c == 0 else 1.0)
                ambient = (ground[c] * (1 - upward) + sky[c] * upward) * open_colour
                light = key[c] * diffuse * (0.45 + 0.55 * open_colour) + ambient
                colour[row, column, c] = albedo[c] * light + key[c] * highlight * lit + rim[c] * grazing * open_colour
    return colour

"""Sphere tracing of the hand: the compiled inner loops that find where each pixel's ray meets the skin.

The surface is a signed distance field (Hart, "Sphere Tracing", 1996): round tapered capsules, joined by a polynomial
smooth minimum (Quilez, "Smooth minimum"). Each tile of 8 x 8 pixels has a list of the few capsules near it, and one
cone around all rays of a tile is marched first, so that a picture of 256 x 256 takes milliseconds. Camera coordinates:
x right, y down, z into the picture, millimetres. Arrays and numbers are float32 unless the text says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Number = Any  # a float32 of compiled code

TILE_PIXELS = 8
NEAR_PLANE = 40.0  # millimetres before the lens; `renderer.pack` cuts off nearer parts
FAR = 1e9
PALM_BLEND, FINGER_BLEND, ROOT_BLEND = 8.0, 2.2, 7.0  # millimetres over which capsules melt together
REACH = 11.0  # millimetres around a capsule within which it changes the picture (blending, occlusion)
LANES = 8  # distances that one vector instruction computes
SHADOW_SIZE = 112  # side of the shadow map, in pixels

# Columns of the packed capsules.
RADIUS, TAPER, LENGTH = 7, 8, 12  # 0: end a, 3: axis, 6: 1 / squared length, 9: palmar vector


class Tiles(NamedTuple):
    """The capsules near each tile of `TILE_PIXELS` x `TILE_PIXELS` pixels, row by row."""

    starts: Any  # int32 (tiles + 1,), where each tile's part of `capsules` begins
    capsules: Any  # int32, capsule numbers, tile after tile
    nearest: Any  # (tiles,), depth at which the nearest capsule of the tile begins


class Surface(NamedTuple):
    """What each pixel of a picture of (size, size) sees."""

    depth: Any  # along z; `FAR` where there is no hand
    alpha: Any  # coverage, 0..1
    normal: Any  # (size, size, 3), unit vectors out of the skin
    owner: Any  # int16, number of the nearest capsule, -1 for none
    openness: Any  # share of the surroundings from which light comes, 0..1


@numba.njit(cache=True, fastmath=True)
def make_tiles(packed: Any, size: int, focal: Number, centre: Any) -> Tiles:
    """List the capsules near each tile of a picture of `size` pixels; `focal` and `centre` are the camera's."""
    cx, cy = centre
    n, across = len(packed), (size + TILE_PIXELS - 1) // TILE_PIXELS
    starts = np.zeros(across * across + 1, np.int32)
    lists = np.empty(across * across * n, np.int32)
    near = np.full(across * across, np.float32(FAR))
    half = TILE_PIXELS * 0.5
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
            x, y = column * TILE_PIXELS + half, row * TILE_PIXELS + half
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
    return Tiles(starts, lists[:count].copy(), near)


@numba.njit(cache=True, fastmath=True, inline="always")
def _smooth_min(a: Number, b: Number, width: Number) -> Number:
    h = max(width - abs(a - b), np.float32(0.0))
    return min(a, b) - h * h * np.float32(0.25) / width


@numba.njit(cache=True, fastmath=True, inline="always")
def _clamp(share: Number) -> Number:
    return min(max(share, np.float32(0.0)), np.float32(1.0))


@numba.njit(cache=True, fastmath=True)
def sdf(x: Number, y: Number, z: Number, tile: Any, roles: Any, count: int, distances: Any) -> Number:
    """Signed distance to the hand in millimetres, negative inside.

    Args:
        tile: (9, n), the first columns of a tile's capsules, one column each, the palm's first, then chain by chain; n
            is a multiple of `LANES`.
        roles: int32 (2, n), role and chain of each.
        count: how many columns are in use.
        distances: (n,), overwritten with the distance to each capsule.
    """
    zero, one, big = np.float32(0.0), np.float32(1.0), np.float32(1e6)
    for k in range((count + LANES - 1) // LANES * LANES):  # whole vectors: no remainder that is computed one by one
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
        if distances[k] < palm + np.float32(PALM_BLEND):  # else it changes nothing, and to skip it is quicker
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
def trace(packed: Any, roles: Any, tiles: Tiles, size: int, focal: Number, centre: Any) -> Surface:
    """Follow one ray per pixel to the surface."""
    starts, lists, near = tiles
    cx, cy = centre
    depth = np.full((size, size), np.float32(FAR))
    alpha, openness = np.zeros((size, size), np.float32), np.ones((size, size), np.float32)
    normal, owner = np.zeros((size, size, 3), np.float32), np.full((size, size), -1, np.int16)
    across = (size + TILE_PIXELS - 1) // TILE_PIXELS
    room = (len(packed) + LANES - 1) // LANES * LANES
    tile, tile_roles = np.zeros((9, room), np.float32), np.zeros((2, room), np.int32)
    distances = np.zeros(room, np.float32)
    pixel, x0, y0 = np.float32(1.0 / focal), np.float32(cx), np.float32(cy)
    for number in range(across * across):
        start, count = starts[number], starts[number + 1] - starts[number]
        if count == 0:
            continue
        for k in range(count):
            i = lists[start + k]
            for column in range(9):
                tile[column, k] = packed[i, column]
            tile_roles[0, k], tile_roles[1, k] = roles[i, 0], roles[i, 1]
        top, left = (number // across) * TILE_PIXELS, (number % across) * TILE_PIXELS
        z = max(near[number], np.float32(NEAR_PLANE))
        z = _march_cone(left, top, z, x0, y0, pixel, tile, tile_roles, count, distances)
        if z >= FAR:
            continue
        for row in range(top, min(top + TILE_PIXELS, size)):
            for column in range(left, min(left + TILE_PIXELS, size)):
                _trace_pixel(
                    row, column, z, x0, y0, pixel, tile, tile_roles, count, distances, lists, start,
                    depth, alpha, normal, owner, openness,
                )  # fmt: skip
    return Surface(depth, alpha, normal, owner, openness)


@numba.njit(cache=True, fastmath=True)
def _march_cone(
    left: int, top: int, z: Number, x0: Number, y0: Number, pixel: Number, tile: Any, roles: Any, count: int,
    distances: Any,
) -> Number:  # fmt: skip
    """The depth, from `z` on, that all rays of a tile reach without a touch; `FAR` where all miss the hand."""
    half = np.float32(TILE_PIXELS * 0.71) * pixel
    u = (np.float32(left + TILE_PIXELS // 2) - x0) * pixel
    v = (np.float32(top + TILE_PIXELS // 2) - y0) * pixel
    stretch = np.float32(np.sqrt(u * u + v * v + np.float32(1.0)))
    for _ in range(64):
        distance = sdf(u * z, v * z, z, tile, roles, count, distances) - half * z * np.float32(1.2)
        if distance < np.float32(0.8):
            return z
        if distance > np.float32(1e4) or z > np.float32(4000.0):
            break
        z += distance * np.float32(0.9) / stretch
    return np.float32(FAR)


@numba.njit(cache=True, fastmath=True)
def _trace_pixel(
    row: int, column: int, z: Number, x0: Number, y0: Number, pixel: Number, tile: Any, roles: Any, count: int,
    distances: Any, lists: Any, start: int, depth: Any, alpha: Any, normal: Any, owner: Any, openness: Any,
) -> None:  # fmt: skip
    """Follow the ray of one pixel from depth `z` on, and write the surface that it meets."""
    one, e, near, far = np.float32(1.0), np.float32(0.4), np.float32(3.0), np.float32(9.0)
    u = (np.float32(column) + np.float32(0.5) - x0) * pixel
    v = (np.float32(row) + np.float32(0.5) - y0) * pixel
    stride = np.float32(0.97) / np.float32(np.sqrt(u * u + v * v + one))
    edge, best_z, best, nearest = np.float32(1e6), np.float32(0.0), np.float32(0.0), 0
    for _ in range(40):
        distance = sdf(u * z, v * z, z, tile, roles, count, distances)
        blur = distance / (z * pixel)
        if blur < edge:
            edge, best_z, best = blur, z, distance
        if blur < np.float32(0.2) or blur > np.float32(300.0):
            break
        z += max(distance, np.float32(0.35) * z * pixel) * stride
    if edge >= one:
        return
    x, y = u * best_z, v * best_z
    if z != best_z:  # a grazing ray went past its closest point
        z = best_z
        sdf(x, y, z, tile, roles, count, distances)
    for k in range(1, count):
        if distances[k] < distances[nearest]:
            nearest = k
    alpha[row, column] = min(one, (one - edge) / np.float32(0.85))
    depth[row, column], owner[row, column] = z, lists[start + nearest]
    nx = sdf(x + e, y, z, tile, roles, count, distances) - best
    ny = sdf(x, y + e, z, tile, roles, count, distances) - best
    nz = sdf(x, y, z + e, tile, roles, count, distances) - best
    length = one / max(np.float32(np.sqrt(nx * nx + ny * ny + nz * nz)), np.float32(1e-6))
    nx, ny, nz = nx * length, ny * length, nz * length
    normal[row, column, 0], normal[row, column, 1], normal[row, column, 2] = nx, ny, nz
    near_open = _clamp(sdf(x + near * nx, y + near * ny, z + near * nz, tile, roles, count, distances) / near)
    far_open = _clamp(sdf(x + far * nx, y + far * ny, z + far * nz, tile, roles, count, distances) / far)
    openness[row, column] = (np.float32(0.25) + np.float32(0.75) * near_open) * (
        np.float32(0.35) + np.float32(0.65) * far_open
    )


class ShadowMap(NamedTuple):
    """The hand as the lamp sees it, in parallel light."""

    depths: Any  # (`SHADOW_SIZE`, `SHADOW_SIZE`), millimetres from the lamp; `FAR` where there is no hand
    basis: Any  # (5, 3), rows right, down, away from the lamp, corner, scale: u = (p . right - corner[0]) * scale[0]


@numba.njit(cache=True, fastmath=True)
def draw_shadow_map(packed: Any, roles: Any, direction: Any) -> ShadowMap:
    """Draw the hand as a lamp in `direction` (a unit vector) sees it."""
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
            _draw_depth(depths, packed[i], basis, scale)
    return ShadowMap(depths, basis)


@numba.njit(cache=True, fastmath=True)
def _draw_depth(depths: Any, capsule: Any, basis: Any, scale: Number) -> None:
    """Draw one capsule into a shadow map as a row of balls."""
    steps = int(capsule[LENGTH] / max(capsule[RADIUS] * 0.35, 1.0)) + 2
    for step in range(steps):
        share = np.float32(step / (steps - 1))
        radius = capsule[RADIUS] + share * capsule[TAPER]
        centre = np.zeros(3, np.float32)
        for k in range(3):
            for j in range(3):
                centre[k] += (capsule[j] + share * capsule[3 + j]) * basis[k, j]
        u, v = (centre[0] - basis[3, 0]) * scale, (centre[1] - basis[3, 1]) * scale
        r = radius * scale
        for row in range(max(int(v - r), 0), min(int(v + r) + 1, SHADOW_SIZE)):
            for column in range(max(int(u - r), 0), min(int(u + r) + 1, SHADOW_SIZE)):
                height = radius * radius - ((column + 0.5 - u) ** 2 + (row + 0.5 - v) ** 2) / (scale * scale)
                if height > 0:
                    depths[row, column] = min(depths[row, column], centre[2] - np.sqrt(height))


@numba.njit(cache=True, fastmath=True)
def measure_lamp_share(shadow_map: ShadowMap, x: Number, y: Number, z: Number, softness: Number) -> Number:
    """Share of the lamp's light that reaches a point, 0..1, smoothed over `softness` millimetres."""
    depths, basis = shadow_map
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

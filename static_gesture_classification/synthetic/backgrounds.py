"""Backgrounds of hands: paper, walls, patterns, rooms, clutter, and people with faces and clothes.

A classifier must learn to ignore all of it: straight edges like fingers, skin-coloured things, windows that blind the
camera.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from static_gesture_classification.arrays import Colour, Doubles, Singles
from static_gesture_classification.synthetic.subjects import TONES


def draw_background(rng: np.random.Generator, size: int, variety: float = 1.0) -> Singles:
    """One background: sRGB float32 (size, size, 3), 0..255.

    Args:
        variety: 1 draws all kinds, 0 only the quiet ones.
    """
    kinds: tuple[tuple[float, Callable[[np.random.Generator, int], Image.Image]], ...] = (
        (0.20, draw_paper), (0.10, draw_gradient), (0.33 * variety, draw_room),
        (0.12 * variety, draw_pattern), (0.15 * variety, draw_clutter), (0.10 * variety, draw_foliage),
    )  # fmt: skip
    weights = np.array([weight for weight, _ in kinds])
    image = kinds[rng.choice(len(kinds), p=weights / weights.sum())][1](rng, size)
    return np.array(image, np.float32)


def draw_paper(rng: np.random.Generator, size: int) -> Image.Image:
    """A plain sheet or wall, lit unevenly, now and then with its edge or a fold in the picture."""
    base = rng.uniform(120, 245) + rng.normal(0, 9, 3) if rng.random() < 0.7 else draw_colour(rng)
    image = Image.new("RGB", (size, size), _colour(base))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.4:
        x = rng.uniform(-0.1, 1.1) * size
        slope = rng.normal(0, 0.25) * size
        draw.line([(x, 0), (x + slope, size)], fill=_colour(base - rng.uniform(8, 50)), width=int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        y = rng.uniform(0.75, 1.0) * size
        draw.rectangle((0, y, size, size), fill=_colour(base * rng.uniform(0.6, 1.1)))
    return _light_unevenly(image, rng, rng.uniform(0.05, 0.6))


def draw_gradient(rng: np.random.Generator, size: int) -> Image.Image:
    """Two to four colours that run into each other."""
    n = int(rng.integers(2, 4))
    corners = np.array([draw_colour(rng) for _ in range(n * n)]).reshape(n, n, 3).astype(np.uint8)
    return Image.fromarray(corners).resize((size, size), Image.Resampling.BICUBIC)


def draw_pattern(rng: np.random.Generator, size: int) -> Image.Image:
    """Cloth, wallpaper or tiles: stripes, checks, plaid, dots, turned and stretched."""
    return _light_unevenly(_draw_cloth(rng, size, float(rng.uniform(6, 50))), rng, rng.uniform(0, 0.4))


def draw_clutter(rng: np.random.Generator, size: int) -> Image.Image:
    """Things without a name: overlapping shapes of every size, often out of focus."""
    image = Image.new("RGB", (size, size), _colour(draw_colour(rng)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(8, 40)):
        _draw_thing(draw, rng, size, float(rng.uniform(0.04, 0.6)))
    return image.filter(ImageFilter.GaussianBlur(float(rng.choice([0.0, 1.0, 2.5, 6.0]))))


def draw_foliage(rng: np.random.Generator, size: int) -> Image.Image:
    """Noise of several sizes: leaves, carpets, plaster, bark."""
    total = np.zeros((size, size, 3), np.float32)
    amplitude = 1.0
    roughness = rng.uniform(0.4, 0.85)
    for cells in (3, 6, 12, 25, 50, 100):
        noise = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        leaves = Image.fromarray(noise).resize((size, size), Image.Resampling.BILINEAR)
        total += amplitude * np.asarray(leaves, np.float32)
        amplitude *= roughness
    total = (total - total.mean()) / max(total.std(), 1e-3)
    grey = total.mean(axis=2, keepdims=True)
    mixed = draw_colour(rng) + (grey * rng.uniform(15, 60) + total * rng.uniform(0, 25))
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def draw_room(rng: np.random.Generator, size: int) -> Image.Image:
    """A wall with some of window, door, shelf, monitor, picture and chair; often with a person."""
    wall = rng.uniform(90, 240) + rng.normal(0, 14, 3) if rng.random() < 0.75 else draw_colour(rng)
    image = Image.new("RGB", (size, size), _colour(wall))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.45:  # where wall meets wall, or floor, or ceiling
        x, slope = rng.uniform(0, size), rng.normal(0, 0.3) * size
        side = [(x, 0), (x + slope, size), (size, size), (size, 0)]
        draw.polygon(side, fill=_colour(wall * rng.uniform(0.6, 1.1)))
    if rng.random() < 0.35:
        y = rng.uniform(0.6, 1) * size
        floor = [(0, y), (size, y + rng.normal(0, 0.1) * size), (size, size), (0, size)]
        draw.polygon(floor, fill=_colour(draw_colour(rng) * 0.8))
    furniture = (_draw_window, _draw_door, _draw_shelf, _draw_monitor, _draw_frame, _draw_chair)
    for _ in range(rng.integers(0, 5)):
        furniture[rng.integers(len(furniture))](draw, rng, size)
    if rng.random() < 0.55:
        _draw_person(image, rng, size)
    image = _light_unevenly(image, rng, rng.uniform(0, 0.45))
    blur = rng.choice([0.0, 0.7, 1.5, 3.0, 5.0], p=[0.3, 0.25, 0.2, 0.15, 0.1])
    return image.filter(ImageFilter.GaussianBlur(float(blur)))


def _draw_window(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    x, y = rng.uniform(-0.3, 0.8, 2) * size
    width, height = rng.uniform(0.25, 0.8, 2) * size
    draw.rectangle((x, y, x + width, y + height), fill=_colour(rng.uniform(205, 255, 3)))
    for _ in range(rng.integers(0, 4)):  # what can be seen through it
        u, v = x + rng.uniform(0, 0.8) * width, y + rng.uniform(0.3, 0.9) * height
        draw.rectangle((u, v, u + 0.25 * width, y + height), fill=_colour(rng.uniform(120, 240, 3)))
    bars, colour = int(rng.integers(1, 5)), _colour(draw_colour(rng))
    thick = int(rng.uniform(2, 8))
    for k in range(bars + 1):
        draw.line([(x + width * k / bars, y), (x + width * k / bars, y + height)], fill=colour, width=thick)
    for k in range(int(rng.integers(1, 4)) + 1):
        draw.line([(x, y + height * k / 3), (x + width, y + height * k / 3)], fill=colour, width=thick)


def _draw_door(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    x, width = rng.uniform(-0.3, 0.9) * size, rng.uniform(0.2, 0.5) * size
    base = rng.uniform(15, 190) * np.array([1, 0.85, 0.7]) + rng.normal(0, 8, 3)
    place = (x, rng.uniform(-0.2, 0.2) * size, x + width, 1.1 * size)
    draw.rectangle(place, fill=_colour(base), outline=_colour(base * 0.7), width=3)
    draw.ellipse((x + 8, 0.55 * size, x + 16, 0.55 * size + 8), fill=_colour(rng.uniform(100, 240, 3)))


def _draw_shelf(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    y, x = rng.uniform(0.1, 0.9) * size, rng.uniform(-0.2, 0.6) * size
    end = x + rng.uniform(0.3, 0.9) * size
    draw.rectangle((x, y, end, y + 5), fill=_colour(draw_colour(rng)))
    while x < end:
        width, height = rng.uniform(4, 18), rng.uniform(15, 60)
        draw.rectangle((x, y - height, x + width, y), fill=_colour(draw_colour(rng)))
        x += width + rng.choice([1, 1, 10])


def _draw_monitor(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    x, y = rng.uniform(-0.2, 0.7) * size, rng.uniform(0.1, 0.8) * size
    width = rng.uniform(0.3, 0.7) * size
    edge, foot = min(5, 0.1 * width), min(8, 0.16 * width)  # of a small one they would leave no screen
    draw.rectangle((x, y, x + width, y + 0.62 * width), fill=_colour(rng.uniform(8, 50, 3)))
    if rng.random() < 0.5:
        screen = (x + edge, y + edge, x + width - edge, y + 0.62 * width - foot)
        draw.rectangle(screen, fill=_colour(draw_colour(rng)))
    stand = (x + 0.42 * width, y + 0.62 * width, x + 0.58 * width, y + 0.8 * width)
    draw.rectangle(stand, fill=_colour(rng.uniform(10, 70, 3)))


def _draw_frame(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    x, y = rng.uniform(0, 0.85, 2) * size
    width, height = rng.uniform(0.06, 0.3, 2) * size
    fill, edge = _colour(draw_colour(rng)), _colour(rng.uniform(0, 160, 3))
    draw.rectangle((x, y, x + width, y + height), fill=fill, outline=edge, width=3)


def _draw_chair(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    x, y = rng.uniform(-0.2, 0.8) * size, rng.uniform(0.6, 0.95) * size
    width = rng.uniform(0.3, 0.7) * size
    draw.rounded_rectangle(
        (x, y, x + width, 1.3 * size),
        radius=float(rng.uniform(0.02, 0.2) * width),
        fill=_colour(draw_colour(rng) * 0.7),
    )


# A torso from shoulder to hip, in heads from the middle of the shoulders.
TORSO = (
    (-2.1, 4), (-2.0, 1.2), (-1.5, 0.35), (-0.4, 0), (0.4, 0), (1.5, 0.35), (2.0, 1.2), (2.1, 4), (2.1, 12), (-2.1, 12),
)  # fmt: skip


def _draw_person(image: Image.Image, rng: np.random.Generator, size: int) -> None:
    """A torso in clothes, mostly with neck and face: skin that is no hand."""
    x, head = rng.uniform(-0.15, 1.15) * size, rng.uniform(0.11, 0.3) * size
    top = rng.uniform(-0.6, 0.45) * size  # of the head
    shoulder = top + 2.75 * head
    skin = np.array(TONES[rng.integers(len(TONES))], np.float64) * rng.uniform(0.7, 1.0)
    body = Image.new("L", image.size, 0)
    ImageDraw.Draw(body).polygon([(x + u * head, shoulder + v * head) for u, v in TORSO], fill=255)
    if rng.random() < 0.5:
        cloth = _draw_cloth(rng, size, float(rng.uniform(5, 22)))
    else:
        plain = rng.choice([15.0, 30.0, 60.0, 230.0]) + rng.uniform(-12, 60, 3) * rng.random()
        cloth = Image.new("RGB", image.size, _colour(plain))
    image.paste(cloth, (0, 0), body)
    neck = (x - 0.42 * head, top + 1.7 * head, x + 0.42 * head, shoulder + 0.25 * head)
    ImageDraw.Draw(image).rectangle(neck, fill=_colour(skin * 0.85))
    _draw_face(ImageDraw.Draw(image), rng, x, top, head, skin)


def _draw_face(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    x: float,
    top: float,
    head: float,
    skin: Doubles,
) -> None:
    """Hair, face, eyes with brows, nose, mouth, now and then glasses; `x` is the middle, `head` half the height."""

    def box(left: float, upper: float, right: float, lower: float) -> tuple[float, float, float, float]:
        return x + left * head, top + upper * head, x + right * head, top + lower * head

    hair = _colour(rng.choice([18.0, 35.0, 70.0, 150.0]) * np.array([1.0, 0.75, 0.5]))
    draw.ellipse(box(-0.95, -0.15, 0.95, 1.7), fill=hair)
    draw.ellipse(box(-0.8, 0.15, 0.8, 2.3), fill=_colour(skin))
    turn = rng.uniform(-0.25, 0.25)
    for eye in (-0.33 + turn, 0.33 + turn):
        left, upper, right, _ = place = box(eye - 0.11, 1.0, eye + 0.11, 1.13)
        draw.ellipse(place, fill=_colour(rng.uniform(20, 60, 3)))
        brow = (left - 2, upper - 0.12 * head, right + 2, upper - 0.14 * head)
        draw.line(brow, fill=hair, width=max(int(head / 14), 1))
    draw.line(box(turn, 1.1, turn + 0.08, 1.5), fill=_colour(skin * 0.75), width=2)
    draw.ellipse(box(turn - 0.25, 1.68, turn + 0.25, 1.8), fill=_colour(skin * np.array([0.8, 0.5, 0.5])))
    if rng.random() < 0.3:
        for eye in (-0.36 + turn, 0.36 + turn):
            draw.ellipse(box(eye - 0.25, 0.88, eye + 0.25, 1.24), outline=(20, 20, 22), width=2)


def _draw_cloth(rng: np.random.Generator, size: int, period: float) -> Image.Image:
    """Stripes, checks, plaid or dots of two or three colours in a period of pixels."""
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32)
    angle = rng.choice([0.0, rng.uniform(0, np.pi)]) + rng.normal(0, 0.06)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = xs * cosine + ys * sine, ys * cosine - xs * sine
    v *= np.float32(rng.uniform(0.5, 1.6))
    u, v = u / period, v / period
    u, v = u - np.floor(u), v - np.floor(v)
    colours = np.array([draw_colour(rng) for _ in range(3)])
    if rng.random() < 0.5:
        colours = colours[0] * rng.uniform(0.3, 1.4, (3, 1))
    width, kind = rng.uniform(0.25, 0.75), int(rng.integers(5))
    if kind == 0:
        first, second = u < width, np.zeros_like(u, bool)
    elif kind == 1:
        first, second = (u < 0.5) ^ (v < 0.5), np.zeros_like(u, bool)
    elif kind == 2:
        first, second = u < width, v < width * 0.6
    elif kind == 3:
        first, second = (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.15 * width, np.zeros_like(u, bool)
    else:
        first, second = (u < 0.12) | (v < 0.12), (np.abs(u - 0.5) < width * 0.2) | (np.abs(v - 0.5) < width * 0.2)
    plain = colours[[1, 0]]
    palette = np.clip(np.concatenate([plain, 0.5 * (plain + colours[2])]), 0, 255).astype(np.uint8)
    return Image.fromarray(palette[first + np.uint8(2) * second])


def _draw_thing(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: int, extent: float) -> None:
    """A box, a ball, a shard or a rod, of any colour or that of skin."""
    x, y = rng.uniform(-0.2, 1.2, 2) * size
    w, h = extent * size * rng.uniform(0.2, 1, 2)
    skin = rng.random() < 0.12
    colour = _colour(np.array(TONES[rng.integers(len(TONES))]) * rng.uniform(0.6, 1) if skin else draw_colour(rng))
    kind = rng.integers(4)
    if kind == 0:
        draw.rectangle((x, y, x + w, y + h), fill=colour)
    elif kind == 1:
        draw.ellipse((x, y, x + w, y + h), fill=colour)
    elif kind == 2:
        draw.polygon([(x + float(a), y + float(b)) for a, b in rng.normal(0, extent * size * 0.5, (4, 2))], fill=colour)
    else:
        dx, dy = rng.normal(0, extent * size, 2)
        draw.line([(x, y), (x + dx, y + dy)], fill=colour, width=int(rng.integers(1, 22)))


def _light_unevenly(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Light that falls off over the picture: a soft vignette or a lamp to one side."""
    ys, xs = np.mgrid[0:24, 0:24].astype(np.float32) / 23
    x, y = rng.uniform(-0.2, 1.2, 2) if rng.random() < 0.6 else (0.5, 0.5)
    fall = 1 - strength * np.minimum(((xs - x) ** 2 + (ys - y) ** 2) * rng.uniform(0.6, 1.6), 1.0)
    shade = Image.fromarray(np.clip(fall * 255, 0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    shaded = np.asarray(image, np.float32) * (np.asarray(shade, np.float32) / 255)[..., None]
    return Image.fromarray(shaded.astype(np.uint8))


def draw_colour(rng: np.random.Generator) -> Doubles:
    """A colour as rooms have them: mostly muted, one in eight of any saturation; sRGB 0..255."""
    if rng.random() < 0.12:
        return rng.uniform(0, 255, 3)
    brightness, saturation = rng.uniform(10, 250), rng.beta(1.1, 3.5)
    hue = rng.uniform(0, 1, 3)
    hue = (hue - hue.min()) / max(float(np.ptp(hue)), 1e-3)
    return brightness * (1 - saturation * (1 - hue))


def _colour(values: npt.ArrayLike) -> Colour:
    """Three numbers as a colour for Pillow."""
    red, green, blue = (int(value) for value in np.clip(np.asarray(values, np.float64), 0, 255))
    return red, green, blue

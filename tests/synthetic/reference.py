"""Small pictures of fixed seeds, kept in reference.png: what is drawn, and how, does not change unnoticed.

    python -m tests.synthetic.reference      # writes the file anew, after a change that is meant

Each tile is a background, a thing in one, a person, cloth, or a photograph of a hand.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from static_gesture_classification.synthetic import backgrounds
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.scenes import draw_hand, photograph
from static_gesture_classification.synthetic.subjects import draw_subject

FILE = Path(__file__).with_name("reference.png")
SIZE, LARGE, COLUMNS = 24, 48, 16
KINDS = ("paper", "gradient", "room", "pattern", "clutter", "foliage")
THINGS = ("window", "door", "shelf", "monitor", "frame", "chair")
OPEN = {"mcp": [-6, 14], "pip": [0, 12], "dip": [0, 9]}
CURLED = {"mcp": [68, 92], "pip": [88, 112], "dip": [40, 75]}
POSES = {
    "OPEN": [{"fingers": OPEN, "spread": [0, 12], "thumb": {"lift": [0, 30]}, "view": {"yaw": [-30, 30]}}],
    "BACK": [{"fingers": OPEN, "thumb": {"mcp": 20}, "view": {"yaw": [150, 210], "roll": [-40, 40]}}],
    "FIST": [{"fingers": CURLED, "thumb": {"touch": "middle.back"}, "view": {"pitch": [-20, 40]}}],
    "TOUCH": [
        {"fingers": {"mcp": 45, "pip": 60, "dip": 30}, "thumb": {"touch": "index.tip"}, "view": {"yaw": [20, 80]}}
    ],
}


def draw_tiles() -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of each tile."""
    for kind in KINDS:
        for seed in range(8):
            yield f"{kind} {seed}", getattr(backgrounds, f"draw_{kind}")(np.random.default_rng(seed), SIZE)
    for thing in THINGS:
        for seed in range(4):
            image = Image.new("RGB", (LARGE, LARGE))
            getattr(backgrounds, f"_draw_{thing}")(ImageDraw.Draw(image), np.random.default_rng(seed), LARGE)
            yield f"{thing} {seed}", image
    for seed in range(8):
        image = Image.new("RGB", (LARGE, LARGE))
        backgrounds._draw_person(image, np.random.default_rng(seed), LARGE)
        yield f"person {seed}", image
        yield f"cloth {seed}", backgrounds._draw_cloth(np.random.default_rng(seed), SIZE, 12.0)
    yield "skins and sleeves of 24 people", draw_colours()
    yield from draw_hands()


def draw_colours() -> Image.Image:
    """One column per person: back, palm, nail, and the two colours of each sleeve."""
    people = [draw_subject(k, str(k), np.random.default_rng(k)) for k in range(SIZE)]
    colours = [[p.skin.back, p.skin.palm, p.skin.nail, *(c for w in p.wardrobe for c in w[:2])] for p in people]
    return Image.fromarray((np.clip(np.array(colours), 0, 1) ** (1 / 2.2) * 255).astype(np.uint8).swapaxes(0, 1))


def draw_hands() -> Iterator[tuple[str, Image.Image]]:
    """Photographs: each pose of three people, in a studio and elsewhere."""
    poses = read_poses({"gestures": POSES}, tuple(POSES))
    for gesture in POSES:
        for seed in range(4):
            rng = np.random.default_rng(seed)
            hand = draw_hand(
                gesture, draw_subject(seed, str(seed), rng), partial(poses.draw, gesture), LARGE, rng, seed % 2
            )
            yield f"{gesture} {seed}", Image.fromarray(photograph(hand, rng, seed % 2))


def lay_out(tiles: list[Image.Image]) -> Image.Image:
    """All tiles on one sheet, row by row."""
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * LARGE, rows * LARGE))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, locate(number))
    return sheet


def locate(number: int) -> tuple[int, int]:
    """Left upper corner of a tile."""
    return number % COLUMNS * LARGE, number // COLUMNS * LARGE


if __name__ == "__main__":
    lay_out([tile for _, tile in draw_tiles()]).save(FILE, optimize=True)

"""Drawing on a picture: rectangles, pictures and text in any script, fast enough for a live window.

All arrays are uint8 (height, width, 3), RGB; coordinates are pixels from the upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from static_gesture_classification.arrays import Colour

GROUND: Colour = (22, 24, 29)
PANEL: Colour = (34, 37, 44)
RAISED: Colour = (52, 57, 67)
TEXT: Colour = (240, 242, 245)
MUTED: Colour = (165, 172, 184)
GOOD: Colour = (86, 205, 128)
WARNING: Colour = (255, 192, 72)
BAD: Colour = (250, 98, 88)
ACCENT: Colour = (98, 170, 255)


@dataclass(frozen=True)
class Target:
    """A rectangle that can be clicked: x1, y1, x2, y2, and the key that a click gives."""

    place: tuple[int, int, int, int]
    key: str

    def holds(self, x: int, y: int) -> bool:
        """Whether a point lies in it."""
        x1, y1, x2, y2 = self.place
        return x1 <= x < x2 and y1 <= y < y2


@dataclass
class Canvas:
    """A picture to draw on, and its clickable targets."""

    pixels: np.ndarray
    targets: list[Target] = field(default_factory=list)

    @classmethod
    def blank(cls, width: int, height: int) -> Canvas:
        """An empty canvas."""
        return cls(_empty(width, height).copy())

    def fill(self, x1: int, y1: int, x2: int, y2: int, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a rectangle."""
        part = self.pixels[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        if opacity >= 1:
            part[:] = colour
        else:
            shades = (
                np.arange(256)[:, None] * (1 - opacity) + np.array(colour) * opacity
            )  # of each grey level, by channel
            for channel in range(3):
                part[..., channel] = shades[:, channel].astype(np.uint8)[part[..., channel]]

    def frame(self, x1: int, y1: int, x2: int, y2: int, colour: Colour, width: int = 2) -> None:
        """Draw a rectangle's outline, inside it."""
        self.fill(x1, y1, x2, y1 + width, colour)
        self.fill(x1, y2 - width, x2, y2, colour)
        self.fill(x1, y1, x1 + width, y2, colour)
        self.fill(x2 - width, y1, x2, y2, colour)

    def bar(self, x1: int, y1: int, x2: int, y2: int, share: float, colour: Colour) -> None:
        """Draw a bar that is filled up to `share`, 0..1."""
        self.fill(x1, y1, x2, y2, RAISED)
        self.fill(x1, y1, x1 + round((x2 - x1) * min(max(share, 0), 1)), y2, colour)

    def paste(self, picture: np.ndarray, x: int, y: int) -> None:
        """Put a picture with its upper left corner at x, y; parts outside are cut off."""
        height, width = self.pixels.shape[:2]
        part = picture[: max(height - y, 0), : max(width - x, 0)]
        self.pixels[y : y + part.shape[0], x : x + part.shape[1]] = part

    def text(
        self,
        text: str,
        x: int,
        y: int,
        size: int = 18,
        colour: Colour = TEXT,
        bold: bool = False,
        most: int | None = None,
    ) -> int:
        """Write one line, shortened with … if it is wider than `most` pixels; returns its width in pixels."""
        if most is not None:
            text = shorten_line(text, size, bold, most)
        mask = _mask(text, size, bold)
        height, width = self.pixels.shape[:2]
        mask = mask[: max(height - y, 0), : max(width - x, 0)]
        part = self.pixels[y : y + mask.shape[0], x : x + mask.shape[1]]
        part[:] = (part + (np.array(colour, np.float32) - part) * mask[..., None]).astype(np.uint8)
        return int(mask.shape[1])

    def paragraph(
        self,
        text: str,
        x: int,
        y: int,
        width: int,
        size: int = 18,
        colour: Colour = TEXT,
        bold: bool = False,
        lines: int = 99,
    ) -> int:
        """Write a text in lines of at most `width` pixels; returns the y below it."""
        broken = wrap(text, size, bold, width)
        if len(broken) > lines:
            broken = [*broken[: lines - 1], " ".join(broken[lines - 1 :])]
        for line in broken:
            self.text(line, x, y, size, colour, bold, width)
            y += line_height(size)
        return y

    def click(self, x1: int, y1: int, x2: int, y2: int, key: str) -> None:
        """Make a rectangle clickable."""
        if key:
            self.targets.append(Target((x1, y1, x2, y2), key))


def scale_to_fit(picture: np.ndarray, width: int, height: int, enlarge: bool = True) -> np.ndarray:
    """Scale a picture to fit into width x height pixels."""
    from static_gesture_classification.opencv import cv2

    scale = min(width / picture.shape[1], height / picture.shape[0])
    if scale == 1:
        return picture
    if not enlarge:
        scale = min(scale, 1.0)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=smooth)


def mirror(picture: np.ndarray) -> np.ndarray:
    """Mirror a picture."""
    from static_gesture_classification.opencv import cv2

    return cv2.flip(picture, 1)


def line_height(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.4)


@lru_cache(2048)
def text_width(text: str, size: int, bold: bool = False) -> int:
    """Width of one line in pixels."""
    return int(np.ceil(_font(size, bold).getlength(text)))


@lru_cache(1024)
def shorten_line(text: str, size: int, bold: bool, most: int) -> str:
    """Shorten a line with … to at most `most` pixels."""
    if text_width(text, size, bold) <= most:
        return text
    while text and text_width(text + "…", size, bold) > most:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(512)
def wrap(text: str, size: int, bold: bool, width: int) -> list[str]:
    """Break a text between words into lines of at most `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, bold) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(2)
def _empty(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), GROUND, np.uint8)


@lru_cache(16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib  # its wheel brings DejaVu, so that text looks the same everywhere

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size)


@lru_cache(1024)
def _mask(text: str, size: int, bold: bool) -> np.ndarray:
    """The opacity of a line's pixels: float32 (height, width), 0..1."""
    width = max(1, text_width(text, size, bold))
    image = Image.new("L", (width, line_height(size)))
    ImageDraw.Draw(image).text((0, round(size * 0.08)), text, font=_font(size, bold), fill=255)
    return np.asarray(image, np.float32) / 255

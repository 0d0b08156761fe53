"""A picture of the synthetic hands: one row per gesture, one column per person.

gestures contact-sheet synthetic.contact_sheet=docs/images/synthetic_hands.jpg
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig
from PIL import Image, ImageDraw, ImageFont

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.synthetic.plan import Picture, Plan
from static_gesture_classification.terminal import console, track

PEOPLE = 8
TILE = 128  # pixels
LABEL_HEIGHT = 18
QUALITY = 80


def contact_sheet(plan: Plan, people: int = PEOPLE) -> npt.NDArray[np.uint8]:
    """The first pictures of every gesture, as the dataset has them: uint8 (height, width, 3)."""
    sheet = Image.new("RGB", (people * TILE, len(plan.gestures) * (TILE + LABEL_HEIGHT)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number in track(range(len(plan.gestures) * people), "contact sheet", len(plan.gestures) * people):
        row, column = divmod(number, people)
        pixels = plan.photograph(Picture(plan.gestures[row], column))
        tile = Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (column * TILE, row * (TILE + LABEL_HEIGHT) + LABEL_HEIGHT))
    for row, gesture in enumerate(plan.gestures):
        draw.text((4, row * (TILE + LABEL_HEIGHT) + 1), gesture, fill="black", font=font)
    return np.asarray(sheet)


@entry_point
def main(config: DictConfig) -> None:
    """Write the contact sheet of the configured synthetic hands as a JPEG file."""
    path = Path(config.synthetic.contact_sheet)
    sheet = contact_sheet(Plan.from_config(config))
    with atomic_path(path) as partial:
        Image.fromarray(sheet).save(partial, "JPEG", quality=QUALITY, optimize=True)
    console.print(f"contact sheet: {path} ({path.stat().st_size / 1024:,.0f} KB)", highlight=False, markup=False)


if __name__ == "__main__":
    main()

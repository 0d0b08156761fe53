"""A picture of the synthetic hands: one row per gesture, one column per subject.

gestures contact-sheet synthetic.contact_sheet=docs/images/synthetic_hands.jpg
"""

from __future__ import annotations

from omegaconf import DictConfig
from PIL import Image, ImageDraw, ImageFont

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.terminal import say, track

CONTACT_SUBJECTS = 8
CONTACT_TILE = 128  # pixels
LABEL_HEIGHT = 18
CONTACT_QUALITY = 80


def draw_contact_sheet(dataset: SyntheticDataset, subjects: int = CONTACT_SUBJECTS) -> Image.Image:
    """Draw the first pictures of every gesture; RGB."""
    gestures, height = dataset.vocabulary.names, CONTACT_TILE + LABEL_HEIGHT
    sheet = Image.new("RGB", (subjects * CONTACT_TILE, len(gestures) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number in track(range(len(gestures) * subjects), "contact sheet", len(gestures) * subjects):
        row, column = divmod(number, subjects)
        tile = Image.fromarray(dataset.photograph(Picture(gestures[row], column)))
        tile = tile.resize((CONTACT_TILE, CONTACT_TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (column * CONTACT_TILE, row * height + LABEL_HEIGHT))
    for row, gesture in enumerate(gestures):
        draw.text((4, row * height + 1), gesture, fill="black", font=font)
    return sheet


@entry_point
def main(config: DictConfig) -> None:
    """Write the contact sheet of the configured synthetic hands as a JPEG file."""
    dataset = SyntheticDataset.from_config(config)
    path, sheet = dataset.settings.contact_sheet, draw_contact_sheet(dataset)
    with atomic_path(path) as partial:
        sheet.save(partial, "JPEG", quality=CONTACT_QUALITY, optimize=True)
    say(f"contact sheet: {path} ({path.stat().st_size / 1024:,.0f} KB)")


if __name__ == "__main__":
    main()

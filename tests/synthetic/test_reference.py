import numpy as np
from PIL import Image

from tests.synthetic.reference import FILE, draw_tiles, locate


def test_pictures_of_a_seed_stay_as_they_are():
    """Another version of a library may change a few pixels; a change of ours changes many of some picture."""
    with Image.open(FILE) as image:
        sheet = image.convert("RGB")
    changed = []
    for number, (name, tile) in enumerate(draw_tiles()):
        x, y = locate(number)
        kept = np.asarray(sheet.crop((x, y, x + tile.width, y + tile.height)), int)
        if (np.abs(kept - np.asarray(tile)).max(axis=2) > 3).mean() > 0.005:
            changed.append(name)
    assert not changed, "if the change is meant: python -m tests.synthetic.reference"

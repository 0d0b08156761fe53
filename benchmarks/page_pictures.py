"""The pictures of the page in docs/images: taken from the page itself, with drawn hands alone.

    python benchmarks/page_pictures.py [FOLDER]

FOLDER is a working folder whose first model was made there (`gestures first-model`, then `gestures retrain
+experiment=drawn_hands`); without one, both are done in a temporary folder, which takes two minutes. No photograph is
in the pictures: the page shows what it has, so leave recordings out of FOLDER.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from review import served

PROJECT = Path(__file__).resolve().parent.parent
IMAGES = PROJECT / "docs" / "images"
SIZE = (1280, 800)
COLOURS = 96  # of a picture; enough for flat colours, a third of the size
PAGES = {  # picture: address, what has to be seen first
    "start": ("/", "ol.path"),
    "retrain": ("/retrain", "table.pairs"),
    "confusions": ("/confusions", "text=Worst pairs"),
    "map": ("/map", "text=lie together"),
    "checkpoints": ("/checkpoints", "text=/[01][.][0-9]{4} to [01][.][0-9]{4}/"),
}


def main() -> None:
    if sys.argv[1:]:
        take_pictures(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for command in (["first-model"], ["retrain", "+experiment=drawn_hands", "seed=1"]):
            subprocess.run([sys.executable, "-m", "static_gesture_classification", *command], cwd=folder, check=True)
        take_pictures(Path(folder))


def take_pictures(folder: Path) -> None:
    """Open each page, and keep what is seen."""
    from playwright.sync_api import sync_playwright

    with served(folder) as (address, _), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce").new_page()
        for name, (place, wanted) in PAGES.items():
            page.goto(address + place)
            page.wait_for_selector(wanted)
            page.wait_for_load_state("networkidle")
            keep(page.screenshot(), IMAGES / f"page_{name}.png")


def keep(screenshot: bytes, path: Path) -> None:
    """Write a screenshot with few colours."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

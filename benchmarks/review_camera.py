"""How fast the page looks at the browser's camera: pictures a second, and how far behind the shown hands are.

    python benchmarks/review_camera.py models/quick/best.ckpt     # a minute; needs Playwright and chromium

Chromium without a window shows ../shared/data/videos/webcam.mp4 as its camera (640 x 480). Chromium and the server run
on the same machine. The page itself counts the pictures that came back within two seconds and how long each was under
way, camera to screen; read once a second for 15 seconds. Goal: 10 a second. Processor time a picture is what a quiet
machine needs: where others compute too, pictures wait for their turn. Kept in results/review_camera.md.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from frames import SHARED
from machine import measured_on
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.browser import film, frames_of
from tests.support.review_server import review_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

RESULT = Path(__file__).resolve().parent / "results" / "review_camera.md"
VIDEO = SHARED / "data" / "videos" / "webcam.mp4"
FRAMES, SECONDS, GOAL = 300, 15, 10.0
SHOWN = re.compile(r"(\d+) a second, (\d+) ms behind")
PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Measured:
    """What the page said of itself, once a second."""

    what: str
    rates: list[float]
    delays: list[float]
    server: float  # processor milliseconds a picture, of the server
    browser: float  # likewise, of chromium with its drawing in software

    def row(self) -> str:
        """Of the table."""
        rate, delay = np.median(self.rates), np.nanmedian(self.delays)
        met = "yes" if rate >= GOAL else "no"
        used = f"{self.server:.0f} | {self.browser:.0f}"
        return f"| {self.what} | {rate:.0f} | {min(self.rates):.0f} | {delay:.0f} | {met} | {used} |"


def processor_seconds() -> tuple[float, float]:
    """Processor time so far of the server and of chromium, which this process started."""
    server = browser = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            name, times = child.name(), child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        if "chrom" in name:
            browser += times.user + times.system
        elif "python" in name:
            server += times.user + times.system
    return server, browser


@contextmanager
def page_with_camera(folder: Path) -> Iterator[Page]:
    """A page of chromium whose camera shows the video."""
    shown = folder / "film.mjpeg"
    film(shown, frames_of(VIDEO, 0, FRAMES))
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=[*camera, f"--use-file-for-fake-video-capture={shown}", "--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def read(page: Page, what: str) -> Measured:
    """Read the figures that the page shows."""
    page.wait_for_timeout(3000)
    rates, delays = [], []
    before, begun = processor_seconds(), time.monotonic()
    for _ in range(SECONDS):
        page.wait_for_timeout(1000)
        found = SHOWN.search(page.inner_text(".gc-side"))
        rates.append(float(found[1]) if found else 0.0)
        delays.append(float(found[2]) if found else np.nan)
    pictures = max(float(np.mean(rates)) * (time.monotonic() - begun), 1.0)
    server, browser = (1000 * (now - was) / pictures for now, was in zip(processor_seconds(), before, strict=True))
    return Measured(what, rates, delays, server, browser)


def measure(checkpoint: Path) -> list[Measured]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = [
            f"recording.checkpoint={checkpoint.resolve()}",
            f"live.checkpoint={checkpoint.resolve()}",
            f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}",
            "recording.subject=benchmark",
            "recording.room=benchmark",
            "recording.count=1000",
        ]
        with page_with_camera(folder) as page, review_server(folder, overrides) as address:
            page.goto(f"{address}/record?gesture=FIVE")
            page.click("text=Start the camera")
            page.wait_for_selector(".gc-rate")
            ready = read(page, "Record, before a set")
            page.keyboard.press("Space")
            page.wait_for_selector(".gc-count")
            recording = read(page, "Record, while pictures are kept")
            page.goto(f"{address}/live")
            page.click("text=Start the camera")
            page.wait_for_selector(".gc-rate")
            return [ready, recording, read(page, "Live")]


def report(results: list[Measured], checkpoint: Path) -> str:
    machine = measured_on("nicegui", "opencv-python")
    lines = [
        "# The browser's camera on the page",
        "",
        (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip(),
        "",
        f"{machine}; load {os.getloadavg()[0]:.1f}; {checkpoint.as_posix()}. One person (webcam.mp4).",
        "",
        f"| page | a second, median | least | ms behind, median | {GOAL:g} a second | processor ms a picture: server | "
        "chromium |",
        "|---|---:|---:|---:|---|---:|---:|",
        *(each.row() for each in results),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    model = Path(sys.argv[1] if len(sys.argv) > 1 else "models/quick/best.ckpt")
    begun = time.monotonic()
    text = report(measure(model), model)
    print(text, f"({time.monotonic() - begun:.0f} s)")
    RESULT.write_text(text, encoding="utf-8")

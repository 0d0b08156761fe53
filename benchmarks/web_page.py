"""How well the page that works in the browser alone recognises photographs, and how fast it follows a hand.

    gestures web checkpoint=models/quick/best.ckpt output=reports/web
    python benchmarks/web_page.py models/quick/best.ckpt reports/web

The same model and photographs, by `gestures predict` and by the page in Chromium. A photograph counts as right if one
of its hands shows the gesture that its folder names. It needs Playwright and chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
from machine import measured_on
from people_hands import DATA, MORE, composed
from playwright.sync_api import Page, sync_playwright

from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.terminal import track

FRAMES = 100
FOLLOW = """async ([picture, frames]) => {
    const {loadFinder} = await import("/finder.js");
    const finder = await loadFinder(await (await fetch("/finder.json")).json());
    const bitmap = await createImageBitmap(await (await fetch(picture)).blob());
    const canvas = new OffscreenCanvas(640, 640);
    canvas.getContext("2d", {willReadFrequently: true}).drawImage(bitmap, 0, 0, 640, 640);
    for (let frame = 0; frame < 10; frame++) finder.next(canvas);
    window.follow = () => {
        const start = performance.now();
        for (let frame = 0; frame < frames; frame++) finder.next(canvas);
        return (performance.now() - start) / frames;
    };
}"""


@dataclass(frozen=True)
class Photograph:
    """A photograph, the folder of ../shared/data that it is from, and the gesture that it is of."""

    source: str
    path: Path
    gesture: str


def main() -> None:
    """Print the table."""
    checkpoint, folder = map(Path, sys.argv[1:3])
    config = composed()
    photographs = [*photographs_in("hagrid_people", config.sources.hagrid.labels), *photographs_in("more_people", MORE)]
    with Detector.from_config(config) as detector:
        predictor = Predictor.load(checkpoint, detector)
        ours = [
            [hand.gesture for hand in predictor.predict(read_image(each.path))]
            for each in track(photographs, "predict", len(photographs))
        ]
    with page_of(folder) as page:
        theirs = [shown(page, each.path) for each in track(photographs, "page", len(photographs))]
        clock, work = speed(page, folder, photographs[0].path)
    print(f"{measured_on('playwright')}, {chromium_version()}; load average {os.getloadavg()[0]:.1f}")
    for source in dict.fromkeys(each.source for each in photographs):
        rows = [
            (a, b, each.gesture) for a, b, each in zip(ours, theirs, photographs, strict=True) if each.source == source
        ]
        print(f"{source}: {len(rows)} photographs, in {sum(Counter(a) == Counter(b) for a, b, _ in rows)} the same")
        for name, at in (("predict", 0), ("page", 1)):
            right, none = sum(row[2] in row[at] for row in rows), sum(not row[at] for row in rows)
            print(f"  {name}: {right} right, {none} without a hand")
    print(f"following one hand: {work:.1f} ms of the processor a frame; by the clock {clock:.1f} ms")


def photographs_in(folder: str, labels: Mapping[str, str]) -> list[Photograph]:
    """The photographs of a folder of ../shared/data whose label is known."""
    files = sorted((DATA / folder).glob("*/*.jpg"))
    return [Photograph(folder, path, labels[path.parent.name]) for path in files if labels.get(path.parent.name)]


def shown(page: Page, path: Path) -> list[str]:
    """The gestures that the page names in a photograph."""
    page.locator("#file").set_input_files(path)
    page.get_by_text(path.name).and_(page.locator("#status:not(:text('Reading'))")).wait_for()
    texts = page.locator(".gesture").all_inner_texts()
    return ["BACKGROUND" if text == "None of these" else text.upper().replace(" ", "_") for text in texts]


def speed(page: Page, folder: Path, picture: Path) -> tuple[float, float]:
    """Milliseconds a frame of a followed hand, by the clock and of the browser's processors."""
    shutil.copy(picture, folder / "benchmark.jpg")
    page.evaluate(FOLLOW, ["/benchmark.jpg", FRAMES])
    (folder / "benchmark.jpg").unlink()
    before = worked()
    clock = page.evaluate("window.follow()")
    return clock, 1000 * (worked() - before) / FRAMES


def worked() -> float:
    """Processor seconds of all processes that this one has started."""
    return sum(sum(each.cpu_times()[:2]) for each in psutil.Process().children(recursive=True))


@contextmanager
def page_of(folder: Path) -> Iterator[Page]:
    """The page, ready."""
    handler: Any = partial(SimpleHTTPRequestHandler, directory=str(folder))
    SimpleHTTPRequestHandler.log_message = lambda *_: None  # type: ignore[method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as driver:
        Thread(target=server.serve_forever, daemon=True).start()
        page = driver.chromium.launch(executable_path=shutil.which("chromium")).new_page()
        page.set_default_timeout(300_000)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.locator("body[data-state=ready]").wait_for()
        yield page
        server.shutdown()


def chromium_version() -> str:
    """What chromium calls itself."""
    with os.popen("chromium --version") as said:
        return said.read().strip()


if __name__ == "__main__":
    main()

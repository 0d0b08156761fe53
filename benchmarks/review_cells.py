"""How long it takes from a click on a cell of the confusion matrix to its pictures, and how fluid the map is.

    python benchmarks/review_cells.py

100,000 synthetic samples with predictions, first with the crops that the crops stage leaves, then without (pictures
are cut out of 2,000 photographs of 640 x 480 pixels); cells of 60 pictures and more are pressed in Debian's chromium.
Then a map of 20,000 samples is zoomed and lassos drawn. Kept in benchmarks/results/review_cells.md.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil
import simplejpeg
from machine import measured_on

from static_gesture_classification.active_learning.diagnosis.sample_map import by_neighbours
from static_gesture_classification.evaluation.predictions import predictions_of, sample_keys, write_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crop_store import CROPS_FILE
from static_gesture_classification.preparation.landmark_store import POINTS, SAMPLES
from static_gesture_classification.samples import to_arrow, write_samples
from static_gesture_classification.training.checkpoint import Origin, build_network, save
from static_gesture_classification.training.models import landmark_features
from static_gesture_classification.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "review_cells.md"
COUNT, IMAGES, CROP, ON_MAP = 100_000, 2_000, 64, 20_000
SERVER = "static_gesture_classification.app"
CELLS = 12  # that are pressed
LIMIT, FRAME_LIMIT = 0.3, 1 / 30  # seconds
NAMES = ("BACKGROUND", "ONE", "TWO", "THREE", "FOUR", "FIVE", "THUMBS_UP", "THUMBS_DOWN", "OKAY", "FIST")
VOCABULARY = Vocabulary(NAMES, "BACKGROUND")
# Presses a cell; seconds until all pictures in the window are decoded, and how many these are.
PRESS = """async (cell) => {
  const start = performance.now();
  const before = document.querySelector('.gallery')?.innerHTML;
  document.querySelector(`.matrix button[data-cell="${cell}"]`).click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const gallery = document.querySelector('.gallery');
    if (!gallery || gallery.innerHTML === before) continue;
    const seen = [...gallery.querySelectorAll('img')].filter(one => one.getBoundingClientRect().top < innerHeight);
    if (seen.length && seen.every(one => one.complete && one.naturalWidth))
      return [(performance.now() - start) / 1000, seen.length];
  }
}"""
# Seconds between frames while the wheel turns.
FRAMES = """async (seconds) => {
  const times = []; const end = performance.now() + 1000 * seconds;
  const canvas = document.querySelector('.sc-view canvas[tabindex]'); const box = canvas.getBoundingClientRect();
  let turn = 0;
  while (performance.now() < end) {
    const at = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true, cancelable: true};
    canvas.dispatchEvent(new WheelEvent('wheel', {...at, deltaY: turn++ % 20 < 10 ? -100 : 100}));
    const start = performance.now();
    await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
    times.push((performance.now() - start) / 2000);
  }
  return times;
}"""


@dataclass(frozen=True)
class Row:
    """One line of the table: what, the median and the worst in seconds, and the limit of the median.

    `server` is the server's processor time for each, in seconds, with the pattern that is searched a second after the
    press where the next one comes later than that; 0: not known.
    """

    what: str
    seconds: Sequence[float]
    limit: float
    server: float = 0.0

    def text(self) -> str:
        """The line in Markdown."""
        middle, worst = statistics.median(self.seconds), max(self.seconds)
        kept = "kept" if middle <= self.limit else "**missed**"
        times = f"{1000 * middle:.0f} ms | {1000 * worst:.0f} ms | {1000 * self.limit:.0f} ms: {kept}"
        return f"| {self.what} | {times} | {f'{1000 * self.server:.0f} ms' if self.server else ''} |"


def main() -> None:
    load = os.getloadavg()[0]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = write_pictures(folder)
        write_table(samples, folder)
        with served(folder) as address:
            rows.append(press_cells("a cell's pictures, cut out of photographs, first time", address))
            rows.append(press_cells("the same again", address))
        write_crops(samples, folder)
        with served(folder) as address:
            rows.append(press_cells("a cell's pictures, from the crops stage", address))
        report(rows, None, load)
        write_map(folder)
        with served(folder) as address:
            rows += [tell(row) for row in measure_map(address)]
        report(rows, None, load)
    report(rows, processor_seconds_of_tsne(), load)


def tell(row: Row) -> Row:
    """Print a line as soon as it is there."""
    print(row.text(), flush=True)
    return row


def write_pictures(folder: Path) -> pd.DataFrame:
    """Photographs, and a sample table of hands in them."""
    random = np.random.default_rng(0)
    (folder / "photographs").mkdir()
    for number in range(IMAGES):
        coarse = random.integers(0, 256, (12, 16, 3), np.uint8)
        pixels = np.ascontiguousarray(np.kron(coarse, np.ones((40, 40, 1), np.uint8)))
        (folder / "photographs" / f"{number}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, 90, "RGB"))
    left, top = random.uniform(0, 0.6, (2, COUNT)).astype(np.float32)
    people = random.integers(500, size=COUNT)
    return pd.DataFrame(
        {
            "sample_id": [f"{number:024x}" for number in range(COUNT)],
            "image": [f"{number % IMAGES}.jpg" for number in range(COUNT)],
            "root": "photographs",
            **{"x1": left, "y1": top, "x2": left + np.float32(0.3), "y2": top + np.float32(0.4)},
            "gesture": np.array(NAMES, object)[random.integers(len(NAMES), size=COUNT)],
            "source": np.where(people % 2, "hagrid", "hands").astype(object),
            "source_label": "published",
            "subject": [f"person {person}" for person in people],
            "session": [f"session {person}" for person in people],
            "hand": "right",
            "landmarks": None,
            "split": "val",
        }
    )


def write_table(samples: pd.DataFrame, folder: Path) -> None:
    """Predictions of which four of five are right."""
    random = np.random.default_rng(1)
    truths = samples["gesture"].map(VOCABULARY.index).to_numpy()
    logits = random.normal(size=(COUNT, len(NAMES)))
    logits[np.arange(COUNT), np.where(random.random(COUNT) < 0.8, truths, random.integers(10, size=COUNT))] += 4
    powers = np.exp(logits)
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    path = folder / "reports" / "predictions" / "val.parquet"
    write_predictions(predictions_of(sample_keys(samples), probabilities, VOCABULARY), path)


def write_crops(samples: pd.DataFrame, folder: Path) -> None:
    """What the crops stage leaves."""
    place = folder / "data" / "crops"
    write_samples(samples, place / "samples.parquet")
    array = np.lib.format.open_memmap(place / CROPS_FILE, "w+", np.uint8, (COUNT, CROP, CROP, 3))
    random = np.random.default_rng(2)
    some = random.integers(0, 256, (1000, CROP, CROP, 3), np.uint8)
    for start in range(0, COUNT, len(some)):
        array[start : start + len(some)] = some
    array.flush()


def write_map(folder: Path) -> None:
    """Landmarks of ten shapes, and a network that was not trained."""
    space, random = Workspace.at("data"), np.random.default_rng(3)
    landmarks, splits = folder / "data" / "landmarks", folder / "data" / "splits"
    shapes, which = random.random((10, 21, 2)), random.integers(10, size=ON_MAP)
    points = (shapes[which] + random.normal(scale=0.05, size=(ON_MAP, 21, 2))).astype(np.float32)
    ids = [f"{number:024x}" for number in range(ON_MAP)]
    table = pd.read_parquet(folder / "data" / "crops" / space.split_table.name).iloc[:ON_MAP].assign(sample_id=ids)
    table = table.assign(split="train", landmarks=pd.Series(list(points.reshape(ON_MAP, 42))))
    for place in (landmarks, splits):
        write_samples(to_arrow(table), place / SAMPLES)
    np.save(landmarks / POINTS, points)
    write_untrained(folder / "models" / "trained.ckpt", VOCABULARY)


def write_untrained(path: Path, vocabulary: Vocabulary) -> None:
    """A checkpoint of a landmark model that was not trained."""
    backbone = {
        "_target_": "static_gesture_classification.training.models.landmarks.backbone",
        "name": "landmarks",
        "hidden": [128, 64],
        "dropout": 0.1,
        "features_version": landmark_features.FEATURES_VERSION,
    }
    model = {"name": "landmarks", "input": "landmarks", "backbone": backbone}
    state = build_network({**model, "weights": "none"}, len(vocabulary)).state_dict()
    save({**Origin(model, vocabulary).header(), "epoch": 0, "scores": None, "state_dict": state}, path)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`gestures app` in a folder; gives its address, without the last slash."""
    command = [sys.executable, "-m", SERVER, "review.port=0", "review.browser=false"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0].rstrip("/")
    finally:
        process.kill()
        process.wait()


@contextmanager
def page_at(address: str) -> Iterator[Page]:
    """A page in a new browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 1400}).new_page()
        page.set_default_timeout(600_000)  # a busy machine is no reason to measure nothing
        page.goto(address, wait_until="commit")
        yield page
        browser.close()


def press_cells(what: str, address: str) -> Row:
    """From pressing a cell to its pictures on the screen, some cells one after another."""
    with page_at(f"{address}/confusions") as page:
        page.get_by_text("Worst pairs").wait_for()
        page.wait_for_function("document.querySelectorAll('.gallery img').length > 0")
        cells = [f"{row},{(row + 1 + turn) % 10}" for turn in range(2) for row in range(10)][:CELLS]
        before = server_seconds()
        seconds = [float(page.evaluate(PRESS, cell)[0]) for cell in cells]
        return tell(Row(what, seconds, LIMIT, (server_seconds() - before) / CELLS))


def server_seconds() -> float:
    """Processor time so far of the server, which this process started."""
    servers = [
        child
        for child in psutil.Process().children()
        if "static_gesture_classification.app" in " ".join(child.cmdline())
    ]
    return float(sum(sum(child.cpu_times()[:2]) for child in servers))


def measure_map(address: str) -> list[Row]:
    """Until the map is there, frames while zooming, and from a lasso to its samples."""
    with page_at(f"{address}/map") as page:
        start = time.perf_counter()
        page.locator(".sc-view canvas").first.wait_for()
        shown = time.perf_counter() - start
        frames = page.evaluate(FRAMES, 5)
        lassos = [draw_lasso(page, turn) for turn in range(3)]
    what = f"map of {ON_MAP:,} samples"
    return [
        Row(f"{what}: until it is there", [shown], 5.0),
        Row(f"{what}: a frame while zooming", frames, FRAME_LIMIT),
        Row(f"{what}: from a lasso to its samples", lassos, LIMIT),
    ]


def processor_seconds_of_tsne() -> float:
    """Of one thread, for the arrangement of the map by neighbours."""
    random = np.random.default_rng(4)
    middles = random.normal(scale=3, size=(10, 64))
    embeddings = (middles[random.integers(10, size=ON_MAP)] + random.normal(size=(ON_MAP, 64))).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        start = time.process_time()
        by_neighbours(embeddings, 0, Path(name))
        return time.process_time() - start


def draw_lasso(page: Page, turn: int) -> float:
    """Seconds from letting go of the pointer to the samples within."""
    box = page.locator(".sc-view canvas").first.bounding_box()
    assert box is not None
    heading = page.get_by_role("heading", name="Within the lasso")
    before = heading.inner_text() if heading.count() else ""
    left, top, side = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3, 100 + 40 * turn
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((side, 0), (side, side), (0, side), (0, 20)):
        page.mouse.move(left + x, top + y, steps=5)
    start = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(
        "before => [...document.querySelectorAll('[role=heading]')].some(one => "
        "one.innerText.startsWith('Within') && one.innerText !== before)",
        arg=before,
    )
    return time.perf_counter() - start


def report(rows: Sequence[Row], arranging: float | None, load: float) -> None:
    """Print and keep the table, as far as it is measured."""
    machine = measured_on("nicegui", "playwright", "scikit-learn")
    text = (
        f"# A cell's pictures, and the map\n\n{machine}, chromium without a window or graphics card; load average "
        f"before the start {load:.1f}, at the end {os.getloadavg()[0]:.1f}\n\n"
        f"{COUNT:,} synthetic samples of 500 people; {CELLS} cells of about 200 samples are pressed, each until all "
        "pictures in the window are decoded (60 are on a page). There is no person to choose on.\n\n"
        "| | median | worst | limit of the median | server's processor time |\n|---|---|---|---|---|\n"
        + "".join(f"{row.text()}\n" for row in rows)
    )
    if arranging is not None:
        what = f"t-SNE of {ON_MAP:,} samples, in the background, once"
        text += f"\n{what}: {arranging:.0f} s of processor time, one thread.\n"
        print(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

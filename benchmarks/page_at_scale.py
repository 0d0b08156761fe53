"""How long the local page takes to answer where the data is all of HaGRID v2: 1.4 million hands.

    python benchmarks/page_at_scale.py [FOLDER]

makes the sample tables, predictions of val, an untrained landmark model and suggested label fixes of 1 % of the hands
in FOLDER (2 GB; the one of growth.py does, whose tables it uses; a temporary one without it), starts `gestures app`
there and opens each page in Debian's chromium, twice: what is read of the files is kept in memory from then on. The
map is kept in FOLDER too: delete HANDS/data/review there before it is measured anew. The table is printed and kept in
benchmarks/results/page_at_scale.md; MAP=map.png keeps a picture of the map. MOST=100000 measures with fewer hands.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from growth import HAGRID, PROJECT, command, need_predictions, paths, vocabulary_names
from machine import measured_on
from review import processor_seconds, served
from review_cells import PRESS, page_at

if TYPE_CHECKING:
    from playwright.sync_api import Page

RESULT = PROJECT / "benchmarks" / "results" / "page_at_scale.md"
LIMIT = 10.0  # seconds
ARRANGED = "Map: what is alike lies together"  # in the background; has no limit here
DOUBTS = 0.01  # share of the labels of train and val that are in doubt
HANDS = int(os.environ.get("MOST", HAGRID))


@dataclass(frozen=True)
class Answer:
    """Seconds until a page is there, first and again, and the server's processor seconds for the first."""

    what: str
    first: float
    again: float
    server: float


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))


def measure(folder: Path) -> None:
    place, load = folder / str(HANDS), os.getloadavg()[0]
    place.mkdir(parents=True, exist_ok=True)
    need_predictions(place, HANDS)
    if not (place / "reports" / "plan.json").is_file():
        command("active_learning.planning.make_plan", *paths(place))
    write_suggestions_of(place)
    write_model(place)
    answers = []
    with served(place) as (address, server):
        for what, page, wanted in PAGES:
            answers.append(answer(what, f"{address}/{page}", wanted, server))
            print(answers[-1], flush=True)
        answers.append(press(f"{address}/confusions", server))
        peak = server.memory_info().rss / 2**20
    report(answers, peak, load)


PAGES = (
    ("start", "", "ol.path"),
    ("Confusions", "confusions", ".gallery img >> nth=0"),
    ("Label issues", "label-issues", ".gallery img >> nth=0"),
    ("Plan", "plan", "[role=group] >> nth=0"),
    ("Map: the sketch", "map", "canvas >> nth=0"),
    (ARRANGED, "map", ":text('lie together')"),
)


def answer(what: str, address: str, wanted: str, server: psutil.Process) -> Answer:
    """From the request until `wanted` (a Playwright selector) is seen, in new browsers."""
    before, seconds, spent = processor_seconds(server), [], 0.0
    for _ in range(2):
        with page_at(address) as page:
            opened = time.perf_counter()
            page.wait_for_selector(wanted)
            seconds.append(time.perf_counter() - opened + load_seconds(page))
            if what == ARRANGED and "MAP" in os.environ:
                page.wait_for_timeout(2000)  # the points travel there
                page.screenshot(path=os.environ["MAP"])
        spent = spent or processor_seconds(server) - before
    return Answer(what, seconds[0], seconds[1], spent)


def load_seconds(page: Page) -> float:
    """From the request to the first byte of the answer, before which `page_at` gives no page."""
    return float(page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")) / 1000


def press(address: str, server: psutil.Process) -> Answer:
    """From pressing a cell to its pictures on the screen, for two cells."""
    with page_at(address) as page:
        page.wait_for_selector(".gallery img >> nth=0")
        before = processor_seconds(server)
        first, again = (float(page.evaluate(PRESS, cell)[0]) for cell in ("1,2", "2,3"))
        return Answer("Confusions: a cell's pictures", first, again, (processor_seconds(server) - before) / 2)


def write_suggestions_of(place: Path) -> None:
    from static_gesture_classification.active_learning.labels.find_issues import SUGGESTIONS
    from static_gesture_classification.active_learning.labels.suggestions import Suggestion, write_suggestions
    from static_gesture_classification.samples import read_rows

    samples = read_rows(place / "data" / "splits" / "samples.parquet")
    samples = samples[samples["split"] != "test"].iloc[:: int(1 / DOUBTS)]
    about = ["sample_id", "gesture", "split", "source", "subject", "image"]
    suggestions = [
        Suggestion(sample, gesture, "FIST", 0.1, True, "looks like it", split, source, subject, image)
        for sample, gesture, split, source, subject, image in samples[about].itertuples(index=False)
    ]
    write_suggestions(suggestions, place / "reports" / "label_issues" / SUGGESTIONS)


def write_model(place: Path) -> None:
    """The landmarks of the sample table as the landmarks stage leaves them, and a network that was not trained."""
    from review_cells import write_untrained

    from static_gesture_classification.gestures import Vocabulary
    from static_gesture_classification.preparation.landmark_store import POINTS
    from static_gesture_classification.samples import landmark_array, read_arrow

    file = place / "data" / "landmarks" / POINTS
    if not file.is_file():
        np.save(file, landmark_array(read_arrow(file.with_name("samples.parquet"), ["landmarks"])))
    names = vocabulary_names()
    write_untrained(place / "models" / "trained.ckpt", Vocabulary(names, names[0]))


def report(answers: list[Answer], peak: float, load: float) -> None:
    rows = [f"| {a.what} | {a.first:.2f} s | {a.again:.2f} s | {a.server:.2f} s |" for a in answers]
    missed = [a.what for a in answers if max(a.first, a.again) > LIMIT and a.what != ARRANGED]
    text = "\n".join(
        [
            f"# The page with {HANDS:,} hands\n\n{measured_on('nicegui', 'playwright')}; load average {load:.1f}\n",
            "From the request to the content on the screen, first after the start, then again; the server's processor "
            "seconds for the first.\n",
            f"| | first (limit {LIMIT:.0f} s) | again | server's |\n|---|---|---|---|",
            *rows,
            f"\nLonger than {LIMIT:.0f} s: {', '.join(missed) or 'none'}. The server had {peak:,.0f} MiB then.\n",
        ]
    )
    print(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

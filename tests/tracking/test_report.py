import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.report import write_page
from static_gesture_classification.tracking.report_plots import thin
from static_gesture_classification.tracking.run_folder import SECONDS, RunFolder
from tests.support.small_runs import CONFIG, log_epoch


class Page(HTMLParser):
    """The titles of a page's sections and what it refers to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.titles: list[str] = []
        self.references: list[str] = []
        self._tag = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.references += [value for name, value in attributes if name in ("src", "href", "xlink:href") and value]

    def handle_data(self, data: str) -> None:
        if self._tag == "h2" and data.strip():
            self.titles.append(data)


@pytest.fixture
def whole_run(run: RunFolder) -> RunFolder:
    """A run with something for every section, and a gesture whose name is no plain word."""
    for split in ("train", "val"):
        run.log_image(f"datasets/{split}_distribution", np.zeros((4, 4, 3), np.uint8))
        run.log_image(f"datasets/{split}_samples/sample_0", np.zeros((4, 4, 3), np.uint8))
    for epoch in range(2):
        log_epoch(run, epoch, 0.5 + epoch / 4)
        run.log_series({"val/classification_report/<OK> & Ü/recall": 0.25}, epoch)
        run.log_image(f"val/error_pairs/{epoch:04d}/ONE taken for #2", np.zeros((4, 4, 3), np.uint8))
    run.log_series({"monitoring/cpu": 50.0}, 1, SECONDS)
    return run


def test_the_page_has_the_six_dashboards(whole_run: RunFolder) -> None:
    assert Page(write_page(whole_run)).titles[:6] == [
        "Configuration",
        "Gestures distribution in data",
        "Train progression",
        "Train Data Samples",
        "Val Data Samples",
        "Val Dataset Metrics",
    ]


def test_the_page_needs_nothing_from_outside_its_folder(whole_run: RunFolder) -> None:
    page = Page(write_page(whole_run))
    pointed = [unquote(reference) for reference in page.references if not reference.startswith("#")]
    assert [reference for reference in pointed if not (whole_run.path / reference).is_file()] == []
    assert "val/error_pairs/0001/ONE taken for #2.png" in pointed
    without_names = re.sub(
        r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|<rdf:RDF.*?</rdf:RDF>', "", page.text, flags=re.DOTALL
    )
    assert "http" not in without_names


def test_names_are_text_not_markup(whole_run: RunFolder) -> None:
    text = Page(write_page(whole_run)).text
    assert "&lt;OK&gt; &amp; Ü" in text
    assert "<OK>" not in text


def test_a_run_without_an_epoch_has_a_page_too(run: RunFolder) -> None:
    assert "Configuration" in Page(write_page(run)).titles


def test_the_page_is_there_when_the_run_has_ended(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "run", CONFIG, project=tmp_path)
    with RunLogger(run, sampling_period=0) as logger:
        logger.finalize("success")
    assert "finished" in (run.path / "report.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_does_not_fail_the_run(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / "report.html").mkdir()
    with RunLogger(run, sampling_period=0) as logger:
        logger.finalize("success")
    assert run.status == "finished"
    assert "report.html" in capsys.readouterr().err


def test_the_page_of_many_epochs_and_gestures_stays_small_and_shows_each_gesture(run: RunFolder) -> None:
    names = [f"GESTURE_{number}" for number in range(60)]
    for epoch in range(400):
        scores = {f"val/classification_report/{name}/f1-score": (epoch % 7) / 7 for name in names}
        run.log_series({"training/val_weighted_F1": 0.5, "training/train_loss": 1.0} | scores, epoch)
        run.log_text(f"predictions/val/{epoch:04d}", "")
    text = write_page(run).read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert text.count('class="spark"') == len(names)
    assert "the lowest 8 of 60" in text
    assert "and 300 more in this folder" in text


def test_a_thinned_line_keeps_its_ends_and_its_peak() -> None:
    values = pd.Series(np.sin(np.arange(5_000) / 900))
    values[3_210] = 9.0
    thinned = thin(values, 100)
    assert len(thinned) <= 100
    assert {0, 3_210, 4_999} <= set(thinned.index)
    assert thin(values.head(50), 100).equals(values.head(50))

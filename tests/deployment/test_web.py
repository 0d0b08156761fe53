"""The page that works in the browser alone: it answers as the checkpoint does, and asks nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from static_gesture_classification.deployment.web.build import (
    WebSettings,
    finder_settings,
    hands_to_compare,
    write_web_page,
)
from static_gesture_classification.deployment.web.portable_network import PortableNetwork, check_portable, make_portable
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.downloads.connection import Connection, DownloadError
from static_gesture_classification.downloads.transfer import fetch
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.opencv import cv2
from static_gesture_classification.training.checkpoint import Classifier, load_classifier
from tests.support.browser import NARROW, film, opened
from tests.support.page_server import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ANSWERS = """async () => {
    const [network, compared] = await Promise.all(
        ["network.json", "parity.json"].map(async name => (await fetch(name)).json()));
    const {GestureNetwork} = await import("/network.js");
    const ours = new GestureNetwork(network);
    return compared.points.map(points => {
        const {probabilities, strangeness} = ours.answer(points);
        return [...probabilities, strangeness];
    });
}"""
ELSEWHERE = "fetch('https://odml.pa.googleapis.com/v1/log').catch(() => 'refused')"


@pytest.fixture(scope="module")
def classifier(checkpoint: Callable[[str], Path]) -> Classifier:
    """A landmark network whose batch norms do something, as those of a trained one."""
    loaded = load_classifier(checkpoint("landmarks"))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in loaded.network.modules():
            if isinstance(norm, nn.BatchNorm1d):
                for tensor in norm.state_dict().values():
                    if tensor.is_floating_point():
                        tensor.uniform_(0.5, 1.5, generator=generator)
    return loaded


@pytest.fixture(scope="module")
def settings(project: Path, hand_landmarker: Path, tmp_path_factory: pytest.TempPathFactory) -> WebSettings:
    """Of a page with the npm package, which is fetched like other packages if it is not in models/."""
    overrides = [
        f"detector.model.path={hand_landmarker}",
        f"web.output={tmp_path_factory.mktemp('page')}",
        f"paths.models={project / 'models'}",
    ]
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        read = WebSettings.from_config(compose("config", overrides))
    package = read.tasks_vision
    try:
        fetch(package.remote, package.path, Connection(attempts=1, timeout=10), lambda size: None)
    except DownloadError:
        pytest.skip(f"{package.path.name} is not in models/, and npm's registry cannot be reached")
    return read


@pytest.fixture(scope="module")
def page(settings: WebSettings, classifier: Classifier) -> Iterator[str]:
    """The address of a whole page."""
    network = PortableNetwork(classifier, make_portable(classifier, Path("a.ckpt")).layers)
    write_web_page(settings, network, hands_to_compare(0), finder_settings(settings.detector))
    with served(settings.output) as address:
        yield address


def test_the_layers_of_the_file_answer_as_the_checkpoint(classifier: Classifier) -> None:
    assert check_portable(make_portable(classifier, Path("a.ckpt")), hands_to_compare(1), Path("a.ckpt")) < 1e-5


def test_a_model_of_crops_is_refused_with_the_way_out(checkpoint: Callable[[str], Path]) -> None:
    path = checkpoint("crops")
    with pytest.raises(UserError, match=r"crops.*the page runs landmark models only.*gestures retrain model=landmarks"):
        make_portable(load_classifier(path), path)


def test_the_browser_answers_as_the_checkpoint(browser: Browser, page: str, classifier: Classifier) -> None:
    answers = classifier.answers(hands_to_compare(0))
    expected = np.column_stack([answers.probabilities, answers.strangeness])
    with opened(browser, f"{page}/finder.json") as (opened_page, _):
        assert np.abs(np.array(opened_page.evaluate(ANSWERS)) - expected).max() < 1e-4


def test_the_page_recognises_a_picture_and_the_camera_and_asks_nobody(
    browser: Browser, page: str, classifier: Classifier, detector: Detector, photographs: Path, camera_film: Path
) -> None:
    picture = photographs / "hagrid_people" / "ok" / "ok_00000.jpg"
    [hand] = Predictor(classifier, detector).predict(read_image(picture))
    film(camera_film, [read_image(picture)] * 2)
    with opened(browser, page, size=NARROW) as (shown, log):
        shown.locator("body[data-state=ready]").wait_for()
        shown.get_by_label("Picture or video").set_input_files(picture)
        shown.get_by_text(picture.name, exact=True).wait_for()
        assert said(shown.locator(".gesture").inner_text()) == hand.gesture
        shown.get_by_role("button", name="Start camera").press("Enter")
        shown.get_by_text("frames a second").wait_for()
        assert said(shown.locator(".gesture").inner_text()) == hand.gesture
        assert shown.evaluate("document.documentElement.scrollWidth") == NARROW[0]
        shown.get_by_role("button", name="Pause").press("Enter")
        shown.get_by_role("button", name="Stop camera").press("Enter")
        assert shown.locator("#results li").count() == 0
        log.check()
        assert not log.blocked, "the finder tried to reach somebody"
        assert shown.evaluate(ELSEWHERE) == "refused"
        assert not log.elsewhere
        assert log.blocked


@pytest.mark.full
def test_the_page_plays_a_video(browser: Browser, page: str, photographs: Path, tmp_path: Path) -> None:
    video = in_vp8(photographs / "videos" / "webcam.mp4", tmp_path / "webcam.webm")
    with opened(browser, page) as (shown, log):
        shown.locator("body[data-state=ready]").wait_for()
        shown.get_by_label("Picture or video").set_input_files(video)
        shown.get_by_text("frames a second").wait_for()
        shown.locator(".gesture").first.wait_for()
        shown.get_by_role("button", name="Pause").press("Enter")
        shown.get_by_role("button", name="Go on").wait_for()
        log.check()


def in_vp8(video: Path, copy: Path, frames: int = 90) -> Path:
    """A video's first frames as browsers read them: they know no MPEG-4 Part 2."""
    read = cv2.VideoCapture(str(video))
    size = (int(read.get(cv2.CAP_PROP_FRAME_WIDTH)), int(read.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    written = cv2.VideoWriter(str(copy), cv2.VideoWriter.fourcc(*"VP80"), 15, size)
    assert written.isOpened()
    for _ in range(frames):
        written.write(read.read()[1])
    written.release()
    return copy


def said(text: str) -> str:
    """The gesture's name of what the page calls it."""
    return {"None of these": "BACKGROUND"}.get(text, text.upper().replace(" ", "_"))

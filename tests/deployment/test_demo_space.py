"""The folder for Gradio and endpoints: it runs alone, without this project, torch, or anybody else's help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hydra import compose, initialize_config_dir
from onnx import numpy_helper

from static_gesture_classification.deployment.demo_space.build import (
    HERE,
    DemoSpaceSettings,
    finder_of,
    write_folder,
)
from static_gesture_classification.deployment.demo_space.handler import EndpointHandler
from static_gesture_classification.deployment.own_folder import require_own
from static_gesture_classification.detection.detector import Detector, DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.inference.recogniser_folder import FINDER
from tests.inference.test_onnx_classifier import ABOUT, write
from tests.support.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# In a process of its own, as an endpoint would: what the handler answers, and what it has loaded.
CALL = """
import base64, json, sys
from PIL import Image
from handler import EndpointHandler
handler, path = EndpointHandler(sys.argv[2]), sys.argv[1]
content = open(path, "rb").read()
text = base64.b64encode(content).decode()
given = [content, text, f"data:image/jpeg;base64,{text}", {"image": text}, Image.open(path)]
answers = [handler({"inputs": each}) for each in given]
ours = [m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] == "static_gesture_classification"]
print(json.dumps({"answers": answers, "ours": ours, "loaded": [name.partition(".")[0] for name in sys.modules]}))
"""
HEAVY = {"torch", "torchvision", "pytorch_lightning", "pandas", "pyarrow", "hydra", "requests", "gradio", "onnx"}


@pytest.fixture(scope="module")
def settings(project: Path, hand_landmarker: Path) -> Callable[..., DemoSpaceSettings]:
    """Settings with overrides."""

    def read(*overrides: str) -> DemoSpaceSettings:
        little = ["export_onnx.tones=0", "export_onnx.resamples=0", f"detector.model.path={hand_landmarker}"]
        with initialize_config_dir(str(project / "conf"), version_base="1.3"):
            return DemoSpaceSettings.from_config(compose("config", [*little, *overrides]))

    return read


@pytest.fixture(scope="module")
def folder(settings: Callable[..., DemoSpaceSettings], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported network."""
    exported = write(tmp_path_factory.mktemp("exported") / "a.onnx", ABOUT)
    model = onnx.load(exported)
    weights = np.random.default_rng(0).normal(size=(42, 3)).astype(np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    onnx.save(model, str(exported))
    made = tmp_path_factory.mktemp("space")
    write_folder(settings(f"demo_space.checkpoint={exported}", f"demo_space.output={made}"))
    return made


@pytest.fixture(scope="module")
def handler(folder: Path) -> EndpointHandler:
    return EndpointHandler(str(folder))


def test_the_handler_runs_from_the_folder_alone_and_answers_as_the_predictor(
    folder: Path, handler: EndpointHandler, detector: Detector, photographs: Path
) -> None:
    picture = photographs / "hagrid_people" / "ok" / "ok_00000.jpg"
    command = [sys.executable, "-c", CALL, str(picture), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert {Path(file).is_relative_to(folder) for file in said["ours"]} == {True}
    assert not HEAVY & {*said["loaded"]}
    image = read_image(picture)
    [hand] = Predictor(handler.predictor.classifier, detector).predict(image)
    first, *others = said["answers"]
    assert [(each["label"], each["score"]) for each in first] == [(hand.gesture, pytest.approx(hand.score))]
    assert all(answer == first for answer in others[:-1])  # Pillow decodes JPEG a little differently
    height, width = image.shape[:2]
    assert list(first[0]["box"].values()) == [
        round(share * side) for share, side in zip(hand.hand.box, (width, height) * 2, strict=True)
    ]
    assert sum(first[0]["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "no picture in the request"),
        ({"text": "hello"}, "no picture in the request"),
        ("%%%", "no base64"),
        (b"not a picture", "cannot be read: this is no image"),
        (bytes(20_000_001), "at most 20,000,000"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(handler: EndpointHandler, inputs: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        handler({"inputs": inputs})


def test_a_missing_model_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hand_landmarker\.task is missing"):
        EndpointHandler(str(tmp_path))


def test_another_finder_is_refused() -> None:
    node = {"_target_": "static_gesture_classification.detection.box.BoxDetector", "box": [0, 0, 1, 1]}
    with pytest.raises(UserError, match=r"BoxDetector.*the folder finds hands by detector=hands"):
        finder_of(DetectorSettings(node=node))


def test_a_folder_with_other_files_is_left_alone(
    settings: Callable[..., DemoSpaceSettings], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("mine")
    with pytest.raises(UserError, match=r"holds other files.*demo_space\.output"):
        write_folder(settings(f"demo_space.output={tmp_path}"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    require_own(folder, FINDER, "demo_space.output")


def test_the_header_names_the_version_of_gradio_that_is_pinned(folder: Path) -> None:
    header = (folder / "README.md").read_text().split("---")[1]
    version = re.search(r"sdk_version: (.+)", header)
    assert version
    assert f"gradio=={version[1]}\n" in (folder / "requirements.txt").read_text()


def test_requirements_are_the_tested_versions(project: Path) -> None:
    tested = dict(line.split("==") for line in (project / "constraints.txt").read_text().split() if "==" in line)
    tested |= {"opencv-python-headless": tested["opencv-python"], "pi-heif": tested["pi_heif"]}
    pinned = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split())
    others = {name for name, version in pinned.items() if tested.get(name) != version}
    assert others == {"gradio", "pillow"}, "Gradio is not installed here, and wants an older Pillow"


@pytest.mark.full
def test_the_page_runs_in_an_environment_of_its_own(
    settings: Callable[..., DemoSpaceSettings],
    checkpoint: Callable[[str], Path],
    browser: Browser,
    photographs: Path,
    tmp_path: Path,
) -> None:
    write_folder(settings(f"demo_space.checkpoint={checkpoint('landmarks')}", f"demo_space.output={tmp_path}"))
    python = tmp_path / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / ".venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"], cwd=tmp_path, check=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": ""}
    command = [python, "app.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://127\S+", line)))
            with opened(browser, address) as (page, log):
                picture = photographs / "hagrid_people" / "ok" / "ok_00000.jpg"
                page.locator("input[type=file]").first.set_input_files(picture)
                page.get_by_text("%").filter(visible=True).first.wait_for()
                assert page.get_by_text(re.compile("^(one|fist|background)$")).filter(visible=True).count()
            log.check()
            assert not log.blocked
        finally:
            server.terminate()

"""Write a static page that finds hands and names their gestures in the browser alone.

    gestures web checkpoint=models/best.ckpt output=reports/web
    python -m http.server --bind 127.0.0.1 --directory reports/web 8000

    index.html, *.js, *.css, icon.svg   the page
    network.json                        the landmark network (`portable_network`)
    finder.json                         how to look for hands: the settings of `detector`
    parity.json                         hands, and what the checkpoint answers to them, for comparison
    vision/                             MediaPipe's hand landmarker for browsers, from npm, checked by its hash
    hand_landmarker.task                its model, the same that the project's own finder uses
    LICENCES.md                         of what others made

The page asks for these files and nothing else; its policy (CSP) forbids more.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from omegaconf import DictConfig
from pydantic import Field
from rich.filesize import decimal

from static_gesture_classification.atomic_files import copy_file, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.deployment.own_folder import require_own
from static_gesture_classification.deployment.web.portable_network import PortableNetwork, check_portable, make_portable
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.detection.hands import HandSettings
from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.downloads.connection import Connection
from static_gesture_classification.downloads.disk_space import require_free_disk
from static_gesture_classification.downloads.transfer import RemoteFile, fetch
from static_gesture_classification.downloads.unpacking import open_archive, unpack
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_state import bytes_in
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.synthetic.any_pose import AnyPose
from static_gesture_classification.synthetic.poses import PoseBook
from static_gesture_classification.synthetic.scenes import draw_hand
from static_gesture_classification.synthetic.subjects import draw_subject
from static_gesture_classification.terminal import say
from static_gesture_classification.training.checkpoint import load_classifier

NETWORK_FILE = "network.json"
PAGE_FILES = Path(__file__).parent / "page"
VISION = re.compile(r"package/(?:wasm/)?(?P<name>vision_bundle\.mjs|vision_wasm_internal\.(?:js|wasm))")
COMPARED = 64  # hands in parity.json
LICENCES = """# Licences of what others made

| file | is | licence |
|---|---|---|
| `vision/` | @mediapipe/tasks-vision, {version}, from {url} | Apache-2.0 |
| `hand_landmarker.task` | MediaPipe's hand landmarker, by Google | Apache-2.0 |

`network.json` is a trained network; who publishes it has to choose a licence that its data allow. The model card that
`gestures export-onnx` writes names them.
"""


class TasksVision(Settings):
    """The npm package of MediaPipe's finder: where it lies, and its published address, size in bytes and SHA-256."""

    path: Path
    url: str
    size: int | None = Field(ge=1)
    sha256: str | None

    @property
    def remote(self) -> RemoteFile:
        """The published file."""
        return RemoteFile(self.path.name, self.url, self.size, self.sha256, "conf/web/")


class WebSettings(Settings, key="web"):
    """Settings of `gestures web`.

    Args:
        checkpoint: of landmarks.
        output: folder of the page.
        tasks_vision: the finder for browsers.
        detector: the finder of this project, whose model and settings the page uses.
        seed: of the hands that are compared.
    """

    checkpoint: Path
    output: Path
    tasks_vision: TasksVision
    detector: DetectorSettings
    seed: Annotated[int, At("seed")]


@entry_point
def main(config: DictConfig) -> None:
    """Build the page."""
    settings = WebSettings.from_config(config)
    require_own(settings.output, NETWORK_FILE, "web.output")
    network = make_portable(load_classifier(settings.checkpoint, for_use=True), settings.checkpoint)
    points = hands_to_compare(settings.seed)
    difference = check_portable(network, points, settings.checkpoint)
    finder = finder_settings(settings.detector)
    write_web_page(settings, network, points, finder)
    size = decimal(bytes_in(settings.output))
    say(f"{settings.output}: {size}; its network differs from the checkpoint by at most {difference:.1g}")
    say(f"To see it: python -m http.server --bind 127.0.0.1 --directory {settings.output} 8000")
    say("Then open http://127.0.0.1:8000. On a server of your own it needs https, without which there is no camera.")


def finder_settings(detector: DetectorSettings) -> HandSettings:
    """How to look for hands. Raises `UserError` where `detector` is another finder than that of the page."""
    target = str(detector.node.get("_target_"))
    if target.rpartition(".")[2] not in ("HandDetector", "MediapipeDetector"):
        raise UserError(f"detector is {target}, but the page finds hands as detector=hands does; leave detector out")
    return HandSettings.check(detector.node, "detector")


def hands_to_compare(seed: int) -> np.ndarray:
    """Points of drawn hands in any pose, float32 (64, 21, 2): nobody's, as the page may be published.

    The last two are a hand and its mirror image, and one whose points are all in one place.
    """
    anything = AnyPose(PoseBook({}), ())
    hands = []
    for number in range(COMPARED - 2):
        rng = np.random.default_rng([seed, number])
        hands.append(draw_hand("any", draw_subject(0, "", rng), anything.draw, 192, rng).landmarks)
    return np.array([*hands, hands[0] * (-1, 1), np.full((21, 2), 0.5)], np.float32)


def write_web_page(settings: WebSettings, network: PortableNetwork, points: np.ndarray, finder: HandSettings) -> None:
    """Write all files; what is fetched comes first."""
    package = settings.tasks_vision
    fetch(package.remote, package.path, Connection(), lambda size: require_free_disk(package.path.parent, size, "it"))
    model = model_file(finder.model)
    for path in sorted(PAGE_FILES.iterdir()):
        copy_file(path, settings.output / path.name)
    copy_file(model, settings.output / "hand_landmarker.task")
    shutil.rmtree(settings.output / "vision", ignore_errors=True)  # of another version
    with open_archive(package.path) as archive:
        unpack(archive, VISION, "vision/{name}", settings.output)
    for name, content in json_files(network, points, finder):
        write_text(settings.output / name, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    version = package.path.stem.removeprefix("tasks-vision-")
    write_text(settings.output / "LICENCES.md", LICENCES.format(version=version, url=package.url))


def json_files(network: PortableNetwork, points: np.ndarray, finder: HandSettings) -> Iterable[tuple[str, Any]]:
    """Names and contents of the JSON files."""
    answers = network.classifier.answers(points)
    yield NETWORK_FILE, network.plain()
    yield (
        "finder.json",
        {
            "hands": finder.num_hands,
            "detection": finder.min_detection_confidence,
            "presence": finder.min_presence_confidence,
            "tracking": finder.min_tracking_confidence,
            "lookForMore": finder.look_for_more,
            "border": finder.border,
            "boxMargin": finder.box_margin,
        },
    )
    yield (
        "parity.json",
        {
            "points": points.tolist(),
            "probabilities": answers.probabilities.tolist(),
            "strangeness": answers.strangeness.tolist(),
        },
    )


if __name__ == "__main__":
    main()

"""Write the recogniser as a folder that runs without this project, wherever Gradio or an endpoint runs.

gestures demo-space checkpoint=models/best.ckpt output=reports/demo_space

app.py                          the page: a picture or the camera in, gestures out (`app`)
handler.py                      the same for a hosted inference endpoint (`handler`)
model.onnx, MODEL.md            the exported network and its card (`gestures export-onnx`)
finder.json, hand_landmarker.task    how hands are found (`inference.recogniser_folder`)
static_gesture_classification/  the modules of this package that both need: copies, with no torch among them
requirements.txt                pinned
README.md                       with the header that hosted spaces read
LICENSE                         of the code
"""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

from omegaconf import DictConfig
from rich.filesize import decimal

from static_gesture_classification.atomic_files import copy_file, explain_write_errors, write_text
from static_gesture_classification.code_identity import PACKAGE, ROOT, closure
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.deployment.export_onnx import ExportOnnxSettings, write_export
from static_gesture_classification.deployment.model_card import card_path
from static_gesture_classification.deployment.own_folder import require_own
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.detection.hands import HandDetector, HandSettings
from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.errors import UserError
from static_gesture_classification.file_state import bytes_in
from static_gesture_classification.inference.onnx_classifier import SUFFIX, load_onnx
from static_gesture_classification.inference.recogniser_folder import FINDER, MODEL, write_finder
from static_gesture_classification.settings import Settings
from static_gesture_classification.terminal import say

HERE = Path(__file__).parent
DISTRIBUTION = "static-gesture-classification"
PROGRAMS = ("app.py", "handler.py")
LARGE_FILES = "*.onnx filter=lfs diff=lfs merge=lfs -text\n*.task filter=lfs diff=lfs merge=lfs -text\n"
ON_CALL = ("onnx_runtime.py", "opencv.py")  # modules that are imported when they are first needed
README_TEXT = """# {title}

Which gesture a hand shows, in a picture or from the camera.{card}

| to | do |
|---|---|
| run it here | `pip install -r requirements.txt`, then `python app.py` |
| host it as a space | push this folder to a space with the SDK Gradio |
| host it as an endpoint | push it to a model repository; the endpoint runs `handler.py` |

It needs Python 3.11 to 3.13. It talks to nobody but its visitors, and deletes their pictures within ten minutes.

The code is under the Apache License 2.0 (`LICENSE`), and so is `hand_landmarker.task`, MediaPipe's hand landmarker by
Google. The licence of `model.onnx` is {licence}.
"""


class DemoSpaceSettings(Settings, key="demo_space"):
    """Settings of `gestures demo-space`.

    Args:
        checkpoint: of any input kind, or an exported file (`.onnx`).
        output: the folder.
        title: of the hosted space.
        licence: of the model, by its name in the hub (https://huggingface.co/docs/hub/repositories-licenses).
        detector: finds the hands.
        export: how the checkpoint is exported.
    """

    checkpoint: Path
    output: Path
    title: str
    licence: str
    detector: DetectorSettings
    export: ExportOnnxSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> DemoSpaceSettings:
        """Of the whole configuration; raises as `read`."""
        read = cls.read(config, "demo_space")
        changes = {"checkpoint": read.checkpoint, "output": read.output / MODEL, "int8": False}
        return read.model_copy(update={"export": read.export.model_copy(update=changes)})


@entry_point
def main(config: DictConfig) -> None:
    """Write the folder."""
    settings = DemoSpaceSettings.from_config(config)
    write_folder(settings)
    say(f"{settings.output}: {decimal(bytes_in(settings.output))}. To try it in an environment of its own:")
    say(f"cd {settings.output}")
    say("python3 -m venv .venv; .venv/bin/pip install -r requirements.txt; .venv/bin/python app.py")


def write_folder(settings: DemoSpaceSettings) -> None:
    """Write all files; the modules of an earlier folder are removed."""
    require_own(settings.output, FINDER, "demo_space.output")
    finder = finder_of(settings.detector)
    model = model_file(finder.model)
    write_model(settings)
    with explain_write_errors(settings.output):
        write_finder(finder, model, settings.output)
        shutil.rmtree(settings.output / PACKAGE, ignore_errors=True)
        for path in needed_modules():
            copy_file(path, settings.output / path.relative_to(ROOT))
        for name in (*PROGRAMS, "requirements.txt"):
            copy_file(HERE / name, settings.output / name)
        copy_file(licence_file(), settings.output / "LICENSE")
    write_text(settings.output / ".gitattributes", LARGE_FILES)
    write_text(settings.output / "README.md", space_readme(settings))


def write_model(settings: DemoSpaceSettings) -> None:
    """Write the network and its card: export the checkpoint, or copy a file that was exported before."""
    target, exported = settings.output / MODEL, settings.checkpoint
    if exported.suffix.lower() != SUFFIX:
        write_export(settings.export)
        return
    load_onnx(exported)  # raises where it is no file of this program
    with explain_write_errors(target):
        copy_file(exported, target)
    if card_path(exported).is_file():
        card = card_path(exported).read_text(encoding="utf-8")
        write_text(card_path(target), card.replace(exported.name, target.name))


def finder_of(detector: DetectorSettings) -> HandSettings:
    """The finder's settings. Raises `UserError` where `detector` is another one than `hands`."""
    if detector.node.get("_target_") != f"{HandDetector.__module__}.{HandDetector.__qualname__}":
        raise UserError(
            f"detector is {detector.node.get('_target_')}, but the folder finds hands by detector=hands; leave it out"
        )
    return HandSettings.check(detector.node, "detector")


def needed_modules() -> list[Path]:
    """The modules of the package that the folder's programs import, sorted."""
    package = ROOT / PACKAGE
    entries = [*(HERE / name for name in PROGRAMS), *(package / name for name in ON_CALL)]
    needed = closure(entries, in_functions=False) - {(HERE / name).resolve() for name in PROGRAMS}
    return sorted(needed)


def licence_file() -> Path:
    """The licence of the code: in the checkout, or in what is installed."""
    if (ROOT / "LICENSE").is_file():
        return ROOT / "LICENSE"
    return next(Path(str(each.locate())) for each in files(DISTRIBUTION) or () if each.name == "LICENSE")


def space_readme(settings: DemoSpaceSettings) -> str:
    """The page of the space, with its header."""
    from huggingface_hub import SpaceCardData  # it takes a second to import

    header = SpaceCardData(
        title=settings.title,
        sdk="gradio",
        sdk_version=pin("gradio"),
        python_version="3.12",
        app_file="app.py",
        license=settings.licence,
        short_description="Which gesture a hand shows",
    )
    card = " `MODEL.md` says how good it is." if card_path(settings.output / MODEL).is_file() else ""
    text = README_TEXT.format(title=settings.title, licence=settings.licence, card=card)
    return f"---\n{header.to_yaml().strip()}\n---\n\n{text}"


def pin(name: str) -> str:
    """The version of a package in the folder's requirements."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").split()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


if __name__ == "__main__":
    main()

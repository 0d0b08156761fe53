"""How many pictures a second the recorder looks at, window included, and where the time goes.

    python benchmarks/recorder_speed.py

records ../shared/data/videos/webcam.mp4 (640 x 480, played again and again) in hard mode with the hand detector and an
ONNX network at 128 pixels, in the real window on a virtual display (Xvfb), once with each picture waiting until it was
looked at, once like a camera of 30 pictures a second. The networks have random weights, which take as long as trained
ones. Sessions are written to a temporary folder. The table is printed and kept in benchmarks/results/recorder_speed.md.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from machine import measured_on
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.recording.capture.camera import FileCamera
from static_gesture_classification.recording.capture.latest_frame import Captured, LatestFrame
from static_gesture_classification.recording.jobs import Job, Work
from static_gesture_classification.recording.judging.observer import Observer, Sight, open_observer
from static_gesture_classification.recording.keys import CLOSED, SPACE
from static_gesture_classification.recording.loop import Figures, run_recorder
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.settings import RecordingSettings
from static_gesture_classification.recording.states import Recording, begin
from static_gesture_classification.recording.window.screens import draw_screen
from static_gesture_classification.recording.window.window import Window
from static_gesture_classification.training.checkpoint import Origin, build_network, save

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
RESULT = PROJECT / "benchmarks" / "results" / "recorder_speed.md"
MODELS = ("efficientnet_lite0", "mobilenet_v2")
SIZE, MARGIN = 128, 0.15
LOOKS, WARM_UP = 400, 60
CAMERA_RATE = 30.0
WANTED = 25.0
STAGES = ("hands", "gesture", "decide and save", "draw", "show")


class RepeatedVideo(FileCamera):
    """A video that begins again at its end, at any rate."""

    def __init__(self, path: Path, settings: Any, rate: float | None) -> None:
        super().__init__(path, settings)
        self.waits = rate is None
        self.seconds = 1 / (rate or CAMERA_RATE)

    def read(self) -> np.ndarray | None:
        """See `Camera.read`."""
        image = super().read()
        if image is not None:
            return image
        self._iterator = iter(self._frames)
        return super().read()


@dataclass
class Times:
    """Milliseconds of each look, by stage; when it began, and what the processor had worked by then, in seconds."""

    stages: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    begins: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work, whose time counts for a stage."""

        def measured(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = work(*arguments)
            self.stages[stage].append(1000 * (time.perf_counter() - start))
            return result

        return measured


class TimedWindow(Window):
    """The window, which ends the recording after `LOOKS` pictures."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self.times = times
        self._draw = times.timed("draw", draw_screen)
        self._put = times.timed("show", self.put)

    def show(self, recorder: Recorder, sight: Sight | None, figures: Figures) -> list[str]:
        """See `Window.show`."""
        keys: list[str] = self._put(self._draw(recorder, sight, figures), 1)
        recorder.over = len(self.times.begins) >= LOOKS
        return keys


class TimedObserver(Observer):
    """The observer, which notes when each picture was looked at."""

    def __init__(self, observer: Observer, times: Times) -> None:
        super().__init__(observer.detector, observer.predictor, observer.rule, observer.checkpoint)
        self.times = times
        assert observer.predictor is not None
        self.detector.detect = times.timed("hands", self.detector.detect)  # type: ignore[method-assign]
        observer.predictor.classify = times.timed("gesture", observer.predictor.classify)  # type: ignore[method-assign]

    def look(self, captured: Captured) -> Sight:
        """See `Observer.look`."""
        self.times.begins.append(time.perf_counter())
        self.times.worked.append(time.process_time())
        return super().look(captured)


def main() -> None:
    """Measure both networks, print and keep the table."""
    rows = []
    with virtual_display(), tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            config = configuration(Path(folder), model)
            make_checkpoint(config, Path(config.recording.checkpoint))
            for rate in (None, CAMERA_RATE):
                rows.append(row(model, rate, *measure(config, rate)))
                print(rows[-1], flush=True)
    text = report(rows)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


def configuration(folder: Path, model: str) -> DictConfig:
    """The project's configuration with the recorder's output in a temporary folder."""
    overrides = [
        f"model={model}",
        f"recording.root={folder / model}",
        f"recording.checkpoint={folder / f'{model}.ckpt'}",
        f"recording.source={SHARED / 'data/videos/webcam.mp4'}",
        f"detector.model.path={SHARED / 'models/hand_landmarker.task'}",
        "recording.hard=true",
        "recording.countdown=0",
        "recording.subject=anna",
        "recording.room=laptop",
    ]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return compose("config", overrides)


def make_checkpoint(config: DictConfig, path: Path) -> None:
    """A checkpoint of random weights."""
    model: dict[str, Any] = OmegaConf.to_container(config.model, resolve=True)  # type: ignore[assignment]
    model["weights"] = "none"
    vocabulary = Vocabulary.from_config(config)
    state = build_network(model, len(vocabulary)).state_dict()
    header = Origin(model, vocabulary, SIZE, MARGIN).header()
    save(header | {"state_dict": state, "epoch": 0, "scores": None}, path)


def measure(config: DictConfig, rate: float | None) -> tuple[Times, int, int]:
    """Record `LOOKS` pictures; returns the times, how many pictures were dropped, and how many were kept."""
    settings = RecordingSettings.from_config(config)
    times = Times()
    observer = TimedObserver(open_observer(settings.judge, Path(config.recording.checkpoint)), times)
    job = Job("THREE", 100_000, "TWO", "23 of 110 are taken for TWO", np.zeros((220, 220, 3), np.uint8))
    work = Work((job,), planned=True)
    recorder = begin(Recorder(settings, work, observer.vocabulary, observer.checkpoint))
    recorder.press(SPACE)
    recorder.see = times.timed("decide and save", recorder.see)  # type: ignore[method-assign]
    camera = RepeatedVideo(Path(config.recording.source), settings.camera, rate)
    with observer.detector, LatestFrame(camera, settings.camera) as frames, TimedWindow(times) as window:
        run_recorder(recorder, observer, frames, window)
        dropped = frames.dropped
    assert isinstance(recorder.state, Recording)
    kept = len(recorder.state.set.kept)
    recorder.press(CLOSED)
    recorder.close()
    return times, dropped, kept


def row(model: str, rate: float | None, times: Times, dropped: int, kept: int) -> str:
    """A line of the table."""
    begins, worked = times.begins[WARM_UP:], times.worked[WARM_UP:]
    overall = (len(begins) - 1) / (begins[-1] - begins[0])
    processor_ms = 1000 * (worked[-1] - worked[0]) / (len(worked) - 1)
    stages = [statistics.median(times.stages[stage][WARM_UP:]) for stage in STAGES]
    camera = "as fast as looked at" if rate is None else f"{rate:.0f}/s"
    cells = [
        model,
        camera,
        f"**{overall:.1f}**",
        *(f"{value:.1f}" for value in stages),
        f"{processor_ms:.1f}",
        str(dropped),
        str(kept),
    ]
    return f"| {' | '.join(cells)} |"


def report(rows: list[str]) -> str:
    """The whole result."""
    head = [
        "network",
        "camera",
        "pictures/s",
        *(f"{stage}, ms" for stage in STAGES),
        "processor, ms",
        "dropped",
        "kept",
    ]
    return "\n".join(
        [
            "# Speed of the recorder",
            "",
            f"{measured_on('ai-edge-litert', 'onnxruntime', 'opencv-python', 'pygame-ce', 'numpy')}; "
            f"{LOOKS - WARM_UP} pictures of 640 x 480 each, hard mode, window of 1160 x 720 on Xvfb; load average "
            f"{os.getloadavg()[0]:.1f}. Stages are medians. Wanted: at least {WANTED:.0f} pictures/s.",
            "",
            f"| {' | '.join(head)} |",
            f"|{'---|' * len(head)}",
            *rows,
            "",
            "Processor is the time that all threads together work for a picture, which other load changes little; the "
            "stages and pictures/s are by the clock.",
            "",
            "Dropped are pictures of the camera that a newer one replaced before they were looked at. Where the camera "
            "gives 30/s, the recorder waits for it.",
            "",
        ]
    )


@contextmanager
def virtual_display() -> Iterator[None]:
    """A display to open the window on; the one that is there, else Xvfb's."""
    if os.environ.get("DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None:
        raise SystemExit("Xvfb is not installed (Debian, Ubuntu: apt-get install xvfb)")
    reading, writing = os.pipe()
    screen = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24"]
    server = subprocess.Popen(screen, pass_fds=[writing], stderr=subprocess.DEVNULL)
    try:
        os.environ["DISPLAY"] = f":{os.read(reading, 16).decode().strip()}"
        yield
    finally:
        del os.environ["DISPLAY"]
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

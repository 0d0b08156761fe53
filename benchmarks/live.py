"""How many pictures a second `gestures live` looks at, and what smoothing and hold times bring and cost.

    gestures retrain +experiment=all_photographs
    python benchmarks/live.py [models/quick/best.ckpt]

watches ../shared/data/videos/webcam.mp4 (300 frames, 15 a second, one person; single shots in a row, in which the hand
jumps, not one filmed movement) with each picture waiting until it was looked at: without a window, and in the real
window on a virtual display (Xvfb). Its JSON names the true gesture of each frame; frames of one gesture in a row are a
segment. Counted are the gestures that begin in each segment: one of the true gesture is wanted, all others
are false. The table is printed and kept in benchmarks/results/live.md.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from machine import measured_on

from static_gesture_classification.inference.held_gestures import BEGIN, HeldGestures, HoldSettings
from static_gesture_classification.inference.predictor import Predictor, RecognisedHand
from static_gesture_classification.live.live import find_checkpoint, open_catcher
from static_gesture_classification.live.screen import LIVE_TITLE, Screen
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.live.watch import Watch, WatchDisplay, run_watch
from static_gesture_classification.recording.capture.camera import open_camera
from static_gesture_classification.recording.capture.latest_frame import Captured, LatestFrame
from static_gesture_classification.recording.judging.observer import fast_model, open_detector
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.window.window import Window

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"
VIDEO = SHARED / "data" / "videos" / "webcam.mp4"
RESULT = PROJECT / "benchmarks" / "results" / "live.md"
HOLDS = ((0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.3), (0.5, 0.5))  # seconds: smooth, hold
DEFAULT = (0.3, 0.3)
WARM_UP = 30  # pictures


class Nothing:
    """Shows nothing."""

    def show(self, watch: Watch, figures: Figures) -> list[str]:
        """No key is pressed."""
        return []


class Noted(Watch):
    """A watch that notes what it saw, and when it was done with each picture."""

    seen: list[tuple[float, list[RecognisedHand]]]
    moments: list[float]
    worked: list[float]

    def see(self, captured: Captured) -> None:
        """See `Watch.see`."""
        super().see(captured)
        self.seen.append((captured.time, self.predictor.latest))  # type: ignore[attr-defined]
        self.moments.append(time.perf_counter())
        self.worked.append(time.process_time())


class NotingPredictor(Predictor):
    """A predictor that keeps its latest answer."""

    def predict(self, image: np.ndarray) -> list[RecognisedHand]:
        """See `Predictor.predict`."""
        self.latest = super().predict(image)
        return self.latest


@dataclass(frozen=True)
class Segment:
    """Frames of one true gesture in a row: begin and end in seconds."""

    gesture: str
    begin: float
    end: float


@dataclass(frozen=True)
class Outcome:
    """What began in the segments, and the delays of the true ones, in seconds."""

    false: int
    missed: int
    repeated: int
    delays: tuple[float, ...]


def segments(rate: float) -> list[Segment]:
    truth = json.loads(VIDEO.with_suffix(".json").read_text())
    found, first = [], 0
    for gesture, frames in groupby(entry["hands"][0]["gesture"].upper() for entry in truth):
        count = len(list(frames))
        found.append(Segment(gesture, first / rate, (first + count) / rate))
        first += count
    return found


def outcome(seen: Sequence[tuple[float, list[RecognisedHand]]], held: HeldGestures, true: Sequence[Segment]) -> Outcome:
    events = [event for moment, hands in seen for event in held.see(moment, hands) if event.event == BEGIN]
    false = missed = repeated = 0
    delays = []
    for segment in true:
        own = [event for event in events if segment.begin <= event.time < segment.end]
        right = [event.time - segment.begin for event in own if event.gesture == segment.gesture]
        false += len(own) - len(right)
        missed += not right
        repeated += max(len(right) - 1, 0)
        delays += right[:1]
    return Outcome(false, missed, repeated, tuple(delays))


def watch_all(settings: LiveSettings, checkpoint: Path, display: WatchDisplay) -> Noted:
    camera = open_camera(str(VIDEO), settings.camera)
    with open_detector(settings.recording.judge) as detector, LatestFrame(camera, settings.camera) as frames:
        predictor = NotingPredictor.load(fast_model(checkpoint), detector)
        held = HeldGestures(settings.holding, predictor.vocabulary)
        catcher = open_catcher(settings, predictor, checkpoint)
        watch = Noted(predictor, held, [], catcher, settings.recording.judge.hand, print)
        watch.seen, watch.moments, watch.worked = [], [], []
        run_watch(watch, frames, display)
    return watch


@contextmanager
def virtual_display() -> Iterator[None]:
    """An Xvfb of its own."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    try:
        os.environ["DISPLAY"] = f":{os.read(reading, 16).decode().strip()}"
        yield
    finally:
        server.terminate()
        server.wait()


def speed(watch: Noted) -> str:
    gaps = [later - earlier for earlier, later in zip(watch.moments, watch.moments[1:], strict=False)][WARM_UP:]
    rate, slow = 1 / statistics.mean(gaps), statistics.quantiles(gaps, n=20)[-1]
    work = (watch.worked[-1] - watch.worked[WARM_UP]) / (len(watch.worked) - WARM_UP - 1)
    return (
        f"the processor works {1000 * work:.1f} ms a picture; by the clock {rate:.1f} pictures/s, "
        f"{1000 * statistics.median(gaps):.0f} ms in the median, {1000 * slow:.0f} ms in the slowest of twenty"
    )


def main() -> None:
    overrides = [f"live.checkpoint={sys.argv[1]}"] if len(sys.argv) > 1 else []
    overrides += [f"detector.model.path={SHARED / 'models' / 'hand_landmarker.task'}", "live.pace=all"]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        settings = LiveSettings.from_config(compose("config", overrides))
    checkpoint = find_checkpoint(settings)
    without = watch_all(settings, checkpoint, Nothing())
    shown = "not measured: there is no Xvfb"
    if shutil.which("Xvfb"):
        with virtual_display(), Window(LIVE_TITLE) as window:
            shown = speed(watch_all(settings, checkpoint, Screen(window, True)))
    true = segments(1 / open_camera(str(VIDEO), settings.camera).seconds)
    start = without.seen[0][0]
    seen = [(moment - start, hands) for moment, hands in without.seen]
    rows = []
    for smooth, hold in HOLDS:
        how = HoldSettings(smooth=smooth, hold=hold, least=settings.holding.least)
        found = outcome(seen, HeldGestures(how, without.predictor.vocabulary), true)
        median = f"{statistics.median(found.delays):.2f}" if found.delays else "-"
        longest = f"{max(found.delays):.2f}" if found.delays else "-"
        name = f"**{smooth:g} and {hold:g} (default)**" if (smooth, hold) == DEFAULT else f"{smooth:g} and {hold:g}"
        rows.append(f"| {name} | {found.false} | {found.repeated} | {found.missed} | {median} | {longest} |")
    load = os.getloadavg()[0]
    text = f"""# Gestures in use: speed, and what smoothing brings

{measured_on("mediapipe", "onnxruntime", "opencv-python")}; load average \
{load:.1f}. `python benchmarks/live.py {checkpoint}`, on the {len(seen)} frames of webcam.mp4: one person, {len(true)} \
segments ({", ".join(segment.gesture for segment in true)}). The frames are single shots in a row, in which the hand \
jumps, so this is harder than a hand before a camera.

- without a window: {speed(without)}
- in the window (1160 x 720, Xvfb): {shown}

Detector, model, smoothing and drawing together, one picture after the other. The processor's time, of all threads,
changes little with other load; the clock's does.

| smoothing and hold, s | false gestures | again in the same segment | segments missed | delay, median s | longest, s |
|---|---|---|---|---|---|
{chr(10).join(rows)}

A gesture that begins in a segment of another one is false. The times were set before this was measured and not changed
after it; that a hand which is missed in single pictures goes on showing its gesture was added because this video
has many. The network's training set has other frames of this kind of recording: this says nothing about strangers.
"""
    print(text)
    RESULT.write_text(text)


if __name__ == "__main__":
    main()

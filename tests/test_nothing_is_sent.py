"""Nothing leaves the machine: commands run under strace, and none may try to reach any address.

strace sees what every library does, native ones too, and no network has to be there: an attempt is enough.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support.stage_commands import EVALUATE, LITTLE, save_photographs

PACKAGE = "static_gesture_classification"
BOX = ("detector=box",)
# An address of a network; sockets of the machine's own (AF_UNIX, AF_NETLINK) reach nobody.
ADDRESS = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_INET")
# Only these calls stop a process (--seccomp-bpf), so that the others stay as fast as they are.
STRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
IN_TURN = """
import ast, importlib, sys, time
from tests.support.conf_cache import compose_once
compose_once()
seconds, turns = ast.literal_eval(sys.argv[1])
for module, *arguments in turns:
    sys.argv = [module, *arguments]
    importlib.import_module(module).main()
time.sleep(seconds)
"""

WAIT = 12  # seconds; ONNX Runtime looks up its maker's host after eight at most

Command = Sequence[str]


@dataclass(frozen=True)
class Traced:
    """Runs commands in `folder`, one after the other in one process, and sees whom they try to reach."""

    project: Path
    folder: Path

    def attempts(self, *commands: Command, wait: bool = True) -> list[str]:
        """The calls that name an address; commands are a module with a `main` and its arguments.

        Libraries send what they have collected in a thread of their own, a while after their first use: `wait` for it.
        """
        paths = os.pathsep.join([str(self.project), str(self.folder)])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        trace, turns = self.folder / "trace", repr((WAIT if wait else 0, [list(command) for command in commands]))
        result = subprocess.run(
            [*STRACE, "-o", str(trace), sys.executable, "-c", IN_TURN, turns],
            cwd=self.folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        return [line for line in trace.read_text(errors="replace").splitlines() if ADDRESS.search(line)]


@pytest.fixture(scope="module")
def traced(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    if subprocess.run([*STRACE, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets no process be traced")
    return Traced(project, tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="module")
def pipeline(traced: Traced) -> list[str]:
    """Whom the commands try to reach, the pipeline with both trackers; its checkpoint is in the folder afterwards."""
    save_photographs(traced.folder / "photos")
    video = noise(traced.folder / "noise.avi", frames=10)
    little = [*(value for value in LITTLE if value != "logger=[]"), "logger=[neptune,mlflow]"]
    evaluated = [f"{PACKAGE}.evaluation.evaluate", *little, *EVALUATE]
    stages = ("preparation.index", "preparation.crops", "preparation.split")
    last = ("evaluation.promote", "active_learning.planning.make_plan")
    return traced.attempts(
        *([f"{PACKAGE}.{stage}", *little] for stage in stages),
        ["train_static_gestures", *little],
        evaluated,
        *([f"{PACKAGE}.{stage}", *little] for stage in last),
        predict(video, *BOX),
        record(video, *BOX),
    )


def predict(video: Path, *overrides: str) -> Command:
    return [
        f"{PACKAGE}.inference.predict",
        f"predict.input={video}",
        "predict.output=seen.csv",
        "trainer.threads=1",
        *overrides,
    ]


def record(video: Path, *overrides: str) -> Command:
    settings = (
        "recording.window=none",
        "recording.mode=free",
        "recording.gesture=FIST",
        "recording.min_sharpness=0",
        "recording.count=5",
    )
    people = ("recording.subject=ada", "recording.room=attic", "recording.root=recorded")
    return ["record_gestures", f"recording.source={video}", "recording.pace=all", *settings, *people, *overrides]


def noise(path: Path, frames: int) -> Path:
    """A video without hands."""
    random = np.random.default_rng(0)
    return write_video(path, (random.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(frames)))


def every_tenth(video: Path, path: Path) -> Path:
    """A video of every tenth frame of another."""
    from static_gesture_classification.opencv import cv2

    film = cv2.VideoCapture(str(video))
    frames = [film.read()[1] for _ in range(int(film.get(cv2.CAP_PROP_FRAME_COUNT)))]
    return write_video(path, frames[::10])


def write_video(path: Path, frames: Iterable[np.ndarray]) -> Path:
    from static_gesture_classification.opencv import cv2

    first, *others = frames
    height, width = first.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (width, height))
    for frame in (first, *others):
        writer.write(frame)
    writer.release()
    return path


def test_an_attempt_would_be_seen(traced: Traced) -> None:
    caller = (
        "import socket\ndef main():\n    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"
    )
    (traced.folder / "caller.py").write_text(caller)
    assert traced.attempts(["caller"], wait=False)


def test_pipeline_trackers_predict_and_recorder_try_to_reach_nobody(pipeline: list[str]) -> None:
    assert pipeline == []


def test_looking_for_hands_tries_to_reach_nobody(
    traced: Traced, pipeline: list[str], photographs: Path, hand_landmarker: Path
) -> None:
    detector = (f"detector.model.path={hand_landmarker}", "detector.second_look.columns=0")
    video = every_tenth(photographs / "videos" / "webcam.mp4", traced.folder / "webcam.avi")
    landmarks = [f"{PACKAGE}.preparation.landmarks", *LITTLE, "landmarks.extract=always", *detector]
    assert traced.attempts(landmarks, record(video, *detector), predict(video, *detector)) == []

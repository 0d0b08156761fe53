"""The two networks of MediaPipe's hand landmarker, run by LiteRT: no part of MediaPipe itself is needed.

The model file is a ZIP archive of two TensorFlow Lite files; inputs and outputs: the model cards of
https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker#models.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.detection.native_messages import without_meaningless_messages
from static_gesture_classification.detection.native_resource import NativeResource
from static_gesture_classification.errors import UserError

PALM_NETWORK, LANDMARK_NETWORK = "hand_detector.tflite", "hand_landmarks_detector.tflite"
PALM_SIDE, HAND_SIDE = 192, 224  # pixels of the networks' square inputs
SCALE = np.float32(1 / 255)  # the networks see 0..1
MOST_THREADS = 2  # more were not measured: benchmarks/results/hand_finder.md

# A forked process gets its parent's networks without their threads. To release them would wait for these for ever.
_inherited: list[Any] = []


@dataclass(frozen=True)
class _Network:
    """A loaded network, and the numbers of its input and outputs, whose look-up takes time."""

    runs: Any
    input: int
    outputs: tuple[int, ...]


class Networks(NativeResource[dict[str, _Network]]):
    """The palm network and the landmark network.

    Args:
        model: see `model_file`.
        threads: of each network; None: see `useful_threads`.
    """

    def __init__(self, model: Mapping[str, Any], threads: int | None) -> None:
        self.model, self.threads = dict(model), threads
        super().__init__()

    def palms(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the palm network says of a picture.

        Args:
            pixels: uint8 (192, 192, 3), RGB.

        Returns:
            float32 (2016, 18): a box's middle and size and seven points, in pixels from each anchor; float32 (2016,):
            scores before the sigmoid.
        """
        boxes, scores = self._run(PALM_NETWORK, pixels)
        return boxes[0], scores[0, :, 0]

    def hand(self, pixels: np.ndarray) -> tuple[np.ndarray, float, float, np.ndarray]:
        """What the landmark network says of the surroundings of a palm.

        Args:
            pixels: uint8 (224, 224, 3), RGB, the fingers upwards.

        Returns:
            float32 (21, 3): landmarks in pixels; how surely it is a hand, and a right one, 0..1; float32 (21, 3):
            landmarks in metres.
        """
        landmarks, presence, right, world = self._run(LANDMARK_NETWORK, pixels)
        return landmarks.reshape(-1, 3), float(presence.item()), float(right.item()), world.reshape(-1, 3)

    def _run(self, name: str, pixels: np.ndarray) -> list[np.ndarray]:
        with self._held() as networks:
            network = networks[name]
            # Into the network's own memory; nothing may refer to it while the network runs.
            np.multiply(pixels, SCALE, out=network.runs.tensor(network.input)()[0])
            network.runs.invoke()
            return [network.runs.get_tensor(output) for output in network.outputs]

    def _load(self) -> dict[str, _Network]:
        path = model_file(self.model)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except (ImportError, OSError) as error:  # OSError: a system library is missing
            raise UserError(f"LiteRT, which runs the hand detector, cannot be loaded ({error})") from error
        loaded, threads = {}, self.threads or useful_threads()
        try:
            with zipfile.ZipFile(path) as archive, without_meaningless_messages():
                for name in (PALM_NETWORK, LANDMARK_NETWORK):
                    network = Interpreter(model_content=archive.read(name), num_threads=threads)
                    network.allocate_tensors()
                    (taken,), given = network.get_input_details(), network.get_output_details()
                    loaded[name] = _Network(network, taken["index"], tuple(output["index"] for output in given))
        except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"cannot use {path} as a hand landmarker: {error}") from error
        return loaded

    @staticmethod
    def _release(resource: dict[str, _Network], process: int) -> None:
        if process != os.getpid():
            _inherited.append(resource)


def useful_threads() -> int:
    """How many threads a network of this process gets: `MOST_THREADS`, but no more than the process has cores.

    OMP_NUM_THREADS says how many these are, where it is set: joblib and Ray set it for their workers, which share the
    cores. Else they are those that the process may use, by its affinity and its container's limit.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # a list is for nested loops
    if said.isdecimal() and int(said):
        return min(MOST_THREADS, int(said))
    import joblib  # a tenth of a second, where nothing else has loaded it

    return min(MOST_THREADS, int(joblib.cpu_count()))

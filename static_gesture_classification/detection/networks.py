"""The two networks of MediaPipe's hand landmarker, run by LiteRT: no part of MediaPipe itself is needed.

The model file is a ZIP archive of two TensorFlow Lite files; inputs and outputs: the model cards of
https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker#models.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.detection.native_messages import without_meaningless_messages
from static_gesture_classification.errors import UserError

PALM_NETWORK, LANDMARK_NETWORK = "hand_detector.tflite", "hand_landmarks_detector.tflite"
PALM_SIDE, HAND_SIDE = 192, 224  # pixels of the networks' square inputs

# A forked process gets its parent's networks without their threads. To release them waits for these for ever.
_inherited: list[Any] = []


class Networks:
    """The palm network and the landmark network, loaded on first use.

    They can be pickled and forked: every process loads its own. Calls from several threads run one by one.

    Args:
        model: see `model_file`.
        threads: of each network.
    """

    def __init__(self, model: Mapping[str, Any], threads: int) -> None:
        self.model, self.threads = dict(model), threads
        self._start_afresh()

    def palms(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the palm network says of a picture.

        Args:
            pixels: float32 (192, 192, 3), RGB, 0..1.

        Returns:
            float32 (2016, 18): a box's middle and size and seven points, in pixels from each anchor; float32 (2016,):
            scores before the sigmoid.
        """
        boxes, scores = self._run(PALM_NETWORK, pixels)
        return boxes[0], scores[0, :, 0]

    def hand(self, pixels: np.ndarray) -> tuple[np.ndarray, float, float, np.ndarray]:
        """What the landmark network says of the surroundings of a palm.

        Args:
            pixels: float32 (224, 224, 3), RGB, 0..1, the fingers upwards.

        Returns:
            float32 (21, 3): landmarks in pixels; how surely it is a hand, and a right one, 0..1; float32 (21, 3):
            landmarks in metres.
        """
        landmarks, presence, right, world = self._run(LANDMARK_NETWORK, pixels)
        return landmarks.reshape(-1, 3), float(presence.item()), float(right.item()), world.reshape(-1, 3)

    def close(self) -> None:
        """Release both; the next call loads them again."""
        with self._lock:
            self._let_go()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._loaded: dict[str, Any] = {}
        self._process = os.getpid()
        self._lock = threading.RLock()

    def _let_go(self) -> None:
        if self._process != os.getpid():
            _inherited.append(self._loaded)
        self._start_afresh()

    def _run(self, name: str, pixels: np.ndarray) -> list[np.ndarray]:
        if self._process != os.getpid():
            self._let_go()
        with self._lock:
            network = (self._loaded or self._load())[name]
            network.set_tensor(network.get_input_details()[0]["index"], pixels[None])
            network.invoke()
            return [network.get_tensor(output["index"]) for output in network.get_output_details()]

    def _load(self) -> dict[str, Any]:
        path = model_file(self.model)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except (ImportError, OSError) as error:  # OSError: a system library is missing
            raise UserError(f"LiteRT, which runs the hand detector, cannot be loaded ({error})") from error
        try:
            with zipfile.ZipFile(path) as archive, without_meaningless_messages():
                for name in (PALM_NETWORK, LANDMARK_NETWORK):
                    network = Interpreter(model_content=archive.read(name), num_threads=self.threads)
                    network.allocate_tensors()
                    self._loaded[name] = network
        except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError) as error:
            self._loaded = {}
            raise UserError(f"cannot use {path} as a hand landmarker: {error}") from error
        return self._loaded

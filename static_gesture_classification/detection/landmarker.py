"""One task of MediaPipe: loads and releases its native resources in every process and thread."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.detection.native_messages import without_meaningless_messages
from static_gesture_classification.errors import UserError

FRAME_MS = 33  # video mode needs growing timestamps; only their order matters


class Landmarker:
    """MediaPipe's Hand Landmarker, loaded on first use.

    It can be pickled and forked: a worker process loads its own in about 0.1 s. Calls from several threads run one by
    one.

    Args:
        model: see `model_file`.
        is_video: whether images are consecutive frames, so that hands are tracked.
        num_hands: the greatest number of hands.
        detection, presence, tracking: least confidences, 0..1.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        is_video: bool,
        num_hands: int,
        detection: float,
        presence: float,
        tracking: float,
    ) -> None:
        self.model = dict(model)
        self.is_video = is_video
        self.frames = 0
        self.options = {
            "num_hands": num_hands,
            "min_hand_detection_confidence": detection,
            "min_hand_presence_confidence": presence,
            "min_tracking_confidence": tracking,
        }
        self._start_afresh()

    def __call__(self, pixels: np.ndarray) -> Any:
        """MediaPipe's `HandLandmarkerResult` for contiguous RGB pixels, uint8 (height, width, 3).

        Raises:
            UserError: MediaPipe or its model cannot be loaded; says why and what to do.
        """
        if self._process != os.getpid():
            self._let_go()
        with self._lock, nullcontext() if self._has_logged_all else without_meaningless_messages():
            task = self._task or self._load()
            import mediapipe

            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            self.frames += 1
            found = task.detect_for_video(image, self.frames * FRAME_MS) if self.is_video else task.detect(image)
        self._has_logged_all |= bool(
            found.hand_landmarks
        )  # MediaPipe logs each remark once, the last with the first hand
        return found

    def close(self) -> None:
        """Release the task; the next call loads a new one."""
        with self._lock:
            self._let_go()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_afresh()

    def _start_afresh(self) -> None:
        ignore_profiling_ticks()
        self._task: Any = None
        self._finalizer: weakref.finalize | None = None
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._has_logged_all = False

    def _let_go(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._start_afresh()

    def _load(self) -> Any:
        path = model_file(self.model)
        try:
            from mediapipe.tasks.python import BaseOptions
            from mediapipe.tasks.python.vision import HandLandmarker, HandLandmarkerOptions, RunningMode

            options = HandLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
                running_mode=RunningMode.VIDEO if self.is_video else RunningMode.IMAGE,
                **self.options,
            )
            self._task = HandLandmarker.create_from_options(options)
        except ModuleNotFoundError as error:
            raise UserError(
                "MediaPipe is not installed; use detector=hands, or install it: pip install '.[mediapipe]'"
            ) from error
        except (ImportError, OSError) as error:  # OSError: ctypes cannot load a system library
            raise UserError(
                f"MediaPipe cannot be loaded ({error}). Use detector=hands, or install the system libraries that it "
                "wants; on Debian and Ubuntu: apt-get install libegl1 libgles2 libgl1 libglib2.0-0"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise UserError(f"MediaPipe cannot use {path} as a hand landmarker: {error}") from error
        self._finalizer = weakref.finalize(self, _release, self._task, os.getpid())
        return self._task


def ignore_profiling_ticks() -> None:
    """Keep MediaPipe's profiler from ending the process.

    Its library (1.2.2) may send SIGPROF and handles it. Lightning resets all signal handlers after a training, and the
    default of SIGPROF ends the process. So Python ignores it. Only the main thread can set that; others change nothing.
    """
    if (
        hasattr(signal, "SIGPROF")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGPROF) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def _release(task: Any, process: int) -> None:
    """Close a task safely: its own clean-up hangs in a forked process and fails when the interpreter ends."""
    if process == os.getpid():
        try:
            task.close()
        except RuntimeError:  # the interpreter is ending
            task._handle = None
    else:  # forked: the task's threads stayed in the parent
        task._handle = None

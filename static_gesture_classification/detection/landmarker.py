"""One task of MediaPipe: how it is loaded, called and released."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.detection.native_messages import without_meaningless_messages
from static_gesture_classification.detection.native_resource import NativeResource
from static_gesture_classification.errors import UserError

FRAME_MS = 33  # video mode needs growing timestamps; only their order matters


class Landmarker(NativeResource[Any]):
    """MediaPipe's Hand Landmarker; a process loads its own in about 0.1 s.

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
        super().__init__()

    def __call__(self, pixels: np.ndarray) -> Any:
        """MediaPipe's `HandLandmarkerResult` for contiguous RGB pixels, uint8 (height, width, 3).

        Raises:
            UserError: MediaPipe or its model cannot be loaded; says why and what to do.
        """
        with self._held() as task, nullcontext() if self._has_logged_all else without_meaningless_messages():
            import mediapipe

            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            self.frames += 1
            found = task.detect_for_video(image, self.frames * FRAME_MS) if self.is_video else task.detect(image)
        # MediaPipe logs each remark once, the last with the first hand.
        self._has_logged_all |= bool(found.hand_landmarks)
        return found

    def _start_afresh(self) -> None:
        super()._start_afresh()
        ignore_profiling_ticks()
        self._has_logged_all = False

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
            with without_meaningless_messages():
                return HandLandmarker.create_from_options(options)
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

    @staticmethod
    def _release(resource: Any, process: int) -> None:
        """Close a task safely: its own clean-up hangs in a forked process and fails when the interpreter ends."""
        if process == os.getpid():
            try:
                resource.close()
            except RuntimeError:  # the interpreter is ending
                resource._handle = None
        else:  # forked: the task's threads stayed in the parent
            resource._handle = None


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

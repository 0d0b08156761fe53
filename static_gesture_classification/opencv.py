"""The one place that imports OpenCV, for hands in images, cameras, videos and the recorder's window.

    from static_gesture_classification.opencv import cv2

What needs no hand detector, camera or window works without it, because importing opencv-python needs libGL.

Raises:
    UserError: on import, where libGL or another system library is missing; says what to install.
"""

from __future__ import annotations

import os

from static_gesture_classification.errors import UserError

# We report errors of files and cameras; OpenCV and its FFmpeg would print them too. Both read these when loaded.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

try:
    import cv2
except ImportError as error:
    raise UserError(
        f"OpenCV, which the hand detector, cameras, videos and the window need, cannot be loaded ({error}). Install "
        "the system libraries that it wants; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"
    ) from error

__all__ = ["cv2"]

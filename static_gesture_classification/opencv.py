"""The one place that imports OpenCV, for cameras, videos and the recorder's window.

    from static_gesture_classification.opencv import cv2

The pipeline's stages work without it: they read images through simplejpeg and Pillow, since opencv-python needs libGL
as soon as it is imported.

Raises:
    UserError: on import, where libGL (or another system library that OpenCV wants) is missing; says what to install.
"""

from __future__ import annotations

import os

from static_gesture_classification.errors import UserError

# What is wrong with a file or a camera is said by us; OpenCV and its FFmpeg would write it to the screen as well. Both
# look at these once, when they are loaded.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

try:
    import cv2
except ImportError as error:
    raise UserError(
        f"OpenCV, which reads cameras and videos and shows the window, cannot be loaded ({error}). Install the system "
        "libraries that it wants; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"
    ) from error

__all__ = ["cv2"]

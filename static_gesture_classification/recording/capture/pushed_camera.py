"""A camera whose pictures are handed in as JPEG files, by a browser for example: the newest wins."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from static_gesture_classification.images import UnreadableImageError, decode, read_header
from static_gesture_classification.recording.capture.camera import Camera

_MOST_PIXELS = 4096 * 4096  # no camera of a browser has more
REMEMBERED = 256  # pictures whose senders' numbers are known


class PushedCamera(Camera):
    """Pictures that another thread gives.

    Args:
        name: for people and for `session.json`.
    """

    live = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: tuple[int, bytes] | None = None
        self._over = False
        self._condition = threading.Condition()
        self._read = 0
        self._numbers: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    def give(self, number: int, data: bytes) -> None:
        """Hand in a picture; one that still waits is dropped.

        Args:
            number: by which the sender knows it.
            data: a JPEG file; what cannot be read as one is passed over.
        """
        with self._condition:
            self._waiting = (number, data)
            self._condition.notify_all()

    def end(self) -> None:
        """No more pictures come."""
        with self._condition:
            self._over = True
            self._condition.notify_all()

    def read(self) -> np.ndarray | None:
        """See `Camera.read`."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._over)
                waiting, self._waiting = self._waiting, None
            if waiting is None:
                return None
            image = _decode(waiting[1])
            if image is not None:
                self._numbers.append((self._read, waiting[0]))
                self._read += 1
                return image

    def sent_as(self, number: int) -> int:
        """The sender's number of the picture that `read` gave as its `number`-th, from 0; -1 if that is long ago."""
        return next((sent for read, sent in reversed(tuple(self._numbers)) if read == number), -1)

    def reopen(self) -> None:
        """See `Camera.reopen`: whoever gives the pictures comes back by himself."""

    def close(self) -> None:
        """See `Camera.close`."""
        self.end()


def _decode(data: bytes) -> np.ndarray | None:
    try:
        header = read_header(data)
        if not header.is_jpeg or header.width * header.height > _MOST_PIXELS:
            return None
        return decode(data, header)
    except UnreadableImageError:
        return None

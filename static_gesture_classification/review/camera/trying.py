"""Trying the model on a picture or a video that a page gives: what it sees, and "that was wrong"."""

from __future__ import annotations

import base64
import itertools
import tempfile
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_state import file_state
from static_gesture_classification.images import UnreadableImageError, decode, read_header
from static_gesture_classification.inference.frames import Frame, VideoFrames
from static_gesture_classification.inference.predictor import Predictor, RecognisedHand
from static_gesture_classification.live.live import find_checkpoint, open_catcher
from static_gesture_classification.live.settings import LiveSettings
from static_gesture_classification.recording.capture.latest_frame import Captured
from static_gesture_classification.recording.judging.observer import Sight, fast_model
from static_gesture_classification.recording.wording import Tone
from static_gesture_classification.review.camera.recorder_face import outline

SAMPLED = 24  # frames of a video that are looked at
LONGEST_FILM = 20_000  # frames that are decoded to find them
SHOWN, SHOWN_OF_VIDEO = 1280, 420  # pixels of the longer side, on the page
LIKELIEST = 3
REMEMBERED = 8  # pictures that can still be said to be wrong
QUALITY = 88


@dataclass(frozen=True)
class Tried:
    """A picture that the model was tried on, and what it saw."""

    image: np.ndarray
    hands: tuple[RecognisedHand, ...]


class Trial:
    """The model that pictures are tried on; loaded with the first one. Threads may share it: they take turns.

    Args:
        settings: of the live view, whose checkpoint and rules hold.
        detector: of single pictures.
    """

    def __init__(self, settings: LiveSettings, detector: DetectorSettings) -> None:
        self.settings, self.detector = settings, detector
        self._predictor: tuple[Path, object, Predictor] | None = None
        self._tried: OrderedDict[str, Tried] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, data: bytes) -> dict[str, Any]:
        """What the model sees in a picture or a video, as JSON with the pictures to show.

        Args:
            data: the file.

        Raises:
            UserError: there is no model. DataError: the file is neither a picture nor a video that can be read.
        """
        try:
            header = read_header(data)
            image = decode(data, header)
        except UnreadableImageError as error:
            return self._look_at_video(data, str(error))
        begun = time.perf_counter()
        shown = self._look_at(image, SHOWN)
        seconds = time.perf_counter() - begun
        return {"kind": "picture", "pictures": [shown], "seconds": round(seconds, 3), "judge": self._judge()}

    def wrong(self, picture: str, hand: int, gesture: str, elsewhere: bool) -> str:
        """A hand of a tried picture was named wrongly: keep it as caught in use.

        Args:
            picture: its name.
            hand: which of its hands.
            gesture: what it shows.
            elsewhere: whether it was said on another device, a phone; see `StorageSettings.for_pictures_from`.

        Returns:
            what was kept, in words.

        Raises:
            UserError: an unknown gesture, or a picture that is not known any more.
        """
        self.settings.recording.vocabulary.index(gesture)
        with self._lock:
            tried = self._tried.get(picture)
            if tried is None or not 0 <= hand < len(tried.hands):
                raise UserError("this picture is no longer in memory; give it to the page again")
            predictor = self._open()
            recognised = tried.hands[hand]
            if recognised.gesture == gesture:
                return f"Nothing is kept: the model says {gesture} as well."
            catcher = open_catcher(catching(self.settings, elsewhere), predictor, find_checkpoint(self.settings))
            catcher.switch(True)
            hands = tuple(each.hand for each in tried.hands)
            sight = Sight(Captured(tried.image, 0, 0.0), hands, recognised.hand, recognised)
            said = catcher.keep_one(sight, gesture)
            return " ".join([said, *catcher.close()])

    def _look_at_video(self, data: bytes, why_no_picture: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video"
            path.write_bytes(data)
            begun = time.perf_counter()
            try:
                pictures = [self._look_at_frame(frame) for frame in _sample_frames(VideoFrames(path))]
            except DataError:
                raise DataError(f"this is neither a picture nor a video that can be read ({why_no_picture})") from None
            rate = len(pictures) / max(time.perf_counter() - begun, 1e-6)
        if not pictures:
            raise DataError("this video has no frame that can be read")
        return {"kind": "video", "pictures": pictures, "rate": round(rate, 1), "judge": self._judge()}

    def _look_at_frame(self, frame: Frame) -> dict[str, Any]:
        return {**self._look_at(frame.image, SHOWN_OF_VIDEO), "time": frame.time}

    def _look_at(self, image: np.ndarray, shown: int) -> dict[str, Any]:
        with self._lock:
            hands = tuple(self._open().predict(image))
            name = uuid.uuid4().hex
            self._tried[name] = Tried(image, hands)
            while len(self._tried) > max(REMEMBERED, SAMPLED):
                self._tried.popitem(last=False)
        return {
            "name": name,
            "address": _as_address(image, shown),
            "size": [image.shape[1], image.shape[0]],
            "hands": [self._describe(each) for each in hands],
        }

    def _describe(self, hand: RecognisedHand) -> dict[str, Any]:
        assert self._predictor is not None
        names = self._predictor[2].vocabulary.names
        likeliest = np.argsort(-hand.probabilities)[:LIKELIEST]
        return {
            **outline(hand.hand.box, hand.hand.landmarks),
            "label": f"{hand.gesture} {hand.score:.0%}",
            "kind": Tone.OTHER,
            "gesture": hand.gesture,
            "gestures": [[names[row], round(float(hand.probabilities[row]), 3)] for row in likeliest],
        }

    def _judge(self) -> str:
        return "" if self._predictor is None else str(self._predictor[0])

    def _open(self) -> Predictor:
        """The predictor of today's checkpoint; opened anew when another one was promoted."""
        checkpoint = find_checkpoint(self.settings)
        state = file_state(checkpoint)
        if self._predictor is None or self._predictor[:2] != (checkpoint, state):
            if self._predictor is not None:
                self._predictor[2].detector.close()
            model = fast_model(checkpoint) if self.settings.recording.judge.onnx else checkpoint
            self._predictor = checkpoint, state, Predictor.load(model, self.detector.build())
        return self._predictor[2]


def catching(settings: LiveSettings, elsewhere: bool) -> LiveSettings:
    """The live view's settings with masks for pictures of another device; see `StorageSettings.for_pictures_from`."""
    storage = settings.recording.storage.for_pictures_from(elsewhere)
    return settings.model_copy(update={"recording": settings.recording.model_copy(update={"storage": storage})})


def _sample_frames(film: VideoFrames) -> Iterator[Frame]:
    """At most `SAMPLED` frames of a video, evenly spaced."""
    step = max(1, -(-min(film.total, LONGEST_FILM) // SAMPLED))
    for frame in itertools.islice(film, LONGEST_FILM):
        if frame.index >= step * SAMPLED:
            return
        if frame.index % step == 0:
            yield frame


def _as_address(image: np.ndarray, longest: int) -> str:
    """The picture as a data address, at most `longest` pixels wide and high."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((longest, longest))
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(np.asarray(picture)), quality=QUALITY, colorspace="RGB")
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"

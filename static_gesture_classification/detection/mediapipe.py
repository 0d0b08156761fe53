"""MediaPipe's Hand Landmarker (MediaPipe Tasks): boxes, landmarks and handedness of hands, on the processor.

Task and model: https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker (a palm detector that sees the
whole image at 192 x 192 pixels, then a network that finds 21 landmarks in each palm's surroundings).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from static_gesture_classification.detection.detector import Box, DetectedHand, Detector
from static_gesture_classification.detection.model_file import model_file
from static_gesture_classification.detection.native_messages import without_meaningless_messages
from static_gesture_classification.detection.regions import Region, distinct, overlap, tiles
from static_gesture_classification.errors import UserError

IMAGE, VIDEO = "image", "video"
SAME_HAND = 0.5  # intersection over union above which two findings are one hand
FRAME_MS = 33  # video mode wants growing timestamps; only their order matters to it


@dataclass(frozen=True)
class SecondLook:
    """Where to look again when nothing was found: the image with a border, then overlapping tiles, enlarged.

    Args:
        border: width of the border, which repeats the image's outermost pixels, as a share of its longer side; 0 for
            none. A hand that fills the image is found with some room around it.
        columns, rows: how many tiles; 0 for none.
        share: a tile's width and height as a share of the image's.
        least: pixels to which a tile's longer side is enlarged.
    """

    border: float
    columns: int
    rows: int
    share: float
    least: int


@dataclass(frozen=True)
class KnownBox:
    """How a hand is looked for whose box is known.

    Args:
        surroundings: sides of the squares that are looked at in turn until the hand is found, as multiples of the
            box's longer side.
        least: pixels to which a square's side is enlarged.
        overlap: intersection over union that a finding must have with the box to be that hand.
    """

    surroundings: Sequence[float]
    least: int
    overlap: float


class MediapipeDetector(Detector):
    """MediaPipe's Hand Landmarker.

    An object costs nothing until it is first used; it can be pickled and sent to a worker process (also a forked
    one), which then loads the model for itself in about 0.1 s. Calls from several threads are done one by one.

    Args:
        model: `path`, and `url`, `size`, `sha256` to fetch it once (see `model_file`).
        running_mode: "image": every image by itself. "video": consecutive frames of one video; hands are followed,
            which is faster, and a hand that was there is found where it moved.
        num_hands: how many hands at most.
        min_detection_confidence: of the palm detector, 0..1.
        min_presence_confidence: that there is a hand in a palm's surroundings, 0..1.
        min_tracking_confidence: in video mode, that a hand is still where it was followed to, 0..1.
        box_margin: how far a box reaches beyond the landmarks: left, top, right, bottom, as shares of the longer side
            of their extent.
        second_look: see `SecondLook`.
        known_box: see `KnownBox`.

    Raises:
        UserError: a parameter out of range.
    """

    gives_landmarks = True

    def __init__(
        self,
        model: Mapping[str, Any],
        running_mode: str,
        num_hands: int,
        min_detection_confidence: float,
        min_presence_confidence: float,
        min_tracking_confidence: float,
        box_margin: Sequence[float],
        second_look: Mapping[str, Any],
        known_box: Mapping[str, Any],
    ) -> None:
        self.model = dict(model)
        self.running_mode = running_mode
        self.num_hands = num_hands
        self.confidences = {
            "min_hand_detection_confidence": float(min_detection_confidence),
            "min_hand_presence_confidence": float(min_presence_confidence),
            "min_tracking_confidence": float(min_tracking_confidence),
        }
        self.box_margin = tuple(float(share) for share in box_margin)
        self.second_look = SecondLook(**second_look)
        self.known_box = KnownBox(**known_box)
        self._check()
        self._forget()

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `Detector.detect`. Where the whole image shows no hand, it is looked at again (`second_look`).

        In video mode only one of the second look's parts is looked at in each frame, in turn, so that frames without
        a hand do not hold up the video.
        """
        height, width = image.shape[:2]
        hands = self._look(image, Region(0, 0, width, height), 1, self.running_mode)
        if not hands:
            hands = self._look_again(image)
        return sorted(distinct(hands, SAME_HAND, self.num_hands), key=lambda hand: hand.box[0])

    def _look_again(self, image: np.ndarray) -> list[DetectedHand]:
        again, (height, width) = self.second_look, image.shape[:2]
        border = round(again.border * max(width, height))
        bordered = [Region(-border, -border, width + 2 * border, height + 2 * border)] if border else []
        stages = [bordered, list(tiles(width, height, again.columns, again.rows, again.share))]
        if self.running_mode == VIDEO:
            parts = [region for stage in stages for region in stage]
            stages = [[parts[self._frames % len(parts)]]] if parts else []
        for stage in stages:
            hands = [hand for region in stage for hand in self._look(image, region, again.least, IMAGE)]
            if hands:
                return hands
        return []

    def landmarks_in(self, image: np.ndarray, box: Box) -> DetectedHand | None:
        """The hand whose box (normalised) is known, looked for in its surroundings; None where it is not found.

        Args:
            image: uint8 (height, width, 3), RGB.
            box: x1, y1, x2, y2, normalised.
        """
        height, width = image.shape[:2]
        for surroundings in self.known_box.surroundings:
            region = Region.around(box, width, height, surroundings)
            hands = self._look(image, region, self.known_box.least, IMAGE)
            best = max(hands, key=lambda hand: overlap(hand.box, box), default=None)
            if best is not None and overlap(best.box, box) >= self.known_box.overlap:
                return best
        return None

    def close(self) -> None:
        """Let go of the native task; the next call makes a new one."""
        for release in self._finalizers:
            release()
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._landmarkers: dict[str, Any] = {}
        self._finalizers: list[weakref.finalize] = []
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._frames = 0
        self._said_all: set[str] = set()

    def _check(self) -> None:
        if self.running_mode not in (IMAGE, VIDEO):
            raise UserError(f"detector.running_mode is {self.running_mode!r}; it is {IMAGE} or {VIDEO}")
        if self.num_hands < 1:
            raise UserError(f"detector.num_hands is {self.num_hands}; it must be at least 1")
        for name, value in self.confidences.items():
            if not 0 <= value <= 1:
                raise UserError(f"detector.{name.replace('_hand', '')} is {value}; it must be between 0 and 1")

    def _look(self, image: np.ndarray, region: Region, least: int, mode: str) -> list[DetectedHand]:
        """The hands in a region, in the image's coordinates."""
        height, width = image.shape[:2]
        found = self._run(region.cut(image, least), mode)
        hands = []
        for handedness, marks, world in zip(
            found.handedness, found.hand_landmarks, found.hand_world_landmarks, strict=True
        ):
            points = region.to_image(np.array([(mark.x, mark.y) for mark in marks]), width, height)
            box = self._box(points, width, height)
            if box is not None:
                side = handedness[0].category_name.lower()
                metres = np.array([(mark.x, mark.y, mark.z) for mark in world], np.float32)
                hands.append(DetectedHand(box, float(handedness[0].score), side, points, metres))
        return hands

    def _box(self, points: np.ndarray, width: int, height: int) -> Box | None:
        """The box around landmarks as HaGRID's annotators draw it, inside the image; None where it is all outside."""
        (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        longer = max((x2 - x1) * width, (y2 - y1) * height)
        left, top, right, bottom = (share * longer for share in self.box_margin)
        x1, x2 = max(x1 - left / width, 0.0), min(x2 + right / width, 1.0)
        y1, y2 = max(y1 - top / height, 0.0), min(y2 + bottom / height, 1.0)
        return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None

    def _run(self, pixels: np.ndarray, mode: str) -> Any:
        """What MediaPipe says of contiguous RGB pixels."""
        if self._process != os.getpid():  # forked: the threads that serve the parent's task are not in this process
            self._forget()
        with self._lock, nullcontext() if mode in self._said_all else without_meaningless_messages():
            landmarker = self._landmarkers.get(mode) or self._load(mode)
            import mediapipe

            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            if mode == IMAGE:
                found = landmarker.detect(image)
            else:
                self._frames += 1
                found = landmarker.detect_for_video(image, self._frames * FRAME_MS)
        if found.hand_landmarks:  # each remark is made once, the last one with the first hand
            self._said_all.add(mode)
        return found

    def _load(self, mode: str) -> Any:
        path = model_file(self.model)
        try:
            from mediapipe.tasks.python import BaseOptions
            from mediapipe.tasks.python.vision import HandLandmarker, HandLandmarkerOptions, RunningMode

            options = HandLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
                running_mode=RunningMode.IMAGE if mode == IMAGE else RunningMode.VIDEO,
                num_hands=self.num_hands,
                **self.confidences,
            )
            landmarker = HandLandmarker.create_from_options(options)
        except (ImportError, OSError) as error:  # OSError: ctypes cannot load a library that MediaPipe's wants
            raise UserError(
                f"MediaPipe, which finds hands, cannot be loaded ({error}). Install the system libraries that it "
                "wants; on Debian and Ubuntu: apt-get install libegl1 libgles2 libgl1 libglib2.0-0"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise UserError(f"MediaPipe cannot use {path} as a hand landmarker: {error}") from error
        self._landmarkers[mode] = landmarker
        self._finalizers.append(weakref.finalize(self, _release, landmarker))
        return landmarker


def _release(landmarker: Any) -> None:
    """Close a task. Called at the interpreter's end too, when MediaPipe's own clean-up would fail with a traceback."""
    try:
        landmarker.close()
    except RuntimeError:  # its thread has ended already, and with it all that it held
        landmarker._handle = None

"""Where a detector looks for hands in an image: with a border, as it is, again in parts of it, around a known box."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.detection.model_file import model_digest, model_file
from static_gesture_classification.detection.regions import Region, keep_distinct, overlap, tiles
from static_gesture_classification.hand_points import WHOLE_IMAGE, Box
from static_gesture_classification.settings import Settings

WHOLE_SHARE = 0.98  # share of the image from which a box is the image itself
SAME_HAND = 0.7  # two boxes are of one hand if a larger share of one lies in the other
Confidence = Annotated[float, Field(ge=0, le=1)]
Look = Callable[[], list[DetectedHand]]  # at a part of an image


class SecondLook(Settings):
    """A second, more lenient search if the first finds nothing: the image with a border, then enlarged tiles.

    Args:
        min_presence_confidence: replaces that of the first search for hands that may be looked at again; what is found
            in the end must have that of the first search.
        sure: presence from which a hand is believed. While no hand is as sure, further looks are taken, and the hands
            of the surest look count: a palm that was seen in a part of a hand makes a small, unsure hand of it. 0: the
            first look with a hand counts.
        enough: presence with which the search of an image ends: where a hand is sure, but less than this, the further
            looks before the tiles are taken as well, and the surest counts. Not above `sure`: it ends with a sure hand.
        border: width of the border as a share of the image's longer side; 0 for none.
        columns, rows: number of overlapping tiles; 0 for none.
        share: a tile's width and height as a share of the image's.
        least: smaller regions are enlarged until their longer side has as many pixels.
    """

    min_presence_confidence: Confidence
    sure: Confidence = 0.0
    enough: Confidence = 0.0
    border: float
    columns: int
    rows: int
    share: float
    least: int

    def stages(self, width: int, height: int) -> list[list[Region]]:
        """The stages of regions to search until one stage has a hand."""
        border = [Region.with_border(width, height, self.border)] if self.border else []
        return [border, list(tiles(width, height, self.columns, self.rows, self.share))]


class KnownBox(Settings):
    """How to look for a hand whose box is known.

    Args:
        min_presence_confidence: of a second search; the first uses that of whole images.
        surroundings: squares around the box to search until the hand is found, as multiples of its longer side.
        least: smaller squares are enlarged to as many pixels per side.
        overlap: least intersection over union of the hand and the box.
    """

    min_presence_confidence: Confidence
    surroundings: tuple[float, ...]
    least: int
    overlap: float


class LookSettings(Settings):
    """How to look for hands.

    Args:
        model: `path`, and `url`, `size`, `sha256` to fetch it once (see `model_file`).
        running_mode: "image": every image by itself. "video": consecutive frames of one video, in which hands are
            followed, which is faster.
        num_hands: the greatest number of hands.
        min_detection_confidence: of the palm detector.
        min_presence_confidence: that there is a hand in a palm's surroundings.
        min_tracking_confidence: in video mode, that a followed hand is still there.
        box_margin: how far a box reaches beyond the landmarks: left, top, right, bottom, as shares of the longer side
            of their extent.
        border: width of a border that repeats the outermost pixels of an image (not of a video's frame), as a share
            of the longer side; 0 for none. Without it, the palm detector takes a fingertip or the ring of two fingers
            for a hand that fills the image.
        second_look, known_box: see the classes.
    """

    model: dict[str, Any]
    running_mode: Literal["image", "video"]
    num_hands: int = Field(ge=1)
    min_detection_confidence: Confidence
    min_presence_confidence: Confidence
    min_tracking_confidence: Confidence
    box_margin: tuple[float, float, float, float]
    border: float
    second_look: SecondLook
    known_box: KnownBox


class LookingDetector(Detector):
    """Looks at parts of an image in turn until it finds a hand; what it sees in one part is its subclasses' work.

    Args:
        how: see `LookSettings`.
    """

    gives_landmarks = True

    def __init__(self, how: LookSettings) -> None:
        self.how = how
        self.is_video = how.running_mode == "video"
        self.frames = 0

    @abstractmethod
    def look(self, image: np.ndarray, region: Region, presence: float, least: int) -> list[DetectedHand]:
        """The hands in a region of an image, in the image's coordinates, by itself.

        Args:
            image: uint8 (height, width, 3), RGB.
            region: of the image.
            presence: least confidence that there is a hand.
            least: enlarge the region until its longer side has as many pixels.
        """

    @abstractmethod
    def follow(self, image: np.ndarray) -> list[DetectedHand]:
        """The hands in the next frame of a video."""

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """See `Detector.detect`. Searches the image with a border (`border`), then without, then `second_look`.

        Where a hand was found that is not sure, it searches on (`SecondLook.sure`), but not in tiles.
        In video mode the second look searches one region per frame, in turn, so that frames without a hand do not slow
        down the video.
        """
        self.frames += 1
        hands = (self.follow(image) if self.is_video else self._look_once(image)) or self._look_again(image)
        return sorted(keep_distinct(hands, SAME_HAND, self.how.num_hands), key=lambda hand: hand.box[0])

    def landmarks_in(self, image: np.ndarray, box: Box) -> DetectedHand | None:
        """The hand in a known box, from a search in its surroundings (`known_box`); None where there is none.

        If the box is the whole image, as in photographs without boxes, the largest hand that `detect` finds counts.

        Args:
            image: uint8 (height, width, 3), RGB.
            box: x1, y1, x2, y2, normalised.
        """
        if overlap(box, WHOLE_IMAGE) >= WHOLE_SHARE:
            return max(self.detect(image), key=lambda hand: overlap(hand.box, WHOLE_IMAGE), default=None)
        height, width = image.shape[:2]
        known = self.how.known_box
        regions = [Region.around(box, width, height, surroundings) for surroundings in known.surroundings]
        for presence in (self.how.min_presence_confidence, known.min_presence_confidence):
            looks = (self._fitting(image, region, presence, box) for region in regions)
            for hand in surest(looks, self.how.second_look.sure):
                return hand
        return None

    def settings(self) -> Mapping[str, Any]:
        """See `Detector.settings`."""
        return {**self.how.model_dump(), "model": model_digest(self.how.model)}

    def prepare(self) -> None:
        """Fetch the model."""
        model_file(self.how.model)

    def _fitting(self, image: np.ndarray, region: Region, presence: float, box: Box) -> list[DetectedHand]:
        """The hand in a region that fits a known box best, if one does."""
        hands = self.look(image, region, presence, self.how.known_box.least)
        best = max(hands, key=lambda hand: overlap(hand.box, box), default=None)
        return [best] if best is not None and overlap(best.box, box) >= self.how.known_box.overlap else []

    def _look_once(self, image: np.ndarray) -> list[DetectedHand]:
        again = self.how.second_look
        return self._believed(surest(self._first_looks(image), max(again.sure, again.enough)))

    def _first_looks(self, image: np.ndarray) -> Iterator[list[DetectedHand]]:
        """One look after the other; of the further ones, those before the tiles only where a hand was found before."""
        height, width = image.shape[:2]
        found = False
        for region in self._first_regions(width, height):
            hands = self.look(image, region, self.how.min_presence_confidence, self._least(region))
            found = found or bool(hands)
            yield hands
        for stage in self.further_looks(image)[:-1] if found else []:
            for look in stage:
                yield look()

    def _first_regions(self, width: int, height: int) -> Iterator[Region]:
        if self.how.border:
            yield Region.with_border(width, height, self.how.border)
        yield Region(0, 0, width, height)

    def _least(self, region: Region) -> int:
        """Pixels to which a region of the first looks is enlarged: an image without a border is searched as it is."""
        return self.how.second_look.least if region.left else 1

    def further_looks(self, image: np.ndarray) -> list[list[Look]]:
        """The second look: stages of looks, of which the last is that of the tiles."""
        again = self.how.second_look
        stages = again.stages(image.shape[1], image.shape[0])
        return [
            [partial(self.look, image, region, again.min_presence_confidence, again.least) for region in stage]
            for stage in stages
        ]

    def _look_again(self, image: np.ndarray) -> list[DetectedHand]:
        stages = self.further_looks(image)
        if self.is_video:
            looks = [look for stage in stages for look in stage]
            stages = [[looks[self.frames % len(looks)]]] if looks else []
        found = ([hand for look in stage for hand in look()] for stage in stages)
        return self._believed(surest(found, min(self.how.second_look.sure, self.how.min_presence_confidence)))

    def _believed(self, hands: list[DetectedHand]) -> list[DetectedHand]:
        return [hand for hand in hands if _presence([hand]) >= self.how.min_presence_confidence]

    def box_around(self, points: np.ndarray, width: int, height: int) -> Box | None:
        """The box around landmarks as annotators draw it, cut at the image's border; None where it is outside.

        Args:
            points: (21, 2), normalised to the image.
            width, height: of the image in pixels.
        """
        (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        longer = max((x2 - x1) * width, (y2 - y1) * height)
        left, top, right, bottom = (share * longer for share in self.how.box_margin)
        x1, x2 = max(x1 - left / width, 0.0), min(x2 + right / width, 1.0)
        y1, y2 = max(y1 - top / height, 0.0), min(y2 + bottom / height, 1.0)
        return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def surest(looks: Iterable[list[DetectedHand]], sure: float) -> list[DetectedHand]:
    """The hands of the first look that has a hand of presence `sure`; if none has, those of the surest look.

    Of a detector that does not say how sure it is, every hand is. Looks are taken one by one, as far as needed.
    """
    best: list[DetectedHand] = []
    for hands in looks:
        if hands and (not best or _presence(hands) > _presence(best)):
            best = hands
        if best and _presence(best) >= sure:
            break
    return best


def _presence(hands: list[DetectedHand]) -> float:
    """Of the surest of some hands."""
    return max(1.0 if hand.presence is None else hand.presence for hand in hands)

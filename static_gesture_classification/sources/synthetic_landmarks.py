"""Landmarks of posed hands without pictures, a thousand per second and core, for training on landmarks.

Poses, subjects, cameras and annotations are drawn as for the synthetic pictures (`synthetic/`), but with other random
numbers, so that no hand is in both. A row's `image` names a hand, not a file. The seed determines everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.sources.source import Hand, Hands, Piece, Source
from static_gesture_classification.synthetic.any_pose import AnyPose
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset, annotate
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.scenes import PosedHand
from static_gesture_classification.synthetic.seen_points import as_seen
from static_gesture_classification.synthetic.settings import SyntheticSettings

HANDS_PER_TASK = 500  # hands per piece
HANDS_IN_PARALLEL = 4000  # posing fewer hands takes less time than starting a process
_DIGITS = 6  # of coordinates, as shares of the picture


@dataclass(kw_only=True)
class SyntheticLandmarks(Source):
    """Poses hands of every gesture of the vocabulary.

    Args:
        hands: number of hands.
        subjects: number of subjects; each shows every gesture.
        background_times: number of background hands for each hand of another gesture.
        any_pose: number of further background hands, in poses that are near none of a gesture.
        val, test: share of subjects held out.
        variety: 0 to 1, see conf/synthetic.
        as_seen: place points where the hand finder would, in place of the skeleton's joints.
        aspect: width / height of the pictures that the landmarks stage assumes.
        settings: the `synthetic` node; the values above replace its own.
        poses: the `poses` node.
        gesture_names: the vocabulary's names.
        background: the gesture of hands that show none of the others, or None.
        require_images: false: the landmarks stage needs no images.
    """

    hands: int
    subjects: int
    background_times: int
    any_pose: int
    val: float
    test: float
    variety: float
    as_seen: bool
    aspect: float
    settings: Mapping[str, Any]
    poses: Mapping[str, Any]
    gesture_names: Sequence[str]
    background: str | None = None
    require_images: bool = False
    how_to_get: str = "describe poses in conf/poses/"

    def present(self) -> bool:
        """Always: it needs no files."""
        return True

    def pieces(self) -> Sequence[Piece]:
        """See `Source.pieces`; `HANDS_PER_TASK` hands each."""
        if self.any_pose < 0:
            raise UserError(f"sources.{self.name}.any_pose is {self.any_pose}; it must be 0 or more")
        pictures = self.dataset.pictures + self._any_pictures()
        return [partial(self._pose, pictures[i : i + HANDS_PER_TASK]) for i in range(0, len(pictures), HANDS_PER_TASK)]

    def workers(self, pieces: Sequence[Piece]) -> int:
        """All cores for many hands, else one."""
        return (os.cpu_count() or 1) if self.hands + self.any_pose > HANDS_IN_PARALLEL else 1

    @cached_property
    def dataset(self) -> SyntheticDataset:
        """The hands to pose. Raises `UserError` for invalid settings or poses."""
        own = {name: getattr(self, name) for name in ("subjects", "background_times", "val", "test", "variety")}
        content = {**self.settings, **own, "images": self.hands, "seed": f"{self.seed} {self.name}"}
        settings = SyntheticSettings.check(content, f"sources.{self.name}")
        vocabulary = Vocabulary(tuple(self.gesture_names), self.background)
        return SyntheticDataset(vocabulary, settings, read_poses(self.poses, vocabulary.names))

    def _any_pictures(self) -> list[Picture]:
        """The hands in any pose, numbered after the background's own; none without a background gesture."""
        if self.background is None:
            return []
        return [Picture(self.background, self._named_backgrounds + number) for number in range(self.any_pose)]

    @cached_property
    def _anyhow(self) -> AnyPose:
        """Draws the poses of `_any_pictures`."""
        return AnyPose(self.dataset.poses, tuple(name for name in self.gesture_names if name != self.background))

    @cached_property
    def _named_backgrounds(self) -> int:
        return sum(picture.gesture == self.background for picture in self.dataset.pictures)

    def _pose(self, pictures: Sequence[Picture]) -> Iterator[Hands]:
        yield Hands.of(self.name, [self._row(picture) for picture in pictures])

    def draw_hands(self, count: int) -> Iterator[tuple[PosedHand, np.random.Generator]]:
        """So many of the hands, drawn at random; each with the random numbers to photograph it by."""
        pictures = self.dataset.pictures + self._any_pictures()
        order = np.random.default_rng(0).permutation(len(pictures))[:count]
        yield from (self._draw(pictures[each]) for each in order.tolist())

    def _draw(self, picture: Picture) -> tuple[PosedHand, np.random.Generator]:
        anyhow = picture.gesture == self.background and picture.number >= self._named_backgrounds
        return self.dataset.draw_hand(picture, self._anyhow if anyhow else None)

    def _row(self, picture: Picture) -> Hand:
        hand, _ = self._draw(picture)
        entry, points = annotate(hand), hand.landmarks[None]
        x, y, width, height = entry["bboxes"][0]
        corners = self._in_picture(np.array([(x, y), (min(x + width, 1.0), min(y + height, 1.0))]))
        landmarks = self._in_picture(as_seen(points)[0] if self.as_seen else points[0]).round(_DIGITS)
        return Hand(
            name=self.dataset.name(picture),
            image=f"{picture.gesture}/{picture.number:06d}",
            number=0,
            label=picture.gesture,
            box=corners.ravel().tolist(),
            subject=entry["user_id"],
            session=entry["user_id"],
            hand=hand.handedness,
            split=self.dataset.splits[hand.subject.number],
            landmarks=landmarks.ravel().tolist(),
        )

    def _in_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) of a square picture, normalised to the narrowest picture of shape `aspect` around it."""
        return 0.5 + (points - 0.5) * (min(1.0, 1.0 / self.aspect), min(1.0, self.aspect))

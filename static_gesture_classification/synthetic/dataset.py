"""The synthetic dataset: its pictures, its subjects, and how to take a picture. Generator processes run this."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.synthetic.any_pose import AnyPose
from static_gesture_classification.synthetic.poses import PoseBook, read_poses
from static_gesture_classification.synthetic.scenes import PosedHand, draw_hand, photograph
from static_gesture_classification.synthetic.settings import SyntheticSettings
from static_gesture_classification.synthetic.subjects import Subject, draw_subject

UNSEEN = {"n_jobs", "contact_sheet", "engine"}  # settings that do not change a picture

Annotation = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One picture to take: number `number` of a gesture."""

    gesture: str
    number: int


@dataclass(frozen=True)
class SyntheticDataset:
    """The pictures of some settings. Raises `UserError` for fewer pictures than gestures."""

    vocabulary: Vocabulary
    settings: SyntheticSettings
    poses: PoseBook

    def __post_init__(self) -> None:
        if self.settings.images < len(self.vocabulary):
            raise UserError(
                f"there are {self.settings.images} synthetic hands for {len(self.vocabulary)} gestures; set "
                f"synthetic.images or sources.synthetic_landmarks.hands to {len(self.vocabulary)} or more"
            )

    @classmethod
    def from_config(cls, config: DictConfig) -> SyntheticDataset:
        """Build from the nodes `gestures`, `synthetic` and `poses`.

        Raises:
            UserError: a setting is out of range, or a gesture has no poses.
        """
        vocabulary, poses = Vocabulary.from_config(config), OmegaConf.to_container(config.poses, resolve=True)
        assert isinstance(poses, dict)
        described = {str(key): value for key, value in poses.items()}
        return cls(vocabulary, SyntheticSettings.from_config(config), read_poses(described, vocabulary.names))

    @cached_property
    def pictures(self) -> list[Picture]:
        """All pictures; gestures take turns, so that any first part of the list is balanced."""
        taken = Counter[str]()
        pictures = []
        for i in range(self.settings.images):
            gesture = self._round[i % len(self._round)]
            pictures.append(Picture(gesture, taken[gesture]))
            taken[gesture] += 1
        return pictures

    @cached_property
    def _round(self) -> tuple[str, ...]:
        """Each gesture once, the background `background_times`."""
        names, background = self.vocabulary.names, self.vocabulary.background
        return names if background is None else names + (background,) * (self.settings.background_times - 1)

    @cached_property
    def styles(self) -> dict[str, str]:
        """Gesture -> hash of everything that its pictures depend on."""
        settings = self.settings
        common = [self.subjects, settings.seed, settings.size, settings.quality, settings.variety, self._code]
        described = {gesture: [asdict(variant) for variant in self.poses.gestures[gesture]] for gesture in self._round}
        return {
            gesture: _hash(gesture, json.dumps([variants, common], sort_keys=True))
            for gesture, variants in described.items()
        }

    @cached_property
    def _code(self) -> str:
        return code_digest([Path(__file__)])

    @cached_property
    def digest(self) -> str:
        """Hash of everything that the dataset depends on."""
        return _hash(*self.styles.values(), self.settings.model_dump_json(exclude=UNSEEN))

    def name(self, picture: Picture) -> str:
        """File name of a picture without its suffix, in the form of a UUID, as in HaGRID."""
        digits = _hash(self.styles[picture.gesture], str(picture.number))
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def file(self, picture: Picture) -> str:
        """Path of a picture below the dataset's root."""
        return f"{picture.gesture}/{self.name(picture)}.jpg"

    @cached_property
    def subjects(self) -> int:
        """Number of subjects: at most as many as pictures of a gesture, since each shows every gesture."""
        return min(self.settings.subjects, -(-self.settings.images // len(self._round)))

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The split of each subject. All are drawn alike, so it does not matter who is held out."""
        shares = {name: share for name in ("test", "val") if (share := getattr(self.settings, name)) > 0}
        held_out = [name for name, share in shares.items() for _ in range(max(round(share * self.subjects), 1))]
        ranked = held_out[: self.subjects - 1]
        ranked += ["train"] * (self.subjects - len(ranked))
        # Multiples of the golden ratio modulo 1 are spread evenly over 0..1.
        ranks = np.argsort(np.argsort(np.arange(self.subjects) * 0.6180339887498949 % 1.0))
        return tuple(ranked[rank] for rank in ranks)

    def draw_subject(self, number: int) -> Subject:
        """Draw subject `number`, the same one each time."""
        identity = _hash(self.settings.seed, "person", str(number))
        return draw_subject(number, identity[:32], _generator(identity))

    def draw_hand(self, picture: Picture, anyhow: AnyPose | None = None) -> tuple[PosedHand, np.random.Generator]:
        """Pose the hand of a picture; also returns the random generator with which to photograph it.

        Args:
            picture: its gesture and number.
            anyhow: draws the pose, in place of the gesture's own poses.
        """
        rng = _generator(_hash(self.settings.seed, picture.gesture, str(picture.number)))
        subject = self.draw_subject(picture.number % self.subjects)
        poses = partial(self.poses.draw, picture.gesture) if anyhow is None else anyhow.draw
        return draw_hand(picture.gesture, subject, poses, self.settings.size, rng, self.settings.variety), rng

    def photograph(self, picture: Picture) -> npt.NDArray[np.uint8]:
        """Take a picture, not yet a JPEG file: uint8 (size, size, 3)."""
        return photograph(*self.draw_hand(picture), self.settings.variety)


@dataclass(frozen=True)
class Photograph:
    """A picture; `is_new`: it was missing before."""

    picture: Picture
    annotation: Annotation
    is_new: bool


def annotate(hand: PosedHand) -> Annotation:
    """The annotation of a picture in HaGRID v2's form; numbers are rounded to millionths of the picture."""
    return {
        "bboxes": [[round(value, 6) for value in hand.box]],
        "labels": [hand.gesture],
        "united_bbox": None,
        "united_label": None,
        "user_id": hand.subject.user_id,
        "hand_landmarks": [[[round(float(x), 6), round(float(y), 6)] for x, y in hand.landmarks]],
        "leading_hand": hand.handedness,
        "meta": None,
    }


def take(dataset: SyntheticDataset, wanted: Sequence[tuple[Picture, bool]]) -> list[tuple[Photograph, bytes]]:
    """Annotate pictures and take those that are missing.

    Args:
        dataset: that they are of.
        wanted: pictures, each with whether it is missing.

    Returns:
        each picture with its JPEG file, or with no bytes if it was not missing.
    """
    taken = []
    for picture, is_missing in wanted:
        hand, rng = dataset.draw_hand(picture)
        jpeg = b""
        if is_missing:
            pixels = photograph(hand, rng, dataset.settings.variety)
            low, high = dataset.settings.quality
            quality = int(rng.integers(low, high + 1))
            jpeg = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420")
        taken.append((Photograph(picture, annotate(hand), is_missing), jpeg))
    return taken


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).hexdigest()


def _generator(identity: str) -> np.random.Generator:
    return np.random.default_rng(int(identity[:16], 16))

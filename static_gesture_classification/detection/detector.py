"""The interface of hand detectors, and how to build one from the configuration.

A detector is one file and one YAML in conf/detector/, whose `_target_` names its class. Its results are kept under its
`identity`: with another class, settings or code it looks anew.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.detection.regions import area_of, overlap
from static_gesture_classification.errors import UserError
from static_gesture_classification.hand_points import Box
from static_gesture_classification.settings import Settings

IN_BOX = 0.3  # intersection over union from which a detected hand is the one whose box is known


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth
class DetectedHand:
    """One hand in an image.

    Args:
        box: x1, y1, x2, y2, normalised to 0..1 of the image's width and height; has an area.
        score: how sure the detector is, 0..1.
        hand: the subject's "left" or "right" hand, if the image is not mirrored; "" where unknown.
        landmarks: float32 (21, 2), x and y normalised like the box, in MediaPipe's order; may leave the image.
        world_landmarks: float32 (21, 3), metres, origin in the hand's middle.
        presence: how sure the detector is that this is a hand, 0..1; None where it does not say.
        handedness: how sure the detector is that it is that `hand`, 0.5..1; None where it does not say.
    """

    box: Box
    score: float
    hand: str = ""
    landmarks: np.ndarray | None = None
    world_landmarks: np.ndarray | None = None
    presence: float | None = None
    handedness: float | None = None

    @property
    def area(self) -> float:
        """The share of the image that its box covers."""
        return area_of(self.box)


class Detector(ABC):
    """Finds hands in images. It may hold native resources: close it, or use it as a context manager."""

    gives_landmarks: bool = False  # whether each of its hands has landmarks

    @classmethod
    def from_config(cls, config: DictConfig) -> Detector:
        """The detector that the configuration describes; see `DetectorSettings.build`."""
        return DetectorSettings.from_config(config).build()

    @abstractmethod
    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        """The hands in an image, uint8 (height, width, 3) RGB, from left to right."""

    def landmarks_in(self, image: np.ndarray, box: Box) -> DetectedHand | None:
        """The detected hand that fits a known box best; None where none fits.

        Args:
            image: uint8 (height, width, 3), RGB.
            box: x1, y1, x2, y2, normalised.
        """
        best = max(self.detect(image), key=lambda hand: overlap(hand.box, box), default=None)
        return best if best is not None and overlap(best.box, box) >= IN_BOX else None

    def settings(self) -> Mapping[str, Any]:
        """Everything but its code that its results depend on: plain values, a file by its hash."""
        raise NotImplementedError(f"{type(self).__name__} has no settings(), so its results cannot be kept")

    def identity(self) -> str:
        """Which detector this is: 32 hex digits of a hash of its class, its settings and its code.

        Raises:
            UserError, DataError: a file that it needs is missing or another.
        """
        name, code = type(self).__qualname__, code_digest([Path(inspect.getfile(type(self)))])
        content = json.dumps([name, self.settings(), code], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def for_camera(self, look_for_more: int) -> Detector:
        """This detector for consecutive frames of a camera, which mostly sees one hand.

        Args:
            look_for_more: number of frames between two searches for more than one hand; 0: search in every frame.
        """
        return self

    def prepare(self) -> None:  # noqa: B027
        """Fetch the files that it needs, before several processes use it.

        Raises:
            UserError, DataError: see `identity`.
        """

    def close(self) -> None:  # noqa: B027  most detectors hold nothing
        """Release native resources. It may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DetectorSettings(Settings, key="detector"):
    """The settings of a detector. They can be pickled and compared.

    Args:
        node: the node `detector` of the configuration in plain values: `_target_` names the class, the others are its
            arguments.
    """

    node: dict[str, Any]

    @classmethod
    def from_config(cls, config: DictConfig, changes: Mapping[str, Any] | None = None) -> DetectorSettings:
        """Read the node `detector`.

        Args:
            config: the composed configuration.
            changes: replace the detector's settings of the same names; others are ignored.
        """
        known = {key: value for key, value in (changes or {}).items() if key in config.detector}
        return cls.check({}, "detector", node=OmegaConf.merge(config.detector, known))

    def beside_others(self) -> DetectorSettings:
        """Those of one of several detectors at once, which fill the cores: a thread each, unless configured."""
        is_open = "threads" in self.node and self.node["threads"] is None
        return self.model_copy(update={"node": {**self.node, "threads": 1}}) if is_open else self

    def build(self) -> Detector:
        """The detector.

        Raises:
            UserError: it cannot be built as configured; says why.
        """
        from static_gesture_classification.building import build  # Hydra, which a folder for Gradio does without

        detector = build(self.node, "the detector")
        if not isinstance(detector, Detector):
            raise UserError(f"detector._target_ is {self.node.get('_target_')!r}, which is no hand detector")
        return detector

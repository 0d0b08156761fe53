"""Poses as data: from conf/poses to the angles of one hand in one picture.

A gesture is a list of variants; each says for thumb, fingers, wrist and orientation between which angles they lie.
Names (`straight`, `curled`, `palm`) stand for ranges given once under `shapes`, `thumbs` and `views`:

    gestures:
      CALL:                                       # a gesture of one's own: these lines, and its name in conf/gestures/
        - fingers: {index: curled, middle: curled, ring: curled, pinky: straight}
          thumb: out
          view: palm

A variant `until: [CALL]` of the background is left out once a gesture of that name is in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.skeleton import (
    DIGITS,
    FINGER_LIMITS,
    FINGERS,
    SPREAD_SHARE,
    THUMB_LIMITS,
    WRIST_LIMITS,
    FingerPose,
    HandPose,
    ThumbPose,
)

Range = tuple[float, float]
TOUCH_PLACES = ("tip", "pad", "nail", "back", "knuckle", "side")
VIEW_ANGLES = ("yaw", "pitch", "roll")
VARIANT_KEYS = ("weight", "fingers", "thumb", "view", "spread", "wrist", "until")
FINGER_JOINTS = ("mcp", "pip", "dip")
THUMB_RANGES = {**THUMB_LIMITS, "roll": (-50.0, 50.0)}
_VIEW_RANGES = dict.fromkeys(VIEW_ANGLES, (-360.0, 360.0))
SPREAD_RANGE = (-10.0, 16.0)


@dataclass(frozen=True)
class View:
    """How a right hand is turned before the camera, in degrees; (0, 0, 0) shows its palm, fingers up.

    Args:
        yaw: about the vertical axis; 180 shows the back.
        pitch: about the horizontal axis; positive tips the fingers towards the camera.
        roll: in the picture, counter-clockwise; 90 points a right hand's thumb up.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Variant:
    """One way to show a gesture: ranges in degrees, from which the angles are drawn.

    Args:
        fingers: per finger (index to pinky) the ranges of mcp, pip, dip.
        spread: range of the fingers' spread.
        thumbs: alternatives for the thumb: ranges of its angles, and what it touches (or None).
        views: alternatives for the orientation: ranges of yaw, pitch, roll.
        wrist: ranges of flexion and deviation.
    """

    weight: float
    fingers: tuple[Mapping[str, Range], ...]
    spread: Range
    thumbs: tuple[tuple[Mapping[str, Range], str | None], ...]
    views: tuple[Mapping[str, Range], ...]
    wrist: Mapping[str, Range]

    def draw(self, rng: np.random.Generator, variety: float = 1.0) -> tuple[HandPose, View]:
        """Draw one hand. The fingers share most of the draw, since they bend alike.

        Args:
            variety: 1 turns hand and wrist over their whole ranges, 0 over the middle third of them.
        """
        shared = rng.random(3)
        spread = _interpolate(self.spread, rng.random())
        fingers = []
        for ranges, share in zip(self.fingers, SPREAD_SHARE, strict=True):
            own = 0.55 * shared + 0.45 * rng.random(3)
            mcp, pip, dip = (_interpolate(ranges[name], own[k]) for k, name in enumerate(FINGER_JOINTS))
            fingers.append(FingerPose(mcp, pip, dip, spread * share + rng.normal(0, 1.2)))
        ranges, touch = self.thumbs[rng.integers(len(self.thumbs))]
        thumb = ThumbPose(**{name: _interpolate(ranges[name], rng.random()) for name in THUMB_RANGES}, touch=touch)
        width = (1 + 2 * variety) / 3
        wrist = {name: _interpolate(self.wrist[name], 0.5 + width * (rng.random() - 0.5)) for name in WRIST_LIMITS}
        view = self.views[rng.integers(len(self.views))]
        turned = View(*(_interpolate(view[name], 0.5 + width * (rng.random() - 0.5)) for name in VIEW_ANGLES))
        return HandPose(thumb, (fingers[0], fingers[1], fingers[2], fingers[3]), **wrist), turned


@dataclass(frozen=True)
class PoseBook:
    """All gestures that can be posed: name -> variants."""

    gestures: Mapping[str, tuple[Variant, ...]]

    def draw(self, gesture: str, rng: np.random.Generator, variety: float = 1.0) -> tuple[HandPose, View]:
        """Draw a variant by weight, and a hand of it (see `Variant.draw`)."""
        variants = self.gestures[gesture]
        weights = np.array([variant.weight for variant in variants])
        return variants[rng.choice(len(variants), p=weights / weights.sum())].draw(rng, variety)


def read_poses(config: Mapping[str, Any], gestures: Sequence[str], vocabulary: Sequence[str] | None = None) -> PoseBook:
    """The pose book of some gestures, from the `poses` node of the configuration.

    Args:
        config: the node.
        gestures: to be posed.
        vocabulary: all gestures, which end variants by `until`; None: those that are posed.

    Raises:
        UserError: a gesture without poses, an unknown name or angle, a range beyond a joint's limits.
    """
    described = config.get("gestures") or {}
    missing = [name for name in gestures if not described.get(name)]
    if missing:
        raise UserError(
            f"poses.gestures has no poses for {', '.join(missing)}; describe them in conf/poses/, or leave "
            f"`synthetic` out of `sources` and give them samples of another source"
        )
    known = {name.casefold() for name in (gestures if vocabulary is None else vocabulary)}
    return PoseBook({name: _read_variants(config, name, described[name], known) for name in gestures})


def _read_variants(config: Mapping[str, Any], gesture: str, entries: Any, known: set[str]) -> tuple[Variant, ...]:
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise UserError(f"poses.gestures.{gesture} must be a list of variants, each with fingers, thumb and view")
    places = {f"poses.gestures.{gesture}[{i}]": entry for i, entry in enumerate(entries)}
    read = {where: _read_variant(config, where, entry) for where, entry in places.items()}
    variants = tuple(variant for where, variant in read.items() if not known & _read_until(where, places[where]))
    if not variants:
        raise UserError(f"poses.gestures.{gesture} has no variant left: `until` ends them all")
    if not any(variant.weight for variant in variants):
        raise UserError(f"poses.gestures.{gesture} has the weight 0 in every variant; give one of them more")
    return variants


def _read_variant(config: Mapping[str, Any], where: str, entry: Any) -> Variant:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} is {entry!r}; a variant is a mapping with the keys {', '.join(VARIANT_KEYS)}")
    _check_names(where, entry, VARIANT_KEYS)
    weight = entry.get("weight", 1.0)
    if not isinstance(weight, int | float) or weight < 0:
        raise UserError(f"{where}.weight is {weight!r}; it must be a number, 0 or more")
    return Variant(
        float(weight),
        _read_fingers(config, f"{where}.fingers", entry.get("fingers", "straight")),
        _read_range(f"{where}.spread", "spread", entry.get("spread", [0, 6]), {"spread": SPREAD_RANGE}),
        tuple(_read_thumb(config, f"{where}.thumb", item) for item in _list_alternatives(entry.get("thumb", "out"))),
        tuple(_read_view(config, f"{where}.view", item) for item in _list_alternatives(entry.get("view", "palm"))),
        _read_ranges(
            f"{where}.wrist", entry.get("wrist", {}), WRIST_LIMITS, {"flexion": (-40, 30), "deviation": (-24, 16)}
        ),
    )


def _read_until(where: str, entry: Mapping[str, Any]) -> set[str]:
    """The gestures that end a variant, without regard to capitals."""
    names = _list_alternatives(entry.get("until", []))
    if not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}.until is {entry['until']!r}; it is a list of gestures, such as [CALL]")
    return {name.casefold() for name in names}


def _list_alternatives(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _read_fingers(config: Mapping[str, Any], where: str, value: Any) -> tuple[Mapping[str, Range], ...]:
    if not isinstance(value, Mapping) or set(value) & set(FINGER_JOINTS):
        value = dict.fromkeys(FINGERS, value)
    _check_names(where, value, FINGERS)
    shapes = [_look_up(config, "shapes", f"{where}.{name}", value.get(name, "straight")) for name in FINGERS]
    return tuple(
        _read_ranges(f"{where}.{name}", shape, {joint: FINGER_LIMITS[joint] for joint in FINGER_JOINTS}, {})
        for name, shape in zip(FINGERS, shapes, strict=True)
    )


def _read_thumb(config: Mapping[str, Any], where: str, value: Any) -> tuple[Mapping[str, Range], str | None]:
    described = dict(_look_up(config, "thumbs", where, value))
    touch = described.pop("touch", None)
    if touch is not None:
        finger, _, place = str(touch).partition(".")
        if finger not in DIGITS[1:] or place not in TOUCH_PLACES:
            raise UserError(
                f"{where}.touch is {touch!r}; it is a finger ({', '.join(FINGERS)}), a dot, "
                f"and a place ({', '.join(TOUCH_PLACES)})"
            )
    defaults = {"abduction": (20, 40), "lift": (20, 40), "mcp": (5, 25), "ip": (5, 30), "roll": (-6, 6)}
    return _read_ranges(where, described, THUMB_RANGES, defaults), touch


def _read_view(config: Mapping[str, Any], where: str, value: Any) -> Mapping[str, Range]:
    return _read_ranges(
        where, _look_up(config, "views", where, value), _VIEW_RANGES, dict.fromkeys(VIEW_ANGLES, (-10, 10))
    )


def _look_up(config: Mapping[str, Any], group: str, where: str, value: Any) -> Mapping[str, Any]:
    """Ranges given in place, or by a name of `poses.<group>`."""
    if isinstance(value, Mapping):
        return value
    names = config.get(group) or {}
    if value not in names:
        raise UserError(f"{where} is {value!r}, which is not in poses.{group}; it has {', '.join(names)}")
    return names[value]


def _read_ranges(
    where: str, value: Mapping[str, Any], limits: Mapping[str, Range], defaults: Mapping[str, Sequence[float]]
) -> dict[str, Range]:
    _check_names(where, value, limits)
    missing = [name for name in limits if name not in value and name not in defaults]
    if missing:
        raise UserError(f"{where} lacks {', '.join(missing)}; give a range of degrees for each, such as [0, 10]")
    return {name: _read_range(f"{where}.{name}", name, value.get(name, defaults.get(name)), limits) for name in limits}


def _read_range(where: str, name: str, value: Any, limits: Mapping[str, Range]) -> Range:
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    if len(pair) != 2 or not all(isinstance(angle, int | float) for angle in pair) or pair[0] > pair[1]:
        raise UserError(f"{where} is {value!r}; it must be one angle or [least, greatest], in degrees")
    least, greatest = limits[name]
    if pair[0] < least or pair[1] > greatest:
        raise UserError(f"{where} is {value!r}, beyond what the joint can do ({least:g} to {greatest:g} degrees)")
    return float(pair[0]), float(pair[1])


def _check_names(where: str, value: Mapping[str, Any], known: Any) -> None:
    unknown = [str(name) for name in value if name not in known]
    if unknown:
        raise UserError(f"{where} has {', '.join(unknown)}, which is unknown; it may have {', '.join(known)}")


def _interpolate(bounds: Range, share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(share)

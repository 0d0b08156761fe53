"""Which pictures there are to take, and taking one: all that runs in the generator's processes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.code_identity import code_digest
from static_gesture_classification.errors import UserError
from static_gesture_classification.synthetic.people import Person, draw_person
from static_gesture_classification.synthetic.poses import PoseBook, read_poses
from static_gesture_classification.synthetic.scenes import Hand, draw_hand, photograph

# Settings that do not show in the result.
UNSEEN = ("n_jobs", "contact_sheet")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One picture to take: number `number` of a gesture."""

    gesture: str
    number: int


@dataclass(frozen=True)
class Plan:
    """All pictures of one configuration.

    Args:
        gestures: the vocabulary's names.
        background: the one that stands for none of the others, or None.
        settings: the `synthetic` node.
        described: the `poses` node.
    """

    gestures: tuple[str, ...]
    background: str | None
    settings: Mapping[str, Any]
    described: Mapping[str, Any]

    @classmethod
    def from_config(cls, config: DictConfig) -> Plan:
        """Read and check the configuration. Raises `UserError` for settings that make no sense."""
        settings, described = (OmegaConf.to_container(config[name], resolve=True) for name in ("synthetic", "poses"))
        assert isinstance(settings, dict)
        assert isinstance(described, dict)
        plan = cls(
            tuple(config.gestures.names),
            config.gestures.get("background"),
            {str(k): v for k, v in settings.items()},
            {str(k): v for k, v in described.items()},
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Raise `UserError` for settings out of range, and for gestures that have no poses."""
        s = self.settings
        if s["images"] < len(self.gestures):
            raise UserError(
                f"synthetic.images is {s['images']}; it must be at least {len(self.gestures)}, one for each gesture"
            )
        if s["background_times"] < 1:
            raise UserError(f"synthetic.background_times is {s['background_times']}; it must be 1 or more")
        if not 64 <= s["size"] <= 1024:
            raise UserError(f"synthetic.size is {s['size']}; it must be 64 to 1024 pixels")
        if not 0 <= s["variety"] <= 1:
            raise UserError(
                f"synthetic.variety is {s['variety']}; it must be 0 (a friendly studio) to 1 (any room and camera)"
            )
        low, high = s["quality"]
        if not 1 <= low <= high <= 100:
            raise UserError(f"synthetic.quality is [{low}, {high}]; it must be [least, greatest] within 1 and 100")
        if min(s["val"], s["test"]) < 0 or s["val"] + s["test"] >= 1:
            raise UserError(
                f"synthetic.val and synthetic.test are {s['val']} and {s['test']}; together they must be below 1"
            )
        if s["people"] < sum(share > 0 for share in (s["val"], s["test"])) + 1:
            raise UserError(
                f"synthetic.people is {s['people']}: too few to hold out {s['val']} and {s['test']} of them"
            )
        _ = self.poses

    @cached_property
    def poses(self) -> PoseBook:
        """The poses of the vocabulary."""
        return read_poses(self.described, self.gestures)

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, gesture by gesture in turn, so that any beginning of the list is balanced."""
        turn, taken = self._turn, Counter[str]()
        pictures = []
        for i in range(self.settings["images"]):
            gesture = turn[i % len(turn)]
            pictures.append(Picture(gesture, taken[gesture]))
            taken[gesture] += 1
        return pictures

    @cached_property
    def _turn(self) -> tuple[str, ...]:
        more = self.settings["background_times"] - 1
        return self.gestures + (self.background,) * more if self.background is not None else self.gestures

    @cached_property
    def code(self) -> str:
        """Hash of the code of everything that a picture depends on."""
        return code_digest([Path(__file__)])

    @cached_property
    def styles(self) -> dict[str, str]:
        """Per gesture, the hash of everything but its number that a picture of it depends on."""
        common = {key: value for key, value in self.described.items() if key != "gestures"}
        settings = [self.cast, *(self.settings[key] for key in ("seed", "size", "quality", "variety"))]
        parts = {
            gesture: [gesture, self.described["gestures"][gesture], common, settings, self.code]
            for gesture in self.gestures
        }
        return {gesture: _hash(json.dumps(part, sort_keys=True)) for gesture, part in parts.items()}

    @cached_property
    def digest(self) -> str:
        """Hash of all that the result as a whole depends on."""
        lasting = {key: value for key, value in self.settings.items() if key not in UNSEEN}
        return _hash(*self.styles.values(), json.dumps(lasting, sort_keys=True))

    def name(self, picture: Picture) -> str:
        """File name of a picture without its suffix: in the form of a UUID, as HaGRID's are."""
        digits = _hash(self.styles[picture.gesture], str(picture.number))
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    @cached_property
    def cast(self) -> int:
        """How many people appear: as many as there are pictures of a gesture, at most `people`."""
        return min(self.settings["people"], -(-self.settings["images"] // len(self._turn)))

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The split each of the cast is in. People are drawn alike, so it does not matter who is held out."""
        held_out = [max(round(self.settings[key] * self.cast), 1) for key in ("test", "val") if self.settings[key] > 0]
        names = [name for name in ("test", "val") if self.settings[name] > 0]
        ranked = [name for name, count in zip(names, held_out, strict=True) for _ in range(count)][: self.cast - 1]
        ranked += ["train"] * (self.cast - len(ranked))
        # Multiples of the golden ratio modulo 1 are in every part of 0..1 as often as in any other.
        ranks = np.argsort(np.argsort(np.arange(self.cast) * 0.6180339887498949 % 1.0))
        return tuple(ranked[rank] for rank in ranks)

    def person(self, number: int) -> Person:
        """A person of the cast."""
        identity = _hash(str(self.settings["seed"]), "person", str(number))
        return draw_person(number, identity[:32], _generator(identity))

    def hand(self, picture: Picture) -> tuple[Hand, np.random.Generator]:
        """The posed hand of a picture, and the random numbers that are left for taking it."""
        rng = _generator(_hash(str(self.settings["seed"]), picture.gesture, str(picture.number)))
        person = self.person(picture.number % self.cast)
        size, variety = self.settings["size"], self.settings["variety"]
        return draw_hand(picture.gesture, person, self.poses, size, rng, variety), rng

    def photograph(self, picture: Picture) -> npt.NDArray[np.uint8]:
        """A picture as it is before it becomes a JPEG file: uint8 (size, size, 3)."""
        hand, rng = self.hand(picture)
        return photograph(hand, rng, self.settings["variety"])


def annotate(hand: Hand) -> Entry:
    """The annotation of one picture, as HaGRID v2 has it; numbers are rounded to millionths of the picture."""
    return {
        "bboxes": [[round(value, 6) for value in hand.box]],
        "labels": [hand.gesture],
        "united_bbox": None,
        "united_label": None,
        "user_id": hand.person.user_id,
        "hand_landmarks": [[[round(float(x), 6), round(float(y), 6)] for x, y in hand.landmarks]],
        "leading_hand": hand.side,
        "meta": None,
    }


def take(plan: Plan, root: Path, pictures: list[Picture]) -> list[tuple[Picture, bool, Entry]]:
    """Runs in any process: take those of a few pictures that are missing, annotate all."""
    results = []
    for picture in pictures:
        hand, rng = plan.hand(picture)
        path = root / picture.gesture / f"{plan.name(picture)}.jpg"
        missing = not path.is_file()
        if missing:
            pixels = photograph(hand, rng, plan.settings["variety"])
            low, high = plan.settings["quality"]
            _write_jpeg(
                path,
                simplejpeg.encode_jpeg(
                    pixels, quality=int(rng.integers(low, high + 1)), colorspace="RGB", colorsubsampling="420"
                ),
            )
        results.append((picture, missing, annotate(hand)))
    return results


def _write_jpeg(path: Path, data: bytes) -> None:
    try:
        with atomic_path(path) as partial:
            partial.write_bytes(data)
    except FileNotFoundError:
        # A process of a killed run may finish its last picture while the repeated run takes the same one.
        if not path.is_file():
            raise


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).hexdigest()


def _generator(identity: str) -> np.random.Generator:
    return np.random.default_rng(int(identity[:16], 16))

"""Random changes of training landmarks: a whole batch at once, every hand with its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from static_gesture_classification.errors import UserError
from static_gesture_classification.training.finder_errors import measured
from static_gesture_classification.training.lifted_hands import depths
from static_gesture_classification.training.models.landmark_features import BONE_ENDS, BONE_STARTS

NEEDED = ("probability", "rotation", "shear", "horizontal_flip")
OWN = ("noise", "view", "finder_error", "hidden_finger", "finger_length", "perspective")  # not in groups for pictures
_GUESSED_TURN = 0.6  # radians, standard deviation
_GUESSED_LEAST, _GUESSED_MOST = 0.3, 1.1  # of the end's length
_NEAREST = 0.3  # least relative depth of a point, so that it is at most 1 / 0.3 times larger


class LandmarkAugmentation(nn.Module):
    """Rotation, shear, mirroring, perspective, finger lengths, errors of the hand finder, and noise.

    Args:
        probability: of a hand's rotation, shear and change of perspective.
        rotation, shear: up to this many degrees, either way.
        horizontal_flip: probability of mirroring, which turns left hands into right ones.
        noise: mean standard deviation of the coordinates' noise, as a share of the hand's extent (the root mean square
            distance of its points from their centre). Each hand's own is drawn between 0 and twice this.
        view: standard deviation in degrees of the angles by which the hand is seen from another side: it is turned in
            depth, about both axes of the picture (see `lifted_hands`).
        finder_error: errors as the hand finder makes them, as a multiple of those measured (`FinderErrors`).
        hidden_finger: probability that a hand has a finger whose end is placed badly, as where fingers hide each other.
        finger_length: standard deviation of each finger's length factor; two fifths of it for each bone.
        perspective: a point at one extent from the centre moves up to this share nearer or farther.
    """

    def __init__(
        self,
        probability: float,
        rotation: float,
        shear: float,
        horizontal_flip: float,
        noise: float = 0.0,
        view: float = 0.0,
        finder_error: float = 0.0,
        hidden_finger: float = 0.0,
        finger_length: float = 0.0,
        perspective: float = 0.0,
    ) -> None:
        super().__init__()
        self.probability, self.rotation, self.shear = probability, rotation, shear
        self.horizontal_flip, self.noise = horizontal_flip, noise
        self.view, self.finder_error, self.hidden_finger = view, finder_error, hidden_finger
        self.finger_length, self.perspective = finger_length, perspective

    @classmethod
    def from_config(cls, augs: Mapping[str, Any]) -> LandmarkAugmentation:
        """From the `augs` node; colours, shift and scale do not concern landmarks.

        Raises:
            UserError: the node lacks a key.
        """
        missing = [key for key in NEEDED if key not in augs]
        if missing:
            raise UserError(f"augs lacks {', '.join(missing)}; choose augs=landmarks, default, strong or none")
        return cls(**{key: float(augs[key]) for key in NEEDED}, **{key: float(augs.get(key, 0.0)) for key in OWN})

    @torch.no_grad()
    def forward(self, points: Tensor, generator: Generator) -> Tensor:
        """Changed points (n, 21, 2) float32, about the same centre.

        Args:
            points: float32 (n, 21, 2) in a unit that is the same for x and y, on any device.
            generator: of the CPU; parameters are drawn there, so they are the same on every device.
        """
        centre = points.mean(dim=1, keepdim=True)
        centred = points - centre
        extent = centred.square().sum(dim=2).mean(dim=1).sqrt().clamp_min(1e-6).view(-1, 1, 1)
        hands = centred / extent
        seen = (self._see_from_another_side, self._change_fingers)
        found = (self._misplace_finger, self._add_errors, self._add_noise)
        for change in (*seen, *found, self._turn, self._tilt):
            hands = change(hands, generator)
        return centre + (hands - hands.mean(dim=1, keepdim=True)) * extent

    def _see_from_another_side(self, hands: Tensor, generator: Generator) -> Tensor:
        if self.view == 0:
            return hands
        angles = torch.deg2rad(self.view * torch.randn((2, len(hands), 1), generator=generator)).to(hands.device)
        (across, along), (x, y), depth = angles, hands.unbind(dim=2), depths(hands)
        turned, behind = x * across.cos() + depth * across.sin(), depth * across.cos() - x * across.sin()
        return torch.stack([turned, y * along.cos() - behind * along.sin()], dim=2)

    def _change_fingers(self, hands: Tensor, generator: Generator) -> Tensor:
        """Scale bones, mostly by one factor per finger; joints stay connected."""
        if self.finger_length == 0:
            return hands
        fingers = 1 + self.finger_length * torch.randn((len(hands), 5, 1), generator=generator)
        bones = 1 + 0.4 * self.finger_length * torch.randn((len(hands), 5, 4), generator=generator)
        moved = (hands[:, BONE_ENDS] - hands[:, BONE_STARTS]) * (fingers * bones).view(-1, 20, 1).to(hands.device)
        ends = moved.view(-1, 5, 4, 2).cumsum(dim=2).view(-1, 20, 2)
        return torch.cat([hands[:, :1], hands[:, :1] + ends], dim=1)

    def _misplace_finger(self, hands: Tensor, generator: Generator) -> Tensor:
        """Turn and shorten the end of one finger about one of its joints: where it is hidden, it is guessed."""
        if self.hidden_finger == 0:
            return hands
        count = len(hands)
        chosen = self._chosen(count, self.hidden_finger, generator) > 0
        first = 1 + 4 * torch.randint(5, (count, 1), generator=generator)  # of the finger's four points
        joint = torch.randint(3, (count, 1), generator=generator)
        place = torch.arange(4).expand(count, 4)
        rows = torch.arange(count)[:, None]
        finger = hands[rows, (first + place).to(hands.device)]
        pivot = hands[rows, (first + joint).to(hands.device)]
        angle = _GUESSED_TURN * torch.randn(count, generator=generator)
        length = _GUESSED_LEAST + (_GUESSED_MOST - _GUESSED_LEAST) * torch.rand(count, generator=generator)
        turn = length.view(-1, 1, 1) * _rotation(angle)
        moved = pivot + (finger - pivot) @ turn.to(hands.device)
        moves = (chosen[:, None] & (place > joint)).unsqueeze(2).to(hands.device)
        result = hands.clone()
        result[rows, (first + place).to(hands.device)] = torch.where(moves, moved, finger)
        return result

    def _add_errors(self, hands: Tensor, generator: Generator) -> Tensor:
        if self.finder_error == 0:
            return hands
        return hands + self.finder_error * measured().draw(hands, generator)

    def _add_noise(self, hands: Tensor, generator: Generator) -> Tensor:
        if self.noise == 0:
            return hands
        deviation = 2 * self.noise * torch.rand((len(hands), 1, 1), generator=generator)
        return hands + (deviation * torch.randn(hands.shape, generator=generator)).to(hands.device)

    def _turn(self, hands: Tensor, generator: Generator) -> Tensor:
        chosen = self._chosen(len(hands), self.probability, generator)
        angle = chosen * torch.deg2rad(_either_way(self.rotation, (len(hands),), generator))
        shear = chosen * torch.deg2rad(_either_way(self.shear, (len(hands),), generator)).tan()
        mirrored = 1 - 2 * self._chosen(len(hands), self.horizontal_flip, generator)
        turn = _rotation(angle)
        lean = torch.eye(2).repeat(len(hands), 1, 1)
        lean[:, 0, 0] = mirrored
        lean[:, 1, 0] = shear
        return hands @ (lean @ turn).to(hands.device)

    def _tilt(self, hands: Tensor, generator: Generator) -> Tensor:
        if self.perspective == 0:
            return hands
        chosen = self._chosen(len(hands), self.probability, generator).view(-1, 1, 1)
        slope = chosen * _either_way(self.perspective, (len(hands), 1, 2), generator)
        depth = 1 + (hands * slope.to(hands.device)).sum(dim=2, keepdim=True)
        return hands / depth.clamp_min(_NEAREST)

    @staticmethod
    def _chosen(count: int, probability: float, generator: Generator) -> Tensor:
        return (torch.rand(count, generator=generator) < probability).float()


def _rotation(angle: Tensor) -> Tensor:
    """Matrices (n, 2, 2) that turn row vectors by angles (n,) in radians."""
    return torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)


def _either_way(extent: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return extent * (2 * torch.rand(shape, generator=generator) - 1)

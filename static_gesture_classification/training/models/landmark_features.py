"""Features of the landmark network: invariant to the hand's place, size and handedness.

MediaPipe's order of the 21 points: 0 wrist; four of each finger from the palm to the tip: thumb 1 to 4, index 5 to 8,
middle 9 to 12, ring 13 to 16, little finger 17 to 20. The features are not invariant to rotation: it is all that tells
thumbs up from thumbs down.
"""

from __future__ import annotations

import torch
from torch import Tensor

from static_gesture_classification.samples import INDEX_BASE, LITTLE_BASE, THUMB_TIP, WRIST

FEATURES_VERSION = 2  # raise it when the same points give other features; older checkpoints are then refused
TIPS = (4, 8, 12, 16, 20)
BASES = (2, 5, 9, 13, 17)  # the joint that each finger turns about
BONE_ENDS = tuple(range(1, 21))  # of the 20 bones
BONE_STARTS = tuple(WRIST if end % 4 == 1 else end - 1 for end in BONE_ENDS)
BENDS = tuple(bone for bone in range(19) if bone % 4 != 3)  # a bone whose successor belongs to the same finger
_TIP_PAIRS = tuple((first, second) for k, first in enumerate(TIPS) for second in TIPS[k + 1 :])
_REACHES = (
    *_TIP_PAIRS,
    *((WRIST, tip) for tip in TIPS),
    *zip(BASES, TIPS, strict=True),
    *((THUMB_TIP, joint) for joint in range(5, 21)),
)
_SMALLEST = 1e-4


def features(points: Tensor) -> Tensor:
    """Features (n, F) float32 of points (n, 21, 2) in any unit that is the same for x and y.

    The hand is first scaled to unit size (root mean square distance of its points from their centre) and mirrored to
    one side (`mirror_to_one_hand`). Its features are: coordinates; directions and lengths of the 20 bones; distances
    between fingertips, from them to the wrist and to their finger's base, and from the thumb's tip to all other joints;
    how each joint bends (cosine and sine of the angle between its bones).
    """
    points = points.float()
    centred = points - points.mean(dim=1, keepdim=True)
    scale = centred.square().sum(dim=2).mean(dim=1).sqrt().clamp_min(_SMALLEST**2)
    hand = mirror_to_one_hand(centred / scale.view(-1, 1, 1))
    bones = hand[:, BONE_ENDS] - hand[:, BONE_STARTS]
    lengths = _norm(bones)
    directions = bones / lengths.unsqueeze(2)
    starts, ends = zip(*_REACHES, strict=True)
    reaches = _norm(hand[:, ends] - hand[:, starts])
    return torch.cat([hand.flatten(1), directions.flatten(1), lengths, reaches, _bends(directions)], dim=1)


def mirror_to_one_hand(centred: Tensor) -> Tensor:
    """Mirror hands so that index knuckle, wrist and little finger's knuckle have the same orientation in all.

    A left palm becomes a right palm, and so does the back of a right hand: 2D landmarks do not distinguish it from a
    left palm. So the handedness need not be known.

    Args:
        centred: (n, 21, 2) about their centre.
    """
    index, little = (centred[:, knuckle] - centred[:, WRIST] for knuckle in (INDEX_BASE, LITTLE_BASE))
    winding = index[:, 0] * little[:, 1] - index[:, 1] * little[:, 0]
    direction = torch.where(winding < 0, -1.0, 1.0)
    return torch.stack([centred[..., 0] * direction.unsqueeze(1), centred[..., 1]], dim=2)


def _norm(vectors: Tensor) -> Tensor:
    """Lengths (n, k) of vectors (n, k, 2), none of them zero."""
    return vectors.square().sum(dim=2).sqrt().clamp_min(_SMALLEST)


def _bends(directions: Tensor) -> Tensor:
    """Cosines and sines (n, 30) of the turns from each bone to the next of its finger; directions (n, 20, 2)."""
    before, after = directions[:, BENDS], directions[:, [bone + 1 for bone in BENDS]]
    cosine = (before * after).sum(dim=2)
    sine = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    return torch.cat([cosine, sine], dim=1)

"""Hands of a new gesture as other people would show it: the sample's fingers, drawn towards fingers of known hands.

What one person shows once says nothing of how people differ. Known hands do, part by part: whoever shows another
gesture may hold a single finger as the sample does. So each known hand is laid over the sample by its palm (a rotation
and a scale, Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns", 1991), the
palm is drawn towards one that fits, and each finger towards one that is held alike.
"""

from __future__ import annotations

import numpy as np
import torch

from static_gesture_classification.training.models import landmark_features

_PALM = (0, 5, 9, 13, 17)
_DIGITS = tuple(slice(first, first + 4) for first in (1, 5, 9, 13, 17))
PALMS, _FINGERS = 80, 40  # known hands with the most similar palm, finger, of which one is taken
_SMALLEST = 1e-9


def mix_hands(samples: np.ndarray, known: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` hands (count, 21, 2) float32 between the samples and known hands, all mirrored to one side.

    Args:
        samples: of the new gesture, (n, 21, 2), in a unit that is the same for x and y.
        known: hands of any gestures, (m, 21, 2); their units do not matter.
    """
    if not len(samples) or not len(known) or not count:
        return np.zeros((0, 21, 2), np.float32)
    rng = np.random.default_rng(seed)
    others = _to_one_side(known)
    shares = np.bincount(np.arange(count) % len(samples), minlength=len(samples))
    mixed = [_mix(sample, others, int(share), rng) for sample, share in zip(_to_one_side(samples), shares, strict=True)]
    return np.concatenate(mixed).astype(np.float32)


def _mix(sample: np.ndarray, others: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    laid, misfit = _lay_over(others, sample)
    palms = rng.choice(np.argsort(misfit)[:PALMS], count)
    mixed = sample + rng.random((count, 1, 1)) * (laid[palms] - sample)
    for digit in _DIGITS:
        fingers, own = laid[:, digit] - laid[:, digit][:, :1], sample[digit] - sample[digit][0]
        apart = np.square(fingers - own).sum(axis=2).mean(axis=1)
        taken = fingers[rng.choice(np.argsort(apart)[:_FINGERS], count)]
        mixed[:, digit] = mixed[:, digit][:, :1] + own + rng.random((count, 1, 1)) * (taken - own)
    return mixed


def _lay_over(hands: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hands (m, 21, 2) turned, scaled and moved until their palms lie on the sample's; how far these are apart (m,)."""
    numbers, wanted = hands[..., 0] + 1j * hands[..., 1], sample[:, 0] + 1j * sample[:, 1]
    palms, palm = numbers[:, _PALM], wanted[list(_PALM)]
    centres, centre = palms.mean(axis=1, keepdims=True), palm.mean()
    turn = ((palms - centres).conj() * (palm - centre)).sum(axis=1) / np.maximum(
        np.square(np.abs(palms - centres)).sum(axis=1), _SMALLEST
    )
    laid = (numbers - centres) * turn[:, None] + centre
    misfit = np.square(np.abs(laid[:, _PALM] - palm)).mean(axis=1)
    return np.stack([laid.real, laid.imag], axis=-1), misfit


def _to_one_side(points: np.ndarray) -> np.ndarray:
    """Points about their centre, as right palms, float64."""
    tensor = torch.from_numpy(np.asarray(points, np.float64))
    mirrored: np.ndarray = landmark_features.mirror_to_one_hand(tensor - tensor.mean(dim=1, keepdim=True)).numpy()
    return mirrored

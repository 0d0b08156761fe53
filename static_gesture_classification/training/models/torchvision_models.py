"""Backbones of torchvision: any of its classifiers that ends in a linear layer."""

from __future__ import annotations

from urllib.parse import urlparse

import torch
from torch import nn

from static_gesture_classification.errors import UserError
from static_gesture_classification.torchvision_operators import models


def backbone(name: str, pretrained: bool) -> tuple[nn.Module, int]:
    """Build a torchvision classifier without its last layer; returns it and its number of features.

    Raises:
        UserError: torchvision has no such model, or its ImageNet weights are neither cached nor downloadable.
    """
    if name not in models.list_models(models):
        raise UserError(f"torchvision has no model {name!r}; choose another model, or model=timm model.name={name}")
    weights = models.get_model_weights(name).DEFAULT
    try:
        network = models.get_model(name, weights=weights if pretrained else None)
    except OSError as error:
        raise UserError(_no_download(name, weights.url, error)) from error
    return _without_last_linear(network, name)


def _no_download(name: str, url: str, error: OSError) -> str:
    file = urlparse(url).path.rpartition("/")[2]
    return (
        f"the ImageNet weights of {name} could not be downloaded from {url} ({error}). Place that file at "
        f"{torch.hub.get_dir()}/checkpoints/{file}, or use model=efficientnet_lite0, whose weights are installed "
        "with this program, or train from scratch with model.weights=none"
    )


def _without_last_linear(network: nn.Module, name: str) -> tuple[nn.Module, int]:
    linear = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UserError(f"{name} of torchvision does not end in a linear layer; choose another model")
    path, last = linear[-1]
    network.set_submodule(path, nn.Identity())
    return network, last.in_features

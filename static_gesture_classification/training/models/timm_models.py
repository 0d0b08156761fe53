"""Backbones of timm, which has more than a thousand."""

from __future__ import annotations

from difflib import get_close_matches

from torch import nn

from static_gesture_classification.errors import UserError


def backbone(name: str, pretrained: bool) -> tuple[nn.Module, int]:
    """Build a timm network without its classifier; returns it and its number of features.

    Raises:
        UserError: timm has no such model, or its ImageNet weights are neither cached nor downloadable.
    """
    import static_gesture_classification.torchvision_operators  # noqa: F401

    # isort: split
    import timm

    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), n=6, cutoff=0.4)) or "see timm.list_models()"
        raise UserError(f"timm has no model {name!r}; similar names: {near}")
    try:
        network = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # the download libraries below timm raise many kinds of exceptions
        if not pretrained:
            raise
        raise UserError(
            f"the ImageNet weights of timm's {name} could not be downloaded ({type(error).__name__}: {error}). Fetch "
            "them once where there is a network and copy that machine's Hugging Face cache (HF_HOME), or use "
            "model=efficientnet_lite0, whose weights are installed with this program, or model.weights=none"
        ) from error
    features = getattr(network, "head_hidden_size", None) or network.num_features
    return network, int(features)  # type: ignore[arg-type]

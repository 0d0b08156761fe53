"""The one place that imports torchvision; works beside a CPU-only torch.

torchvision's PyPI wheel for Linux is built for CUDA. Beside a CPU-only torch its compiled operators do not load,
and `import torchvision` raises `operator torchvision::nms does not exist`. Declaring the two operators that its
Python code registers against makes models and transforms work; the compiled operators stay unavailable there.

Libraries that import torchvision by themselves (timm, torchmetrics, pytorch_lightning) need the declarations too:
import this module before them.
"""

from __future__ import annotations

import torch

_library: torch.library.Library | None = None  # kept alive: declarations vanish with the object


def _declare_missing_operators() -> None:
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _import_torchvision() -> object:
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_missing_operators()
        import torchvision
    return torchvision


_import_torchvision()

from torchvision import models  # noqa: E402

__all__ = ["models"]

"""The one place that imports ONNX Runtime.

    from static_gesture_classification.onnx_runtime import onnxruntime

Its official builds send usage events to their maker, seconds after a network is loaded, unless ORT_DISABLE_TELEMETRY is
set before it starts (Privacy.md in its wheel). Here nothing is sent.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["load_quantization", "onnxruntime"]


def load_quantization() -> Any:
    """Its package `onnxruntime.quantization`, which also imports onnx."""
    from onnxruntime import quantization

    return quantization

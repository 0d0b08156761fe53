"""Imports torchmetrics without scipy.signal; import this module before Lightning, which imports torchmetrics.

torchmetrics imports scipy.signal whenever it is installed, only to give an old package for speech a name that SciPy
dropped. That takes half a second of the processor in each command that trains, and nothing of ours uses it. SciPy stays
whole: who imports scipy.signal afterwards gets it.
"""

from __future__ import annotations

import sys
from types import ModuleType

import static_gesture_classification.torchvision_operators  # noqa: F401  (torchmetrics imports torchvision)

_UNUSED = "scipy.signal"


def _import_torchmetrics() -> None:
    if _UNUSED in sys.modules or "torchmetrics" in sys.modules:
        return
    stand_in = ModuleType(_UNUSED)
    stand_in.hamming = None  # type: ignore[attr-defined]  # the name in question
    sys.modules[_UNUSED] = stand_in
    try:
        import torchmetrics  # noqa: F401
    finally:
        del sys.modules[_UNUSED]


_import_torchmetrics()

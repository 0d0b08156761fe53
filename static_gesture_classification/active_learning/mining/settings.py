"""The settings of mining."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.admission import AdmissionSettings
from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import CropSettings
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.sources.selection import Sources
from static_gesture_classification.sources.source import Source
from static_gesture_classification.training.checkpoint import checkpoint_digest
from static_gesture_classification.workspace import Workspace


class MiningSettings(Settings, key="mining"):
    """The `mining` node, explained in conf/mining/default.yaml, and what else mining and admitting need.

    Args:
        review_list: `mining.list`.
        checkpoint: of the current model.
        crops: of the pipeline.
        sources: name -> opens the source with all that it holds.
        seed: of random draws.
    """

    pool: str | None
    plan: Path
    predictions: Path
    output: Path
    cache: Path
    count: int | None = Field(ge=1)
    examples: int = Field(ge=1)
    diversity: float = Field(ge=0)
    per_subject: int = Field(ge=1)
    review_list: Annotated[Path | None, At("mining.list")]
    root: Path
    held_out: float = Field(ge=0, le=1)
    surroundings: float = Field(ge=0)
    checkpoint: Path
    crops: CropSettings
    vocabulary: Vocabulary
    sources: Mapping[str, Callable[[], Source]]
    detector: DetectorSettings
    admission: AdmissionSettings
    workspace: Workspace
    seed: Annotated[int, At("seed")]

    @classmethod
    def from_config(cls, config: DictConfig) -> MiningSettings:
        """From `config.mining`; raises as `read`."""
        sources = {
            str(name): partial(_open_whole, str(name), node, config.seed)
            for name, node in (config.sources or {}).items()
            if node is not None and node.get("_target_")
        }
        return cls.read(config, "mining", sources=sources)

    @property
    def digest(self) -> str:
        """The checkpoint's digest: 16 hex digits."""
        return str(checkpoint_digest(self.checkpoint))[:16]


def _open_whole(name: str, node: Mapping[str, Any], seed: int) -> Source:
    """A source with all its samples, also those that `max_per_gesture` or `gestures` keep out of the index."""
    whole = {"max_per_gesture": None, "gestures": None, "enabled": True}
    return Sources.build({name: {**node, **whole}}, seed)[0]

"""The recorder's settings: the `recording` node of the configuration, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.errors import UserError

REAL, ALL = "real", "all"
AUTO, PLAN, FREE = "auto", "plan", "free"
SCREEN, NONE = "screen", "none"
LARGEST, SUREST, LEFT, RIGHT = "largest", "surest", "left", "right"
_CHOICES = {
    "pace": (REAL, ALL),
    "mode": (AUTO, PLAN, FREE),
    "window": (SCREEN, NONE),
    "hand": (LARGEST, SUREST, LEFT, RIGHT),
    "hard": (AUTO, True, False),
}


@dataclass(frozen=True)
class CameraSettings:
    """How pictures come in; see conf/recording/default.yaml."""

    pace: str
    size: tuple[int, int]
    rate: float
    stall_seconds: float
    black_seconds: float
    reconnect_seconds: float


@dataclass(frozen=True)
class SelectionSettings:
    """Which pictures are worth keeping; see conf/recording/default.yaml."""

    hand: str
    best_of: int
    novelty: float
    interval: float
    near_identical: float
    min_sharpness: float
    min_hand: int
    edge: float


@dataclass(frozen=True)
class StorageSettings:
    """What is written of a picture, and where; see conf/recording/default.yaml."""

    root: Path
    margin: float
    whole_frame: bool
    jpeg_quality: int
    rescue: Path | None


@dataclass(frozen=True)
class RecordingSettings:
    """The `recording` node: each field is explained in conf/recording/default.yaml."""

    source: int | str
    mode: str
    gesture: str | None
    count: int
    seconds: float | None
    hard: bool | str
    review: bool
    subject: str | None
    room: str | None
    checkpoint: str | None
    countdown: float
    patience: float
    window: str
    mirror: bool
    commit: bool
    camera: CameraSettings
    selection: SelectionSettings
    storage: StorageSettings

    @classmethod
    def from_config(cls, config: DictConfig) -> RecordingSettings:
        """From `config.recording`.

        Raises:
            UserError: a value that is not among its choices or out of its range; names it and what is possible.
        """
        node = dict(OmegaConf.to_container(config.recording, resolve=True))  # type: ignore[arg-type]
        for name, choices in _CHOICES.items():
            _require(node[name] in choices, node, name, f"it is one of {', '.join(map(str, choices))}")
        for name in ("count", "best_of", "min_hand"):
            _require(isinstance(node[name], int) and node[name] >= 1, node, name, "it is a whole number from 1")
        for name in ("rate", "interval", "countdown", "patience", "margin", "stall_seconds", "black_seconds"):
            _require(_number(node[name]) and node[name] >= 0, node, name, "it is a number from 0")
        every = node["refit_every"]
        _require(isinstance(every, int) and every >= 0, node, "refit_every", "it is a whole number; 0 for never")
        samples = node["refit_samples"]
        _require(isinstance(samples, int) and samples >= 1, node, "refit_samples", "it is a whole number from 1")
        strength = node["refit_strength"]
        _require(_number(strength) and strength > 0, node, "refit_strength", "it is a number above 0")
        _require(node["seconds"] is None or _number(node["seconds"]), node, "seconds", "it is a number of seconds")
        _require(1 <= node["jpeg_quality"] <= 100, node, "jpeg_quality", "it is from 1 to 100")
        rescue = node["rescue"]
        return cls(
            **{name: node[name] for name in cls.__annotations__ if name not in ("camera", "selection", "storage")},
            camera=_part(CameraSettings, node, size=tuple(node["size"])),
            selection=_part(SelectionSettings, node),
            storage=_part(
                StorageSettings, node, root=Path(node["root"]).expanduser(), rescue=rescue and Path(rescue).expanduser()
            ),
        )


def _part(kind: Callable[..., Any], node: dict[str, Any], **changes: Any) -> Any:
    fields = {name: node[name] for name in kind.__annotations__ if name in node}
    return kind(**fields | changes)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require(good: bool, node: dict[str, Any], name: str, what: str) -> None:
    if not good:
        raise UserError(f"recording.{name} is {node[name]!r}; {what}")

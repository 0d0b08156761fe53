"""The entries of a checkpoint, and the check that a file holds nothing else. See `checkpoint`.

Anybody can write a checkpoint. `torch.load(weights_only=True)` reads tensors and plain values only. Their types are
checked here before a network is built or Hydra and OmegaConf see them: these would call what a value names (`_target_`)
and insert what it refers to (`${oc.env:HOME}`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, with_config
from torch import Tensor
from typing_extensions import TypedDict

from static_gesture_classification.errors import UserError
from static_gesture_classification.file_data import check_type
from static_gesture_classification.training.backbones import TARGET, factory
from static_gesture_classification.training.inputs import kind_of

WAY_OUT = "choose another checkpoint, or train again"
_DEEPEST = 8  # allowed nesting of plain values; checkpoints have three levels
_REFERENCE = "${"
_HEADER = ("model", "gestures", "crop", "epoch", "scores", "calibration")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Plain = str | bool | int | Finite | None
Channels = Annotated[list[Finite], Field(min_length=3, max_length=3)]
Deviations = Annotated[list[Annotated[Finite, Field(gt=0)]], Field(min_length=3, max_length=3)]


class Normalisation(TypedDict):
    """Per RGB channel, of pixel values scaled to 0..1."""

    mean: Channels
    std: Deviations


class ModelEntry(TypedDict):
    """The `model` node of the configuration."""

    name: str
    backbone: dict[str, Plain | list[Plain]]
    input: NotRequired[str]
    normalisation: NotRequired[Normalisation]


class GesturesEntry(TypedDict):
    """The vocabulary."""

    names: Annotated[list[str], Field(min_length=2, max_length=10_000)]
    background: NotRequired[str | None]


class CropEntry(TypedDict):
    """How a crop model's crops are cut: pixels, and share of the box's longer side."""

    size: Annotated[int, Field(ge=1, le=4096)]
    margin: Annotated[Finite, Field(ge=0, le=10)]


class CalibrationEntry(TypedDict):
    """See `answers.Calibration`."""

    temperature: Annotated[Finite, Field(gt=0, le=1000)]
    advantage: Annotated[Finite, Field(ge=-1000, le=1000)]


@with_config(ConfigDict(arbitrary_types_allowed=True))
class Entries(TypedDict):
    """What `checkpoint` describes."""

    model: ModelEntry
    gestures: GesturesEntry
    crop: CropEntry | None
    epoch: Annotated[int, Field(ge=0)] | None
    scores: dict[str, Finite | dict[str, dict[str, Finite]]] | None
    state_dict: dict[str, Tensor]
    calibration: NotRequired[CalibrationEntry]
    calibrated_share: NotRequired[Annotated[Finite, Field(gt=0, lt=1)]]
    for_use: NotRequired[dict[str, Tensor]]


def check_entries(entries: Mapping[str, Any], path: Path) -> None:
    """Check a checkpoint's entries; further ones by Lightning are ignored.

    Raises:
        UserError: an entry is missing or of another type, names something to call, or refers to something else.
    """
    header = {name: entries[name] for name in _HEADER if name in entries}
    for place, name in _not_data(header):
        raise UserError(
            f"{path} is refused: {place} holds {name!r:.200}; a checkpoint of this program calls nothing and refers to "
            f"nothing. Somebody has made it up: do not use it, {WAY_OUT}"
        )
    known = check_type(dict(entries), Entries, str(path), WAY_OUT)
    try:
        factory(known["model"]["backbone"].get(TARGET))
        needs_crops = kind_of(known["model"]).needs_crops
    except UserError as error:
        raise UserError(f"{path}: {error}; {WAY_OUT}") from error
    if needs_crops != (known["crop"] is not None) or (needs_crops and "normalisation" not in known["model"]):
        raise UserError(f"{path}: its crop and normalisation do not fit what its model sees; {WAY_OUT}")


def _not_data(header: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Place and value of what Hydra would call, OmegaConf would look up, or is nested too deeply."""
    todo: list[tuple[str, Any, int]] = [("it", header, 0)]
    for place, value, depth in todo:  # grows while it is walked
        if isinstance(value, str) and _REFERENCE in value:
            yield place, value
        if isinstance(value, Mapping | list | tuple):
            if depth == _DEEPEST:
                yield place, value
                return
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            below = [(f"{place}.{key}".removeprefix("it."), part) for key, part in pairs]
            yield from ((at, part) for at, part in below if _is_instruction(at))
            todo += [(at, part, depth + 1) for at, part in below]


def _is_instruction(place: str) -> bool:
    name = place.rpartition(".")[2]
    return (name.startswith("_") and place != f"model.backbone.{TARGET}") or _REFERENCE in name

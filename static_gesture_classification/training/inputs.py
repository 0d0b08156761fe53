"""Input kinds: what a model sees of a hand. The `model` node and the checkpoint name the kind.

A kind declares what it needs of a prepared hand (a crop, landmarks, or both), joins it to one array with a row for each
hand, and knows the network, the augmentation and the ONNX inputs for such rows. All other code asks the kind. A new
kind is a class here, its entry in `KINDS`, and a YAML in conf/model/ with `model.input`; with `model.prepared:
landmarks` if it needs landmarks (the stages watch that folder).

    prepare   needs_crops, needs_landmarks, check_detector
    open      open, usable, sample_table
    a hand    join (of crops and points), take, look_at (in an image), alone (one part), example
    batch     feed (named arrays), batch (tensors), parts_of (and back, to look at)
    train     network, augmentation, describe
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import read_json
from static_gesture_classification.hand_points import LANDMARK_COUNT, points_of
from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.row_arrays import Rows, SelectedRows, read_scattered
from static_gesture_classification.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from static_gesture_classification.detection.detector import DetectedHand, Detector
    from static_gesture_classification.training.models.network import Network


@dataclass(frozen=True)
class CropsOrNone:
    """Crops by table row, black where there is none.

    Args:
        array: crops, uint8 (m, size, size, 3).
        rows: the crop of each table row, -1 without: int (n,).
        size: of a crop, in pixels.
    """

    array: Rows
    rows: np.ndarray
    size: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        at = np.atleast_1d(self.rows[rows])
        found = np.zeros((len(at), self.size, self.size, 3), np.uint8)
        found[at >= 0] = self.array[at[at >= 0]]
        return found


@dataclass(frozen=True)
class PreparedHands:
    """Prepared hands.

    Args:
        samples: the sample table, n rows.
        crops: uint8 (n, size, size, 3), RGB; None where the kind needs none.
        points: float32 (n, 21, 2), in units of the image's height, NaN where no hand was found; None likewise.
        crop_size, crop_margin: of the crops; the margin is None if unknown.

    Raises:
        DataError: they do not fit together.
    """

    samples: pd.DataFrame
    crops: Rows | None = None
    points: np.ndarray | None = None
    crop_size: int = 0
    crop_margin: float | None = None

    def __post_init__(self) -> None:
        for noun, part in (("crops", self.crops), ("hands", self.points)):
            if part is not None and len(part) != len(self.samples):
                raise DataError(
                    f"{len(part)} {noun} and {len(self.samples)} rows in the table do not fit together; run dvc repro"
                )

    def select(self, rows: np.ndarray) -> PreparedHands:
        """Some of the hands."""
        crops = None if self.crops is None else SelectedRows(self.crops, rows)
        points = None if self.points is None else self.points[rows]
        return replace(self, samples=self.samples.iloc[rows].reset_index(drop=True), crops=crops, points=points)


@dataclass(frozen=True)
class Parts:
    """The visible parts of model inputs: crops uint8 (n, size, size, 3), points float32 (n, 21, 2)."""

    crops: np.ndarray | None = None
    points: np.ndarray | None = None


class InputKind(ABC):
    """See the module.

    Attributes:
        name: in `model.input` and in checkpoints.
        needs_crops, needs_landmarks: what has to be prepared.
        either_suffices: whether a hand can be recognised without landmarks, or without a crop.
        batch_size: hands in a batch outside training.
    """

    name: ClassVar[str]
    needs_crops: ClassVar[bool] = False
    needs_landmarks: ClassVar[bool] = False
    either_suffices: ClassVar[bool] = False
    batch_size: ClassVar[int] = 64

    @abstractmethod
    def join(self, crops: np.ndarray | None, points: np.ndarray | None) -> np.ndarray:
        """Inputs of n hands as one array (n, ...); a structured array if it has several parts."""

    @abstractmethod
    def feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs as the network's arguments, by their names in an ONNX file."""

    @abstractmethod
    def to_network(self, *arguments: Tensor) -> Any:
        """The network's input, a tensor or a tuple of tensors, from the tensors of `feed`."""

    @abstractmethod
    def parts_of(self, batch: Any) -> Parts:
        """The visible parts of a batch, also of an augmented one."""

    @abstractmethod
    def network(self, model: Mapping[str, Any], classes: int) -> Network:
        """The network of a `model` node, with random weights, or ImageNet's if `model.weights` says so."""

    @abstractmethod
    def augmentation(self, augs: Mapping[str, Any]) -> nn.Module:
        """The augmentation of an `augs` node: a module that takes a batch and a generator."""

    @abstractmethod
    def describe(self, hands: PreparedHands) -> str:
        """The hands in a table's title."""

    def batch(self, inputs: np.ndarray) -> Any:
        """Inputs as a batch for the network, on the CPU."""
        import torch

        arrays = (np.ascontiguousarray(array) for array in self.feed(inputs).values())
        return self.to_network(*(torch.from_numpy(array) for array in arrays))

    def batches(self, inputs: np.ndarray) -> Iterator[np.ndarray]:
        """Inputs in batches of `batch_size`, at least one."""
        for start in range(0, max(len(inputs), 1), self.batch_size):
            yield inputs[start : start + self.batch_size]

    def take(self, crops: Rows | None, points: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        """Inputs of some rows of prepared hands; parts that the kind does not need are ignored."""
        return self.join(
            np.asarray(crops[rows]) if self.needs_crops and crops is not None else None,
            points[rows] if self.needs_landmarks and points is not None else None,
        )

    def look_at(
        self, image: np.ndarray, hands: Sequence[DetectedHand], crop_size: int, crop_margin: float
    ) -> np.ndarray:
        """Inputs of hands in an image, uint8 (height, width, 3) RGB.

        Raises:
            UserError: landmarks are needed, and a hand has none.
        """
        crops = points = None
        if self.needs_crops:
            crops = np.stack([crop_square(image, hand.box, crop_size, crop_margin) for hand in hands])
        if self.needs_landmarks:
            marks = np.stack([_landmarks(hand, self.either_suffices) for hand in hands])
            points = points_of(marks, image.shape[1] / image.shape[0])
        return self.join(crops, points)

    def example(self, count: int, crop_size: int) -> np.ndarray:
        """Random inputs with a fixed seed."""
        random = np.random.default_rng(0)
        crops = points = None
        if self.needs_crops:
            crops = random.integers(0, 256, (count, crop_size, crop_size, 3), np.uint8)
        if self.needs_landmarks:
            points = random.random((count, LANDMARK_COUNT, 2), np.float32)
        return self.join(crops, points)

    def open(self, crops: Path, landmarks: Path, samples: Path, columns: Sequence[str] | None = None) -> PreparedHands:
        """Open prepared hands.

        Args:
            crops, landmarks: folders; one that the kind does not need is ignored.
            samples: the sample table of the crops, with splits; landmarks have their own.
            columns: of the table, with `sample_id`; None: all but the landmarks.

        Raises:
            DataError: something is missing, damaged, or does not fit together.
        """
        import pandas as pd

        from static_gesture_classification.preparation.crops import open_crops
        from static_gesture_classification.preparation.landmark_store import open_landmarks
        from static_gesture_classification.samples import read_rows

        points: np.ndarray | None = None
        if self.needs_landmarks:
            points, table = open_landmarks(landmarks, columns)
        if not self.needs_crops:
            return PreparedHands(table, points=points)
        array, cut = open_crops(crops), read_rows(samples, columns)
        rows = read_scattered(array)
        if len(array) != len(cut):
            raise DataError(f"{len(array)} crops and {len(cut)} rows in {samples} do not fit together; run dvc repro")
        if points is None:
            table = cut
        else:
            at = pd.Index(cut["sample_id"]).get_indexer(pd.Index(table["sample_id"]))
            points, table, rows = (
                points[at >= 0],
                table[at >= 0].reset_index(drop=True),
                SelectedRows(rows, at[at >= 0]),
            )
        report = crops / "report.json"
        made = read_json(report, dict[str, Any], "make the crops anew (dvc repro)") if report.is_file() else {}
        return PreparedHands(table, rows, points, array.shape[1], made.get("margin"))

    def precompute(
        self,
        hands: PreparedHands,
        rows: np.ndarray,
        network: Network,
        model: Mapping[str, Any],
        device: str,
        engine: EngineSettings,
    ) -> PreparedHands:
        """Hands for training, with what is the same in every epoch computed once; by default as they are.

        Args:
            hands: prepared hands.
            rows: those of train and val.
            network: that will be trained.
            model: the node `model`, which says where results are kept.
            device: of torch.
            engine: where it is computed.
        """
        return hands

    def alone(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The same inputs with one part each, by its name; none for a kind that cannot do with one."""
        return {}

    def usable(self, points: np.ndarray | None, count: int) -> np.ndarray:
        """Which of `count` hands can be used: bool (count,), False without the landmarks that the kind needs."""
        if not self.needs_landmarks or self.either_suffices or points is None:
            return np.ones(count, bool)
        return np.isfinite(points).all(axis=(1, 2))

    def sample_table(self, workspace: Workspace) -> Path:
        """The sample table, with splits, that a model of this kind is trained on."""
        only_landmarks = self.needs_landmarks and not self.needs_crops
        return workspace.landmarks / "samples.parquet" if only_landmarks else workspace.split_table

    def check_detector(self, detector: Detector) -> None:
        """Raise `UserError` where a detector gives no landmarks but the kind needs them."""
        if self.needs_landmarks and not self.either_suffices and not detector.gives_landmarks:
            raise UserError(
                "this checkpoint recognises landmarks, which the detector does not give; choose detector=hands, "
                "or a checkpoint of crops"
            )


class Crops(InputKind):
    """RGB crops, uint8 (n, size, size, 3); the network takes (n, 3, size, size) in channels-last memory."""

    name = "crops"
    needs_crops = True

    def join(self, crops: np.ndarray | None, points: np.ndarray | None) -> np.ndarray:
        """See `InputKind.join`."""
        assert crops is not None
        return crops

    def feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """See `InputKind.feed`."""
        return {"crops": np.asarray(inputs, np.uint8)}

    def to_network(self, *arguments: Tensor) -> Tensor:
        """See `InputKind.to_network`."""
        return arguments[0].permute(0, 3, 1, 2)

    def parts_of(self, batch: Any) -> Parts:
        """See `InputKind.parts_of`."""
        return Parts(crops=batch.float().round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy())

    def network(self, model: Mapping[str, Any], classes: int) -> Network:
        """See `InputKind.network`."""
        from static_gesture_classification.training.backbones import build_backbone
        from static_gesture_classification.training.models.network import CropNetwork

        backbone, width = build_backbone(model["backbone"], pretrained=model["weights"] == "imagenet")
        return CropNetwork(backbone, width, classes, model["normalisation"]["mean"], model["normalisation"]["std"])

    def augmentation(self, augs: Mapping[str, Any]) -> nn.Module:
        """See `InputKind.augmentation`."""
        from static_gesture_classification.training.augmentation import Augmentation

        try:
            return Augmentation(**augs)
        except TypeError as error:
            raise UserError(
                f"augs does not fit a model of crops ({error}); choose augs=default, strong or none"
            ) from error

    def describe(self, hands: PreparedHands) -> str:
        """See `InputKind.describe`."""
        return f"Crops of {hands.crop_size} x {hands.crop_size} pixels"


class Landmarks(InputKind):
    """Points, float32 (n, 21, 2), in a unit that is the same for x and y, without NaN."""

    name = "landmarks"
    needs_landmarks = True
    batch_size = 16_384

    def join(self, crops: np.ndarray | None, points: np.ndarray | None) -> np.ndarray:
        """See `InputKind.join`."""
        assert points is not None
        return points

    def feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """See `InputKind.feed`."""
        return {"points": np.asarray(inputs, np.float32)}

    def to_network(self, *arguments: Tensor) -> Tensor:
        """See `InputKind.to_network`."""
        return arguments[0]

    def parts_of(self, batch: Any) -> Parts:
        """See `InputKind.parts_of`."""
        return Parts(points=batch.cpu().numpy())

    def network(self, model: Mapping[str, Any], classes: int) -> Network:
        """See `InputKind.network`."""
        from static_gesture_classification.training.backbones import build_backbone
        from static_gesture_classification.training.models.landmarks import LandmarkNetwork

        return LandmarkNetwork(*build_backbone(model["backbone"], pretrained=model["weights"] == "imagenet"), classes)

    def augmentation(self, augs: Mapping[str, Any]) -> nn.Module:
        """See `InputKind.augmentation`."""
        from static_gesture_classification.training.landmark_augmentation import LandmarkAugmentation

        return LandmarkAugmentation.from_config(augs)

    def describe(self, hands: PreparedHands) -> str:
        """See `InputKind.describe`."""
        return "Hands with landmarks"


class Fused(InputKind):
    """Crops and points of the same hands; either may be missing: an entirely black crop, points that are NaN."""

    name = "fused"
    needs_crops = needs_landmarks = either_suffices = True

    def join(self, crops: np.ndarray | None, points: np.ndarray | None) -> np.ndarray:
        """See `InputKind.join`: a structured array of crops and points."""
        assert crops is not None
        if points is None:
            points = np.full((len(crops), LANDMARK_COUNT, 2), np.nan, np.float32)
        inputs = np.empty(len(points), [("crops", crops.dtype, crops.shape[1:]), ("points", "f4", points.shape[1:])])
        inputs["crops"], inputs["points"] = crops, points
        return inputs

    def alone(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """See `InputKind.alone`; without landmarks the crop only."""
        by_crop, by_points = inputs.copy(), inputs.copy()
        by_crop["points"], by_points["crops"] = np.nan, 0
        has_points = bool(np.isfinite(inputs["points"]).all())
        return {Crops.name: by_crop} | ({Landmarks.name: by_points} if has_points else {})

    def feed(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """See `InputKind.feed`."""
        return {"crops": inputs["crops"], "points": inputs["points"]}

    def to_network(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        """See `InputKind.to_network`; crops may be their embeddings."""
        crops, points = arguments
        return (crops.permute(0, 3, 1, 2) if crops.ndim == 4 else crops), points

    def parts_of(self, batch: Any) -> Parts:
        """See `InputKind.parts_of`."""
        crops, points = batch
        shown = KINDS[Crops.name].parts_of(crops).crops if crops.ndim == 4 else None
        return Parts(shown, points.cpu().numpy())

    def network(self, model: Mapping[str, Any], classes: int) -> Network:
        """See `InputKind.network`. With `model.weights: hands` the hand network's weights are read."""
        from static_gesture_classification.detection.model_file import model_file
        from static_gesture_classification.training.backbones import build_backbone
        from static_gesture_classification.training.models.fused import FusedNetwork

        network = FusedNetwork(*build_backbone(model["backbone"], pretrained=model["weights"] == "imagenet"), classes)
        if model["weights"] == "hands":
            if not model.get("hand_network"):
                raise UserError(
                    "model.hand_network names no file, and the detector has none; set model.hand_network.path"
                )
            network.backbone.hand.read_weights(model_file(model["hand_network"]))
        return network

    def augmentation(self, augs: Mapping[str, Any]) -> nn.Module:
        """See `InputKind.augmentation`."""
        from static_gesture_classification.training.fused_augmentation import FusedAugmentation

        return FusedAugmentation.from_config(augs)

    def describe(self, hands: PreparedHands) -> str:
        """See `InputKind.describe`."""
        return f"Crops of {hands.crop_size} x {hands.crop_size} pixels, with landmarks"

    def open(self, crops: Path, landmarks: Path, samples: Path, columns: Sequence[str] | None = None) -> PreparedHands:
        """See `InputKind.open`: all hands with a crop, found or not, then those that have only landmarks."""
        import pandas as pd

        from static_gesture_classification.preparation.landmark_store import open_landmarks

        found, posed = open_landmarks(landmarks, columns)
        whole = KINDS[Crops.name].open(crops, landmarks, samples, columns)
        at = pd.Index(posed["sample_id"]).get_indexer(pd.Index(whole.samples["sample_id"]))
        points = np.where((at >= 0)[:, None, None], found[at], np.float32(np.nan))
        alone = np.setdiff1d(np.arange(len(posed)), at)
        alone = alone[np.isfinite(found[alone]).all(axis=(1, 2))]
        assert whole.crops is not None
        rows = np.concatenate([np.arange(len(at)), np.full(len(alone), -1)])
        return PreparedHands(
            pd.concat([whole.samples, posed.iloc[alone]], ignore_index=True),
            CropsOrNone(whole.crops, rows, whole.crop_size),
            np.concatenate([points, found[alone]]),
            whole.crop_size,
            whole.crop_margin,
        )

    def precompute(
        self,
        hands: PreparedHands,
        rows: np.ndarray,
        network: Network,
        model: Mapping[str, Any],
        device: str,
        engine: EngineSettings,
    ) -> PreparedHands:
        """See `InputKind.precompute`: embeddings take the place of crops."""
        from static_gesture_classification.training.crop_embeddings import embed_crops

        hand: Any = network.backbone.hand
        folder = Path(model["embeddings"])
        return replace(hands, crops=embed_crops(hands.crops, rows, hand, folder, device, engine.build()))


KINDS: dict[str, InputKind] = {kind.name: kind for kind in (Crops(), Landmarks(), Fused())}


def input_kind(name: str) -> InputKind:
    """The kind of this name. Raises `UserError` where there is none."""
    if name not in KINDS:
        raise UserError(f"model.input is {name!r}; it is {' or '.join(KINDS)}")
    return KINDS[name]


def kind_of(model: Mapping[str, Any]) -> InputKind:
    """The kind of a `model` node or a checkpoint's entry; crops by default."""
    return input_kind(str(model.get("input", Crops.name)))


def _landmarks(hand: DetectedHand, is_optional: bool) -> np.ndarray:
    if hand.landmarks is None and is_optional:
        return np.full((LANDMARK_COUNT, 2), np.nan, np.float32)
    if hand.landmarks is None:
        raise UserError("this checkpoint recognises landmarks, but this hand was found without them")
    return hand.landmarks

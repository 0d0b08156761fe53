"""The checkpoint contract: the entries of a checkpoint, and how it becomes a classifier.

A checkpoint is a torch file with tensors and plain values only, so it loads with `weights_only=True` and runs no code;
`checkpoint_entries` declares and checks them. A run's best checkpoints, its last one (Lightning's, for resuming) and an
exported one have in common:

    checkpoint_version   1
    state_dict           the network's tensors; in a run's last checkpoint their names begin with "network."
    model                the `model` node of the configuration: name, input (its input kind; crops where it is absent),
                         backbone, and normalisation where it sees crops
    gestures             names (in class order), background
    crop                 size (pixels), margin (of the box's longer side); None for landmark models
    epoch, scores        the finished epoch, counted from 0, and its scores on val (or None)

    calibration          of a run's best and of exported ones: temperature and advantage, see `answers`; absent in older
                         ones
    calibrated_share     of a run's best: the `background.share` that this calibration is for
    for_use              tensors as state_dict, of an exported one: the weights for use where they are others than those
                         that were measured, see `for_use`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.training.answers import Answers, Calibration, background_index
from static_gesture_classification.training.calibration import Answer
from static_gesture_classification.training.checkpoint_entries import check_entries
from static_gesture_classification.training.inputs import Crops, InputKind, input_kind, kind_of
from static_gesture_classification.training.models.network import Network

CHECKPOINT_VERSION = 1
_NETWORK = "network."
CALIBRATION = "calibration"
CALIBRATED_SHARE = "calibrated_share"
FOR_USE = "for_use"
_MEMBERS = "members"  # what an earlier version's committees held


@dataclass(frozen=True)
class Origin:
    """A checkpoint's header: the model's configuration, the gestures, a crop model's geometry."""

    model: dict[str, Any]
    vocabulary: Vocabulary
    crop_size: int = 0
    crop_margin: float = 0.0

    def header(self) -> dict[str, Any]:
        """The entries of a checkpoint, plain values only."""
        return {
            "checkpoint_version": CHECKPOINT_VERSION,
            "model": self.model,
            "gestures": {"names": list(self.vocabulary.names), "background": self.vocabulary.background},
            "crop": {"size": self.crop_size, "margin": self.crop_margin} if kind_of(self.model).needs_crops else None,
        }


@dataclass(frozen=True)
class Classifier:
    """A trained network ready for use.

    Args:
        network: in evaluation mode; normalises its input itself.
        vocabulary: the gestures, in class order.
        crop_size: of a square crop in pixels; 0 without crops.
        crop_margin: added around the square crop, as a share of the box's longer side.
        input: the name of its input kind.
        answer: makes probabilities of its logits.
    """

    network: Network
    vocabulary: Vocabulary
    crop_size: int
    crop_margin: float
    input: str = Crops.name
    answer: Answer = field(default_factory=Answer)

    @property
    def kind(self) -> InputKind:
        """Its input kind."""
        return input_kind(self.input)

    @property
    def calibration(self) -> Calibration:
        """How its logits become probabilities."""
        return self.answer.calibration

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, classes) and embeddings (n, features), float32.

        Args:
            inputs: of n hands, as the kind joins them: RGB crops (n, size, size, 3) uint8, or points (n, 21, 2).
        """
        answers = self.answers(inputs)
        return answers.probabilities, answers.embeddings

    def answers(self, inputs: np.ndarray) -> Answers:
        """The answers for n hands; `inputs` as for `predict`."""
        return self.answers_to(self.embed(inputs))

    @torch.inference_mode()
    def embed(self, inputs: np.ndarray) -> np.ndarray:
        """Embeddings (n, features) float32; `inputs` as for `predict`."""
        head = self.network.head
        if not len(inputs):
            return np.zeros((0, head.in_features), np.float32)
        batches = (on_device(self.kind.batch(some), head.weight.device) for some in self.kind.batches(inputs))
        return np.concatenate([self.network.embed(batch).float().cpu().numpy() for batch in batches])

    @torch.inference_mode()
    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits (n, classes) float32 of embeddings (n, features)."""
        head = self.network.head
        return head(torch.from_numpy(embeddings).to(head.weight.device)).float().cpu().numpy()

    @torch.inference_mode()
    def answers_to(self, embeddings: np.ndarray) -> Answers:
        """The answers for hands with these embeddings (n, features) float32."""
        probabilities, strangeness = self.answer(torch.from_numpy(self.logits(embeddings)))
        return Answers(probabilities.numpy(), embeddings, strangeness.numpy())


def on_device(batch: Any, device: torch.device) -> Any:
    """A batch, a tensor or a tuple of them, on a device."""
    return batch.to(device) if isinstance(batch, Tensor) else tuple(part.to(device) for part in batch)


def build_network(model: Mapping[str, Any], classes: int) -> Network:
    """Build the network of a `model` configuration; its weights are ImageNet's if it says so, else random.

    Raises:
        UserError: the backbone is not one of training/models/, is unknown, or its weights cannot be had.
    """
    return kind_of(model).network(model, classes)


def initial_network(model: Mapping[str, Any], vocabulary: Vocabulary) -> Network:
    """The network that training starts from: random, or with the weights of ImageNet or of another checkpoint.

    From a checkpoint, gestures that both know keep their row of the head; the others start at random.

    Raises:
        UserError: the checkpoint is unusable or of another model; see also `build_network`.
    """
    network = build_network(model, len(vocabulary))
    if model["weights"] in ("none", "imagenet", "hands"):
        return network
    path = Path(model["weights"])
    checkpoint = read_checkpoint(path)
    if checkpoint["model"]["name"] != model["name"]:
        raise UserError(
            f"{path} is a {checkpoint['model']['name']}, not a {model['name']}; choose that model or other weights"
        )
    start = network_of(checkpoint, path)
    network.backbone.load_state_dict(start.backbone.state_dict())
    known = {name: row for row, name in enumerate(checkpoint["gestures"]["names"])}
    with torch.no_grad():
        for row, name in enumerate(vocabulary):
            if name in known:
                network.head.weight[row] = start.head.weight[known[name]]
                network.head.bias[row] = start.head.bias[known[name]]
    return network


def load_classifier(path: Path, device: str = "cpu", for_use: bool = False) -> Classifier:
    """Load a run's checkpoint or an exported one.

    Args:
        path: the file.
        device: of torch.
        for_use: with the weights for use; else with those that were measured. Many checkpoints have the same for both.

    Raises:
        UserError: the file is missing, damaged, no checkpoint of this program or of another version, or holds anything
            else, such as the name of a function to call.
    """
    entries = read_checkpoint(path)
    return classifier_of(entries_for_use(entries) if for_use else entries, path, device)


def classifier_of(checkpoint: Mapping[str, Any], path: Path, device: str = "cpu") -> Classifier:
    """The classifier of a checkpoint's entries; `path` is for messages. Raises `UserError` where they do not fit."""
    network = network_of(checkpoint, path).to(device).eval()
    vocabulary, crop = Vocabulary.from_mapping(checkpoint["gestures"]), checkpoint["crop"]
    size, margin = (int(crop["size"]), float(crop["margin"])) if crop else (0, 0.0)
    answer = answer_of(checkpoint, vocabulary)
    return Classifier(network, vocabulary, size, margin, kind_of(checkpoint["model"]).name, answer)


def has_weights_for_use(path: Path) -> bool:
    """Whether a checkpoint's weights for use are others than those that were measured."""
    return FOR_USE in read_checkpoint(path)


def entries_for_use(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's entries with the weights for use alone."""
    own = {key: value for key, value in checkpoint.items() if key != FOR_USE}
    return {**own, "state_dict": checkpoint.get(FOR_USE, own["state_dict"])}


def answer_of(checkpoint: Mapping[str, Any], vocabulary: Vocabulary) -> Answer:
    """How a checkpoint's logits become an answer."""
    return Answer(calibration_of(checkpoint), background_index(vocabulary)).eval()


def calibration_of(checkpoint: Mapping[str, Any]) -> Calibration:
    """A checkpoint's calibration; the plain softmax where it has none."""
    return Calibration(**checkpoint.get(CALIBRATION, {}))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the entries (see the module) of a checkpoint. Raises as `load_classifier`."""
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; train one (dvc repro, or gestures train), or name another")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises many exceptions on files that are no checkpoints
        raise UserError(
            f"{path} is not a readable checkpoint (damaged, or not made by this program); choose another"
        ) from error
    if not isinstance(checkpoint, dict) or "checkpoint_version" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of this program; choose one of runs/*/checkpoints or models/")
    if _MEMBERS in checkpoint:
        raise UserError(
            f"{path} is a committee of an earlier version, which this one does not read; choose one of the checkpoints "
            "that it was made of, or train again"
        )
    if checkpoint["checkpoint_version"] != CHECKPOINT_VERSION:
        raise UserError(
            f"{path} has checkpoint version {checkpoint['checkpoint_version']}, this program reads "
            f"{CHECKPOINT_VERSION}; train again"
        )
    check_entries(checkpoint, path)
    return checkpoint


def network_of(checkpoint: Mapping[str, Any], path: Path) -> Network:
    """The network of a checkpoint's entries; `path` is for messages. Raises `UserError` where they do not fit."""
    try:
        network = build_network({**checkpoint["model"], "weights": "none"}, len(checkpoint["gestures"]["names"]))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        network.load_state_dict(network_state(checkpoint))
    except RuntimeError as error:
        raise UserError(f"the tensors in {path} do not fit its model {checkpoint['model']['name']}: {error}") from error
    return network


def network_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's tensors under the network's own names."""
    state = checkpoint["state_dict"]
    own = {name.removeprefix(_NETWORK): tensor for name, tensor in state.items() if name.startswith(_NETWORK)}
    return own or dict(state)


def checkpoint_digest(path: Path) -> str | None:
    """SHA-256 of a checkpoint's file; None if it is missing."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export_checkpoint(run_checkpoint: Path, output: Path) -> None:
    """Write the classifier's part of a run's checkpoint to `output`: no optimizer, no paths, no times.

    The same weights give the same bytes.

    Raises:
        UserError: the checkpoint is unusable. OutputError: `output` cannot be written.
    """
    checkpoint = read_checkpoint(run_checkpoint)
    kept = {key: checkpoint[key] for key in ("checkpoint_version", "model", "gestures", "crop", "epoch", "scores")}
    kept |= {key: checkpoint[key] for key in (CALIBRATION,) if key in checkpoint}
    weights = {"state_dict": checkpoint}
    if (second := for_use_file(run_checkpoint.parent)).is_file():
        weights[FOR_USE] = read_checkpoint(second)
    save(kept | {name: copied_state(entries) for name, entries in weights.items()}, output)


def for_use_file(checkpoints: Path) -> Path:
    """Where the run whose checkpoints are in this folder keeps its weights for use."""
    return checkpoints.parent / f"{FOR_USE}.ckpt"


def copied_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's tensors as copies, so that a file holds no more of them than it names."""
    return {name: tensor.contiguous().clone() for name, tensor in network_state(checkpoint).items()}


def calibrated(checkpoint: Mapping[str, Any], calibration: Calibration, share: float) -> dict[str, Any]:
    """A checkpoint's entries with this calibration, which is for this share of hands that show no gesture."""
    return {**checkpoint, CALIBRATION: asdict(calibration), CALIBRATED_SHARE: share}


def is_calibrated(checkpoint: Mapping[str, Any], share: float) -> bool:
    """Whether a checkpoint's calibration is for this share of hands that show no gesture."""
    return CALIBRATION in checkpoint and checkpoint.get(CALIBRATED_SHARE) == share


def save(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all. Raises `OutputError` on a full disk or a read-only folder."""
    with atomic_path(path) as partial, partial.open("wb") as file:  # given a path, torch would put its name into it
        try:
            torch.save(dict(checkpoint), file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # a full disk, which torch hides behind an error of its own
                raise error.__context__ from None
            raise


def plain_model(model: Any) -> dict[str, Any]:
    """The `model` node as plain values, with its references resolved, for a checkpoint.

    What only training needs is left out: it names files.
    """
    plain: Any = OmegaConf.to_container(model, resolve=True) if OmegaConf.is_config(model) else model
    return {str(key): value for key, value in plain.items() if key not in ("weights", "hand_network", "embeddings")}

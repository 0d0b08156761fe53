"""Refit the judging model's last layer while samples are recorded, so that kept pictures count at once.

A fixed checkpoint would ask for the same error during the whole session. Here its last layer is a multinomial logistic
regression on its own embeddings (`training.last_layer`), regularised towards the checkpoint's layer. The targets of
kept samples are the gestures performed. The targets of training samples are the checkpoint's own probabilities, not
their labels (Li and Hoiem, "Learning without Forgetting", ECCV 2016): fitted to labels that the network has seen, the
layer grows overconfident, and worse on other subjects, even without a kept sample.

Why every five samples: on a logistic regression of landmarks, 71 samples chosen so did what 89 chosen by a fixed model
do (benchmarks/results/active_learning.md of 26 November 2026, in Git's history); what the recorder's choice is worth
with the model that ships, that page says now. The fit runs in its own thread, on one core; the newest finished layer
judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import numpy as np

from static_gesture_classification.arrays import Floats
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.inference.onnx_classifier import SUFFIX
from static_gesture_classification.training.last_layer import LastLayer, deviation, fit_last_layer


@dataclass(frozen=True, eq=False)
class KeptHand:
    """A kept sample: its key, its embedding (D,), the class index of the gesture performed."""

    key: int
    embedding: Floats
    target: int


@dataclass(frozen=True, eq=False)
class LearnedLayer:
    """A layer, and how many kept samples it has learned from."""

    layer: LastLayer
    learned: int


class LearningLayer:
    """A last layer that learns from kept samples. `learn_from` and `newest` never wait for a fit.

    Args:
        start: the checkpoint's layer.
        known: embeddings (n, D) float32 of training samples, n at least 1.
        every: number of new or removed samples that starts a fit; 1 or more.
        strength: of the regularisation towards `start`; above 0.

    Attributes:
        newest: the newest finished layer; None while the checkpoint's own layer counts.
    """

    def __init__(self, start: LastLayer, known: Floats, every: int, strength: float) -> None:
        import scipy.optimize  # noqa: F401  here, because an import in the thread of the fit would hold up the others

        self.start, self.known, self.every, self.strength = start, known, every, strength
        self.newest: LearnedLayer | None = None
        self._fitted_on: frozenset[tuple[int, int]] = frozenset()
        self._met: frozenset[tuple[int, int]] = frozenset()  # the samples of all fits
        self._thread: Thread | None = None

    def learn_from(self, kept: Sequence[KeptHand]) -> None:
        """Begin a fit if enough samples are new, or one that a fit used was dropped, relabelled or restored.

        Call it with all kept samples, as often as you like; while a fit runs it does nothing.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        now = frozenset((sample.key, sample.target) for sample in kept)
        changed = now ^ self._fitted_on
        if not changed & self._met and len(changed) < self.every:
            return
        self._fitted_on, self._met = now, self._met | now
        if not now:
            self.newest = None
            return
        self._thread = Thread(target=self._fit, args=(list(kept),), name="last layer", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until no fit runs."""
        if self._thread is not None:
            self._thread.join()

    def _fit(self, kept: list[KeptHand]) -> None:
        layer = fit_layer(self.start, self.known, kept, self.strength)
        if np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all():
            self.newest = LearnedLayer(layer, len(kept))


def fit_layer(start: LastLayer, known: Floats, kept: Sequence[KeptHand], strength: float) -> LastLayer:
    """The layer that minimises the module's loss; arguments as of `LearningLayer`."""
    embeddings = np.concatenate([known, np.stack([lesson.embedding for lesson in kept])])
    performed = np.eye(len(start.bias), dtype=np.float32)[[lesson.target for lesson in kept]]
    targets = np.concatenate([start.probabilities(known), performed])
    return fit_last_layer(start, embeddings, targets, strength, deviation(known))


def last_layer(model: Path) -> LastLayer:
    """The last layer of a checkpoint, for use, or of an exported one.

    Raises:
        UserError: the file is no checkpoint of this program. DataError: its last layer is not found.
    """
    if model.suffix.lower() == SUFFIX:
        return _last_layer_of_onnx(model)
    from static_gesture_classification.training.checkpoint import (  # torch takes seconds
        entries_for_use,
        network_state,
        read_checkpoint,
    )

    state = network_state(entries_for_use(read_checkpoint(model)))
    return LastLayer(state["head.weight"].float().numpy(), state["head.bias"].float().numpy())


def _last_layer_of_onnx(model: Path) -> LastLayer:
    import onnx

    try:
        tensors = {tensor.name: tensor for tensor in onnx.load(model, load_external_data=False).graph.initializer}
    except Exception as error:  # protobuf's own exceptions have no common class, and all mean an unusable file
        raise UserError(f"{model} is not a readable ONNX file ({error}); export it again") from error
    found = {
        name.rsplit("head.", 1)[1]: onnx.numpy_helper.to_array(tensor).astype(np.float32)
        for name, tensor in tensors.items()
        if name.endswith(("head.weight", "head.bias"))
    }
    if set(found) != {"weight", "bias"}:
        raise DataError(f"the last layer of {model} is not found; use the checkpoint that it was exported from")
    return LastLayer(found["weight"], found["bias"])

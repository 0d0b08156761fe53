"""The judging model's last layer, fitted anew while samples are recorded, so that what is kept counts at once.

A checkpoint that judges a whole session asks for the same error again and again. Here its last layer is a multinomial
logistic regression on its own embeddings: of training samples, for which it is to say what the checkpoint says, and of
what was kept so far, for which it is to say what was performed. It is held to the layer that the checkpoint came with:

    sum of cross-entropies over known and kept samples + strength * |weights - weights of the checkpoint|^2

with embeddings of unit deviation. What the checkpoint says of the known samples is the target, not their labels (Li and
Hoiem, "Learning without Forgetting", ECCV 2016): fitted to labels that the network has seen it grows sure of itself,
and worse on other people, even where nothing was kept. Without kept samples the checkpoint's own layer is the minimum.

Why every five samples: benchmarks/results/active_learning.md compares it with a model that stays as it is. The fit runs
in a thread of its own, on one core; whoever judges uses the newest layer that is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import numpy as np
import numpy.typing as npt

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.inference.onnx_classifier import SUFFIX

STEPS = 100  # of L-BFGS at most
LEAST_DEVIATION = 1e-6  # of an embedding's entry, below which it says nothing

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class LastLayer:
    """From embeddings to gestures: weights float32 (C, D), bias float32 (C,)."""

    weights: Floats
    bias: Floats

    def probabilities(self, embeddings: Floats) -> npt.NDArray[np.float32]:
        """Probabilities (..., C) float32 of embeddings (..., D)."""
        scores = embeddings @ self.weights.T + self.bias
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A sample that was kept: what it is known by, its embedding (D,), the class index of the gesture performed."""

    key: int
    embedding: Floats
    target: int


@dataclass(frozen=True, eq=False)
class LearnedLayer:
    """A layer, and how many kept samples it has learned from."""

    layer: LastLayer
    learned: int


class LearningLayer:
    """The last layer that learns from what is kept. `learn_from` and `newest` never wait for a fit.

    Args:
        start: the checkpoint's layer.
        known: embeddings (n, D) float32 of training samples, n at least 1.
        every: so many kept samples, new or taken out again, are worth a fit; 1 or more.
        strength: how strongly it is held to `start`; above 0.

    Attributes:
        newest: the newest finished layer; None while the checkpoint's own is the one to use.
    """

    def __init__(self, start: LastLayer, known: Floats, every: int, strength: float) -> None:
        import scipy.optimize  # noqa: F401  here, because an import in the thread of the fit would hold up the others

        self.start, self.known, self.every, self.strength = start, known, every, strength
        self.newest: LearnedLayer | None = None
        self._fitted_on: frozenset[tuple[int, int]] = frozenset()
        self._met: frozenset[tuple[int, int]] = frozenset()  # what any fit was on
        self._thread: Thread | None = None

    def learn_from(self, kept: Sequence[Lesson]) -> None:
        """Begin a fit where enough was kept since the last one, or what it was on was dropped, relabelled, taken back.

        Call it as often as you like with all that is kept; while a fit runs it does nothing.
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

    def _fit(self, kept: list[Lesson]) -> None:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # the other cores look for hands
            layer = fit_layer(self.start, self.known, kept, self.strength)
        if np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all():
            self.newest = LearnedLayer(layer, len(kept))


def fit_layer(start: LastLayer, known: Floats, kept: Sequence[Lesson], strength: float) -> LastLayer:
    """The layer that minimises the module's loss; arguments as of `LearningLayer`."""
    from scipy.optimize import minimize

    scale = np.maximum(known.std(axis=0), LEAST_DEVIATION).astype(np.float32)
    inputs = np.concatenate([known, np.stack([sample.embedding for sample in kept])]) / scale
    inputs = np.column_stack([inputs, np.ones(len(inputs), np.float32)])
    performed = np.eye(len(start.bias), dtype=np.float32)[[sample.target for sample in kept]]
    targets = np.concatenate([start.probabilities(known), performed])
    origin = np.column_stack([start.weights * scale, start.bias]).astype(np.float64)

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        change = flat.reshape(origin.shape) - origin
        scores = inputs @ (origin + change).T.astype(np.float32)
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1, keepdims=True)
        entropies = ((np.log(sums) - scores) * targets).sum(dtype=np.float64)
        gradient = (powers / sums - targets).T @ inputs + 2 * strength * change
        return float(entropies + strength * (change**2).sum()), gradient.ravel()

    found = minimize(loss, origin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    layer = found.x.reshape(origin.shape).astype(np.float32)
    return LastLayer(layer[:, :-1] / scale, layer[:, -1])


def last_layer(model: Path) -> LastLayer:
    """The last layer of a checkpoint or an exported one.

    Raises:
        UserError: the file is no checkpoint of this program. DataError: its last layer cannot be told.
    """
    if model.suffix.lower() == SUFFIX:
        return _last_layer_of_onnx(model)
    from static_gesture_classification.training.checkpoint import network_state, read_checkpoint  # torch takes seconds

    state = network_state(read_checkpoint(model))
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
        raise DataError(f"the last layer of {model} is not told from the others; use the checkpoint that it is made of")
    return LastLayer(found["weight"], found["bias"])

"""The judging model's last layer, fitted anew while samples are recorded, so that what is kept counts at once.

A checkpoint that judges a whole session asks for the same error again and again. Here its last layer is a multinomial
logistic regression on its own embeddings (`training.last_layer`), held to the layer that the checkpoint came with. The
targets are, of kept samples, the gestures performed; of training samples, the checkpoint's own probabilities and not
their labels (Li and Hoiem, "Learning without Forgetting", ECCV 2016): fitted to labels that the network has seen, it
grows overconfident, and worse on other people, even where nothing was kept.

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
from static_gesture_classification.training.last_layer import LastLayer, deviation, fit_last_layer

Floats = npt.NDArray[np.floating]


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
    embeddings = np.concatenate([known, np.stack([lesson.embedding for lesson in kept])])
    performed = np.eye(len(start.bias), dtype=np.float32)[[lesson.target for lesson in kept]]
    targets = np.concatenate([start.probabilities(known), performed])
    return fit_last_layer(start, embeddings, targets, strength, deviation(known))


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

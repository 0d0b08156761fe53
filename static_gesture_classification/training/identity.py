"""Which run a command means: the same configuration and data mean the same run, so repeating it goes on with that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.errors import DataError
from static_gesture_classification.tracking.run_folder import RunFolder

# The parts of the configuration that the trained weights depend on.
NODES = ("gestures", "model", "loss", "optimizer", "scheduler", "train_hyperparams", "augs", "trainer", "seed")
_NOT_IN = {"train_hyperparams": ("fresh",), "trainer": ("fast_dev_run",)}


def fingerprint(config: DictConfig, data: str) -> str:
    """Hash of the configuration that matters, the weights it starts from and the data's own hash: 8 hex digits."""
    whole = OmegaConf.to_container(config, resolve=True)
    parts = {node: _without(whole[node], _NOT_IN.get(node, ())) for node in NODES}  # type: ignore[call-overload,index]
    return hashlib.blake2b(
        json.dumps([parts, _weights(str(config.model.weights)), data], sort_keys=True).encode(), digest_size=4
    ).hexdigest()


def run_folder_for(runs: Path, model: str, fingerprint: str, fresh: bool) -> Path:
    """The folder of the run that this configuration and data mean.

    It is the newest one begun with them. `fresh` asks for another one, with a number behind its name, where that is
    finished; one that is unfinished is gone on with in any case.
    """
    names = _names(f"{Path(model).name}-{fingerprint}")
    newest = folder = runs / next(names)
    while (following := runs / next(names)).is_dir():
        newest = following
    return following if fresh and is_finished(newest) else newest if newest.is_dir() else folder


def is_finished(run: Path) -> bool:
    """Whether a run was trained to its end."""
    try:
        return RunFolder.open(run).status == "finished"
    except DataError:
        return False


def _weights(weights: str) -> str:
    """Hash of the checkpoint that training starts from, "" where it starts from none."""
    path = Path(weights)
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else ""


def _without(node: Any, keys: Sequence[str]) -> Any:
    return {key: value for key, value in node.items() if key not in keys} if keys else node


def _names(base: str) -> Iterator[str]:
    yield base
    yield from (f"{base}-{number}" for number in count(2))

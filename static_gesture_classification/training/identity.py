"""The identity of a run: the same configuration, data and code mean the same run, which a repeated command resumes.

A run folder is named after configuration and data, and records the code that began it. A run of other code is neither
resumed nor reused: today's code begins a new run, with a number behind its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from static_gesture_classification.code_identity import code_digest, modules_below
from static_gesture_classification.errors import DataError
from static_gesture_classification.terminal import note
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.settings import TrainingSettings

CODE_FIELD = "source_code/training"  # of a run: hash of the code that trains, see `training_code`
# The settings that the trained weights depend on. The crops' geometry shows in the data's own hash.
_DECISIVE = {
    "vocabulary",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "hyperparameters",
    "augs",
    "sampler",
    "trainer",
    "seed",
}
_CARRYING_OUT = {"hyperparameters": {"fresh"}, "trainer": {"fast_dev_run", "devices", "store", "ahead"}}


@dataclass(frozen=True)
class RunIdentity:
    """What identifies a run.

    Args:
        fingerprint: of configuration, initial weights and data: 8 hex digits.
        code: of the code that trains: 32 hex digits.
    """

    fingerprint: str
    code: str

    @classmethod
    def of(cls, settings: TrainingSettings, data: str, processes: int = 1) -> RunIdentity:
        """The identity of a training with these settings, data hash, number of processes, and today's code."""
        return cls(fingerprint(settings, data, processes), training_code(Path(__file__).parent))


@cache
def training_code(folder: Path) -> str:
    """Hash of the modules in the folder `training` and of their imports, without this module, which trains nothing.

    The measured numbers beside the modules (JSON) count as code.
    """
    modules = [file for file in modules_below(folder) if file.name != Path(__file__).name]
    code = code_digest(modules, folder.parent.parent)
    measured = b"".join(file.read_bytes() for file in sorted(folder.glob("*.json")))
    return hashlib.blake2b(code.encode() + measured, digest_size=16).hexdigest()


def fingerprint(settings: TrainingSettings, data: str, processes: int = 1) -> str:
    """Hash of the settings that matter, the initial weights, the data's own hash and the number of processes.

    8 hex digits.
    """
    parts = settings.model_dump(include=_DECISIVE, exclude=_CARRYING_OUT)
    content = json.dumps([parts, _weights(str(settings.model["weights"])), data, processes], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=4).hexdigest()


def run_folder_for(runs: Path, model: str, identity: RunIdentity, fresh: bool) -> Path:
    """The folder of the run of this configuration, data and code.

    It is the newest such run. With `fresh`, a finished run is followed by a new one, with a number behind its name; an
    unfinished run is resumed in any case.
    """
    there: list[Path] = []
    for name in _names(f"{Path(model).name}-{identity.fingerprint}"):
        if not (runs / name).is_dir():
            following = runs / name
            break
        there.append(runs / name)
    own = [folder for folder in there if code_of(folder) == identity.code]
    if there and not own:
        about = f"{there[-1]} has this configuration and data, but the code that trains was another: beginning anew"
        note(about)
    return following if not own or (fresh and is_finished(own[-1])) else own[-1]


def begin_run(folder: Path, identity: RunIdentity, config: dict[str, Any], tags: Sequence[str]) -> RunFolder:
    """Begin or resume the run of this folder; see `RunFolder.create`."""
    run = RunFolder.create(folder.parent, folder.name, config, tags)
    run.log_values({CODE_FIELD: identity.code})
    return run


def code_of(run: Path) -> str:
    """The hash of the code that began a run; "" if unknown."""
    try:
        return str(RunFolder.open(run).values().get(CODE_FIELD, ""))
    except DataError:
        return ""


def is_finished(run: Path) -> bool:
    """Whether a run was trained to its end."""
    try:
        return RunFolder.open(run).status == "finished"
    except DataError:
        return False


def _weights(weights: str) -> str:
    """Hash of the checkpoint that training starts from; "" without one."""
    path = Path(weights)
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else ""


def _names(base: str) -> Iterator[str]:
    yield base
    yield from (f"{base}-{number}" for number in count(2))

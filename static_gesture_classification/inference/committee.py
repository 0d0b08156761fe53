"""Networks that decide together, in one file: one that sees landmarks and one that sees pictures err on other hands.

    python -m static_gesture_classification.inference.committee members=[A.ckpt,B.ckpt] output=models/committee.ckpt

A committee's file is a checkpoint (`training.checkpoint`) with the entries `checkpoint_version`, `members`, the
checkpoints that it is made of, and `weights` of their votes. `inference.predict` takes it like any other. What its
members say is pooled by the weighted geometric mean of their probabilities (a logarithmic opinion pool; Genest and
Zidek, "Combining Probability Distributions", Statistical Science 1986): one that is sure outvotes one that is not. What
it is worth: benchmarks/results/frames.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.filesize import decimal

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.onnx_classifier import AnyClassifier
from static_gesture_classification.progress import console

_LEAST = 1e-6  # a probability below it counts as it: no member can rule a gesture out alone


@dataclass(frozen=True)
class Committee:
    """Classifiers that decide together.

    Args:
        members: at least one; all of the same gestures in the same order.
        weights: of each one's vote, above 0; only how they relate matters.
    """

    members: tuple[AnyClassifier, ...]
    weights: tuple[float, ...]

    @property
    def vocabulary(self) -> Vocabulary:
        """The gestures, in class order."""
        return self.members[0].vocabulary

    @property
    def input(self) -> str:
        """What its members see: "landmarks and crops"."""
        return " and ".join(member.input for member in self.members)


@entry_point
def main(config: DictConfig) -> None:
    """Write a committee of the checkpoints `members` to `output`."""
    members, output = [Path(path) for path in config.members or ()], output_file(Path(config.output))
    join(members, output, config.weights)
    names = " and ".join(str(path) for path in members)
    console.print(
        f"{output}: {decimal(output.stat().st_size)}; {names} decide together",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def output_file(output: Path) -> Path:
    """The file to write: `output`, or, where it is a folder, committee.ckpt in it."""
    return output if output.suffix.lower() == ".ckpt" else output / "committee.ckpt"


def join(members: Sequence[Path], output: Path, weights: Sequence[float] | None = None) -> None:
    """Write a committee of checkpoints.

    Args:
        members: the checkpoints.
        output: the file to write.
        weights: see `Committee`; None for equal votes.

    Raises:
        UserError: fewer than two, one is unusable, they tell different gestures apart, or there is not one weight above
            0 for each. OutputError: `output` cannot be written.
    """
    from static_gesture_classification.training.checkpoint import (  # torch takes seconds to import
        MEMBERS,
        VERSION,
        classifier_of,
        network_state,
        read_checkpoint,
        save,
    )

    if len(members) < 2:
        raise UserError("name two checkpoints at least: members=[models/quick/best.ckpt,models/best.ckpt]")
    votes = [1.0] * len(members) if weights is None else [float(weight) for weight in weights]
    if len(votes) != len(members) or min(votes) <= 0:
        raise UserError(f"weights={votes} does not give each of the {len(members)} members one weight above 0")
    checkpoints = [read_checkpoint(path) for path in members]
    for checkpoint, path in zip(checkpoints, members, strict=True):
        classifier_of(checkpoint, path)
        if checkpoint["gestures"] != checkpoints[0]["gestures"]:
            raise UserError(
                f"{path} tells {', '.join(checkpoint['gestures']['names'])} apart, {members[0]} "
                f"{', '.join(checkpoints[0]['gestures']['names'])}; a committee needs the same ones in the same order"
            )
    kept = ("checkpoint_version", "model", "gestures", "crop", "epoch", "scores")
    entries = [
        {key: checkpoint[key] for key in kept}
        | {"state_dict": {name: tensor.contiguous().clone() for name, tensor in network_state(checkpoint).items()}}
        for checkpoint in checkpoints
    ]
    save({"checkpoint_version": VERSION, MEMBERS: entries, "weights": votes}, output)


def pooled(probabilities: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """What members say together, float32 (n, classes): the weighted geometric mean of what each says (n, classes)."""
    logs = np.average([np.log(np.maximum(each, _LEAST)) for each in probabilities], axis=0, weights=weights)
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()

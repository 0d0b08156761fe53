"""The vocabulary: which gestures there are, and in which order. It is data, read from conf/gestures/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from static_gesture_classification.errors import UserError

NO_HAND = "no hand found"  # where a gesture is missing


def require_text(names: Iterable[object], setting: str) -> None:
    """Raise `UserError` for a gesture or label that is no text: YAML and Hydra read NO, on, 1 and 1e5 otherwise.

    Args:
        names: of gestures or labels.
        setting: that holds them, for the message.
    """
    for name in names:
        if not isinstance(name, str):
            raise UserError(
                f"{setting} has {name!r}, which is no text ({type(name).__name__}); put the name in quotes, as in "
                f'"NO" or "1"'
            )


@dataclass(frozen=True)
class Vocabulary:
    """The gestures a classifier tells apart; a gesture's position is its class index.

    Args:
        names: gesture names in class order, unique.
        background: the gesture of hands that show none of the others; one of `names`, or None.
    """

    names: tuple[str, ...]
    background: str | None = None

    def __post_init__(self) -> None:
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise UserError(f"gestures.names lists {', '.join(repeated)} more than once; names must be unique")
        for name in self.names:
            if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
                raise UserError(
                    f"gestures.names has {name!r}; gestures name files and folders, so it needs letters, and no / or \\"
                )
        if len(self.names) < 2:
            raise UserError("gestures.names needs at least two gestures to tell apart")
        if self.background is not None and self.background not in self.names:
            raise UserError(f"gestures.background is {self.background!r}, which is not in gestures.names")

    @classmethod
    def from_config(cls, config: DictConfig) -> Vocabulary:
        """From `gestures` of the configuration; raises as `from_mapping`."""
        return cls.from_mapping(config.gestures)

    @classmethod
    def from_mapping(cls, gestures: Mapping[str, Any]) -> Vocabulary:
        """From `names` and, if there, `background`, as a checkpoint or the configuration has them.

        Raises:
            UserError: a name is not text, because quotes are missing; see also the class.
        """
        names, background = gestures["names"], gestures.get("background")
        if isinstance(names, str):
            raise UserError(f"gestures.names is {names!r}, which is no list; write [ONE, TWO]")
        require_text(names, "gestures.names")
        require_text([] if background is None else [background], "gestures.background")
        return cls(tuple(names), background)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def index(self, name: str) -> int:
        """Class index of a gesture. Raises `UserError`, which lists the vocabulary, for any other name."""
        try:
            return self.names.index(name)
        except ValueError:
            raise UserError(f"unknown gesture {name!r}; the vocabulary is {', '.join(self.names)}") from None

    def indices(self, names: Sequence[str]) -> list[int]:
        """Class indices of many gestures."""
        return [self.index(name) for name in names]

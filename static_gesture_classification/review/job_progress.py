"""How far a job is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Args:
        stage: the one it is in; "" before the first.
        number: its place among `stages`, from 1; 0 if unknown.
        stages: how many there are; 0 if unknown.
        what: the work of that stage, in words; "" where it says nothing.
        done, total: units of that work; `total` is 0 if unknown.
        unit: their name.
        speed: units per second; 0 if unknown.
    """

    stage: str = ""
    number: int = 0
    stages: int = 0
    what: str = ""
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    speed: float = 0.0

    @classmethod
    def of(cls, said: Mapping[str, Any], stages: Sequence[str]) -> JobProgress:
        """By what `progress_file` says; anything but its own values counts as unknown.

        >>> JobProgress.of({"stage": "train", "work": {"done": 5, "total": 20, "speed": 3}}, ["index", "train"]).share
        0.625
        """
        stage = str(said.get("stage", ""))
        number = list(stages).index(stage) + 1 if stage in stages else 0
        work = said.get("work")
        work = work if isinstance(work, Mapping) else {}
        done, total, speed = (_number(work.get(name)) for name in ("done", "total", "speed"))
        what, unit = str(work.get("what", "")), str(work.get("unit", ""))
        return cls(stage, number, len(stages), what, done, total, unit, speed)

    @property
    def share(self) -> float | None:
        """How much of everything is done, 0 to 1; every stage counts the same. None if unknown."""
        if not self.number:
            return None
        within = min(self.done / self.total, 1.0) if self.total else 0.0
        return (self.number - 1 + within) / self.stages

    @property
    def seconds_left(self) -> float | None:
        """Of the work that the stage is at; None if unknown."""
        return (self.total - self.done) / self.speed if self.speed and self.total else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

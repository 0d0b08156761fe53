"""A module with neptune's `init_run` that keeps runs in memory, as a drop-in client would on a server."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

RUNS: dict[str, Run] = {}
CALLS: list[dict[str, Any]] = []


class Run:
    def __init__(self, identifier: str) -> None:
        self.values: dict[str, Any] = {"sys/id": identifier}
        self.series: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.files: dict[str, bytes] = {}
        self.tags: set[str] = set()
        self.stopped = False

    def __getitem__(self, field: str) -> Field:
        return Field(self, field)

    def wait(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True


class Field:
    def __init__(self, run: Run, field: str) -> None:
        self.run = run
        self.field = field

    def assign(self, value: Any) -> None:
        self.run.values[self.field] = value

    def append(self, value: float, step: int, timestamp: float) -> None:
        assert not self.run.series[self.field] or step > self.run.series[self.field][-1][0], "steps must increase"
        self.run.series[self.field].append((step, value))

    def upload(self, path: str) -> None:
        self.run.files[self.field] = Path(path).read_bytes()

    upload_files = upload

    def add(self, tags: list[str]) -> None:
        self.run.tags |= set(tags)

    def remove(self, tags: list[str]) -> None:
        self.run.tags -= set(tags)

    def fetch(self) -> Any:
        return self.run.values[self.field]


def init_run(with_id: str | None = None, **arguments: Any) -> Run:
    CALLS.append({"with_id": with_id, **arguments})
    identifier = with_id or f"HANDS-{len(RUNS) + 1}"
    return RUNS.setdefault(identifier, Run(identifier))

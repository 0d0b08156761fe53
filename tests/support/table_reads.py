"""Counts what is read of sample tables."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from static_gesture_classification import samples


@dataclass
class TableReads:
    """How often each table was opened, and how often all of it was read, by the table's folder."""

    opened: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def table_reads() -> Iterator[TableReads]:
    """Counts while the context is open."""
    reads = TableReads()

    class CountedFile(pq.ParquetFile):  # type: ignore[misc]
        def __init__(self, source: Path, **options: Any) -> None:
            super().__init__(source, **options)
            self._folder = Path(source).parent.name
            reads.opened[self._folder] += 1

        def read(self, columns: Sequence[str], **options: Any) -> pa.Table:
            reads.whole[self._folder] += len(columns) >= len(samples.SCHEMA) - 1  # landmarks are read apart
            return super().read(columns, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples.pq, "ParquetFile", CountedFile)
        yield reads

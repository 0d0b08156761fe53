"""The sample table, one row per hand: its columns, the identity of a hand, reading, writing, validating.

On disk it is Parquet with the schema below and `sample_table_version` in its metadata. In memory it is a pyarrow table
where stages stream, else a pandas frame.

A subject has one name in all sources (`subject_of`): a hand that was mined from a dataset keeps its subject there.
Where nobody knows who it is, `subject` is empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_names import printable
from static_gesture_classification.hand_points import (  # noqa: F401  (names that go with the table)
    INDEX_BASE,
    LANDMARK_COUNT,
    LITTLE_BASE,
    MIDDLE_BASE,
    RING_BASE,
    THUMB_TIP,
    WHOLE_IMAGE,
    WRIST,
    Box,
)
from static_gesture_classification.places import locate

SAMPLES_VERSION = 1
SPLITS = TRAIN, VAL, TEST = ("train", "val", "test")
BOX = ("x1", "y1", "x2", "y2")

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),  # stable hash of source, image and hand
        ("image", pa.string()),  # path relative to root, with forward slashes
        ("root", pa.string()),  # the source's folder, as configured
        ("x1", pa.float32()),  # box, normalised to 0..1 of the image's width and height
        ("y1", pa.float32()),
        ("x2", pa.float32()),
        ("y2", pa.float32()),
        ("gesture", pa.string()),  # one of the vocabulary
        ("source", pa.string()),  # name of the source that published it
        ("source_label", pa.string()),  # label as published
        ("subject", pa.string()),  # the person or room, see `subject_of`; "" where unknown
        ("session", pa.string()),  # one burst of recording
        ("hand", pa.string()),  # "left", "right" or ""
        # x, y of 21 points, normalised; or null. Not a fixed-size list: Parquet does not read those back beside nulls.
        ("landmarks", pa.list_(pa.float32())),
        ("split", pa.string()),  # "train", "val", "test"; "" before the split stage (or the official split)
    ],
    metadata={"sample_table_version": str(SAMPLES_VERSION)},
)


@dataclass(frozen=True)
class Rejected:
    """An entry of a file that is no sample, and why."""

    source: str
    file: str
    item: str
    reason: str

    def __post_init__(self) -> None:
        for name in ("file", "item"):  # a table can hold UTF-8 only
            object.__setattr__(self, name, printable(getattr(self, name)))


def image_path(root: str | Path, image: str) -> Path:
    """The path of a sample's image; `~` at the beginning of `root` is expanded, and it may be a URL (`places`)."""
    return locate(root) / image


def sample_id(source: str, image: str, hand: str | int) -> str:
    """Stable identity of a hand: 24 hex digits of a hash of source, image path and hand in the image."""
    return hashlib.blake2b(f"{source}\0{image}\0{hand}".encode(), digest_size=12).hexdigest()


def subject_name(source: str, subject: str) -> str:
    """The name of a subject (or session) in all sources: `<source>/<subject>`; a name that has a slash stays, "" too.

    >>> subject_name("hagrid", "a1"), subject_name("recorded", "hagrid/a1"), subject_name("folder", "")
    ('hagrid/a1', 'hagrid/a1', '')
    """
    return subject if not subject or "/" in subject else f"{source}/{subject}"


def subject_of(samples: pd.DataFrame) -> pd.Series:
    """The subject of each row by its name in all sources, from the columns source and subject; "" where unknown."""
    pairs = samples[["source", "subject"]].astype(str)
    names = {pair: subject_name(*pair) for pair in pairs.drop_duplicates().itertuples(index=False, name=None)}
    subjects = [names[pair] for pair in pairs.itertuples(index=False, name=None)]
    return pd.Series(subjects, samples.index, dtype=object, name="subject")


def group_of(samples: pd.DataFrame) -> pd.Series:
    """The group that each row must not be split from: its subject, else its session, else its image.

    From the columns source, subject, session and image.
    """
    subjects = subject_of(samples)
    narrower = samples["session"].where(samples["session"] != "", samples["image"])
    return subjects.where(subjects != "", samples["source"].astype(object) + ": " + narrower).rename("group")


def make_rejected_table(rejected: Iterable[Rejected]) -> pd.DataFrame:
    """The rejected rows as a frame with columns source, file, item, reason."""
    return pd.DataFrame([asdict(row) for row in rejected], columns=["source", "file", "item", "reason"])


@contextmanager
def sample_writer(path: Path) -> Iterator[pq.ParquetWriter]:
    """A Parquet writer for a sample table in pieces; the file appears when it is whole."""
    with atomic_path(path) as partial, pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        yield writer


def write_samples(samples: pd.DataFrame | pa.Table, path: Path) -> None:
    """Write a whole sample table, after checking it with `validate`."""
    table = samples if isinstance(samples, pa.Table) else to_arrow(samples)
    validate(table, path)
    with sample_writer(path) as writer:
        writer.write_table(table)


def read_samples(path: Path) -> pd.DataFrame:
    """Read a sample table as a frame; `landmarks` holds arrays of 42 float32 or None.

    Raises:
        DataError: the file is missing, is not a sample table, or has another version.
    """
    return to_frame(read_arrow(path))


def read_rows(path: Path) -> pd.DataFrame:
    """Read a sample table as a frame without landmarks, which take most of the memory and time.

    Raises:
        DataError: as `read_samples`.
    """
    return read_arrow(path, [name for name in SCHEMA.names if name != "landmarks"]).to_pandas()


def read_arrow(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a sample table, or some of its columns, as a pyarrow table (see `read_samples`)."""
    if not path.is_file():
        raise DataError(f"no sample table at {path}; run the stage that makes it (dvc repro)")
    try:
        table = pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file ({error}); delete it and run dvc repro") from error
    version = (table.schema.metadata or {}).get(b"sample_table_version", b"none").decode()
    if version != str(SAMPLES_VERSION):
        raise DataError(
            f"{path} has sample table version {version}, this program reads {SAMPLES_VERSION}; run dvc repro"
        )
    return table.cast(SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns]))


def landmark_array(table: pa.Table) -> np.ndarray:
    """The landmarks of a sample table: float32 (n, 21, 2), x and y normalised, NaN where a row has none.

    Raises:
        DataError: a row has another number of points.
    """
    result = np.full((len(table), 2 * LANDMARK_COUNT), np.nan, np.float32)
    column = table.column("landmarks").combine_chunks()
    known = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False)
    if len(values) != known.sum() * 2 * LANDMARK_COUNT:
        raise DataError(f"a sample has not {LANDMARK_COUNT} landmarks of two coordinates; run dvc repro")
    result[known] = values.reshape(-1, 2 * LANDMARK_COUNT)
    return result.reshape(-1, LANDMARK_COUNT, 2)


def landmark_column(landmarks: np.ndarray) -> pa.ListArray:
    """Landmarks (n, 21, 2) or (n, 42) as the column of a sample table, null where a coordinate is NaN."""
    flat = np.asarray(landmarks, np.float32).reshape(-1, 2 * LANDMARK_COUNT)
    known = np.isfinite(flat).all(axis=1)
    offsets = np.concatenate([[0], np.cumsum(known) * 2 * LANDMARK_COUNT]).astype(np.int32)
    kind = SCHEMA.field("landmarks").type
    return pa.ListArray.from_arrays(offsets, flat[known].ravel(), type=kind, mask=pa.array(~known))


def to_arrow(samples: pd.DataFrame) -> pa.Table:
    """Frame to pyarrow table with the schema. Raises `DataError` that names missing columns."""
    missing = [name for name in SCHEMA.names if name not in samples.columns]
    if missing:
        raise DataError(f"sample table lacks the columns {', '.join(missing)}")
    arrays = []
    for field in SCHEMA:
        column = samples[field.name]
        values = [_points(row) for row in column] if field.name == "landmarks" else column
        arrays.append(pa.array(values, type=field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Pyarrow table to frame with plain object strings and float32 boxes."""
    frame = table.drop_columns(["landmarks"]).to_pandas()
    points = [None if row is None else np.asarray(row, np.float32) for row in table.column("landmarks").to_pylist()]
    frame.insert(SCHEMA.names.index("landmarks"), "landmarks", pd.Series(points, dtype=object))
    return frame


def validate(table: pa.Table, path: Path) -> None:
    """Check that ids are unique, boxes lie inside the image and have an area, and splits are known.

    Raises:
        DataError: names the table, the rule and the first offending sample.
    """
    ids = table.column("sample_id").to_pandas()
    if ids.duplicated().any():
        raise DataError(f"{path}: sample_id {ids[ids.duplicated()].iloc[0]} occurs more than once")
    x1, y1, x2, y2 = (table.column(name).to_numpy() for name in BOX)
    good = (x1 >= 0) & (y1 >= 0) & (x2 <= 1) & (y2 <= 1) & (x2 > x1) & (y2 > y1)  # NaN compares false
    if not good.all():
        raise DataError(f"{path}: sample {ids[~good].iloc[0]} has a box outside 0..1 or without an area")
    unknown = set(table.column("split").unique().to_pylist()) - {"", *SPLITS}
    if unknown:
        raise DataError(f"{path}: unknown split {sorted(map(str, unknown))[0]!r}; splits are {', '.join(SPLITS)}")


def _points(row: object) -> np.ndarray | None:
    if row is None or (isinstance(row, float) and np.isnan(row)):
        return None
    return np.asarray(row, np.float32).reshape(2 * LANDMARK_COUNT)

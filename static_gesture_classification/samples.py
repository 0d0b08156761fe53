"""The sample table, one row per hand: its columns, the identity of a hand, reading, writing, validating.

On disk it is Parquet with the schema below and `sample_table_version` in its metadata. In memory it is a pyarrow table
where stages stream, else a pandas frame of plain strings. Whoever reads it names the columns that it needs: landmarks
take most of the time and memory. Tables of version 1 (landmarks of any length) are read too.

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
import pyarrow.compute as pc
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

SAMPLES_VERSION = 2
READABLE_VERSIONS = ("1", "2")
ROWS_PER_GROUP = 1 << 17  # of the file; a group's landmarks are 22 MiB
SPLITS = TRAIN, VAL, TEST = ("train", "val", "test")
BOX = ("x1", "y1", "x2", "y2")

CODED = pa.dictionary(pa.int32(), pa.string())  # few different values
SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),  # stable hash of source, image and hand
        ("image", pa.string()),  # path relative to root, with forward slashes
        ("root", CODED),  # the source's folder, as configured
        ("x1", pa.float32()),  # box, normalised to 0..1 of the image's width and height
        ("y1", pa.float32()),
        ("x2", pa.float32()),
        ("y2", pa.float32()),
        ("gesture", CODED),  # one of the vocabulary
        ("source", CODED),  # name of the source that published it
        ("source_label", CODED),  # label as published
        ("subject", CODED),  # the person or room, see `subject_of`; "" where unknown
        ("session", CODED),  # one burst of recording
        ("hand", CODED),  # "left", "right" or ""
        # x, y of 21 points, normalised; or null. NaN on disk: Parquet does not read lists of fixed size beside nulls.
        ("landmarks", pa.list_(pa.float32(), 2 * LANDMARK_COUNT)),
        ("split", CODED),  # "train", "val", "test"; "" before the split stage (or the official split)
    ],
    metadata={"sample_table_version": str(SAMPLES_VERSION)},
)
TEXTS = [field.name for field in SCHEMA if field.type == CODED]


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
    sources, of_source = _numbered(samples["source"])
    subjects, of_subject = _numbered(samples["subject"])
    pair_of, pairs = pd.factorize(sources * len(of_subject) + subjects)
    ends = (divmod(pair, len(of_subject)) for pair in pairs.tolist())
    names = np.array([subject_name(of_source[source], of_subject[subject]) for source, subject in ends], object)
    return pd.Series(names[pair_of], samples.index, dtype=object, name="subject")


def _numbered(texts: pd.Series) -> tuple[np.ndarray, list[str]]:
    """The number of each text, int (n,), and the different texts."""
    numbers, different = pd.factorize(texts)
    return numbers.astype(np.int64), [str(text) for text in different.tolist()]


def group_of(samples: pd.DataFrame) -> pd.Series:
    """The group that each row must not be split from: its subject, else its session, else its image.

    From the columns source, subject, session and image.
    """
    groups = subject_of(samples).rename("group")
    unknown = (groups == "").to_numpy()
    own = samples.loc[unknown, ["source", "session", "image"]].astype(object)
    groups[unknown] = own["source"] + ": " + own["session"].where(own["session"] != "", own["image"])
    return groups


def are_among(values: pd.Series, others: Iterable[str]) -> np.ndarray:
    """Which texts are among others: bool (n,). As `Series.isin`, but fast for millions of both.

    >>> are_among(pd.Series(["a", "b", "a"]), {"a", "c"}).tolist()
    [True, False, True]
    """
    wanted = others if isinstance(others, pd.Series | pd.Index) else list(others)
    found = pc.is_in(pa.array(values, pa.string()), pa.array(pd.Series(wanted, dtype=str), pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def make_rejected_table(rejected: Iterable[Rejected]) -> pd.DataFrame:
    """The rejected rows as a frame with columns source, file, item, reason."""
    return pd.DataFrame([asdict(row) for row in rejected], columns=["source", "file", "item", "reason"])


class SampleWriter:
    """Writes a sample table in pieces; see `sample_writer`."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file

    def write_table(self, table: pa.Table) -> None:
        """Add rows with the columns of `SCHEMA`, group by group, since a group's landmarks are copied."""
        at = SCHEMA.names.index("landmarks")
        for start in range(0, len(table), ROWS_PER_GROUP):
            group = table.slice(start, ROWS_PER_GROUP)
            points = landmark_array(group).reshape(len(group), 2 * LANDMARK_COUNT)
            column = pa.FixedSizeListArray.from_arrays(pa.array(points.ravel()), 2 * LANDMARK_COUNT)
            self._file.write_table(group.set_column(at, SCHEMA.field(at), column), row_group_size=ROWS_PER_GROUP)


@contextmanager
def sample_writer(path: Path) -> Iterator[SampleWriter]:
    """A Parquet writer for a sample table in pieces; the file appears when it is whole."""
    kinds = {"compression": "zstd", "use_dictionary": TEXTS, "use_byte_stream_split": ["landmarks.list.element"]}
    with atomic_path(path) as partial, pq.ParquetWriter(partial, SCHEMA, **kinds) as file:
        yield SampleWriter(file)


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


def read_rows(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read some columns of a sample table as a frame; all but the landmarks if none are named.

    Raises:
        DataError: as `read_samples`.
    """
    return to_frame(
        read_arrow(path, [name for name in SCHEMA.names if name != "landmarks"] if columns is None else columns)
    )


def read_arrow(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a sample table, or some of its columns, as a pyarrow table (see `read_samples`)."""
    names = SCHEMA.names if columns is None else list(columns)
    with _sample_file(path) as file:
        table = file.read([name for name in names if name != "landmarks"]).unify_dictionaries()
        if "landmarks" in names:
            table = table.append_column(SCHEMA.field("landmarks"), _read_landmarks(file))
        return table.select(names).cast(pa.schema([SCHEMA.field(name) for name in names], metadata=SCHEMA.metadata))


@contextmanager
def _sample_file(path: Path) -> Iterator[pq.ParquetFile]:
    """The open file of a sample table. Raises `DataError` as `read_samples`, also for what fails while it is open."""
    if not path.is_file():
        raise DataError(f"no sample table at {path}; run the stage that makes it (dvc repro)")
    try:
        with pq.ParquetFile(path, read_dictionary=TEXTS) as file:
            _check_version(file, path)
            yield file
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} is not a readable Parquet file ({error}); delete it and run dvc repro") from error


def _check_version(file: pq.ParquetFile, path: Path) -> None:
    version = (file.schema_arrow.metadata or {}).get(b"sample_table_version", b"none").decode()
    if version not in READABLE_VERSIONS:
        raise DataError(
            f"{path} has sample table version {version}, this program reads {SAMPLES_VERSION}; run dvc repro"
        )


def _read_landmarks(file: pq.ParquetFile) -> pa.FixedSizeListArray:
    """The landmarks of a file, read group by group, so that little more memory is used than they take."""
    points = np.empty((file.metadata.num_rows, LANDMARK_COUNT, 2), np.float32)
    start = 0
    for group in range(file.metadata.num_row_groups):
        part = landmark_array(file.read_row_group(group, ["landmarks"]))
        points[start : start + len(part)] = part
        start += len(part)
    return landmark_column(points)


def landmark_array(table: pa.Table) -> np.ndarray:
    """The landmarks of a sample table: float32 (n, 21, 2), x and y normalised, NaN where a row has none.

    Raises:
        DataError: a row has another number of points.
    """
    result = np.full((len(table), 2 * LANDMARK_COUNT), np.nan, np.float32)
    start = 0
    for column in table.column("landmarks").chunks:
        known = column.is_valid().to_numpy(zero_copy_only=False)
        values = column.flatten().to_numpy(zero_copy_only=False)
        if len(values) != known.sum() * 2 * LANDMARK_COUNT:
            raise DataError(f"a sample has not {LANDMARK_COUNT} landmarks of two coordinates; run dvc repro")
        result[start : start + len(column)][known] = values.reshape(-1, 2 * LANDMARK_COUNT)
        start += len(column)
    return result.reshape(-1, LANDMARK_COUNT, 2)


def read_landmarks_of(path: Path, ids: Iterable[str]) -> dict[str, np.ndarray]:
    """Landmarks float32 (21, 2) of the samples of a table that are named and have any, by id."""
    wanted, found = pa.array(ids, pa.string()), dict[str, np.ndarray]()
    with _sample_file(path) as file:
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group, ["sample_id", "landmarks"])
            own = table.filter(pc.is_in(table["sample_id"], wanted))
            points = landmark_array(own)
            known = np.isfinite(points).all(axis=(1, 2)).tolist()
            names = own["sample_id"].to_pylist()
            found |= {name: row for name, row, has in zip(names, points, known, strict=True) if has}
    return found


def landmark_column(landmarks: np.ndarray) -> pa.FixedSizeListArray:
    """Landmarks (n, 21, 2) or (n, 42) as the column of a sample table, null where a coordinate is NaN."""
    flat = np.ascontiguousarray(landmarks, np.float32).reshape(-1, 2 * LANDMARK_COUNT)
    unknown = pa.array(~np.isfinite(flat).all(axis=1))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), type=SCHEMA.field("landmarks").type, mask=unknown)


def text_column(values: Iterable[str | None] | pa.Array) -> pa.Array:
    """Texts with few different values as a column of a sample table."""
    return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()


def with_texts(table: pa.Table, name: str, values: Iterable[str]) -> pa.Table:
    """The table with other texts in one of the columns `TEXTS`."""
    at = table.schema.get_field_index(name)
    return table.set_column(at, SCHEMA.field(name), text_column(values))


def texts(table: pa.Table, name: str) -> np.ndarray:
    """A text column of a sample table: object (n,)."""
    return decode_texts(table.select([name])).column(0).to_numpy().astype(object)


def decode_texts(table: pa.Table) -> pa.Table:
    """The table with strings instead of dictionaries."""
    fields = [pa.field(each.name, pa.string()) if each.type == CODED else each for each in table.schema]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


def to_arrow(samples: pd.DataFrame) -> pa.Table:
    """Frame to pyarrow table with the schema. Raises `DataError` that names missing columns."""
    missing = [name for name in SCHEMA.names if name not in samples.columns]
    if missing:
        raise DataError(f"sample table lacks the columns {', '.join(missing)}")
    arrays = []
    for field in SCHEMA:
        column = samples[field.name]
        if field.name == "landmarks":
            arrays.append(_points_column(column))
        else:
            arrays.append(
                text_column(column) if field.type == CODED else pa.array(column, field.type, from_pandas=True)
            )
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Some columns of a sample table as a frame, with plain strings, float32 boxes and landmarks as views or None."""
    if "landmarks" not in table.column_names:
        return decode_texts(table).to_pandas()
    frame = decode_texts(table.drop_columns(["landmarks"])).to_pandas()
    flat = landmark_array(table).reshape(len(table), 2 * LANDMARK_COUNT)
    points = np.empty(len(table), object)
    points[:] = list(flat)
    points[np.isnan(flat).any(axis=1)] = None
    frame.insert(table.column_names.index("landmarks"), "landmarks", pd.Series(points, frame.index, dtype=object))
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
    unknown = set(decode_texts(table.select(["split"])).column("split").unique().to_pylist()) - {"", *SPLITS}
    if unknown:
        raise DataError(f"{path}: unknown split {sorted(map(str, unknown))[0]!r}; splits are {', '.join(SPLITS)}")


def _points_column(rows: pd.Series) -> pa.FixedSizeListArray:
    points = np.full((len(rows), 2 * LANDMARK_COUNT), np.nan, np.float32)
    known = np.flatnonzero(rows.notna())
    if len(known):
        points[known] = np.stack([np.asarray(row, np.float32).ravel() for row in rows.iloc[known]])
    return landmark_column(points)

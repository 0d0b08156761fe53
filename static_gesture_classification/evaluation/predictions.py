"""The predictions table: a classifier's prediction for each sample. This module owns its columns and its files.

On disk it is Parquet: the sample table's keys, the ground truth `gesture`, `prediction`, `score` (the probability of
the prediction) and one column `probability_<gesture>` for each gesture of the classifier. Where no hand was found,
`prediction` is empty, score and probabilities are 0, and the embedding is NaN. The table's metadata holds
`predictions_table_version` and `gestures` (the classifier's, in class order). Embeddings lie beside it in an `.npy`
file whose row i belongs to row i of the table.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from static_gesture_classification.arrays import Singles
from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import parse_json
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import BOX, SCHEMA, decode_texts

_ROWS_PER_GROUP = 131_072  # rows that are encoded in memory at a time
PREDICTIONS_VERSION = 1
KEY_COLUMNS = ("sample_id", "image", "root", *BOX, "source", "subject", "session", "hand", "split", "gesture")
PROBABILITY = "probability_"
NO_PREDICTION = ""  # the prediction where no hand was found
KEY_SCHEMA = decode_texts(SCHEMA.empty_table()).select(KEY_COLUMNS).schema.remove_metadata()


@dataclass(frozen=True)
class Predictions:
    """A predictions table in memory.

    Args:
        table: columns as on disk, n rows.
        gestures: the classifier's gestures in class order, C of them.
        embeddings: (n, D) float32 penultimate activations, or None where none were kept.
    """

    table: pa.Table
    gestures: tuple[str, ...]
    embeddings: Singles | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def probabilities(self) -> Singles:
        """Probabilities (n, C) float32; each row sums to 1, or to 0 where no hand was found."""
        columns = [self.table.column(PROBABILITY + gesture).to_numpy() for gesture in self.gestures]
        return np.stack(columns, axis=1) if len(self) else np.empty((0, len(self.gestures)), np.float32)

    def column(self, name: str) -> npt.NDArray[np.object_]:
        """One string column as an object array (n,)."""
        return self.table.column(name).to_numpy(zero_copy_only=False)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which samples have a prediction: bool (n,), False where no hand was found."""
        return self.column("prediction") != NO_PREDICTION

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return self.table.to_pandas()


def sample_keys(samples: pd.DataFrame) -> pa.Table:
    """The columns of a sample table that predictions repeat, as an Arrow table."""
    missing = [name for name in KEY_COLUMNS if name not in samples.columns]
    if missing:
        raise DataError(f"sample table lacks the columns {', '.join(missing)}")
    columns = [pa.array(samples[field.name], type=field.type, from_pandas=True) for field in KEY_SCHEMA]
    return pa.Table.from_arrays(columns, schema=KEY_SCHEMA)


def predictions_of(
    keys: pa.Table, probabilities: Singles, vocabulary: Vocabulary, embeddings: Singles | None = None
) -> Predictions:
    """Join samples with a classifier's predictions.

    Args:
        keys: n rows of `sample_keys`.
        probabilities: (n, C) float32, in the order of `vocabulary`; a row of 0 where no hand was found.
        embeddings: (n, D) float32 or None.
    """
    names = vocabulary.names
    if probabilities.shape != (len(keys), len(names)):
        raise ValueError(f"probabilities {probabilities.shape} for {len(keys)} samples of {len(names)} gestures")
    best = probabilities.argmax(1)
    predictions = np.where(probabilities.any(1), np.asarray(names, dtype=object)[best], NO_PREDICTION)
    columns = {
        "prediction": pa.array(predictions, pa.string()),
        "score": pa.array(probabilities[np.arange(len(best)), best], pa.float32()),
    }
    columns |= {PROBABILITY + name: pa.array(probabilities[:, i], pa.float32()) for i, name in enumerate(names)}
    table = keys
    for name, column in columns.items():
        table = table.append_column(name, column)
    return Predictions(table, names, embeddings)


def embeddings_path(path: Path) -> Path:
    """Where the embeddings of the predictions table at `path` lie: `test.parquet` -> `test.embeddings.npy`."""
    return path.with_suffix(".embeddings.npy")


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write the table to `path`, and its embeddings, if there are any, beside it."""
    metadata = {"predictions_table_version": str(PREDICTIONS_VERSION), "gestures": json.dumps(predictions.gestures)}
    if predictions.embeddings is not None:
        with atomic_path(embeddings_path(path)) as partial, partial.open("wb") as file:
            np.save(file, predictions.embeddings.astype(np.float32, copy=False), allow_pickle=False)
        metadata["embeddings"] = _digest(predictions.embeddings)
    with atomic_path(path) as partial:
        table = predictions.table.replace_schema_metadata(metadata)
        pq.write_table(table, partial, compression="zstd", row_group_size=_ROWS_PER_GROUP)


def read_predictions(path: Path) -> Predictions:
    """Read a predictions table, with its embeddings where it has any.

    Raises:
        DataError: the file is missing, is not a predictions table, has another version, or the embeddings beside it
            are missing or belong to another table.
    """
    if not path.is_file():
        raise DataError(f"no predictions at {path}; run the evaluate stage (dvc repro evaluate)")
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file ({error}); evaluate again") from error
    metadata = table.schema.metadata or {}
    version = metadata.get(b"predictions_table_version", b"none").decode()
    if version != str(PREDICTIONS_VERSION):
        raise DataError(
            f"{path} has predictions table version {version}, this program reads {PREDICTIONS_VERSION}; evaluate again"
        )
    embeddings = _read_embeddings(path, metadata[b"embeddings"].decode()) if b"embeddings" in metadata else None
    names = parse_json(
        metadata.get(b"gestures", b"").decode(), tuple[str, ...], f"{path}, its gestures", "evaluate again"
    )
    return Predictions(table, names, embeddings)


def read_wrong_ids(path: Path) -> list[str]:
    """The ids of the samples that a predictions table has another gesture for; none where it cannot be read."""
    try:
        table = pq.read_table(path, columns=["sample_id", "gesture", "prediction"], partitioning=None)
    except (pa.ArrowInvalid, OSError):
        return []
    wrong: list[str] = table.filter(pc.not_equal(table["gesture"], table["prediction"]))["sample_id"].to_pylist()
    return wrong


def _read_embeddings(path: Path, digest: str) -> Singles:
    file = embeddings_path(path)
    if not file.is_file():
        raise DataError(f"the embeddings of {path} are not at {file}; evaluate again")
    try:
        embeddings: Singles = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{file} is not a readable array ({error}); evaluate again") from error
    if _digest(embeddings) != digest:
        raise DataError(f"{file} does not belong to {path} (one of them was replaced); evaluate again")
    return embeddings


def _digest(embeddings: Singles) -> str:
    array = np.ascontiguousarray(embeddings, np.float32)
    return hashlib.blake2b(array.tobytes(), digest_size=16, person=str(array.shape).encode()[:16]).hexdigest()

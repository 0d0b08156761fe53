import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.predictions import (
    KEY_COLUMNS,
    embeddings_path,
    predictions_of,
    read_predictions,
    sample_keys,
    write_predictions,
)
from static_gesture_classification.gestures import Vocabulary
from tests.support.seeded_predictions import GESTURES, sample_table, seeded_predictions


def test_a_table_and_its_embeddings_come_back_as_they_were_written(tmp_path):
    written = seeded_predictions(50)
    write_predictions(written, tmp_path / "val.parquet")
    read = read_predictions(tmp_path / "val.parquet")
    assert read.table.equals(written.table)
    assert read.gestures == GESTURES
    assert np.array_equal(read.embeddings, written.embeddings)
    assert np.array_equal(read.probabilities, written.probabilities)


def test_the_columns_are_the_sample_keys_prediction_score_and_one_probability_per_gesture():
    frame = seeded_predictions(50).to_frame()
    assert list(frame) == [*KEY_COLUMNS, "prediction", "score", *(f"probability_{name}" for name in GESTURES)]
    probabilities = frame[[f"probability_{name}" for name in GESTURES]].to_numpy()
    assert [GESTURES[i] for i in probabilities.argmax(1)] == list(frame["prediction"])
    assert np.array_equal(probabilities.max(1), frame["score"])


def test_another_vocabulary_than_the_datas_is_kept_as_the_classifiers_own(tmp_path):
    keys = sample_keys(sample_table(["ROCK", "ONE"]))
    written = predictions_of(keys, np.float32([[0.3, 0.7], [0.9, 0.1]]), Vocabulary(("ONE", "TWO")))
    write_predictions(written, tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    assert read.gestures == ("ONE", "TWO")
    assert list(read.column("gesture")) == ["ROCK", "ONE"]
    assert list(read.column("prediction")) == ["TWO", "ONE"]
    assert read.embeddings is None


def test_no_samples_make_an_empty_table(tmp_path):
    keys = sample_keys(sample_table([]))
    write_predictions(
        predictions_of(keys, np.empty((0, 2), np.float32), Vocabulary(("A", "B"))), tmp_path / "p.parquet"
    )
    read = read_predictions(tmp_path / "p.parquet")
    assert len(read) == 0
    assert read.probabilities.shape == (0, 2)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(seeded_predictions(50), tmp_path / name / "val.parquet")
    for file in ("val.parquet", "val.embeddings.npy"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_embeddings_of_another_table_are_refused(tmp_path):
    write_predictions(seeded_predictions(50), tmp_path / "val.parquet")
    np.save(embeddings_path(tmp_path / "val.parquet"), np.zeros((50, 8), np.float32))
    with pytest.raises(DataError, match=r"val\.embeddings\.npy does not belong"):
        read_predictions(tmp_path / "val.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1 cut off"])
def test_an_unreadable_table_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "val.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"val\.parquet is not a readable Parquet file"):
        read_predictions(tmp_path / "val.parquet")


def test_a_missing_table_and_another_version_are_errors_with_the_way_out(tmp_path):
    with pytest.raises(DataError, match="dvc repro evaluate"):
        read_predictions(tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="version none"):
        read_predictions(tmp_path / "other.parquet")

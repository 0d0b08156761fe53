from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from static_gesture_classification.errors import DataError
from static_gesture_classification.samples import (
    SCHEMA,
    group_of,
    landmark_array,
    read_arrow,
    read_landmarks_of,
    read_rows,
    read_samples,
    sample_id,
    sample_writer,
    subject_of,
    to_arrow,
    write_samples,
)


def samples(**changes: object) -> pd.DataFrame:
    landmarks = np.linspace(0, 1, 42, dtype=np.float32)
    row = {
        "sample_id": "a",
        "image": "ünï côd/日本 1.jpg",
        "root": "data/raw/x",
        "x1": 0.0,
        "y1": 0.25,
        "x2": 0.5,
        "y2": 1.0,
        "gesture": "ONE",
        "source": "x",
        "source_label": "one",
        "subject": "anna",
        "session": "s1",
        "hand": "",
        "landmarks": landmarks,
        "split": "",
    }
    return pd.DataFrame([row, {**row, "sample_id": "b", "landmarks": None, **changes}])


def test_table_comes_back_as_written(tmp_path: Path) -> None:
    write_samples(samples(), tmp_path / "samples.parquet")
    back = read_samples(tmp_path / "samples.parquet")
    assert list(back.columns) == SCHEMA.names
    assert back.loc[0, "image"] == "ünï côd/日本 1.jpg"
    np.testing.assert_array_equal(back.loc[0, "landmarks"], np.linspace(0, 1, 42, dtype=np.float32))
    assert back.loc[1, "landmarks"] is None


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    write_samples(samples(), tmp_path / "samples.parquet")
    back = read_rows(tmp_path / "samples.parquet", ["split", "sample_id"])
    assert back.to_dict("list") == {"split": ["", ""], "sample_id": ["a", "b"]}
    assert "landmarks" not in read_rows(tmp_path / "samples.parquet")
    points = read_landmarks_of(tmp_path / "samples.parquet", ["b", "a", "unknown"])
    assert {name: each.shape for name, each in points.items()} == {"a": (21, 2)}


def test_columns_are_dictionaries_and_lists_of_fixed_size_which_anything_that_reads_parquet_understands(
    tmp_path: Path,
) -> None:
    with sample_writer(tmp_path / "samples.parquet") as writer:
        for name in "abc":  # each piece has dictionaries of its own
            one = samples().iloc[:1].assign(sample_id=name, subject=f"of {name}")
            writer.write_table(to_arrow(one if name != "b" else one.assign(landmarks=None)))
    table = read_arrow(tmp_path / "samples.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["subject"].to_pylist() == ["of a", "of b", "of c"]
    assert table["landmarks"].is_valid().to_pylist() == [True, False, True]
    elsewhere = pq.read_table(tmp_path / "samples.parquet")
    assert elsewhere.schema.equals(SCHEMA)
    np.testing.assert_array_equal(np.stack(elsewhere["landmarks"].to_numpy()), landmark_array(table).reshape(3, 42))


def test_table_of_the_first_version_is_read_as_one_of_today(tmp_path: Path) -> None:
    old = [pa.field(each.name, pa.string()) if pa.types.is_dictionary(each.type) else each for each in SCHEMA]
    old[SCHEMA.names.index("landmarks")] = pa.field("landmarks", pa.list_(pa.float32()))
    write_samples(samples(), tmp_path / "new.parquet")
    new = read_arrow(tmp_path / "new.parquet")
    pq.write_table(new.cast(pa.schema(old, {"sample_table_version": "1"})), tmp_path / "old.parquet")
    assert read_arrow(tmp_path / "old.parquet").equals(new)


def test_group_is_the_subject_else_the_session_else_the_image() -> None:
    known, unknown = samples(subject=""), samples(subject="", session="")
    elsewhere = samples().iloc[:1].assign(subject="x/anna", source="recorded")
    assert list(subject_of(pd.concat([known, elsewhere]))) == ["x/anna", "", "x/anna"]
    assert list(group_of(known)) == ["x/anna", "x: s1"]
    assert group_of(unknown)[1] == "x: ünï côd/日本 1.jpg"
    assert list(group_of(known.iloc[:0])) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_id": "a"}, "a occurs more than once"),
        ({"x2": np.nan}, "box outside"),
        ({"x2": 1.5}, "box outside"),
        ({"y1": 1.0}, "box outside"),
        ({"split": "holdout"}, "unknown split 'holdout'"),
    ],
)
def test_invalid_table_is_refused_and_the_earlier_one_stays(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "samples.parquet"
    write_samples(samples(), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=message):
        write_samples(samples(**change), path)
    assert path.read_bytes() == before


def test_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="lacks the columns subject"):
        to_arrow(samples().drop(columns="subject"))


def test_table_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    pq.write_table(to_arrow(samples()).replace_schema_metadata({"sample_table_version": "99"}), path)
    with pytest.raises(DataError, match="version 99"):
        read_samples(path)


def test_truncated_table_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_samples(samples(), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"samples\.parquet is not a readable Parquet file"):
        read_samples(path)


def test_table_written_in_pieces_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"

    def write_half() -> None:
        with sample_writer(path) as writer:
            writer.write_table(to_arrow(samples()))
            raise pa.ArrowInvalid("stopped")

    with pytest.raises(pa.ArrowInvalid):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_identity_of_a_hand_is_stable() -> None:
    assert sample_id("hagrid", "like/a.jpg", 0) == "06d6f2d112269aabb7dabd90"
    assert sample_id("hagrid", "like/a.jpg", 0) != sample_id("hagrid", "like/a.jpg", 1)

"""Cells of a confusion matrix, and the samples in them."""

import pytest

from static_gesture_classification.active_learning.diagnosis.cells import Cell, PredictedSamples
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.predictions import write_predictions
from tests.support.confused_predictions import VOCABULARY, predicted, table


@pytest.fixture
def samples() -> PredictedSamples:
    rows = [("ONE", "photos/ann", 4), ("TWO", "photos/bob", 3), ("TWO", "", 1)]
    return PredictedSamples(predicted(table(rows), {0: "TWO", 1: "TWO", 4: "ONE", 7: ""}))


def test_a_cell_holds_its_samples_and_the_matrix_counts_them(samples: PredictedSamples) -> None:
    counts = samples.counts(Cell())
    one, two, missing = (samples.labels.index(name) for name in ("ONE", "TWO", ""))
    assert samples.rows(Cell("ONE", "TWO")).tolist() == [0, 1]
    assert (counts[one, two], counts[two, one], counts[two, missing], counts.sum()) == (2, 1, 1, 8)


def test_a_row_a_column_and_only_errors_can_be_opened(samples: PredictedSamples) -> None:
    assert set(samples.rows(Cell("ONE"))) == {0, 1, 2, 3}
    assert set(samples.rows(Cell(prediction="ONE"))) == {2, 3, 4}
    assert set(samples.rows(Cell(prediction="ONE", only_errors=True))) == {4}


def test_the_highest_score_comes_first(samples: PredictedSamples) -> None:
    scores = samples.frame["score"].to_numpy()[samples.rows(Cell())]
    assert (scores[:-1] >= scores[1:]).all()


def test_a_person_narrows_matrix_and_samples_also_an_unknown_one(samples: PredictedSamples) -> None:
    assert samples.counts(Cell(subject="photos/bob")).sum() == 3
    assert samples.rows(Cell(subject="")).tolist() == [7]
    assert samples.rows(Cell(subject="nobody")).tolist() == []
    assert list(samples.errors_by("subject", Cell())) == [("photos/ann", 2, 4), ("photos/bob", 1, 3), ("", 1, 1)]


def test_samples_of_test_are_refused(tmp_path) -> None:
    path = tmp_path / "test.parquet"
    write_predictions(predicted(table([("ONE", "ann", 2)]).assign(split="test")), path)
    with pytest.raises(DataError, match="can no longer measure"):
        PredictedSamples.read(path, VOCABULARY)

"""What the page starts, unless somebody chooses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import DictConfig

from static_gesture_classification.review.jobs import Jobs
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.starting import DRAWN_HANDS, USUAL, usual_experiment
from static_gesture_classification.samples import write_samples
from tests.support.seeded_predictions import sample_table


@pytest.mark.parametrize(
    ("given", "source", "expected"),
    [
        ([], None, DRAWN_HANDS),
        ([], "synthetic_landmarks", DRAWN_HANDS),
        ([], "recorded", DRAWN_HANDS),
        ([], "hagrid", USUAL),
        (["model=landmarks", "+experiment=all_photographs"], None, "all_photographs"),
        (["+experiment=drawn_hands"], "hagrid", DRAWN_HANDS),
        (["sources=[hagrid,recorded]"], None, USUAL),
    ],
)
def test_a_quick_training_learns_from_what_the_page_was_started_with_or_has_found(
    easy: DictConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: Sequence[str],
    source: str | None,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    review = replace(Review.from_config(easy), jobs=Jobs(tmp_path / "jobs", given))
    if source is not None:
        write_samples(sample_table(["ONE"]).assign(source=source), review.quick.index_table)
    assert usual_experiment(review) == expected

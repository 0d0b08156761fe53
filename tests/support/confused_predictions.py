"""Predictions with known errors, for tests of what is seen in them, and the configuration."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.configuration import CONF
from static_gesture_classification.evaluation.predictions import Predictions, predictions_of, sample_keys
from static_gesture_classification.gestures import Vocabulary
from tests.support.seeded_predictions import sample_table

VOCABULARY = Vocabulary(("NONE", "ONE", "TWO", "THREE"), "NONE")


def table(rows: Sequence[tuple[str, str, int]], **columns: Sequence) -> pd.DataFrame:
    """A sample table of (gesture, person, how many), with `prediction` equal to the gesture."""
    gestures = [gesture for gesture, _, count in rows for _ in range(count)]
    people = [person for _, person, count in rows for _ in range(count)]
    own = {"source": "photos", "source_label": gestures, "subject": people, "session": people}
    return sample_table(gestures).assign(**own | columns)


def predicted(samples: pd.DataFrame, wrong: dict[int, str] | None = None, embeddings=None) -> Predictions:
    """Predictions that are right but for the rows in `wrong`, which are taken for what it says ("": no hand found)."""
    said = samples["gesture"].tolist()
    for row, prediction in (wrong or {}).items():
        said[row] = prediction
    probabilities = np.zeros((len(samples), len(VOCABULARY)), np.float32)
    for row, prediction in enumerate(said):
        if prediction:
            probabilities[row] = 0.1
            probabilities[row, VOCABULARY.index(prediction)] = 0.7
    predictions = predictions_of(sample_keys(samples), probabilities, VOCABULARY, embeddings)
    at = predictions.table.schema.get_field_index("prediction")
    return Predictions(
        predictions.table.set_column(at, "prediction", pa.array(said, pa.string())), VOCABULARY.names, embeddings
    )


def composed(*overrides: str) -> DictConfig:
    """The project's configuration with overrides of values (composed once, which takes longer than most tests)."""
    config = OmegaConf.merge(_plain(), OmegaConf.from_dotlist(list(overrides)))
    assert isinstance(config, DictConfig)
    return config


@cache
def _plain() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config")

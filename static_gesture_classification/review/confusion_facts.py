"""The pairs of a predictions table, and the pattern behind each, kept in memory as long as its file stays."""

from __future__ import annotations

from static_gesture_classification.active_learning.diagnosis.cells import PredictedSamples
from static_gesture_classification.active_learning.diagnosis.confusions import ConfusionSettings
from static_gesture_classification.active_learning.diagnosis.pairs import Confusions, ErrorPair, find_confusions
from static_gesture_classification.active_learning.diagnosis.patterns import PatternSettings, find_patterns
from static_gesture_classification.preparation.landmark_store import SAMPLES
from static_gesture_classification.review.predictions_choice import PredictionsChoice
from static_gesture_classification.review.review import Review


def confusions_of(review: Review, choice: PredictionsChoice, table: PredictedSamples) -> Confusions:
    """All errors with their intervals."""
    settings = ConfusionSettings.from_config(review.config)
    return review.tables.of(choice.path, _find, table, settings.bootstrap, settings.seed)


def error_pairs(review: Review, choice: PredictionsChoice, table: PredictedSamples) -> tuple[ErrorPair, ...]:
    """The pairs, most weighted F1 at stake first."""
    return confusions_of(review, choice, table).errors


def pattern_of(
    review: Review, choice: PredictionsChoice, table: PredictedSamples, gesture: str, prediction: str
) -> str:
    """What the samples of a pair have in common, in words."""
    confusions = confusions_of(review, choice, table)
    pair = next((each for each in confusions.errors if (each.gesture, each.prediction) == (gesture, prediction)), None)
    if pair is None:
        return ""
    configured = PatternSettings.from_config(review.config)
    about = configured.confusions.model_copy(update={"crops": choice.workspace.crops})
    settings = configured.model_copy(
        update={"confusions": about, "landmarks": choice.workspace.landmarks / SAMPLES, "pairs": 1}
    )
    alone = Confusions(confusions.predictions, confusions.weighted_f1, (pair,), ())
    pattern = find_patterns(alone, about.pictures(), settings)[0]
    return "; ".join(finding.sentence for finding in pattern.findings) or pattern.summary


def _find(table: PredictedSamples, resamples: int, seed: int) -> Confusions:
    return find_confusions(table.predictions, resamples, seed)

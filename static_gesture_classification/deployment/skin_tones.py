"""The whole way, from the picture to the gesture, on synthetic hands of each skin tone of Monk's scale.

Each synthetic person shows each gesture once in each tone: pose, light, clothes and background are the same in all, so
that a difference between tones is due to the tone. A hand that is not found is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from static_gesture_classification.deployment.scores import Score, score
from static_gesture_classification.evaluation.predictions import KEY_COLUMNS, predictions_of, sample_keys
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.samples import BOX
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset
from static_gesture_classification.synthetic.poses import read_poses
from static_gesture_classification.synthetic.scenes import photograph
from static_gesture_classification.synthetic.settings import SyntheticSettings
from static_gesture_classification.synthetic.subjects import TONES, with_tone
from static_gesture_classification.terminal import track

TONE_PICTURE_SIZE = 320  # pixels of a picture
TONES_SEED = "skin tones"  # other hands than those that are trained on


class ToneSettings(Settings, key="export_onnx"):
    """What pictures are made.

    Args:
        tones: synthetic people; each shows each gesture in each tone.
        synthetic: settings of the pictures.
        poses: of all gestures, as in conf/poses.
    """

    tones: int = Field(ge=0)
    synthetic: SyntheticSettings
    poses: Annotated[dict[str, Any], At("poses")]

    @property
    def subjects(self) -> int:
        """Number of synthetic people."""
        return self.tones


@dataclass(frozen=True)
class ToneScores:
    """Scores per tone, from the lightest to the darkest; the gestures that have no pose are not in them."""

    scores: tuple[Score, ...]
    subjects: int
    gestures: tuple[str, ...]


def score_tones(predictor: Predictor, settings: ToneSettings, resamples: int, seed: int) -> ToneScores | None:
    """Score a predictor on synthetic hands of each tone; None if it knows fewer than two gestures with a pose.

    Args:
        predictor: detector and classifier.
        settings: what pictures are made.
        resamples: of people, for the intervals.
        seed: of the resampling.
    """
    gestures = [name for name in predictor.vocabulary if (settings.poses.get("gestures") or {}).get(name)]
    if len(gestures) < 2:
        return None
    dataset = _dataset(gestures, settings)
    pictures = [Picture(gesture, person) for gesture in gestures for person in range(settings.subjects)]
    keys = sample_keys(pd.DataFrame([_key(picture) for picture in pictures]))
    tones = range(len(TONES))
    rows = [[np.zeros(0)] * len(pictures) for _ in tones]
    for tone, at, image in track(_photographs(dataset, pictures), "skin tones", len(pictures) * len(TONES)):
        rows[tone][at] = probabilities_of(image, predictor)
    each = (predictions_of(keys, np.stack(some).astype(np.float32), predictor.vocabulary) for some in rows)
    return ToneScores(tuple(score(some, resamples, seed) for some in each), settings.subjects, tuple(gestures))


def probabilities_of(image: np.ndarray, predictor: Predictor) -> np.ndarray:
    """Probabilities (classes,) of the largest hand in an image, uint8 (height, width, 3) RGB; 0 without one."""
    hand = max(predictor.detector.detect(image), key=lambda hand: hand.area, default=None)
    if hand is None:
        return np.zeros(len(predictor.vocabulary), np.float32)
    return predictor.classify(image, [hand])[0].probabilities


def _photographs(dataset: SyntheticDataset, pictures: Sequence[Picture]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Tone, number of the picture, and the picture; a tone changes nothing but the skin."""
    for at, picture in enumerate(pictures):
        for tone in range(len(TONES)):
            hand, rng = dataset.draw_hand(picture)  # anew, for the same random numbers
            toned = replace(hand, subject=with_tone(hand.subject, tone))
            yield tone, at, photograph(toned, rng, dataset.settings.variety)


def _dataset(gestures: Sequence[str], settings: ToneSettings) -> SyntheticDataset:
    asked = {
        "subjects": max(settings.subjects, 3),
        "images": len(gestures) * max(settings.subjects, 3),
        "background_times": 1,
    }
    changed = settings.synthetic.model_copy(update={**asked, "size": TONE_PICTURE_SIZE, "seed": TONES_SEED})
    return SyntheticDataset(Vocabulary(tuple(gestures)), changed, read_poses(settings.poses, gestures))


def _key(picture: Picture) -> dict[str, Any]:
    """A picture's row of the sample table."""
    named = dict.fromkeys(KEY_COLUMNS, "") | dict.fromkeys(BOX, 0.0)
    who = f"person {picture.number}"
    return named | {"gesture": picture.gesture, "source": "synthetic", "subject": who, "image": str(picture)}

"""Hands of the gestures that a checkpoint knows already: prepared landmarks, else posed hands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from static_gesture_classification.active_learning.adding.posing import pose_hands
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.landmark_store import POINTS, open_landmarks
from static_gesture_classification.samples import TRAIN, VAL
from static_gesture_classification.terminal import note
from static_gesture_classification.workspace import Workspace

POSING_SOURCES = ("synthetic", "synthetic_landmarks")  # whose background is any pose that was no gesture so far
POSED = 150  # hands of each gesture, where there are no real ones
BACKGROUND_TIMES = 3


@dataclass(frozen=True, eq=False)
class KnownHands:
    """Hands of the old gestures.

    Args:
        points: float32 (n, 21, 2).
        gestures: (n,), of the checkpoint's vocabulary.
        judges: bool (n,), those that are not learned from (val); all where there are none.
        origin: where they are from, for people.
    """

    points: np.ndarray
    gestures: np.ndarray
    judges: np.ndarray
    origin: str

    @property
    def lessons(self) -> np.ndarray:
        """The points that are learned from."""
        return self.points if self.judges.all() else self.points[~self.judges]


def gather_known_hands(
    workspaces: Sequence[Workspace],
    vocabulary: Vocabulary,
    poses: Mapping[str, Any],
    seed: int,
    new: str,
    namesakes: Collection[str],
) -> KnownHands:
    """Train and val hands of the first workspace that has prepared landmarks of all gestures; else posed hands.

    Args:
        new: the gesture that is learned; none of these hands shows it.
        namesakes: published labels that show it; their hands are background so far, and are left out. So are posed
            hands that are background: some of them show it, and no label says which.

    Raises:
        UserError: there are no landmarks, and a gesture has no poses either.
    """
    for workspace in workspaces:
        found = _read_prepared(workspace, vocabulary, namesakes)
        if found is not None:
            return found
    places = " and ".join(str(workspace.landmarks) for workspace in workspaces)
    note(f"{places} have no landmarks of the gestures that the checkpoint knows; posed hands stand for them")
    return _pose_known(vocabulary, poses, seed, new)


def _read_prepared(workspace: Workspace, vocabulary: Vocabulary, namesakes: Collection[str]) -> KnownHands | None:
    folder = workspace.landmarks
    if not (folder / POINTS).is_file():
        return None
    try:
        points, samples = open_landmarks(folder)
    except DataError as error:
        note(f"{folder} cannot be used: {error}")
        return None
    splits, gestures = samples["split"].to_numpy(object), samples["gesture"].to_numpy(object)
    used = np.isin(splits, (TRAIN, VAL)) & np.isin(gestures, vocabulary.names) & np.isfinite(points).all(axis=(1, 2))
    unlabelled = samples["source_label"].isin(list(namesakes)) | samples["source"].isin(POSING_SOURCES)
    used &= ~unlabelled.to_numpy(bool) | (gestures != vocabulary.background)
    missing = set(vocabulary) - set(gestures[used & (splits == TRAIN)])
    if missing:
        note(f"{folder} has no hands of {', '.join(sorted(missing))}, so it is not used")
        return None
    judges = splits[used] == VAL
    return KnownHands(points[used], gestures[used], judges if judges.any() else ~judges, str(folder))


def _pose_known(vocabulary: Vocabulary, poses: Mapping[str, Any], seed: int, new: str) -> KnownHands:
    undescribed = [name for name in vocabulary if name not in (poses.get("gestures") or {})]
    if undescribed:
        raise UserError(
            f"there are no landmarks of {', '.join(undescribed)}, and conf/poses/ does not describe them: nothing says "
            "what must not be taken for the new gesture. Prepare landmarks (gestures retrain, or dvc repro with "
            "model=landmarks)"
        )
    counts = {name: POSED * (BACKGROUND_TIMES if name == vocabulary.background else 1) for name in vocabulary}
    points = [pose_hands(poses, name, count, seed, [new]) for name, count in counts.items()]
    gestures = np.repeat(np.array(vocabulary.names, object), list(counts.values()))
    return KnownHands(np.concatenate(points), gestures, np.ones(len(gestures), bool), "posed hands")

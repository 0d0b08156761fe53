"""Add a gesture to a landmark checkpoint, from a few samples of one person, in seconds (`gestures add`).

The posable hand is fitted to the samples' landmarks (`synthetic.fitting`), and shown beside them in `add.sheet`. It is
then posed many times, as other people's hands, left and right, seen from other sides; the network learns it from these
and the samples, and keeps the old gestures as they are (`extension`). The gesture goes to conf/local/default.yaml with
the fitted poses, the samples become a recorded session, so that every later training has both.

Published labels of the same name, background so far, go to the gesture from then on (`namesakes`).

Nothing is written but the picture where the samples are not alike, or where the gesture is an old one.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from static_gesture_classification.active_learning.adding.extension import GestureLesson, extend
from static_gesture_classification.active_learning.adding.known_hands import KnownHands, gather_known_hands
from static_gesture_classification.active_learning.adding.local_gestures import add_to_local
from static_gesture_classification.active_learning.adding.mixing import mix_hands
from static_gesture_classification.active_learning.adding.namesakes import Namesakes, find_namesakes
from static_gesture_classification.active_learning.adding.old_gesture import (
    are_called_otherwise,
    predict_names,
    same_gesture,
)
from static_gesture_classification.active_learning.adding.posing import pose_variants
from static_gesture_classification.active_learning.adding.samples import NewSample, find_samples, sessions_of_gesture
from static_gesture_classification.active_learning.adding.session import keep_sessions
from static_gesture_classification.active_learning.adding.settings import ASK, AddSettings
from static_gesture_classification.active_learning.adding.sheet import write_sheet
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.metrics import confusion_counts
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.synthetic.fitting import FittedHand, differences, fit_hands, pose_variants_of
from static_gesture_classification.terminal import next_steps, note, say
from static_gesture_classification.training.checkpoint import (
    FOR_USE,
    Classifier,
    classifier_of,
    entries_for_use,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.training.scores import weighted_f1

BADLY_EXPLAINED = 0.12  # of the hand's extent, between a sample's points and the fitted hand's; 0.03 to 0.09 is usual


def add_gesture(start: Start, settings: AddSettings) -> None:
    """Add a gesture, from the samples that the settings name."""
    samples = gather(settings)
    fits = fit_samples(samples, start, settings)
    variants = poses_of(fits, settings)
    vocabulary = start.vocabulary
    namesakes = find_namesakes(settings.gesture, settings.alike, settings.label_maps, vocabulary.background)
    about = (settings.poses, settings.seed, settings.gesture, namesakes.labels)
    known = gather_known_hands(settings.workspaces, vocabulary, *about)
    lesson = make_lesson(start, samples, variants, known, settings)
    entries = extend_weights(start, lesson, settings.gesture, settings.seed)
    added = Start(settings.output, entries, classifier_of(entries, settings.output))
    check_old_gestures(start, added, known, settings)
    keep(added, samples, variants, namesakes, settings)


@dataclass(frozen=True)
class Start:
    """A checkpoint: its file, its entries, and the classifier that they make."""

    path: Path
    entries: dict[str, Any]
    classifier: Classifier

    @property
    def vocabulary(self) -> Any:
        """The gestures that it knows."""
        return self.classifier.vocabulary


def choose_start(settings: AddSettings) -> Start:
    """The landmark checkpoint that is named, or the newest of the usual ones.

    Raises:
        UserError: there is none, it sees no landmarks alone, or it knows the gesture already.
    """
    usual = [path for path in (settings.output, *settings.other_checkpoints) if path.is_file()]
    named = [settings.checkpoint] if settings.checkpoint is not None else sorted(usual, key=_age)
    for path in named:
        entries = read_checkpoint(path)
        if kind_of(entries["model"]).name == "landmarks":
            start = Start(path, entries, classifier_of(entries, path))
            _check_new(start, settings)
            return start
    found = f"{', '.join(map(str, named))} {'is' if len(named) == 1 else 'are'} none" if named else "there is none"
    raise UserError(
        f"a gesture is added to a landmark checkpoint, and {found}; make one (gestures retrain), or name it: "
        "add.checkpoint=FILE"
    )


def _age(path: Path) -> float:
    return -path.stat().st_mtime


def _check_new(start: Start, settings: AddSettings) -> None:
    same = [name for name in start.vocabulary if name.casefold() == settings.gesture.casefold()]
    if same:
        raise UserError(
            f"{start.path} knows {same[0]} already; choose another name, or give it more samples: `gestures record`, "
            "then `gestures retrain`"
        )


def gather(settings: AddSettings) -> list[NewSample]:
    """The samples that are named, or else recorded ones; none where the gesture is described by poses alone."""
    places = list(settings.pictures) or sessions_of_gesture(settings.recorded, settings.gesture)
    if not places:
        if settings.is_posed:
            say(f"{settings.gesture}: from its poses in conf/, without samples")
            return []
        raise UserError(f"{settings.no_samples}. {ASK}")
    with settings.detector.build() as detector:
        return find_samples(places, detector)


def fit_samples(samples: list[NewSample], start: Start, settings: AddSettings) -> list[FittedHand]:
    """The posable hand, fitted to each sample and shown beside it.

    Raises:
        UserError: the samples are not alike; says which differ.
    """
    if not samples:
        return []
    points = np.stack([sample.points for sample in samples])
    fits = fit_hands(points, np.stack([sample.world for sample in samples]))
    apart = differences(fits)
    write_sheet(settings.sheet, samples, fits, apart.tolist(), settings.poses, settings.seed)
    error = np.mean([each.error for each in fits])
    shown = "one sample" if len(samples) == 1 else f"{len(samples)} samples"
    say(f"fitted to {shown}, {error:.1%} of the hand off on average: {settings.sheet}")
    for sample, fit in zip(samples, fits, strict=True):
        if fit.error > BADLY_EXPLAINED:
            note(
                f"{sample.path}: the fitted hand is {fit.error:.0%} off; see whether it shows your gesture, or take "
                "another picture, from the front"
            )
    odd = are_called_otherwise(start.classifier, points) & (apart > settings.unlike / 3)
    unlike = [row for row in np.argsort(-apart).tolist() if apart[row] > settings.unlike or odd[row]]
    if unlike and not settings.force:
        which = ", ".join(f"{samples[number].path.name} ({apart[number]:.0f} degrees)" for number in unlike)
        raise UserError(
            f"the samples are not alike: {which} from the pose of the others. Look at {settings.sheet}; leave out what "
            "shows another gesture, or repeat the command with add.force=true"
        )
    return fits


def poses_of(fits: list[FittedHand], settings: AddSettings) -> list[dict[str, Any]]:
    """The gesture's poses: those in conf/, and a variant for each fitted hand.

    Few samples leave the depth open, so all poses that explain them count (see `FittedHand.others`).
    """
    described = list((settings.poses.get("gestures") or {}).get(settings.gesture) or [])
    return described + pose_variants_of(fits, settings.slack, settings.turns)


def make_lesson(
    start: Start, samples: list[NewSample], variants: list[dict[str, Any]], known: KnownHands, settings: AddSettings
) -> GestureLesson:
    """What the network learns from.

    Raises:
        UserError: the gesture is one that the checkpoint knows; says which.
    """
    points = np.stack([sample.points for sample in samples]) if samples else np.zeros((0, 21, 2), np.float32)
    posed = pose_variants(variants, settings.gesture, settings.poses, settings.posed, settings.seed)
    same = same_gesture(start.classifier, points, posed, known)
    if same is not None:
        _refuse_old(f"{settings.gesture} is what {start.path} knows as {same}", settings)
    mixed = mix_hands(points, known.lessons, settings.mixed, settings.seed)
    return GestureLesson(points, np.concatenate([posed, mixed]), known.lessons)


def _refuse_old(sentence: str, settings: AddSettings) -> None:
    if not settings.force:
        raise UserError(
            f"{sentence}. Nothing was added; show it in another way (see {settings.sheet}), or repeat the command with "
            "add.force=true"
        )
    note(sentence)


def extend_weights(start: Start, lesson: GestureLesson, gesture: str, seed: int) -> dict[str, Any]:
    """The entries of the checkpoint that knows the gesture, with weights for use where it had some."""
    about = (gesture, lesson, seed)
    entries = extend(start.entries, start.classifier, *about)
    if FOR_USE in start.entries:
        used = entries_for_use(start.entries)
        entries[FOR_USE] = extend(used, classifier_of(used, start.path), *about)["state_dict"]
    return entries


def check_old_gestures(start: Start, added: Start, known: KnownHands, settings: AddSettings) -> None:
    """Say what the old gestures lost.

    Raises:
        UserError: the new gesture takes too many hands of an old one: the two are the same.
    """
    points, truths = known.points[known.judges], known.gestures[known.judges]
    before, after = (predict_names(each.classifier, points) for each in (start, added))
    claimed = after == settings.gesture
    say(
        f"old gestures on {len(points):,} hands of {known.origin}: weighted F1 {_score(truths, before, start):.4f} "
        f"before, {_score(truths, after, added):.4f} now; {int(claimed.sum())} hands are taken for {settings.gesture}"
    )
    for name in start.vocabulary:
        share = claimed[truths == name].mean() if (truths == name).any() else 0.0
        if name == start.vocabulary.background or share < settings.claimed:
            continue
        _refuse_old(f"{settings.gesture} looks like {name}: it would take {share:.0%} of its hands", settings)


def _score(truths: np.ndarray, predictions: np.ndarray, of: Start) -> float:
    true, predicted = (np.asarray(of.vocabulary.indices(names.tolist())) for names in (truths, predictions))
    return weighted_f1(confusion_counts(true, predicted, len(of.vocabulary)))


def keep(
    added: Start,
    samples: list[NewSample],
    variants: list[dict[str, Any]],
    namesakes: Namesakes,
    settings: AddSettings,
) -> None:
    """Write the checkpoint, the session and the settings; say what is next."""
    sessions = keep_sessions(samples, settings.gesture, settings.subject, settings.recorded)
    names = list(dict.fromkeys([*settings.vocabulary.names, settings.gesture]))
    add_to_local(settings.local, settings.gesture, names, variants, namesakes.labels)
    _tell_forgotten(added)
    save(added.entries, added.path)
    say(
        f"{settings.gesture} is added: {added.path} knows {len(added.vocabulary)} gestures; {settings.local} has it too"
    )
    if sessions:
        say(f"the samples are in {', '.join(map(str, sessions))}, for later trainings")
    _tell_namesakes(namesakes, settings)
    checkpoint, source = (shlex.quote(f"{name}={value}") for name, value in _describe_use(added, settings).items())
    next_steps(
        {
            "try it": f"gestures live {checkpoint} {source}",
            "on pictures": f"gestures predict input=PICTURES {checkpoint}",
            "train on all": "gestures retrain",
        }
    )


def _tell_forgotten(added: Start) -> None:
    """Say what the checkpoint knows that is replaced, and the new one does not."""
    try:
        replaced = Vocabulary.from_mapping(read_checkpoint(added.path)["gestures"])
    except (UserError, DataError):  # there is none, or none that anybody can use
        return
    forgotten = [name for name in replaced if name not in set(added.vocabulary)]
    if forgotten:
        note(
            f"{added.path} knew {', '.join(forgotten)} too, and does not any more, since another checkpoint was named; "
            "add what is missing again without add.checkpoint, or train on all: gestures retrain"
        )


def _describe_use(added: Start, settings: AddSettings) -> dict[str, object]:
    return {"checkpoint": added.path, "source": settings.source}


def _tell_namesakes(namesakes: Namesakes, settings: AddSettings) -> None:
    if namesakes.labels:
        say(
            f"published hands called {', '.join(namesakes.labels)} are {settings.gesture} in later trainings "
            f"(gestures.labels in {settings.local}); take the lines out if they show something else"
        )
    for label, gesture in namesakes.elsewhere.items():
        note(f"published hands called {label} stay {gesture}, as the label map of their source says")

"""The admission rule: which recorded or mined samples join the training set, and which sessions are held out for val.

A sample of a known gesture joins where the current model errs on it or is unsure of it; what the model knows already
teaches it nothing. A small share of easy ones joins too, so that the set is not all errors. And a share of the sessions
is held out: they go to val as they are, hard and easy alike, because a val split that the model's own errors were
picked for would say nothing about how good it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from static_gesture_classification.arrays import Floats, Integers
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import TEST, TRAIN, VAL, read_rows, subject_name, subject_of
from static_gesture_classification.settings import Settings
from static_gesture_classification.sources.recorded import RECORDED, SESSION_FILE, RecordedImage, Session, read_session
from static_gesture_classification.sources.source import folders_in

Outcome = Literal["planned error", "error", "unsure", "easy"]
PLANNED_ERROR: Outcome = "planned error"
ERROR: Outcome = "error"
UNSURE: Outcome = "unsure"
EASY: Outcome = "easy"
OUTCOMES = (PLANNED_ERROR, ERROR, UNSURE, EASY)
FREE = ""  # the split stage decides
SCORE_DECIMALS = 5  # of a score that is written down
SHARE_ROUNDING = 1e-9  # so that one in ten of ten is one


class AdmissionSettings(Settings, key="admission"):
    """The `admission` node of the configuration.

    Args:
        margin: below this gap between the two highest probabilities the model is unsure.
        easy: share of the admitted samples that may be easy ones.
        held_out: share of the sessions that go to val, whole.
    """

    margin: float = Field(default=0.3, ge=0, le=1, strict=True)
    easy: float = Field(default=0.1, ge=0, lt=1, strict=True)
    held_out: float = Field(default=0.2, ge=0, lt=1, strict=True)


@dataclass(frozen=True)
class Judgement:
    """The model's prediction for a sample of a known gesture, and what follows.

    Args:
        prediction: the most probable gesture; "" where the model found no hand.
        score: its probability.
        margin: gap between the two highest probabilities, 0..1.
        outcome: "planned error" (taken for what the plan says), "error", "unsure" or "easy".
        admitted: whether the sample joins.
    """

    prediction: str
    score: float
    margin: float
    outcome: Outcome
    admitted: bool

    def as_record(self, because: str | None = None) -> dict[str, Any]:
        """The fields that `session.json` keeps; `because` replaces the outcome as the reason to keep the sample."""
        return {
            "prediction": self.prediction or None,
            "score": round(self.score, SCORE_DECIMALS),
            "kept_because": because or self.outcome,
        }


@dataclass
class SetCounts:
    """How many hard and easy samples a set has so far."""

    hard: int = 0
    easy: int = 0

    def has_room_for_easy(self, share: float) -> bool:
        """Whether one more easy sample keeps the easy ones' share of the set at or below `share`."""
        return self.easy + 1 <= share * (self.hard + self.easy + 1) + SHARE_ROUNDING

    def add(self, judgement: Judgement) -> None:
        """Count a sample that was kept."""
        if judgement.outcome == EASY:
            self.easy += 1
        else:
            self.hard += 1


@dataclass(frozen=True)
class Judgements:
    """Judgements of n samples in columns; `admitted` leaves easy ones out. Iterates as single `Judgement`s."""

    prediction: npt.NDArray[np.object_]
    score: Floats
    margin: Floats
    outcome: npt.NDArray[np.object_]
    admitted: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, row: int) -> Judgement:
        return Judgement(
            str(self.prediction[row]),
            float(self.score[row]),
            float(self.margin[row]),
            self.outcome[row],
            bool(self.admitted[row]),
        )

    def __iter__(self) -> Iterator[Judgement]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: Integers) -> Judgements:
        """The judgements of some rows, int (k,)."""
        return Judgements(
            self.prediction[rows], self.score[rows], self.margin[rows], self.outcome[rows], self.admitted[rows]
        )

    def with_easy_share(self, share: float, kept: SetCounts | None = None) -> Judgements:
        """The same with easy samples admitted in row order, up to `share` of all admitted samples.

        Args:
            kept: the samples that the set has already; new ones are added to these counts.
        """
        kept = kept or SetCounts()
        admitted = self.admitted.copy()
        for row, judgement in enumerate(self):
            if judgement.outcome == EASY:
                admitted[row] = kept.has_room_for_easy(share)
            if admitted[row]:
                kept.add(judgement)
        return Judgements(self.prediction, self.score, self.margin, self.outcome, admitted)


def judge(
    probabilities: Floats,
    gesture: str,
    vocabulary: Vocabulary,
    settings: AdmissionSettings,
    mistaken_for: str | None = None,
    kept: SetCounts | None = None,
) -> Judgement:
    """Judge one sample by the model's probabilities.

    Args:
        probabilities: (C,) of the model's gestures; all zero where it found no hand.
        gesture: what the sample shows. One that the model does not know is always an error.
        vocabulary: the model's C gestures.
        mistaken_for: the gesture that the model takes this one for, by the plan.
        kept: the samples that the set has so far. With it, an easy sample is admitted where there is room for one. The
            counts do not change: call `kept.add` once the sample is kept.
    """
    judgement = judge_all(np.asarray(probabilities)[None], [gesture], vocabulary, settings, [mistaken_for])[0]
    if judgement.outcome == EASY and kept is not None and kept.has_room_for_easy(settings.easy):
        return Judgement(judgement.prediction, judgement.score, judgement.margin, EASY, True)
    return judgement


def judge_all(
    probabilities: Floats,
    gestures: Sequence[str],
    vocabulary: Vocabulary,
    settings: AdmissionSettings,
    mistaken_for: Sequence[str | None] | None = None,
) -> Judgements:
    """Judge n samples; see `judge`.

    Args:
        probabilities: (n, C); a row of zeros where no hand was found.
        gestures: n names.
        mistaken_for: n names or None, or None for all.

    Raises:
        ValueError: the shapes do not fit, or a probability is not a number.
    """
    p = np.asarray(probabilities, np.float64)
    if p.shape != (len(gestures), len(vocabulary)):
        raise ValueError(f"probabilities {p.shape} for {len(gestures)} samples of {len(vocabulary)} gestures")
    if not np.isfinite(p).all():
        raise ValueError("a probability is not a number")
    best = p.argmax(axis=1)
    score = p[np.arange(len(p)), best]
    second = np.partition(p, -2, axis=1)[:, -2]
    prediction = np.array([*vocabulary, ""], object)[np.where(score > 0, best, -1)]
    margin = score - second
    wrong = prediction != np.array(gestures, object)
    planned = np.array([None] * len(p) if mistaken_for is None else list(mistaken_for), object)
    outcome = np.where(margin < settings.margin, UNSURE, EASY).astype(object)
    outcome[wrong] = ERROR
    outcome[wrong & (prediction == planned)] = PLANNED_ERROR
    return Judgements(prediction, score, margin, outcome, outcome != EASY)


@dataclass(frozen=True)
class PastSession:
    """The split of a session, or of one subject's part of a mined session.

    Args:
        subject: a name for a recorded subject, `<source>/<name>` for a dataset's; "" if unknown.
        split: the session's own split: "train", "val", "test", or "" where the split stage decides.
        placed: the split that the split stage last gave this subject; "" if it has not seen them.
    """

    subject: str
    split: str = FREE
    placed: str = FREE


@dataclass(frozen=True)
class Placement:
    """Which split a new session goes to ("train", "val", "test", or "" where the split stage decides), and why."""

    split: str
    reason: str

    @property
    def held_out(self) -> bool:
        """Whether the session is held out: all of it is kept then, not only what the model finds hard."""
        return self.split in (VAL, TEST)


def split_for(
    subject: str, past: Sequence[PastSession], share: float, group: str = "subject", whole: bool = False
) -> Placement:
    """Which split a new session of a subject goes to.

    A subject stays in one split. New subjects (new sessions, with `group="session"`) are held out as long as held-out
    sessions stay at or below `share` of all sessions; so the first go to train.

    Args:
        subject: who performs; "" is a new one each time.
        past: the sessions so far (`past_sessions`).
        share: of sessions to hold out, 0..1 (`admission.held_out`).
        group: `split.group`: "subject", or "session" where only sessions are kept apart.
        whole: the session keeps everything that was performed, not only what is hard. Then it need not go to train: the
            split stage may place it where samples are missing.
    """
    who = subject or "this person"
    own = [session for session in past if subject and session.subject == subject] if group == "subject" else []
    if own:
        return _split_of_known(who, own, whole)
    held, total = sum(session.split == VAL for session in past), len(past)
    unit = "person" if group == "subject" else "session"
    if share > 0 and held + 1 <= share * (total + 1) + SHARE_ROUNDING:
        return Placement(
            VAL,
            f"held out for val, whole: {held} of {total} sessions are so far, admission.held_out asks for {share:.0%}. "
            f"It shows how well the model does on a {unit} that it never learned from",
        )
    if whole:
        return Placement(FREE, "the split stage decides, so that each split has enough of each gesture")
    reason = f"to train: {held} of {total} earlier sessions are held out for val, as far as {share:.0%} goes"
    return Placement(TRAIN, reason)


def place_session(
    roots: Sequence[Path],
    split_table: Path | None,
    subject: str,
    share: float,
    group: str = "subject",
    whole: bool = False,
) -> Placement:
    """The split of a new session beside those of all `roots`; damaged ones are left for the index stage to report.

    Args:
        roots: folders of sessions whose subjects are the same people.
        split_table, subject, share, group, whole: see `past_sessions` and `split_for`.
    """
    try:
        past = [session for root in dict.fromkeys(roots) for session in past_sessions(root, split_table)]
    except (DataError, UserError) as error:
        return Placement(FREE, f"the split stage decides ({error})")
    return split_for(subject, past, share, group, whole)


def _split_of_known(who: str, own: Sequence[PastSession], whole: bool) -> Placement:
    """The split of a subject who has sessions already; test before train before val, as in the split stage."""
    splits, placed = {session.split for session in own}, {session.placed for session in own}
    for split in (TEST, TRAIN, VAL):
        if split in splits:
            return Placement(split, f"{who} is in {split} already, and a person is never in two splits")
    for split in (TEST, VAL):
        if split in placed:
            return Placement(split, f"the split stage put {who} in {split}, and a person is never in two splits")
    if whole:
        return Placement(FREE, f"it goes wherever the split stage puts {who}")
    return Placement(TRAIN, f"to train, as all of {who}: a person is never in two splits")


def past_sessions(root: Path, split_table: Path | None = None, source: str = RECORDED) -> list[PastSession]:
    """The sessions in a folder of recordings, one entry for each subject of each, in the order of their names.

    Args:
        root: the folder; none where it does not exist.
        split_table: the split stage's sample table; left out where there is none.
        source: the name of the source that reads them.

    Raises:
        DataError: a session is damaged.
    """
    placed = _read_placed(split_table, source) if split_table is not None and split_table.is_file() else {}
    found = []
    for name in folders_in(root):
        if not (root / name / SESSION_FILE).is_file():
            continue
        session = read_session(root / name)
        subjects = {_subject(session, image, source) for image in session.images} or {session.subject}
        found += [PastSession(each, session.split, placed.get(each or name, FREE)) for each in sorted(subjects)]
    return found


def session_subject(subject: str, source: str = RECORDED) -> str:
    """A subject's name in all sources, as `PastSession` writes it."""
    return subject.removeprefix(f"{source}/")


def _subject(session: Session, image: RecordedImage, source: str) -> str:
    if image.source:
        return session_subject(subject_name(image.source, image.subject or ""), source)
    return image.subject or session.subject


def _read_placed(split_table: Path, source: str) -> dict[str, str]:
    """Subject -> split, over all sources; a sample without a subject counts by its session."""
    samples = read_rows(split_table, ["source", "subject", "session", "split"])
    samples = samples[samples["split"] != ""]
    subjects = subject_of(samples)
    named = subjects.where(subjects != "", samples["session"])
    return {
        session_subject(str(name), source): split for name, split in zip(named, samples["split"], strict=True) if name
    }

"""Three worlds in which samples are added: the pool, a new person in a new room, and errors caught in use.

Every world divides people into start (trained on from the beginning), val (which the plan knows), pool (what can be
added) and test. Nobody is in two of them, but for the new person, of whom one room is pool and the others are test.
A run adds samples as a policy says and trains the landmark model anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import policies
from guided_recording import GuidedRecording, Model, recording_settings, retrained
from people_hands import FRAMES_MAN, FRAMES_ROOMS, THUMBS, PeopleHands, read_hands

from static_gesture_classification.active_learning.admission import EASY, UNSURE, judge_all
from static_gesture_classification.active_learning.planning.dealing import Dealer, DealingSettings, standings_of
from static_gesture_classification.training.scores import weighted_f1

RANDOM, FREE = "random", "free recording"
PLAN, HARD, BOTH = "the plan alone", "the selector alone", "plan and selector"
MARKED, UNMARKED = "caught: wrong or unsure", "caught: unsure only"
HELD_OUT_ROOMS = tuple(FRAMES_ROOMS[name] for name in ("af17", "e1b0", "15cd", "8e97", "S1", "S3"))
POOL_ROOMS = tuple(FRAMES_ROOMS[name] for name in ("dd64", "b3d5", "facf", "S2", "S4", "S5"))
HELD_OUT_SHARE = 96  # of 256
VAL_SHARE = 0.2  # of the pool's people of few pictures
OTHERS_TESTED = 0.3  # of everybody but the new person
ROOMS_OF_FRAMES_MAN = {  # where he is recorded; he is tested in all his other rooms
    "webcam man, a long session": (FRAMES_ROOMS["dd64"],),
    "webcam man, five rooms of another camera": tuple(FRAMES_ROOMS[f"S{number}"] for number in range(1, 6)),
    "webcam man, six short sessions": tuple(
        FRAMES_ROOMS[name] for name in ("af17", "b3d5", "e1b0", "15cd", "facf", "8e97")
    ),
}
HALVED = {"emre-A, half of his pictures": "more/emre-A", "emre-B, half of his pictures": "more/emre-B"}
NEW_PEOPLE = (*ROOMS_OF_FRAMES_MAN, *HALVED)


@dataclass(frozen=True)
class World:
    """Rows of one division; `tests` are scored one by one."""

    start: np.ndarray
    val: np.ndarray
    pool: np.ndarray
    tests: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Run:
    """Weighted F1 (tests, points) at each number of added samples, and photographs looked at (points,)."""

    scores: np.ndarray
    looked_at: np.ndarray
    added: np.ndarray


@lru_cache
def all_hands(cache: str) -> PeopleHands:
    """See `read_hands`; once a process."""
    return read_hands(Path(cache))


def pool_world(hands: PeopleHands, seed: int, start: int, tuning: bool = False) -> World:
    """The pool of today; with `tuning`, a division of the pool's own people, so that the test's take no part.

    Args:
        start: samples of each gesture to start from.
    """
    names = np.unique(hands.room[~np.char.startswith(hands.room, "more/")])
    held_out = [name for name in names.tolist() if _held_out(hands, name)]
    own = [name for name in names.tolist() if name not in held_out]
    few = np.random.default_rng([seed, 9]).permutation([name for name in own if (hands.room == name).sum() <= 20])
    val, tested = round(VAL_SHARE * len(few)), len(few) // 3 if tuning else 0
    test = few[val : val + tested].tolist() if tuning else held_out
    out = np.isin(hands.room, [*few[:val].tolist(), *test])
    pool = np.flatnonzero(np.isin(hands.room, own) & ~out)
    begin = np.random.default_rng([seed, 1])
    classes = range(len(hands.vocabulary))
    known = np.concatenate([begin.permutation(pool[hands.gesture[pool] == index])[:start] for index in classes])
    rows = [np.flatnonzero(np.isin(hands.room, part)) for part in (few[:val], test)]
    return World(known, rows[0], np.setdiff1d(pool, known), (rows[1],))


def person_world(hands: PeopleHands, who: str, seed: int) -> World:
    """A new person: start without them, record one place, score on their other places and on everybody else."""
    person = hands.person == HALVED.get(who, FRAMES_MAN)
    random = np.random.default_rng([seed, 7])
    if who in HALVED:
        halves = [random.permutation(np.flatnonzero(person & (hands.gesture == index))) for index in range(10)]
        recorded = np.concatenate([rows[: (len(rows) + 1) // 2] for rows in halves])
    else:
        recorded = np.flatnonzero(np.isin(hands.room, ROOMS_OF_FRAMES_MAN[who]))
    other = np.setdiff1d(np.flatnonzero(person), recorded)
    names = random.permutation(np.unique(hands.room[~person & (hands.person != THUMBS) & (hands.room != "folder")]))
    val, test = round(VAL_SHARE * len(names)), round(OTHERS_TESTED * len(names))
    rows = [np.flatnonzero(np.isin(hands.room, part)) for part in (names[:val], names[val : val + test])]
    start = np.setdiff1d(np.flatnonzero(~person), np.concatenate(rows))
    return World(start, rows[0], recorded, (other, rows[1]))


def _held_out(hands: PeopleHands, room: str) -> bool:
    """Whether a person or room is the report's test; fixed by name before anything was measured."""
    if room in HELD_OUT_ROOMS:
        return True
    if room in POOL_ROOMS or (hands.person[hands.room == room] == THUMBS).any():
        return False
    return hashlib.blake2b(room.encode(), digest_size=2).digest()[0] < HELD_OUT_SHARE


def add_in_rounds(
    cache: str, world: World, policy: str, seed: int, points: Sequence[int], dealing: DealingSettings | None = None
) -> Run:
    """Add up to each of the points in turn, and train after each."""
    hands, random = all_hands(cache), np.random.default_rng([seed, 2])
    known, looked = world.start, 0
    with _quiet():
        model = retrained(hands, known, world.val, seed)
        scores, looks = [_scores(hands, model, world)], [0]
        for last, point in zip([0, *points], points, strict=False):
            adding = Adding(hands, model, np.setdiff1d(world.pool, known), random, seed, dealing)
            new, seen = adding.rows(policy, point - last)
            known, looked = np.concatenate([known, new]), looked + seen
            model = retrained(hands, known, world.val, seed)
            scores.append(_scores(hands, model, world))
            looks.append(looked)
    return Run(np.array(scores).T, np.array(looks), np.array([0, *points]))


def record_once(cache: str, who: str, policy: str, seed: int, points: Sequence[int]) -> Run:
    """Add a new person's samples in one session up to the last point; the model trains anew for each of the points."""
    hands, random = all_hands(cache), np.random.default_rng([seed, 2])
    world = person_world(hands, who, seed)
    with _quiet():
        first = retrained(hands, world.start, world.val, seed)
        runs = [(_scores(hands, first, world), 0, 0)]
        adding = Adding(hands, first, world.pool, random, seed, None, fill=False)
        session = None if policy == FREE else adding.rows(policy, max(points))
        for point in points:
            new, seen = adding.rows(policy, point) if session is None else session
            new = new[:point]
            model = retrained(hands, np.concatenate([world.start, new]), world.val, seed)
            runs.append((_scores(hands, model, world), seen, len(new)))
    scores, looked, added = zip(*runs, strict=True)
    return Run(np.array(scores).T, np.array(looked), np.array(added))


@dataclass(frozen=True)
class Adding:
    """Adds samples from what is left.

    Args:
        left: rows that can be added. dealing: other settings than the recorder's.
        fill: whether free recording makes up for what a recording that ends early lacks.
    """

    hands: PeopleHands
    model: Model
    left: np.ndarray
    random: np.random.Generator
    seed: int
    dealing: DealingSettings | None = None
    fill: bool = True

    def rows(self, policy: str, count: int) -> tuple[np.ndarray, int]:
        """Rows to add, at most `count`, and how many photographs were looked at."""
        shuffled = self.random.permutation(self.left)
        gestures = self.hands.gesture[shuffled]
        if policy == RANDOM:
            return shuffled[:count], count
        if policy == FREE:
            return policies.free_rows(shuffled, gestures, count, self.random), count
        if policy in (MARKED, UNMARKED):
            return self._caught(shuffled, (UNSURE,) if policy == UNMARKED else None, count)
        return self._recorded(policy, count)

    def _recorded(self, policy: str, count: int) -> tuple[np.ndarray, int]:
        """What the recorder keeps."""
        dealing = self.dealing or recording_settings().dealing
        dealer = None
        if policy in (PLAN, BOTH):
            names = self.hands.vocabulary.names
            standings = standings_of(*self.model.val_names(self.hands), names)
            there = [name for index, name in enumerate(names) if (self.hands.gesture[self.left] == index).any()]
            dealer = Dealer(dealing, there, standings, self.seed)
        hard = policy in (HARD, BOTH)
        recording = GuidedRecording(self.hands, self.model, self.left, self.random, dealer, hard, dealing)
        new, looked = recording.record(count), recording.looked_at
        if self.fill and len(new) < count:
            rest = self.random.permutation(np.setdiff1d(self.left, new))
            more = policies.free_rows(rest, self.hands.gesture[rest], count - len(new), self.random)
            new, looked = np.concatenate([new, more]), looked + len(more)
        return new, looked

    def _caught(self, stream: np.ndarray, outcomes: tuple[str, ...] | None, count: int) -> tuple[np.ndarray, int]:
        """The first hands of a stream that the admission rule calls wrong or unsure, as catching in use keeps them."""
        names = np.array(self.hands.vocabulary.names, object)[self.hands.gesture[stream]].tolist()
        rule = recording_settings().admission
        judged = judge_all(self.model.probabilities[stream], names, self.hands.vocabulary, rule).outcome
        hits = judged != EASY if outcomes is None else np.isin(judged, outcomes)
        places = np.flatnonzero(hits)[:count]
        return stream[places], int(places[-1]) + 1 if len(places) == count else len(stream)


def _scores(hands: PeopleHands, model: Model, world: World) -> list[float]:
    return [weighted_f1(model.matrix(hands, rows)) for rows in world.tests]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines of training."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield

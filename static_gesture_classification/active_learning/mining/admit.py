"""Admit: let the mined hands that a reviewer kept into the training set, by the admission rule.

    gestures admit mining.list=reports/mined/<pool>/list.csv

The current checkpoint (`checkpoint`) judges each hand that is kept. Those that it gets wrong or is unsure of join, with
a small share of the others; what it said stays with each. They become a recorded session, `mined-<pool>-<hash>`, whose
images are the hands with their surroundings; deleting that folder undoes it. The same list gives the same folder, and a
hand that is in one already is not added again.

Nobody is held out for val here unless `mining.held_out` says so: these hands were picked for the errors of one model,
so a val split with them in it would make that model look worse than it is, and the next one better. Hands of a person
who is held out already go to val, in a session of their own, since a person is never on two sides.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from PIL import Image
from rich.markup import escape

from static_gesture_classification.active_learning.admission import (
    OUTCOMES,
    TRAIN,
    VAL,
    Judgement,
    PastSession,
    Settings,
    judge_all,
    name_here,
    past_sessions,
    split_for,
)
from static_gesture_classification.active_learning.mining.found_hands import SOURCE
from static_gesture_classification.active_learning.mining.pool import digest_of, inputs_of
from static_gesture_classification.active_learning.mining.pool_images import pictures
from static_gesture_classification.active_learning.mining.review_list import MinedList, read_list
from static_gesture_classification.atomic_files import atomic_path
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.evaluate import torch_device
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import UnreadableImageError
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.preparation.geometry import hand_square
from static_gesture_classification.samples import BOX, image_path, person_name
from static_gesture_classification.sources.recorded import (
    MINED_FROM,
    SESSION_FILE,
    Confusion,
    RecordedImage,
    Session,
    read_session,
    write_session,
)
from static_gesture_classification.sources.source import folders_in
from static_gesture_classification.terminal import Table, console
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import Classifier, load_classifier

PREFIX = "mined-"
QUALITY = 95
HELD_OUT = "held out"  # kept_because of samples that go to val whatever the model says of them


@entry_point
def main(config: DictConfig) -> None:
    """Admit the reviewed list."""
    hardware.use_processor(config.trainer.threads)
    mined = reviewed(config)
    classifier = load_classifier(Path(config.checkpoint), torch_device(config))
    root = Path(config.mining.root)
    new = without_admitted(mined, root)
    judged = judge_hands(new, classifier, config)
    sides = sides_of(judged, config)
    sessions = [session for split in (TRAIN, VAL) if (session := session_of(judged, sides, split, mined, config))]
    for session in sessions:
        write_mined(session, root, config)
    print_admitted(judged, sides, sessions, root)


def reviewed(config: DictConfig) -> MinedList:
    """The hands to keep. Raises `UserError` where no list is named, or it keeps none."""
    if config.mining.list is None:
        raise UserError(f"say which list to admit: mining.list={config.mining.output}/<pool>/list.csv")
    path = Path(config.mining.list)
    mined = read_list(path, Vocabulary.from_config(config.gestures))
    if mined.table.empty:
        raise UserError(f"{path} keeps no hand; write yes in the column keep of those that show their gesture")
    return mined


def without_admitted(mined: MinedList, root: Path) -> MinedList:
    """Without the hands that are in a mined session already.

    Raises:
        UserError: all of them are.
    """
    there = {
        Path(image.file).stem
        for name in folders_in(root)
        if name.startswith(PREFIX) and (root / name / SESSION_FILE).is_file()
        for image in read_session(root / name).images
    }
    new = ~mined.table["sample_id"].isin(there).to_numpy()
    if not new.any():
        raise UserError(f"all {len(new):,} hands of this list are in {root} already; undo by deleting {root}/{PREFIX}*")
    if not new.all():
        console.print(
            f"{int((~new).sum()):,} hands are in {root} already and stay as they are", highlight=False, markup=False
        )
    table, samples = mined.table[new].reset_index(drop=True), mined.samples[new].reset_index(drop=True)
    return MinedList(table, samples.assign(person=people_of(samples)), mined.origin)


def people_of(samples: pd.DataFrame) -> list[str]:
    """Who each hand is of, as `admission.PastSession` names them: people of a dataset by the name that they have in all
    sources, others as the reviewer calls them; "" where nobody knows.
    """
    return [
        subject if source == SOURCE else name_here(person_name(source, subject))
        for source, subject in zip(samples["source"], samples["subject"], strict=True)
    ]


@dataclass(frozen=True)
class Judged:
    """Kept hands and what the checkpoint said of them.

    Args:
        samples: sample table, n rows, with a column `person` (`people_of`); `gesture` and `subject` are the reviewer's.
        judgements: n of them, with the share of easy ones that may join.
        mistaken_for: n names, of the plan's lines; "" without one.
        unseen: hands of which the checkpoint saw nothing: sample_id and reason.
    """

    samples: pd.DataFrame
    judgements: list[Judgement]
    mistaken_for: list[str]
    unseen: list[tuple[str, str]]


def judge_hands(mined: MinedList, classifier: Classifier, config: DictConfig) -> Judged:
    """Judge the hands by the current checkpoint, on their pool images.

    Raises:
        DataError: none of them can be seen (the images are gone).
    """
    samples, unseen = mined.samples, []
    seen: dict[int, np.ndarray] = {}
    for row, content in inputs_of(samples, np.arange(len(samples)), classifier, config):
        if isinstance(content, str):
            unseen.append((str(samples["image"].iloc[row]), content))
        else:
            seen[row] = content
    if not seen:
        raise DataError(f"none of the hands can be seen: {unseen[0][0]}: {unseen[0][1]}; mine again")
    rows = sorted(seen)
    probabilities, _ = classifier.predict(np.stack([seen[row] for row in rows]))
    samples, table = samples.iloc[rows].reset_index(drop=True), mined.table.iloc[rows]
    settings = Settings.from_config(config.admission)
    own = table["gesture"] == table["line"].str.partition(" taken for ")[0]  # the reviewer may have said another
    mistaken_for = table["mistaken_for"].where(own, "").tolist()
    judgements = judge_all(
        probabilities, samples["gesture"].tolist(), classifier.vocabulary, settings, mistaken_for
    ).with_easy_share(settings.easy)
    return Judged(samples, list(judgements), mistaken_for, unseen)


def sides_of(judged: Judged, config: DictConfig) -> dict[str, str]:
    """Person -> split. People come in an order that depends on nothing but who they are."""
    past = past_sessions(Path(config.mining.root), Path(config.paths.splits) / SAMPLES)
    share = config.mining.held_out
    sides: dict[str, str] = {}
    for person in sorted(set(judged.samples["person"]), key=lambda name: _hash(f"{config.seed}\0{name}")):
        sides[person] = VAL if split_for(person, past, share).held_out else TRAIN
        past.append(PastSession(person, sides[person]))
    return sides


@dataclass(frozen=True)
class MinedSession:
    """A session to write.

    Args:
        name: of its folder.
        session: its content, without images.
        rows: of the judged samples, which become its images.
        judged: the samples.
    """

    name: str
    session: Session
    rows: list[int]
    judged: Judged


def session_of(
    judged: Judged, sides: dict[str, str], split: str, mined: MinedList, config: DictConfig
) -> MinedSession | None:
    """The session of the people of one split: all of them in val, those that the rule admits in train; or None."""
    rows = [
        row
        for row, (person, judgement) in enumerate(zip(judged.samples["person"], judged.judgements, strict=True))
        if sides[person] == split and (split == VAL or judgement.admitted)
    ]
    if not rows:
        return None
    samples = judged.samples.iloc[rows]
    content = split + "\0".join(
        sorted(f"{sample} {gesture}" for sample, gesture in zip(samples["sample_id"], samples["gesture"], strict=True))
    )
    pool = re.sub(r"[^\w.-]+", "_", mined.origin.pool.rstrip("/").rpartition("/")[2])
    pairs = {(samples["gesture"].iloc[at], judged.mistaken_for[row]) for at, row in enumerate(rows)}
    confusion = Confusion(*pairs.pop()) if len(pairs) == 1 and all(next(iter(pairs))) else None
    session = Session(
        gesture=str(samples["gesture"].mode().iloc[0]),
        camera=f"{MINED_FROM}{mined.origin.pool}",
        confusion=confusion,
        checkpoint=f"{config.checkpoint} ({digest_of(Path(config.checkpoint))})",
        split=split,
    )
    return MinedSession(f"{PREFIX}{pool}-{_hash(content)}", session, rows, judged)


def write_mined(mined: MinedSession, root: Path, config: DictConfig) -> None:
    """Write a session: its images first, then session.json.

    Raises:
        OutputError: read-only folder, full disk; without session.json what is there does not count.
    """
    folder = root / mined.name
    samples = mined.judged.samples
    margin = max(config.mining.surroundings, config.crops.margin)
    rows_of: dict[Path, list[int]] = {}
    for row in mined.rows:
        rows_of.setdefault(image_path(samples["root"].iloc[row], samples["image"].iloc[row]), []).append(row)
    images: dict[int, RecordedImage] = {}
    for path, pixels in pictures(rows_of):
        for row in rows_of[path]:
            if not isinstance(pixels, UnreadableImageError):
                images[row] = write_image(folder, pixels, samples.iloc[row], mined, row, margin)
    ordered = tuple(images[row] for row in mined.rows if row in images)
    write_session(folder, Session(**{**vars(mined.session), "images": ordered}))


def write_image(
    folder: Path, pixels: np.ndarray, sample: pd.Series, mined: MinedSession, row: int, margin: float
) -> RecordedImage:
    """Cut a hand with its surroundings out, save it as JPEG, and describe it."""
    height, width = pixels.shape[:2]
    box = [float(sample[name]) for name in BOX]
    left, top, right, bottom = surroundings(width, height, box, margin)
    file = f"{sample['sample_id']}.jpg"
    with atomic_path(folder / file) as partial:
        cut = np.ascontiguousarray(pixels[top:bottom, left:right])
        Image.fromarray(cut).save(partial, "JPEG", quality=QUALITY, subsampling=0)
    scale = np.array([width, height]) / [right - left, bottom - top]
    shift = np.array([left, top]) / [right - left, bottom - top]
    judgement = mined.judged.judgements[row]
    held_out = mined.session.split == VAL
    marks = sample["landmarks"]
    return RecordedImage(
        file=file,
        box=tuple(np.clip(np.reshape(box, (2, 2)) * scale - shift, 0, 1).ravel().tolist()),
        hand=str(sample["hand"]),
        gesture=None if sample["gesture"] == mined.session.gesture else str(sample["gesture"]),
        landmarks=None if marks is None else _pairs(np.reshape(marks, (-1, 2)) * scale - shift),
        prediction=judgement.prediction,
        score=round(judgement.score, 4),
        kept_because=HELD_OUT if held_out else judgement.outcome,
        subject=str(sample["subject"]),
        source=None if sample["source"] == SOURCE else str(sample["source"]),
    )


def surroundings(width: int, height: int, box: Sequence[float], margin: float) -> tuple[int, int, int, int]:
    """The part of an image to keep around a hand: left, top, right, bottom in whole pixels, inside the image."""
    square = hand_square(width, height, box, margin)
    return (
        max(0, int(np.floor(square.left))),
        max(0, int(np.floor(square.top))),
        min(width, int(np.ceil(square.left + square.side))),
        min(height, int(np.ceil(square.top + square.side))),
    )


def _pairs(points: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points.round(6))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def print_admitted(judged: Judged, sides: dict[str, str], sessions: Sequence[MinedSession], root: Path) -> None:
    """Print what became of the hands, and what to do next."""
    table = Table(title="kept hands, by what the model says of them", title_justify="left")
    table.add_column("outcome")
    for heading in ("hands", "to train", "held out for val", "left out"):
        table.add_column(heading, justify="right")
    for outcome in OUTCOMES:
        counts = _counts(judged, sides, outcome)
        table.add_row(outcome, *(f"{count:,}" for count in counts))
    console.print(table)
    for image, reason in judged.unseen[:3]:
        console.print(f"[yellow]left out:[/] {escape(image)}: {escape(reason)}", highlight=False, soft_wrap=True)
    if not sessions:
        console.print("Nothing joins: the model is sure and right about all of them.")
        return
    folders = [str(root / session.name) for session in sessions]
    console.print(f"written: {', '.join(folders)}", highlight=False, soft_wrap=True, markup=False)
    for line in next_commands(folders):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def next_commands(folders: Sequence[str]) -> list[str]:
    """What to run next, and how to undo it."""
    quoted = " ".join(shlex.quote(folder) for folder in folders)
    return [
        "Then: gestures retrain   # within a minute: do they help?",
        f"      dvc add {quoted}   # keep them under version control",
        "      dvc repro   # train on them, evaluate, make the next plan",
        f"Undo: rm -r {quoted}",
    ]


def _counts(judged: Judged, sides: dict[str, str], outcome: str) -> tuple[int, int, int, int]:
    of = [
        (sides[person], judgement.admitted)
        for person, judgement in zip(judged.samples["person"], judged.judgements, strict=True)
        if judgement.outcome == outcome
    ]
    train = sum(side == TRAIN and admitted for side, admitted in of)
    held = sum(side == VAL for side, _ in of)
    return len(of), train, held, len(of) - train - held


if __name__ == "__main__":
    main()

"""Admit mined hands that a reviewer kept into the training set, by the admission rule.

    gestures admit mining.list=reports/mined/<pool>/list.csv

The current checkpoint (`checkpoint`) judges each kept hand. Hands that it gets wrong or is unsure of are admitted, with
a small share of easy ones; each keeps the checkpoint's prediction. They become a recorded session,
`mined-<pool>-<hash>`, whose images are the hands with their surroundings; deleting that folder undoes it. The same list
gives the same folder, and a hand that is in a mined session already is not added again.

No subject is held out for val here unless `mining.held_out` says so: these hands were picked for the errors of one
model, so on val they would make that model look worse than it is, and the next one better. Hands of a subject who is
held out already go to val, in a session of their own, since a subject is never in two splits.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.active_learning.admission import (
    OUTCOMES,
    TRAIN,
    VAL,
    Judgement,
    PastSession,
    judge_all,
    past_sessions,
    session_subject,
    split_for,
)
from static_gesture_classification.active_learning.mining.found_hands import POOL_SOURCE
from static_gesture_classification.active_learning.mining.hand_inputs import read_inputs
from static_gesture_classification.active_learning.mining.pool_images import read_pictures
from static_gesture_classification.active_learning.mining.review_list import MinedList, read_list
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.images import UnreadableImageError
from static_gesture_classification.preparation.hand_pictures import cut_out, write_jpeg
from static_gesture_classification.samples import BOX, image_path, subject_name
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
from static_gesture_classification.terminal import Table, say, show_table
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import Classifier, load_classifier

PREFIX = "mined-"
KEPT_AS_HELD_OUT = "held out"  # `kept_because` of all samples that go to val
NAMED_HANDS = 3  # hands without a picture that are named


@entry_point
def main(config: DictConfig) -> None:
    """Admit the reviewed list."""
    hardware.use_processor(config.trainer.threads)
    settings = MiningSettings.from_config(config)
    mined = read_reviewed(settings)
    classifier = load_classifier(settings.checkpoint, hardware.torch_device(config.trainer.accelerator))
    new = leave_out_admitted(mined, settings.root)
    judged = judge_hands(new, classifier, settings)
    splits = choose_splits(judged, settings)
    sessions = [made for split in (TRAIN, VAL) if (made := make_session(judged, splits, split, mined, settings))]
    for session in sessions:
        write_mined(session, settings)
    print_admitted(judged, splits, [settings.root / session.name for session in sessions])


def read_reviewed(settings: MiningSettings) -> MinedList:
    """The hands to keep. Raises `UserError` where no list is named, or it keeps none."""
    path = settings.review_list
    if path is None:
        raise UserError(f"name the list to admit: mining.list={settings.output}/<pool>/list.csv")
    mined = read_list(path, settings.vocabulary)
    if mined.table.empty:
        raise UserError(f"{path} keeps no hand; write yes in the column keep of those that show their gesture")
    return mined


def leave_out_admitted(mined: MinedList, root: Path) -> MinedList:
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
        say(f"{int((~new).sum()):,} hands are in {root} already and stay as they are")
    return MinedList(mined.table[new].reset_index(drop=True), mined.samples[new].reset_index(drop=True), mined.origin)


def subjects_of(samples: pd.DataFrame) -> list[str]:
    """The subject of each hand, as `admission.PastSession` names them; "" if unknown.

    Subjects of a dataset have one name in all sources; others are named by the reviewer.
    """
    return [
        subject if source == POOL_SOURCE else session_subject(subject_name(source, subject))
        for source, subject in zip(samples["source"], samples["subject"], strict=True)
    ]


@dataclass(frozen=True)
class JudgedHands:
    """Reviewed hands with the checkpoint's predictions.

    Args:
        samples: sample table, n rows; `gesture` and `subject` are the reviewer's.
        subjects: n names (`subjects_of`).
        judgements: n judgements, with easy ones admitted up to their share.
        mistaken_for: n gestures by the plan's lines; "" without one.
        unseen: image and reason of each hand that the checkpoint could not see.
    """

    samples: pd.DataFrame
    subjects: list[str]
    judgements: list[Judgement]
    mistaken_for: list[str]
    unseen: list[tuple[str, str]]


def judge_hands(mined: MinedList, classifier: Classifier, settings: MiningSettings) -> JudgedHands:
    """Judge the hands by the current checkpoint, on their pool images.

    Raises:
        DataError: none of them can be seen (the images are gone).
    """
    inputs = dict(read_inputs(mined.samples, np.arange(len(mined.samples)), classifier, settings.detector))
    seen = {row: content for row, content in sorted(inputs.items()) if not isinstance(content, str)}
    images = mined.samples["image"]
    unseen = [(str(images.iloc[row]), content) for row, content in inputs.items() if isinstance(content, str)]
    if not seen:
        raise DataError(f"none of the hands can be seen: {unseen[0][0]}: {unseen[0][1]}; mine again")
    probabilities, _ = classifier.predict(np.stack(list(seen.values())))
    samples, table = mined.samples.iloc[list(seen)].reset_index(drop=True), mined.table.iloc[list(seen)]
    own = table["gesture"] == table["line"].str.partition(" taken for ")[0]  # the reviewer may have changed it
    mistaken_for = table["mistaken_for"].where(own, "").tolist()
    judgements = judge_all(
        probabilities, samples["gesture"].tolist(), classifier.vocabulary, settings.admission, mistaken_for
    ).with_easy_share(settings.admission.easy)
    return JudgedHands(samples, subjects_of(samples), list(judgements), mistaken_for, unseen)


def choose_splits(judged: JudgedHands, settings: MiningSettings) -> dict[str, str]:
    """Subject -> split. Subjects come in the order of a hash, whatever the list's order."""
    past = past_sessions(settings.root, settings.workspace.split_table)
    splits: dict[str, str] = {}
    for subject in sorted(set(judged.subjects), key=lambda name: _hash(f"{settings.seed}\0{name}")):
        splits[subject] = VAL if split_for(subject, past, settings.held_out).held_out else TRAIN
        past.append(PastSession(subject, splits[subject]))
    return splits


@dataclass(frozen=True)
class MinedSession:
    """A session to write.

    Args:
        name: of its folder.
        session: its content, without images.
        rows: of the judged hands, which become its images.
        judged: the hands.
    """

    name: str
    session: Session
    rows: list[int]
    judged: JudgedHands


def make_session(
    judged: JudgedHands, splits: dict[str, str], split: str, mined: MinedList, settings: MiningSettings
) -> MinedSession | None:
    """The session of one split: all hands of its subjects for val, the admitted ones for train."""
    rows = [
        row
        for row, (subject, judgement) in enumerate(zip(judged.subjects, judged.judgements, strict=True))
        if splits[subject] == split and (split == VAL or judgement.admitted)
    ]
    if not rows:
        return None
    samples = judged.samples.iloc[rows]
    names, gestures = samples["sample_id"].tolist(), samples["gesture"].tolist()
    content = split + "\0".join(sorted(f"{name} {gesture}" for name, gesture in zip(names, gestures, strict=True)))
    pool = re.sub(r"[^\w.-]+", "_", mined.origin.pool.rstrip("/").rpartition("/")[2])
    pairs = {(gesture, judged.mistaken_for[row]) for gesture, row in zip(gestures, rows, strict=True)}
    confusion = Confusion(*pairs.pop()) if len(pairs) == 1 and all(next(iter(pairs))) else None
    session = Session(
        gesture=str(samples["gesture"].mode().iloc[0]),
        camera=f"{MINED_FROM}{mined.origin.pool}",
        confusion=confusion,
        checkpoint=f"{settings.checkpoint} ({settings.digest})",
        split=split,
    )
    return MinedSession(f"{PREFIX}{pool}-{_hash(content)}", session, rows, judged)


def write_mined(mined: MinedSession, settings: MiningSettings) -> None:
    """Write a session: its images first, then session.json.

    Raises:
        OutputError: read-only folder, full disk; a folder without session.json does not count.
    """
    folder, samples = settings.root / mined.name, mined.judged.samples
    margin = max(settings.surroundings, settings.crops.margin)
    rows_of: dict[Path, list[int]] = {}
    for row in mined.rows:
        rows_of.setdefault(image_path(samples["root"].iloc[row], samples["image"].iloc[row]), []).append(row)
    images: dict[int, RecordedImage] = {}
    for path, pixels in read_pictures(rows_of):
        for row in rows_of[path]:
            if not isinstance(pixels, UnreadableImageError):
                images[row] = write_hand(folder, pixels, mined, row, margin)
    write_session(folder, replace(mined.session, images=tuple(images[row] for row in mined.rows if row in images)))


def write_hand(folder: Path, pixels: np.ndarray, mined: MinedSession, row: int, margin: float) -> RecordedImage:
    """Save a hand with its surroundings, and describe it."""
    sample, marks = mined.judged.samples.iloc[row], mined.judged.samples["landmarks"].iloc[row]
    box = [float(sample[name]) for name in BOX]
    cut = cut_out(pixels, box, None if marks is None else np.reshape(marks, (-1, 2)), margin)
    file = f"{sample['sample_id']}.jpg"
    write_jpeg(folder / file, cut.jpeg())
    return cut.describe(
        file,
        str(sample["hand"]),
        gesture=None if sample["gesture"] == mined.session.gesture else str(sample["gesture"]),
        subject=str(sample["subject"]),
        source=None if sample["source"] == POOL_SOURCE else str(sample["source"]),
        **mined.judged.judgements[row].as_record(KEPT_AS_HELD_OUT if mined.session.split == VAL else None),
    )


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def print_admitted(judged: JudgedHands, splits: dict[str, str], folders: Sequence[Path]) -> None:
    """Print how many hands were admitted, and what to do next."""
    table = Table(title="kept hands, by what the model says of them")
    table.add_column("outcome")
    for heading in ("hands", "to train", "held out for val", "left out"):
        table.add_column(heading, justify="right")
    for outcome in OUTCOMES:
        table.add_row(outcome, *(f"{count:,}" for count in _counts(judged, splits, outcome)))
    show_table(table)
    for image, reason in judged.unseen[:NAMED_HANDS]:
        say(f"left out: {image}: {reason}")
    if not folders:
        say("Nothing joins: the model is sure and right about all of them.")
        return
    say(f"written: {', '.join(map(str, folders))}")
    for line in next_commands(folders):
        say(line)


def next_commands(folders: Sequence[Path]) -> list[str]:
    """What to run next, and how to undo it."""
    quoted = " ".join(shlex.quote(str(folder)) for folder in folders)
    return [
        "Then: gestures retrain   # within a minute: do they help?",
        f"      dvc add {quoted}   # keep them under version control",
        "      dvc repro   # train on them, evaluate, make the next plan",
        f"Undo: rm -r {quoted}",
    ]


def _counts(judged: JudgedHands, splits: dict[str, str], outcome: str) -> tuple[int, int, int, int]:
    of = [
        (splits[subject], judgement.admitted)
        for subject, judgement in zip(judged.subjects, judged.judgements, strict=True)
        if judgement.outcome == outcome
    ]
    train = sum(split == TRAIN and admitted for split, admitted in of)
    held = sum(split == VAL for split, _ in of)
    return len(of), train, held, len(of) - train - held


if __name__ == "__main__":
    main()

"""The samples of a new gesture as a recorded session, so that a full training has them too."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from static_gesture_classification.active_learning.adding.samples import NewSample
from static_gesture_classification.active_learning.admission import TRAIN
from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.file_names import printable
from static_gesture_classification.preparation.hand_pictures import cut_out, write_jpeg
from static_gesture_classification.sources.recorded import Session, read_session, write_session

STAGED = ".adding-"  # how the folder of a session begins whose gesture is not added yet: no source reads it
SAVED_MARGIN = 0.5  # saved around the hand, on each side, as a share of the box's longer side


def keep_sessions(samples: Sequence[NewSample], gesture: str, subject: str, root: Path) -> list[Path]:
    """Make the samples that are in no session of `root` sessions there; returns these.

    Those that `gestures add` recorded become visible, all others are written as one session; the same samples give the
    same folder. Raises `OutputError` for a read-only folder or a full disk.
    """
    homes = {sample.path.parent for sample in samples if sample.recorded}
    inside = {home for home in homes if home.resolve().parent == root.resolve()}
    fresh = [sample for sample in samples if not sample.recorded or sample.path.parent not in inside]
    shown = [_show(home) for home in sorted(inside) if home.name.startswith(STAGED)]
    return [*shown, *([_write(fresh, gesture, subject, root)] if fresh else [])]


def _show(folder: Path) -> Path:
    """Rename a recorder's session, so that sources read it; to train, unless its person is somewhere else already."""
    session = read_session(folder)
    write_session(folder, replace(session, split=session.split or TRAIN))
    wanted = folder.with_name(folder.name.removeprefix(STAGED))
    with explain_write_errors(wanted):
        return folder.rename(wanted)


def _write(fresh: Sequence[NewSample], gesture: str, subject: str, root: Path) -> Path:
    pictures = [cut_out(each.image, each.hand.box, each.hand.landmarks, SAVED_MARGIN) for each in fresh]
    encoded = [picture.jpeg() for picture in pictures]
    digest = hashlib.blake2b(b"".join(encoded), digest_size=5).hexdigest()
    folder = root / f"added-{printable(gesture)}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, (sample, picture, jpeg) in enumerate(zip(fresh, pictures, encoded, strict=True)):
        name = f"{number:06d}.jpg"
        write_jpeg(folder / name, jpeg)
        images.append(picture.describe(name, sample.hand.hand))
    write_session(folder, Session(gesture=gesture, subject=subject, split=TRAIN, images=tuple(images)))
    return folder

"""The samples of a new gesture as a recorded session, so that a full training has them too."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from static_gesture_classification.active_learning.adding.samples import NewSample
from static_gesture_classification.active_learning.admission import TRAIN
from static_gesture_classification.file_names import printable
from static_gesture_classification.preparation.hand_pictures import cut_out, write_jpeg
from static_gesture_classification.sources.recorded import Session, write_session

SAVED_MARGIN = 0.5  # saved around the hand, on each side, as a share of the box's longer side


def keep_session(samples: Sequence[NewSample], gesture: str, subject: str, root: Path) -> Path | None:
    """Write the samples that are in no recorded session as one; the same samples give the same folder.

    None where all are in one already. Raises `OutputError` for a read-only folder or a full disk.
    """
    fresh = [sample for sample in samples if not sample.recorded]
    if not fresh:
        return None
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

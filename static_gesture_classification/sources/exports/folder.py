"""Plain folders (read again by sources/folder.py): [<split>/]<gesture>/<subject>[/<session>]/<file>.

Hands are cut out, one file each; or whole pictures are copied, once for each gesture in them. A whole picture is read
again as one hand of its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from static_gesture_classification.sources.exports.pictures import ExportedPicture, FormatSettings, UniqueNames, flat


class FolderFormat:
    """See `pictures.Format`."""

    lost = (
        "Lost: boxes, landmarks, which hand it is, the labels as published. Slashes in the names of people and "
        "sessions became underscores."
    )
    way_back = ("sources=[folder]", "sources.folder.root={folder}")

    def place(self, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> list[ExportedPicture]:
        """See `pictures.Format.place`; one for each hand, or for each gesture."""
        names = UniqueNames()
        return [
            replace(one, target=names.new(folder_target(one)))
            for picture in pictures
            for one in apart(picture, settings)
        ]

    def write(self, folder: Path, pictures: Sequence[ExportedPicture], settings: FormatSettings) -> None:
        """The format has only pictures."""


def apart(picture: ExportedPicture, settings: FormatSettings) -> list[ExportedPicture]:
    """One picture for each hand that is cut out, or for each gesture shown."""
    if settings.cut:
        return [replace(picture, hands=(hand,), cut=True, margin=settings.margin) for hand in picture.hands]
    first = {hand.gesture: hand for hand in reversed(picture.hands)}
    return [replace(picture, hands=(hand,)) for hand in first.values()]


def folder_target(picture: ExportedPicture) -> str:
    """The target of a picture of one hand."""
    hand = picture.hands[0]
    subject = hand.subject.replace("/", "_")
    session = hand.session.replace("/", "_") if hand.session not in ("", hand.subject) and subject else ""
    parts = (picture.split, hand.gesture, subject, session, flat(picture))
    return "/".join(part for part in parts if part)

"""The set that is being recorded: its session on disk, its selection, and its undo stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from static_gesture_classification.active_learning.admission import Judgement, Placement
from static_gesture_classification.errors import OutputError
from static_gesture_classification.recording.jobs import Job
from static_gesture_classification.recording.judging.observer import Sight
from static_gesture_classification.recording.judging.selection import Candidate, PictureVerdict, Selector
from static_gesture_classification.recording.session_writer import SessionEntry, SessionWriter
from static_gesture_classification.sources.recorded import RecordedImage


@dataclass
class SetInProgress:
    """One job's pictures.

    Args:
        job: what is performed.
        selector: chooses pictures.
        writer: saves them.
        placement: the session's split, and why.
        trouble: why pictures cannot be written; "" while they can.
    """

    job: Job
    selector: Selector
    writer: SessionWriter
    placement: Placement
    trouble: str = ""
    _candidates: dict[int, Candidate] = field(default_factory=dict)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def kept(self) -> list[SessionEntry]:
        """The pictures that are not dropped."""
        return self.writer.kept

    @property
    def missing(self) -> int:
        """How many pictures the job still wants."""
        return max(self.job.count - len(self.kept), 0)

    def see(self, sight: Sight) -> PictureVerdict:
        """Consider a picture, and save it if it is to be kept."""
        verdict = self.consider(sight)
        if verdict.kept is not None:
            self.save()
        return verdict

    def consider(self, sight: Sight) -> PictureVerdict:
        """Consider a picture, and add it if it is to be kept; `save` brings it to the disk."""
        verdict = self.selector.consider(sight)
        if verdict.kept is not None:
            self._add(verdict.kept)
        return verdict

    def flush(self) -> None:
        """Keep the best waiting picture, at the end of a set."""
        best = self.selector.flush()
        if best is not None and self.missing:
            self._add(best)
            self.save()

    def drop(self, entry: SessionEntry) -> None:
        """Drop a picture, or restore it."""
        self._turn(entry)
        self._undo.append(lambda: self._turn(entry))

    def drop_last(self) -> bool:
        """Drop the latest picture; returns whether there was one."""
        if not self.kept:
            return False
        self.drop(self.kept[-1])
        return True

    def relabel(self, entry: SessionEntry, gesture: str) -> None:
        """Give one picture another gesture than the set's."""
        before = entry.image
        self._show_as(entry, gesture)
        self.save()
        self._undo.append(lambda: self._set_image(entry, before))

    def label(self, gesture: str) -> None:
        """Give the whole set its gesture; if the folder cannot be renamed, `trouble` says why."""
        before, images = self.writer.session.gesture, [(entry, entry.image) for entry in self.writer.entries]
        self._label(gesture)
        if before:
            self._undo.append(lambda: self._unlabel(before, images))

    def discard(self) -> None:
        """Move the whole set to the trash."""
        self.writer.discard()
        self._undo.append(self.writer.restore)

    def undo(self) -> bool:
        """Undo the latest change; returns whether there was one."""
        if not self._undo:
            return False
        self._undo.pop()()
        return True

    def save(self) -> bool:
        """Write everything to the disk; returns whether that worked. `trouble` says why not."""
        try:
            self.writer.save()
        except OutputError as error:
            self.trouble = str(error)
            return False
        self.trouble = ""
        return True

    def _add(self, candidate: Candidate) -> None:
        sight = candidate.sight
        assert sight.hand is not None
        recognised, judge = sight.recognised, candidate.judge
        probabilities = None if recognised is None else recognised.probabilities
        entry = self.writer.take(sight.image, sight.hand, candidate.judgement, probabilities)
        entry.embedding = None if recognised is None else recognised.embedding
        if judge is not None and judge is not recognised:
            entry.chosen_by = judge.probabilities
            self._show_as(entry, self.writer.session.gesture)
        self._candidates[id(entry)] = candidate

    def _turn(self, entry: SessionEntry) -> None:
        entry.dropped = not entry.dropped
        candidate = self._candidates.get(id(entry))
        if candidate is not None:
            (self.selector.forget if entry.dropped else self.selector.remember)(candidate)
        self.save()

    def _label(self, gesture: str) -> None:
        planned = gesture == self.job.gesture
        confusion = self.job.confusion if planned else None
        self.writer.session = replace(self.writer.session, gesture=gesture, confusion=confusion)
        self.selector.gesture, self.selector.mistaken_for = gesture, self.job.mistaken_for if planned else None
        for entry in self.writer.entries:
            self._show_as(entry, gesture if entry.image.gesture is None else entry.image.gesture)
        try:
            self.writer.label(gesture)
        except OutputError as error:
            self.trouble = str(error)

    def _unlabel(self, gesture: str, images: list[tuple[SessionEntry, RecordedImage]]) -> None:
        for entry, image in images:
            entry.image = image
        self._label(gesture)

    def _show_as(self, entry: SessionEntry, gesture: str) -> None:
        own = None if gesture == self.writer.session.gesture else gesture
        judgement, choice = (self._judge(row, gesture) for row in (entry.probabilities, entry.chosen_by))
        fields = judgement.as_record(choice.outcome if choice else None) if judgement else {}
        entry.image = replace(entry.image, gesture=own, **fields)

    def _judge(self, probabilities: np.ndarray | None, gesture: str) -> Judgement | None:
        return None if probabilities is None else self.selector.judge(probabilities, gesture)

    def _set_image(self, entry: SessionEntry, image: RecordedImage) -> None:
        entry.image = image
        self.save()


def close_sets(sets: Iterable[SetInProgress]) -> list[str]:
    """Delete dropped pictures, and rescue pictures that the disk refused.

    Returns:
        messages about rescued pictures, or about those that could not be.
    """
    messages = []
    for current in sets:
        try:
            current.save()
            rescued = current.writer.rescue()
        except OutputError as error:
            messages.append(f"{current.writer.unsaved} pictures could not be saved anywhere: {error}")
        else:
            if rescued is not None:
                messages.append(
                    f"{current.trouble} The pictures that it refused are safe in {rescued}; when there is room, "
                    f"move that folder to {current.writer.settings.root}"
                )
        current.writer.close()
    return messages

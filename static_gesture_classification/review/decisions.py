"""Decisions on samples that are made on the page: each goes to its file at once, and into the journal.

The file is written before the journal, and only then is the decision acknowledged. A kill in between leaves a label
fix with its line in the file, which says who decided and when; nothing that was acknowledged is lost.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.active_learning.labels.decide import (
    Decision,
    FixLabelsSettings,
    add_decisions,
    gesture_or_drop,
    signature,
)
from static_gesture_classification.active_learning.planning.make_plan import PlanSettings
from static_gesture_classification.active_learning.planning.plan_file import Example
from static_gesture_classification.active_learning.planning.wishes import Wish, add_wish, remove_wish
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import DROP, LabelFix, change_label_fixes, read_label_fixes
from static_gesture_classification.process_lock import change_alone
from static_gesture_classification.review.journal import (
    JOURNAL,
    VERSION,
    Action,
    Entry,
    History,
    append_entry,
    read_history,
)
from static_gesture_classification.review.settings import ReviewSettings
from static_gesture_classification.settings import Settings

WHY = "looked at on the page"


class DecisionSettings(Settings):
    """Where decisions go.

    Args:
        fixes: table of label fixes.
        plan: the recording plan.
        samples: table of today's data.
        per_wish: samples that are planned each time one asks for more.
        journal: of all decisions.
        who: who decides; None: Git's user.name.
    """

    fixes: Path
    plan: Path
    samples: Path
    per_wish: int = Field(ge=1)
    journal: Path
    who: str | None

    @classmethod
    def from_config(cls, config: DictConfig) -> DecisionSettings:
        """From the composed configuration."""
        labels, plan = FixLabelsSettings.from_config(config), PlanSettings.from_config(config)
        return cls(
            fixes=labels.fixes,
            plan=plan.path,
            samples=plan.samples,
            per_wish=max(1, plan.budget.per_error),
            journal=ReviewSettings.from_config(config).folder / JOURNAL,
            who=labels.who,
        )


@dataclass(frozen=True)
class DecidedSample:
    """What is decided on.

    Args:
        sample: its id.
        label: its gesture today.
        prediction: what the model takes it for; "" where it is not known.
        example: where it is, for the plan; None where that is not known.
    """

    sample: str
    label: str
    prediction: str = ""
    example: Example | None = None


class Decisions:
    """Decides, remembers and takes back. Threads and processes may do so at the same time.

    Args:
        settings: where decisions go.
        vocabulary: the gestures.
    """

    def __init__(self, settings: DecisionSettings, vocabulary: Vocabulary) -> None:
        self.settings, self.vocabulary = settings, vocabulary
        self.who = signature(settings.who)
        self._do: Mapping[Action, Callable[[Entry, DecidedSample], Entry]] = {
            "label": self._fix,
            "drop": self._fix,
            "right": self._fix,
            "record": self._wish,
            "later": lambda entry, _: entry,
        }

    def decide(self, action: Action, about: DecidedSample, to: str = "") -> Entry:
        """Decide; when this returns, the decision and its entry are on the disk.

        Args:
            action: label (with the right gesture `to`), drop, right, record or later.
            about: the sample.
            to: a gesture.

        Raises:
            UserError: `to` is no gesture, or another command holds the file. DataError: the file cannot be read.
            OutputError: it cannot be written.
        """
        if action == "label":
            action, to = ("right", "") if to == about.label else ("label", gesture_or_drop(to, "", self.vocabulary))
        time = datetime.now().astimezone().isoformat(timespec="seconds")
        entry = Entry(VERSION, uuid.uuid4().hex[:12], time, self.who, action, about.sample, about.label, to)
        with self._alone():
            done = self._do[action](entry, about)
            append_entry(self.settings.journal, done)
        return done

    def undo(self, name: str) -> Entry:
        """Take an entry back; returns the entry that says so.

        Raises:
            UserError: it is taken back already, or the sample was decided on again since.
        """
        with self._alone():
            return self._undo(name)

    def note_promotion(self, checkpoint: str, user: str) -> None:
        """Write down that somebody chose a checkpoint.

        Args:
            checkpoint: in words.
            user: what uses it from now on, in words.
        """
        time = datetime.now().astimezone().isoformat(timespec="seconds")
        entry = Entry(VERSION, uuid.uuid4().hex[:12], time, self.who, "promote", "", checkpoint, user)
        append_entry(self.settings.journal, entry)

    def history(self) -> History:
        """All that was decided on the page."""
        return read_history(self.settings.journal)

    def fixes(self) -> dict[str, LabelFix]:
        """The label fixes by sample, also those of other commands."""
        return {fix.sample: fix for fix in read_label_fixes(self.settings.fixes, self.vocabulary).fixes}

    def _undo(self, name: str) -> Entry:
        history = self.history()
        entry = history.find(name)
        if entry.id in history.undone or entry.action == "undo":
            raise UserError("this is taken back already")
        if entry.action == "promote":
            raise UserError("a checkpoint is taken back on the page Checkpoints")
        if entry.action in ("label", "drop", "right"):
            self._restore(entry)
        elif entry.action == "record":
            self._give_up(
                entry, is_last=not any(each.id != entry.id for each in _wishes(history, entry.label, entry.to))
            )
        time = datetime.now().astimezone().isoformat(timespec="seconds")
        undone = Entry(VERSION, uuid.uuid4().hex[:12], time, self.who, "undo", entry.sample, entry.label)
        undone = replace(undone, undoes=entry.id)
        append_entry(self.settings.journal, undone)
        return undone

    def _alone(self) -> AbstractContextManager[None]:
        """One decision at a time, so that no two take the same one back."""
        return change_alone(self.settings.journal.with_name("decisions"))

    def _fix(self, entry: Entry, about: DecidedSample) -> Entry:
        to = {"label": entry.to, "drop": DROP, "right": about.label}[entry.action]
        decision = Decision(about.sample, about.label, to, WHY)
        before, _ = change_label_fixes(
            self.settings.fixes, self.vocabulary, lambda fixes: add_decisions(fixes, [decision], self.who)
        )
        earlier = next((fix for fix in before if fix.sample == about.sample), None)
        return replace(entry, earlier=earlier)

    def _wish(self, entry: Entry, about: DecidedSample) -> Entry:
        if about.example is None:
            raise UserError(f"where sample {about.sample} lies is not known, so the plan cannot show it")
        taken_for = about.prediction if about.prediction not in ("", about.label) else None
        wish = Wish(about.label, taken_for, self.settings.per_wish, about.example)
        made = add_wish(wish, self.settings.plan, self.settings.samples)
        earlier = next(iter(_wishes(self.history(), about.label, taken_for or "")), made)  # what it was without any
        return replace(
            entry,
            to=taken_for or "",
            count=wish.count,
            asked_before=earlier.asked_before,
            off_before=earlier.off_before,
        )

    def _give_up(self, entry: Entry, is_last: bool) -> None:
        nowhere = Example(entry.sample, "unknown", "", (0.0, 0.0, 1.0, 1.0))
        wish = Wish(entry.label, entry.to or None, entry.count, nowhere, entry.asked_before, entry.off_before)
        remove_wish(wish, self.settings.plan, is_last)

    def _restore(self, entry: Entry) -> None:
        wrote = {"label": entry.to, "drop": DROP, "right": entry.label}[entry.action]

        def change(fixes: list[LabelFix]) -> list[LabelFix]:
            now = next((fix for fix in fixes if fix.sample == entry.sample), None)
            if now is not None and now.to != wrote:
                raise UserError(
                    f"sample {entry.sample} was decided on again since ({now.to}, by {now.who}); take that back first"
                )
            others = [fix for fix in fixes if fix.sample != entry.sample]
            return [*others, entry.earlier] if entry.earlier else others

        change_label_fixes(self.settings.fixes, self.vocabulary, change)


def _wishes(history: History, gesture: str, taken_for: str) -> list[Entry]:
    """The wishes that stand for a line of the plan, oldest first."""
    pair = (gesture, taken_for)
    return [each for each in history.standing if each.action == "record" and (each.label, each.to) == pair]

"""Decide on labels: write data/label_fixes.csv, which the index stage applies (see `preparation.label_fixes`).

    gestures fix-labels [what to do]

    (nothing)                          list what is decided
    sample=ID to=THREE why="..."       correct a label
    sample=ID to=drop why="..."        leave a sample out
    sample=ID to=keep                  say that a label is right, so that nobody has to look again
    apply=SUGGESTIONS.csv              apply a table whose column `decision` was filled in (see `find_issues`)
    undo=ID                            take a decision back: the sample is as published again

An id may be given by its beginning. `who` is Git's user.name unless it is given. `dvc repro` then trains on it.
"""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.active_learning.labels.suggestions import (
    KEEP,
    SHORT,
    check_decisions,
    read_suggestions,
)
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.label_fixes import (
    DROP,
    LabelFix,
    change_label_fixes,
    read_label_fixes,
)
from static_gesture_classification.samples import read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import Table, in_number, say, show_table
from static_gesture_classification.workspace import Workspace


@dataclass(frozen=True)
class Decision:
    """A sample labelled `label` becomes `to` (a gesture or "drop"), and why."""

    sample: str
    label: str
    to: str
    why: str


class FixLabelsSettings(Settings, key="fix_labels"):
    """The decisions; see the module, and conf/label_issues.

    Args:
        fixes: table of the decisions.
        index: table of all samples.
        sample, to: a sample, and its gesture.
        apply: table of suggestions whose decisions are applied.
        undo: sample whose decision is taken back.
        who, why: for the table.
    """

    fixes: Annotated[Path, At("label_issues.fixes")]
    index: Path
    sample: str | None
    to: str | None
    apply: Path | None
    undo: str | None
    who: str | None
    why: str | None

    @classmethod
    def from_config(cls, config: DictConfig) -> FixLabelsSettings:
        """From the composed configuration; raises as `read`."""
        settings = cls.read(config, "fix_labels", index=Workspace.from_config(config).index_table)
        asked = [name for name in ("sample", "apply", "undo") if getattr(settings, name) is not None]
        if len(asked) > 1:
            raise UserError(f"{' and '.join(asked)} are given; do one after the other")
        return settings


@entry_point
def main(config: DictConfig) -> None:
    """List the fixes, add some, or take one back."""
    settings, vocabulary = FixLabelsSettings.from_config(config), Vocabulary.from_config(config)
    if settings.undo is None and settings.sample is None and settings.apply is None:
        show_fixes(read_label_fixes(settings.fixes, vocabulary).fixes, settings.fixes)
        return
    before, after = change_label_fixes(settings.fixes, vocabulary, lambda fixes: decide(settings, fixes, vocabulary))
    show_change(before, after, settings.fixes)


def decide(settings: FixLabelsSettings, fixes: Sequence[LabelFix], vocabulary: Vocabulary) -> list[LabelFix]:
    """The fixes with what the command line decides; see `decisions_from` and `remove_fix`."""
    if settings.undo is not None:
        return remove_fix(fixes, settings.undo, settings.fixes)
    decisions = decisions_from(settings, read_rows(settings.index, ["sample_id", "gesture"]), fixes, vocabulary)
    return add_decisions(fixes, decisions, signature(settings.who))


def decisions_from(
    settings: FixLabelsSettings, index: pd.DataFrame, fixes: Sequence[LabelFix], vocabulary: Vocabulary
) -> list[Decision]:
    """The decisions of the command line, or of the table that it names.

    Args:
        settings: name a sample or a table.
        index: the indexed samples (sample_id, gesture), whose labels are corrected already.
        fixes: so far; dropped samples are known from them alone.
        vocabulary: the gestures.

    Raises:
        UserError: no such sample, several, an unknown gesture, nothing decided. DataError: the table is unfit.
    """
    labels = dict(zip(index["sample_id"], index["gesture"], strict=True))
    labels |= {fix.sample: fix.published for fix in fixes if fix.to == DROP}
    if settings.sample is not None:
        sample = find_sample(settings.sample, labels, "the index")
        to = gesture_or_drop(settings.to, labels[sample], vocabulary)
        return [Decision(sample, labels[sample], to, settings.why or "")]
    assert settings.apply is not None
    return decisions_in(settings.apply, settings.why, labels, vocabulary)


def decisions_in(path: Path, why: str | None, labels: Mapping[str, str], vocabulary: Vocabulary) -> list[Decision]:
    """The decisions in a table of suggestions; see `decisions_from`. `labels` are today's labels by sample."""
    suggestions = read_suggestions(path)
    check_decisions(suggestions, vocabulary, path)
    decisions = []
    for each in suggestions:
        if each.verdict is None:
            continue
        if labels.get(each.sample) != each.published:
            there = f"is labelled {labels[each.sample]} by now" if each.sample in labels else "is not in the index"
            raise DataError(
                f"{path}, line {each.line}: sample {each.sample}, there {each.published}, {there}; make the "
                "suggestions anew (gestures label-issues), or clear its decision"
            )
        decisions.append(Decision(each.sample, each.published, each.verdict, why or each.evidence))
    if not decisions:
        raise UserError(f"nothing is decided in {path}: fill in its column `decision` (yes, drop, keep, or a gesture)")
    return decisions


def find_sample(beginning: str, samples: Iterable[str], where: str) -> str:
    """The sample whose id begins with `beginning`. Raises `UserError` where there is none, or more than one."""
    found = sorted(sample for sample in samples if sample.startswith(beginning))
    if not found:
        raise UserError(f"no sample {beginning} in {where}; gestures label-issues and the predictions tables give ids")
    if len(found) > 1 and beginning not in found:
        raise UserError(
            f"{len(found):,} samples in {where} begin with {beginning} ({found[0]}, {found[1]}); give more of it"
        )
    return beginning if beginning in found else found[0]


def gesture_or_drop(to: str | None, label: str, vocabulary: Vocabulary) -> str:
    """The gesture that `to` means, or "drop"."""
    if to is None:
        raise UserError(f"say what it is: to=GESTURE ({', '.join(vocabulary)}), to={DROP}, or to={KEEP}")
    if to == KEEP:
        return label
    if to != DROP:
        vocabulary.index(str(to))
    return str(to)


def add_decisions(fixes: Sequence[LabelFix], decisions: Sequence[Decision], who: str) -> list[LabelFix]:
    """The fixes with decisions added; one on a sample that has a line already replaces it."""
    by_sample = {fix.sample: fix for fix in fixes}
    today = datetime.now(UTC).date().isoformat()
    for each in decisions:
        earlier = by_sample.get(each.sample)
        published = earlier.published if earlier else each.label
        by_sample[each.sample] = LabelFix(each.sample, published, each.to, who, today, each.why)
    return list(by_sample.values())


def remove_fix(fixes: Sequence[LabelFix], sample: str, path: Path) -> list[LabelFix]:
    """The fixes without the one on a sample. Raises `UserError` where there is none."""
    gone = find_sample(sample, [fix.sample for fix in fixes], str(path))
    return [fix for fix in fixes if fix.sample != gone]


def signature(who: str | None) -> str:
    """Who decides: as given, else Git's user.name, else the login name."""
    if who:
        return str(who)
    try:
        named = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        named = ""
    try:
        return named or getpass.getuser()
    except (KeyError, OSError):  # no login name either, as in some containers
        raise UserError("say who decides: who=NAME") from None


def show_fixes(fixes: Sequence[LabelFix], path: Path) -> None:
    """Print the fixes."""
    if not fixes:
        say(f"no label is fixed in {path}")
        return
    table = Table("sample", "from", "to", "who", "when", "why")
    for fix in fixes:
        to = "right as it is" if fix.confirms else fix.to
        table.add_row(fix.sample[:SHORT], fix.published, to, fix.who, fix.when, fix.why)
    show_table(table)


def show_change(before: Sequence[LabelFix], after: Sequence[LabelFix], path: Path) -> None:
    """Print what changed, and what to do next."""
    old, new = ({(fix.sample, fix.to): fix for fix in fixes} for fixes in (before, after))
    for key in new.keys() - old.keys():
        fix = new[key]
        done = "is right as it is" if fix.confirms else "is dropped" if fix.to == DROP else f"is {fix.to}"
        say(f"{fix.sample}: published as {fix.published}, {done}")
    for sample in {fix.sample for fix in before} - {fix.sample for fix in after}:
        say(f"{sample}: as published again")
    say(f"{path} has {in_number(len(after), 'line')}; commit it, and train with it: dvc repro")


if __name__ == "__main__":
    main()

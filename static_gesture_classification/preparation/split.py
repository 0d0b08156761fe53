"""The split stage: train, val and test with no person, session or near-duplicate in two splits.

    gestures split [overrides]

Reads the crops, writes to `paths.splits`: `samples.parquet`, the same rows in the same order with `split` filled in
("" for rows that must not be used); `near_duplicates.csv`, the pairs that tie groups together; `report.json`.

These stay together:

1. The samples of a subject (`samples.subject_of`), of a session, and of an image. With `split.group=session` a subject
   may be in two splits, a session may not. Where the subject is unknown, sessions and images stay together.
2. Subjects that share near-duplicates (`near_duplicates`): they were recorded together. Not looked for between two
   subjects that are published in train, or two in test: they stay there anyway.

Official splits (`split.respect_official`) decide where a subject goes, unless they contradict these rules: published
test samples stay in test, and the same subject's other sessions are left out; a subject in both train and val goes to
train. Where a source publishes only some splits, the others are taken from its train split. Not so for sources in
`split.settled`: their sessions were picked for a model's errors, so they must not be evaluated on. Sources in
`split.train_only` go to train as a whole: many people with few pictures each, who teach more than they measure. All
others are assigned so that each gesture has the shares `split.val` and `split.test`, official splits included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from pydantic import Field, ValidationInfo, field_validator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.preparation.described_crops import open_described
from static_gesture_classification.preparation.splitting.assignment import (
    TEST_CODE,
    TRAIN_CODE,
    VAL_CODE,
    Groups,
    assign_groups,
)
from static_gesture_classification.preparation.splitting.crop_source import CropSource
from static_gesture_classification.preparation.splitting.near_duplicates import UNSETTLED, Links, near_duplicates
from static_gesture_classification.preparation.splitting.report import (
    PAIRS,
    SPLIT_NAMES,
    UNUSED,
    SplitReport,
    codes,
    count_distinct,
    counts_by,
    identity,
    list_pairs,
    print_split_report,
    prove,
    split_numbers,
    subjects_per_split,
    unknown_by_source,
)
from static_gesture_classification.row_arrays import Rows
from static_gesture_classification.samples import SPLITS, group_of, read_arrow, to_frame, with_texts, write_samples
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import in_number, say
from static_gesture_classification.workspace import Workspace

SPLIT_REPORT = "report.json"
SPLIT_COLUMNS = ["sample_id", "image", "root", "gesture", "source", "subject", "session", "split"]


@entry_point
def main(config: DictConfig) -> None:
    """Split the samples that have crops."""
    workspace = Workspace.from_config(config)
    settings = SplitSettings.from_config(config)
    crops = open_described(workspace.crops)
    table = read_arrow(workspace.crops / SAMPLES)
    vocabulary = Vocabulary.from_config(config)
    if not len(table):  # all samples have landmarks but no image
        write_split(table, to_frame(table.select(SPLIT_COLUMNS)), SplitReport(), workspace.splits)
        say("no sample has a crop; the landmarks stage splits those that have landmarks")
        return
    samples, report = split_samples(to_frame(table.select(SPLIT_COLUMNS)), crops, settings, vocabulary)
    write_split(table, samples, report, workspace.splits)
    print_split_report(report)


class SplitSettings(Settings, key="split"):
    """How to divide samples: `split` of the configuration, and the seed.

    Args:
        val, test: share of the samples without an official split; 0 leaves the split out.
        respect_official: whether to keep published splits.
        group: what must not be in two splits: "subject", or the weaker "session".
        incomplete: "fail" or "warn" when too few subjects show a gesture for it to be in every split.
        settled: sources whose train samples never go to val or test.
        train_only: sources whose samples all go to train, whatever they publish.
        seed: of the assignment.
    """

    val: float = Field(ge=0, lt=1)
    test: float = Field(ge=0, lt=1)
    respect_official: bool
    group: Literal["subject", "session"] = "subject"
    incomplete: Literal["fail", "warn"] = "fail"
    settled: tuple[str, ...] = ()
    train_only: tuple[str, ...] = ()
    seed: Annotated[int, At("seed")] = 0

    @field_validator("settled", "train_only", mode="before")
    @classmethod
    def _default_sources(cls, sources: object) -> object:
        return sources or ()

    @field_validator("test")
    @classmethod
    def _leave_some_for_train(cls, test: float, others: ValidationInfo) -> float:
        val = others.data.get("val", 0)
        if val + test >= 1:
            raise ValueError(f"and split.val, which is {val}, must be less than 1 together, so that train has a share")
        return test

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of train, val and test."""
        return 1 - self.val - self.test, self.val, self.test

    @property
    def requested(self) -> list[int]:
        """The splits that must not be empty."""
        return [split for split, share in enumerate(self.shares) if share > 0]


def split_samples(
    samples: pd.DataFrame, crops: CropSource | Rows | None, settings: SplitSettings, vocabulary: Vocabulary
) -> tuple[pd.DataFrame, SplitReport]:
    """Fill the column `split` of a sample table; see the module's description.

    Args:
        samples: sample table with the columns in `SPLIT_COLUMNS`.
        crops: uint8 (n, size, size, 3), row i belongs to row i of `samples`; without them there is no search for
            near-duplicates.
        settings: how to divide.
        vocabulary: the gestures.

    Raises:
        DataError: there are too few subjects for the requested splits; names the nearest possible split.
    """
    if not len(samples):
        raise DataError("there are no samples to split; run the index and crops stages on a source that has some")
    vocabulary.indices(sorted(set(samples["gesture"])))
    report = SplitReport()
    subjects = tie_rows(samples, settings.group)
    official = official_splits(samples, settings)
    settled = settled_splits(subjects, official)
    links = Links.none() if crops is None else near_duplicates(crops, subjects, settings.seed, settled)
    units, allowed = settle(samples, subjects, links, official, report)
    gestures = pd.Categorical(samples["gesture"], categories=list(vocabulary))
    groups = _groups(samples, units, allowed, gestures, official)
    _check_enough_groups(groups, samples, settings, report)
    splits = assign_groups(groups, settings.shares, settings.seed)[units]
    splits[official.left_out] = UNUSED
    _leave_out_linked(samples, splits, links, official, report)
    return _conclude(samples, splits, links, units, groups, gestures, settings, report)


def split_others(
    samples: pd.DataFrame, known: np.ndarray, settings: SplitSettings, vocabulary: Vocabulary
) -> tuple[np.ndarray, str | None]:
    """Split samples that have no crops; the others keep their split.

    A subject's new samples join its known ones; they are left out where all of these are.

    Args:
        samples: the columns in `SPLIT_COLUMNS`; `split` of the known rows is final, of the others as published.
        known: bool (n,), rows that have their split.
        settings, vocabulary: as of `split_samples`.

    Returns:
        The split of every row, and a remark for the report, or None.

    Raises:
        DataError: no row has its split, and there are too few subjects (see `split_samples`).
    """
    subjects = tie_rows(samples, settings.group)
    splits = split_numbers(samples)
    used = known & (splits != UNUSED)
    of_subject = np.full(subjects.max() + 1, UNUSED)
    of_subject[subjects[used]] = splits[used]
    result, remark = np.where(known, splits, of_subject[subjects]), None
    new = ~np.isin(subjects, subjects[known])
    train_only = new & np.isin(samples["source"].to_numpy(object), settings.train_only)
    result[train_only] = TRAIN_CODE
    rest = np.flatnonzero(new & ~train_only)
    if len(rest):
        lenient = settings.model_copy(update={"incomplete": "warn"}) if known.any() else settings
        own = samples.iloc[rest].reset_index(drop=True)
        try:
            divided, _ = split_samples(own, None, lenient, vocabulary)
            result[rest] = split_numbers(divided)
        except DataError as error:
            if not known.any():
                raise
            remark = f"{len(rest):,} samples without crops are left out: {error}"
    prove(samples.assign(split=SPLIT_NAMES[result]), Links.none(), settings.group)
    return SPLIT_NAMES[result], remark


def tie_rows(samples: pd.DataFrame, group: str) -> np.ndarray:
    """Number the rows so that those of one subject, session or image have the same number: int (n,)."""
    keys = ["session"] if group == "session" else ["subject", "session"]
    ties = [identity(samples, key) for key in keys]
    ties.append(codes(samples["root"], samples["image"]))
    return _components(len(samples), ties)


@dataclass
class Official:
    """Published splits.

    Attributes:
        splits: int (n,), `UNUSED` where there is none.
        carve: bool (n,), train rows that may go to other splits.
        missing: source -> splits that it does not publish.
        left_out: bool (n,), rows in no split.
    """

    splits: np.ndarray
    carve: np.ndarray
    missing: dict[str, list[int]]
    left_out: np.ndarray


def official_splits(samples: pd.DataFrame, settings: SplitSettings) -> Official:
    """The published splits, none where they are not respected; and train for the sources that are for it alone."""
    carve = np.zeros(len(samples), bool)
    missing: dict[str, list[int]] = {}
    sources = samples["source"].to_numpy(object)
    official = split_numbers(samples) if settings.respect_official else np.full(len(samples), UNUSED)
    splits = np.where(np.isin(sources, settings.train_only), TRAIN_CODE, official)
    for source in sorted(set(sources)):
        own = sources == source
        published = set(splits[own].tolist()) - {UNUSED}
        absent = [split for split in settings.requested if split not in published]
        # A single published split is no division of the dataset: it only says where these samples belong.
        if len(published) > 1 and TRAIN_CODE in published and absent and source not in settings.settled:
            missing[source] = absent
            carve |= own & (splits == TRAIN_CODE)
    return Official(splits, carve, missing, np.zeros(len(samples), bool))


def settled_splits(subjects: np.ndarray, official: Official) -> np.ndarray:
    """Train or test where a row stays there whatever near-duplicates its subject has, else `UNSETTLED`: int (n,).

    A near-duplicate in train takes a subject of val along, so none of val is settled.
    """
    pinned = _official_splits_in(subjects, official.splits)
    pinned[subjects[official.carve]] = False
    settled = np.full(len(pinned), UNSETTLED)
    for split in (TRAIN_CODE, TEST_CODE):
        settled[pinned[:, split] & (pinned.sum(axis=1) == 1)] = split
    return settled[subjects]


def settle(
    samples: pd.DataFrame, subjects: np.ndarray, links: Links, official: Official, report: SplitReport
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the official splits, and keep subjects that share near-duplicates together.

    Returns:
        The unit of each row, int (n,), and the allowed splits of each unit, bool (units, 3).
    """
    pinned = _official_splits_in(subjects, official.splits)
    units = _components(len(samples), [subjects], links)
    in_test = pinned[:, TEST_CODE]
    # A cluster that touches test is divided: subjects that are published elsewhere stay there, the others join test.
    touches_test = np.zeros(units.max() + 1, bool)
    touches_test[units[in_test[subjects]]] = True
    elsewhere = ~in_test & pinned[:, [TRAIN_CODE, VAL_CODE]].any(axis=1)
    apart = touches_test[units] & elsewhere[subjects]
    units = np.unique(np.stack([units, apart], axis=1), axis=0, return_inverse=True)[1].ravel()
    allowed = _allow_splits(samples, units, _official_splits_in(units, official.splits), official)
    _settle_contradictions(samples, units, allowed, official, report)
    return units, allowed


def _official_splits_in(groups: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Which official splits occur in each group: bool (groups, 3)."""
    found = np.zeros((groups.max() + 1, 3), bool)
    known = splits != UNUSED
    found[groups[known], splits[known]] = True
    return found


def _allow_splits(samples: pd.DataFrame, units: np.ndarray, published: np.ndarray, official: Official) -> np.ndarray:
    """Allowed splits of each unit: its official one (test before train before val), or, without one, any."""
    allowed = np.ones((len(published), 3), bool)
    for split in (VAL_CODE, TRAIN_CODE, TEST_CODE):
        allowed[published[:, split]] = np.eye(3, dtype=bool)[split]
    only_carved = np.ones(len(published), bool)
    only_carved[units[(official.splits != UNUSED) & ~official.carve]] = False
    only_carved &= published.any(axis=1)
    allowed[only_carved] = np.eye(3, dtype=bool)[TRAIN_CODE]
    sources = samples["source"].to_numpy(object)
    for source, absent in official.missing.items():
        here = np.zeros(len(published), bool)
        here[units[(sources == source) & official.carve]] = True
        for split in absent:
            allowed[here & only_carved, split] = True
    return allowed


def _settle_contradictions(
    samples: pd.DataFrame, units: np.ndarray, allowed: np.ndarray, official: Official, report: SplitReport
) -> None:
    """Leave out train and val rows of subjects in test, and count where official splits contradict the rules."""
    to_test = (allowed[:, TEST_CODE] & (allowed.sum(axis=1) == 1))[units]
    leave = to_test & np.isin(official.splits, [TRAIN_CODE, VAL_CODE])
    official.left_out |= leave
    _count(report.left_out, "the official split has the same person or session in test", leave)
    moved = ~allowed[units, official.splits] & (official.splits == VAL_CODE) & ~leave
    _count(report.moved, "official val to train: the same person, session or near-duplicates are in train", moved)


def _leave_out_linked(
    samples: pd.DataFrame, splits: np.ndarray, links: Links, official: Official, report: SplitReport
) -> None:
    """Leave out sessions with a near-duplicate in test, where both have an official split."""
    crossing = (
        (splits[links.first] != splits[links.second])
        & (splits[links.first] != UNUSED)
        & (splits[links.second] != UNUSED)
    )
    ends = np.concatenate([links.first[crossing], links.second[crossing]])
    ends = ends[splits[ends] != TEST_CODE]
    sessions = identity(samples, "session")
    leave = np.isin(sessions, sessions[ends]) & (splits != TEST_CODE) & (splits != UNUSED)
    splits[leave] = UNUSED
    official.left_out |= leave
    _count(report.left_out, "the session has near-duplicates in the official test split", leave)


def _groups(
    samples: pd.DataFrame, units: np.ndarray, allowed: np.ndarray, gestures: pd.Categorical, official: Official
) -> Groups:
    counts = np.zeros((len(allowed), len(gestures.categories)))
    np.add.at(counts, (units, gestures.codes), ~official.left_out)
    names = samples["sample_id"].groupby(units).min()  # does not depend on the order of rows
    return Groups(counts, allowed, names.tolist())


def _check_enough_groups(groups: Groups, samples: pd.DataFrame, settings: SplitSettings, report: SplitReport) -> None:
    """Raise `DataError` when there are fewer groups than splits to fill."""
    settled = groups.allowed.sum(axis=1) == 1
    open_ = [split for split in settings.requested if not (groups.allowed[:, split] & settled).any()]
    available = int((~settled).sum())
    have = len(settings.requested) - len(open_)
    if available >= len(open_):
        return
    if have:
        _fail_empty([SPLITS[split] for split in open_], report)
    what = {"subject": "person", "session": "session"}[settings.group]
    names = sorted(set(group_of(samples) if settings.group == "subject" else samples["session"]))
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    raise DataError(
        f"the {len(samples):,} samples show {in_number(len(groups.counts), what)} that can be kept apart ({shown}), "
        f"too few for {', '.join(SPLITS[split] for split in settings.requested)}. "
        f"{_nearest(available + have, samples, settings)}"
    )


def _nearest(found: int, samples: pd.DataFrame, settings: SplitSettings) -> str:
    """Advice: the nearest possible split."""
    more = len(settings.requested) - found
    sessions = len(set(tie_rows(samples, "session").tolist()))
    advice = [f"record or add {in_number(more, 'more person' if settings.group == 'subject' else 'more session')}"]
    if found == 2 and len(settings.requested) == 3:
        advice.append("set split.test=0 to divide into train and val only")
    if settings.group == "subject" and sessions >= len(settings.requested):
        advice.append(
            f"set split.group=session to keep the {sessions} sessions apart (scores then tell nothing of new people)"
        )
    return f"The nearest that is possible: {'; or '.join(advice)}."


def _conclude(
    samples: pd.DataFrame,
    splits: np.ndarray,
    links: Links,
    units: np.ndarray,
    groups: Groups,
    gestures: pd.Categorical,
    settings: SplitSettings,
    report: SplitReport,
) -> tuple[pd.DataFrame, SplitReport]:
    result = samples.assign(split=SPLIT_NAMES[splits])
    report.groups = len(groups.counts)
    report.counts = counts_by(gestures, splits)
    report.sources = counts_by(pd.Categorical(samples["source"]), splits)
    report.people = subjects_per_split(samples, splits)
    report.unknown = unknown_by_source(samples) if settings.group == "subject" else {}
    report.sessions = count_distinct(identity(samples, "session"), splits)
    report.links = list_pairs(samples, links, splits)
    report.proof = prove(result, links, settings.group)
    _check_complete(report, groups, samples, settings)
    return result, report


def _check_complete(report: SplitReport, groups: Groups, samples: pd.DataFrame, settings: SplitSettings) -> None:
    """Warn of gestures that are absent in a requested split; raise `DataError` with `incomplete` "fail"."""
    requested = [SPLITS[split] for split in settings.requested]
    totals = {name: sum(count[name] for count in report.counts.values()) for name in requested}
    empty = [name for name, total in totals.items() if not total]
    if empty:
        _fail_empty(empty, report)
    problems = []
    settled = groups.allowed.sum(axis=1) == 1
    for column, (gesture, count) in enumerate(report.counts.items()):
        shown = groups.counts[:, column] > 0
        absent = [name for name in requested if not count[name]]
        if not shown.any():
            report.warnings.append(
                f"{gesture} has no sample in any source: it will never be recognised. Record some, add a source that "
                "has it, or take it out of gestures.names"
            )
        elif absent:
            shown_by = in_number(int(shown.sum()), "person")
            text = f"{gesture} is shown by {shown_by} and is missing in {' and '.join(absent)}"
            if not settled[shown].any():
                problems.append(text)
            report.warnings.append(text)
    if problems and settings.incomplete == "fail":
        raise DataError(
            "people cannot be kept apart with every gesture in every split:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nThe nearest that is possible: split.incomplete=warn divides so; or add people who show these gestures"
            + ("; or set split.group=session to keep only sessions apart." if settings.group == "subject" else ".")
        )


def _fail_empty(empty: list[str], report: SplitReport) -> NoReturn:
    reasons = "".join(
        f"{count:,} samples were left out because {reason}; " for reason, count in report.left_out.items()
    )
    raise DataError(
        f"nothing is left for {' and '.join(empty)}: {reasons}set split.respect_official=false to divide "
        "by people alone, or add people whom no official split claims"
    )


def write_split(table: pa.Table, samples: pd.DataFrame, report: SplitReport, folder: Path) -> None:
    """Write the split, its report and the near-duplicates that tie groups together."""
    write_text(folder / PAIRS, report.links.to_csv(index=False))
    write_json(folder / SPLIT_REPORT, report.as_json())
    write_samples(with_texts(table, "split", samples["split"].to_numpy(object)), folder / SAMPLES)


def _components(count: int, ties: Iterable[np.ndarray], links: Links | None = None) -> np.ndarray:
    """Connected components of rows that share a code in any of `ties` or a link: int (n,), numbered by first row."""
    ends, starts, offset = [], [], count
    for tie in ties:
        starts.append(np.arange(count))
        ends.append(tie + offset)
        offset += int(tie.max()) + 1
    if links is not None:
        starts.append(links.first)
        ends.append(links.second)
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(offset, offset))
    labels = connected_components(graph, directed=False)[1][:count]
    return pd.factorize(labels)[0]


def _count(reasons: dict[str, int], reason: str, rows: np.ndarray) -> None:
    if rows.any():
        reasons[reason] = reasons.get(reason, 0) + int(rows.sum())


if __name__ == "__main__":
    main()

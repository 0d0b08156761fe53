"""The split stage: train, val and test with no person, session or near-duplicate on two sides.

    gestures split [overrides]

Reads the crops, writes to `paths.splits`: `samples.parquet`, the same rows in the same order with `split` filled in
("" for rows that must not be used); `near_duplicates.csv`, the pairs that tie groups together; `report.json`.

What is kept together, in this order:

1. A person (`samples.person_of`), a session, the hands of one image. With `splits.group=session` a person may be
   on two sides, their sessions not. Where nobody knows who is in a picture, sessions and images are all that is.
2. People whose pictures contain near-duplicates of one another (`near_duplicates`): they were recorded together.

Official splits (`splits.respect_official`) settle where a person goes. Where they contradict the rules above, the rules
win: published test samples stay in test, and the sessions on the other side are left out; a person whom they put in
both train and val goes to train. A source that publishes some of the splits only has the others taken from its train
split, but not where its sessions were put into train one by one (`splits.settled`: what was picked for a model's errors
must not be evaluated on). Everyone else is assigned so that each gesture has the shares `splits.val` and `splits.test`,
and more of a gesture goes where the official splits have too little of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import SAMPLES, open_crops
from static_gesture_classification.preparation.splitting.assignment import TEST, TRAIN, VAL, Groups, assign_groups
from static_gesture_classification.preparation.splitting.near_duplicates import Links, near_duplicates
from static_gesture_classification.preparation.splitting.report import (
    PAIRS,
    UNUSED,
    SplitReport,
    codes,
    counts_by,
    distinct,
    identity,
    linked_pairs,
    people_in,
    print_report,
    prove,
    unknown_by_source,
)
from static_gesture_classification.samples import SCHEMA, SPLITS, held_together, read_arrow, write_samples
from static_gesture_classification.terminal import console

REPORT = "report.json"
COLUMNS = ["sample_id", "image", "root", "gesture", "source", "subject", "session", "split"]
GROUP_BY = ("subject", "session")
ON_INCOMPLETE = ("fail", "warn")


@entry_point
def main(config: DictConfig) -> None:
    """Split the samples that have crops."""
    crops = open_crops(Path(config.paths.crops))
    table = read_arrow(Path(config.paths.crops) / SAMPLES)
    settings = Settings.from_config(config)
    vocabulary = Vocabulary.from_config(config.gestures)
    if not len(table):  # the crops stage fails, unless landmarks alone are known of all samples
        write_split(table, table.select(COLUMNS).to_pandas(), SplitReport(), Path(config.paths.splits))
        console.print("no sample has a crop; the landmarks stage splits those that have landmarks")
        return
    samples, report = split_samples(table.select(COLUMNS).to_pandas(), crops, settings, vocabulary)
    write_split(table, samples, report, Path(config.paths.splits))
    print_report(report)


@dataclass(frozen=True)
class Settings:
    """The `splits` node of the configuration, and the seed.

    Attributes:
        val, test: share of the samples without an official split; 0 leaves the split out.
        respect_official: whether splits that a dataset publishes are kept.
        group: what must not be on two sides: "subject", or the weaker "session".
        incomplete: "fail" when a gesture cannot be on every side for lack of people, or "warn".
        settled: sources of which nothing that says train goes to val or test.
    """

    val: float
    test: float
    respect_official: bool
    seed: int
    group: str = "subject"
    incomplete: str = "fail"
    settled: Sequence[str] = ()

    @classmethod
    def from_config(cls, config: DictConfig) -> Settings:
        """From the whole composed configuration."""
        splits = config.splits
        return cls(
            float(splits.val),
            float(splits.test),
            bool(splits.respect_official),
            int(config.seed),
            str(splits.get("group", "subject")),
            str(splits.get("incomplete", "fail")),
            tuple(splits.get("settled") or ()),
        )

    def __post_init__(self) -> None:
        if not (0 <= self.val < 1 and 0 <= self.test < 1 and self.val + self.test < 1):
            raise UserError(
                f"splits.val is {self.val} and splits.test {self.test}; they are shares of 1 that leave some for train"
            )
        if self.group not in GROUP_BY:
            raise UserError(f"splits.group is {self.group!r}; it must be {' or '.join(GROUP_BY)}")
        if self.incomplete not in ON_INCOMPLETE:
            raise UserError(f"splits.incomplete is {self.incomplete!r}; it must be {' or '.join(ON_INCOMPLETE)}")

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of train, val and test."""
        return 1 - self.val - self.test, self.val, self.test

    @property
    def requested(self) -> list[int]:
        """The splits that must not be empty."""
        return [split for split, share in enumerate(self.shares) if share > 0]


def assign_splits(
    samples: pd.DataFrame,
    crops: np.ndarray,
    *,
    val: float,
    test: float,
    respect_official: bool,
    seed: int,
    vocabulary: Vocabulary,
    group: str = "subject",
    incomplete: str = "fail",
    settled: Sequence[str] = (),
) -> tuple[pd.DataFrame, SplitReport]:
    """Fill the column `split` of a sample table; see the module's description.

    Args:
        samples: sample table, of which the columns in `COLUMNS` are used.
        crops: uint8 (n, size, size, 3), row i belongs to row i of `samples`.
        val: share of the samples without an official split.
        test: likewise.
        respect_official: keep the splits that a dataset publishes.
        seed: of the assignment.
        vocabulary: the gestures.
        group: "subject" or "session".
        incomplete: "fail" or "warn", when a gesture cannot be on every side.
        settled: sources of which nothing that says train goes to val or test.

    Raises:
        DataError: there are too few people for the splits that are asked for; says what is nearest.
    """
    settings = Settings(val, test, respect_official, seed, group, incomplete, settled)
    return split_samples(samples, crops, settings, vocabulary)


def split_samples(
    samples: pd.DataFrame, crops: np.ndarray | None, settings: Settings, vocabulary: Vocabulary
) -> tuple[pd.DataFrame, SplitReport]:
    """See `assign_splits`. Without crops, near-duplicates are not looked for."""
    if not len(samples):
        raise DataError("there are no samples to split; run the index and crops stages on a source that has some")
    vocabulary.indices(sorted(set(samples["gesture"])))
    report = SplitReport()
    people = tied_together(samples, settings.group)
    links = Links.none() if crops is None else near_duplicates(crops, people, settings.seed)
    official = official_splits(samples, settings)
    units, side_of_unit = settle(samples, people, links, official, report)
    gestures = pd.Categorical(samples["gesture"], categories=list(vocabulary))
    groups = _groups(samples, units, side_of_unit, gestures, official)
    _check_enough_groups(groups, samples, settings, report)
    side = assign_groups(groups, settings.shares, settings.seed)[units]
    side[official.left_out] = UNUSED
    _leave_out_linked(samples, side, links, official, report)
    return _conclude(samples, side, links, units, groups, gestures, settings, report)


def split_others(
    samples: pd.DataFrame, known: np.ndarray, settings: Settings, vocabulary: Vocabulary
) -> tuple[np.ndarray, str | None]:
    """Split samples that have no crops, beside others that are split already, without looking at pictures.

    Who is split already stays where they are; a person of whom all samples were left out stays left out.

    Args:
        samples: the columns in `COLUMNS`; `split` of the known ones is settled, of the others as published.
        known: bool (n,), rows that are split already.
        settings, vocabulary: as of `assign_splits`.

    Returns:
        The split of every row, and what a reader should know, or None.

    Raises:
        DataError: nothing is split already, and there are too few people (see `assign_splits`).
    """
    people = tied_together(samples, settings.group)
    sides = samples["split"].map({name: split for split, name in enumerate(SPLITS)}).fillna(UNUSED).to_numpy(int)
    of_person = np.full(people.max() + 1, UNUSED)
    of_person[people[known]] = sides[known]  # those left out first, so that they do not cover the others
    of_person[people[known & (sides != UNUSED)]] = sides[known & (sides != UNUSED)]
    placed = np.zeros(len(of_person), bool)
    placed[people[known]] = True
    result, note = np.where(known, sides, of_person[people]), None
    rest = np.flatnonzero(~placed[people])
    if len(rest):
        lenient = replace(settings, incomplete="warn") if known.any() else settings
        own = samples.iloc[rest].reset_index(drop=True)
        try:
            divided, _ = split_samples(own, None, lenient, vocabulary)
            result[rest] = divided["split"].map({name: i for i, name in enumerate(SPLITS)}).fillna(UNUSED).to_numpy(int)
        except DataError as error:
            if not known.any():
                raise
            note = f"{len(rest):,} samples without crops are left out: {error}"
    names = np.array([*SPLITS, ""], object)
    prove(samples.assign(split=names[result]), Links.none(), settings.group)
    return names[result], note


def tied_together(samples: pd.DataFrame, group: str) -> np.ndarray:
    """Number of the person that each row belongs to: int (n,); rows that share a subject, session or image share it."""
    keys = ["session"] if group == "session" else ["subject", "session"]
    ties = [identity(samples, key) for key in keys]
    ties.append(codes(samples["root"], samples["image"]))
    return _components(len(samples), ties)


@dataclass
class Official:
    """Published splits: `side` int (n,), -1 where there is none; `carve` bool (n,), train rows to take others from."""

    side: np.ndarray
    carve: np.ndarray
    missing: dict[str, list[int]]
    left_out: np.ndarray


def official_splits(samples: pd.DataFrame, settings: Settings) -> Official:
    """The splits that datasets publish, as far as they are respected."""
    side = np.full(len(samples), UNUSED)
    carve = np.zeros(len(samples), bool)
    missing: dict[str, list[int]] = {}
    if settings.respect_official:
        side = samples["split"].map({name: split for split, name in enumerate(SPLITS)}).fillna(UNUSED).to_numpy(int)
        sources = samples["source"].to_numpy(object)
        for source in sorted(set(sources)):
            own = sources == source
            published = set(side[own].tolist()) - {UNUSED}
            absent = [split for split in settings.requested if split not in published]
            # One published split alone is no division of the dataset, but says where these samples belong.
            if len(published) > 1 and TRAIN in published and absent and source not in settings.settled:
                missing[source] = absent
                carve |= own & (side == TRAIN)
    return Official(side, carve, missing, np.zeros(len(samples), bool))


def settle(
    samples: pd.DataFrame, people: np.ndarray, links: Links, official: Official, report: SplitReport
) -> tuple[np.ndarray, np.ndarray]:
    """Decide what official splits decide, and tie people with near-duplicates of one another together.

    Returns:
        The unit of each row, int (n,), and the splits each unit may go to, bool (units, 3).
    """
    pinned = _sides_of(people, official.side)
    units = _components(len(samples), [people], links)
    in_test = pinned[:, TEST]
    # A cluster that touches test is not tied as a whole: who is published elsewhere stays there, the rest joins test.
    touches_test = np.zeros(units.max() + 1, bool)
    touches_test[units[in_test[people]]] = True
    elsewhere = ~in_test & pinned[:, [TRAIN, VAL]].any(axis=1)
    apart = touches_test[units] & elsewhere[people]
    units = np.unique(np.stack([units, apart], axis=1), axis=0, return_inverse=True)[1].ravel()
    sides = _sides_of(units, official.side)
    allowed = _allowed(samples, units, sides, official)
    _contradictions(samples, units, allowed, official, report)
    return units, allowed


def _sides_of(groups: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Which official splits occur in each group: bool (groups, 3)."""
    sides = np.zeros((groups.max() + 1, 3), bool)
    known = side != UNUSED
    sides[groups[known], side[known]] = True
    return sides


def _allowed(samples: pd.DataFrame, units: np.ndarray, sides: np.ndarray, official: Official) -> np.ndarray:
    """Splits each unit may go to: its official one (test before train before val), or, without one, any."""
    allowed = np.ones((len(sides), 3), bool)
    for split in (VAL, TRAIN, TEST):
        allowed[sides[:, split]] = np.eye(3, dtype=bool)[split]
    only_carved = np.ones(len(sides), bool)
    only_carved[units[(official.side != UNUSED) & ~official.carve]] = False
    only_carved &= sides.any(axis=1)
    allowed[only_carved] = np.eye(3, dtype=bool)[TRAIN]
    sources = samples["source"].to_numpy(object)
    for source, absent in official.missing.items():
        here = np.zeros(len(sides), bool)
        here[units[(sources == source) & official.carve]] = True
        for split in absent:
            allowed[here & only_carved, split] = True
    return allowed


def _contradictions(
    samples: pd.DataFrame, units: np.ndarray, allowed: np.ndarray, official: Official, report: SplitReport
) -> None:
    """Count what an official split and the rules disagree about; published train and val rows of test people go."""
    to_test = (allowed[:, TEST] & (allowed.sum(axis=1) == 1))[units]
    leave = to_test & np.isin(official.side, [TRAIN, VAL])
    official.left_out |= leave
    _count(report.left_out, "the official split has the same person or session in test", leave)
    moved = ~allowed[units, official.side] & (official.side == VAL) & ~leave
    _count(report.moved, "official val to train: the same person, session or near-duplicates are in train", moved)


def _leave_out_linked(
    samples: pd.DataFrame, side: np.ndarray, links: Links, official: Official, report: SplitReport
) -> None:
    """Leave out the sessions that have a near-duplicate in test, where an official split holds both sides fast."""
    crossing = (
        (side[links.first] != side[links.second]) & (side[links.first] != UNUSED) & (side[links.second] != UNUSED)
    )
    ends = np.concatenate([links.first[crossing], links.second[crossing]])
    ends = ends[side[ends] != TEST]
    sessions = identity(samples, "session")
    leave = np.isin(sessions, sessions[ends]) & (side != TEST) & (side != UNUSED)
    side[leave] = UNUSED
    official.left_out |= leave
    _count(report.left_out, "the session has near-duplicates in the official test split", leave)


def _groups(
    samples: pd.DataFrame, units: np.ndarray, allowed: np.ndarray, gestures: pd.Categorical, official: Official
) -> Groups:
    counts = np.zeros((len(allowed), len(gestures.categories)))
    np.add.at(counts, (units, gestures.codes), ~official.left_out)
    names = samples["sample_id"].groupby(units).min()  # of its first sample, whatever the order of rows
    return Groups(counts, allowed, names.tolist())


def _check_enough_groups(groups: Groups, samples: pd.DataFrame, settings: Settings, report: SplitReport) -> None:
    """Raise when there are fewer people than splits to fill."""
    settled = groups.allowed.sum(axis=1) == 1
    open_ = [split for split in settings.requested if not (groups.allowed[:, split] & settled).any()]
    available = int((~settled).sum())
    have = len(settings.requested) - len(open_)
    if available >= len(open_):
        return
    if have:
        _fail_empty([SPLITS[split] for split in open_], report)
    what = {"subject": "person", "session": "session"}[settings.group]
    people = sorted(set(held_together(samples) if settings.group == "subject" else samples["session"]))
    shown = ", ".join(people[:3]) + (", ..." if len(people) > 3 else "")
    raise DataError(
        f"the {len(samples):,} samples show {_number(len(groups.counts), what)} that can be kept apart ({shown}), "
        f"too few for {', '.join(SPLITS[split] for split in settings.requested)}. "
        f"{_nearest(available + have, samples, settings)}"
    )


def _nearest(found: int, samples: pd.DataFrame, settings: Settings) -> str:
    """The nearest that is possible, as advice."""
    more = len(settings.requested) - found
    sessions = len(set(tied_together(samples, "session").tolist()))
    advice = [f"record or add {_number(more, 'more person' if settings.group == 'subject' else 'more session')}"]
    if found == 2 and len(settings.requested) == 3:
        advice.append("set splits.test=0 to divide into train and val only")
    if settings.group == "subject" and sessions >= len(settings.requested):
        advice.append(
            f"set splits.group=session to keep the {sessions} sessions apart (scores then tell nothing of new people)"
        )
    return f"The nearest that is possible: {'; or '.join(advice)}."


def _conclude(
    samples: pd.DataFrame,
    side: np.ndarray,
    links: Links,
    units: np.ndarray,
    groups: Groups,
    gestures: pd.Categorical,
    settings: Settings,
    report: SplitReport,
) -> tuple[pd.DataFrame, SplitReport]:
    names = np.array([*SPLITS, ""], object)
    result = samples.assign(split=names[side])
    report.groups = len(groups.counts)
    report.counts = counts_by(gestures, side)
    report.sources = counts_by(pd.Categorical(samples["source"]), side)
    report.people = people_in(samples, side)
    report.unknown = unknown_by_source(samples) if settings.group == "subject" else {}
    report.sessions = distinct(identity(samples, "session"), side)
    report.links = linked_pairs(samples, links, side)
    report.proof = prove(result, links, settings.group)
    _check_complete(report, groups, samples, settings)
    return result, report


def _check_complete(report: SplitReport, groups: Groups, samples: pd.DataFrame, settings: Settings) -> None:
    """Every requested split has samples of every gesture, or it is said why not."""
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
            people = int(shown.sum())
            text = f"{gesture} is shown by {_number(people, 'person')} and is missing in {' and '.join(absent)}"
            if not settled[shown].any():
                problems.append(text)
            report.warnings.append(text)
    if problems and settings.incomplete == "fail":
        raise DataError(
            "people cannot be kept apart with every gesture on every side:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nThe nearest that is possible: splits.incomplete=warn divides so; or add people who show these gestures"
            + ("; or set splits.group=session to keep only sessions apart." if settings.group == "subject" else ".")
        )


def _fail_empty(empty: list[str], report: SplitReport) -> NoReturn:
    reasons = "".join(
        f"{count:,} samples were left out because {reason}; " for reason, count in report.left_out.items()
    )
    raise DataError(
        f"nothing is left for {' and '.join(empty)}: {reasons}set splits.respect_official=false to divide "
        "by people alone, or add people whom no official split claims"
    )


def write_split(table: pa.Table, samples: pd.DataFrame, report: SplitReport, folder: Path) -> None:
    """Write the split, its report and the near-duplicates that tie people together."""
    position = SCHEMA.names.index("split")
    filled = table.set_column(
        position, SCHEMA.field(position), pa.array(samples["split"].to_numpy(object), pa.string())
    )
    write_text(folder / PAIRS, report.links.to_csv(index=False))
    write_json(folder / REPORT, report.as_json())
    write_samples(filled, folder / SAMPLES)


def _components(count: int, ties: Iterable[np.ndarray], links: Links | None = None) -> np.ndarray:
    """Connected components of rows that share a code in any of `ties`, or a link: int (n,), numbered by first row."""
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


def _number(count: int, thing: str) -> str:
    plural = {"person": "people"}.get(thing.split()[-1], f"{thing.split()[-1]}s")
    words = [*thing.split()[:-1], thing.split()[-1] if count == 1 else plural]
    return f"{count:,} {' '.join(words)}"


if __name__ == "__main__":
    main()

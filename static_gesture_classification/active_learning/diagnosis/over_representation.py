"""Properties that are over-represented in one group of samples, compared with another, beyond chance.

Every property that can be stated in words ("left", "smaller than 60 px", "of Subject3") is a predicate. Predicates that
are commoner in the group are tested by Fisher's exact test, one-sided. Hundreds are tried, and thresholds of one
measurement resemble each other. So p-values are corrected by the distribution of the smallest p-value over random
permutations of the two groups (Westfall and Young, "Resampling-Based Multiple Testing", 1993). After the strongest
predicate, the next is tested within the strata that the first makes. A property that only correlates with the first is
therefore no second finding; it is listed with the first.

The tests take samples as independent. Frames of one subject are not, so a finding also counts its subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.stats import hypergeom

from static_gesture_classification.settings import At, Settings

NAME_COLUMNS = ("hand", "person", "session", "source")  # columns of names, the others hold numbers or truth values
CUTS = 9  # thresholds tried of a measurement, in each direction
KNOWN_SHARE = 0.9  # share of samples whose measurement must be known
LEAST_SAMPLES = 3  # samples of the group that a finding must hold
SAME_SHARE = 0.8  # of the samples that hold one predicate or another, the share that holds both, to go along
JOINED_SHARE = 0.7  # of the samples with one predicate, the share that has the next, to tell both in one

BELOW = {
    "size": "smaller than {} px",
    "brightness": "darker than {} of 255",
    "sharpness": "with sharpness below {}",
}
BELOW |= {"tilt": "turned by less than {} degrees"}
ABOVE = {
    "size": "larger than {} px",
    "brightness": "brighter than {} of 255",
    "sharpness": "with sharpness above {}",
}
ABOVE |= {"tilt": "turned by more than {} degrees"}


class SignificanceSettings(Settings, key="confusions.patterns"):
    """When a property is reported; see conf/confusions.

    Args:
        level: corrected p-value below which it is reported.
        least_share: share of the group's samples that it must hold.
        permutations: exchanges of the two groups from which p-values are corrected.
        seed: of them.
    """

    level: float = Field(0.01, ge=0, le=1)
    least_share: float = Field(0.3, ge=0, le=1)
    permutations: int = Field(1000, ge=1)
    seed: Annotated[int, At("seed")] = 0


@dataclass(frozen=True)
class Finding:
    """Something over-represented.

    Args:
        text: what the samples are: "left hands smaller than 60 px".
        count, total: how many of the group hold it.
        usual: share of the other group that holds it.
        subjects: how many subjects of the group hold it.
        p: corrected p-value of its first predicate.
        names_subject: whether it names a subject or session.
        along: further properties that correlate with it.
    """

    text: str
    count: int
    total: int
    usual: float
    subjects: int
    p: float
    names_subject: bool = False
    along: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """`31 of 41 are left hands smaller than 60 px (12 % of the correct ones)`."""
        whose = ", all of one person" if self.subjects == 1 and not self.names_subject else ""
        along = f"; along with it: {', '.join(self.along)}" if self.along else ""
        return f"{self.count:,} of {self.total:,} are {self.text} ({self.usual:.0%} of the correct ones){whose}{along}"


@dataclass(frozen=True)
class Predicate:
    """A property in words, and which samples have it: bool (n,)."""

    feature: str
    text: str
    holds: np.ndarray


def find_over_represented(
    group: pd.DataFrame, others: pd.DataFrame, rules: SignificanceSettings, tests: int = 1, findings: int = 3
) -> list[Finding]:
    """Find what is over-represented in `group`, strongest first.

    Args:
        group, others: measured samples (see `measurements`).
        rules: when a property is reported.
        tests: number of groups that are tested together; p-values are multiplied by it.
        findings: at most this many.
    """
    both = pd.concat([group, others], ignore_index=True)
    member = np.arange(len(both)) < len(group)
    if len(group) < LEAST_SAMPLES or not len(others):
        return []
    predicates = _drop_equivalent(_predicates(both))
    chosen: list[tuple[Predicate, float]] = []
    marginal: np.ndarray | None = None
    strata = np.zeros(len(both), np.int64)
    while predicates and len(chosen) < findings:
        corrected = np.minimum(1, tests * _correct_p(predicates, member, strata, rules))
        marginal = corrected if marginal is None else marginal
        best = _strongest(predicates, corrected, member, rules, {each.feature for each, _ in chosen})
        if best is None:
            break
        chosen.append((predicates[best], float(corrected[best])))
        strata = 2 * strata + predicates[best].holds
    if marginal is None:
        return []
    return list(_merge_findings(chosen, predicates, marginal, member, both, rules))


def _predicates(both: pd.DataFrame) -> Iterator[Predicate]:
    for name in NAME_COLUMNS:
        counts = both[name].value_counts()
        for value in sorted(counts.index[counts >= LEAST_SAMPLES]):
            if value != "" and counts[value] < len(both):
                yield Predicate(name, _words(name, str(value)), (both[name] == value).to_numpy())
    if both["edge"].any():
        yield Predicate("edge", "at the image's edge", both["edge"].to_numpy(bool))
    for name in BELOW:
        values = both[name].to_numpy(np.float64)
        finite = np.isfinite(values)
        if finite.mean() < KNOWN_SHARE:
            continue
        quantiles = np.quantile(values[finite], np.arange(1, CUTS + 1) / (CUTS + 1))
        for cut in sorted({float(f"{value:.2g}") for value in quantiles}):
            yield Predicate(name, BELOW[name].format(f"{cut:g}"), values < cut)
            yield Predicate(name, ABOVE[name].format(f"{cut:g}"), values > cut)


def _words(name: str, value: str) -> str:
    return {"hand": "{} hands", "person": "of {}", "session": "in session {}", "source": "in {}"}[name].format(value)


def _drop_equivalent(predicates: Iterator[Predicate]) -> list[Predicate]:
    """One predicate for each set of samples; without those that hold for all samples or for none."""
    kept: dict[bytes, Predicate] = {}
    for predicate in predicates:
        if predicate.holds.any() and not predicate.holds.all():
            kept.setdefault(np.packbits(predicate.holds).tobytes(), predicate)
    return list(kept.values())


def _correct_p(
    predicates: Sequence[Predicate], member: np.ndarray, strata: np.ndarray, rules: SignificanceSettings
) -> np.ndarray:
    """Corrected one-sided p-value of each predicate, given the strata."""
    holds = np.array([predicate.holds for predicate in predicates])
    tails = _tails(holds, member, strata)
    own = np.arange(len(holds))
    observed = tails[own, holds[:, member].sum(1)]
    random = np.random.default_rng(rules.seed)
    exchanged = np.stack([_permute(member, strata, random) for _ in range(rules.permutations)], axis=1)
    counts = np.rint(holds.astype(np.float32) @ exchanged.astype(np.float32)).astype(np.int64)
    smallest = tails[own[:, None], counts].min(axis=0)
    return (1 + (smallest[None] <= observed[:, None] * (1 + 1e-9)).sum(1)) / (rules.permutations + 1)


def _permute(member: np.ndarray, strata: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Permute the memberships within each stratum."""
    order = np.lexsort((random.random(len(member)), strata))
    dealt = np.empty_like(member)
    dealt[np.argsort(strata, kind="stable")] = member[order]
    return dealt


def _tails(holds: np.ndarray, member: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """P(at least k of the group hold it) of each predicate, given the margins of each stratum: (m, group + 1).

    Counts of strata are independent hypergeometric variables; their sum is distributed as the convolution.
    """
    masses = [np.ones(1)] * len(holds)
    for stratum in np.unique(strata):
        inside = strata == stratum
        drawn, margins = int((member & inside).sum()), holds[:, inside].sum(1)
        unique, at = np.unique(margins, return_inverse=True)
        mass = hypergeom.pmf(np.arange(drawn + 1)[None], int(inside.sum()), unique[:, None], drawn)
        masses = [np.convolve(before, mass[row]) for before, row in zip(masses, at, strict=True)]
    tails = np.cumsum(np.array(masses)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(tails, 1)


def _strongest(
    predicates: Sequence[Predicate],
    corrected: np.ndarray,
    member: np.ndarray,
    rules: SignificanceSettings,
    used: set[str],
) -> int | None:
    """The predicate with the lowest corrected p-value, then the largest gap between the two groups' shares."""
    shares = np.array([predicate.holds[member].mean() for predicate in predicates])
    gaps = shares - np.array([predicate.holds[~member].mean() for predicate in predicates])
    least = max(rules.least_share, LEAST_SAMPLES / member.sum())
    allowed = np.array([predicate.feature not in used for predicate in predicates])
    candidates = np.flatnonzero(allowed & (corrected < rules.level) & (shares >= least) & (gaps > 0))
    if not len(candidates):
        return None
    return int(candidates[np.lexsort((-gaps[candidates], corrected[candidates]))[0]])


def _merge_findings(
    chosen: Sequence[tuple[Predicate, float]],
    predicates: Sequence[Predicate],
    marginal: np.ndarray,
    member: np.ndarray,
    both: pd.DataFrame,
    rules: SignificanceSettings,
) -> Iterator[Finding]:
    """The findings; predicates that mostly hold for the same samples become one."""
    told = {predicate.feature for predicate, _ in chosen}
    pending = list(chosen)
    while pending:
        first, p = pending.pop(0)
        parts, holds = [first], first.holds
        for other in list(pending):
            joint = holds & other[0].holds
            if joint[member].sum() >= max(LEAST_SAMPLES, JOINED_SHARE * holds[member].sum()):
                parts, holds = [*parts, other[0]], joint
                pending.remove(other)
        along = list(_find_correlated(first, predicates, marginal, member, rules, told))
        yield Finding(
            _phrase(parts),
            int(holds[member].sum()),
            int(member.sum()),
            float(holds[~member].mean()),
            int(both["person"][holds & member].nunique()),
            p,
            any(part.feature in ("person", "session") for part in parts),
            tuple(along),
        )


def _find_correlated(
    first: Predicate,
    predicates: Sequence[Predicate],
    marginal: np.ndarray,
    member: np.ndarray,
    rules: SignificanceSettings,
    told: set[str],
) -> Iterator[str]:
    """Other properties that are over-represented too, but in the same samples."""
    for row in np.argsort(marginal, kind="stable"):
        other = predicates[row]
        if marginal[row] >= rules.level or other.feature in told:
            continue
        own, its = first.holds[member], other.holds[member]
        if its.mean() > other.holds[~member].mean() and (own & its).sum() >= SAME_SHARE * (own | its).sum():
            told.add(other.feature)
            yield other.text


def _phrase(parts: Sequence[Predicate]) -> str:
    """`left hands smaller than 60 px, of Subject3`."""
    hands = next((part.text for part in parts if part.feature == "hand"), "hands")
    rest = ", ".join(part.text for part in parts if part.feature != "hand")
    return f"{hands} {rest}".rstrip()

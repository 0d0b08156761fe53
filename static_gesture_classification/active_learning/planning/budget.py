"""How many samples each line of the plan gets of the budget."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from static_gesture_classification.active_learning.diagnosis.pairs import ErrorPair
from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import Settings


class BudgetSettings(Settings):
    """How many samples a round records.

    Args:
        budget: samples in all.
        least, most: samples of a line.
        per_error: samples for each error on val.
        for_little_data: share of the budget for gestures with little data, where there are errors too.
        for_in_use: largest share of the budget for errors that were caught in use.
    """

    budget: int
    least: int = Field(ge=1)
    most: int
    per_error: int = Field(ge=0)
    for_little_data: float = Field(ge=0, le=1)
    for_in_use: float = Field(default=0.3, ge=0, le=1)

    @model_validator(mode="after")
    def _check_line(self) -> BudgetSettings:
        if self.most < self.least:
            raise UserError(
                f"plan.most is {self.most}, less than plan.least ({self.least}); it must be as much or more"
            )
        if self.budget < self.least:
            raise UserError(f"plan.budget is {self.budget}, less than plan.least ({self.least}), so there is no line")
        return self


def share(
    settings: BudgetSettings, pairs: Sequence[ErrorPair], lacking: Sequence[float]
) -> tuple[list[int], list[int]]:
    """Samples for the first pairs, and for the first gestures that lack data; both are sorted in descending order.

    Gestures that lack data get their share of the budget, and what the pairs cannot use.
    """
    stakes = [pair.f1_at_stake for pair in pairs]
    limits = [max(settings.least, min(settings.most, settings.per_error * pair.count)) for pair in pairs]
    share = max(settings.least, round(settings.budget * settings.for_little_data)) if settings.for_little_data else 0
    kept = min(share, settings.budget) if pairs else settings.budget
    for_lacking = allot(lacking, [settings.most] * len(lacking), kept, settings.least)
    for_pairs = allot(stakes, limits, settings.budget - sum(for_lacking), settings.least)
    left = settings.budget - sum(for_pairs)
    return for_pairs, allot(lacking, [settings.most] * len(lacking), left, settings.least)


def allot(weights: Sequence[float], limits: Sequence[int], samples: int, least: int) -> list[int]:
    """Samples for the first of `weights` (descending, above 0), in proportion to them.

    There are as many lines as get at least `least` each. No line gets more than its limit; the rest goes to the others.
    Counts are whole numbers, never more than `samples` in all.
    """
    lines = next((n for n in range(len(weights), 0, -1) if samples * weights[n - 1] >= least * sum(weights[:n])), 0)
    counts = [0] * lines
    for _ in range(samples):
        open_ = [line for line in range(lines) if counts[line] < limits[line]]
        if not open_:
            break
        # The next sample goes to the line that is furthest below its part (the method of Sainte-Lague).
        counts[max(open_, key=lambda line: weights[line] / (2 * counts[line] + 1))] += 1
    return counts

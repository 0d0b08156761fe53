"""Before and after a training: the worst pairs, the verdict, and the button that promotes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from nicegui import ui

from static_gesture_classification.active_learning.comparison.report import (
    ANYTHING,
    WrittenChange,
    WrittenComparison,
    WrittenPair,
    read_comparison,
)
from static_gesture_classification.active_learning.retraining.outcome import WrittenOutcome, read_outcome
from static_gesture_classification.evaluation.promote import PromoteSettings, best_record
from static_gesture_classification.review import frame, palette
from static_gesture_classification.review.review import Review
from static_gesture_classification.training.checkpoint import checkpoint_digest
from static_gesture_classification.workspace import Workspace

VAL = "val"
SHOWN_PAIRS = 6


@dataclass(frozen=True)
class Outcome:
    """What the quick loop's last training has come to.

    Args:
        written: its own summary.
        comparison: with the one before; None where there was none, or where it is about another checkpoint.
        digest: of the trained checkpoint.
        is_best: whether the trained checkpoint is the best one.
    """

    written: WrittenOutcome
    comparison: WrittenComparison | None
    digest: str
    is_best: bool


def read_last(workspace: Workspace) -> Outcome | None:
    """The last outcome of the quick loop; None before the first.

    Raises:
        DataError: a file is damaged.
    """
    written, digest = read_outcome(workspace), checkpoint_digest(workspace.trained)
    if written is None or digest is None:
        return None
    comparison = read_comparison(workspace.reports / "compare")
    if comparison is not None and comparison["after"]["sha256"] != digest:
        comparison = None
    return Outcome(written, comparison, digest, checkpoint_digest(workspace.best) == digest)


async def show_last(review: Review) -> None:
    """The quick loop's last outcome, if there is one."""
    outcome = await frame.in_thread(read_last, review.quick)
    if outcome is not None:
        show(outcome, review)


def show(outcome: Outcome, review: Review) -> None:
    """An outcome."""
    with ui.card().classes("w-full").props("flat bordered"):
        frame.heading("Before and after")
        score = outcome.written["weighted_f1"].get(VAL)
        new = outcome.written["new_samples"]
        ui.label(
            f"{outcome.written['samples']:,} samples, {new:,} of them new"
            + ("" if score is None else f"; weighted F1 on val {score:.3f}")
        )
        if outcome.comparison is not None and VAL in outcome.comparison["splits"]:
            _show_change(outcome.comparison["splits"][VAL])
            show_pairs(outcome.comparison)
            for note in outcome.comparison["notes"]:
                ui.label(f"Note: {note}").classes("text-caption")
        _show_verdict(outcome, review)


def _show_change(change: WrittenChange) -> None:
    interval = change["interval"]
    with ui.row().classes("items-center"):
        for when, value in (("before", change["weighted_f1_before"]), ("after", change["weighted_f1_after"])):
            with ui.column().classes("gap-0"):
                ui.label(when).classes("text-caption")
                ui.label(f"{value:.3f}").classes("text-h4")
            if when == "before":
                ui.icon("arrow_forward", size="2rem").props("aria-hidden=true")
    ui.label(
        f"Weighted F1 changes by {change['difference']:+.3f}; {interval['level']:.0%} interval "
        f"{interval['low']:+.3f} to {interval['high']:+.3f}, from {change['samples']:,} samples of "
        f"{change['people']:,} people."
    )


def show_pairs(comparison: WrittenComparison) -> None:
    """The errors of pairs before and after: those of the plan, else the commonest ones."""
    pairs = [pair for pair in comparison["splits"][VAL]["pairs"] if pair["support"]][:SHOWN_PAIRS]
    if not pairs:
        return
    what = "The pairs of the plan" if comparison["planned"] else "The worst pairs before"
    ui.label(what).classes("text-subtitle1").props('role="heading" aria-level="3"')
    with ui.element("table").classes("pairs").props(f'tabindex=0 aria-label="{what}"'):
        with ui.element("tr"):
            for heading in ("shown", "taken for", "samples", "errors before", "errors after", "change"):
                with ui.element("th").props("scope=col"):
                    ui.label(heading)
        for pair in pairs:
            _pair_row(pair)


def _pair_row(pair: WrittenPair) -> None:
    before, after = pair["errors_before"], pair["errors_after"]
    word, colour = ("same", "inherit") if before == after else ("worse", palette.WRONG)
    if after < before:
        word, colour = "better", palette.RIGHT
    cells = (pair["gesture"], pair["mistaken_for"] or ANYTHING, pair["support"], before, after)
    with ui.element("tr"):
        for cell in cells:
            with ui.element("td"):
                ui.label(f"{cell:,}" if isinstance(cell, int) else cell)
        with ui.element("td"), ui.row().classes("items-center gap-1 no-wrap"):
            icon = {"same": "drag_handle", "worse": "trending_up", "better": "trending_down"}[word]
            ui.icon(icon).style(f"color: {colour}").props("aria-hidden=true")
            ui.label(word)


def _show_verdict(outcome: Outcome, review: Review) -> None:
    verdict = outcome.written["verdict"]
    with ui.row().classes("items-center no-wrap w-full").props('role="status"'):
        if outcome.is_best:
            ui.icon("verified", color="positive", size="2rem").props("aria-hidden=true")
            reason = verdict["reason"] if verdict and verdict["promote"] else "It is the one that is used"
            ui.label(f"It is the best one now. {reason[:1].upper()}{reason[1:]}.")
            return
        ui.icon("block", color="negative", size="2rem").props("aria-hidden=true")
        reason = verdict["reason"] if verdict else "it was not compared"
        ui.label(f"It was not promoted: {reason}. The one before stays in use.")
    ui.button("Promote it anyway", icon="upgrade", on_click=partial(_ask_to_promote, outcome, reason, review)).props(
        "no-caps outline"
    )


async def _ask_to_promote(outcome: Outcome, reason: str, review: Review) -> None:
    with ui.dialog() as dialog, ui.card():
        ui.label("Promote it although the comparison refused it?").classes("text-h6")
        ui.label(f"Refused, for {reason}.")
        ui.label("The one before is kept as previous_best.ckpt, and the record says that you chose.")
        with ui.row():
            ui.button("Promote it", on_click=lambda: dialog.submit(True)).props("no-caps")
            ui.button("Leave it", on_click=lambda: dialog.submit(False)).props("no-caps flat autofocus")
    if await dialog:
        done = await frame.attempt(_promote, outcome, reason, review)
        if done:
            ui.navigate.reload()


async def _promote(outcome: Outcome, reason: str, review: Review) -> bool:
    from static_gesture_classification.active_learning.retraining.promotion import promote_anyway

    settings = PromoteSettings.from_config(review.config)
    await frame.in_thread(promote_anyway, review.quick, settings, outcome.digest, reason)
    record = await frame.in_thread(best_record, review.quick.models)
    if record is not None:
        await frame.in_thread(review.note_promotion, record, review.quick)
    ui.notify("Promoted: it is the best one now.", type="positive")
    return True

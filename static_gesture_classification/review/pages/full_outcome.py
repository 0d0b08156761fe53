"""What a training of the whole pipeline has come to: whether it is in use, why, and how it compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import read_checkpoint_record
from static_gesture_classification.evaluation.promote import PREVIOUS_RECORD, best_record
from static_gesture_classification.review import frame, known_runs
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.pages.checkpoints import sentences_of
from static_gesture_classification.review.pages.chosen_runs import Verdict
from static_gesture_classification.review.pages.promotion import Promotion
from static_gesture_classification.review.review import Review


@dataclass(frozen=True)
class FullOutcome:
    """The pipeline's last training.

    Args:
        run, epoch: that it trained.
        best: the record of the checkpoint in use; None before the first promotion.
        is_best: whether that is the one that was trained.
        before: the run of the one it is compared with; None where there is none, or it was deleted.
    """

    run: KnownRun
    epoch: int
    best: dict[str, Any] | None
    is_best: bool
    before: KnownRun | None


def read(review: Review) -> FullOutcome | None:
    """The last outcome; None before the first.

    Raises:
        UserError: the run was deleted, or a record is damaged.
    """
    workspace = review.workspace
    trained, best = read_checkpoint_record(workspace.trained.with_suffix(".json")), best_record(workspace.models)
    if trained is None:
        return None
    run, epoch = known_runs.find(str(trained["run"]), review), int(trained["epoch"])
    is_best = best is not None and (best.get("run"), best.get("epoch")) == (run.folder.run_id, epoch)
    compared = read_checkpoint_record(workspace.models / PREVIOUS_RECORD) if is_best else best
    return FullOutcome(run, epoch, best, is_best, _other_run(compared, run, review))


def _other_run(record: dict[str, Any] | None, run: KnownRun, review: Review) -> KnownRun | None:
    """The run of a record, if it is there and another one."""
    name = str((record or {}).get("run") or "")
    if name in ("", run.folder.run_id):
        return None
    try:
        return known_runs.find(name, review)
    except UserError:
        return None


async def show(review: Review) -> None:
    """Show the last outcome, if there is one, and what can be done about it."""
    outcome = await frame.in_thread(read, review)
    if outcome is None:
        return
    with ui.card().classes("w-full").props("flat bordered"):
        frame.heading("What it came to")
        ui.link(f"{outcome.run.name}, epoch {outcome.epoch}", outcome.run.address).classes("plain-link")
        if outcome.is_best:
            _icon_and_text("verified", "positive", "It is the best one now, and in use.")
            for sentence in sentences_of(outcome.best or {}):
                ui.label(sentence).classes("max-w-prose")
        else:
            _icon_and_text("block", "negative", "It was not promoted: the one before stays in use.")
            ui.label("Promote compares the two anew: it says why not, and whether you want it anyway.")

            async def promote() -> None:
                await Promotion(review, _reload).run(outcome.run, outcome.epoch)

            ui.button("Promote", icon="upgrade", on_click=promote, color=None).props("no-caps outline")
        if outcome.before is not None:
            Verdict(review, [outcome.before, outcome.run])


async def _reload() -> None:
    ui.navigate.reload()


def _icon_and_text(icon: str, colour: str, text: str) -> None:
    with ui.row().classes("items-center no-wrap").props('role="status"'):
        ui.icon(icon, color=colour, size="2rem").props("aria-hidden=true")
        ui.label(text)

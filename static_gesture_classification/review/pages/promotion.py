"""The promote button: compares first; promotes what is better, else says why not and offers to do it anyway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.promote import (
    PREVIOUS_BEST,
    PromoteSettings,
    PromotionCandidate,
    PromotionDecision,
    decide_promotion,
    kept_candidate,
    overrule,
    promote_kept,
)
from static_gesture_classification.review import frame
from static_gesture_classification.review.known_runs import KnownRun
from static_gesture_classification.review.review import Review
from static_gesture_classification.training.checkpoint import checkpoint_digest


@dataclass(frozen=True)
class Decided:
    """A checkpoint that was compared with the best one.

    Args:
        candidate: the checkpoint.
        decision: what the comparison says.
        against: digest of the best one then; None where there was none.
        settings: of the workspace that both are of.
    """

    candidate: PromotionCandidate
    decision: PromotionDecision
    against: str | None
    settings: PromoteSettings

    def promote(self, review: Review) -> None:
        """Promote it, and write that down. Raises `UserError` where another one was promoted meanwhile."""
        promote_kept(self.candidate, self.decision, self.against, self.settings)
        review.note_promotion(self.candidate.record, self.settings.workspace)


def decide(review: Review, known: KnownRun, epoch: int) -> Decided:
    """Compare a kept checkpoint with the best one of its workspace. Raises `UserError` where that cannot be done."""
    settings = PromoteSettings.from_config(review.config).at(known.workspace)
    against = checkpoint_digest(known.workspace.best)
    candidate = kept_candidate(known.folder, epoch)
    return Decided(candidate, decide_promotion(candidate, settings), against, settings)


class Promotion:
    """The dialog of a promotion.

    Args:
        review: the page's.
        done: called once the checkpoint is promoted.
    """

    def __init__(self, review: Review, done: Callable[[], Awaitable[None]]) -> None:
        self.review, self.done = review, done
        with ui.dialog().props('persistent aria-label="Promote"') as self.dialog:
            self.card = ui.card().classes("max-w-lg")
        with self.card, ui.row().classes("items-center no-wrap").props('role="status"'):
            ui.spinner()
            ui.label("It and the one in use are looking at val. Pictures take up to a minute.")
        self.dialog.open()

    async def run(self, known: KnownRun, epoch: int) -> None:
        """Compare, and promote what is better."""
        try:
            decided = await frame.in_thread(decide, self.review, known, epoch)
        except UserError as error:
            self.refuse(str(error))
            return
        if decided.decision.promote:
            await self.promote(decided)
        else:
            self.offer(decided)

    async def promote(self, decided: Decided) -> None:
        """Promote it, and say so."""
        try:
            await frame.in_thread(decided.promote, self.review)
        except UserError as error:
            self.refuse(str(error))
            return
        self.dialog.close()
        back = (decided.settings.workspace.models / PREVIOUS_BEST).is_file()
        way_back = ' To take it back: "Back to the one before".' if back else ""
        ui.notify(
            f"Promoted. {sentence(decided.decision.reason)}{way_back}",
            type="positive",
            multi_line=True,
            timeout=10_000,
            actions=[{"label": "OK", "color": "white"}],
        )
        await self.done()

    def offer(self, decided: Decided) -> None:
        """Say why it is not promoted, and offer to do so anyway."""
        anyway = Decided(decided.candidate, overrule(decided.decision), decided.against, decided.settings)
        self.card.clear()
        with self.card:
            frame.heading("Not promoted")
            ui.label(sentence(decided.decision.reason)).props('role="alert"').style("overflow-wrap: anywhere")
            with ui.row().classes("w-full justify-end"):
                if decided.candidate.digest != decided.against:  # else it is the best one itself
                    text, icon = "Promote anyway", "priority_high"
                    ui.button(text, icon=icon, on_click=lambda: self.promote(anyway), color=None).props(
                        "no-caps outline"
                    )
                ui.button("Leave it", on_click=self.dialog.close).props("no-caps autofocus")

    def refuse(self, why: str) -> None:
        """Say that it did not work."""
        self.card.clear()
        with self.card:
            frame.problem(why)
            ui.button("Close", on_click=self.dialog.close, color=None).props("flat no-caps autofocus")


def sentence(text: str) -> str:
    """A reason as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")

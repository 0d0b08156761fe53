"""Promote a checkpoint that a comparison refused: a person's decision, made after reading why."""

from __future__ import annotations

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.promote import (
    BY_SCORE,
    PromoteSettings,
    PromotionDecision,
    describe_decision,
    overrule,
    promote,
    promoting,
    read_candidate,
)
from static_gesture_classification.training.checkpoint import read_checkpoint
from static_gesture_classification.training.inputs import kind_of
from static_gesture_classification.workspace import Workspace


def promote_anyway(workspace: Workspace, settings: PromoteSettings, digest: str, reason: str) -> None:
    """Make a workspace's trained checkpoint its best one.

    Args:
        workspace: of the pipeline or the quick loop.
        settings: of promotion.
        digest: SHA-256 of the checkpoint that is meant.
        reason: why it was refused.

    Raises:
        UserError: another checkpoint has been trained since, or another promotion is at work.
    """
    with promoting(workspace.models):
        kind = kind_of(read_checkpoint(workspace.trained)["model"])
        candidate = read_candidate(settings.at(workspace).model_copy(update={"kind": kind}))
        if candidate.digest != digest:
            raise UserError(f"{workspace.trained} is another checkpoint now; look at its comparison first")
        decision = overrule(PromotionDecision(False, reason))
        promote(candidate, workspace.models, {"chosen": BY_SCORE, **describe_decision(decision)})

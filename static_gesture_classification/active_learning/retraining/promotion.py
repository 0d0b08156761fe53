"""Promote a checkpoint that a comparison refused: a person's decision, made after reading why."""

from __future__ import annotations

from static_gesture_classification.active_learning.retraining.retrain import alone
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.promote import (
    BY_SCORE,
    PromoteSettings,
    PromotionDecision,
    describe_decision,
    promote,
    read_candidate,
    settle_decision,
)
from static_gesture_classification.training.checkpoint import checkpoint_digest, read_checkpoint
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
        UserError: another checkpoint has been trained since, or a training is at work.
    """
    with alone(workspace.models):
        if checkpoint_digest(workspace.trained) != digest:
            raise UserError(f"{workspace.trained} is another checkpoint now; look at its comparison first")
        kind = kind_of(read_checkpoint(workspace.trained)["model"])
        settings = settings.model_copy(update={"workspace": workspace, "kind": kind})
        candidate = read_candidate(settings)
        refused = PromotionDecision(False, reason)
        decision = settle_decision(refused, candidate, workspace.models, force=True)
        if decision.promote:
            promote(candidate, workspace.models, {"chosen": BY_SCORE, **describe_decision(decision)})

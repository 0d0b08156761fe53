"""What all pages share: where files lie, the gestures, tables in memory, pictures, and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.review.background import Background
from static_gesture_classification.review.composed import Composed
from static_gesture_classification.review.decisions import Decisions, DecisionSettings
from static_gesture_classification.review.jobs import Jobs
from static_gesture_classification.review.settings import ReviewSettings
from static_gesture_classification.review.sharing import Sharing
from static_gesture_classification.review.tables import Tables
from static_gesture_classification.review.thumbnails import Thumbnails
from static_gesture_classification.workspace import Workspace


@dataclass(frozen=True)
class Review:
    """What a page is made from.

    Args:
        settings: the page's own.
        workspace: of the pipeline.
        quick: of the quick loop.
        tables: in memory, by file.
        thumbnails: pictures of samples.
        jobs: long commands.
        background: calculations of a few seconds.
        sharing: how other machines reach the page; None where they cannot.
        composed: the configuration, which may change while the page is open.
    """

    settings: ReviewSettings
    workspace: Workspace
    quick: Workspace
    tables: Tables
    thumbnails: Thumbnails
    jobs: Jobs
    background: Background
    sharing: Sharing | None
    composed: Composed

    @property
    def config(self) -> DictConfig:
        """The composed configuration; pages give it to a capability's `Settings.from_config` alone."""
        return self.composed.now()

    @property
    def vocabulary(self) -> Vocabulary:
        """The gestures, those that were added meanwhile too."""
        return Vocabulary.from_config(self.config)

    def decisions(self) -> Decisions:
        """Where decisions on samples go, as it is configured now."""
        return Decisions(DecisionSettings.from_config(self.config), self.vocabulary)

    def note_promotion(self, record: Mapping[str, Any], workspace: Workspace) -> None:
        """Write into the history that somebody chose a checkpoint.

        Args:
            record: of the checkpoint.
            workspace: that uses it from now on.
        """
        user = "the quick loop" if workspace == self.quick else "the pipeline"
        self.decisions().note_promotion(f"epoch {record['epoch']} of {record['run']}", user)

    @classmethod
    def from_config(cls, config: DictConfig, sharing: Sharing | None = None) -> Review:
        """From the composed configuration."""
        settings, workspace = ReviewSettings.from_config(config), Workspace.from_config(config)
        tables, composed = Tables(), Composed.from_config(config)
        thumbnails = Thumbnails(workspace.crops, settings.folder / "thumbnails", tables)
        given = [override for override in composed.given if not override.startswith("review.")]
        return cls(
            settings,
            workspace,
            Workspace.read(config, "retrain.paths"),
            tables,
            thumbnails,
            Jobs(settings.folder / "jobs", given),
            Background(),
            sharing,
            composed,
        )

"""What all pages share: where files lie, the gestures, tables in memory, pictures, and jobs."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig

from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.review.jobs import Jobs
from static_gesture_classification.review.settings import ReviewSettings
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
        vocabulary: the gestures.
        tables: in memory, by file.
        thumbnails: pictures of samples.
        jobs: long commands.
        config: the composed configuration; pages give it to a capability's `Settings.from_config` alone.
    """

    settings: ReviewSettings
    workspace: Workspace
    quick: Workspace
    vocabulary: Vocabulary
    tables: Tables
    thumbnails: Thumbnails
    jobs: Jobs
    config: DictConfig

    @classmethod
    def from_config(cls, config: DictConfig) -> Review:
        """From the composed configuration."""
        settings, workspace = ReviewSettings.from_config(config), Workspace.from_config(config)
        tables = Tables()
        thumbnails = Thumbnails(workspace.crops, settings.folder / "thumbnails", tables)
        return cls(
            settings,
            workspace,
            Workspace.read(config, "retrain.paths"),
            Vocabulary.from_config(config),
            tables,
            thumbnails,
            Jobs(settings.folder / "jobs"),
            config,
        )

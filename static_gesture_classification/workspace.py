"""The workspace: where the files of a pipeline, or of the quick loop, lie."""

from __future__ import annotations

from pathlib import Path

from static_gesture_classification.settings import Settings


class Workspace(Settings, key="paths"):
    """The folders of a pipeline, and files in them that several stages use; `paths` of the configuration.

    Args:
        index, crops, splits, landmarks: written by the stages of preparation.
        runs: one folder per training run.
        models: chosen checkpoints, each with its record.
        reports: metrics, predictions, figures, plan.
    """

    index: Path
    crops: Path
    splits: Path
    landmarks: Path
    runs: Path
    models: Path
    reports: Path

    @classmethod
    def at(cls, root: str | Path) -> Workspace:
        """A workspace below `root`, laid out as the pipeline's.

        >>> Workspace.at("data/loop").split_table.as_posix()
        'data/loop/splits/samples.parquet'
        """
        return cls(**{name: Path(root) / name for name in cls.model_fields})

    @property
    def index_table(self) -> Path:
        """The sample table of all sources."""
        return self.index / "samples.parquet"

    @property
    def split_table(self) -> Path:
        """The sample table with train, val and test."""
        return self.splits / "samples.parquet"

    @property
    def trained(self) -> Path:
        """The best epoch of the last training; its record is the `.json` beside it."""
        return self.models / "trained.ckpt"

    @property
    def best(self) -> Path:
        """The promoted checkpoint; its record is the `.json` beside it."""
        return self.models / "best.ckpt"

    def predictions(self, split: str) -> Path:
        """The predictions table of a split."""
        return self.reports / "predictions" / f"{split}.parquet"

"""The Lightning logger of a run: writes the run folder, and tells the trackers that mirror it."""

from __future__ import annotations

import atexit
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import static_gesture_classification.torchmetrics_alone  # noqa: F401  (before Lightning)

# isort: split
import numpy as np
import pandas as pd
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers.logger import Logger

from static_gesture_classification.terminal import warn
from static_gesture_classification.tracking.hardware import HardwareSampler
from static_gesture_classification.tracking.mirror import LiveMirror, describe_error, start_mirror
from static_gesture_classification.tracking.report import PAGE_NAME, write_page
from static_gesture_classification.tracking.run_folder import EPOCHS, STEPS, RunFolder, Scalar, Status
from static_gesture_classification.tracking.trackers import Tracker, flatten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Lightning's final status -> the run folder's
_STATUSES: dict[str, Status] = {"success": "finished", "finished": "interrupted", "failed": "failed"}
_START = 10.0  # seconds that training waits for a tracker to start
_STOPPED = (KeyboardInterrupt, SystemExit)  # the user or the system ended the run; the run itself did not fail


class RunLogger(Logger):
    """Writes a run folder and mirrors it to trackers; give it to `Trainer(logger=...)`.

    Each method writes the run folder before it returns; trackers follow in their own threads. Close it at the end, or
    use it as a context manager; the end of the process closes it too.

    Args:
        run: the run folder, made with `RunFolder.create`.
        trackers: where it is mirrored to.
        patience: seconds to wait for a tracker at the end of the run (10 at most at its start).
        sampling_period: seconds between two hardware samples; 0 takes none.
    """

    def __init__(
        self, run: RunFolder, trackers: Sequence[Tracker] = (), patience: float = 60.0, sampling_period: float = 10.0
    ) -> None:
        super().__init__()
        self.run = run
        self._patience = patience
        self._mirrors: list[LiveMirror] = []
        self._sampler: HardwareSampler | None = None
        if getattr(rank_zero_only, "rank", 0) == 0:
            self._mirrors = [start_mirror(run, tracker, min(patience, _START)) for tracker in trackers]
            self._sampler = HardwareSampler(run, sampling_period) if sampling_period else None
            if self._sampler:
                self._sampler.start()
        atexit.register(self.close)

    # ---- Lightning's interface -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The folder that holds all runs."""
        return self.run.path.parent.name

    @property
    def version(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.run.path)

    @property
    def log_dir(self) -> str:
        """The run folder."""
        return str(self.run.path)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append to series.

        Metrics per epoch come with an entry `epoch`, which is then their step. Without it, and for names that end in
        `_step`, `step` counts optimizer steps.
        """
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        per_step = {field: value for field, value in values.items() if epoch is None or field.endswith("_step")}
        per_epoch = {field.removesuffix("_epoch"): values[field] for field in values.keys() - per_step.keys()}
        if per_epoch and epoch is not None:
            self.run.log_series(dict(sorted(per_epoch.items())), int(epoch), EPOCHS)
        if per_step:
            self.run.log_series(per_step, step or 0, STEPS)
        self._tell()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keep a module's hyperparameters under `training/hyperparameters`, apart from `conf`."""
        values = vars(params) if isinstance(params, Namespace) else params
        if values:
            self.log_values(flatten(values, "training/hyperparameters"))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Notify the trackers; they fetch the remaining checkpoints at the end of the run."""
        self._tell()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Set the status that Lightning reports (success, failed) and wait for the trackers, within limits."""
        stopped = isinstance(sys.exception(), _STOPPED)
        self.set_status("interrupted" if stopped else _STATUSES.get(status, "failed"))

    # ---- for callbacks and the entry point -----------------------------------------------------------------------

    @rank_zero_only
    def log_series(self, field: str, value: float, step: int) -> None:
        """Append one value to the series of a field; `step` is the epoch, counted from 0."""
        self.run.log_series({field: value}, step)
        self._tell()

    @rank_zero_only
    def log_many_series(self, values: Mapping[str, float], step: int) -> None:
        """Append one value to each of many series in one write; `step` is the epoch, counted from 0."""
        self.run.log_series(values, step)
        self._tell()

    @rank_zero_only
    def log_values(self, values: Mapping[str, Scalar]) -> None:
        """Set single values."""
        self.run.log_values(values)
        self._tell()

    @rank_zero_only
    def log_figure(self, field: str, figure: Figure) -> None:
        """Write a matplotlib figure to `<field>.png`."""
        self.run.log_figure(field, figure)
        self._tell()

    @rank_zero_only
    def log_image(self, field: str, image: np.ndarray) -> None:
        """Write an image, uint8 (height, width, 3) RGB, to `<field>.png`."""
        self.run.log_image(field, image)
        self._tell()

    @rank_zero_only
    def log_table(self, field: str, frame: pd.DataFrame) -> None:
        """Write a table to `<field>.parquet`."""
        self.run.log_table(field, frame)
        self._tell()

    @rank_zero_only
    def log_text(self, field: str, text: str) -> None:
        """Write a text to `<field>.txt`."""
        self.run.log_text(field, text)
        self._tell()

    @rank_zero_only
    def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the run's tags."""
        self.run.set_tags(tags)
        self._tell()

    @rank_zero_only
    def set_status(self, status: Status) -> None:
        """Set the status; when the run has ended, wait for the trackers, within limits."""
        if status == "running":
            self.run.set_status(status)
            self._tell()
            return
        if self._sampler:
            self._sampler.stop()
        self.run.set_status(status)
        self._report()
        for mirror in self._mirrors:
            mirror.flush(self._patience)

    @rank_zero_only
    def close(self) -> None:
        """End hardware samples and the trackers' connections; does nothing the second time."""
        atexit.unregister(self.close)
        if self._sampler:
            self._sampler.stop()
        mirrors, self._mirrors = self._mirrors, []
        for mirror in mirrors:
            mirror.close(self._patience)

    def __enter__(self) -> RunLogger:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self.run.status == "running":  # it went wrong outside of Lightning
            self.finalize("failed")
        self.close()

    def _report(self) -> None:
        """Write the run's page; an error of the page must not fail a finished training."""
        try:
            write_page(self.run)
        except Exception as error:
            warn(f"no {self.run.path}/{PAGE_NAME}: {describe_error(error)}")

    def _tell(self) -> None:
        for mirror in self._mirrors:
            mirror.notify()

"""The run folder: the record of a training run. Trackers mirror it, and can be rebuilt from it at any time.

    runs/<run_id>/
      config.yaml             the whole configuration, resolved: the fields conf/...
      tags  status            one tag a line; running, finished, failed or interrupted
      run.json                who, when, where, which source revision and environment, single values
      series/epochs.csv       metrics per epoch: training/..., val/...   (field, step, value, time)
      series/steps.csv        metrics per optimizer step, where any are logged
      series/seconds.csv      hardware samples, by seconds of running: monitoring/...
      checkpoints/            the best three and the last
      datasets/ training/ val/ source_code/    files; a file's path without its suffix is its field
      trackers/               what each tracker has received so far

Steps of metrics are epochs, counted from 0: `val/figures/confusion_matrices/0049` belongs to step 49 of the series and
to `checkpoint_epoch=49-...`. The process that writes a run holds a lock; a run whose status is running without a lock
was interrupted.
"""

from __future__ import annotations

import re
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from pydantic import Field
from typing_extensions import TypedDict

from static_gesture_classification.atomic_files import atomic_path, explain_write_errors, write_json, write_text
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.file_data import parse_yaml, read_json, read_yaml
from static_gesture_classification.process_lock import ProcessLock, is_locked
from static_gesture_classification.tracking import series
from static_gesture_classification.tracking.source_revision import environment, owner, packages, source_revision

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RUN_VERSION = 1
Status = Literal["running", "finished", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
Scalar = str | int | float | bool
BEST_SCORE = "training/val_weighted_F1"  # the series that ranks epochs and runs
BEST_SO_FAR = "training/max_val_weighted_F1"  # its maximum as a single value, for the trackers' runs tables
EPOCHS, STEPS, SECONDS = "epochs", "steps", "seconds"
_CHECKPOINT = re.compile(r"checkpoint_epoch=(\d+)-")
_NOT_FIELDS = ("checkpoints", "series", "trackers")
_PACKAGE = Path(__file__).resolve().parents[1]
_PROJECT = _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE  # else: installed


class TrainingSession(TypedDict):
    """When a process trained, seconds since 1970; `ended` is None while it does."""

    started: float
    ended: float | None


class RunRecord(TypedDict):
    """What run.json says."""

    run_folder_version: int
    run_id: str
    uid: str
    created: float
    owner: str
    sessions: Annotated[list[TrainingSession], Field(min_length=1)]
    source_code: dict[str, Any]
    environment: dict[str, Any]
    values: dict[str, Any]


class RunFolder:
    """One run on disk. Make it with `RunFolder.create` to write a run, with `RunFolder.open` to look at one.

    Attributes:
        path: the folder.
        run_id: its name.
        checkpoint_folder: where its checkpoints are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self.checkpoint_folder = path / "checkpoints"
        self._lock = ProcessLock(path / ".lock")

    @classmethod
    def create(
        cls, runs_root: Path, run_id: str, config: Mapping[str, Any], tags: Sequence[str] = (), project: Path = _PROJECT
    ) -> RunFolder:
        """Begin a run, or resume the one of this name; its status becomes running.

        An existing folder keeps its identity, creation time, series and files; config, tags and source revision are
        written again. Call `resume_from` with the next epoch.

        Args:
            runs_root: folder that holds all runs.
            run_id: the folder's name.
            config: the whole configuration.
            tags: short labels, for example `resnet18`, `valid_run`, `loss_focal`.
            project: folder whose source revision is recorded.

        Raises:
            UserError: another process is writing this run.
            OutputError: the folder cannot be written.
        """
        run = cls(Path(runs_root) / run_id)
        with explain_write_errors(run.path):
            run.checkpoint_folder.mkdir(parents=True, exist_ok=True)
            (run.path / "series").mkdir(exist_ok=True)
        run._take_lock()
        run._remove_unfinished()
        run._write_record(run._begin_record())
        composed = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        write_text(run.path / "config.yaml", OmegaConf.to_yaml(composed, resolve=True))
        run.set_tags(tags)
        run._record_source(project)
        run.set_status("running")
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder, to read. Raises `DataError` when there is none at `path`."""
        run = cls(Path(path))
        if not run._record_path.is_file():
            raise DataError(f"no run folder at {path}: it holds no run.json; gestures runs lists the runs")
        run.record()
        return run

    # ---- writing -------------------------------------------------------------------------------------------------

    def log_values(self, values: Mapping[str, Scalar]) -> None:
        """Keep single values (a field holds its last one)."""
        record = self.record()
        record["values"] |= {check_field(field): value for field, value in values.items()}
        self._write_record(record)

    def log_series(self, values: Mapping[str, float], step: int, unit: str = EPOCHS) -> None:
        """Append one value per field to its series.

        Args:
            values: numbers by field; NaN and infinities are kept.
            step: the epoch (counted from 0), optimizer step or second, as `unit` says.
            unit: "epochs", "steps" or "seconds": the file the series is in.
        """
        series.append(self._series_path(unit), {check_field(field): value for field, value in values.items()}, step)

    def log_figure(self, field: str, figure: Figure, dpi: int = 120) -> Path:
        """Write a matplotlib figure as `<field>.png`."""
        return self._write_file(field, ".png", lambda path: figure.savefig(path, format="png", dpi=dpi))

    def log_image(self, field: str, image: np.ndarray) -> Path:
        """Write an image, uint8 of shape (height, width, 3), RGB, or (height, width), as `<field>.png`."""
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ValueError(f"{field}: an image is uint8 (h, w, 3) or (h, w), not {image.dtype} {image.shape}")
        return self._write_file(field, ".png", lambda path: Image.fromarray(image).save(path, "png", compress_level=3))

    def log_table(self, field: str, frame: pd.DataFrame) -> Path:
        """Write a table as `<field>.parquet`; its index is left out."""
        return self._write_file(
            field, ".parquet", lambda path: frame.to_parquet(path, engine="pyarrow", compression="zstd", index=False)
        )

    def log_text(self, field: str, text: str, suffix: str = ".txt") -> Path:
        """Write a text as `<field><suffix>`."""
        return self._write_file(field, suffix, lambda path: path.write_text(text, encoding="utf-8"))

    def log_bytes(self, field: str, content: bytes, suffix: str) -> Path:
        """Write a file in a format of its own as `<field><suffix>`."""
        return self._write_file(field, suffix, lambda path: path.write_bytes(content))

    def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the tags; a tag has no line breaks, repeated ones count once."""
        lines = dict.fromkeys(" ".join(str(tag).split()) for tag in tags)
        write_text(self.path / "tags", "".join(f"{tag}\n" for tag in lines if tag))

    def set_status(self, status: Status) -> None:
        """Set the status. Any status but running releases the lock, so another process may resume the run.

        Raises:
            ValueError: no such status.
            UserError: running, while another process is writing the run.
        """
        if status not in STATUSES:
            raise ValueError(f"status {status!r} is none of {', '.join(STATUSES)}")
        if status == "running":
            self._take_lock()
        record = self.record()
        record["sessions"][-1]["ended"] = None if status == "running" else time.time()
        self._write_record(record)
        write_text(self.path / "status", status + "\n")
        if status != "running":
            self._lock.release()

    def resume_from(self, epoch: int) -> None:
        """Forget what was logged for `epoch` (counted from 0) and later ones; `epoch` is computed next.

        Series are cut, and files of later epochs (named by four digits) are removed; checkpoints stay.
        `resume_from(0)` begins anew.
        """
        epochs = series.read(self._series_path(EPOCHS))
        kept = epochs[epochs["step"] < epoch]
        steps = series.read(self._series_path(STEPS))
        kept_until = kept["time"].max() if len(kept) else -1.0
        for unit, before, after in ((EPOCHS, epochs, kept), (STEPS, steps, steps[steps["time"] <= kept_until])):
            if len(after) < len(before):
                series.rewrite(self._series_path(unit), after)
        for path in self.files().values():
            if (found := _epoch_of(path.relative_to(self.path))) is not None and found >= epoch:
                path.unlink()

    # ---- reading -------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The status; running only while a process holds the lock."""
        path = self.path / "status"
        status = path.read_text(encoding="utf-8").strip() if path.is_file() else "running"
        if status not in STATUSES:
            raise DataError(f"{path} says {status!r}; a status is one of {', '.join(STATUSES)}")
        if status == "running" and not is_locked(self._lock.path):
            return "interrupted"
        return status

    @property
    def tags(self) -> list[str]:
        """The tags, in the order given."""
        path = self.path / "tags"
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration of the run."""
        path = self.path / "config.yaml"
        return read_yaml(path, "restore it, or delete it") if path.is_file() else {}

    def config_node(self, name: str) -> dict[str, Any]:
        """One node of the configuration, read without the rest, which takes long; {} where there is none.

        Raises:
            DataError: its lines are no YAML.
        """
        path = self.path / "config.yaml"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        # The file is OmegaConf's: a node's lines are indented, and end where the next name begins.
        found = re.search(rf"^{re.escape(name)}:\n(?:[ ].*\n?)*", text, re.MULTILINE)
        node = parse_yaml(found.group(), str(path), "restore it, or delete it").get(name) if found else None
        return node if isinstance(node, dict) else {}

    def values(self) -> dict[str, Scalar]:
        """All single values by field: sys/..., source_code/..., monitoring/... and those of `log_values`."""
        record = self.record()
        facts: dict[str, Scalar] = {
            "sys/id": record["run_id"],
            "sys/uid": record["uid"],
            "sys/creation_time": datetime.fromtimestamp(record["created"], UTC).isoformat(timespec="seconds"),
            "sys/owner": record["owner"],
            "sys/running_time": round(self.running_time, 1),
            "sys/status": self.status,
        }
        source = {f"source_code/{name}": value for name, value in record["source_code"].items()}
        surroundings = {f"monitoring/{name}": value for name, value in record["environment"].items()}
        return facts | source | surroundings | record["values"]

    def series(self, field: str) -> pd.DataFrame:
        """One series: columns step (int, ascending) and value (float). Empty when nothing was logged."""
        found = [frame[frame["field"] == field] for frame in map(series.read, self._series_paths())]
        return pd.concat(found)[["step", "value"]].sort_values("step", ignore_index=True)

    def metrics(self) -> pd.DataFrame:
        """All series per epoch as one table: a row per epoch (the index, `epoch`), a column per field."""
        return series.read_wide(self._series_path(EPOCHS)).rename_axis(index="epoch")

    def scores(self) -> tuple[int, dict[int, float]]:
        """How many epochs are logged, and weighted F1 on val by epoch, ascending; NaN is left out."""
        epochs, values = series.count_steps(self._series_path(EPOCHS), BEST_SCORE)
        return epochs, {epoch: value for epoch, value in values.items() if value == value}

    def rows(self, unit: str | None = None) -> pd.DataFrame:
        """All series, or one unit's, in long form: columns field, step, value, time (seconds since 1970)."""
        paths = [self._series_path(unit)] if unit else self._series_paths()
        return pd.concat([series.read(path) for path in paths], ignore_index=True)

    def files(self) -> dict[str, Path]:
        """Every logged file by its field, sorted; unfinished files and checkpoints are not among them.

        If files differ in their suffix only, the later ones keep it in their field.
        """
        found = (
            path
            for folder in sorted(self.path.iterdir())
            if folder.is_dir() and folder.name not in _NOT_FIELDS and not folder.name.startswith(".")
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        )
        fields: dict[str, Path] = {}
        for path in found:
            field = path.relative_to(self.path).with_suffix("").as_posix()
            fields[field if field not in fields else field + path.suffix] = path
        return fields

    def file(self, field: str) -> Path | None:
        """The file of one field, None when there is none."""
        path = self.path / field
        return min((each for each in path.parent.glob("*") if each.stem == path.name and each.is_file()), default=None)

    def checkpoints(self) -> list[Path]:
        """The run's checkpoints, sorted by name."""
        return sorted(path for path in self.checkpoint_folder.glob("*.ckpt") if not path.name.startswith("."))

    def epoch_checkpoints(self) -> dict[int, Path]:
        """The kept checkpoints by epoch, ascending, without `last.ckpt`, from which training resumes."""
        found = ((_CHECKPOINT.match(path.name), path) for path in self.checkpoints())
        return dict(sorted((int(match.group(1)), path) for match, path in found if match))

    def best_checkpoint(self) -> Path:
        """The kept checkpoint with the highest weighted F1 on val; the earliest of equal ones.

        Raises:
            UserError: there is none.
        """
        kept = self.epoch_checkpoints()
        if not kept:
            raise UserError(f"{self.path} has no checkpoint; train it first, or choose another")
        scores = self.metrics()[BEST_SCORE].reindex(list(kept)).fillna(-1.0)
        return kept[int(scores.index[int(scores.to_numpy().argmax())])]

    @property
    def created(self) -> float:
        """When the run began, seconds since 1970."""
        return float(self.record()["created"])

    @property
    def running_time(self) -> float:
        """Seconds of training, interruptions left out."""
        sessions = self.record()["sessions"]
        now = time.time() if self.status == "running" else self._last_sign_of_life()
        return sum(max(0.0, (each["ended"] or now) - each["started"]) for each in sessions)

    @property
    def best(self) -> tuple[int, float] | None:
        """Epoch and value of the highest weighted F1 on val, None before the first."""
        return best_of(self.scores()[1])

    def record(self) -> dict[str, Any]:
        """What run.json holds. Raises `DataError` when it is not readable or of another version."""
        way_out = f"is {self.path} a run folder?"
        return dict(read_json(self._record_path, RunRecord, way_out, ("run_folder_version", RUN_VERSION)))

    # ---- inside --------------------------------------------------------------------------------------------------

    @property
    def _record_path(self) -> Path:
        return self.path / "run.json"

    def _series_path(self, unit: str) -> Path:
        return self.path / "series" / f"{unit}.csv"

    def _series_paths(self) -> list[Path]:
        return [self._series_path(unit) for unit in (EPOCHS, STEPS, SECONDS)]

    def _write_record(self, record: dict[str, Any]) -> None:
        write_json(self._record_path, record)

    def _write_file(self, field: str, suffix: str, write: Any) -> Path:
        path = self.path / (check_field(field) + suffix)
        with atomic_path(path) as partial:
            write(partial)
        return path

    def _take_lock(self) -> None:
        if not self._lock.acquire():
            raise UserError(
                f"{self.path} is being written by another process; wait for it to end, or stop it, and try again"
            )

    def _remove_unfinished(self) -> None:
        """Remove partial files of a killed process."""
        for path in self.path.rglob(".*.partial"):
            path.unlink(missing_ok=True)

    def _begin_record(self) -> dict[str, Any]:
        """The record of a new run, or of the existing one with a new session."""
        now = time.time()
        if not self._record_path.is_file():
            return {
                "run_folder_version": RUN_VERSION,
                "run_id": self.run_id,
                "uid": uuid.uuid4().hex,  # tells runs of equal names on different machines apart
                "created": now,
                "owner": owner(),
                "sessions": [{"started": now, "ended": None}],
                "source_code": {},
                "environment": {},
                "values": {},
            }
        record = self.record()
        last = record["sessions"][-1]
        last["ended"] = last["ended"] or self._last_sign_of_life()
        return {**record, "sessions": [*record["sessions"], {"started": now, "ended": None}]}

    def _record_source(self, project: Path) -> None:
        facts = asdict(source_revision(project))
        files = {"diff.patch": facts.pop("diff").encode(), "files.zip": facts.pop("archive")}
        source = {**facts, "entrypoint": Path(sys.argv[0]).name}
        self._write_record({**self.record(), "source_code": source, "environment": environment()})
        self.log_text("source_code/requirements", packages())
        for name, content in files.items():
            path = Path("source_code", name)
            if content:
                self.log_bytes(path.with_suffix("").as_posix(), content, path.suffix)
            else:
                (self.path / path).unlink(missing_ok=True)

    def _last_sign_of_life(self) -> float:
        times = [path.stat().st_mtime for path in (*self._series_paths(), self._record_path) if path.is_file()]
        return max(times)


def best_of(scores: Mapping[int, float]) -> tuple[int, float] | None:
    """Epoch and value of the highest of some scores by epoch, the earliest of equal ones; None of none."""
    return max(scores.items(), key=lambda item: (item[1], -item[0]), default=None)


def check_field(field: str) -> str:
    """A field path that is safe as a relative path. Raises `ValueError` otherwise."""
    parts = PurePosixPath(field).parts
    plain = parts and "/".join(parts) == field and ".." not in parts
    if not plain or field.startswith(("/", ".")) or not field.isprintable():
        raise ValueError(f"{field!r} is no field path; use names joined by single slashes, as in val/figures/matrix")
    return field


def _epoch_of(path: Path) -> int | None:
    """The epoch of a file: the last part of its path, without suffixes, that is a number of four or more digits.

    `val/error_pairs/0049/ONE_TWO.png`, `predictions/val/0049.parquet` -> 49; None for other files.
    """
    names = [name.partition(".")[0] for name in path.parts]
    found = [int(name) for name in names if re.fullmatch(r"\d{4,}", name)]
    return found[-1] if found else None

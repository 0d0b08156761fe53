"""Export: samples to a format that other tools read, with their pictures.

    gestures export export.output=FOLDER export.format=coco [overrides]

Exports a sample table (`export.samples`: all of it, one split, or the errors of the last evaluation), a recorded
session or a folder of sessions. The output folder is whole or absent: it is made beside itself and renamed. An earlier
export is replaced only with `export.replace=true`, any other content never. The export's README.txt names the fields
that the format lacks (docs/data.md, "Export").
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf
from pydantic import field_validator

from static_gesture_classification.atomic_files import explain_write_errors, partial_path, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, OutputError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import Rejected, read_samples, to_frame
from static_gesture_classification.settings import Settings
from static_gesture_classification.sources.exports.coco import CocoFormat
from static_gesture_classification.sources.exports.folder import FolderFormat
from static_gesture_classification.sources.exports.hagrid import HagridFormat
from static_gesture_classification.sources.exports.pictures import (
    ExportedPicture,
    Format,
    FormatSettings,
    group_by_picture,
    put,
)
from static_gesture_classification.sources.exports.table import TableFormat
from static_gesture_classification.sources.exports.yolo import YoloFormat
from static_gesture_classification.sources.recorded import SESSION_FILE, Recorded
from static_gesture_classification.terminal import note, say, track

FORMATS: dict[str, Format] = {
    "hagrid": HagridFormat(),
    "coco": CocoFormat(),
    "yolo": YoloFormat(),
    "folder": FolderFormat(),
    "csv": TableFormat(),
}
README = "README.txt"
FIRST_LINE = "Hands exported by static-gesture-classification"  # marks a folder as an export
EXPORT_CHECKPOINT = "a checkpoint becomes ONNX by: gestures export-onnx checkpoint=FILE.ckpt output=FILE.onnx"
SHOWN_UNREADABLE = 10  # pictures that could not be read, in a message


@dataclass(frozen=True)
class ExportOutcome:
    """The number of written pictures and hands, and the unreadable pictures."""

    folder: Path
    pictures: int
    hands: int
    rejected: list[Rejected]


class ExportSettings(Settings):
    """What to export, and how: `export` of the configuration.

    Args:
        samples: a sample table, a recorded session, or a folder of sessions.
        format: one of `FORMATS`.
        output, replace: the folder, and whether to replace an earlier export in it.
        split: only train, val or test.
        only: all samples, or the errors in the tables of the folder `predictions`.
        link: hard links instead of copies, where possible.
        files: settings of the format's files.
        vocabulary: the gestures.
        labels: recorded label -> gesture, for sessions.
        checkpoint: refused, with the command that is meant.
    """

    samples: Path
    format: Literal["hagrid", "coco", "yolo", "folder", "csv"]
    output: Path
    replace: bool
    split: Literal["train", "val", "test"] | None
    only: Literal["all", "errors"]
    predictions: Path
    link: bool
    files: FormatSettings
    vocabulary: Vocabulary
    labels: dict[str, str]
    checkpoint: None = None

    @classmethod
    def from_config(cls, config: DictConfig) -> ExportSettings:
        """From `export`, `gestures` and the labels of `sources.recorded`."""
        vocabulary = Vocabulary.from_config(config)
        labels = OmegaConf.select(config, "sources.recorded.labels") or {}
        files = FormatSettings.read(config, "export", gestures=tuple(vocabulary))
        return cls.read(config, "export", files=files, vocabulary=vocabulary, labels=labels)

    @field_validator("format", mode="before")
    @classmethod
    def _refuse_onnx(cls, name: object) -> object:
        if str(name).lower() == "onnx":
            raise ValueError(f"is a format of checkpoints, not of samples; {EXPORT_CHECKPOINT}")
        return name

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _refuse_checkpoint(cls, checkpoint: object) -> None:
        if checkpoint is not None:
            raise ValueError(f"is not exported by this command, which writes samples; {EXPORT_CHECKPOINT}")

    @field_validator("output", mode="before")
    @classmethod
    def _require_folder(cls, output: object) -> object:
        if output is None:
            raise ValueError("must name a folder: export.output=FOLDER")
        return output


@entry_point
def main(config: DictConfig) -> None:
    """Export the chosen samples."""
    settings = ExportSettings.from_config(config)
    samples = choose_samples(settings)
    made = export_dataset(samples, settings.format, settings.output, settings.files, settings.link, settings.replace)
    print_export(made, settings.format)


def choose_samples(settings: ExportSettings) -> pd.DataFrame:
    """The samples that `export.samples`, `split` and `only` choose. Raises `DataError` if there are none."""
    path = settings.samples
    samples = read_recorded(path, settings.vocabulary, settings.labels) if path.is_dir() else read_samples(path)
    if settings.split is not None:
        samples = samples[samples["split"] == settings.split]
    if settings.only == "errors":
        samples = samples[samples["sample_id"].isin(wrong_samples(settings.predictions))]
    if samples.empty:
        raise DataError(f"{path} has no samples to export (split {settings.split or 'any'}, only {settings.only})")
    return samples.reset_index(drop=True)


def read_recorded(folder: Path, vocabulary: Vocabulary, labels: Mapping[str, str]) -> pd.DataFrame:
    """The hands of one recorded session, or of all in a folder."""
    one = (folder / SESSION_FILE).is_file()
    root = folder.parent if one else folder
    source = Recorded(name="recorded", root=str(root), labels=labels)
    samples = to_frame(pa.concat_tables([batch.table for batch in source.read(vocabulary)]))
    return samples[samples["image"].str.startswith(f"{folder.name}/")] if one else samples


def wrong_samples(folder: Path) -> set[str]:
    """The ids of samples with a wrong prediction, or without a detected hand, in a folder of predictions tables."""
    tables = sorted(folder.glob("*.parquet"))
    if not tables:
        raise DataError(f"no predictions in {folder}; run dvc repro, or set export.predictions")
    wrong: set[str] = set()
    for path in tables:
        try:
            table = pq.read_table(path, columns=["sample_id", "gesture", "prediction"]).to_pandas()
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise DataError(f"{path} is not a readable predictions table ({error}); run dvc repro") from error
        wrong |= set(table.loc[table["gesture"] != table["prediction"], "sample_id"])
    return wrong


def export_dataset(
    samples: pd.DataFrame,
    format_name: str,
    output: Path,
    settings: FormatSettings,
    link: bool = False,
    replace: bool = False,
) -> ExportOutcome:
    """Write samples and their pictures in a format.

    Args:
        samples: a sample table, as a frame.
        format_name: one of `FORMATS`.
        output: the folder; it must be absent, empty, or an export to `replace`.
        settings: of the format's files.
        link: hard links instead of copies, where possible.
        replace: whether to replace an earlier export.

    Raises:
        OutputError: something else is in `output`, it holds the samples themselves, or it cannot be written.
        DataError: a gesture is not in the vocabulary, or no picture can be read.
    """
    check_output(output, samples, replace)
    check_gestures(samples, settings.gestures)
    partial = partial_path(output)
    with explain_write_errors(output):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            made = write_all(samples, FORMATS[format_name], partial, settings, link)
            write_text(partial / README, readme(made, FORMATS[format_name], format_name, output))
            move_into_place(partial, output)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return ExportOutcome(
        output, len(made.pictures), sum(len(picture.hands) for picture in made.pictures), made.rejected
    )


@dataclass(frozen=True)
class Written:
    """The pictures in the unfinished folder, and the unreadable ones."""

    pictures: list[ExportedPicture]
    rejected: list[Rejected]


def write_all(samples: pd.DataFrame, kind: Format, folder: Path, settings: FormatSettings, link: bool) -> Written:
    """Write pictures, then the format's files."""
    placed = kind.place(group_by_picture(samples, settings.landmarks), settings)
    rejected: list[Rejected] = []
    tried = track(put(placed, folder, link, rejected), "writing pictures", len(placed))
    pictures = [picture for picture in tried if picture is not None]
    if not pictures:
        first = f"{rejected[0].file}: {rejected[0].reason}"
        raise DataError(f"none of {len(placed):,} pictures can be read; the first is {first}")
    kind.write(folder, pictures, settings)
    return Written(pictures, rejected)


def check_output(output: Path, samples: pd.DataFrame, replace: bool) -> None:
    """Raise `OutputError` for a folder with the samples themselves or with anything but an export to replace."""
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; choose another folder: export.output=FOLDER")
    target = output.resolve()
    for root in samples["root"].unique():
        place = Path(root).expanduser().resolve()
        if place == target or target in place.parents:
            raise OutputError(f"{output} holds the pictures that are to be exported ({root}); choose another folder")
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not is_export(output):
        raise OutputError(f"{output} is not empty, and no earlier export; choose another folder: export.output=FOLDER")
    if not replace:
        raise OutputError(
            f"{output} holds an earlier export; choose another folder, or replace it: export.replace=true"
        )


def is_export(folder: Path) -> bool:
    """Whether a folder was written by `export_dataset`."""
    try:
        with (folder / README).open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(FIRST_LINE)
    except OSError:
        return False


def check_gestures(samples: pd.DataFrame, gestures: Sequence[str]) -> None:
    """Raise `DataError` for gestures without a class index."""
    unknown = sorted(set(samples["gesture"]) - set(gestures))
    if unknown:
        raise DataError(
            f"the samples show {', '.join(unknown)}, not in gestures.names; choose gestures=... as they were"
        )


def move_into_place(partial: Path, output: Path) -> None:
    """Rename the finished folder, then remove the folder that it replaces."""
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    try:
        partial.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def readme(made: Written, kind: Format, name: str, output: Path) -> str:
    """The text of the export's README.txt."""
    hands = [hand for picture in made.pictures for hand in picture.hands]
    counts = pd.Series([hand.gesture for hand in hands]).value_counts(sort=False)
    lines = [
        f"{FIRST_LINE}, in the format {name}.",
        f"{len(made.pictures):,} pictures, {len(hands):,} hands: "
        + ", ".join(f"{count:,} {gesture}" for gesture, count in counts.items()),
        "Boxes and landmarks are of the pictures as they are seen; those that were stored turned were saved anew.",
        kind.lost,
        f"To read it again: {shlex.join(part.format(folder=output.absolute()) for part in kind.way_back)}",
        *(f"left out: {entry.file}: {entry.reason}" for entry in made.rejected),
    ]
    return "\n".join(lines) + "\n"


def print_export(made: ExportOutcome, name: str) -> None:
    """Print the numbers, and the unreadable pictures."""
    for entry in made.rejected[:SHOWN_UNREADABLE]:
        note(f"left out: {entry.file}: {entry.reason}")
    if len(made.rejected) > SHOWN_UNREADABLE:
        note(f"and {len(made.rejected) - SHOWN_UNREADABLE:,} more, see {made.folder / README}")
    say(f"{made.pictures:,} pictures with {made.hands:,} hands in {made.folder} ({name}); {README} names what is lost")


if __name__ == "__main__":
    main()

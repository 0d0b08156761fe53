"""Confusions: which gesture is taken for which, how often, for which subjects, and at what cost.

    gestures confusions [confusions.predictions=FILE] [overrides]

It reads a predictions table (val's by default) and counts every directed pair (gesture, prediction) that occurs, and
the hands that were not found (see `pairs`). What was caught in use is counted beside it (see `in_use`).

`confusions.output` gets confusions.json, confusions.csv (one row a pair), by_person.csv and by_source.csv (one row a
pair and subject or source), in_use.csv (one row a pair), and pairs/<gesture>_taken_for_<prediction>.png, the samples
with their scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from omegaconf import DictConfig
from pydantic import BeforeValidator, Field
from rich.table import Column

from static_gesture_classification.active_learning.diagnosis.in_use import (
    ErrorInUse,
    find_errors_in_use,
    show_errors_in_use,
)
from static_gesture_classification.active_learning.diagnosis.pairs import Confusions, ErrorPair, find_confusions
from static_gesture_classification.active_learning.diagnosis.pictures import Pictures
from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.figures import Image8, error_grid, image_grid, write_figure
from static_gesture_classification.evaluation.metrics import json_ready
from static_gesture_classification.evaluation.predictions import Predictions, read_predictions
from static_gesture_classification.evaluation.resampling_units import unknown_subjects_note
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import Table, note, number_columns, say, show_table, text_columns

CONFUSIONS_VERSION = 2


class ConfusionSettings(Settings, key="confusions"):
    """The predictions, how much of them is shown, and the source of pictures; see conf/confusions.

    Args:
        predictions: the table.
        output: folder of the results.
        crops: folder of prepared crops; None: pictures are cut out of the images.
        size, margin: of a picture that is cut.
        rows: pairs in the terminal's table.
        shown: samples in the picture of a pair.
        bootstrap: resamples for a rate's interval.
        seed: of the resampling.
        in_use: folder of what was caught in use (`gestures live`).
    """

    predictions: Path
    output: Path
    crops: Annotated[Path | None, BeforeValidator(lambda path: path or None)]
    size: Annotated[int, At("crops.size")] = Field(ge=1)
    margin: Annotated[float, At("crops.margin")] = Field(ge=0)
    rows: int = Field(ge=0)
    shown: int = Field(ge=0)
    bootstrap: int = Field(ge=0)
    seed: Annotated[int, At("seed")]
    in_use: Path

    def pictures(self) -> Pictures:
        """Pictures of samples."""
        return Pictures(self.crops, self.size, self.margin)


@entry_point
def main(config: DictConfig) -> None:
    """Report the errors of a predictions table."""
    settings = ConfusionSettings.from_config(config)
    predictions = read_errors(settings.predictions, Vocabulary.from_config(config))
    pictures = settings.pictures()
    notes = pictures.check(predictions.to_frame(), str(settings.predictions))
    confusions = find_confusions(predictions, settings.bootstrap, settings.seed)
    in_use = find_errors_in_use(settings.in_use)
    write_confusions(confusions, settings.output, str(settings.predictions), in_use)
    write_pairs(confusions, pictures, settings.output / "pairs", settings.shown)
    show_confusions(confusions, settings.rows)
    show_errors_in_use(in_use, settings.rows)
    for text in (*notes, *pictures.notes(), *unknown_note(predictions)):
        note(text)
    say(f"written to {settings.output}: confusions.json, .csv, pairs/")


def read_errors(path: Path, vocabulary: Vocabulary) -> Predictions:
    """Read a predictions table of this vocabulary without samples of test.

    Raises:
        DataError: the table cannot be read (see `read_predictions`), has another vocabulary, or holds samples of test:
            after acting on their errors, nobody can measure on them.
    """
    predictions = read_predictions(path)
    of_test = int((predictions.column("split") == "test").sum())
    if of_test:
        raise DataError(
            f"{path} holds {of_test:,} samples of test: after recording or tuning by their errors you can no longer "
            "measure on them. Set confusions.predictions (plan.predictions) to the predictions of val; the evaluate "
            "stage draws and lists the errors on test"
        )
    check_vocabulary(predictions, vocabulary, path)
    return predictions


def check_vocabulary(predictions: Predictions, vocabulary: Vocabulary, path: Path) -> None:
    """Raise `DataError` where the predictions of `path` are of another vocabulary."""
    if set(predictions.gestures) != set(vocabulary):
        raise DataError(
            f"{path} was predicted by a model of other gestures ({', '.join(predictions.gestures)}) than "
            f"gestures.names has ({', '.join(vocabulary)}); train and evaluate again (dvc repro), or choose those "
            "gestures"
        )


def write_confusions(confusions: Confusions, output: Path, source: str, in_use: Sequence[ErrorInUse] = ()) -> None:
    """Write all numbers: confusions.json, confusions.csv, by_source.csv, by_person.csv, in_use.csv.

    `source` is the predictions' path.

    Raises:
        OutputError: read-only folder, full disk; existing files stay whole.
    """
    shared = ["gesture", "prediction", "count", "support", "rate"]
    rows = []
    for error in confusions.errors:
        ends = (error.interval.low, error.interval.high, error.interval.unit)
        rows.append([*(getattr(error, name) for name in shared), *ends, error.f1_at_stake, error.whereabouts])
    _write_csv(output / "confusions.csv", rows, [*shared, "low", "high", "over", "f1_at_stake", "where"])
    for name, parts, keys in (("source", "sources", ["source"]), ("person", "subjects", ["source", "subject"])):
        columns = [*keys, "count", "support", "rate"]
        rows = [
            [error.gesture, error.prediction, *(getattr(part, column) for column in columns)]
            for error in confusions.errors
            for part in getattr(error, parts)
        ]
        _write_csv(output / f"by_{name}.csv", rows, ["gesture", "prediction", *columns])
    columns = [each.name for each in fields(ErrorInUse)]
    _write_csv(output / "in_use.csv", [[getattr(error, name) for name in columns] for error in in_use], columns)
    write_json(output / "confusions.json", _as_json(confusions, source) | {"in_use": [*map(asdict, in_use)]})


def write_pairs(confusions: Confusions, pictures: Pictures, folder: Path, shown: int) -> None:
    """Draw the samples of each pair with their scores."""
    for error in confusions.errors:
        write_figure(pair_grid(confusions.predictions, error, pictures, shown), folder / f"{error.name}.png")
    remove_others(folder, confusions.errors)


def remove_others(folder: Path, errors: Sequence[ErrorPair]) -> None:
    """Remove the pictures of pairs that no longer occur."""
    present = {f"{error.name}.png" for error in errors}
    for path in (*folder.glob("*_taken_for_*.png"), *folder.glob("*_not_found.png")):
        if path.name not in present:
            path.unlink()


def pair_grid(predictions: Predictions, error: ErrorPair, pictures: Pictures, shown: int) -> Image8:
    """A pair's samples, most certain first, at most `shown`: (height, width, 3) uint8 RGB."""
    frame = predictions.table.take(error.rows[:shown]).to_pandas()
    names = [str(image).rpartition("/")[2] for image in frame["image"]]
    crops = pictures.of(frame)
    if error.prediction:
        return error_grid(crops, frame["score"].tolist(), names, error.gesture, error.prediction, error.count)
    count = f"{error.count:,}" if error.count == len(crops) else f"{len(crops):,} of {error.count:,}"
    return image_grid(crops, names, f"{error.gesture}, no hand found: {count}")


def show_confusions(confusions: Confusions, rows: int) -> None:
    """Print the pairs, and the hands that were not found."""
    samples, pairs = len(confusions.predictions), confusions.pairs
    if not samples:
        say("the predictions table has no sample, so nothing is known to be confused")
        return
    found = f"; {len(pairs):,} pairs are confused" if pairs else ": nothing is confused"
    say(f"weighted F1 {confusions.weighted_f1:.3f} on {samples:,} samples{found}")
    if pairs:
        show_table(errors_table(pairs[:rows], "taken for"))
    if len(pairs) > rows:
        say(f"and {len(pairs) - rows:,} more; confusions.csv has all of them")
    if confusions.not_found:
        count = sum(error.count for error in confusions.not_found)
        say(f"no hand was found in {count:,} of {samples:,} samples; that is no confusion")
        show_table(errors_table(confusions.not_found, None))


def errors_table(errors: Sequence[ErrorPair], taken_for: str | None) -> Table:
    """Pairs as a table; without a heading `taken_for`, that column is left out."""
    headings = text_columns(*filter(None, ("gesture", taken_for)))
    interval = "interval (too narrow)" if any(error.interval.unknown for error in errors) else "interval"
    numbers = number_columns("samples", "rate", interval, "F1 at stake")
    table = Table(*headings, *numbers, Column("where", ratio=1))
    for error in errors:
        low, high = error.interval.low, error.interval.high
        table.add_row(
            error.gesture,
            *([error.prediction] if taken_for else []),
            f"{error.count:,} of {error.support:,}",
            f"{error.rate:.1%}",
            "-" if math.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f} %",
            f"{error.f1_at_stake:+.4f}",
            error.whereabouts,
        )
    return table


def unknown_note(predictions: Predictions) -> list[str]:
    """A note on samples without a subject; none where all subjects are known."""
    unknown = int((predictions.column("subject") == "").sum())
    return [unknown_subjects_note(unknown, len(predictions))] if unknown else []


def _write_csv(path: Path, rows: Sequence[Sequence[Any]], columns: list[str]) -> None:
    write_text(path, pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.6g"))


def _as_json(confusions: Confusions, source: str) -> dict[str, Any]:
    ids = confusions.predictions.column("sample_id")
    entries: dict[str, list[dict[str, Any]]] = {"pairs": [], "not_found": []}
    for error in confusions.errors:
        entry = {key: value for key, value in asdict(error).items() if key != "rows"}
        entry |= {"whereabouts": error.whereabouts, "samples": ids[error.rows].tolist()}
        entries["pairs" if error.prediction else "not_found"].append(entry)
    about = {"version": CONFUSIONS_VERSION, "predictions": source, "samples": len(confusions.predictions)}
    content: dict[str, Any] = json_ready({**about, "weighted_f1": confusions.weighted_f1, **entries})
    return content


if __name__ == "__main__":
    main()

"""Confusions: which gesture is taken for which, how often, by whom, and what it costs.

    gestures confusions [confusions.predictions=FILE] [overrides]

reads a predictions table (val's, unless told otherwise) and looks at every directed pair (gesture, prediction) that
occurs. What a pair costs is the weighted F1 at stake:

    at_stake(g, p) = F(C') - F(C),    C' = C, but with the C[g, p] samples of the pair moved to C[g, g]

where C is the confusion matrix (rows: ground truth) and F its weighted F1, the mean of all gestures' F1 weighted by
their samples. It counts both ends of an error, the recall of g and the precision of p, so it is comparable over pairs.
The stakes of two pairs do not add up exactly.

A hand that was not found (models that work on landmarks; its prediction is "") is no confusion: those samples are
listed apart, by gesture, with the same numbers.

`confusions.output` gets confusions.json, confusions.csv (one row a pair), by_person.csv and by_source.csv (one row a
pair and person or source), and pairs/<gesture>_taken_for_<prediction>.png, the samples with their scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from rich import box
from rich.markup import escape
from rich.table import Column

from static_gesture_classification.active_learning.diagnosis.pictures import Pictures
from static_gesture_classification.atomic_files import write_json, write_text
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.figures import Image8, error_grid, image_grid, write_figure
from static_gesture_classification.evaluation.metrics import (
    LEVEL,
    Integers,
    Interval,
    confusion_counts,
    json_ready,
    weighted_f1,
)
from static_gesture_classification.evaluation.predictions import Predictions, read_predictions
from static_gesture_classification.evaluation.units import PICTURE, SAMPLE, SUBJECT, unknown_people
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.samples import held_together
from static_gesture_classification.terminal import Table, console

VERSION = 1
NOT_FOUND = ""  # the prediction where no hand was found
MOST = 0.5  # share of a pair's samples above which one person or source is named
LONGEST_NAME = 12
DRAWS = 2_000_000  # of people at a time, which bounds the memory
MORE = 1.25  # times its share of the gesture's samples that a source must have of the errors


@dataclass(frozen=True)
class Part:
    """How much of a pair one source or person (subject within a source) has.

    Args:
        source, subject: names; the subject is "" for a whole source, and for all of whom nobody knows who they are.
        count: samples with the error.
        support: samples of the gesture.
    """

    source: str
    subject: str
    count: int
    support: int

    @property
    def rate(self) -> float:
        """Share of its samples of the gesture that have the error."""
        return self.count / self.support


@dataclass(frozen=True)
class Confusion:
    """One directed pair.

    Args:
        gesture: the ground truth.
        prediction: what it was taken for; "" where no hand was found.
        count: samples with the error.
        support: samples of the gesture.
        rate: their ratio.
        interval: of the rate, over people as far as they are known (see `units`).
        f1_at_stake: see the module.
        sources, people: all that show the gesture, most errors first.
        rows: (count,) rows of the predictions table, highest score first.
    """

    gesture: str
    prediction: str
    count: int
    support: int
    rate: float
    interval: Interval
    f1_at_stake: float
    sources: tuple[Part, ...]
    people: tuple[Part, ...]
    rows: Integers

    @property
    def name(self) -> str:
        """`TWO_taken_for_THREE`, `TWO_not_found`."""
        return f"{self.gesture}_taken_for_{self.prediction}" if self.prediction else f"{self.gesture}_not_found"

    @property
    def whereabouts(self) -> str:
        """Where the errors come from, in words: `27 of 31 from room5`, or how many people they are spread over."""
        return whereabouts(self)


@dataclass(frozen=True)
class Confusions:
    """All errors of a predictions table.

    Args:
        predictions: the table.
        weighted_f1: of all samples; NaN without any.
        pairs: most weighted F1 at stake first.
        not_found: one per gesture of which some hands were not found.
    """

    predictions: Predictions
    weighted_f1: float
    pairs: tuple[Confusion, ...]
    not_found: tuple[Confusion, ...]

    @property
    def errors(self) -> tuple[Confusion, ...]:
        """Pairs and hands not found, most weighted F1 at stake first."""
        return tuple(sorted((*self.pairs, *self.not_found), key=_worst_first))


@entry_point
def main(config: DictConfig) -> None:
    """Look at the errors of a predictions table."""
    predictions = predictions_to_look_at(Path(config.confusions.predictions), Vocabulary.from_config(config.gestures))
    pictures = pictures_from_config(config)
    notes = pictures.check(predictions.to_frame(), str(config.confusions.predictions))
    confusions = confusions_of(predictions, int(config.confusions.bootstrap), config.seed)
    output = Path(config.confusions.output)
    write_confusions(confusions, output, str(config.confusions.predictions))
    write_pairs(confusions, pictures, output / "pairs", int(config.confusions.shown))
    show(confusions, int(config.confusions.rows))
    show_notes([*notes, *unreadable(pictures), *of_unknown_people(predictions)])
    console.print(f"written to {output}: confusions.json, .csv, pairs/", highlight=False, soft_wrap=True, markup=False)


def predictions_to_look_at(path: Path, vocabulary: Vocabulary) -> Predictions:
    """Read a predictions table whose gestures are the vocabulary's.

    Raises:
        DataError: it cannot be read (see `read_predictions`), is of another vocabulary, or holds samples of test: who
            acts on their errors can no longer measure on them.
    """
    predictions = read_predictions(path)
    of_test = int((predictions.column("split") == "test").sum())
    if of_test:
        raise DataError(
            f"{path} holds {of_test:,} samples of test: who records or tunes by their errors can no longer measure on "
            "them. Set confusions.predictions (plan.predictions) to those on val; test's errors stand in the figures "
            "and tables of the evaluate stage"
        )
    if set(predictions.gestures) != set(vocabulary):
        raise DataError(
            f"{path} was predicted by a model of other gestures ({', '.join(predictions.gestures)}) than "
            f"gestures.names has ({', '.join(vocabulary)}); train and evaluate again (dvc repro), or choose those "
            "gestures"
        )
    return predictions


def pictures_from_config(config: DictConfig) -> Pictures:
    """The pictures that `confusions.crops` names."""
    crops = config.confusions.crops
    return Pictures(Path(crops) if crops else None, int(config.crops.size), float(config.crops.margin))


def confusions_of(predictions: Predictions, resamples: int, seed: int) -> Confusions:
    """All errors of a predictions table.

    Args:
        predictions: n predictions, n >= 0.
        resamples: for the rates' intervals.
        seed: of the resampling.
    """
    columns = ["gesture", "prediction", "score", "source", "subject", "session", "image"]
    frame = predictions.table.select(columns).to_pandas()
    frame["unit"] = held_together(frame)
    labels = sorted(set(frame["gesture"]) | set(frame["prediction"]) | set(predictions.gestures))
    index = {label: position for position, label in enumerate(labels)}
    truths, said = (frame[name].map(index).to_numpy(np.int64) for name in ("gesture", "prediction"))
    counts = confusion_counts(truths, said, len(labels))
    wrong = counts * ~np.eye(len(labels), dtype=bool)
    errors = []
    for truth in np.flatnonzero(wrong.any(axis=1)):
        own = frame[truths == truth]
        for pair in _errors_of(own, [labels[column] for column in np.flatnonzero(wrong[truth])], resamples, seed):
            errors.append(replace(pair, f1_at_stake=f1_at_stake(counts, int(truth), index[pair.prediction])))
    errors.sort(key=_worst_first)
    pairs = tuple(error for error in errors if error.prediction != NOT_FOUND)
    not_found = tuple(error for error in errors if error.prediction == NOT_FOUND)
    return Confusions(predictions, weighted_f1(counts), pairs, not_found)


def f1_at_stake(counts: Integers, truth: int, prediction: int) -> float:
    """Weighted F1 that would be gained if the samples of one cell were right; see the module.

    Args:
        counts: confusion matrix (L, L), rows are the ground truth.
        truth, prediction: the cell.
    """
    mended = counts.copy()
    mended[truth, truth] += mended[truth, prediction]
    mended[truth, prediction] = 0
    return weighted_f1(mended) - weighted_f1(counts)


def rate_intervals(errors: Integers, supports: Integers, resamples: int, seed: int, unknown: int = 0) -> list[Interval]:
    """Percentile bootstrap intervals of errors' rates, people drawn with replacement (see `weighted_f1_interval`).

    With one person only, samples are drawn, and it says nothing about other people; `unit` says which it was.

    Args:
        errors: (people, pairs), how many samples of each person have each error.
        supports: (people,), samples of each person, above 0.
        unknown: of how many of them nobody knows who is in them; each of their recordings and pictures is a row.
    """
    several = PICTURE if unknown else SUBJECT
    unit, units = (several, len(supports)) if len(supports) > 1 else (SAMPLE, int(supports[0]))
    about = (LEVEL, unit, units, resamples, unknown)
    if not resamples:
        return [Interval(math.nan, math.nan, *about)] * errors.shape[1]
    random = np.random.default_rng(seed)
    if unit != SAMPLE:
        both = np.column_stack([errors, supports]).astype(np.float64)
        chunk = max(1, DRAWS // units)
        sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
        even = np.full(units, 1 / units)
        totals = np.concatenate([random.multinomial(units, even, size=size) @ both for size in sizes])
        rates = totals[:, :-1] / totals[:, -1:]
    else:
        rates = random.binomial(units, errors[0] / units, size=(resamples, errors.shape[1])) / units
    ends = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(float(low), float(high), *about) for low, high in ends.T]


def whereabouts(confusion: Confusion) -> str:
    """Where a pair's samples come from, in words: the person who has most of them, else how many people, what source.

    A source is named where it has more of the errors than of the gesture's samples.
    """
    first, source = confusion.people[0], confusion.sources[0]
    several = len(confusion.sources) > 1
    unknown = sum(part.count for part in confusion.people if not part.subject)
    if unknown > MOST * confusion.count:
        some = "" if unknown == confusion.count else f"{unknown:,} of {confusion.count:,} "
        return f"{some}from people whom nobody knows"
    name = person_name(first.source, first.subject) if several else shortened(first.subject)
    if len(confusion.people) == 1:
        return f"all from {name}, alone in showing it"
    if first.count == confusion.count:
        return f"all from {name}" if confusion.count > 1 else f"from {name}"
    if first.count > max(1, MOST * confusion.count):
        return f"{first.count:,} of {confusion.count:,} from {name}"
    spread = f"{sum(part.count > 0 for part in confusion.people if part.subject):,} people"
    share, usual = source.count / confusion.count, source.support / confusion.support
    if several and share > max(MOST, MORE * usual):
        most = "all" if source.count == confusion.count else f"{source.count:,} of {confusion.count:,}"
        return f"{spread}, {most} in {source.source}"
    return spread


def person_name(source: str, subject: str) -> str:
    """A person for a table: `Subject3 of hands`; long names are cut, the files have them whole."""
    return f"{shortened(subject.removeprefix(f'{source}/'))} of {source}"


def shortened(name: str) -> str:
    """A name that fits a table's cell: published ones may be hashes of 64 digits."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]}..."


def write_confusions(confusions: Confusions, output: Path, source: str) -> None:
    """Write all numbers: confusions.json, confusions.csv, by_source.csv, by_person.csv. `source` is the table's path.

    Raises:
        OutputError: read-only folder, full disk; what is there already stays whole.
    """
    shared = ["gesture", "prediction", "count", "support", "rate"]
    rows = []
    for error in confusions.errors:
        numbers = [getattr(error, name) for name in shared]
        ends = (error.interval.low, error.interval.high, error.interval.unit)
        rows.append([*numbers, *ends, error.f1_at_stake, error.whereabouts])
    write_text(output / "confusions.csv", _csv(rows, [*shared, "low", "high", "over", "f1_at_stake", "where"]))
    pairs = [(error.gesture, error.prediction) for error in confusions.errors]
    by_source = [(*pair, part) for pair, error in zip(pairs, confusions.errors, strict=True) for part in error.sources]
    by_person = [(*pair, part) for pair, error in zip(pairs, confusions.errors, strict=True) for part in error.people]
    write_text(output / "by_source.csv", _parts_csv(by_source, ["source"]))
    write_text(output / "by_person.csv", _parts_csv(by_person, ["source", "subject"]))
    write_json(output / "confusions.json", _as_json(confusions, source))


def write_pairs(confusions: Confusions, pictures: Pictures, folder: Path, shown: int) -> None:
    """Draw the samples of each pair with their scores; pictures of pairs that no longer occur are removed."""
    written = set()
    for error in confusions.errors:
        write_figure(pair_grid(confusions.predictions, error, pictures, shown), folder / f"{error.name}.png")
        written.add(f"{error.name}.png")
    for pattern in ("*_taken_for_*.png", "*_not_found.png"):
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


def pair_grid(predictions: Predictions, error: Confusion, pictures: Pictures, shown: int) -> Image8:
    """A pair's samples, most certain first, at most `shown`: (height, width, 3) uint8 RGB."""
    frame = predictions.table.take(error.rows[:shown]).to_pandas()
    names = [str(image).rpartition("/")[2] for image in frame["image"]]
    crops = pictures.of(frame)
    if error.prediction:
        return error_grid(crops, frame["score"].tolist(), names, error.gesture, error.prediction, error.count)
    count = f"{error.count:,}" if error.count == len(crops) else f"{len(crops):,} of {error.count:,}"
    return image_grid(crops, names, f"{error.gesture}, no hand found: {count}")


def show(confusions: Confusions, rows: int) -> None:
    """Print the pairs, and the hands that were not found."""
    samples = len(confusions.predictions)
    if not samples:
        console.print("the predictions table has no sample, so nothing is known to be confused", highlight=False)
        return
    headline = f"weighted F1 {confusions.weighted_f1:.3f} on {samples:,} samples"
    if not confusions.pairs:
        console.print(f"{headline}: nothing is confused", highlight=False, markup=False)
    else:
        console.print(f"{headline}; {len(confusions.pairs):,} pairs are confused", highlight=False, markup=False)
        console.print(errors_table(confusions.pairs[:rows], "taken for"))
        if len(confusions.pairs) > rows:
            console.print(f"and {len(confusions.pairs) - rows:,} more; confusions.csv has all of them", highlight=False)
    if confusions.not_found:
        count = sum(error.count for error in confusions.not_found)
        console.print(f"no hand was found in {count:,} of {samples:,} samples; that is no confusion", highlight=False)
        console.print(errors_table(confusions.not_found, None))


def errors_table(errors: Sequence[Confusion], taken_for: str | None) -> Table:
    """Pairs as a table; without a heading `taken_for`, that column is left out."""
    headings = [Column(name, no_wrap=True) for name in ("gesture", taken_for) if name]
    interval = "interval (too narrow)" if any(error.interval.unknown for error in errors) else "interval"
    numbers = [Column(name, justify="right", no_wrap=True) for name in ("samples", "rate", interval, "F1 at stake")]
    table = Table(*headings, *numbers, Column("where", ratio=1), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for error in errors:
        low, high = error.interval.low, error.interval.high
        table.add_row(
            error.gesture,
            *([error.prediction] if taken_for else []),
            f"{error.count:,} of {error.support:,}",
            f"{error.rate:.1%}",
            "-" if math.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f} %",
            f"{error.f1_at_stake:+.4f}",
            escape(error.whereabouts),
        )
    return table


def show_notes(notes: Sequence[str]) -> None:
    """Print what a reader should know besides."""
    for note in notes:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)


def unreadable(pictures: Pictures) -> list[str]:
    """A note on the images that could not be read, none where all could."""
    if not pictures.unreadable:
        return []
    image, reason = next(iter(pictures.unreadable.items()))
    return [f"{len(pictures.unreadable):,} images could not be read and are shown grey; the first: {image}: {reason}"]


def of_unknown_people(predictions: Predictions) -> list[str]:
    """A note where nobody knows who is in some samples, none where all people are known."""
    unknown = int((predictions.column("subject") == "").sum())
    return [unknown_people(unknown, len(predictions))] if unknown else []


def _errors_of(own: pd.DataFrame, predictions: Sequence[str], resamples: int, seed: int) -> Iterator[Confusion]:
    """The errors of one gesture's samples: one per wrong prediction, without what is at stake."""
    said = own["prediction"].to_numpy(dtype=object)
    wrong = {prediction: said == prediction for prediction in predictions}
    table = own[["source", "subject", "unit"]].assign(
        support=1, **{f"wrong {name}": mask for name, mask in wrong.items()}
    )
    columns = ["support", *(f"wrong {name}" for name in predictions)]
    people = table.groupby(["source", "subject"], sort=True)[columns].sum().reset_index()
    sources = people.groupby("source", sort=True)[columns].sum().reset_index()
    units = table.groupby("unit", sort=True)[columns].sum()
    unknown = int((own["subject"] == "").sum())
    intervals = rate_intervals(
        units[columns[1:]].to_numpy(np.int64), units["support"].to_numpy(np.int64), resamples, seed, unknown
    )
    for (prediction, mask), interval in zip(wrong.items(), intervals, strict=True):
        errors = own[mask].sort_values("score", ascending=False, kind="stable")
        yield Confusion(
            gesture=str(errors["gesture"].iloc[0]),
            prediction=prediction,
            count=len(errors),
            support=len(own),
            rate=len(errors) / len(own),
            interval=interval,
            f1_at_stake=math.nan,
            sources=tuple(_parts(sources, f"wrong {prediction}")),
            people=tuple(_parts(people, f"wrong {prediction}")),
            rows=errors.index.to_numpy(np.int64),
        )


def _parts(sums: pd.DataFrame, column: str) -> Iterator[Part]:
    for row in sums.sort_values(column, ascending=False, kind="stable").to_dict("records"):
        yield Part(str(row["source"]), str(row.get("subject", "")), int(row[column]), int(row["support"]))


def _worst_first(error: Confusion) -> tuple[float, int, str]:
    return (-error.f1_at_stake, -error.count, error.name)


def _csv(rows: list[list[Any]], columns: list[str]) -> str:
    return pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.6g")


def _parts_csv(parts: list[tuple[str, str, Part]], keys: list[str]) -> str:
    columns = [*keys, "count", "support", "rate"]
    rows = [[gesture, said, *(getattr(part, name) for name in columns)] for gesture, said, part in parts]
    return _csv(rows, ["gesture", "prediction", *columns])


def _as_json(confusions: Confusions, source: str) -> dict[str, Any]:
    ids = confusions.predictions.column("sample_id")
    entries: dict[str, list[dict[str, Any]]] = {"pairs": [], "not_found": []}
    for error in confusions.errors:
        entry = {key: value for key, value in asdict(error).items() if key != "rows"}
        entry |= {"whereabouts": error.whereabouts, "samples": ids[error.rows].tolist()}
        entries["pairs" if error.prediction else "not_found"].append(entry)
    content: dict[str, Any] = json_ready(
        {
            "version": VERSION,
            "predictions": source,
            "samples": len(confusions.predictions),
            "weighted_f1": confusions.weighted_f1,
            **entries,
        }
    )
    return content


if __name__ == "__main__":
    main()

"""Mining: search a pool for hands like the plan's errors.

    gestures mine mining.pool=DIR_OR_VIDEO_OR_SOURCE [checkpoint=PATH]

For each line of the recording plan it proposes hands that the admission rule would let in if they show the line's
gesture, most like the errors first, and unlike one another. Where the pool's labels are known, these are the hands of
that gesture that the model gets wrong (the planned error first) or is unsure of. Where nobody labelled it, a hand is as
good as it is near in embedding to the samples of val that the model got wrong in the planned way, and far from those
that it rightly takes for the other gesture. Near-duplicates of hands in the index and of one another are left out.

`mining.output`/<pool> gets list.csv to review (`mined_list`), a contact sheet for each line, and what `admit` needs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from rich import box
from rich.markup import escape

from static_gesture_classification.active_learning import admission
from static_gesture_classification.active_learning.mining.candidates import (
    Chosen,
    Examples,
    Looks,
    choose,
    look_at,
    ranked,
)
from static_gesture_classification.active_learning.mining.pool import (
    Pool,
    PoolHands,
    digest_of,
    open_pool,
    print_pool,
    with_embeddings,
)
from static_gesture_classification.active_learning.mining.review_list import (
    COLUMNS,
    LIST,
    MinedList,
    Origin,
    write_list,
)
from static_gesture_classification.active_learning.planning.plan_file import PlannedRecording, read_plan
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.evaluate import torch_device
from static_gesture_classification.evaluation.figures import image_grid, write_figure
from static_gesture_classification.evaluation.predictions import PROBABILITY, read_predictions
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import SAMPLES
from static_gesture_classification.samples import BOX, SCHEMA, read_samples
from static_gesture_classification.terminal import Table, console
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import CROPS, Classifier, load_classifier

SHEET_COLUMNS = 8
TEST = "test"


@entry_point
def main(config: DictConfig) -> None:
    """Mine the configured pool for the recording plan."""
    hardware.use_processor(config.trainer.threads)
    lines = planned_lines(config)
    classifier = load_classifier(Path(config.checkpoint), torch_device(config))
    check_fit(lines, classifier, config)
    digest = digest_of(Path(config.checkpoint))
    pool = open_pool(config, classifier, digest)
    print_pool(pool)
    examples = [examples_of(line, classifier, digest, config) for line in lines]
    settings = admission.Settings.from_config(config.admission)
    rankings = [
        ranked(line, example, pool, classifier.vocabulary, settings)
        for line, example in zip(lines, examples, strict=True)
    ]
    looks = look_at(pool, [row for ranking in rankings for row in ranking.rows.tolist()], config)
    found = choose(pool, rankings, looks, config)
    origin = Origin(str(config.mining.pool), str(config.checkpoint), digest)
    write_found(found, pool, looks, origin, Path(config.mining.output) / pool.hands.name)
    print_found(found, examples, Path(config.mining.output) / pool.hands.name)


def planned_lines(config: DictConfig) -> tuple[PlannedRecording, ...]:
    """The plan's lines. Raises `UserError` where it has none."""
    plan = read_plan(Path(config.mining.plan), Vocabulary.from_config(config.gestures))
    if not plan.recordings:
        raise UserError(
            f"{config.mining.plan} plans nothing: no gesture is taken for another, and none lacks data. There is "
            "nothing to search for; evaluate on new people or rooms to find out what is still hard"
        )
    return plan.recordings


def check_fit(lines: Sequence[PlannedRecording], classifier: Classifier, config: DictConfig) -> None:
    """Raise `UserError` where the checkpoint cannot make the errors that the plan is about."""
    for line in lines:
        if line.mistaken_for is not None and line.mistaken_for not in classifier.vocabulary:
            raise UserError(
                f"{config.checkpoint} does not fit {config.mining.plan}: it does not know {line.mistaken_for} (but "
                f"{', '.join(classifier.vocabulary)}); choose the checkpoint that the plan was made with, or plan anew"
            )


def examples_of(line: PlannedRecording, classifier: Classifier, digest: str, config: DictConfig) -> Examples:
    """Embeddings, by the current model, of the errors that a line is about and of what they were taken for.

    They come from the predictions of val, `mining.examples` at most; where there are none, from the plan's examples.
    """
    errors, others = _errors_and_others(line, config)
    if errors.empty:
        errors = _planned_examples(line)
    return Examples(*(_embedded(each, classifier, digest, config) for each in (errors, others)))


def _errors_and_others(line: PlannedRecording, config: DictConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    path, most = Path(config.mining.predictions), config.mining.examples
    if not path.is_file():
        return _no_samples(), _no_samples()
    table = read_predictions(path).to_frame()
    if (table["split"] == TEST).any():
        raise UserError(
            f"{path} has samples of test, which nothing may be learned from; set mining.predictions to val's"
        )
    own = table[table["gesture"] == line.gesture]
    if line.mistaken_for is None:  # the samples that it is least sure of, the wrong ones first
        known = PROBABILITY + line.gesture in table
        return own.sort_values(PROBABILITY + line.gesture if known else "score").head(line.count), _no_samples()
    errors = own[own["prediction"] == line.mistaken_for].sort_values("score", ascending=False).head(most)
    right = table[(table["gesture"] == line.mistaken_for) & (table["prediction"] == line.mistaken_for)]
    return errors, right.iloc[:: max(1, -(-len(right) // most))]


def _no_samples() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in SCHEMA.names})


def _planned_examples(line: PlannedRecording) -> pd.DataFrame:
    rows = [
        {"sample_id": each.sample_id, "image": each.image, "root": each.root, **dict(zip(BOX, each.box, strict=True))}
        for each in line.examples
    ]
    return pd.DataFrame(rows, columns=["sample_id", "image", "root", *BOX])


def _embedded(samples: pd.DataFrame, classifier: Classifier, digest: str, config: DictConfig) -> np.ndarray:
    """Embeddings (n, D) of samples by the current model; of those that it can see."""
    if samples.empty:
        return np.zeros((0, classifier.network.head.in_features), np.float32)
    samples = samples.reset_index(drop=True)
    samples = samples.assign(landmarks=_landmarks(samples, config) if classifier.input != CROPS else None)
    pool = with_embeddings(PoolHands("examples", samples), classifier, digest, config)
    return np.asarray(pool.store.embeddings[pool.rows], np.float32)


def _landmarks(samples: pd.DataFrame, config: DictConfig) -> pd.Series:
    """The landmarks that earlier stages know of samples; None where they know none."""
    folders = [config.paths.landmarks, config.paths.splits, config.paths.index]
    tables = [Path(folder) / SAMPLES for folder in folders]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        return pd.Series([None] * len(samples), dtype=object)
    known = read_samples(table).set_index("sample_id")["landmarks"]
    return pd.Series([known.get(sample) for sample in samples["sample_id"]], dtype=object)


def write_found(found: Sequence[Chosen], pool: Pool, looks: Looks, origin: Origin, folder: Path) -> None:
    """Write the list to review and a contact sheet for each line.

    Raises:
        DataError: there is nothing to write. OutputError: the folder cannot be written.
    """
    if not any(len(chosen.at) for chosen in found):
        raise DataError(
            f"the pool {pool.hands.name} has no hand for any line of the plan: either it shows none of these gestures, "
            "or the model is sure and right about all that do"
        )
    table = pd.concat([listed(chosen, pool) for chosen in found], ignore_index=True)
    rows = np.concatenate([chosen.ranked.rows[chosen.at] for chosen in found])
    for path in folder.glob("*.png"):
        path.unlink()  # of an earlier plan
    for note in write_list(MinedList(table, pool.samples.iloc[rows].reset_index(drop=True), origin), folder):
        console.print(f"[yellow]{escape(note)}[/]")
    for chosen in found:
        if len(chosen.at):
            write_figure(contact_sheet(chosen, pool, looks), folder / f"{file_name(chosen.ranked.line)}.png")


def listed(chosen: Chosen, pool: Pool) -> pd.DataFrame:
    """The lines of list.csv for one line of the plan, as text."""
    line, rows = chosen.ranked.line, chosen.ranked.rows[chosen.at]
    samples = pool.samples.iloc[rows]
    judgements = chosen.ranked.judgements.take(chosen.at)
    labelled = (samples["gesture"] != "").to_numpy()
    columns: dict[str, Sequence[str] | np.ndarray] = {
        "line": [title(line)] * len(rows),
        "number": [str(number) for number in range(1, len(rows) + 1)],
        "keep": np.where(labelled, "yes", ""),
        "gesture": np.where(labelled, samples["gesture"], line.gesture),
        "prediction": judgements.prediction,
        "score": [f"{value:.3f}" for value in judgements.score],
        "margin": [f"{value:.3f}" for value in judgements.margin],
        "outcome": judgements.outcome,
        "similarity": ["" if np.isnan(value) else f"{value:.3f}" for value in chosen.ranked.similarity[chosen.at]],
        "label": samples["source_label"].to_numpy(object),
        "subject": samples["subject"].to_numpy(object),
        "image": [f"{root}/{image}" for root, image in zip(samples["root"], samples["image"], strict=True)],
        "mistaken_for": [line.mistaken_for or ""] * len(rows),
        "sample_id": samples["sample_id"].to_numpy(object),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS), dtype=object)


def title(line: PlannedRecording) -> str:
    """What a line of the plan is called: `TWO taken for THREE`."""
    return line.gesture if line.mistaken_for is None else f"{line.gesture} taken for {line.mistaken_for}"


def file_name(line: PlannedRecording) -> str:
    """The same for a file."""
    return re.sub(r"\W+", "_", title(line))


def contact_sheet(chosen: Chosen, pool: Pool, looks: Looks) -> np.ndarray:
    """The hands proposed for a line, with their numbers in the list and what the model says: (h, w, 3) uint8 RGB."""
    rows = chosen.ranked.rows[chosen.at]
    crops = looks.crops[[looks.row[row] for row in rows.tolist()]]
    judgements = chosen.ranked.judgements.take(chosen.at)
    captions = [
        f"{number}  {judgement.prediction or 'no hand'} {judgement.score:.2f}"
        for number, judgement in enumerate(judgements, start=1)
    ]
    labelled = int((pool.samples["gesture"].iloc[rows] != "").sum())
    known = "" if not labelled else " (labelled)" if labelled == len(rows) else f" ({labelled} labelled)"
    return image_grid(crops, captions, f"{title(chosen.ranked.line)}: {len(rows)} found{known}", SHEET_COLUMNS)


def left_out(found: Sequence[Chosen]) -> dict[str, int]:
    """Which of the hands that were looked at are not proposed: reason -> how many."""
    numbers = {
        "near-duplicates of hands in the index": sum(chosen.in_index for chosen in found),
        "of people of whom val or test has a near-duplicate": sum(chosen.held_out for chosen in found),
        "near-duplicates of better candidates": sum(chosen.repeated for chosen in found),
        "without a readable image": sum(chosen.unreadable for chosen in found),
    }
    return {reason: number for reason, number in numbers.items() if number}


def print_found(found: Sequence[Chosen], examples: Sequence[Examples], folder: Path) -> None:
    """Print what was found for each line, and what to do next."""
    table = Table(title="found for the plan", title_justify="left", box=box.SIMPLE)
    table.add_column("line", no_wrap=True)
    for heading in ("wanted", "examples", "eligible", "proposed"):
        table.add_column(heading, justify="right")
    for chosen, example in zip(found, examples, strict=True):
        numbers = (chosen.ranked.line.count, len(example.errors), chosen.ranked.eligible, len(chosen.at))
        table.add_row(title(chosen.ranked.line), *(f"{number:,}" for number in numbers))
    console.print(table)
    console.print("examples: errors to search by; eligible: hands that would join if they show the gesture")
    for text, number in left_out(found).items():
        console.print(f"left out: {number:,} {text}", highlight=False, markup=False)
    undecided = any((chosen.at.size and np.isfinite(chosen.ranked.similarity).any()) for chosen in found)
    console.print(
        "would be admitted: if they show the gesture. Of the best of them left out: near-duplicates of hands in the "
        "index, people who are held out by that sign, near-duplicates of better candidates (repeated)",
        soft_wrap=True,
    )
    if undecided:
        console.print(
            f"Look at the contact sheets in {folder} and decide in {folder / LIST}: keep (yes or no), gesture.",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    console.print(
        f"Then: gestures admit mining.list={shlex.quote(str(folder / LIST))}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


if __name__ == "__main__":
    main()

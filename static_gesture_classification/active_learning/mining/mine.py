"""Mining: search a pool for hands like the plan's errors.

    gestures mine mining.pool=DIR_OR_VIDEO_OR_SOURCE [checkpoint=PATH]

For each line of the recording plan it proposes hands that the admission rule would admit if they show the line's
gesture: most similar to the errors first, and different from each other. In a labelled pool these are the hands of that
gesture that the model gets wrong (the planned error first) or is unsure of. In an unlabelled pool, a hand scores higher
the nearer its embedding is to the planned errors on val, and the farther from samples that rightly show the other
gesture. Near-duplicates of hands in the index and of each other are left out.

`mining.output`/<pool> gets list.csv to review (`mined_list`), a contact sheet for each line, and what `admit` needs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from static_gesture_classification.active_learning.mining.candidates import (
    CandidateCrops,
    Examples,
    Proposal,
    crop_candidates,
    propose,
    rank_hands,
)
from static_gesture_classification.active_learning.mining.pool import Pool, PoolHands, embed, open_pool, print_pool
from static_gesture_classification.active_learning.mining.review_list import (
    LIST,
    LIST_COLUMNS,
    MinedList,
    MiningOrigin,
    write_list,
)
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.active_learning.planning.plan_file import PlannedRecording, read_plan
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.figures import image_grid, write_figure
from static_gesture_classification.evaluation.predictions import PROBABILITY, read_predictions
from static_gesture_classification.samples import BOX, SCHEMA, TEST, read_landmarks_of
from static_gesture_classification.terminal import Table, note, say, show_table
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import Classifier, load_classifier

SHEET_COLUMNS = 8


@entry_point
def main(config: DictConfig) -> None:
    """Mine the configured pool for the recording plan."""
    hardware.use_processor(config.trainer.threads)
    settings = MiningSettings.from_config(config)
    lines = read_lines(settings)
    classifier = load_classifier(settings.checkpoint, hardware.torch_device(config.trainer.accelerator))
    check_fit(lines, classifier, settings)
    pool = open_pool(settings, classifier)
    print_pool(pool.hands)
    examples = examples_of(lines, classifier, settings)
    rankings = [
        rank_hands(line, example, pool, classifier.vocabulary, settings.admission)
        for line, example in zip(lines, examples, strict=True)
    ]
    pictures = crop_candidates(pool, [row for ranking in rankings for row in ranking.rows.tolist()], settings)
    found = propose(pool, rankings, pictures, settings)
    folder = settings.output / pool.hands.name
    write_found(
        found, pool, pictures, MiningOrigin(str(settings.pool), str(settings.checkpoint), settings.digest), folder
    )
    print_found(found, examples, folder)


def read_lines(settings: MiningSettings) -> tuple[PlannedRecording, ...]:
    """The plan's lines. Raises `UserError` where it has none."""
    plan = read_plan(settings.plan, settings.vocabulary)
    if not plan.recordings:
        raise UserError(
            f"{settings.plan} plans nothing: no gesture is taken for another, and none lacks data. There is "
            "nothing to search for; evaluate on new people or rooms to find out what is still hard"
        )
    if not plan.wanted:
        raise UserError(f"all lines of {settings.plan} are switched off; switch one on (gestures app, page Plan)")
    return plan.wanted


def check_fit(lines: Sequence[PlannedRecording], classifier: Classifier, settings: MiningSettings) -> None:
    """Raise `UserError` where the checkpoint cannot make the errors that the plan is about."""
    for line in lines:
        if line.mistaken_for is not None and line.mistaken_for not in classifier.vocabulary:
            raise UserError(
                f"{settings.checkpoint} does not fit {settings.plan}: it does not know {line.mistaken_for} (but "
                f"{', '.join(classifier.vocabulary)}); choose the checkpoint that the plan was made with, or plan anew"
            )


def examples_of(lines: Sequence[PlannedRecording], classifier: Classifier, settings: MiningSettings) -> list[Examples]:
    """Embeddings of each line's errors and of right samples of the other gesture, by the current model.

    At most `mining.examples` are taken from the predictions of val; without any, the plan's examples are taken.
    """
    predicted = _read_predicted(settings.predictions)
    chosen = [_errors_and_others(line, predicted, settings.examples) for line in lines]
    pairs = [
        (_plan_examples(line) if errors.empty else errors, others)
        for line, (errors, others) in zip(lines, chosen, strict=True)
    ]
    marks = _landmarks([ids for pair in pairs for each in pair for ids in each["sample_id"]], classifier, settings)
    return [Examples(*(_embeddings(each, marks, classifier, settings) for each in pair)) for pair in pairs]


def _read_predicted(path: Path) -> pd.DataFrame:
    """The predictions of val, none where there is no such table. Raises `UserError` for samples of test."""
    if not path.is_file():
        return pd.DataFrame(columns=[*SCHEMA.names, "prediction", "score"], dtype=object)
    table = read_predictions(path).to_frame()
    if (table["split"] == TEST).any():
        raise UserError(
            f"{path} has samples of test, and nothing may be learned from test; set mining.predictions to val's"
        )
    return table


def _errors_and_others(line: PlannedRecording, table: pd.DataFrame, most: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    own = table[table["gesture"] == line.gesture]
    if line.mistaken_for is None:  # the samples with the lowest probability of their gesture
        known = PROBABILITY + line.gesture in table
        return own.sort_values(PROBABILITY + line.gesture if known else "score").head(line.count), table.iloc[:0]
    errors = own[own["prediction"] == line.mistaken_for].sort_values("score", ascending=False).head(most)
    right = table[(table["gesture"] == line.mistaken_for) & (table["prediction"] == line.mistaken_for)]
    return errors, right.iloc[:: max(1, -(-len(right) // most))]


def _plan_examples(line: PlannedRecording) -> pd.DataFrame:
    rows = [(each.sample_id, each.image, each.root, *each.box) for each in line.examples]
    return pd.DataFrame(rows, columns=["sample_id", "image", "root", *BOX])


def _embeddings(
    samples: pd.DataFrame, marks: Mapping[str, np.ndarray], classifier: Classifier, settings: MiningSettings
) -> np.ndarray:
    """Embeddings (n, D) of the samples that the current model can see; `marks`: see `_landmarks`."""
    if samples.empty:
        return np.zeros((0, classifier.network.head.in_features), np.float32)
    known = [marks[sample].ravel() if sample in marks else None for sample in samples["sample_id"]]
    samples = samples.reset_index(drop=True).assign(landmarks=pd.Series(known, dtype=object))
    pool = embed(PoolHands("examples", samples), classifier, settings)
    return np.asarray(pool.store.embeddings[pool.rows], np.float32)


def _landmarks(ids: Sequence[str], classifier: Classifier, settings: MiningSettings) -> dict[str, np.ndarray]:
    """Landmarks (21, 2) of the samples by earlier stages, if the model sees any, of those that have some."""
    paths = settings.workspace
    tables = (paths.landmarks / paths.index_table.name, paths.split_table, paths.index_table)
    table = next((path for path in tables if path.is_file()), None)
    return {} if table is None or not classifier.kind.needs_landmarks else read_landmarks_of(table, ids)


def write_found(
    found: Sequence[Proposal], pool: Pool, pictures: CandidateCrops, origin: MiningOrigin, folder: Path
) -> None:
    """Write the list to review and a contact sheet for each line.

    Raises:
        DataError: there is nothing to write. OutputError: the folder cannot be written.
    """
    if not any(len(chosen.at) for chosen in found):
        raise DataError(
            f"the pool {pool.hands.name} has no hand for any line of the plan: either it shows none of these gestures, "
            "or the model is sure and right about all that do"
        )
    table = pd.concat([list_rows(chosen, pool) for chosen in found], ignore_index=True)
    rows = np.concatenate([chosen.ranking.rows[chosen.at] for chosen in found])
    for path in folder.glob("*.png"):
        path.unlink()  # of an earlier plan
    for text in write_list(MinedList(table, pool.samples.iloc[rows].reset_index(drop=True), origin), folder):
        note(text)
    for chosen in found:
        if len(chosen.at):
            write_figure(contact_sheet(chosen, pool, pictures), folder / f"{sheet_name(chosen.ranking.line)}.png")


def list_rows(chosen: Proposal, pool: Pool) -> pd.DataFrame:
    """The lines of list.csv for one line of the plan, as text."""
    line, rows = chosen.ranking.line, chosen.ranking.rows[chosen.at]
    samples = pool.samples.iloc[rows]
    judgements = chosen.ranking.judgements.take(chosen.at)
    labelled = (samples["gesture"] != "").to_numpy()
    columns: dict[str, Sequence[str] | np.ndarray] = {
        "line": [line_title(line)] * len(rows),
        "number": [str(number) for number in range(1, len(rows) + 1)],
        "keep": np.where(labelled, "yes", ""),
        "gesture": np.where(labelled, samples["gesture"], line.gesture),
        "prediction": judgements.prediction,
        "score": [f"{value:.3f}" for value in judgements.score],
        "margin": [f"{value:.3f}" for value in judgements.margin],
        "outcome": judgements.outcome,
        "similarity": ["" if np.isnan(value) else f"{value:.3f}" for value in chosen.ranking.similarity[chosen.at]],
        "label": samples["source_label"].to_numpy(object),
        "subject": samples["subject"].to_numpy(object),
        "image": [f"{root}/{image}" for root, image in zip(samples["root"], samples["image"], strict=True)],
        "mistaken_for": [line.mistaken_for or ""] * len(rows),
        "sample_id": samples["sample_id"].to_numpy(object),
    }
    return pd.DataFrame(columns, columns=list(LIST_COLUMNS), dtype=object)


def line_title(line: PlannedRecording) -> str:
    """The title of a line of the plan: `TWO taken for THREE`."""
    return line.gesture if line.mistaken_for is None else f"{line.gesture} taken for {line.mistaken_for}"


def sheet_name(line: PlannedRecording) -> str:
    """The same for a file."""
    return re.sub(r"\W+", "_", line_title(line))


def contact_sheet(chosen: Proposal, pool: Pool, pictures: CandidateCrops) -> np.ndarray:
    """The hands proposed for a line, with their numbers in the list and predictions: (h, w, 3) uint8 RGB."""
    rows = chosen.ranking.rows[chosen.at]
    crops = pictures.crops[[pictures.row[row] for row in rows.tolist()]]
    judgements = chosen.ranking.judgements.take(chosen.at)
    captions = [
        f"{number}  {judgement.prediction or 'no hand'} {judgement.score:.2f}"
        for number, judgement in enumerate(judgements, start=1)
    ]
    labelled = int((pool.samples["gesture"].iloc[rows] != "").sum())
    known = "" if not labelled else " (labelled)" if labelled == len(rows) else f" ({labelled} labelled)"
    return image_grid(crops, captions, f"{line_title(chosen.ranking.line)}: {len(rows)} found{known}", SHEET_COLUMNS)


def left_out(found: Sequence[Proposal]) -> dict[str, int]:
    """Candidates that are not proposed: reason -> how many."""
    numbers = {
        "near-duplicates of hands in the index": sum(chosen.in_index for chosen in found),
        "of people who have a near-duplicate in val or test": sum(chosen.held_out for chosen in found),
        "near-duplicates of better candidates": sum(chosen.repeated for chosen in found),
        "without a readable image": sum(chosen.unreadable for chosen in found),
    }
    return {reason: number for reason, number in numbers.items() if number}


def print_found(found: Sequence[Proposal], examples: Sequence[Examples], folder: Path) -> None:
    """Print what was found for each line, and what to do next."""
    table = Table(title="found for the plan")
    table.add_column("line", no_wrap=True)
    for heading in ("wanted", "examples", "eligible", "proposed"):
        table.add_column(heading, justify="right")
    for chosen, example in zip(found, examples, strict=True):
        numbers = (chosen.ranking.line.count, len(example.errors), chosen.ranking.eligible, len(chosen.at))
        table.add_row(line_title(chosen.ranking.line), *(f"{number:,}" for number in numbers))
    show_table(table)
    say("examples: errors to search by; eligible: hands that would join if they show the gesture")
    for text, number in left_out(found).items():
        say(f"left out: {number:,} {text}")
    if any(np.isfinite(chosen.ranking.similarity).any() for chosen in found if chosen.at.size):
        say(f"Look at the contact sheets in {folder} and decide in {folder / LIST}: keep (yes or no), gesture.")
    say(f"Then: gestures admit mining.list={shlex.quote(str(folder / LIST))}")


if __name__ == "__main__":
    main()

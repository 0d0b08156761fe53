"""Promote a checkpoint to `models/best.ckpt`, with a record of where it comes from in `models/best.json`.

    gestures promote                      # the stage: the better one on val
    gestures promote force=true           # ... whatever the comparison says
    gestures promote run=ID [epoch=N]     # by hand

The stage compares the newly trained checkpoint with the best one so far by weighted F1 on today's val split, on those
of its people whom the best one so far was not trained on: on people it knows it would win by memory. It is replaced
by a higher score; of equals, the earlier stays; where there is none yet, the candidate becomes the best one.

Where the two cannot be compared nothing is promoted: the best one so far tells other gestures apart, has no record (so
nobody knows whom it was trained on), was trained on more than half of today's val samples, or cannot look at them.
Then a person decides: in a terminal the command asks; elsewhere, and as a stage of `dvc repro`, it says why and how to
take the candidate all the same (`force=true`), and ends well: `models/trained.ckpt` and its run stay.

Crops of another geometry, or landmarks instead of crops, are no hindrance: each looks at the same samples in its own
way, at what is prepared or at what is cut for it (below `compare.output`).

A candidate with a higher score that recognises a gesture worse, by more than `compare.max_gesture_loss` and by more
than chance explains (see `paired`), is refused: who relies on that gesture would lose by the promotion. Nothing fails;
the best one stays, and the message says how to promote it all the same (`force=true`).

One that was promoted by hand stays until another checkpoint than the one it was preferred to is trained, and scores
higher. What is replaced is kept as `models/previous_best.ckpt` and `.json`.

The record is written first, the checkpoint last: a promotion that was killed is finished by repeating the command.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.markup import escape
from rich.prompt import Confirm

from static_gesture_classification.atomic_files import atomic_path, write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.contenders import Contender, said_about
from static_gesture_classification.evaluation.data import split_table
from static_gesture_classification.evaluation.data_version import data_version, people, person_digests, read_people
from static_gesture_classification.evaluation.epoch_report import PEOPLE_FIELD, VERSION_FIELD
from static_gesture_classification.evaluation.metrics import json_ready
from static_gesture_classification.evaluation.paired import COMPARABLE_SHARE, Change, change, paired, verdict
from static_gesture_classification.evaluation.predictions import Predictions, read_predictions
from static_gesture_classification.evaluation.runs import (
    PROMOTE,
    best_kept,
    checkpoints_by_epoch,
    digest_of,
    find_run,
    read_record,
)
from static_gesture_classification.samples import read_rows
from static_gesture_classification.terminal import console
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training import hardware, identity
from static_gesture_classification.training.checkpoint import (
    export_checkpoint,
    input_of,
    read_checkpoint,
)

VERSION = 1
BEST, RECORD = "best.ckpt", "best.json"
PREVIOUS, PREVIOUS_RECORD = "previous_best.ckpt", "previous_best.json"
BY_SCORE, BY_HAND = "by weighted F1 on val", "by hand"
FORCED, ANSWERED = "told to (force=true)", "told to (asked in the terminal)"
COMPARE = "gestures compare"
CONFIG_NODES = (*identity.NODES, "crops", "splits", "sources")


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that may be promoted: its bytes as exported, and its record so far."""

    content: bytes
    record: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoint."""
        return str(self.record["sha256"])


@dataclass(frozen=True)
class Decision:
    """Whether the candidate is promoted, why, and how it compares where that could be said.

    `undecided`: nothing can tell which one is better, so it is not promoted unless a person says so.
    """

    promote: bool
    reason: str
    compared: Change | None = None
    undecided: bool = False

    @property
    def samples(self) -> int:
        """How many samples were compared."""
        return self.compared.samples if self.compared else 0


@entry_point
def main(config: DictConfig) -> None:
    """Promote by hand where a run or an epoch is named, else the better one."""
    hardware.use_processor(config.trainer.threads)
    models = Path(config.paths.models)
    if config.run is not None or config.epoch is not None:
        candidate = candidate_of_run(config)
        decision = Decision(True, BY_HAND)
        chosen = {"chosen": BY_HAND, "preferred_to": digest_of(models / "trained.ckpt")}
    else:
        candidate = trained_candidate(config)
        if is_unfinished(models, candidate):
            write_bytes(models / BEST, candidate.content)
        decision = settled(decide(candidate, models, config), candidate, models, config.force)
        chosen = {"chosen": BY_SCORE}
    if decision.promote:
        promote(candidate, models, {**chosen, **outcome(decision)})
    show(decision, candidate, models)


def settled(decision: Decision, candidate: Candidate, models: Path, force: bool) -> Decision:
    """The decision, turned where `force` or the answer to a question says so; what is the best one already stays."""
    if decision.promote or digest_of(models / BEST) == candidate.digest:
        return decision
    if force:
        return replace(decision, promote=True, reason=f"{FORCED}, although {decision.reason}")
    if decision.undecided and agreed(f"{models / BEST} stays as it is, for {decision.reason}"):
        return replace(decision, promote=True, reason=f"{ANSWERED}, although {decision.reason}")
    return decision


def agreed(why: str) -> bool:
    """Ask whether to promote what cannot be compared; no without a terminal, in a stage of DVC, and without an answer.

    DVC hands its terminal on to its stages, but nobody sits before a pipeline that takes minutes.
    """
    if "DVC_STAGE" in os.environ or not (sys.stdin.isatty() and console.is_terminal):
        return False
    console.print(escape(why), highlight=False, soft_wrap=True)
    try:
        return Confirm.ask("Promote the new one all the same?", default=False, console=console)
    except EOFError:
        return False


def trained_candidate(config: DictConfig) -> Candidate:
    """What the train stage exported."""
    models = Path(config.paths.models)
    checkpoint, record = models / "trained.ckpt", read_record(models / "trained.json")
    entries = read_checkpoint(checkpoint)
    if record is None:
        raise UserError(f"no readable record {models / 'trained.json'} beside {checkpoint}; run dvc repro train")
    samples = read_rows(split_table(config, input_of(entries["model"])))
    run = Path(config.paths.runs) / str(record["run"])
    settings = RunFolder.open(run).config if (run / "run.json").is_file() else _plain(config)
    content = checkpoint.read_bytes()
    about: dict[str, Any] = {"run": record["run"], "checkpoint": record["checkpoint"]}
    about |= {"data_version": data_version(samples), "people": people(samples, "train")}
    return Candidate(content, record_of(entries, content, about, settings))


def candidate_of_run(config: DictConfig) -> Candidate:
    """An epoch's checkpoint of a run, exported; by default the run that was trained last, and its best epoch.

    Raises:
        UserError: no such run, or no checkpoint of this epoch was kept; lists those that were.
    """
    if config.run is None:
        record = read_record(Path(config.paths.models) / "trained.json")
        if record is None:
            raise UserError("say which run: run=ID; runs are listed by static_gesture_classification.evaluation.runs")
        config = OmegaConf.merge(config, {"run": record["run"]})  # type: ignore[assignment]
    run = find_run(config)
    kept = checkpoints_by_epoch(run)
    if not kept:
        raise UserError(f"{run.path} has no checkpoint; train it first")
    epoch = best_kept(run, list(kept)) if config.epoch is None else int(config.epoch)
    if epoch not in kept:
        there = ", ".join(str(each) for each in sorted(kept))
        raise UserError(f"run {run.run_id} has no checkpoint of epoch {epoch}; it kept those of {there}")
    with tempfile.TemporaryDirectory() as folder:
        export_checkpoint(kept[epoch], Path(folder) / BEST)
        content = (Path(folder) / BEST).read_bytes()
    seen = run.file(PEOPLE_FIELD)
    about: dict[str, Any] = {"run": run.run_id, "checkpoint": kept[epoch].name}
    about |= {"data_version": run.values().get(VERSION_FIELD)}
    about |= {"people": seen.read_text(encoding="utf-8").split() if seen else None}
    return Candidate(content, record_of(read_checkpoint(kept[epoch]), content, about, run.config))


def record_of(
    entries: Mapping[str, Any], content: bytes, about: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a checkpoint: where it comes from, what it is, what it was trained on and with."""
    about = dict(about)
    seen = about.pop("people")
    return {
        "record_version": VERSION,
        "run": about["run"],
        "epoch": entries["epoch"],
        "checkpoint": about["checkpoint"],
        "model": entries["model"]["name"],
        "input": input_of(entries["model"]),
        "gestures": entries["gestures"],
        "crop": entries["crop"],
        "scores": entries["scores"],
        "data_version": about["data_version"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "config": {node: settings[node] for node in CONFIG_NODES if node in settings},
        "people_trained_on": None if seen is None else " ".join(seen),
    }


def decide(candidate: Candidate, models: Path, config: DictConfig) -> Decision:
    """Compare the candidate with the best one so far; see the module's description."""
    best, record = models / BEST, best_record(models)
    if not best.is_file():
        return Decision(True, "there was no best checkpoint yet")
    if digest_of(best) == candidate.digest:
        return Decision(record is None, "it is the best one already")
    if record is None:
        return incomparable(f"{best} has no record {RECORD} that belongs to it: whom it was trained on is not known")
    if record.get("chosen") == BY_HAND and record.get("preferred_to") == candidate.digest:
        return Decision(False, "another one was preferred to it by hand")
    if record.get("gestures") != candidate.record["gestures"]:
        return incomparable(other_gestures(record, candidate.record))
    return compare(best, record, config)


def incomparable(why: str) -> Decision:
    """The decision about two checkpoints of which nothing can tell which one is better."""
    return Decision(False, f"they cannot be compared: {why}", undecided=True)


def other_gestures(best: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How the gestures of two records differ."""
    old_names, new_names = (list(record.get("gestures", {}).get("names", ())) for record in (best, new))
    differences = [
        f"only the {whose} one tells {', '.join(names)} apart"
        for whose, own, others in (("best", old_names, new_names), ("new", new_names, old_names))
        if (names := [name for name in own if name not in others])
    ]
    return "they have other gestures; " + (" and ".join(differences) or "their order or their background differs")


def compare(best: Path, record: Mapping[str, Any], config: DictConfig) -> Decision:
    """Score both on the val samples of people whom the best one so far was not trained on."""
    samples, candidates = val_set(config)
    seen = record.get("people_trained_on")
    known = None if seen is None else read_people(str(seen))
    if config.splits.group == "session":  # people are on both sides on purpose
        known = frozenset()
    if known is None:
        return incomparable(f"{best.with_suffix('.json')} does not say whom {best} was trained on")
    unseen = ~person_digests(samples).isin(known).to_numpy()
    if unseen.mean() < COMPARABLE_SHARE:
        return incomparable(
            f"{best} was trained on most of the people in today's val ({(~unseen).sum():,} of {len(unseen):,} samples)"
        )
    kept = samples[unseen].reset_index(drop=True)
    try:
        old = said_about(kept, Contender(str(best), (), None, best), config)
    except UserError as error:
        return incomparable(f"{best} cannot look at today's val split: {error}")
    new = Predictions(candidates.table.filter(unseen), candidates.gestures)
    both = np.isin(new.column("sample_id"), old.column("sample_id"))  # a picture may be gone since
    if both.sum() < COMPARABLE_SHARE * len(samples):
        return incomparable(f"{best} can look at {both.sum():,} of today's {len(samples):,} val samples only")
    new = Predictions(new.table.filter(both), new.gestures)
    settings = config.compare
    changed = change(
        paired(old, new, config.splits.group),
        settings.max_gesture_loss,
        settings.resamples,
        config.seed,
        large_gesture_loss=settings.large_gesture_loss,
    )
    said = verdict(changed, "val")
    return Decision(said.promote, said.reason, changed)


def val_set(config: DictConfig) -> tuple[pd.DataFrame, Predictions]:
    """The samples of val, and what the evaluate stage says the candidate said about them.

    Raises:
        DataError: they are missing. UserError: they do not belong together.
    """
    samples = read_rows(split_table(config, input_of(config.model)))
    samples = samples[samples["split"] == "val"].reset_index(drop=True)
    path = Path(config.paths.reports) / "predictions" / "val.parquet"
    said = read_predictions(path)
    if list(said.column("sample_id")) != list(samples["sample_id"]):
        raise UserError(f"{path} is not about today's val split; run dvc repro evaluate")
    return samples, said


def best_record(models: Path) -> dict[str, Any] | None:
    """The record that belongs to `best.ckpt`: its own, or, where a promotion was interrupted, the one kept before."""
    digest = digest_of(models / BEST)
    records = (read_record(models / name) for name in (RECORD, PREVIOUS_RECORD))
    return next((record for record in records if record and record.get("sha256") == digest), None)


def is_unfinished(models: Path, candidate: Candidate) -> bool:
    """Whether a promotion of this candidate was killed after its record and before its checkpoint was written."""
    record = read_record(models / RECORD)
    written = digest_of(models / BEST)
    return record is not None and record.get("sha256") == candidate.digest != written


def promote(candidate: Candidate, models: Path, outcome: Mapping[str, Any]) -> None:
    """Keep the best one so far as the previous one, then write the candidate's record and the candidate."""
    record = {**candidate.record, **outcome}
    record["people_trained_on"] = record.pop("people_trained_on")  # long, so it comes last
    current = read_record(models / RECORD)
    if current and current.get("sha256") == digest_of(models / BEST) != candidate.digest:
        write_json(models / PREVIOUS_RECORD, current)
        write_bytes(models / PREVIOUS, (models / BEST).read_bytes())
    write_json(models / RECORD, record)
    write_bytes(models / BEST, candidate.content)


def outcome(decision: Decision) -> dict[str, Any]:
    """What the record says about the decision."""
    changed = decision.compared
    if changed is None:
        return {"reason": decision.reason, "compared": None}
    compared = {
        "samples": changed.samples,
        "people": changed.people,
        "people_unknown": changed.interval.unknown,
        "weighted_f1": changed.after,
        "weighted_f1_of_previous": changed.before,
        "difference_interval": [changed.interval.low, changed.interval.high],
        "harmed": changed.harmed.index.tolist(),
    }
    return json_ready({"reason": decision.reason, "compared": compared})


def show(decision: Decision, candidate: Candidate, models: Path) -> None:
    """Print what was decided."""
    run, epoch, best = candidate.record["run"], candidate.record["epoch"], models / BEST
    about = f"run {run}, epoch {epoch}"
    verb = "promoted to" if decision.promote else "not promoted to"
    lines = [f"{about} {verb} {best}: {decision.reason}"]
    if decision.promote and (models / PREVIOUS).is_file():
        lines.append(f"the one before is {models / PREVIOUS}")
    if not decision.promote and digest_of(best) != candidate.digest:
        lines.append(f"{best} stays as it was; the new one is {models / 'trained.ckpt'}, and epoch {epoch} of its run")
        if not decision.undecided:
            lines.append(f"to look closer: {COMPARE} compare.before={best} compare.after={models / 'trained.ckpt'}")
        lines.append(f"to promote it all the same: {PROMOTE} force=true")
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


if __name__ == "__main__":
    main()

"""Promote a checkpoint to `models/best.ckpt`, with a record of where it comes from in `models/best.json`.

    gestures promote                      # the stage: the better one on val
    gestures promote force=true           # ... whatever the comparison says
    gestures promote run=ID [epoch=N]     # by hand

The stage compares the newly trained checkpoint, the candidate, with the best one so far: by weighted F1 on today's val
split, without subjects whom the best one was trained on (on these it would win by memory). A higher score replaces the
best one; at equal scores it stays. The first candidate always becomes the best one.

Nothing is promoted if the two cannot be compared: the best one has other gestures, has no record (so its training
subjects are unknown), was trained on more than half of today's val samples, or cannot predict them. Then a person
decides. In a terminal the command asks. Elsewhere, and as a stage of `dvc repro`, it prints the reason and how to
promote anyway (`force=true`), and succeeds: `models/trained.ckpt` and its run stay.

The two may have different crop geometries or input kinds: each predicts the same samples from its own input, prepared
or made for it (below `compare.output`).

A candidate with a higher score is refused if it recognises a gesture worse, by more than `compare.max_gesture_loss` and
beyond chance (see `paired_comparison`). The command succeeds; the best one stays, and the message says how to promote
anyway (`force=true`).

A checkpoint that was promoted by hand stays until another candidate than the rejected one scores higher. The replaced
checkpoint is kept as `models/previous_best.ckpt` and `.json`.

The record is written first, the checkpoint last: repeating the command finishes a promotion that was killed.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from rich.prompt import Confirm

from static_gesture_classification.atomic_files import write_bytes, write_json
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import (
    RECORD_COLUMNS,
    SUBJECTS_FIELD,
    SUBJECTS_KEY,
    VERSION_FIELD,
    data_version,
    parse_subjects,
    read_checkpoint_record,
    split_subjects,
    subject_digests,
)
from static_gesture_classification.evaluation.contenders import Contender, ContenderSettings, predict_samples
from static_gesture_classification.evaluation.metrics import json_ready
from static_gesture_classification.evaluation.paired_comparison import (
    COMPARABLE_SHARE,
    Change,
    ChangeSettings,
    IncomparableError,
    measure_change,
    pair_predictions,
    verdict,
)
from static_gesture_classification.evaluation.predictions import Predictions, read_predictions
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.samples import read_rows
from static_gesture_classification.settings import At, Settings
from static_gesture_classification.terminal import console, say
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.tracking.run_list import find_run, require_run
from static_gesture_classification.training import hardware
from static_gesture_classification.training.checkpoint import (
    checkpoint_digest,
    export_checkpoint,
    read_checkpoint,
)
from static_gesture_classification.training.inputs import InputKind, kind_of
from static_gesture_classification.training.settings import NODES
from static_gesture_classification.workspace import Workspace

PROMOTION_VERSION = 1
BEST_CHECKPOINT, BEST_RECORD = "best.ckpt", "best.json"
PREVIOUS_BEST, PREVIOUS_RECORD = "previous_best.ckpt", "previous_best.json"
PROMOTION_LOCK = ".promoting"
BY_SCORE, BY_HAND = "by weighted F1 on val", "by hand"
FORCED, ANSWERED = "told to (force=true)", "told to (asked in the terminal)"
ON_THE_PAGE = "told to on the page"
CONFIG_NODES = (*NODES, "crops", "split", "sources")


class PromoteSettings(Settings, key="promote"):
    """The candidate, and how it is compared; of `compare`, `paths`, `split` and `promote`.

    Args:
        run, epoch: promoted by hand; None leaves it to the comparison.
        force: promote the trained checkpoint whatever the comparison says.
        workspace: where checkpoints, runs and predictions are.
        kind: of the trained checkpoint.
        group: what splits keep apart.
        change: how the two are compared.
        contenders: what the best one so far predicts from.
        threads: processor threads; None takes one per core.
        recorded: the nodes of the configuration that a record keeps.
    """

    run: str | None
    epoch: int | None
    force: bool
    workspace: Workspace
    kind: InputKind
    group: Annotated[Literal["subject", "session"], At("split.group")]
    change: ChangeSettings
    contenders: ContenderSettings
    threads: Annotated[int | None, At("trainer.threads")]
    recorded: dict[str, Any]

    @classmethod
    def from_config(cls, config: DictConfig) -> PromoteSettings:
        """Of the whole configuration; raises as `read`."""
        # Each within the whole configuration: what it refers to may lie in a node that is not recorded.
        recorded = {node: _resolve(config[node]) for node in CONFIG_NODES if node in config}
        return cls.read(config, "promote", kind=kind_of(config.model), recorded=recorded)

    def at(self, workspace: Workspace) -> PromoteSettings:
        """The same in another workspace."""
        return self.model_copy(update={"workspace": workspace, "contenders": self.contenders.at(workspace)})


def _resolve(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


@dataclass(frozen=True)
class CheckpointOrigin:
    """Where a checkpoint comes from.

    Args:
        run, checkpoint: the run and the name of its checkpoint; None if unknown.
        data_version: of the data that it was trained on.
        subjects: digests of whom it was trained on; None if unknown.
    """

    run: str | None
    checkpoint: str | None
    data_version: str | None
    subjects: Sequence[str] | None


@dataclass(frozen=True)
class PromotionCandidate:
    """A checkpoint that may be promoted.

    Args:
        content: its bytes as exported.
        record: so far.
        checkpoint: of a run, which has to look at val first; None where the evaluate stage has done that.
    """

    content: bytes
    record: dict[str, Any]
    checkpoint: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoint."""
        return str(self.record["sha256"])


@dataclass(frozen=True)
class PromotionDecision:
    """Whether the candidate is promoted, why, and the comparison if there is one.

    `undecided`: the two cannot be compared, so it is not promoted unless a person says so.
    """

    promote: bool
    reason: str
    change: Change | None = None
    undecided: bool = False

    @property
    def samples(self) -> int:
        """How many samples were compared."""
        return self.change.samples if self.change else 0


@entry_point
def main(config: DictConfig) -> None:
    """Promote by hand where a run or an epoch is named, else the better one."""
    settings = PromoteSettings.from_config(config)
    hardware.use_processor(settings.threads)
    models = settings.workspace.models
    if settings.run is not None or settings.epoch is not None:
        candidate = candidate_of_run(settings)
        decision = PromotionDecision(True, BY_HAND)
        chosen = {"chosen": BY_HAND, "preferred_to": checkpoint_digest(settings.workspace.trained)}
    else:
        candidate = read_candidate(settings)
        if is_unfinished(models, candidate):
            write_bytes(models / BEST_CHECKPOINT, candidate.content)
        decision = settle_decision(decide_promotion(candidate, settings), candidate, models, settings.force)
        chosen = {"chosen": BY_SCORE}
    if decision.promote:
        with promoting(models):
            promote(candidate, models, {**chosen, **describe_decision(decision)})
    show_decision(decision, candidate, models)


def settle_decision(
    decision: PromotionDecision, candidate: PromotionCandidate, models: Path, force: bool
) -> PromotionDecision:
    """The decision, reversed by `force` or by the answer in the terminal; the best one itself is not promoted again."""
    if decision.promote or checkpoint_digest(models / BEST_CHECKPOINT) == candidate.digest:
        return decision
    if force:
        return replace(decision, promote=True, reason=f"{FORCED}, although {decision.reason}")
    if decision.undecided and ask(f"{models / BEST_CHECKPOINT} stays as it is, for {decision.reason}"):
        return replace(decision, promote=True, reason=f"{ANSWERED}, although {decision.reason}")
    return decision


def ask(why: str) -> bool:
    """Ask whether to promote; no without a terminal, in a stage of DVC, and without an answer.

    DVC hands its terminal on to its stages, but nobody watches a pipeline that takes minutes.
    """
    if "DVC_STAGE" in os.environ or not (sys.stdin.isatty() and console.is_terminal):
        return False
    say(why)
    try:
        return Confirm.ask("Promote the new one anyway?", default=False, console=console)
    except EOFError:
        return False


def read_candidate(settings: PromoteSettings) -> PromotionCandidate:
    """The train stage's exported checkpoint."""
    checkpoint = settings.workspace.trained
    entries, record = read_checkpoint(checkpoint), read_checkpoint_record(checkpoint.with_suffix(".json"))
    if record is None:
        beside = checkpoint.with_suffix(".json")
        raise UserError(f"no readable record {beside} beside {checkpoint}; run dvc repro train")
    samples = read_rows(kind_of(entries["model"]).sample_table(settings.workspace), RECORD_COLUMNS)
    run = find_run(str(record["run"]), settings.workspace.runs)
    origin = CheckpointOrigin(
        record["run"], record["checkpoint"], data_version(samples), split_subjects(samples, "train")
    )
    content = checkpoint.read_bytes()
    return PromotionCandidate(content, make_record(entries, content, origin, run.config if run else settings.recorded))


def candidate_of_run(settings: PromoteSettings) -> PromotionCandidate:
    """An epoch's checkpoint of a run, exported; by default the best epoch of the last run.

    Raises:
        UserError: no such run, or no kept checkpoint of this epoch.
    """
    trained = read_checkpoint_record(settings.workspace.trained.with_suffix(".json")) or {}
    return kept_candidate(require_run(settings.run or trained.get("run"), settings.workspace.runs), settings.epoch)


def kept_candidate(run: RunFolder, epoch: int | None) -> PromotionCandidate:
    """The kept checkpoint of an epoch of a run, exported; of its best epoch where none is named.

    Raises:
        UserError: there is no kept checkpoint of this epoch.
    """
    checkpoint = run.best_checkpoint()
    if epoch is not None:
        kept = run.epoch_checkpoints()
        if epoch not in kept:
            there = ", ".join(map(str, kept))
            raise UserError(f"run {run.run_id} has no checkpoint of epoch {epoch}; it kept those of {there}")
        checkpoint = kept[epoch]
    with tempfile.TemporaryDirectory() as folder:
        export_checkpoint(checkpoint, Path(folder) / BEST_CHECKPOINT)
        content = (Path(folder) / BEST_CHECKPOINT).read_bytes()
    seen, version = run.file(SUBJECTS_FIELD), run.values().get(VERSION_FIELD)
    subjects = seen.read_text(encoding="utf-8").split() if seen else None
    origin = CheckpointOrigin(run.run_id, checkpoint.name, None if version is None else str(version), subjects)
    return PromotionCandidate(
        content, make_record(read_checkpoint(checkpoint), content, origin, run.config), checkpoint
    )


def make_record(
    entries: Mapping[str, Any], content: bytes, origin: CheckpointOrigin, configuration: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a checkpoint: its origin, its model, and its training data and configuration.

    Args:
        entries: the checkpoint's.
        content: its file.
        origin: where it comes from.
        configuration: plain values; the record keeps some nodes.
    """
    return {
        "record_version": PROMOTION_VERSION,
        "run": origin.run,
        "epoch": entries["epoch"],
        "checkpoint": origin.checkpoint,
        "model": entries["model"]["name"],
        "input": kind_of(entries["model"]).name,
        "gestures": entries["gestures"],
        "crop": entries["crop"],
        "scores": entries["scores"],
        "data_version": origin.data_version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "config": {node: configuration[node] for node in CONFIG_NODES if node in configuration},
        SUBJECTS_KEY: None if origin.subjects is None else " ".join(origin.subjects),
    }


def decide_promotion(candidate: PromotionCandidate, settings: PromoteSettings) -> PromotionDecision:
    """Compare the candidate with the best one so far; see the module's description."""
    best, record = settings.workspace.best, best_record(settings.workspace.models)
    if not best.is_file():
        return PromotionDecision(True, "there was no best checkpoint yet")
    if checkpoint_digest(best) == candidate.digest:
        return PromotionDecision(record is None, "it is the best one already")
    if record is None:
        return incomparable(
            f"{best} has no record {BEST_RECORD} that belongs to it: whom it was trained on is not known"
        )
    if record.get("chosen") == BY_HAND and record.get("preferred_to") == candidate.digest:
        return PromotionDecision(False, "another one was preferred to it by hand")
    if record.get("gestures") != candidate.record["gestures"]:
        return incomparable(describe_other_gestures(record, candidate.record))
    return compare_with_best(best, record, candidate, settings)


def incomparable(why: str) -> PromotionDecision:
    """The decision about two checkpoints that cannot be compared."""
    return PromotionDecision(False, f"they cannot be compared: {why}", undecided=True)


def describe_other_gestures(best: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How the gestures of two records differ."""
    old_names, new_names = (list(record.get("gestures", {}).get("names", ())) for record in (best, new))
    differences = [
        f"only the {whose} one tells {', '.join(names)} apart"
        for whose, own, others in (("best", old_names, new_names), ("new", new_names, old_names))
        if (names := [name for name in own if name not in others])
    ]
    return "they have other gestures; " + (" and ".join(differences) or "their order or their background differs")


def compare_with_best(
    best: Path, record: Mapping[str, Any], candidate: PromotionCandidate, settings: PromoteSettings
) -> PromotionDecision:
    """Score both on the val samples of subjects whom the best one so far was not trained on."""
    try:
        samples, new = val_predictions(settings) if candidate.checkpoint is None else predict_val(candidate, settings)
    except IncomparableError as error:
        return incomparable(str(error))
    known = None if record.get(SUBJECTS_KEY) is None else parse_subjects(str(record[SUBJECTS_KEY]))
    if settings.group == "session":  # subjects are in both splits on purpose
        known = frozenset()
    if known is None:
        return incomparable(f"{best.with_suffix('.json')} does not say whom {best} was trained on")
    unseen = ~subject_digests(samples).isin(known).to_numpy()
    if unseen.mean() < COMPARABLE_SHARE:
        return incomparable(
            f"{best} was trained on most of the people in today's val ({(~unseen).sum():,} of {len(unseen):,} samples)"
        )
    kept = samples[unseen].reset_index(drop=True)
    try:
        old = predict_samples(kept, Contender(str(best), (), None, best), settings.contenders)
    except UserError as error:
        return incomparable(f"{best} cannot look at today's val split: {error}")
    both = unseen & np.isin(new.column("sample_id"), old.column("sample_id"))  # a picture may be gone since
    if both.sum() < COMPARABLE_SHARE * len(samples):
        return incomparable(f"{best} can look at {both.sum():,} of today's {len(samples):,} val samples only")
    new = Predictions(new.table.filter(both), new.gestures)
    change = measure_change(pair_predictions(old, new, settings.group), settings.change)
    result = verdict(change, "val")
    return PromotionDecision(result.promote, result.reason, change)


def val_predictions(settings: PromoteSettings) -> tuple[pd.DataFrame, Predictions]:
    """The samples of val, and the candidate's predictions from the evaluate stage.

    Raises:
        DataError: they are missing. UserError: they do not belong together.
    """
    samples = read_rows(settings.kind.sample_table(settings.workspace))
    samples = samples[samples["split"] == "val"].reset_index(drop=True)
    path = settings.workspace.predictions("val")
    predictions = read_predictions(path)
    if list(predictions.column("sample_id")) != list(samples["sample_id"]):
        raise UserError(f"{path} is not about today's val split; run dvc repro evaluate")
    return samples, predictions


def predict_val(candidate: PromotionCandidate, settings: PromoteSettings) -> tuple[pd.DataFrame, Predictions]:
    """The samples of val, and what a run's checkpoint predicts of them.

    Raises:
        DataError: there is no sample table. IncomparableError: the checkpoint cannot look at them.
    """
    samples = read_rows(settings.workspace.split_table)
    samples = samples[samples["split"] == "val"].reset_index(drop=True)
    if not len(samples):
        raise IncomparableError(f"val has no samples in {settings.workspace.split_table}")
    path = candidate.checkpoint
    try:
        predictions = predict_samples(samples, Contender(str(path), (), None, path), settings.contenders)
    except UserError as error:
        raise IncomparableError(f"{path} cannot look at today's val split: {error}") from error
    seen = samples["sample_id"].isin(predictions.column("sample_id"))  # a picture may be gone
    return samples[seen].reset_index(drop=True), predictions


def best_record(models: Path) -> dict[str, Any] | None:
    """The record that belongs to `best.ckpt`; after an interrupted promotion this is the previous one."""
    digest = checkpoint_digest(models / BEST_CHECKPOINT)
    records = (read_checkpoint_record(models / name) for name in (BEST_RECORD, PREVIOUS_RECORD))
    return next((record for record in records if record and record.get("sha256") == digest), None)


def is_unfinished(models: Path, candidate: PromotionCandidate) -> bool:
    """Whether a promotion of this candidate was killed after its record and before its checkpoint was written."""
    record = read_checkpoint_record(models / BEST_RECORD) or {}
    return record.get("sha256") == candidate.digest != checkpoint_digest(models / BEST_CHECKPOINT)


def promote(candidate: PromotionCandidate, models: Path, outcome: Mapping[str, Any]) -> None:
    """Keep the best one so far as the previous one, then write the candidate's record and the candidate."""
    record = {**candidate.record, **outcome}
    record[SUBJECTS_KEY] = record.pop(SUBJECTS_KEY)  # long, so it comes last
    current = read_checkpoint_record(models / BEST_RECORD)
    if current and current.get("sha256") == checkpoint_digest(models / BEST_CHECKPOINT) != candidate.digest:
        write_json(models / PREVIOUS_RECORD, current)
        write_bytes(models / PREVIOUS_BEST, (models / BEST_CHECKPOINT).read_bytes())
    write_json(models / BEST_RECORD, record)
    write_bytes(models / BEST_CHECKPOINT, candidate.content)


def promote_kept(
    candidate: PromotionCandidate, decision: PromotionDecision, against: str | None, settings: PromoteSettings
) -> None:
    """Promote a run's checkpoint that a person chose.

    Args:
        candidate: the checkpoint.
        decision: what its comparison with the best one says.
        against: digest of that best one; None where there was none.
        settings: where checkpoints are.

    Raises:
        UserError: another one was promoted since, or is being promoted now.
    """
    models, trained = settings.workspace.models, checkpoint_digest(settings.workspace.trained)
    with promoting(models):
        if checkpoint_digest(models / BEST_CHECKPOINT) != against:
            raise UserError("another checkpoint was promoted since they were compared; compare again")
        chosen = {"chosen": BY_HAND, "preferred_to": None if trained == candidate.digest else trained}
        promote(candidate, models, {**chosen, **describe_decision(decision)})


def overrule(decision: PromotionDecision) -> PromotionDecision:
    """The decision, reversed by a person who has read it on the page."""
    return replace(decision, promote=True, reason=f"{ON_THE_PAGE}, although {decision.reason}")


def take_back(models: Path) -> dict[str, Any]:
    """Make the previous best checkpoint the best one again, and the other way round; returns its record.

    Raises:
        UserError: there is no previous one with its record, or another promotion is at work.
    """
    with promoting(models):
        record, path = read_checkpoint_record(models / PREVIOUS_RECORD), models / PREVIOUS_BEST
        if record is None or record.get("sha256") != checkpoint_digest(path):
            raise UserError(f"there is no {path} with its record, so nothing can be taken back")
        promote(PromotionCandidate(path.read_bytes(), record), models, {})
    return record


@contextmanager
def promoting(models: Path) -> Iterator[None]:
    """Hold the lock of promotions. Raises `UserError` where another process, or another tab of the page, holds it."""
    models.mkdir(parents=True, exist_ok=True)
    lock = ProcessLock(models / PROMOTION_LOCK)
    if not lock.acquire():
        raise UserError(f"another promotion is at work in {models}; wait until it is done, then try again")
    try:
        yield
    finally:
        lock.release()


def describe_decision(decision: PromotionDecision) -> dict[str, Any]:
    """What the record says about the decision."""
    change = decision.change
    compared = change and {
        "samples": change.samples,
        "people": change.subjects,
        "people_unknown": change.interval.unknown,
        "weighted_f1": change.after,
        "weighted_f1_of_previous": change.before,
        "difference_interval": [change.interval.low, change.interval.high],
        "harmed": change.harmed.index.tolist(),
    }
    return json_ready({"reason": decision.reason, "compared": compared})


def show_decision(decision: PromotionDecision, candidate: PromotionCandidate, models: Path) -> None:
    """Print what was decided."""
    run, epoch, best = candidate.record["run"], candidate.record["epoch"], models / BEST_CHECKPOINT
    verb = "promoted to" if decision.promote else "not promoted to"
    say(f"run {run}, epoch {epoch} {verb} {best}: {decision.reason}")
    if decision.promote and (models / PREVIOUS_BEST).is_file():
        say(f"the one before is {models / PREVIOUS_BEST}")
    if not decision.promote and checkpoint_digest(best) != candidate.digest:
        say(f"{best} stays as it was; the new one is {models / 'trained.ckpt'}, and epoch {epoch} of its run")
        if not decision.undecided:
            say(f"to look closer: gestures compare compare.before={best} compare.after={models / 'trained.ckpt'}")
        say("to promote it anyway: gestures promote force=true")


if __name__ == "__main__":
    main()

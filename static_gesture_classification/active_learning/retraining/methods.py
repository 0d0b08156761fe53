"""How the quick loop trains: from scratch, a crop model's last layer only, or all its layers for a few epochs.

Each method writes `trained.ckpt` and its record `trained.json` into the quick loop's models, as the train stage does.
The record also lists the digests of all subjects trained on, including those of the starting checkpoint.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from static_gesture_classification.active_learning.retraining.frozen_split import NO_SPLIT, TRAIN, VAL, earlier_splits
from static_gesture_classification.active_learning.retraining.head import Embedded, embed_once, refit
from static_gesture_classification.active_learning.retraining.settings import FINETUNE, HEAD, RetrainSettings
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.checkpoint_record import (
    SUBJECT_COLUMNS,
    SUBJECTS_KEY,
    read_checkpoint_record,
    split_subjects,
    subject_digests,
)
from static_gesture_classification.evaluation.contenders import training_subjects
from static_gesture_classification.evaluation.paired_comparison import unit_noun
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.split import tie_rows
from static_gesture_classification.samples import are_among, read_arrow, read_rows, to_frame, with_texts, write_samples
from static_gesture_classification.terminal import note, say
from static_gesture_classification.training.answers import background_index, fit_calibration
from static_gesture_classification.training.calibrate import subject_weights
from static_gesture_classification.training.checkpoint import (
    CALIBRATION,
    FOR_USE,
    Classifier,
    checkpoint_digest,
    load_classifier,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.experiment import open_data
from static_gesture_classification.training.last_layer import LastLayer
from static_gesture_classification.training.run import run_training
from static_gesture_classification.training.settings import TrainingSettings


def train_by_method(settings: RetrainSettings) -> None:
    """Train by the method that the settings name.

    Raises:
        UserError, DataError: the data or the checkpoint to go on from cannot be used.
    """
    {HEAD: refit_head, FINETUNE: finetune}.get(settings.method, train_from_scratch)(settings)


def train_from_scratch(settings: RetrainSettings) -> None:
    """A training run on the quick loop's data."""
    train_run(settings.training)
    note_subjects(settings, set(split_subjects(read_rows(settings.workspace.split_table, SUBJECT_COLUMNS), TRAIN)))


def train_run(settings: TrainingSettings) -> None:
    """Train in a run folder, and export its best epoch.

    The run keeps checkpoints and series only. Predictions, figures and pictures of every epoch would take longer than
    the training itself, so they are left out, and trackers too.
    """
    run_training(settings, open_data(settings), sampling_period=0)


def refit_head(settings: RetrainSettings) -> None:
    """Refit the last layer of the starting checkpoint on stored embeddings.

    Raises:
        DataError: the data has a gesture that the checkpoint does not know.
    """
    samples, entries = read_rows(settings.workspace.split_table), read_checkpoint(settings.start)
    classifier = load_classifier(settings.start)
    vocabulary, layer = classifier.vocabulary, classifier.network.head
    unknown = sorted(set(samples.loc[samples["split"].isin((TRAIN, VAL)), "gesture"]) - set(vocabulary))
    if unknown:
        raise DataError(f"{settings.start} does not know {', '.join(unknown)}; use retrain.method={FINETUNE}")
    rows = np.flatnonzero(samples["split"] == TRAIN)
    own, known = samples.iloc[rows].reset_index(drop=True), read_known_subjects(settings)
    head = refit(
        LastLayer(layer.weight.detach().cpu().float().numpy(), layer.bias.detach().cpu().float().numpy()),
        embed_rows(settings, classifier, rows).embeddings,
        np.asarray(vocabulary.indices(own["gesture"].tolist()), np.int64),
        tie_rows(own, settings.split.group),
        ~subject_digests(own).isin(known).to_numpy(),
        settings.strengths,
    )
    say(f"last layer {head.choice(unit_noun(settings.split.group))}")
    tensors = {"weight": torch.from_numpy(head.layer.weights), "bias": torch.from_numpy(head.layer.bias)}
    state = {**entries.pop("state_dict"), **{f"head.{name}": tensor for name, tensor in tensors.items()}}
    trained = settings.workspace.trained
    entries.pop(FOR_USE, None)  # of the last layer that it had
    save({**entries, "state_dict": state, "scores": None, **calibrate_layer(settings, classifier, head.layer)}, trained)
    record = read_checkpoint_record(settings.start.with_suffix(".json")) or {}
    run = record.get("run", settings.start.stem)
    about = {"run": run, "epoch": entries["epoch"], "checkpoint": settings.start.name}
    write_json(trained.with_suffix(".json"), {**about, "model": entries["model"]["name"], "method": HEAD})
    note_subjects(settings, known | set(split_subjects(samples, TRAIN)))


def calibrate_layer(settings: RetrainSettings, classifier: Classifier, layer: LastLayer) -> dict[str, Any]:
    """The checkpoint's entry of a new last layer's calibration, read off val; none without val's samples."""
    samples = read_rows(settings.workspace.split_table)
    rows, vocabulary = np.flatnonzero(samples["split"] == VAL), classifier.vocabulary
    if not len(rows):
        return {}
    val = samples.iloc[rows].reset_index(drop=True)
    logits = layer.scores(embed_rows(settings, classifier, rows).embeddings)
    targets = np.asarray(vocabulary.indices(val["gesture"].tolist()), np.int64)
    share, background = settings.training.background_share, background_index(vocabulary)
    found = fit_calibration(logits, targets, subject_weights(val), background, share)
    return {CALIBRATION: asdict(found)}


def embed_rows(settings: RetrainSettings, classifier: Classifier, rows: np.ndarray) -> Embedded:
    """The starting checkpoint's outputs for these rows of the crops; most are stored already."""
    crops, digest = open_crops(settings.workspace.crops)[rows], str(checkpoint_digest(settings.start))
    embedded = embed_once(classifier, digest, crops, settings.embeddings / digest[:16])
    if embedded.computed:
        say(f"embeddings: {embedded.computed:,} of {len(crops):,} computed now, the others were stored")
    return embedded


def finetune(settings: RetrainSettings) -> None:
    """Train all layers of the starting checkpoint on samples new since the pipeline's split, and some known ones."""
    table = read_arrow(settings.workspace.split_table)
    samples = to_frame(table.drop_columns(["landmarks"]))
    known = are_among(samples["sample_id"], earlier_splits([settings.pipeline.split_table]).index)
    left_out = known & (samples["split"] == TRAIN).to_numpy()
    gestures, seed = samples["gesture"].to_numpy(object), settings.training.seed
    left_out[replay(gestures, left_out, settings.finetune.replayed, seed)] = False
    trained_on = samples.assign(split=samples["split"].mask(left_out, NO_SPLIT))
    workspace = settings.workspace.model_copy(update={"splits": settings.workspace.splits / FINETUNE})
    write_samples(with_texts(table, "split", trained_on["split"]), workspace.split_table)
    train_run(settings.training.model_copy(update={"workspace": workspace}))
    note_subjects(settings, read_known_subjects(settings) | set(split_subjects(trained_on, TRAIN)))


def replay(gestures: np.ndarray, among: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw `count` rows of `among` (bool (n,)) to train on again, balanced over gestures."""
    random = np.random.default_rng(seed)
    rows = random.permutation(np.flatnonzero(among))
    order = np.zeros(len(rows), np.int64)  # the first of each gesture, then the second of each, ...
    for gesture in np.unique(gestures[rows]):
        own = gestures[rows] == gesture
        order[own] = np.arange(own.sum())
    return rows[np.argsort(order, kind="stable")[:count]]


def read_known_subjects(settings: RetrainSettings) -> set[str]:
    """Digests of the subjects that the starting checkpoint was trained on; empty if unknown."""
    seen = training_subjects(settings.start, settings.pipeline.runs)
    if seen is None:
        note(f"nobody knows whom {settings.start} was trained on; if some of them are in val, its scores are too high")
    return set(seen or ())


def note_subjects(settings: RetrainSettings, seen: set[str]) -> None:
    """Write into the record whom the checkpoint was trained on, and its digest."""
    trained = settings.workspace.trained
    path = trained.with_suffix(".json")
    about = {"sha256": checkpoint_digest(trained), SUBJECTS_KEY: " ".join(sorted(seen))}
    write_json(path, {**(read_checkpoint_record(path) or {}), **about})

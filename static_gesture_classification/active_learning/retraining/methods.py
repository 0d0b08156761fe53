"""How the quick loop trains: the landmark model from scratch, a crop model's last layer anew, or all of it a little.

Each leaves `trained.ckpt` and its record `trained.json` in the quick loop's models, as the train stage does; the record
also says whom the checkpoint was trained on, those of the checkpoint that it went on from among them.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from omegaconf import DictConfig
from rich.markup import escape

from static_gesture_classification.active_learning.retraining.frozen_split import TRAIN, UNUSED, VAL, earlier_sides
from static_gesture_classification.active_learning.retraining.head import Kept, kept_embeddings, refitted
from static_gesture_classification.active_learning.retraining.settings import FINETUNE, HEAD, QuickLoop
from static_gesture_classification.atomic_files import write_json
from static_gesture_classification.configuration import PROJECT
from static_gesture_classification.errors import DataError
from static_gesture_classification.evaluation.contenders import PEOPLE, people_of
from static_gesture_classification.evaluation.data_version import people, person_digests
from static_gesture_classification.evaluation.paired import noun_of
from static_gesture_classification.evaluation.runs import digest_of, read_record
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.split import tied_together
from static_gesture_classification.samples import read_rows, read_samples, write_samples
from static_gesture_classification.terminal import console
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.training.callbacks import Checkpoints
from static_gesture_classification.training.checkpoint import Classifier, load_classifier, read_checkpoint, save
from static_gesture_classification.training.experiment import build_module, build_trainer, open_data
from static_gesture_classification.training.identity import RunIdentity, begin, is_finished, run_folder_for

TRAINED, RECORD = "trained.ckpt", "trained.json"


def train(loop: QuickLoop) -> None:
    """Train by the loop's method.

    Raises:
        UserError, DataError: the data or the checkpoint to go on from cannot be used.
    """
    {HEAD: refit_head, FINETUNE: finetune}.get(loop.method, train_from_scratch)(loop)


def train_from_scratch(loop: QuickLoop) -> None:
    """A training run on the quick loop's data, as train_static_gestures.py makes them."""
    run_training(loop.config)
    note_people(loop, set(people(read_rows(loop.splits), "train")))


def refit_head(loop: QuickLoop) -> None:
    """The last layer of the checkpoint to go on from, fitted anew on embeddings that are kept.

    Raises:
        DataError: a gesture that the checkpoint does not know has to be learned, which takes more than its last layer.
    """
    config, samples = loop.config, read_rows(loop.splits)
    entries = read_checkpoint(loop.start)
    classifier = load_classifier(loop.start)
    vocabulary = classifier.vocabulary
    unknown = sorted(set(samples.loc[samples["split"].isin((TRAIN, VAL)), "gesture"]) - set(vocabulary))
    if unknown:
        raise DataError(f"{loop.start} does not know {', '.join(unknown)}; use retrain.method={FINETUNE}")
    rows = np.flatnonzero(samples["split"] == TRAIN)
    train, known = samples.iloc[rows].reset_index(drop=True), known_people(loop)
    head = refitted(
        classifier,
        said_by_start(loop, classifier, rows).embeddings,
        np.asarray(vocabulary.indices(train["gesture"].tolist()), np.int64),
        tied_together(train, str(config.splits.group)),
        ~person_digests(train).isin(known).to_numpy(),
        [float(strength) for strength in config.retrain.head.strengths],
    )
    console.print(f"last layer {head.choice(noun_of(str(config.splits.group)))}", highlight=False, markup=False)
    tensors = {"head.weight": torch.from_numpy(head.weights), "head.bias": torch.from_numpy(head.bias)}
    state = {**entries["state_dict"], **tensors}
    save({**entries, "state_dict": state, "scores": None}, loop.models / TRAINED)
    record = read_record(loop.start.with_suffix(".json")) or {}
    about = {"run": record.get("run", loop.start.stem), "epoch": entries["epoch"], "checkpoint": loop.start.name}
    write_json(loop.models / RECORD, {**about, "model": entries["model"]["name"], "method": HEAD})
    note_people(loop, known | set(people(samples, TRAIN)))


def said_by_start(loop: QuickLoop, classifier: Classifier, rows: np.ndarray) -> Kept:
    """What the checkpoint to go on from says about these rows of the crops, most of which it has seen before."""
    crops, digest = open_crops(Path(loop.config.paths.crops))[rows], str(digest_of(loop.start))
    kept = kept_embeddings(classifier, digest, crops, Path(loop.config.paths.embeddings) / digest[:16])
    if kept.computed:
        console.print(
            f"embeddings: {kept.computed:,} of {len(crops):,} computed now, the others were kept", highlight=False
        )
    return kept


def finetune(loop: QuickLoop) -> None:
    """All layers of the checkpoint to go on from, on what is new since the pipeline's split and some of what is not."""
    samples = read_samples(loop.splits)
    known = samples["sample_id"].isin(earlier_sides([loop.pipeline_splits])).to_numpy()
    settings = loop.config.retrain.finetune
    left_out = known & (samples["split"] == "train").to_numpy()
    left_out[replayed(samples["gesture"].to_numpy(object), left_out, int(settings.replayed), loop.config.seed)] = False
    trained_on = samples.assign(split=samples["split"].mask(left_out, UNUSED))
    folder = Path(loop.config.paths.splits) / FINETUNE
    write_samples(trained_on, folder / "samples.parquet")
    config = loop.config.copy()
    config.paths.splits = str(folder)
    run_training(config)
    note_people(loop, known_people(loop) | set(people(trained_on, "train")))


def replayed(gestures: np.ndarray, among: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of `among` (bool (n,)) that are trained on again: `count` in all, the gestures alike as far as they go."""
    random = np.random.default_rng(seed)
    rows = random.permutation(np.flatnonzero(among))
    order = np.zeros(len(rows), np.int64)  # the first of each gesture, then the second of each, ...
    for gesture in np.unique(gestures[rows]):
        own = gestures[rows] == gesture
        order[own] = np.arange(own.sum())
    return rows[np.argsort(order, kind="stable")[:count]]


def known_people(loop: QuickLoop) -> set[str]:
    """Whom the checkpoint to go on from was trained on, as far as that is known."""
    seen = people_of(loop.start, loop.pipeline_runs)
    if seen is None:
        console.print(
            f"[yellow]note:[/] whom {escape(str(loop.start))} was trained on is not known; those of them who are in "
            "val make its scores too high",
            highlight=False,
        )
    return set(seen or ())


def note_people(loop: QuickLoop, seen: set[str]) -> None:
    """Say in the record whom the checkpoint was trained on, and which checkpoint that is."""
    record = read_record(loop.models / RECORD) or {}
    about = {"sha256": digest_of(loop.models / TRAINED), PEOPLE: " ".join(sorted(seen))}
    write_json(loop.models / RECORD, {**record, **about})


def run_training(config: DictConfig) -> None:
    """Train in a run folder, and export its best epoch.

    The run keeps its checkpoints and series; what takes longer than the training itself (predictions, figures and
    pictures of every epoch) is for runs that stay.
    """
    script = training_script()
    data = open_data(config)
    identity = RunIdentity.of(config, data.fingerprint())
    folder = run_folder_for(Path(config.paths.runs), str(config.model.name), identity, False)
    if is_finished(folder):
        same = "this configuration, data and code"
        console.print(f"{folder} is finished with {same}", highlight=False, markup=False)
    else:
        module = build_module(config, data)
        run = begin(folder, identity, script.plain(config), script.tags_of(config))
        run.resume_from(0)
        with RunLogger(run, sampling_period=0) as logger:
            keeping = Checkpoints(run.checkpoint_folder, int(config.train_hyperparams.keep_checkpoints))
            build_trainer(config, logger, [keeping]).fit(module, data)
    script.export_best(folder, Path(config.paths.models), identity.fingerprint)


@cache
def training_script() -> ModuleType:
    """The entry point train_static_gestures.py, where training is put together."""
    specification = importlib.util.spec_from_file_location(
        "train_static_gestures", PROJECT / "train_static_gestures.py"
    )
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script

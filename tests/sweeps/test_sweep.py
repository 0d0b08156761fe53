"""A sweep of a small landmark model: goes on after an interruption, stops bad trials, and promotes by the rule."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

pytest.importorskip("optuna")

from static_gesture_classification.configuration import CONF, PROJECT
from static_gesture_classification.errors import UserError
from static_gesture_classification.sweeps import results, sweep, trial
from static_gesture_classification.sweeps.settings import SweepSettings
from static_gesture_classification.sweeps.study import open_study
from static_gesture_classification.tracking.run_list import list_runs
from static_gesture_classification.training.checkpoint import has_weights_for_use
from tests.support.posed_hands import write_hands

COMMON = [
    "model=landmarks",
    "gestures.names=[BACKGROUND,ONE,TWO,FIST]",
    "logger=[]",
    "trainer.accelerator=cpu",
    *(f"train_hyperparams.{each}" for each in ("epochs=2", "passes=1", "batch_size=16", "keep_checkpoints=2")),
]
FOLDER = Path("reports/sweeps/small")
GOOD, BAD = 0.02, 1e-7  # learning rates
SEED = 2
NODE = {
    "name": "small",
    "trials": 3,
    "minutes": None,
    "epoch": "last",
    "promote": True,
    "overrides": COMMON,
    "space": {"train_hyperparams": {"lr": {"choices": [GOOD, BAD]}}},
    "sampler": {"_target_": "optuna.samplers.RandomSampler"},  # with this seed: good, bad, good
    "pruner": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 1},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_hands(folder, {"train": 24, "val": 8})
    return folder


@pytest.fixture(autouse=True)
def inside(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)


@contextlib.contextmanager
def composed(**changes: object) -> Iterator[DictConfig]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"seed={SEED}"])
        config.sweep = NODE | changes
        yield config


def run_sweep(**changes: object) -> pd.DataFrame:
    with composed(**changes) as config:
        sweep.main.__wrapped__(config)
    return pd.read_csv(Path("reports/sweeps", str(config.sweep.name), "trials.csv"))


@pytest.fixture(scope="module")
def swept(prepared: Path) -> pd.DataFrame:
    """The trials of a sweep that was interrupted in the second epoch of its first one, and gone on with."""
    epochs: list[str] = []

    def interrupt_once(pruning: trial.Pruning, *_: object) -> None:
        epochs.append(pruning.run.run_id)
        if len(epochs) == 2:
            raise SystemExit("killed")

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(prepared)
        patched.setattr(trial.Pruning, "on_train_epoch_start", interrupt_once, raising=False)
        with pytest.raises(SystemExit):
            run_sweep()
        return run_sweep()


def test_a_bad_trial_is_stopped_early_and_stays_a_run_that_may_go_on(swept: pd.DataFrame) -> None:
    assert swept["state"].tolist() == ["complete", "complete", "stopped early"]
    assert swept["train_hyperparams.lr"].tolist() == [GOOD, GOOD, BAD]
    assert swept["epochs"].tolist() == [2, 2, 1]
    stopped = list_runs(Path("runs")).set_index("id").loc[swept["run"].iloc[-1]]
    assert (stopped["status"], "stopped_early" in stopped["tags"]) == ("interrupted", True)


def test_an_interrupted_sweep_goes_on_where_its_run_stopped(swept: pd.DataFrame) -> None:
    first = swept.set_index("trial").loc[1]
    assert len(json.loads(Path("runs", first["run"], "run.json").read_text())["sessions"]) == 2
    assert first["epochs"] == 2


def test_values_that_were_trained_already_are_not_trained_again(swept: pd.DataFrame) -> None:
    assert swept["run"].iloc[0] == swept["run"].iloc[1]
    assert len(list_runs(Path("runs"))) == 2


def test_the_best_trial_is_marked_and_promoted(swept: pd.DataFrame) -> None:
    winner = list_runs(Path("runs")).set_index("id").loc[swept["run"].iloc[0]]
    assert {"sweep_small", "sweep_winner"} <= set(winner["tags"].split(", "))
    record = json.loads(Path("models/best.json").read_text())
    assert (record["run"], record["epoch"]) == (winner.name, 1)
    assert not Path("models/trained.ckpt").exists(), "the pipeline's own training is another one"


def test_only_the_best_trial_is_trained_once_more_for_use(swept: pd.DataFrame) -> None:
    assert has_weights_for_use(Path("models/best.ckpt"))
    assert [path.parent.name for path in Path("runs").glob("*/for_use.ckpt")] == [swept["run"].iloc[0]]


def test_all_trials_are_on_one_picture(swept: pd.DataFrame) -> None:
    assert Image.open(FOLDER / "parallel_coordinates.png").getextrema() != ((255, 255),) * 4


def test_a_trial_far_worse_than_the_others_does_not_squeeze_their_scale_and_is_marked_as_lower() -> None:
    scores = [0.99, 0.98, *[0.97] * 9, 0.1]
    states = ["complete", "complete", *["stopped early"] * 10]
    table = pd.DataFrame({"trial": range(1, 13), "state": states, "weighted_F1": scores, "train_hyperparams.lr": GOOD})
    with composed() as config:
        (axes,) = results.parallel_coordinates(table, SweepSettings.from_config(config)).axes
    assert [text.get_text() for text in axes.texts[-2:]] == ["≤ 0.970", "0.990"]
    assert "2 complete trials, the best 0.9900 (thick); 10 stopped early (dashed)" in axes.get_title("left")


@pytest.mark.full
def test_a_sweep_that_is_killed_tries_what_an_undisturbed_one_does(prepared: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"from {__name__} import run_sweep; run_sweep(name='killed')"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    found, dice, seconds = {}, random.Random(0), 0.0
    for manner in ("calm", "rough"):
        folder = tmp_path / manner
        shutil.copytree(prepared / "data", folder / "data")
        start = time.monotonic()
        for _ in range(4 if manner == "rough" else 0):
            process = subprocess.Popen(command, cwd=folder, env=environment)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(dice.uniform(0.3, 1) * seconds)
            process.kill()
            process.wait()
        subprocess.run(command, cwd=folder, env=environment, check=True)
        seconds = time.monotonic() - start
        found[manner] = pd.read_csv(folder / "reports/sweeps/killed/trials.csv").drop(columns=["seconds"])
    pd.testing.assert_frame_equal(found["calm"], found["rough"])


def test_a_study_is_not_gone_on_with_where_its_scores_could_not_be_compared() -> None:
    with composed(name="other") as config, open_study(SweepSettings.from_config(config)):
        pass
    space = {"train_hyperparams": {"lr": {"low": 0.001, "high": 0.1}}}
    with composed(name="other", space=space) as config, pytest.raises(UserError, match="begun with another search"):
        open_study(SweepSettings.from_config(config)).__enter__()


def test_what_is_searched_cannot_be_set_for_all_trials() -> None:
    overrides = [*COMMON, "train_hyperparams.lr=0.1"]
    with composed(overrides=overrides) as config, pytest.raises(UserError, match="set for all trials, and searched"):
        SweepSettings.from_config(config)


def test_values_that_fit_no_trial_are_told_before_the_first_one() -> None:
    space = {"model": {"normalisation": {"mean": {"choices": [[0.5], [0.4]]}}}}
    with (
        composed(space=space) as config,
        pytest.raises(UserError, match=r"a trial with model.normalisation.mean="),
    ):
        SweepSettings.from_config(config)

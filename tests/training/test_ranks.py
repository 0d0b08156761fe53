"""Training in several processes: who gets which samples, who is who, and the same result as one process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from omegaconf import DictConfig

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.evaluation.epochs import predictions_file
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.samples import read_rows
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training import experiment
from static_gesture_classification.training.datamodule import SeededBatches
from static_gesture_classification.training.ranks import Ranks
from tests.support.patches import write_patches
from tests.support.slurm_cluster import slurm_cluster
from tests.training.conftest import SMALL
from tests.training.test_datamodule import datamodule


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 50)])
def test_ranks_see_together_what_one_process_with_their_batch_size_together_sees(weights: np.ndarray | None) -> None:
    alone = list(SeededBatches(50, 12, seed=3, passes=2, weights=weights))
    shared = [list(SeededBatches(50, 4, 3, 2, weights, Ranks(rank, 3))) for rank in range(3)]
    assert {len(batches) for batches in shared} == {len(alone)}
    for step, batch in enumerate(alone):
        assert np.concatenate([batches[step] for batches in shared]).tolist() == batch.tolist()


def test_ranks_share_the_only_step_evenly_where_there_are_few_samples() -> None:
    shared = [list(SeededBatches(7, 64, seed=0, ranks=Ranks(rank, 3))) for rank in range(3)]
    assert [len(batches) for batches in shared] == [1, 1, 1]
    assert [len(batches[0]) for batches in shared] == [2, 2, 2]
    assert len(set(np.concatenate([batches[0] for batches in shared]).tolist())) == 6


@pytest.mark.parametrize("world", [2, 3, 5, 16])
def test_each_val_sample_is_in_one_batch_of_one_rank_and_all_ranks_have_equally_many(world: int) -> None:
    shared = [datamodule(ranks=Ranks(rank, world)).val_batches() for rank in range(world)]
    assert len({len(batches) for batches in shared}) == 1
    assert all(len(batch) for batches in shared for batch in batches)
    seen = np.concatenate([batch for batches in shared for batch in batches])
    assert sorted(seen.tolist()) == list(range(16))


def test_the_last_val_batches_are_no_larger_than_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("static_gesture_classification.training.inputs.Crops.batch_size", 3)
    shared = [datamodule(batch_size=3, ranks=Ranks(rank, 2)).val_batches() for rank in range(2)]
    sizes = [len(batch) for batches in shared for batch in batches]
    assert sum(sizes) == 16
    assert len(sizes) == 6
    assert max(sizes) <= 3


def test_more_devices_than_samples_are_an_error() -> None:
    with pytest.raises(DataError, match=r"17 devices cannot share 16 samples of val; set trainer\.devices=1"):
        datamodule(ranks=Ranks(0, 17))


TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "1",
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "first",
    "MASTER_PORT": "29500",
}
SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_PROCID": "3",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NODELIST": "node[07-08]",
}


def test_ranks_are_read_from_what_torchrun_and_slurm_say() -> None:
    assert Ranks.of(1, as_started=True, environment={}) == Ranks()
    assert Ranks.of(2, as_started=False, environment={}) == Ranks(world=2, local_world=2)
    assert Ranks.of(2, as_started=False, environment=TORCHRUN) == Ranks(3, 4, 1, 2, "first", 29500)
    assert Ranks.of(1, as_started=True, environment=SLURM) == Ranks(3, 4, 1, 2, "node07", 19567)
    assert Ranks.of(2, as_started=True, environment=SLURM).machines == 2
    without_srun = {name: value for name, value in SLURM.items() if "STEP" not in name}
    assert Ranks.of(1, as_started=True, environment=without_srun) == Ranks()


def test_processes_that_do_not_fit_the_settings_are_an_error_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"2 processes were started on this machine.*set trainer=ddp"):
        Ranks.of(1, as_started=False, environment=TORCHRUN)
    with pytest.raises(UserError, match="say --nodes and --ntasks-per-node"):
        Ranks.of(2, as_started=True, environment=SLURM | {"SLURM_STEP_TASKS_PER_NODE": "3,1"})


def test_all_gpus_take_part_each_with_a_process_and_processors_count_as_one(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    from static_gesture_classification.training.settings import TrainingSettings

    config = composed("trainer=ddp", "trainer.accelerator=cpu")
    assert experiment.ranks_of(TrainingSettings.from_config(config)) == Ranks()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    config.trainer.accelerator = "gpu"
    assert experiment.ranks_of(TrainingSettings.from_config(config)) == Ranks(world=4, local_world=4)
    config.trainer.devices = [0, 2]
    assert experiment.ranks_of(TrainingSettings.from_config(config)) == Ranks(world=2, local_world=2)


# ---- whole trainings in two processes ------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
# Without batch normalisation, whose statistics are of a process's own share on processors.
COMPARED = [
    *(setting for setting in SMALL if "gestures.names" not in setting and "batch_size" not in setting),
    "gestures.names=[BACKGROUND,ONE,TWO]",
    "model.name=test_convnext",
    "augs=none",
    "train_hyperparams.lr=0.005",
    "trainer.precision=32-true",
]
TWO = ["trainer=ddp", "trainer.devices=2", "trainer.threads=1", "trainer.accelerator=cpu"]


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A project whose 33 samples of train and 15 of val two ranks cannot share evenly."""
    write_patches(tmp_path, {"train": 11, "val": 5}, ["BACKGROUND", "ONE", "TWO"])
    return tmp_path


def start(project: Path, *overrides: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, str(ROOT / "train_static_gestures.py"), *COMPARED, *overrides]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def train(project: Path, *overrides: str, launcher: tuple[str, ...] = ()) -> str:
    process = start(project, *overrides, launcher=launcher)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def the_run(project: Path) -> RunFolder:
    [path] = project.glob("runs/*")
    return RunFolder.open(path)


@pytest.mark.full
def test_two_processes_learn_as_one_with_twice_the_batch_and_rank_zero_alone_writes(uneven: Path) -> None:
    said = train(uneven, *TWO, "train_hyperparams.batch_size=4")
    assert said.count("epoch 0 (1 of 3)") == 1
    run = the_run(uneven)
    together = run.metrics()
    assert run.status == "finished"
    assert len(run.record()["sessions"]) == 1
    predicted = read_predictions(predictions_file(run, "val", 2)).column("sample_id").tolist()
    samples = read_rows(uneven / "data/splits/samples.parquet")
    assert sorted(predicted) == sorted(samples["sample_id"][samples["split"] == "val"])
    trained_on = read_predictions(predictions_file(run, "train", 2)).column("sample_id").tolist()
    assert len(set(trained_on)) == len(trained_on) == 32
    (uneven / "runs").rename(uneven / "runs_together")
    train(uneven, "train_hyperparams.batch_size=8")
    alone = the_run(uneven).metrics()
    columns = ["training/train_loss", "training/val_loss", "training/val_weighted_F1", "training/lr"]
    np.testing.assert_allclose(together[columns], alone[columns], rtol=1e-3)


@pytest.mark.full
def test_a_killed_training_of_two_processes_is_gone_on_with_and_ends_as_an_undisturbed_one(uneven: Path) -> None:
    settings = [*TWO, "train_hyperparams.batch_size=4"]
    undisturbed = {}
    for killed in (False, True):
        if killed:
            process = start(uneven, *settings)
            assert process.stdout is not None
            assert any(line.startswith("epoch 1") for line in process.stdout)  # so epoch 0 has its checkpoint
            others = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert psutil.wait_procs(others, timeout=60)[1] == []
            assert the_run(uneven).status == "interrupted"
        said = train(uneven, *settings)
        assert ("Resuming" in said) == killed
        state = torch.load(uneven / "models/trained.ckpt", weights_only=True)["state_dict"]
        undisturbed = undisturbed or state
        (uneven / "runs").rename(uneven / f"runs_{killed}")
    assert all(torch.equal(state[name], undisturbed[name]) for name in state)


@pytest.mark.full
def test_where_another_process_dies_training_ends_with_a_way_out(uneven: Path) -> None:
    process = start(uneven, *TWO, "train_hyperparams.batch_size=4", "train_hyperparams.epochs=500")
    assert process.stdout is not None
    assert any(line.startswith("epoch 0") for line in process.stdout)
    # One of the children is multiprocessing's resource tracker.
    [other] = [each for each in psutil.Process(process.pid).children() if "spawn_main" in " ".join(each.cmdline())]
    other.kill()
    said, _ = process.communicate()
    assert process.returncode == 1
    assert "process 1 of the training ended with status -9; the same command goes on" in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.full
def test_torchrun_starts_the_processes_as_well(uneven: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    said = train(uneven, "trainer=ddp", "trainer.threads=1", "trainer.accelerator=cpu", launcher=launcher)
    assert said.count("epoch 0 (1 of 3)") == 1
    assert the_run(uneven).status == "finished"
    again = start(uneven, "trainer.devices=1", launcher=launcher)
    refused, _ = again.communicate()
    assert "set trainer=ddp" in " ".join(refused.split())


def job_of_the_docs(*overrides: str) -> str:
    """The script that docs/scale.md gives to Slurm, with another training."""
    text = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    [script] = re.findall(r"```sh\n(#!/bin/bash\n#SBATCH.*?)```", text, re.DOTALL)
    before, command, _ = script.partition("train_static_gestures.py trainer=ddp")
    return " ".join(
        [before + str(ROOT / command), *COMPARED, "trainer.threads=1", "trainer.accelerator=cpu", *overrides]
    )


@pytest.mark.full
def test_slurm_runs_the_script_of_the_docs_and_it_learns_as_one_process_with_twice_the_batch(uneven: Path) -> None:
    activate = uneven / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{ROOT}" OMP_NUM_THREADS=1\n')
    (uneven / "job.sh").write_text(job_of_the_docs("train_hyperparams.batch_size=4"))
    here = ["--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1", "--gpus-per-node=0"]  # instead of the script's
    with slurm_cluster(uneven / "slurm") as environment:
        job = ["sbatch", "--wait", "--output=said.txt", *here, "job.sh"]
        sent = subprocess.run(job, cwd=uneven, env=environment, capture_output=True, text=True)
    said = (uneven / "said.txt").read_text()
    assert sent.returncode == 0, sent.stderr + said
    assert said.count("epoch 0 (1 of 3)") == 1
    together = the_run(uneven).metrics()
    (uneven / "runs").rename(uneven / "runs_together")
    train(uneven, "train_hyperparams.batch_size=8")
    losses = ["training/train_loss", "training/val_loss"]
    np.testing.assert_allclose(together[losses], the_run(uneven).metrics()[losses], rtol=1e-3)

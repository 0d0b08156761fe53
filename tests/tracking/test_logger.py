import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, LearningRateMonitor
from torch.utils.data import DataLoader, TensorDataset

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.tracking import sync, trackers
from static_gesture_classification.tracking.logger import RunLogger
from static_gesture_classification.tracking.mlflow import MLflowTracker
from static_gesture_classification.tracking.neptune import NeptuneTracker
from static_gesture_classification.tracking.run_folder import RunFolder
from tests.support.small_runs import CONFIG


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"width": 3})
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss = self.layer(batch[0]).square().mean()
        self.log("training/train_loss", loss, on_step=False, on_epoch=True)
        self.log("training/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("training/val_weighted_F1", (self.current_epoch + 1) / 10)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


class Raise(Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise self.error


def fit(logger: RunLogger, tmp_path: Path, *callbacks: Callback) -> None:
    data = DataLoader(TensorDataset(torch.rand(8, 3)), batch_size=2)
    trainer = Trainer(
        max_epochs=2, logger=logger, callbacks=list(callbacks), default_root_dir=tmp_path, log_every_n_steps=1,
        accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Network(), data, data)


@pytest.fixture
def logger(run: RunFolder) -> RunLogger:
    return RunLogger(run, sampling_period=0.01)


def test_steps_of_what_is_logged_per_epoch_are_epochs(logger: RunLogger, tmp_path: Path) -> None:
    fit(logger, tmp_path, LearningRateMonitor("step"))
    run = logger.run
    assert run.status == "finished"
    assert run.series("training/val_weighted_F1")["step"].tolist() == [0, 1]
    assert run.series("training/val_weighted_F1")["value"].tolist() == pytest.approx([0.1, 0.2])
    assert run.series("training/train_loss")["step"].tolist() == [0, 1]
    assert run.series("training/loss")["step"].tolist() == [0, 1]
    assert run.series("training/loss_step")["step"].tolist() == list(range(8))
    assert run.series("lr-SGD")["step"].tolist() == list(range(8))
    assert set(run.metrics().columns) == {"training/val_weighted_F1", "training/train_loss", "training/loss"}
    assert run.values()["training/hyperparameters/width"] == 3


def test_hardware_is_sampled_while_the_run_goes_on(logger: RunLogger, tmp_path: Path) -> None:
    fit(logger, tmp_path)
    memory = logger.run.series("monitoring/process_memory")
    assert (memory["value"] > 0.01).all()
    assert len(memory) >= 1
    assert not any(field.startswith("monitoring/") for field in logger.run.metrics().columns)


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [(RuntimeError("diverged"), RuntimeError, "failed"), (KeyboardInterrupt(), SystemExit, "interrupted")],
)
def test_the_status_says_how_the_run_ended(
    logger: RunLogger, tmp_path: Path, error: BaseException, raised: type[BaseException], status: str
) -> None:
    with pytest.raises(raised):
        fit(logger, tmp_path, Raise(error))
    assert logger.run.status == status
    assert logger.run.metrics().index.tolist() == [0]


def test_an_error_outside_of_lightning_fails_the_run_too(run: RunFolder) -> None:
    with pytest.raises(DataError), RunLogger(run):
        raise DataError("no crops")
    assert run.status == "failed"


def configuration(project: Path, *overrides: str) -> Any:
    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        return compose("config", list(overrides))


@pytest.mark.parametrize(
    ("override", "kinds"),
    [
        ("seed=0", [NeptuneTracker]),
        ("logger=mlflow", [MLflowTracker]),
        ("logger=[neptune,mlflow]", [NeptuneTracker, MLflowTracker]),
        ("logger=[]", []),
    ],
)
def test_trackers_are_chosen_from_the_command_line(project: Path, override: str, kinds: list[type]) -> None:
    assert [type(tracker) for tracker in trackers.from_config(configuration(project, override))] == kinds


def test_neptune_is_offline_unless_there_is_a_token(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tracker,) = trackers.from_config(configuration(project))
    assert isinstance(tracker, NeptuneTracker)
    assert not tracker.is_online
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "a token")
    (tracker,) = trackers.from_config(configuration(project))
    assert isinstance(tracker, NeptuneTracker)
    assert tracker.is_online


def test_a_missing_client_is_an_error_of_the_users(project: Path) -> None:
    with pytest.raises(UserError, match="'no_such_client' is not installed"):
        trackers.from_config(configuration(project, "logger.neptune.client=no_such_client"))


def test_the_command_sends_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(Path("runs"), "a=1 é", CONFIG, project=tmp_path)
    run.set_status("finished")
    monkeypatch.setattr(sys, "argv", ["sync", "sync.run=runs/a=1 é"])
    sync.main()
    assert "neptune has all of runs/a=1 é" in capsys.readouterr().out
    assert len(list((run.path / "trackers" / "neptune" / "offline").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync.run=runs/none"], "no run runs/none in runs; there are: run"),
        ([], "name a run of runs: run=RUN; there are: run"),
        (["sync.run=runs/run", "logger=[]"], "logger=[neptune,mlflow]"),
    ],
)
def test_the_command_says_what_is_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    RunFolder.create(Path("runs"), "run", CONFIG, project=tmp_path).set_status("finished")
    monkeypatch.setattr(sys, "argv", ["sync", *arguments])
    with pytest.raises(SystemExit):
        sync.main()
    assert message in capsys.readouterr().err

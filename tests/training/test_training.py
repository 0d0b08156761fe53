"""Whole trainings, of a tiny network on patches."""

import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from omegaconf import DictConfig

import train_static_gestures
from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training import callbacks, identity, losses
from static_gesture_classification.training.answers import Calibration
from static_gesture_classification.training.checkpoint import Classifier, load_classifier
from tests.support.patches import patches, write_patches
from tests.support.warm_python import WarmPython
from tests.training.conftest import SMALL

Compose = Callable[..., DictConfig]
train = train_static_gestures.main.__wrapped__  # without the command line


@pytest.fixture(autouse=True)
def without_epoch_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluation's figures and tables have tests of their own, and would take most of the time here."""
    monkeypatch.setattr(train_static_gestures, "EpochCallback", callbacks.Callback)


def results(project: Path) -> dict[str, bytes]:
    found = [*project.glob("models/*"), *project.glob("runs/*/checkpoints/checkpoint*")]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in found}


def the_run(project: Path) -> RunFolder:
    [path] = project.glob("runs/*")
    return RunFolder.open(path)


def test_a_training_learns_and_leaves_what_later_stages_read(composed: Compose, prepared: Path) -> None:
    train(composed("train_hyperparams.epochs=5"))
    record = json.loads((prepared / "models/trained.json").read_text())
    assert record["scores"]["weighted_f1"] > 0.9
    crops, samples = patches({"test": 5}, seed=5)
    classifier = load_classifier(prepared / "models/trained.ckpt")
    predicted = classifier.predict(crops)[0].argmax(1)
    assert (predicted == classifier.vocabulary.indices(samples["gesture"])).mean() > 0.9
    run = the_run(prepared)
    assert run.status == "finished"
    assert run.tags == ["test_efficientnet", "valid_run", "loss_crossentropy"]
    logged = {"training/lr", "training/train_loss", "training/val_loss", "training/val_weighted_F1"}
    assert set(run.metrics().columns) == logged
    assert len(run.metrics()) == 5
    names = [path.name for path in run.checkpoints()]
    assert len(names) == 4
    assert "last.ckpt" in names
    assert all(re.fullmatch(r"checkpoint_epoch=\d+-val_weighted_F1=\d\.\d\d\.ckpt|last\.ckpt", name) for name in names)
    best = run.metrics()["training/val_weighted_F1"].nlargest(3).index
    assert {f"epoch={epoch}-" in " ".join(names) for epoch in best} == {True}
    for path in run.checkpoints():
        torch.load(path, weights_only=True)
        load_classifier(path)


def test_a_repeated_command_exports_the_finished_run_again(composed: Compose, prepared: Path, capsys) -> None:
    train(composed())
    before = results(prepared)
    (prepared / "models/trained.ckpt").unlink()
    capsys.readouterr()
    train(composed())
    assert "is finished" in capsys.readouterr().out
    assert results(prepared) == before


def test_training_calibrates_by_its_own_validation_and_looks_at_val_again_for_another_share_alone(
    composed: Compose, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "embed", None)
        train(composed())
        train(composed())
    found = [load_classifier(prepared / "models/trained.ckpt")]
    for share in (0.9, 0.5):
        train(composed(f"background.share={share}"))
        found.append(load_classifier(prepared / "models/trained.ckpt"))
    as_trained, more, again = (each.calibration for each in found)
    assert as_trained != Calibration()
    assert more.advantage > as_trained.advantage + 1
    assert asdict(again) == pytest.approx(asdict(as_trained), rel=1e-3)
    assert len(list(prepared.glob("runs/*"))) == 1


@pytest.mark.full
def test_fresh_begins_another_run_with_the_same_result(composed: Compose, prepared: Path) -> None:
    train(composed())
    before = (prepared / "models/trained.ckpt").read_bytes()
    train(composed("train_hyperparams.fresh=true"))
    first, second = sorted(path.name for path in prepared.glob("runs/*"))
    assert second == f"{first}-2"
    assert (prepared / "models/trained.ckpt").read_bytes() == before


def test_another_learning_rate_seed_or_data_is_another_run(composed: Compose, prepared: Path) -> None:
    for overrides in ([], ["train_hyperparams.lr=0.02"], ["seed=1"]):
        train(composed("train_hyperparams.epochs=1", *overrides))
    write_patches(prepared, {"train": 12, "val": 6, "test": 5})
    train(composed("train_hyperparams.epochs=1"))
    assert len(list(prepared.glob("runs/*"))) == 4


def test_a_run_that_other_code_began_is_neither_gone_on_with_nor_exported(
    composed: Compose, prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    train(composed("train_hyperparams.epochs=1"))
    first = the_run(prepared)
    before = results(prepared)
    with monkeypatch.context() as patch:
        patch.setattr(identity, "training_code", lambda folder: "changed")
        patch.setattr(losses.CrossEntropy, "forward", lambda self, logits, targets: logits.sum() * 0)
        train(composed("train_hyperparams.epochs=1"))
    output = capsys.readouterr().out.replace("\n", " ")
    assert f"runs/{first.run_id} has this configuration and data, but the code that trains was another" in output
    assert json.loads((prepared / "models/trained.json").read_text())["run"] == f"{first.run_id}-2"
    assert (prepared / "models/trained.ckpt").read_bytes() != before["models/trained.ckpt"]
    train(composed("train_hyperparams.epochs=1"))  # by the first code again, whose run is finished
    assert {path: content for path, content in results(prepared).items() if path in before} == before
    assert len(list(prepared.glob("runs/*"))) == 2


class Killed(BaseException):
    """Stands for a kill: nothing of ours runs after it."""


@pytest.mark.parametrize(
    "overrides",
    [
        ["scheduler=plateau", "scheduler.patience=0"],
        pytest.param(["scheduler=one_cycle", "optimizer=adamw", "trainer.gradient_clip=1.0"], marks=pytest.mark.full),
    ],
)
def test_a_resumed_run_ends_as_an_undisturbed_one(
    composed: Compose, prepared: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    config = composed("train_hyperparams.epochs=4", "model.name=test_efficientnet", *overrides)
    train(config)
    undisturbed, series = results(prepared), the_run(prepared).metrics()
    (prepared / "runs").rename(prepared / "runs_before")
    for epoch, where in ((1, "on_train_epoch_start"), (2, "on_train_batch_end"), (3, "on_validation_end")):

        def killing(self, trainer, *_, epoch=epoch, **__) -> None:
            if trainer.current_epoch == epoch:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(callbacks.EpochLines, where, killing)
            with pytest.raises(Killed):
                train(config)
    train(config)
    assert results(prepared) == undisturbed
    assert the_run(prepared).metrics().equals(series)


def test_early_stopping_also_holds_for_a_resumed_run(composed: Compose, prepared: Path) -> None:
    config = composed("train_hyperparams.epochs=20", "train_hyperparams.lr=1e-9", "train_hyperparams.early_stopping=1")
    train(config)
    run = the_run(prepared)
    stopped_after = len(run.metrics())
    assert stopped_after < 20
    (run.path / "status").write_text("running\n")
    train(config)
    assert len(run.metrics()) == stopped_after
    assert run.status == "finished"


# The command, which kills itself at the end of its second epoch where that is asked for.
COMMAND = """
import os, runpy, signal, sys
from static_gesture_classification.training.callbacks import EpochLines
say, dies = EpochLines.on_train_epoch_end, sys.argv.pop(1) == "dies"
def said(self, trainer, module):
    say(self, trainer, module)
    if dies and trainer.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
EpochLines.on_train_epoch_end = said
print(os.getpid(), flush=True)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def command(warm_python: WarmPython, project: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command; its first line is its process's number."""

    def start(end: str, *overrides: str) -> subprocess.Popen[str]:
        script = str(project / "train_static_gestures.py")
        return subprocess.Popen(
            [warm_python.python, "-c", COMMAND, end, script, *SMALL, *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(project)},
        )

    return start


@pytest.mark.concurrent
def test_a_killed_command_is_gone_on_with(prepared: Path, command: Callable[..., subprocess.Popen[str]]) -> None:
    killed = command("dies", "train_hyperparams.epochs=4")
    killed.communicate()
    assert killed.returncode == 128 + signal.SIGKILL
    assert the_run(prepared).status == "interrupted"
    done = command("lives", "train_hyperparams.epochs=4")
    printed, problems = done.communicate()
    assert done.returncode == 0, problems
    assert "Resuming" in printed
    assert "epoch 0 " not in printed
    assert the_run(prepared).status == "finished"
    assert len(the_run(prepared).metrics()) == 4


@pytest.mark.concurrent
def test_an_interrupted_command_says_so_and_keeps_the_last_epoch(
    prepared: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    running = command("lives", "train_hyperparams.epochs=500")
    assert running.stdout is not None
    process = int(running.stdout.readline())
    for line in running.stdout:
        if line.startswith("epoch 1"):
            os.kill(process, signal.SIGINT)
            break
    output, problems = running.communicate()
    assert running.returncode == 1
    assert "Traceback" not in problems
    assert "interrupted" in output + problems
    assert the_run(prepared).status == "interrupted"
    assert (the_run(prepared).checkpoint_folder / "last.ckpt").is_file()


def test_a_full_disk_stops_training_and_keeps_the_epoch_before(
    composed: Compose, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_file = [], Path.open

    class FullDisk(io.BytesIO):
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    def full(self: Path, mode: str = "r", *arguments: object, **options: object) -> IO[Any]:
        file = open_file(self, mode, *arguments, **options)
        if (self.name, mode) != (".last.ckpt.partial", "wb"):
            return file
        opened.append(file)
        return FullDisk() if len(opened) == 2 else file  # at the end of the second epoch

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OutputError, match="disk is full"):
            train(composed())
    run = the_run(prepared)
    assert run.status == "failed"
    assert torch.load(run.checkpoint_folder / "last.ckpt", weights_only=True)["epoch"] == 0
    train(composed())
    assert run.status == "finished"


def test_fast_dev_run_goes_through_everything_and_writes_nothing(composed: Compose, prepared: Path) -> None:
    before = sorted(prepared.rglob("*"))
    train(composed("debug=fast_dev_run"))
    assert sorted(prepared.rglob("*")) == before


def test_overfitting_learns_a_few_samples_by_heart(composed: Compose, prepared: Path) -> None:
    train(composed("debug=overfit", "train_hyperparams.overfit_samples=16", "train_hyperparams.epochs=30"))
    assert json.loads((prepared / "runs/debug/trained.json").read_text())["scores"]["weighted_f1"] > 0.95
    assert not (prepared / "models").exists()


def test_a_crop_size_that_the_crops_do_not_have_is_an_error(composed: Compose, prepared: Path) -> None:
    with pytest.raises(UserError, match=r"crops\.size=32"):
        train(composed("crops.size=64"))


@pytest.mark.parametrize(
    ("override", "way_out"),
    [
        ("train_hyperparams.lr=1e12", r"Lower train_hyperparams\.lr"),
        ("train_hyperparams.lr=-1", "learning rate"),
        ("loss.class_weights=balance", "balanced"),
        ("model.name=no_such_network", "timm has no model"),
        ("model.weights=missing.ckpt", r"no checkpoint at missing\.ckpt"),
    ],
)
def test_a_configuration_that_cannot_be_trained_with_is_an_error_with_a_way_out(
    composed: Compose, prepared: Path, override: str, way_out: str
) -> None:
    with pytest.raises(UserError, match=way_out):
        train(composed(override))
    assert not (prepared / "models").exists()


def test_training_goes_on_from_another_runs_classifier(composed: Compose, prepared: Path) -> None:
    train(composed("train_hyperparams.epochs=5", "paths.models=first"))
    train(composed("model.weights=first/trained.ckpt", "train_hyperparams.epochs=1", "train_hyperparams.lr=1e-6"))
    assert json.loads((prepared / "models/trained.json").read_text())["scores"]["weighted_f1"] > 0.9


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_every_loss_trains(composed: Compose, prepared: Path, loss: str) -> None:
    train(composed(f"loss={loss}", "loss.class_weights=balanced", "train_hyperparams.epochs=1"))
    assert the_run(prepared).tags[2] == f"loss_{loss.replace('_', '')}"

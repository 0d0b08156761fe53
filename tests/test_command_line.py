"""What is typed on the command line stays what was typed."""

import fnmatch
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from static_gesture_classification.command_line import as_typed, quote
from static_gesture_classification.conf_files import TEXT_OR_NULL, read_declared
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError

Compose = Callable[..., Any]
# Settings that are null until they are set, and no text: numbers, lists, maps. A new one belongs here or in
# `conf_files.TEXT_OR_NULL`.
NO_TEXT = {
    "add.pictures", "add.record", "download.parts", "download.hagrid.parts_by_default",
    "detector.threads", "live.commands", "live.keys", "live.websocket",
    "promote.epoch", "loss.class_weights", "mining.count", "recording.count",
    "recording.seconds", "sources.coco.annotations", "sweep.minutes", "train_hyperparams.early_stopping",
    "train_hyperparams.overfit_samples", "trainer.gradient_clip", "trainer.threads",
}  # fmt: skip


@pytest.fixture(scope="module")
def value() -> Compose:
    """The value of a setting that an argument of a command gives it."""

    def composed(argument: str) -> Any:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=["sources=[folder]", *as_typed([argument], CONF)])
        return OmegaConf.select(config, argument.partition("=")[0].lstrip("+"))

    return composed


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("train_hyperparams.lr=0.1", "train_hyperparams.lr=0.1"),
        ("sources=[hagrid,hands]", "sources=[hagrid,hands]"),
        ("--config-name", "--config-name"),
        ("~logger", "~logger"),
        ("predict.checkpoint=runs/a/best.ckpt", "predict.checkpoint=runs/a/best.ckpt"),
        ("predict.checkpoint=runs/a/epoch=49-F1=0.88.ckpt", "predict.checkpoint='runs/a/epoch=49-F1=0.88.ckpt'"),
        ("sources.folder.root=/home/Ünï côd/日本", "sources.folder.root='/home/Ünï côd/日本'"),
        ("predict.output=it's here", 'predict.output="it\'s here"'),
        ("x='already quoted = fine'", "x='already quoted = fine'"),
        ("recording.subject='12'", "recording.subject='12'"),
        ("recording.subject=null", "recording.subject=null"),
        ("predict.input=${paths.runs}", "predict.input=${paths.runs}"),
        ("recording.subject=12", "recording.subject='12'"),
        ("++new.thing=a,b", "++new.thing='a,b'"),
    ],
)
def test_only_what_needs_it_is_quoted(argument: str, expected: str) -> None:
    assert quote(argument, CONF) == expected


TEXTS = (
    "12", "304", "3.10", "1e5", "True", "false", "007", "1_000", "2024_11_05", "0x1F", "nan", "inf", "None", "a,b",
    "[x]", "{a: 1}", "[a,b]", "choice(a,b)", "it's", 'say "hi"', "it's \"both\"", "C:\\hands\\", "a=b", "#1", "Анна",
    " padded ", "\\'", "a: b", "-1",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_text_whatever_it_looks_like(text: str, value: Compose) -> None:
    assert value(f"recording.subject={text}") == text


@pytest.mark.parametrize(
    "key",
    [
        "predict.input",
        "evaluate.checkpoint",
        "runs.run",
        "evaluate.output",
        "recording.room",
        "recording.source",
        "sources.folder.root",
    ],
)
def test_paths_and_names_stay_as_typed(key: str, value: Compose) -> None:
    assert value(f"{key}=2024_11_05") == "2024_11_05"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("seed=12", 12),
        ("train_hyperparams.lr=1e-3", 0.001),
        ("recording.hard=true", True),
        ("recording.seconds=5", 5),
        ("promote.epoch=3", 3),
        ("recording.subject=null", None),
        ("sources.folder.gestures=[ONE,TWO]", ["ONE", "TWO"]),
        ("gestures.names=[кулак, it's one, 3, FIST]", ["кулак", "it's one", 3, "FIST"]),
        ("loss.class_weights=[1,2]", [1, 2]),
        ("+sources.folder.labels.shrug=1", "1"),
        ("sources.folder.labels.like=FIST", "FIST"),
    ],
)
def test_numbers_truth_values_and_lists_stay_what_they_are(argument: str, expected: Any, value: Compose) -> None:
    assert value(argument) == expected


def test_every_setting_that_may_be_null_is_known_to_be_text_or_not() -> None:
    known = read_declared(CONF)
    null = {path for path, values in known.defaults.items() if None in values and not known.is_text(path)}
    undecided = {path for path in null if path.rpartition(".")[2] not in ("gestures", "max_per_gesture")} - NO_TEXT
    assert not undecided
    assert all(fnmatch.filter(known.defaults, text) for text in TEXT_OR_NULL)


@pytest.mark.parametrize(
    "argument",
    [
        "train_hyperparams.lr=0.01,0.001",
        "seed=1,2",
        "model=resnet18,landmarks",
        "seed=range(1,3)",
        "recording.hard=true,false",
    ],
)
def test_several_values_without_multirun_are_an_error_that_names_the_setting(argument: str) -> None:
    key = argument.partition("=")[0]
    with pytest.raises(UserError, match=rf"{key}=.* lists several values: .* --multirun; else give {key} one value"):
        as_typed([argument], CONF)
    assert as_typed([argument, "--multirun"], CONF) == [argument, "--multirun"]


def test_text_with_commas_is_one_text_and_several_with_multirun() -> None:
    assert as_typed(["why=seen, twice"], CONF) == ["why='seen, twice'"]
    assert as_typed(["-m", "retrain.method=landmarks,head"], CONF)[1] == "retrain.method=landmarks,head"
    assert as_typed(["-m", "recording.subject=12"], CONF)[1] == "recording.subject='12'"


def test_command_ends_with_a_message_where_several_values_are_given(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "static_gesture_classification.configuration", "train_hyperparams.lr=0.01,0.001"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: train_hyperparams.lr=0.01,0.001 lists several values")
    assert not list(tmp_path.iterdir())

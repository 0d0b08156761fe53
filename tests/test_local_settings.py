"""conf/local/default.yaml is never silently ignored."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir

from static_gesture_classification import configuration
from static_gesture_classification.conf_files import read_declared
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.local_settings import check_local_settings

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(CONF, tmp_path_factory.mktemp("project") / "conf", ignore=lambda *_: ["local"]))


@pytest.fixture
def write(conf: Path) -> Any:
    """Write a file of conf/; it is gone after the test."""
    written: set[Path] = set()

    def save(content: str | bytes, name: str = "local/default.yaml") -> Path:
        path = conf / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        written.add(path)
        return conf

    yield save
    for path in written:
        path.unlink()
    read_declared.cache_clear()


SETTINGS = """crops:
  size: 96
sources:
  hagrid:
    root: /data/hands
    labels:
      thumbs up: THUMBS_UP
"""


@pytest.mark.parametrize(
    "content",
    [
        SETTINGS,
        "# @package _global_\n" + SETTINGS,
        "\ufeff# @package _global_\n" + SETTINGS,
        "\ufeff" + SETTINGS,
        "# Settings of this machine\n# @package _global_\n" + SETTINGS,
        "\n\n# @package _global_\n" + SETTINGS,
        "---\n" + SETTINGS,
        SETTINGS.replace("\n", "\r\n"),
    ],
)
def test_local_settings_are_used_whatever_stands_above_them(content: str, write: Write) -> None:
    conf = write(content)
    check_local_settings(conf)
    with initialize_config_dir(str(conf), version_base="1.3"):
        config = compose("config", overrides=["sources=[hagrid]"])
    assert (config.crops.size, config.sources.hagrid.root) == (96, "/data/hands")
    assert config.sources.hagrid.labels["thumbs up"] == "THUMBS_UP"


@pytest.mark.parametrize("content", ["", "\ufeff", "# nothing yet\n", "# @package _global_\n", "---\n", "{}\n"])
def test_file_without_settings_changes_nothing(content: str, write: Write) -> None:
    conf = write(content)
    check_local_settings(conf)
    with initialize_config_dir(str(conf), version_base="1.3"):
        assert compose("config").crops.size == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("crop: {size: 96}\n", r"default\.yaml, line 1: there is no setting crop; the nearest is crops"),
        ("# one\ncrops:\n  sise: 96\n", r"line 3: there is no setting crops\.sise; the nearest is crops\.size"),
        (
            "sources:\n  hagird:\n    root: x\n",
            r"line 2: there is no setting sources\.hagird; the nearest is sources.hagrid",
        ),
        ("sources: {hands: {rooot: x}}\n", r"no setting sources\.hands\.rooot; the nearest is sources\.hands\.root"),
        ("epochs: 5\n", r"no setting epochs; there is .*train_hyperparams\.epochs"),
        ("xyzzy: 5\n", r"no setting xyzzy; the top level has "),
        ("crops.size: 96\n", r"crops\.size: a dot does not lead into a group here; write\n\ncrops:\n  size:"),
        ("crops: 96\n", r"line 1: crops is a group of settings \(margin, .*indent what belongs to it"),
        ("model: landmarks\n", r"model is a group .*write\n\ndefaults:\n  - override /model: landmarks"),
        ("crops:\n\tsize: 96\n", r"line 2: it begins with a tab; YAML takes spaces only"),
        ("crops: [96\n", r"default\.yaml, line 2: "),
        ("- crops\n", r"line 1: it must hold settings"),
        ("crops: {size: 96}\n".encode("utf-16"), r"default\.yaml is not UTF-8 .*; save it as UTF-8"),
        (
            "sources: {hagrid: {labels: {NO: FIST}}}\n",
            r'line 1: NO is a name of .* truth value; put it in quotes: "NO"',
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_line_and_way_out(
    content: str | bytes, message: str, write: Write
) -> None:
    with pytest.raises(UserError, match=message):
        check_local_settings(write(content))


@pytest.mark.parametrize(
    "content",
    [
        "sources: {hands: {root: /x, labels: {Punch: FIST, 'my own': ONE}}, folder: {root: /y}}\n",
        "sources: {mine: {_target_: static_gesture_classification.sources.folder.Folder, labels: {a: ONE}}}\n",
        "poses: {gestures: {WAVE: [{weight: 1, fingers: straight}]}}\n",
        "optimizer: {weight_decay: 0.1, amsgrad: true}\n",
        "model: {backbone: {name: resnet18}}\n",
        "defaults: [override /model: landmarks]\nseed: 1\n",
        "tags: [mine]\n",
        "recording: {seconds: 5, source: video.mp4}\n",
        "loss: {class_weights: {ONE: 2}}\n",
        "gestures: {names: [ONE, 'NO', '1']}\n",
        "crops: {size: '${recording.count}'}\n",
        "crops:\n",
    ],
)
def test_settings_that_there_are_or_that_are_open_are_let_through(content: str, write: Write) -> None:
    check_local_settings(write(content))


def test_local_settings_may_choose_files_of_conf(write: Write) -> None:
    conf = write("defaults:\n  - override /model: landmarks\nseed: 7\n")
    check_local_settings(conf)
    with initialize_config_dir(str(conf), version_base="1.3"):
        config = compose("config")
    assert (config.model.name, config.seed) == ("landmarks", 7)


@pytest.mark.parametrize("name", ["local.yaml", "local/default.yml", "default.yaml", "local.yml"])
def test_file_in_the_wrong_place_is_an_error_that_names_the_right_one(name: str, write: Write) -> None:
    with pytest.raises(
        UserError, match=r"is read by nothing; the settings of this machine are .*conf/local/default\.yaml"
    ):
        check_local_settings(write("seed: 1\n", name))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gestures/mine.yaml", "names:\n  - YES\n  - NO\n", 'line 2: YES is a name of gestures.names, .*"YES"'),
        ("gestures/mine.yaml", "names: [ONE, off]\n", "line 1: off .* truth value"),
        ("gestures/mine.yaml", "names: [ONE, 1]\n", "line 1: 1 .* a number"),
        ("gestures/mine.yaml", "names: [ONE, 1e5]\n", "line 1: 1e5 .* a number"),
        ("gestures/mine.yaml", "names: [ONE, 007]\n", "line 1: 007 .* a number"),
        ("gestures/mine.yaml", "names:\n  - ONE\n  - null\n", "line 3: null .* nothing"),
        ("gestures/mine.yaml", "background: NO\nnames: [A, B]\n", "line 1: NO is a name of gestures.background"),
        ("sources/mine.yaml", "labels:\n  on: ONE\n", r"mine\.yaml, line 2: on is a name of sources\.labels\.on"),
        ("sources/mine.yaml", "labels:\n  a: NO\n", r"mine\.yaml, line 2: NO is a name"),
        ("sources/mine.yaml", "labels:\n  1: ONE\n", r"mine\.yaml, line 2: 1 is a name"),
        ("poses/mine.yaml", "gestures:\n  NO: []\n", r"mine\.yaml, line 2: NO is a name of poses\.gestures\.NO"),
    ],
)
def test_name_that_yaml_does_not_read_as_text_is_an_error_that_asks_for_quotes(
    name: str, content: str, message: str, write: Write
) -> None:
    with pytest.raises(UserError, match=message):
        check_local_settings(write("seed: 1\n") and write(content, name))


@pytest.mark.parametrize("name", ["Y", "n", "'NO'", '"1"', "2024-11-05", "кулак", "v1.5", "C++"])
def test_names_that_are_text_are_let_through(name: str, write: Write) -> None:
    write("seed: 1\n")
    check_local_settings(write(f"names: [ONE, {name}]\n", "gestures/mine.yaml"))
    (text,) = yaml.safe_load(f"[{name}]")
    assert str(text) == name.strip("'\"")


def test_command_stops_at_local_settings_that_cannot_be_used(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(configuration, "CONF", write("crop: {size: 96}\n"))
    monkeypatch.setattr(sys, "argv", ["configuration"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        configuration.main()
    assert "there is no setting crop; the nearest is crops" in capsys.readouterr().err
    write("crops: {size: 96}\n")
    configuration.main()
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["crops"]["size"] == 96

"""Which sources there are: a new one is its two files, with no third place that knows it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from static_gesture_classification.active_learning.adding.local_gestures import add_to_local
from static_gesture_classification.configuration import CONF, PARAMS, register_default_sources, write_params
from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation import index
from static_gesture_classification.samples import read_samples
from static_gesture_classification.sources import contents
from static_gesture_classification.sources.selection import Sources

NEW = Path(__file__).parent / "added"
DEFAULT = ["synthetic", "hagrid", "hands", "digits", "folder", "recorded", "in_use", "recorded_legacy"]


def configuration(conf: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose("config", [*overrides])


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of conf/ with the new dataset's YAML; its code can be imported."""
    shutil.copytree(CONF, tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copy(NEW / "conf/sources/portraits.yaml", tmp_path / "conf/sources")
    monkeypatch.syspath_prepend(NEW)
    monkeypatch.chdir(tmp_path)
    register_default_sources(tmp_path / "conf")
    yield tmp_path / "conf"
    register_default_sources(CONF)


def test_sources_that_are_read_by_default_come_in_their_order() -> None:
    assert [source.name for source in Sources.from_config(configuration(CONF))] == DEFAULT


def test_a_new_dataset_is_default_and_indexed_by_its_two_files_alone(conf: Path) -> None:
    for name in ("thumb-anna-1.png", "thumb-bo-1.png", "ONE-bo-2.png"):
        path = Path("data/raw/portraits") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    config = configuration(conf)
    assert list(config.sources) == [*DEFAULT, "portraits"]
    contents.main.__wrapped__(config)
    assert '"portraits": {\n    "files": 3,' in contents.OUTPUT.read_text()
    index.main.__wrapped__(config)
    samples = read_samples(Path(config.paths.index) / "samples.parquet")
    assert sorted(zip(samples["gesture"], samples["subject"], strict=True)) == [
        ("ONE", "bo"), ("THUMBS_UP", "anna"), ("THUMBS_UP", "bo")
    ]  # fmt: skip


def test_named_sources_take_the_place_of_the_default_ones_in_the_order_they_are_named(conf: Path) -> None:
    config = configuration(conf, "sources=[portraits,coco]", "sources.coco.enabled=false")
    assert list(config.sources) == ["portraits", "coco"]
    assert [source.name for source in Sources.from_config(config)] == ["portraits"]


def test_labels_of_an_added_gesture_go_to_it_in_every_source_and_in_the_pipeline(conf: Path) -> None:
    for source, colour in (("folder", "blue"), ("mine", "red")):
        path = Path(f"data/raw/{source}/rock/anna/1.png")
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), colour).save(path)
    folder = "static_gesture_classification.sources.folder.Folder"
    mine = f"{{_target_: {folder}, root: data/raw/mine, labels: {{rock: FIST}}}}"
    before = configuration(conf, "sources=[folder]", f"+sources.mine={mine}")
    add_to_local(conf / "local/default.yaml", "ROCK", [*before.gestures.names, "ROCK"], [{"thumb": "out"}], ["rock"])
    after = configuration(conf, "sources=[folder]", f"+sources.mine={mine}")
    index.main.__wrapped__(after)
    samples = read_samples(Path(after.paths.index) / "samples.parquet")
    assert samples["gesture"].to_list() == ["ROCK", "ROCK"]
    write_params(OmegaConf.to_container(after, resolve=True))  # type: ignore[arg-type]
    assert "labels: {rock: ROCK}" in PARAMS.read_text()


def test_labels_of_a_gesture_that_is_none_are_refused() -> None:
    with pytest.raises(UserError, match=r"gestures\.labels maps 'rock' to ROCK, which is not in gestures\.names"):
        Sources.from_config(configuration(CONF, "+gestures.labels.rock=ROCK"))

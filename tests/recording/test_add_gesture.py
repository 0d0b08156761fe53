"""`gestures add` with samples that it records itself, from a video."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from static_gesture_classification.add_gesture import main
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.training.checkpoint import Origin, build_network, read_checkpoint, save
from tests.support.posed_hands import GESTURES, MODEL, VOCABULARY, write_hands


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the command in a folder with a checkpoint and the landmarks that it has learned from."""
    monkeypatch.chdir(tmp_path)
    write_hands(tmp_path, {"train": 10})
    torch.manual_seed(0)
    network = build_network({**MODEL, "weights": "none"}, len(VOCABULARY))
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    save({**Origin(MODEL, VOCABULARY).header(), "epoch": 0, "scores": None, "state_dict": state}, Path("old.ckpt"))

    def run(*overrides: str) -> None:
        main.__wrapped__(_configuration(overrides))

    return run


def _configuration(overrides: Sequence[str]) -> DictConfig:
    usual = ["add.gesture=OPEN", "add.checkpoint=old.ckpt", "add.posed=50", "add.samples=2"]
    people = ["recording.window=none", "recording.subject=anna", "recording.room=desk", "recording.pace=all"]
    names = f"gestures.names=[{','.join(GESTURES)}]"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*usual, *people, names, *overrides])


@pytest.mark.full
def test_a_gesture_is_recorded_and_kept_from_sources_until_it_is_added(
    add: Callable[..., None], photographs: Path, hand_landmarker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, model = f"add.source={photographs / 'videos/webcam.mp4'}", f"detector.model.path={hand_landmarker}"
    with pytest.raises(UserError, match="not alike"):
        add(video, model, "add.unlike=0.001")
    (hidden,) = Path("data/recorded").glob(".adding-*_anna_OPEN")
    assert f"add.pictures={hidden}" in "".join(capsys.readouterr().out.split())
    assert not Path("conf").exists()
    add(video, model, f"add.pictures={hidden}")
    (session,) = Path("data/recorded").glob("*/session.json")
    shown = read_session(session.parent)
    assert (session.parent.name, shown.gesture, shown.split) == (hidden.name.removeprefix(".adding-"), "OPEN", "train")
    assert len(shown.images) == 2
    known = Vocabulary.from_mapping(read_checkpoint(Path("models/added.ckpt"))["gestures"])
    assert known.names == (*GESTURES, "OPEN")
    assert "gestures live checkpoint=models/added.ckpt source=" in " ".join(capsys.readouterr().out.split())
    add(model, "add.gesture=WIDE", f"add.pictures={session.parent}")  # to old.ckpt, which does not know OPEN
    assert "models/added.ckpt knew OPEN too" in " ".join(capsys.readouterr().out.split())


def test_without_samples_and_camera_both_are_named(add: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no samples of OPEN.*cannot be recorded either: .*nothing\.mp4"):
        add(f"add.source={tmp_path / 'nothing.mp4'}")

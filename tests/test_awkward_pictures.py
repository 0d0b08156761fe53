"""One folder of all that is awkward about picture files: index and crops, predict, pool and recorder see the same."""

import csv
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.active_learning.mining.hand_inputs import cut_crops
from static_gesture_classification.active_learning.mining.pool import hands_in_pictures
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.configuration import CONF, expand_homes
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.inference import predict
from static_gesture_classification.inference.frames import frames
from static_gesture_classification.preparation import crops, index
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.recording.capture.camera import CameraSettings, open_camera
from static_gesture_classification.samples import read_samples
from static_gesture_classification.training.checkpoint import Origin, build_network, plain_model, save

SIZE, MARGIN = 32, 0.15
PICTURES = [  # that can be used, by their path below the label's folder
    *("alpha.png", "animated.gif", "away/there.jpg", "linked.jpg", "palette.png", "phone.heic", "scan.tiff"),
    *("sixteen.png", "turned.jpg", "photo.avif", "photo.JFIF", "photo.webp"),
]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


@dataclass(frozen=True)
class Awkward:
    """The folder, and where the results of index and crops are."""

    root: Path
    config: DictConfig

    @property
    def label(self) -> Path:
        return self.root / "THUMBS_UP"


@pytest.fixture(scope="module")
def awkward(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Awkward:
    folder = tmp_path_factory.mktemp("awkward")
    label = folder / "photos/THUMBS_UP"
    label.mkdir(parents=True)
    upright = Image.open(cases / "exif_boxes/upright/like/IMG_0001.jpg").resize((75, 100))
    save_pictures(upright, label, folder / "elsewhere", cases)
    save_what_is_none(label)
    overrides = ["sources=[folder]", f"sources.folder.root={folder / 'photos'}", f"crops.size={SIZE}"]
    overrides += [f"paths.{name}={folder / name}" for name in ("index", "crops")]
    overrides += ["crops.max_rejected_share=0.2", "index.max_rejected_share=0.2", f"mining.cache={folder / 'pool'}"]
    overrides += ["detector=box", "detector.box=[0,0,1,1]", "trainer.accelerator=cpu", "trainer.threads=1"]
    config = composed(*overrides, f"mining.pool={folder / 'photos'}", f"predict.input={folder / 'photos'}")
    index.main.__wrapped__(config)  # type: ignore[attr-defined]
    crops.main.__wrapped__(config)  # type: ignore[attr-defined]
    return Awkward(folder / "photos", config)


def save_pictures(upright: Image.Image, label: Path, elsewhere: Path, cases: Path) -> None:
    alpha = Image.new("L", upright.size, 0)
    alpha.paste(255, (20, 20, 60, 70))
    hidden = upright.convert("RGBA")
    hidden.putalpha(alpha)
    hidden.save(label / "alpha.png")
    upright.save(label / "animated.gif", save_all=True, append_images=[upright.rotate(180)])
    upright.quantize(8).save(label / "palette.png", transparency=2)
    shutil.copyfile(cases / "suffixes/like/IMG_1001.HEIC", label / "phone.heic")
    upright.save(label / "scan.tiff", save_all=True, append_images=[upright])
    Image.fromarray(np.asarray(upright.convert("L")).astype(np.uint16) * 257).save(label / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(label / "turned.jpg", exif=exif, quality=95)
    for name, kind in {"photo.avif": "avif", "photo.JFIF": "jpeg", "photo.webp": "webp"}.items():
        upright.save(label / name, kind)
    elsewhere.mkdir()
    upright.rotate(90, expand=True).save(elsewhere / "there.jpg")
    (label / "away").symlink_to("../../elsewhere")
    upright.rotate(180).save(elsewhere.parent / "file.jpg")
    (label / "linked.jpg").symlink_to("../../file.jpg")


def save_what_is_none(label: Path) -> None:
    (label / "nowhere.jpg").symlink_to("gone.jpg")
    (label / "round").symlink_to("..")
    (label / "broken.jpg").write_bytes((label / "turned.jpg").read_bytes()[:-900])
    (label / "drawing.svg").write_text("<svg/>")
    (label / "clip.mov").write_bytes(b"no video")
    (label / "Thumbs.db").touch()
    Path(os.fsdecode(os.fsencode(label) + b"/caf\xe9.jpg")).write_bytes((label / "photo.JFIF").read_bytes())


@pytest.fixture(scope="module")
def seen(awkward: Awkward) -> dict[str, np.ndarray]:
    """What the crops stage made, by image."""
    samples = read_samples(Path(awkward.config.paths.crops) / "samples.parquet")
    return dict(zip(samples["image"], open_crops(Path(awkward.config.paths.crops)), strict=True))


def test_index_and_crops_use_every_picture_that_can_be_read(awkward: Awkward, seen: dict[str, np.ndarray]) -> None:
    assert sorted(seen) == sorted(f"THUMBS_UP/{name}" for name in PICTURES)
    rejected = (Path(awkward.config.paths.crops) / "rejected.csv").read_text()
    assert "broken.jpg" in rejected
    assert "truncated or damaged" in rejected


def test_index_counts_and_names_what_it_cannot_use(awkward: Awkward) -> None:
    report = json.loads((Path(awkward.config.paths.index) / "report.json").read_text(encoding="utf-8"))
    source = report["sources"]["folder"]
    assert [source[name] for name in ("passed_over", "not_images", "animated")] == [2, 2, 2]
    said = "\n".join(source["notes"])
    assert r"THUMBS_UP/caf\xe9.jpg: its name is not UTF-8 (rename it)" in said
    assert "THUMBS_UP/round: a link to a folder that it lies in" in said
    files = "THUMBS_UP/clip.mov, THUMBS_UP/drawing.svg"
    assert f"2 files are no pictures that can be read (1 .mov, 1 .svg): {files}" in said
    assert "the first frame alone is used: THUMBS_UP/animated.gif, THUMBS_UP/scan.tiff" in said
    with (Path(awkward.config.paths.index) / "rejected.csv").open(newline="", encoding="utf-8") as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert "link to a file that is missing" in reasons["THUMBS_UP/nowhere.jpg"]
    assert set(reasons) == {"THUMBS_UP/nowhere.jpg", r"THUMBS_UP/caf\xe9.jpg", "THUMBS_UP/round"}


def test_hidden_colours_and_turned_pictures_are_cut_as_they_look(awkward: Awkward, seen: dict[str, np.ndarray]) -> None:
    assert (seen["THUMBS_UP/alpha.png"][0] == 255).all()
    same = [seen[f"THUMBS_UP/{name}"].astype(int) for name in ("turned.jpg", "photo.webp", "photo.avif", "scan.tiff")]
    for other in same[1:]:
        assert np.abs(same[0] - other).mean() < 6


def test_pool_sees_what_the_crops_stage_saw(awkward: Awkward, seen: dict[str, np.ndarray]) -> None:
    hands = hands_in_pictures(MiningSettings.from_config(awkward.config), awkward.root)
    assert sorted(hands.samples["image"]) == sorted(seen)
    for row, crop in cut_crops(hands.samples, np.arange(len(hands.samples)), SIZE, MARGIN):
        assert np.array_equal(crop, seen[hands.samples["image"].iloc[row]])
    reasons = dict(hands.unreadable)
    assert set(reasons) == {
        f"THUMBS_UP/{name}" for name in (r"caf\xe9.jpg", "round", "nowhere.jpg", "broken.jpg", "clip.mov")
    }
    assert any("1 file is no picture" in note and "drawing.svg" in note for note in hands.notes)
    assert any("first frame alone" in note and "animated.gif" in note for note in hands.notes)


def test_predict_sees_what_the_crops_stage_saw(
    awkward: Awkward, seen: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = awkward.config.copy()
    config.predict.checkpoint, config.predict.output = str(untrained(tmp_path)), str(tmp_path / "hands.csv")
    predict.main.__wrapped__(config)  # type: ignore[attr-defined]
    with (tmp_path / "hands.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(row["image"] for row in csv.DictReader(file)) == sorted(seen)
    with (tmp_path / "hands.missed.csv").open(newline="", encoding="utf-8") as file:
        missed = {row["image"].removeprefix("THUMBS_UP/"): row["reason"] for row in csv.DictReader(file)}
    assert set(missed) == {r"caf\xe9.jpg", "round", "nowhere.jpg", "broken.jpg", "clip.mov", "drawing.svg"}
    printed = capsys.readouterr().out
    assert "1 file is no picture that can be read (1 .svg): THUMBS_UP/drawing.svg" in printed
    assert "2 animated or multi-page pictures: the first frame alone is used" in printed
    assert r"not read: THUMBS_UP/caf\xe9.jpg: its name is not UTF-8" in printed


def untrained(folder: Path) -> Path:
    model = plain_model(composed("model=timm", "model.name=test_efficientnet").model)
    torch.manual_seed(0)
    vocabulary = Vocabulary(("ONE", "FIST"), None)
    network = build_network({**model, "weights": "none"}, len(vocabulary))
    header = Origin(model, vocabulary, SIZE, MARGIN).header()
    save({**header, "state_dict": network.state_dict(), "epoch": 0, "scores": None}, folder / "untrained.ckpt")
    return folder / "untrained.ckpt"


def test_recorder_sees_what_the_others_saw(awkward: Awkward, seen: dict[str, np.ndarray]) -> None:
    seconds = dict.fromkeys(("stall_seconds", "black_seconds", "reconnect_seconds"), 60)
    patient = {"pace": "all", "size": (640, 480), "rate": 30, **seconds}
    camera = open_camera(str(awkward.root), CameraSettings(**patient))
    for name in sorted(seen):
        image = camera.read()
        assert image is not None
        assert np.array_equal(image, read_image(awkward.root / name))
    assert camera.read() is None
    remarks = "\n".join(camera.remarks)  # type: ignore[attr-defined]
    for part in ("broken.jpg", r"caf\xe9.jpg", "drawing.svg", "animated.gif", "nowhere.jpg"):
        assert part in remarks


@pytest.mark.parametrize("expand", [True, False])
def test_home_folder_may_be_written_short(
    awkward: Awkward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expand: bool
) -> None:
    """`~` in a source's root, as the command line hands it over, and as a table has it that was made before."""
    monkeypatch.setenv("HOME", str(awkward.root.parent))
    config = awkward.config.copy()
    config.sources.folder.root = "~/photos"
    config.paths.index, config.paths.crops, config.predict.input = "~/i", "~/c", "~/photos/THUMBS_UP/turned.jpg"
    if expand:
        expand_homes(config)
        assert str(config.sources.folder.root) == str(awkward.root)
    else:
        config.paths.index, config.paths.crops = str(tmp_path / "i"), str(tmp_path / "c")
    index.main.__wrapped__(config)  # type: ignore[attr-defined]
    crops.main.__wrapped__(config)  # type: ignore[attr-defined]
    assert len(open_crops(Path(config.paths.crops))) == len(PICTURES)
    assert len(list(frames(predict.PredictSettings.from_config(config).input))) == 1

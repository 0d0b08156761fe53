"""Two checkpoints, of crops and of landmarks, that know their data: photographs, prepared as training would."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.deployment.export_onnx import main
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.evaluation.checkpoint_record import data_version
from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.crops import CropSettings, build_crops
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import BOX, SPLITS, read_samples, write_samples
from static_gesture_classification.training.checkpoint import checkpoint_digest, read_checkpoint, save
from static_gesture_classification.workspace import Workspace
from tests.inference.conftest import MARGIN, SIZE, checkpoint, detector
from tests.support.hagrid_hands import hagrid_hands

__all__ = ["checkpoint", "detector"]
CALIBRATION = {"temperature": 1.7, "advantage": 0.4}


@pytest.fixture(scope="session")
def workspace(photographs: Path, detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Crops and landmarks of a few photographs; every third is train, val, test."""
    made = Workspace.at(tmp_path_factory.mktemp("workspace"))
    samples = hagrid_hands(photographs / "hagrid_mini", every=60)
    names = {"one": "ONE", "fist": "FIST"}
    samples["gesture"] = [names.get(label, "BACKGROUND") for label in samples["gesture"]]
    samples["split"] = [SPLITS[row % 3] for row in range(len(samples))]
    write_samples(samples, made.split_table)
    build_crops(made.split_table, made.crops, CropSettings(size=SIZE, margin=MARGIN, max_rejected_share=0))
    shutil.copy(made.crops / "samples.parquet", made.split_table)
    rows = read_samples(made.split_table)
    made.landmarks.mkdir()
    np.save(made.landmarks / "landmarks.npy", np.stack([found(row, detector) for row in rows.to_dict("records")]))
    write_samples(rows, made.landmarks / "samples.parquet")
    return made


def found(row: dict[str, object], detector: Detector) -> np.ndarray:
    """The points of a sample's hand; NaN where it is not found."""
    image = read_image(Path(str(row["root"])) / str(row["image"]))
    hand = detector.landmarks_in(image, tuple(float(str(row[side])) for side in BOX))
    if hand is None or hand.landmarks is None:
        return np.full((21, 2), np.nan, np.float32)
    return points_of(hand.landmarks[None], image.shape[1] / image.shape[0])[0]


@pytest.fixture(scope="session")
def calibrated(
    checkpoint: Callable[[str], Path], workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The path of a checkpoint of "crops" or "landmarks" with a calibration, and its record."""
    folder = tmp_path_factory.mktemp("calibrated")

    def made(kind: str) -> Path:
        path = folder / f"{kind}.ckpt"
        if not path.exists():
            entries = read_checkpoint(checkpoint(kind))
            save(entries | {"calibration": CALIBRATION}, path)
            record = {
                "sha256": checkpoint_digest(path),
                "data_version": data_version(read_samples(workspace.split_table)),
                "config": {"sources": {"hagrid": {"licence": "CC BY-SA 4.0"}}},
            }
            path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
        return path

    return made


def configuration(checkpoint: Path, output: Path, workspace: Workspace, **changes: object) -> DictConfig:
    """What the command reads."""
    about = {"checkpoint": str(checkpoint), "output": str(output), "int8": False, "max_loss": 0.005, "tones": 0}
    paths = workspace.model_dump(mode="json")
    return OmegaConf.create(
        {
            "export_onnx": about | {"resamples": 50} | changes,
            "seed": 0,
            "paths": paths,
            "retrain": {"paths": paths},
            "sources": {},
            "poses": {},
            "detector": {"_target_": "static_gesture_classification.detection.box.BoxDetector", "box": [0, 0, 1, 1]},
            "synthetic": {
                "images": 100, "background_times": 1, "val": 0.1, "test": 0.1, "subjects": 10, "size": 160,
                "variety": 0, "quality": [80, 90], "seed": "0", "n_jobs": 1, "contact_sheet": "sheet.jpg",
            },
        }
    )  # fmt: skip


@pytest.fixture(scope="session", params=["crops", "landmarks"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def exported(
    kind: str, calibrated: Callable[[str], Path], workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The ONNX file of a kind, with one of 8-bit weights and a card beside it, as the command writes them."""
    output = tmp_path_factory.mktemp("exported") / f"{kind}.onnx"
    config = configuration(calibrated(kind), output, workspace, int8=True, max_loss=1.0)
    main.__wrapped__(config)  # type: ignore[attr-defined]
    return output

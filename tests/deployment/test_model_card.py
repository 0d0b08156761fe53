import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.metrics import f1_score

from static_gesture_classification.deployment.model_card import card_path
from static_gesture_classification.deployment.training_data import find_history
from static_gesture_classification.inference.onnx_classifier import load_onnx
from static_gesture_classification.training.checkpoint import load_classifier
from static_gesture_classification.workspace import Workspace
from tests.inference.conftest import MARGIN, VOCABULARY

Made = Callable[[str], Path]


@pytest.fixture
def card(exported: Path) -> str:
    return (exported.parent / "MODEL.md").read_text(encoding="utf-8")


def test_program_in_the_card_names_the_gesture(
    kind: str, exported: Path, card: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (program,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(exported.parent)
    points = np.load(workspace.landmarks / "landmarks.npy")
    inputs = np.load(workspace.crops / "crops.npy")[:1] if kind == "crops" else points[~np.isnan(points[:, 0, 0])][:5]
    if kind == "crops":
        Image.fromarray(inputs[0]).save("hand.png")
    else:
        np.save("points.npy", 480 * inputs)  # in pixels
    exec(program, {})
    probabilities = load_onnx(exported).predict(inputs)[0]
    expected = [(VOCABULARY.names[row.argmax()], row.max()) for row in probabilities]
    for line, (name, score) in zip(capsys.readouterr().out.splitlines(), expected, strict=True):
        assert line.split()[0] == name
        assert float(line.split()[1]) == pytest.approx(score, abs=2e-3)
    for name in ("hand.png", "points.npy"):
        Path(name).unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["landmarks"], indirect=True)
def test_program_in_the_docs_names_the_gesture(
    exported: Path, project: Path, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    section = (project / "docs/inference.md").read_text(encoding="utf-8").split("## ONNX")[1]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/best.onnx").write_bytes(exported.read_bytes())
    points = np.load(workspace.landmarks / "landmarks.npy")
    np.save(tmp_path / "points.npy", points[~np.isnan(points[:, 0, 0])][:3])
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} <= set(VOCABULARY.names)


def test_card_gives_the_scores_of_the_file(kind: str, card: str, calibrated: Made, workspace: Workspace) -> None:
    classifier = load_classifier(calibrated(kind))
    data = find_history(calibrated(kind), classifier, [workspace]).data
    assert data is not None
    for split in ("test", "val"):
        hands = data.split(split)
        usable = classifier.kind.usable(hands.points, len(hands.samples))
        predicted = np.full(len(usable), "", object)
        inputs = classifier.kind.take(hands.crops, hands.points, np.flatnonzero(usable))
        predicted[usable] = np.array(VOCABULARY.names)[classifier.predict(inputs)[0].argmax(1)]
        expected = f1_score(hands.samples["gesture"], predicted, average="weighted", labels=VOCABULARY.names)
        part = card.split("### Test")[1] if split == "test" else card.split("### Val")[1]
        (said, missed) = re.search(r"\*\*all\*\* \| ([\d.]+) \(.*\| (\d+) \|", part).groups()  # type: ignore[union-attr]
        assert float(said) == pytest.approx(expected, abs=5e-4)
        assert int(missed) == (~usable).sum()


def test_card_says_what_it_was_trained_on(card: str, workspace: Workspace, calibrated: Made) -> None:
    classifier = load_classifier(calibrated("crops"))
    data = find_history(calibrated("crops"), classifier, [workspace]).data
    assert data is not None
    samples = data.hands.samples
    counts, train = samples["split"].value_counts(), samples[samples["split"] == "train"]
    hands = " | ".join(str(counts[split]) for split in ("train", "val", "test"))
    assert f"| hagrid | CC BY-SA 4.0 | {samples['subject'].nunique()} | {hands} |" in card
    fists = train[train["gesture"] == "FIST"]
    assert f"| FIST | {len(fists)} | {fists['subject'].nunique()} |" in card


def test_card_calls_what_was_not_measured_by_its_name(card: str) -> None:
    assert "Synthetic hands: not measured, since tones=0 switched it off." in card
    assert "Photographs per skin tone: not measured" in card
    assert "Finding hands in whole photographs: not measured" in card


def test_header_is_what_hugging_face_reads(card: str, exported: Path) -> None:
    header = yaml.safe_load(card.split("---\n")[1])
    about = load_onnx(exported).session.get_modelmeta().custom_metadata_map
    results = {each["dataset"]["split"]: each["metrics"][0]["value"] for each in header["model-index"][0]["results"]}
    assert results == {split: each["weighted_f1"] for split, each in json.loads(about["scores"]).items()}
    assert header["library_name"] == "onnx"
    assert "hand-gesture-recognition" in header["tags"]


def test_margin_and_calibration_are_in_the_card(kind: str, card: str) -> None:
    assert "temperature of 1.7 and an advantage of BACKGROUND of +0.40; both were read off val" in card
    assert (f"margin {MARGIN}" in card) == (kind == "crops")


def test_card_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    assert card_path(tmp_path / "a.onnx").name == "MODEL.md"
    (tmp_path / "MODEL.md").write_text("# Mine")
    assert card_path(tmp_path / "a.onnx").name == "a.MODEL.md"
    (tmp_path / "MODEL.md").write_text("---\n---\n<!-- Written by gestures export-onnx for a.onnx -->\n")
    assert card_path(tmp_path / "a.onnx").name == "MODEL.md"

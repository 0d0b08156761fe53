"""The judging model's last layer learns from what is kept: a real network, hands of a few shapes, a recorder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.active_learning.admission import EASY, ERROR, Placement
from static_gesture_classification.detection.detector import DetectedHand, Detector
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.recording.capture.latest_frame import RUNNING, CameraStatus, Captured
from static_gesture_classification.recording.jobs import Job
from static_gesture_classification.recording.judging.learning import (
    landmark_folder,
    open_learning_layer,
    read_stored_embeddings,
)
from static_gesture_classification.recording.judging.learning_head import (
    KeptHand,
    LearningLayer,
    fit_layer,
    last_layer,
)
from static_gesture_classification.recording.judging.observer import Observer, Sight
from static_gesture_classification.recording.judging.selection import KEPT
from static_gesture_classification.recording.judging.settings import JudgeSettings
from static_gesture_classification.recording.keys import ENTER, SPACE
from static_gesture_classification.recording.loop import Figures
from static_gesture_classification.recording.recorder import Recorder
from static_gesture_classification.recording.states import Recording
from static_gesture_classification.recording.window.screens import draw_screen
from static_gesture_classification.samples import sample_id, write_samples
from static_gesture_classification.sources.recorded import read_session
from static_gesture_classification.training.checkpoint import (
    Origin,
    build_network,
    checkpoint_digest,
    load_classifier,
    save,
)
from static_gesture_classification.training.last_layer import LastLayer

pytestmark = pytest.mark.concurrent

SHAPES = 12
WELL = CameraStatus(RUNNING)


def hand(shape: int, variation: int) -> np.ndarray:
    """Landmarks float32 (21, 2) of a hand of one shape; another variation is another picture of it."""
    base = np.random.default_rng([shape, 1]).uniform(0.35, 0.55, (21, 2))
    return (base + np.random.default_rng([shape, variation, 2]).normal(0, 0.004, (21, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def checkpoint(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landmark checkpoint of four gestures with random weights: it is sure of some hands, and mostly wrong."""
    import torch

    with initialize_config_dir(str(project / "conf"), version_base="1.3"):
        config = compose("config", ["model=landmarks"])
    model: dict[str, Any] = OmegaConf.to_container(config.model, resolve=True) | {"weights": "none"}  # type: ignore[operator]
    torch.manual_seed(0)
    state = build_network(model, 4).state_dict()
    state["head.weight"] *= 8
    path = tmp_path_factory.mktemp("model") / "best.ckpt"
    gestures = Vocabulary(("BACKGROUND", "TWO", "THREE", "FIST"), "BACKGROUND")
    save(Origin(model, gestures, 0, 0.0).header() | {"state_dict": state, "epoch": 0, "scores": None}, path)
    return path


@pytest.fixture
def known(checkpoint: Path) -> np.ndarray:
    """Embeddings of what the checkpoint was trained on: ten hands of each shape but the first."""
    points = np.stack([hand(shape, variation) for shape in range(1, SHAPES) for variation in range(10)])
    return load_classifier(checkpoint).predict(points)[1]


class Shown(Detector):
    """Finds the hand that is held up."""

    gives_landmarks = True

    def __init__(self) -> None:
        self.landmarks = hand(0, 0)

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        return [DetectedHand((0.3, 0.3, 0.6, 0.6), 0.9, "right", self.landmarks)]


@pytest.fixture
def observer(checkpoint: Path, known: np.ndarray) -> Observer:
    detector = Shown()
    learner = LearningLayer(last_layer(checkpoint), known, every=5, strength=0.1)
    return Observer(detector, Predictor.load(checkpoint, detector), "largest", str(checkpoint), learner)


def look(observer: Observer, variation: int, shape: int = 0) -> Sight:
    """Another picture of a hand of this shape, in front of another background."""
    assert isinstance(observer.detector, Shown)
    observer.detector.landmarks = hand(shape, variation)
    image = np.random.default_rng(variation).integers(0, 255, (240, 320, 3), np.uint8)
    return observer.look(Captured(image, variation, float(variation)))


@pytest.fixture
def recording(record: Callable[..., Recorder], observer: Observer) -> Callable[..., Recorder]:
    """A recorder that records the gesture which the model finds least likely of the first shape."""

    def begin(*overrides: str) -> Recorder:
        quick = ("recording.best_of=1", "recording.interval=0", "recording.near_identical=0")
        recorder = record(Job(wrong_gesture(observer), 30), overrides=(*quick, *overrides))
        recorder.learner = observer.learner
        recorder.press(SPACE)
        return recorder

    return begin


def wrong_gesture(observer: Observer) -> str:
    said = look(observer, 0).recognised
    assert said is not None
    assert observer.vocabulary is not None
    return observer.vocabulary.names[int(said.probabilities.argmin())]


def show(recorder: Recorder, observer: Observer, first: int, count: int) -> None:
    for variation in range(first, first + count):
        recorder.see(look(observer, variation))
        recorder.tick(WELL)
        assert recorder.learner is not None
        recorder.learner.wait()


def outcome(recorder: Recorder, observer: Observer, variation: int) -> str:
    assert isinstance(recorder.state, Recording)
    gesture = recorder.job.gesture
    newest = look(observer, variation).newest
    assert gesture is not None
    assert newest is not None
    judgement = recorder.state.set.selector.judge(newest.probabilities, gesture)
    assert judgement is not None
    return judgement.outcome


def test_what_was_kept_five_times_is_no_error_any_more(recording: Callable[..., Recorder], observer: Observer) -> None:
    recorder = recording()
    show(recorder, observer, 0, 4)
    assert outcome(recorder, observer, 100) == ERROR
    assert look(observer, 100).refitted is None
    show(recorder, observer, 4, 1)
    assert outcome(recorder, observer, 100) == EASY
    sight = look(observer, 100)
    assert (sight.learned, sight.newest is sight.refitted) == (5, True)
    assert isinstance(recorder.state, Recording)
    kept = len(recorder.state.set.kept)
    show(recorder, observer, 5, 10)
    assert len(recorder.state.set.kept) <= kept + 1  # an easy one, for balance
    draw_screen(recorder, sight, Figures())


def test_dropped_picture_is_forgotten_and_learned_again_when_it_is_taken_back(
    recording: Callable[..., Recorder], observer: Observer
) -> None:
    recorder = recording()
    show(recorder, observer, 0, 5)
    learner, learned = recorder.learner, []
    assert learner is not None
    recorder.press(ENTER)
    for key in (SPACE, "u", "d", "u"):  # drop the first, undo; discard the set, back to it
        recorder.press(key)
        recorder.tick(WELL)
        learner.wait()
        learned.append(0 if learner.newest is None else learner.newest.learned)
    assert learned == [4, 5, 0, 5]


def test_picture_that_is_relabelled_is_learned_as_what_it_shows(
    recording: Callable[..., Recorder], observer: Observer
) -> None:
    recorder = recording()
    show(recorder, observer, 0, 5)
    recorder.press(ENTER)
    for key in ("g", "2"):
        recorder.press(key)
    recorder.tick(WELL)
    assert recorder.learner is not None
    recorder.learner.wait()
    newest = look(observer, 100).newest
    assert newest is not None
    assert newest.gesture == recorder.vocabulary.names[1]


def test_session_says_what_the_checkpoint_said_and_why_the_newest_layer_chose_it(
    recording: Callable[..., Recorder], observer: Observer
) -> None:
    recorder = recording()
    show(recorder, observer, 0, 5)
    checkpoints = look(observer, 0).recognised
    assert checkpoints is not None
    show(recorder, observer, 5, 10)  # one of these is kept as an easy one
    assert isinstance(recorder.state, Recording)
    (folder,) = [path.parent for path in recorder.settings.storage.root.glob("*/session.json")]
    images = read_session(folder).images
    assert {image.prediction for image in images} == {checkpoints.gesture}
    assert {image.kept_because for image in images[:5]} == {ERROR}
    assert {image.kept_because for image in images[5:]} <= {EASY}
    assert images[0].score == pytest.approx(checkpoints.score, abs=1e-4)


def test_set_that_is_held_out_or_may_be_teaches_nothing(recording: Callable[..., Recorder], observer: Observer) -> None:
    recorder = recording()
    show(recorder, observer, 0, 3)
    assert isinstance(recorder.state, Recording)
    assert (recorder.state.set.placement.split, len(recorder.lessons)) == ("train", 3)
    for split in ("val", ""):
        recorder.state.set.placement = Placement(split, "")
        assert recorder.lessons == []


def test_set_without_hard_mode_is_judged_by_the_checkpoint_alone(
    recording: Callable[..., Recorder], observer: Observer
) -> None:
    recorder = recording()
    show(recorder, observer, 0, 5)
    recorder.press("h")
    verdict_of = recorder.state.set.selector.consider  # type: ignore[attr-defined]
    verdict = verdict_of(look(observer, 100))
    assert verdict.outcome == KEPT
    assert verdict.kept.judgement.outcome == ERROR


def test_fit_keeps_what_the_checkpoint_says_of_known_samples(checkpoint: Path, known: np.ndarray) -> None:
    start, classifier = last_layer(checkpoint), load_classifier(checkpoint)
    probabilities, embeddings = classifier.predict(np.stack([hand(0, variation) for variation in range(10)]))
    wrong = int(probabilities[0].argmin())
    layer = fit_layer(start, known, [KeptHand(row, embeddings[row], wrong) for row in range(5)], 0.1)
    assert (layer.probabilities(embeddings[5:]).argmax(1) == wrong).all()
    before, after = start.probabilities(known), layer.probabilities(known)
    assert (before.argmax(1) == after.argmax(1)).mean() > 0.95
    assert np.abs(before - after).mean() < 0.03


def test_sample_that_the_checkpoint_knows_changes_little(checkpoint: Path, known: np.ndarray) -> None:
    start = last_layer(checkpoint)
    sure = int(start.probabilities(known).max(axis=1).argmax())
    layer = fit_layer(start, known, [KeptHand(0, known[sure], int(start.probabilities(known[sure]).argmax()))], 0.1)
    assert np.abs(layer.probabilities(known) - start.probabilities(known)).mean() < 0.01


def test_layer_of_the_checkpoint_says_what_the_checkpoint_says(checkpoint: Path) -> None:
    probabilities, embeddings = load_classifier(checkpoint).predict(np.stack([hand(3, number) for number in range(4)]))
    np.testing.assert_allclose(last_layer(checkpoint).probabilities(embeddings), probabilities, atol=1e-5)


def test_damaged_model_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    with pytest.raises(UserError, match="not a readable ONNX file"):
        last_layer(tmp_path / "broken.onnx")


def write_landmarks(folder: Path, splits: list[str]) -> None:
    """A folder of landmarks, one row per split, the last without a hand."""
    folder.mkdir(parents=True)
    points = np.stack([hand(row, 0) for row in range(len(splits))])
    points[-1] = np.nan
    np.save(folder / "landmarks.npy", points)
    box = {"x1": 0.1, "y1": 0.1, "x2": 0.9, "y2": 0.9}
    names = {"source": "shapes", "root": "data/raw/shapes", "gesture": "THREE", "source_label": "three", "subject": ""}
    rows = [
        {"sample_id": sample_id("shapes", f"{row}.jpg", 0), "image": f"{row}.jpg", "session": f"{row}", "split": split}
        | {"hand": "", "landmarks": None}
        | names
        | box
        for row, split in enumerate(splits)
    ]
    write_samples(pd.DataFrame(rows), folder / "samples.parquet")


@pytest.fixture
def places(configuration: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., JudgeSettings]:
    return lambda *changes: JudgeSettings.from_config(
        configuration(
            f"paths.landmarks={tmp_path / 'full'}",
            f"retrain.paths.landmarks={tmp_path / 'quick'}",
            f"retrain.paths.models={tmp_path / 'models'}",
            f"retrain.paths.embeddings={tmp_path / 'embeddings'}",
            *changes,
        )
    )


def test_landmarks_are_those_that_the_checkpoint_was_trained_on(
    places: Callable[..., JudgeSettings], tmp_path: Path
) -> None:
    config, quick, chosen = places(), tmp_path / "models/best.ckpt", Path("models/best.ckpt")
    with pytest.raises(DataError, match="make retrain"):
        landmark_folder(config, chosen)
    write_landmarks(tmp_path / "quick", ["train", "train"])
    assert landmark_folder(config, chosen) == tmp_path / "quick"  # better than none
    write_landmarks(tmp_path / "full", ["train", "train"])
    assert [landmark_folder(config, path) for path in (quick, chosen)] == [tmp_path / "quick", tmp_path / "full"]
    assert landmark_folder(places("recording.refit_landmarks=mine"), quick) == Path("mine")


def test_training_samples_are_what_holds_the_layer(
    places: Callable[..., JudgeSettings], checkpoint: Path, tmp_path: Path
) -> None:
    classifier = load_classifier(checkpoint)
    write_landmarks(tmp_path / "full", ["train", "val", "train", "train", "test", "train"])
    learner, about = open_learning_layer(places(), classifier, checkpoint, checkpoint)
    assert learner is not None
    assert "every 5 kept pictures (3 samples" in about
    np.testing.assert_allclose(learner.known[1], classifier.predict(hand(2, 0)[None])[1][0], atol=1e-5)
    fewer, _ = open_learning_layer(places("recording.refit_samples=2"), classifier, checkpoint, checkpoint)
    assert fewer is not None
    assert len(fewer.known) == 2


def test_without_training_samples_hard_mode_goes_on_and_says_why(
    places: Callable[..., JudgeSettings], checkpoint: Path, tmp_path: Path
) -> None:
    classifier = load_classifier(checkpoint)
    learner, about = open_learning_layer(places(), classifier, checkpoint, checkpoint)
    assert learner is None
    assert "does not learn from kept pictures: neither" in about
    write_landmarks(tmp_path / "full", ["val", "train"])
    learner, about = open_learning_layer(places(), classifier, checkpoint, checkpoint)
    assert learner is None
    assert "no training samples" in about  # the only one has no hand
    assert open_learning_layer(places("recording.refit_every=0"), classifier, checkpoint, checkpoint) == (None, "")


def test_crop_model_learns_where_the_quick_loop_kept_embeddings_of_it(checkpoint: Path, tmp_path: Path) -> None:
    classifier, start = load_classifier(checkpoint), LastLayer(np.ones((4, 6), np.float32), np.ones(4, np.float32))
    with pytest.raises(DataError, match="keeps no embeddings of"):
        read_stored_embeddings(tmp_path, checkpoint, start, classifier, 10, 0)
    digest = str(checkpoint_digest(checkpoint))
    embeddings = np.arange(12, dtype=np.float32).reshape(2, 6)
    with EmbeddingStore(tmp_path / digest[:16], digest, 6, classifier.vocabulary.names).writer() as writer:
        writer.add([b"a" * 16, b"b" * 16], embeddings, np.full((2, 4), 0.25, np.float32))
    np.testing.assert_array_equal(read_stored_embeddings(tmp_path, checkpoint, start, classifier, 10, 0), embeddings)


@pytest.mark.parametrize("setting", ["refit_every=-1", "refit_every=2.5", "refit_strength=0", "refit_samples=0"])
def test_impossible_settings_are_named(settings: Callable[..., Any], setting: str) -> None:
    with pytest.raises(UserError, match=rf"recording\.{setting.partition('=')[0]} is"):
        settings(f"recording.{setting}")

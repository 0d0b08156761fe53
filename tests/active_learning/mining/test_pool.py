from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from static_gesture_classification.active_learning.mining.found_hands import find_hands
from static_gesture_classification.active_learning.mining.hand_inputs import hand_keys, input_identity, read_inputs
from static_gesture_classification.active_learning.mining.pool import Pool, PoolHands, embed, open_pool, pool_hands
from static_gesture_classification.active_learning.mining.pool_images import file_and_frame, frame_name, read_pictures
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import DetectedHand
from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.inference.embedding_store import EmbeddingStore
from static_gesture_classification.preparation.crops import open_crops
from static_gesture_classification.preparation.landmark_store import points_of
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.training.checkpoint import Classifier, build_network, load_classifier
from static_gesture_classification.training.inputs import KINDS
from tests.active_learning.conftest import World, checkpoint, save_picture

KEYS = [bytes([number]) * 16 for number in range(5)]
EMBEDDINGS = np.arange(15, dtype=np.float32).reshape(5, 3)
PROBABILITIES = np.full((5, 2), 0.5, np.float32)


def pool_of(world: World, *overrides: str) -> Pool:
    settings = settings_of(world, *overrides)
    return open_pool(settings, load_classifier(settings.checkpoint))


def settings_of(world: World, *overrides: str) -> MiningSettings:
    return MiningSettings.from_config(world.config(f"mining.checkpoint={checkpoint(world)}", *overrides))


def store(folder: Path, checkpoint: str = "a") -> EmbeddingStore:
    return EmbeddingStore(folder, checkpoint, 3, ["ONE", "TWO"])


def test_pool_of_a_source_is_what_is_not_in_the_index(world: World) -> None:
    pool = pool_of(world, "mining.pool=folder", "sources.folder.max_per_gesture=1")
    assert pool.samples["image"].str.contains("/new").all()
    assert len(pool) == 4 * 6 + 8


def test_embeddings_are_those_of_the_crops_stage(world: World) -> None:
    pool = pool_of(world, "mining.pool=folder", f"paths.index={world.folder / 'nowhere'}", "paths.splits=nowhere")
    classifier = load_classifier(checkpoint(world))
    known = read_samples(world.folder / "crops/samples.parquet")
    rows = pool.rows[[list(pool.samples["sample_id"]).index(sample) for sample in known["sample_id"]]]
    probabilities, embeddings = classifier.predict(open_crops(world.folder / "crops")[:])
    np.testing.assert_allclose(pool.store.probabilities[rows], probabilities, atol=1e-4)
    np.testing.assert_allclose(pool.store.embeddings[rows], embeddings, rtol=2e-3, atol=1e-3)


def test_people_who_are_held_out_are_not_searched(world: World, tmp_path: Path) -> None:
    splits = read_samples(world.folder / "splits/samples.parquet")
    held = splits.iloc[:1].assign(subject="folder/new3", split="test", sample_id="0" * 24)
    write_samples(held, tmp_path / "splits/samples.parquet")
    pool = pool_of(world, "mining.pool=folder", f"paths.splits={tmp_path / 'splits'}")
    assert "folder/new3" not in set(pool.samples["subject"])
    assert pool.hands.left_out["are of people who are held out for val or test"] == 4


def test_pool_that_is_the_training_set_has_nothing_to_add(world: World, whole_picture: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"could be added: .*in images that are in the index"):
        pool_of(world, f"mining.pool={world.raw / 'ONE/train1'}", *whole_picture)


def test_pool_without_images_is_an_error_with_the_way_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image"):
        pool_of(world, f"mining.pool={tmp_path / 'empty'}")
    with pytest.raises(UserError, match=r"no such folder or file, and no source of this name \(folder\)"):
        pool_of(world, "mining.pool=nowhere")
    with pytest.raises(UserError, match="name the pool to search"):
        pool_of(world)


def test_unreadable_pictures_are_counted_and_named(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...]
) -> None:
    (unlabelled / "torn.png").write_bytes((unlabelled / "new1/ONE_0.png").read_bytes()[:900])
    (unlabelled / "text.jpg").write_text("no picture")
    pool = pool_of(world, f"mining.pool={unlabelled}", *whole_picture)
    assert len(pool) == 32
    assert pool.hands.left_out["pictures cannot be read"] == 2
    assert {Path(name).name for name, _ in pool.hands.unreadable} == {"torn.png", "text.jpg"}


def test_picture_that_breaks_after_its_hand_was_found_is_left_out(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from static_gesture_classification.active_learning.mining import pool as module

    def found_then_broken(*arguments: object) -> object:
        hands = find_hands(*arguments)  # type: ignore[arg-type]
        (unlabelled / "new1/ONE_0.png").write_bytes(b"gone")
        return hands

    monkeypatch.setattr(module, "find_hands", found_then_broken)
    pool = pool_of(world, f"mining.pool={unlabelled}", *whole_picture)
    assert len(pool) == 31
    assert pool.hands.unreadable == [("new1/ONE_0.png", "this is no image in a known format")]


def test_changed_picture_is_looked_at_again(world: World, unlabelled: Path, whole_picture: tuple[str, ...]) -> None:
    before = pool_of(world, f"mining.pool={unlabelled}", *whole_picture)
    row = list(before.samples["image"]).index("new1/ONE_0.png")
    save_picture(unlabelled / "new1/ONE_0.png", "FIST", 1)
    after = pool_of(world, f"mining.pool={unlabelled}", *whole_picture)
    changed = (before.probabilities != after.probabilities).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [row]


def landmark_classifier(config: DictConfig) -> Classifier:
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_config(config)
    return Classifier(build_network(config.model, len(vocabulary)).eval(), vocabulary, 0, 0.0, "landmarks")


def test_landmark_model_sees_the_landmarks_of_the_pool_in_a_common_unit(
    world: World, unlabelled: Path, tmp_path: Path
) -> None:
    config = world.config("model=landmarks", "model.weights=none")
    classifier = landmark_classifier(config)
    samples = find_hands(unlabelled / "new3", lambda: BoxDetector([0, 0, 1, 1]), "whole", unlabelled).samples
    wide = np.zeros((20, 40, 3), np.uint8)
    Image.fromarray(wide).save(unlabelled / "new3/TWO_odd0.png")
    marks = np.random.default_rng(0).random((len(samples), 21, 2)).astype(np.float32)
    samples["landmarks"] = [row.ravel() for row in marks]
    settings = settings_of(world).model_copy(update={"cache": tmp_path / "cache"})
    pool = embed(PoolHands("heap", samples), classifier, settings)
    aspects = np.where(pool.samples["image"] == "TWO_odd0.png", 2.0, 1.0)
    np.testing.assert_allclose(pool.probabilities, classifier.predict(points_of(marks, aspects))[0], atol=1e-5)


def test_landmark_model_needs_a_detector_of_landmarks_where_there_are_none(
    world: World, unlabelled: Path, whole_picture: tuple[str, ...]
) -> None:
    overrides = ("model=landmarks", "model.weights=none", f"mining.pool={unlabelled}", *whole_picture)
    with pytest.raises(UserError, match="choose detector=hands"):
        open_pool(settings_of(world, *overrides), landmark_classifier(world.config(*overrides)))


def test_who_is_in_a_loose_picture_or_a_video_is_not_known(tmp_path: Path) -> None:
    for name in ("loose.png", "anna/own.png"):
        save_picture(tmp_path / name, "TWO", 0)
    found = find_hands(tmp_path, lambda: BoxDetector([0, 0, 1, 1]), "box", tmp_path.parent / f"{tmp_path.name}-cache")
    assert dict(zip(found.samples["image"], found.samples["subject"], strict=True)) == {
        "loose.png": "",
        "anna/own.png": "anna",
    }


class Marking(BoxDetector):
    """A detector of landmarks that is not MediaPipe's."""

    gives_landmarks = True

    def detect(self, image: np.ndarray) -> list[DetectedHand]:
        (hand,) = super().detect(image)
        return [replace(hand, landmarks=np.linspace(hand.box[:2], hand.box[2:], 21, dtype=np.float32))]


def test_a_landmark_model_sees_what_any_detector_of_landmarks_finds(
    world: World, unlabelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("static_gesture_classification.detection.box.BoxDetector", Marking)
    overrides = (f"mining.pool={unlabelled}", "detector=box", "detector.box=[0,0,0.9,1]")
    settings = settings_of(world, *overrides)
    samples = pool_hands(settings).samples.assign(landmarks=None)
    seen = dict(
        read_inputs(samples, np.arange(len(samples)), SimpleNamespace(kind=KINDS["landmarks"]), settings.detector)
    )
    assert len(seen) == len(samples) > 0
    assert all(points.shape == (21, 2) for points in seen.values())


@pytest.mark.parametrize("seen", ["crops", "landmarks"])
def test_what_is_kept_of_a_hand_depends_on_who_found_its_landmarks(world: World, unlabelled: Path, seen: str) -> None:
    settings = [
        settings_of(world, f"mining.pool={unlabelled}", "detector=box", f"detector.box=[0,0,{right},1]")
        for right in (0.8, 1)
    ]
    samples = pool_hands(settings[0]).samples
    detectors = [each.detector for each in settings]
    first, second = (
        hand_keys(samples, input_identity(SimpleNamespace(kind=KINDS[seen]), detector)) for detector in detectors
    )
    assert (first == second) is (seen == "crops")
    marked = samples.assign(landmarks=[np.zeros(42, np.float32)] * len(samples))
    first, second = (
        hand_keys(marked, input_identity(SimpleNamespace(kind=KINDS[seen]), detector)) for detector in detectors
    )
    assert first == second


def test_hands_are_not_looked_for_twice(tmp_path: Path, unlabelled: Path) -> None:
    looks = []

    class Counting(BoxDetector):
        def detect(self, image: np.ndarray) -> list:
            looks.append(image)
            return super().detect(image)

    def find() -> int:
        return len(find_hands(unlabelled, lambda: Counting([0, 0, 1, 1]), "whole", tmp_path / "cache").samples)

    assert find() == len(looks) == 32
    assert find() == len(looks)
    journal = next((tmp_path / "cache").glob("*/hands.bin"))
    journal.write_bytes(journal.read_bytes()[:-40])  # killed while it wrote
    assert find() == 32
    assert len(looks) == 33
    assert find() == 32
    assert len(looks) == 33


def test_what_was_found_in_pixels_that_were_read_another_way_is_looked_for_anew(
    world: World, unlabelled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from static_gesture_classification.active_learning.mining import found_hands
    from static_gesture_classification.active_learning.mining import hand_inputs as module

    samples = find_hands(unlabelled, lambda: BoxDetector([0, 0, 1, 1]), "whole", tmp_path / "cache").samples
    keys = module.hand_keys(samples, lambda marks: b"")
    for each in (found_hands, module):
        monkeypatch.setattr(each, "PIXELS_VERSION", -1)
    find_hands(unlabelled, lambda: BoxDetector([0, 0, 1, 1]), "whole", tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert not set(keys) & set(module.hand_keys(samples, lambda marks: b""))


def test_video_that_cannot_be_decoded_is_no_pool(world: World, cases: Path, whole_picture: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"av1\.mp4 opens as a video but has no readable frame: it is in AV1 .*ffmpeg"):
        pool_of(world, f"mining.pool={cases / 'videos/av1.mp4'}", *whole_picture)


def test_frames_of_a_video_are_a_pool(world: World, photographs: Path, whole_picture: tuple[str, ...]) -> None:
    video = photographs / "videos/webcam.mp4"
    name = frame_name("webcam.mp4", 2)
    assert file_and_frame(photographs / "videos" / name) == (video, 2)
    wanted = [photographs / "videos" / frame_name("webcam.mp4", index) for index in (2, 0, 999_999)]
    read = dict(read_pictures(wanted))
    assert [type(read[path]).__name__ for path in wanted] == ["ndarray", "ndarray", "UnreadableImageError"]


def test_image_with_a_number_sign_in_its_name_is_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a#000001"
    save_picture(tmp_path / "a.png", "ONE", 0)
    (tmp_path / "a.png").rename(path)
    assert file_and_frame(path) == (path, None)


def test_store_gives_back_what_was_added_and_nothing_twice(tmp_path: Path) -> None:
    with store(tmp_path).writer() as writer:
        writer.add(KEYS[:2], EMBEDDINGS[:2], PROBABILITIES[:2])
        writer.add(KEYS[2:4], EMBEDDINGS[2:4], PROBABILITIES[2:4])
    again = store(tmp_path)
    assert again.rows([KEYS[3], KEYS[4], KEYS[0]]).tolist() == [3, -1, 0]
    np.testing.assert_array_equal(again.embeddings, EMBEDDINGS[:4])


@pytest.mark.parametrize("name", ["keys.bin", "embeddings.f16", "probabilities.f32"])
def test_store_goes_on_after_a_kill_in_the_midst_of_a_row(tmp_path: Path, name: str) -> None:
    with store(tmp_path).writer() as writer:
        writer.add(KEYS[:3], EMBEDDINGS[:3], PROBABILITIES[:3])
    with (tmp_path / name).open("r+b") as file:
        file.truncate((tmp_path / name).stat().st_size - 1)
    torn = store(tmp_path)
    assert len(torn) == 2
    with torn.writer() as writer:
        writer.add(KEYS[3:], EMBEDDINGS[3:], PROBABILITIES[3:])
    again = store(tmp_path)
    np.testing.assert_array_equal(
        again.embeddings[again.rows([KEYS[0], KEYS[1], KEYS[3], KEYS[4]])], EMBEDDINGS[[0, 1, 3, 4]]
    )
    assert again.rows([KEYS[2]]).tolist() == [-1]


def test_embeddings_of_another_checkpoint_are_refused(tmp_path: Path) -> None:
    store(tmp_path)
    with pytest.raises(DataError, match=r"embeddings of another checkpoint \(another checkpoint\); delete"):
        store(tmp_path, "b")
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(DataError, match=r"store\.json is not whole JSON .*; delete"):
        store(tmp_path)


def test_two_commands_do_not_write_one_store(tmp_path: Path) -> None:
    with (
        store(tmp_path).writer(),
        pytest.raises(UserError, match="another command is adding"),
        store(tmp_path).writer(),
    ):
        pass


def test_retrained_checkpoint_gets_embeddings_of_its_own(world: World, tmp_path: Path) -> None:
    (tmp_path / "other.ckpt").write_bytes(checkpoint(world).read_bytes() + b"\0")
    assert settings_of(world, f"mining.checkpoint={tmp_path / 'other.ckpt'}").digest != settings_of(world).digest

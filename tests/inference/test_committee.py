from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from static_gesture_classification.detection.box import BoxDetector
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.errors import UserError
from static_gesture_classification.images import read_image
from static_gesture_classification.inference.committee import join, main, pooled
from static_gesture_classification.inference.predictor import Predictor
from static_gesture_classification.training.checkpoint import load_classifier, read_checkpoint, save

Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def committee(checkpoint: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the command writes it."""
    output = tmp_path_factory.mktemp("committee")
    members = [str(checkpoint(kind)) for kind in ("landmarks", "crops")]
    settings = OmegaConf.create({"members": members, "output": str(output), "weights": [0.7, 0.3]})
    main.__wrapped__(settings)  # type: ignore[attr-defined]
    return output / "committee.ckpt"


def test_a_sure_member_outvotes_an_unsure_one() -> None:
    together = pooled([np.array([[0.4, 0.6]], np.float32), np.array([[0.99, 0.01]], np.float32)], [1, 1])
    odds = np.sqrt(0.4 / 0.6 * 0.99 / 0.01)
    assert together[0] == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], rel=1e-4)


def test_a_weight_says_how_much_a_vote_counts() -> None:
    one, other = np.array([[0.2, 0.8]], np.float32), np.array([[0.7, 0.3]], np.float32)
    together = pooled([one, other], [3, 1])[0]
    assert np.log(together[0] / together[1]) == pytest.approx(0.75 * np.log(0.2 / 0.8) + 0.25 * np.log(0.7 / 0.3))


def test_no_member_rules_a_gesture_out_alone() -> None:
    together = pooled([np.array([[0.0, 1.0]], np.float32), np.array([[1.0, 0.0]], np.float32)], [1, 1])
    assert together[0] == pytest.approx([0.5, 0.5])


def test_hands_get_what_the_members_say_together(
    committee: Path, checkpoint: Made, photographs: Path, detector: Detector
) -> None:
    image = read_image(sorted((photographs / "hagrid_people" / "palm").iterdir())[1])
    hands = detector.detect(image)
    together = Predictor.load(committee, detector).classify(image, hands)
    alone = [Predictor.load(checkpoint(kind), detector).classify(image, hands) for kind in ("landmarks", "crops")]
    assert hands
    for each, *members in zip(together, *alone, strict=True):
        expected = pooled([member.probabilities[None] for member in members], [0.7, 0.3])[0]
        assert each.probabilities == pytest.approx(expected, abs=1e-6)
        assert each.gesture == Predictor.load(committee, detector).vocabulary.names[int(expected.argmax())]
        assert each.embedding is not None
        assert len(each.embedding) == sum(len(member.embedding) for member in members if member.embedding is not None)


def test_without_landmarks_those_who_see_pictures_decide(committee: Path, checkpoint: Made) -> None:
    box, image = BoxDetector([0, 0, 1, 1]), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    together, alone = (Predictor.load(path, box).predict(image)[0] for path in (committee, checkpoint("crops")))
    assert np.array_equal(together.probabilities, alone.probabilities)


def test_commands_for_one_network_refuse_a_committee(committee: Path) -> None:
    with pytest.raises(UserError, match=r"committee\.ckpt is a committee.*choose one of those"):
        load_classifier(committee)


def test_members_of_other_gestures_are_refused(checkpoint: Made, tmp_path: Path) -> None:
    other = read_checkpoint(checkpoint("crops"))
    save(
        {**other, "gestures": {"names": ["BACKGROUND", "FIST", "ONE"], "background": "BACKGROUND"}}, tmp_path / "b.ckpt"
    )
    with pytest.raises(UserError, match=r"b\.ckpt tells BACKGROUND, FIST, ONE apart.*the same ones"):
        join([checkpoint("landmarks"), tmp_path / "b.ckpt"], tmp_path / "committee.ckpt")
    assert not (tmp_path / "committee.ckpt").exists()


def test_damaged_members_are_refused(checkpoint: Made, tmp_path: Path) -> None:
    whole = read_checkpoint(checkpoint("landmarks"))
    save({**whole, "state_dict": {"head.bias": torch.zeros(3)}}, tmp_path / "part.ckpt")
    with pytest.raises(UserError, match=r"part\.ckpt do not fit"):
        join([checkpoint("crops"), tmp_path / "part.ckpt"], tmp_path / "committee.ckpt")
    with pytest.raises(UserError, match="one weight above 0"):
        join([checkpoint("crops"), checkpoint("landmarks")], tmp_path / "committee.ckpt", [1])
    with pytest.raises(UserError, match="two checkpoints at least"):
        join([checkpoint("crops")], tmp_path / "committee.ckpt")

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest

from static_gesture_classification.detection.detector import DetectedHand, Detector, DetectorSettings
from static_gesture_classification.detection.hands import HandDetector
from static_gesture_classification.detection.networks import useful_threads
from static_gesture_classification.detection.regions import overlap
from static_gesture_classification.errors import UserError
from static_gesture_classification.hand_points import MIDDLE_BASE
from static_gesture_classification.images import read_image

FOUR_BEFORE_A_RUG = (0.21, 0.11, 0.47, 0.91)  # published box


@pytest.fixture(scope="module")
def person(photographs: Path) -> np.ndarray:
    """A man who shows his left palm; 336 x 336 pixels."""
    return read_image(sorted((photographs / "hagrid_people" / "palm").iterdir())[1])


@pytest.fixture(scope="module")
def before_a_rug(photographs: Path) -> np.ndarray:
    """A man shows four fingers before a patterned rug; 640 x 480 pixels."""
    return read_image(photographs / "hagrid_mini/four/15c0e3ea-3779-9d49-5b30-a00f0aa9d53d.jpg")


@pytest.fixture
def video(configured: Callable[..., Detector], hand_landmarker: Path) -> Iterator[HandDetector]:
    """A detector of consecutive frames, without second looks."""
    no_second_look = ("detector.second_look.columns=0", "detector.second_look.border=0", "detector.smooth=0")
    with configured(f"detector.model.path={hand_landmarker}", "detector.running_mode=video", *no_second_look) as built:
        assert isinstance(built, HandDetector)
        yield built


def count_searches(detector: HandDetector, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A list that grows with each run of the palm network."""
    searches: list[None] = []
    palms = detector.networks.palms
    monkeypatch.setattr(detector.networks, "palms", lambda pixels: searches.append(None) or palms(pixels))
    return searches


def small_in_a_room(image: np.ndarray) -> np.ndarray:
    """The image at half its size in the corner of a grey room."""
    from PIL import Image

    side = image.shape[0] // 2
    room = np.full((image.shape[0] * 4, image.shape[1] * 4, 3), 128, np.uint8)
    room[:side, :side] = np.asarray(Image.fromarray(image).resize((side, side)))
    return room


def test_hand_is_found_with_landmarks_inside_its_box(detector: HandDetector, person: np.ndarray) -> None:
    (hand,) = detector.detect(person)
    assert hand.landmarks is not None
    assert hand.world_landmarks is not None
    assert hand.landmarks.shape == (21, 2)
    assert hand.landmarks.dtype == np.float32
    assert hand.world_landmarks.shape == (21, 3)
    x1, y1, x2, y2 = hand.box
    assert (hand.landmarks >= (x1, y1)).all()
    assert (hand.landmarks <= (x2, y2)).all()
    wrist, middle_finger = hand.landmarks[0], hand.landmarks[12]
    assert wrist[1] > middle_finger[1]  # the palm is held up


def test_hand_is_the_person_s_own(detector: HandDetector, person: np.ndarray) -> None:
    assert [hand.hand for hand in detector.detect(person)] == ["left"]
    assert [hand.hand for hand in detector.detect(np.ascontiguousarray(person[:, ::-1]))] == ["right"]


def test_two_hands_come_from_left_to_right(detector: HandDetector, person: np.ndarray) -> None:
    both = np.concatenate([person, person[:, ::-1]], axis=1)
    hands = detector.detect(both)
    assert [hand.hand for hand in hands] == ["left", "right"]
    assert hands[0].box[0] < hands[1].box[0]


@pytest.mark.parametrize("shape", [(480, 640), (3, 5), (1, 1), (1, 900)])
def test_picture_without_a_hand_gives_none(detector: HandDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_second_look_finds_a_hand_that_is_too_small_for_the_first(
    configured: Callable[..., Detector], hand_landmarker: Path, detector: HandDetector, person: np.ndarray
) -> None:
    far = small_in_a_room(person)
    with configured(
        f"detector.model.path={hand_landmarker}", "detector.second_look.columns=0", "detector.second_look.border=0"
    ) as once:
        assert once.detect(far) == []
    (hand,) = detector.detect(far)
    (near,) = detector.detect(person)
    assert overlap(hand.box, tuple(side / 8 for side in near.box)) > 0.6  # type: ignore[arg-type]


def test_hand_that_fills_the_picture_is_found_whole_and_not_as_a_part_of_it(
    configured: Callable[..., Detector], hand_landmarker: Path, detector: HandDetector, photographs: Path
) -> None:
    image = read_image(photographs / "hagrid_mini" / "four" / "1f7a5cb5-dca9-8d7d-3b16-2728c99c441b.jpg")
    published = (0.16, 0.04, 0.8, 1.0)
    first = ("detector.border=0", "detector.second_look.sure=0", "detector.second_look.enough=0")
    one_look = (f"detector.model.path={hand_landmarker}", *first)
    with configured(*one_look) as as_it_is:
        assert all(overlap(hand.box, published) < 0.3 for hand in as_it_is.detect(image))
    (hand,) = detector.detect(image)
    assert overlap(hand.box, published) > 0.8


def test_while_no_hand_is_sure_the_surest_look_counts(
    configured: Callable[..., Detector], hand_landmarker: Path, photographs: Path
) -> None:
    image = read_image(photographs / "hagrid_mini" / "four" / "1f7a5cb5-dca9-8d7d-3b16-2728c99c441b.jpg")
    with configured(f"detector.model.path={hand_landmarker}", "detector.border=0") as detector:
        (hand,) = detector.detect(image)
    assert overlap(hand.box, (0.16, 0.04, 0.8, 1.0)) > 0.7


def test_sure_hand_that_is_a_part_of_another_gives_way_to_a_surer_one(
    configured: Callable[..., Detector], hand_landmarker: Path, detector: HandDetector, photographs: Path
) -> None:
    image = read_image(photographs / "hagrid_mini/one/0474d72e-5a80-a2ca-bd91-4f39c1bc7031.jpg")
    published = (0.26, 0.19, 0.71, 1.0)
    with configured(f"detector.model.path={hand_landmarker}", "detector.second_look.enough=0") as first_sure:
        (part,) = first_sure.detect(image)
    assert (part.presence or 0) > 0.9
    assert overlap(part.box, published) < 0.3
    (hand,) = detector.detect(image)
    assert overlap(hand.box, published) > 0.8


def test_what_remains_unlikely_after_all_looks_is_no_hand(
    configured: Callable[..., Detector], hand_landmarker: Path, detector: HandDetector, photographs: Path
) -> None:
    image = read_image(photographs / "other_hands/holy/hukenovs+hagrid__001.jpg")
    with configured(f"detector.model.path={hand_landmarker}", "detector.min_presence_confidence=0.05") as lenient:
        assert lenient.detect(image)  # a mouth
    assert detector.detect(image) == []


def test_hand_before_a_fine_pattern_is_found_where_the_palm_network_sees_it_smoothed(
    configured: Callable[..., Detector], hand_landmarker: Path, detector: HandDetector, before_a_rug: np.ndarray
) -> None:
    with configured(f"detector.model.path={hand_landmarker}", "detector.smooth=0") as as_it_is:
        assert as_it_is.detect(before_a_rug) == []
    (hand,) = detector.detect(before_a_rug)
    assert overlap(hand.box, FOUR_BEFORE_A_RUG) > 0.8


def test_hand_in_a_smoothed_picture_counts_only_where_it_is_sure(
    configured: Callable[..., Detector], hand_landmarker: Path, before_a_rug: np.ndarray
) -> None:
    with configured(f"detector.model.path={hand_landmarker}", "detector.second_look.sure=1") as detector:
        assert detector.detect(before_a_rug) == []


def test_a_video_s_frames_without_a_hand_are_smoothed_in_turn_until_one_is_found_and_followed(
    video: HandDetector, before_a_rug: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "how", video.how.model_copy(update={"smooth": 1.5}))
    searches = count_searches(video, monkeypatch)
    found = [video.detect(frame) for frame in (np.zeros_like(before_a_rug), *[before_a_rug] * 3)]
    assert len(searches) == 4  # the frame itself and one smoothed region in each of two frames
    assert [len(hands) for hands in found] == [0, 1, 1, 1]
    assert overlap(found[-1][0].box, FOUR_BEFORE_A_RUG) > 0.8


def test_hand_whose_box_is_known_is_found_in_its_surroundings(detector: HandDetector, person: np.ndarray) -> None:
    (whole,) = detector.detect(person)
    near = detector.landmarks_in(person, whole.box)
    assert near is not None
    assert whole.landmarks is not None
    assert near.landmarks is not None
    assert np.abs(near.landmarks - whole.landmarks).max() < 0.03


def test_box_without_a_hand_is_an_honest_miss(detector: HandDetector, person: np.ndarray) -> None:
    assert detector.landmarks_in(person, (0.0, 0.7, 0.3, 1.0)) is None


def test_the_whole_image_as_a_box_means_that_the_hand_is_anywhere_in_it(
    detector: HandDetector, person: np.ndarray
) -> None:
    small = np.pad(person, ((0, 2 * len(person)), (person.shape[1], person.shape[1]), (0, 0)), mode="edge")
    found = detector.landmarks_in(small, (0.0, 0.0, 1.0, 1.0))
    (expected,) = detector.detect(small)
    assert overlap(expected.box, (0.0, 0.0, 1.0, 1.0)) < detector.how.known_box.overlap
    assert found is not None
    assert overlap(found.box, expected.box) > 0.9


def test_of_two_hands_the_one_in_the_box_is_taken(detector: HandDetector, person: np.ndarray) -> None:
    both = np.concatenate([person, person[:, ::-1]], axis=1)
    for expected in detector.detect(both):
        found = detector.landmarks_in(both, expected.box)
        assert found is not None
        assert found.hand == expected.hand


@pytest.mark.concurrent
def test_detector_travels_to_another_process_and_works_there(detector: HandDetector, person: np.ndarray) -> None:
    here = detector.detect(person)
    with pickle.loads(pickle.dumps(detector)) as copy:
        same_hands(copy.detect(person), here)


@pytest.mark.concurrent
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_worker_makes_a_detector_of_its_own(detector: HandDetector, person: np.ndarray) -> None:
    detector.detect(person)
    child = os.fork()
    if child == 0:
        found = detector.detect(person)
        detector.close()
        os._exit(0 if len(found) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(detector.detect(person)) == 1


def test_closed_detector_opens_again_when_used(detector: HandDetector, person: np.ndarray) -> None:
    before = detector.detect(person)
    detector.close()
    detector.close()
    same_hands(detector.detect(person), before)


def test_video_follows_a_hand_and_takes_frames_that_change_size(video: HandDetector, person: np.ndarray) -> None:
    found = [video.detect(frame) for frame in (person, person, person[:300], person)]
    assert [[hand.hand for hand in hands] for hands in found] == [["left"]] * 4


def test_followed_hand_lies_where_it_is_found_anew(
    video: HandDetector, detector: HandDetector, person: np.ndarray
) -> None:
    moved = [np.roll(person, 4 * step, axis=1) for step in range(6)]
    followed = [video.detect(frame)[0] for frame in moved][-1]
    (anew,) = detector.detect(moved[-1])
    assert overlap(followed.box, anew.box) > 0.85


def test_palms_are_searched_only_while_a_hand_is_missing(
    video: HandDetector, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = count_searches(video, monkeypatch)
    both = np.concatenate([person, person[:, ::-1]], axis=1)
    assert [len(video.detect(both)) for _ in range(8)] == [2] * 8
    assert len(searches) == 1
    nobody = np.zeros_like(both)
    assert [len(video.detect(nobody)) for _ in range(3)] == [0] * 3
    assert len(searches) == 4


def test_while_one_hand_is_seen_another_is_searched_now_and_then(
    video: HandDetector, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = video.for_camera(look_for_more=3)
    assert isinstance(camera, HandDetector)
    searches = count_searches(camera, monkeypatch)
    alone, both = (np.concatenate([person, other], axis=1) for other in (np.zeros_like(person), person[:, ::-1]))
    assert [len(camera.detect(frame)) for frame in (alone, both, both, both, both)] == [1, 1, 1, 1, 2]
    assert len(searches) == 2


def test_hand_that_jumps_is_found_again_in_the_same_frame(video: HandDetector, person: np.ndarray) -> None:
    empty = np.zeros_like(person)
    for frame in (np.concatenate([person, empty], axis=1), np.concatenate([empty, person], axis=1)):
        assert len(video.detect(frame)) == 1


def test_hand_that_is_looked_at_twice_lies_where_it_was_found(
    configured: Callable[..., Detector], hand_landmarker: Path, person: np.ndarray
) -> None:
    with configured(f"detector.model.path={hand_landmarker}", "detector.refine=false") as first:
        (once,) = first.detect(person)
    with configured(f"detector.model.path={hand_landmarker}", "detector.refine_apart=0") as twice:
        (refined,) = twice.detect(person)
    assert refined.box != once.box
    assert overlap(refined.box, once.box) > 0.85


def test_hand_is_looked_at_again_only_where_its_landmarks_want_another_square(
    detector: HandDetector, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []
    hand = detector.networks.hand
    monkeypatch.setattr(detector.networks, "hand", lambda pixels: looks.append(None) or hand(pixels))
    detector.detect(person)
    assert len(looks) == 1
    monkeypatch.setattr(detector, "how", detector.how.model_copy(update={"palm_turn": 60.0}))
    detector.detect(person)
    assert len(looks) == 3


def test_hand_that_is_not_sure_is_looked_at_once_more_which_shows_its_missed_finger(
    configured: Callable[..., Detector], hand_landmarker: Path, photographs: Path
) -> None:
    image = read_image(photographs / "hagrid_mini/peace/5943ab4c-1578-6c31-7ca3-a8e282624908.jpg")
    reaches = []
    for sure in (0, 0.99):
        first = (f"detector.refine_sure={sure}", "detector.second_look.enough=0")
        with configured(f"detector.model.path={hand_landmarker}", *first) as detector:
            (hand,) = detector.detect(image)
        assert hand.landmarks is not None
        points = hand.landmarks * (image.shape[1], image.shape[0])
        wrist, base, tip = points[[0, MIDDLE_BASE, MIDDLE_BASE + 3]]
        reaches.append(np.linalg.norm(tip - wrist) / np.linalg.norm(base - wrist))
    assert reaches[0] < 1.2
    assert reaches[1] > 1.5


def test_hand_in_a_known_box_is_found_without_a_search_for_palms(
    configured: Callable[..., Detector], hand_landmarker: Path, person: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with configured(f"detector.model.path={hand_landmarker}", "detector.known_square=1.2") as detector:
        assert isinstance(detector, HandDetector)
        (hand,) = detector.detect(person)
        searches = count_searches(detector, monkeypatch)
        found = detector.landmarks_in(person, hand.box)
    assert found is not None
    assert overlap(found.box, hand.box) > 0.8
    assert not searches


def test_presence_and_handedness_are_kept(detector: HandDetector, person: np.ndarray) -> None:
    (hand,) = detector.detect(person)
    assert hand.presence is not None
    assert hand.handedness is not None
    assert 0.9 < hand.presence <= 1
    assert 0.8 < hand.handedness <= 1


def test_threads_change_neither_what_is_found_nor_under_which_name_it_is_kept(
    configured: Callable[..., Detector], detector: HandDetector, hand_landmarker: Path, person: np.ndarray
) -> None:
    for threads in (1, 2):
        with configured(f"detector.model.path={hand_landmarker}", f"detector.threads={threads}") as other:
            same_hands(other.detect(person), detector.detect(person))
            assert other.identity() == detector.identity()


@pytest.mark.parametrize(("said", "expected"), [("1", 1), ("2", 2), ("64", 2), ("1,4", 1)])
def test_omp_num_threads_bounds_the_threads_of_a_network(
    monkeypatch: pytest.MonkeyPatch, said: str, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert useful_threads() == expected


@pytest.mark.parametrize("said", ["", "0", "many"])
def test_without_omp_num_threads_the_cores_of_the_process_bound_them(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    for cores, expected in ((1, 1), (2, 2), (64, 2)):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        assert useful_threads() == expected


def test_one_of_several_detectors_at_once_has_a_thread_unless_configured() -> None:
    def of(threads: int | None) -> dict[str, object]:
        return DetectorSettings(node={"_target_": "somewhere", "threads": threads}).beside_others().node

    assert of(None)["threads"] == 1
    assert of(3)["threads"] == 3
    assert "threads" not in DetectorSettings(node={"_target_": "somewhere"}).beside_others().node


def test_nothing_is_said_on_standard_error_and_the_interpreter_ends_in_peace(
    project: Path, hand_landmarker: Path, photographs: Path
) -> None:
    program = """
import sys
from pathlib import Path
from hydra import compose, initialize_config_dir
from static_gesture_classification.detection.detector import Detector
from static_gesture_classification.images import read_image
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    config = compose("config", overrides=["detector.model.path=" + sys.argv[2]])
left_open = Detector.from_config(config)
print(len(left_open.detect(read_image(Path(sys.argv[3])))))
print("a message of the program's own", file=sys.stderr)
"""
    palm = sorted((photographs / "hagrid_people" / "palm").iterdir())[1]
    arguments = [sys.executable, "-c", program, str(project / "conf"), str(hand_landmarker), str(palm)]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=project)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "a message of the program's own\n")


def test_file_that_is_no_hand_landmarker_is_named(
    configured: Callable[..., Detector], tmp_path: Path, person: np.ndarray
) -> None:
    (tmp_path / "other.task").write_bytes(b"not a model" * 100)
    own = ("detector.model.size=null", "detector.model.sha256=null")
    with pytest.raises(UserError, match=r"cannot use .*other.task as a hand landmarker"):
        configured(f"detector.model.path={tmp_path / 'other.task'}", *own).detect(person)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("detector.running_mode=live", "detector.running_mode is 'live'; it must be 'image' or 'video'"),
        ("detector.num_hands=0", "detector.num_hands is 0"),
        (
            "detector.min_detection_confidence=2",
            "_detection_confidence is 2; it must be less than or equal to 1",
        ),
    ],
)
def test_parameter_out_of_range_is_named(configured: Callable[..., Detector], override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        configured(override)


def same_hands(one: list[DetectedHand], other: list[DetectedHand]) -> None:
    assert [hand.box for hand in one] == [hand.box for hand in other]

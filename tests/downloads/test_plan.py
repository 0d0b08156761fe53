from collections.abc import Callable

import pytest
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.downloads.plan import Plan, planned, size_in_bytes
from static_gesture_classification.errors import UserError

Planner = Callable[..., Plan]


@pytest.fixture
def plan(composed: DictConfig) -> Planner:
    def with_wishes(*wishes: str) -> Plan:
        return planned(
            OmegaConf.merge(composed, OmegaConf.from_dotlist([f"downloads.{wish}" for wish in wishes])).downloads
        )

    return with_wishes


def test_every_dataset_of_the_configuration_can_be_planned(plan: Planner) -> None:
    assert len(plan("dataset=hands").items) == 10
    assert len(plan("dataset=digits").items) == 1
    assert [item.remote.name for item in plan("dataset=hagrid", "parts=[like,ok]").items] == [
        "annotations.zip",
        "like.zip",
        "ok.zip",
    ]
    assert len(plan("dataset=hagrid", "parts=all").items) == 35


def test_published_hashes_and_sizes_are_complete_where_the_publisher_has_them(plan: Planner) -> None:
    archives = [item.remote for item in plan("dataset=hands").items if item.remote.name.endswith(".zip")]
    assert all(remote.size and len(remote.sha256 or "") == 64 for remote in archives)


def test_annotations_come_alone_if_asked(plan: Planner) -> None:
    (item,) = plan("dataset=hagrid", "variant=annotations").items
    assert item.remote.url.endswith("/annotations_with_landmarks/annotations.zip")


def test_the_small_variant_takes_several_gestures_out_of_one_archive(plan: Planner) -> None:
    _, images = plan("dataset=hagrid", "variant=512", "parts=like dislike").items
    assert [content.to for content in images.contents] == ["like/{image}", "dislike/{image}"]
    like, dislike = (content.members for content in images.contents)
    assert like.fullmatch("HaGRIDv2_dataset_512/like/a.jpg")
    assert not like.fullmatch("HaGRIDv2_dataset_512/dislike/a.jpg")
    assert not like.fullmatch("__MACOSX/like/._a.jpg")
    assert dislike.fullmatch("dislike/a.jpg")


def test_gestures_of_the_vocabulary_stand_for_all_their_labels(plan: Planner) -> None:
    items = plan("dataset=hagrid", "parts=[OKAY,FIVE]").items[1:]
    assert [item.remote.name for item in items] == ["ok.zip", "palm.zip", "stop.zip", "stop_inverted.zip"]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ([], r"downloads\.dataset is None; choose one of hands, hagrid, digits"),
        (["dataset=imagenet"], "downloads.dataset is imagenet"),
        (["dataset=hagrid"], r'name what to fetch.*make download-hagrid GESTURES="like dislike".*like \(42\.2 GiB\)'),
        (["dataset=hagrid", "parts=[wave]"], "hagrid has no 'wave'. There are like"),
        (["dataset=hands", "variant=512"], "downloads.variant is 512; hands has full"),
    ],
)
def test_a_wrong_wish_is_answered_with_what_there_is(plan: Planner, wishes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(*wishes)


def test_sizes_are_read_as_people_write_them() -> None:
    assert (size_in_bytes("1.5 GiB"), size_in_bytes("28 MB"), size_in_bytes(7), size_in_bytes(None)) == (
        1610612736,
        28_000_000,
        7,
        0,
    )
    with pytest.raises(UserError, match="'lots' is not a size"):
        size_in_bytes("lots")

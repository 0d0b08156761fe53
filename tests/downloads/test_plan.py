from collections.abc import Callable

import pytest
from omegaconf import DictConfig, OmegaConf

from static_gesture_classification.downloads.plan import FileToFetch, choose_files
from static_gesture_classification.downloads.settings import DownloadSettings
from static_gesture_classification.errors import UserError

Configured = Callable[..., DownloadSettings]
Planner = Callable[..., list[FileToFetch]]


@pytest.fixture
def configured(composed: DictConfig) -> Configured:
    def with_wishes(*wishes: str) -> DownloadSettings:
        changes = OmegaConf.from_dotlist([f"download.{wish}" for wish in wishes])
        return DownloadSettings.from_config(OmegaConf.merge(composed, changes))

    return with_wishes


@pytest.fixture
def plan(configured: Configured) -> Planner:
    return lambda *wishes: choose_files(configured(*wishes))


def test_every_dataset_of_the_configuration_can_be_planned(plan: Planner) -> None:
    assert len(plan("dataset=hands")) == 10
    assert len(plan("dataset=digits")) == 1
    assert [item.remote.name for item in plan("dataset=hagrid", "parts=[like,ok]")] == [
        "annotations.zip",
        "like.zip",
        "ok.zip",
    ]
    assert len(plan("dataset=hagrid", "parts=all")) == 35


def test_published_hashes_and_sizes_are_complete_where_the_publisher_has_them(plan: Planner) -> None:
    archives = [item.remote for item in plan("dataset=hands") if item.remote.name.endswith(".zip")]
    assert all(remote.size and len(remote.sha256 or "") == 64 for remote in archives)


def test_annotations_come_alone_if_asked(plan: Planner) -> None:
    (item,) = plan("dataset=hagrid", "variant=annotations")
    assert item.remote.url.endswith("/annotations_with_landmarks/annotations.zip")


def test_the_small_variant_takes_several_gestures_out_of_one_archive(plan: Planner) -> None:
    _, images = plan("dataset=hagrid", "variant=512", "parts=like dislike")
    assert [content.to for content in images.contents.values()] == ["like/{image}", "dislike/{image}"]
    like, dislike = (content.members for content in images.contents.values())
    assert like.fullmatch("HaGRIDv2_dataset_512/like/a.jpg")
    assert not like.fullmatch("HaGRIDv2_dataset_512/dislike/a.jpg")
    assert not like.fullmatch("__MACOSX/like/._a.jpg")
    assert dislike.fullmatch("dislike/a.jpg")


def test_gestures_of_the_vocabulary_stand_for_all_their_labels(plan: Planner) -> None:
    items = plan("dataset=hagrid", "parts=[OKAY,FIVE]")[1:]
    assert [item.remote.name for item in items] == ["ok.zip", "palm.zip", "stop.zip", "stop_inverted.zip"]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ([], r"download\.dataset is None; choose one of hands, hagrid, digits"),
        (["dataset=imagenet"], "download.dataset is imagenet"),
        (["dataset=hagrid"], r'name what to fetch.*make download-hagrid GESTURES="like dislike".*like \(42\.2 GiB\)'),
        (["dataset=hagrid", "parts=[wave]"], "hagrid has no 'wave'. There are like"),
        (["dataset=hands", "variant=512"], "download.variant is 512; hands has full"),
    ],
)
def test_a_wrong_wish_is_answered_with_what_there_is(plan: Planner, wishes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(*wishes)


def test_sizes_are_read_as_people_write_them(plan: Planner) -> None:
    assert [item.bytes for item in plan("dataset=hagrid", "parts=no_gesture")] == [720_000_000, 517_891_686]
    assert [item.bytes for item in plan("dataset=digits", "digits.parts.digits.about=7")] == [7]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("attempts=0", r"download\.attempts is 0; it must be greater than or equal to 1"),
        ("wait=soon", r"download\.wait is 'soon'; it must be a valid number"),
        ("keep_archives=perhaps", r"download\.keep_archives is 'perhaps'; it must be a valid boolean"),
        ("digits.parts.digits.about=lots", r"download\.digits\.parts\.digits\.about is 'lots'; .*such as 1\.5 GiB"),
        ("hands.parts.Subject1.sha256=1", r"download\.hands\.parts\.Subject1\.sha256 is 1; it must match"),
        ("digits.parts_by_default=null", "digits: name what to fetch, or all, as in download.parts=all"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(plan: Planner, wish: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(f"dataset={'hands' if wish.startswith('hands') else 'digits'}", wish)


def dataset_of_ones_own(composed: DictConfig, **file: object) -> DictConfig:
    described = {"name": "KEY.zip", "members": "(?P<image>[^/]+)", "to": "KEY/{image}", "present": ["KEY"], **file}
    own = {
        "page": "https://example.org", "root": "data/own", "record": "downloaded.json", "parts_by_default": "all",
        "server": "https://example.org/data", "parts": {"a": {"url": "${download.own.server}/a.zip"}},
        "variants": {"full": [described]},
    }  # fmt: skip
    config = OmegaConf.create(OmegaConf.to_container(composed))
    return OmegaConf.merge(config, {"download": {"dataset": "own", "own": own}})


def test_a_dataset_of_ones_own_needs_no_code(composed: DictConfig) -> None:
    (item,) = choose_files(DownloadSettings.from_config(dataset_of_ones_own(composed)))
    assert (item.remote.name, item.remote.url) == ("a.zip", "https://example.org/data/a.zip")
    assert item.contents["a"].to == "a/{image}"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            {"members": "("},
            r"download\.own\.variants\.full\.0\.members is '\('; it must be a valid regular",
        ),
        ({"membrs": "x"}, r"download\.own\.variants\.full\.0\.membrs is 'x', but there is no such setting"),
        ({"to": None}, r"download\.own\.variants\.full\.0\.to is None; it must be a valid string"),
    ],
)
def test_a_wrong_description_of_a_file_is_named_with_its_key(
    composed: DictConfig, file: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        DownloadSettings.from_config(dataset_of_ones_own(composed, **file))

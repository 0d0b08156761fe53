import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.active_learning.mining import admit
from static_gesture_classification.active_learning.mining import mine as mining
from static_gesture_classification.active_learning.mining.settings import MiningSettings
from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.images import read_image
from static_gesture_classification.preparation.cutting import cut_hands
from static_gesture_classification.preparation.geometry import crop_square
from static_gesture_classification.preparation.hand_pictures import cut_out
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.samples import subject_of
from static_gesture_classification.sources.recorded import Recorded, Session, read_session
from tests.active_learning.conftest import World, checkpoint


@pytest.fixture(scope="module")
def mined(made_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("mined")
    mining.main.__wrapped__(made_world.config("mining.pool=folder", f"mining.output={output}"))
    return output / "folder"


@pytest.fixture
def review(mined: Path, tmp_path: Path) -> Path:
    """A list of four planned errors, all to be kept."""
    shutil.copytree(mined, tmp_path / "mined")
    return tmp_path / "mined/list.csv"


def listed(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def admitted(world: World, path: Path, *overrides: str) -> dict[str, Session]:
    config = world.config(f"mining.list={path}", *overrides)
    admit.main.__wrapped__(config)
    return {folder.name: read_session(folder) for folder in sorted(Path(config.mining.root).iterdir())}


def test_kept_hands_become_a_recorded_session_with_what_the_model_said(world: World, review: Path) -> None:
    [session] = admitted(world, review).values()
    assert len(session.images) == 4
    assert session.gesture == "TWO"
    assert (session.confusion.gesture, session.confusion.mistaken_for) == ("TWO", "THREE")
    assert session.checkpoint == f"{checkpoint(world)} ({MiningSettings.from_config(world.config()).digest})"
    assert session.split == "train"
    for image in session.images:
        assert (image.prediction, image.kept_because) == ("THREE", "planned error")
        assert 0 < image.score <= 1
        assert image.source == "folder"
        assert image.subject.startswith("folder/new")


def test_session_is_read_by_the_index(world: World, review: Path) -> None:
    admitted(world, review)
    source = Recorded(name="recorded", root=world.config().mining.root)
    samples, rejected = read_sources([source], Vocabulary.from_config(world.config()))
    assert len(samples) == 4
    assert rejected.empty
    assert set(samples["gesture"]) == {"TWO"}
    assert samples["subject"].nunique() == 2 == samples["session"].nunique()
    assert set(subject_of(samples)) <= {f"folder/new{number}" for number in range(1, 5)}  # who they are in the pool


def test_cut_out_hand_gives_the_crop_that_the_whole_picture_gives(tmp_path: Path, photographs: Path) -> None:
    path = sorted((photographs / "hagrid_mini/like").glob("*.jpg"))[0]
    pixels = read_image(path)
    box = (0.5, 0.38, 0.6, 0.55)
    cut = cut_out(pixels, box, None, 0.5)
    own = crop_square(cut.pixels, cut.box, 96, 0.15)
    [whole], _ = cut_hands(path, np.array([box]), 96, 0.15)
    assert np.abs(own.astype(int) - whole).max() <= 1


def test_only_what_is_kept_joins_as_what_the_reviewer_says(world: World, review: Path) -> None:
    table = listed(review)
    table["keep"] = ["yes", "no", "", "x"]
    table.loc[3, ["gesture", "subject"]] = ["ONE", "anna"]
    table.iloc[::-1].to_csv(review, index=False, sep="\t")
    [session] = admitted(world, review).values()
    images = {image.file: image for image in session.images}
    assert set(images) == {f"{table['sample_id'][row]}.jpg" for row in (0, 3)}
    assert {image.gesture or session.gesture for image in session.images} == {"ONE", "TWO"}
    assert images[f"{table['sample_id'][3]}.jpg"].kept_because == "error"  # not the planned one any more


def test_what_the_model_knows_by_now_stays_out(world: World, review: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = listed(review)
    table["gesture"] = "THREE"  # which is what the model says, and is sure of
    table.to_csv(review, index=False)
    config = world.config(f"mining.list={review}")
    admit.main.__wrapped__(config)
    assert "Nothing joins" in capsys.readouterr().out
    assert not Path(config.mining.root).exists()


def test_same_list_gives_the_same_folder_and_nothing_twice(world: World, review: Path) -> None:
    [name] = admitted(world, review)
    with pytest.raises(UserError, match="all 4 hands of this list are in"):
        admitted(world, review)
    again = admitted(world, review, f"mining.root={Path(world.config().mining.root).with_name('second')}")
    assert list(again) == [name]


def test_hands_admitted_before_are_not_added_again(world: World, review: Path) -> None:
    table = listed(review)
    table.assign(keep=["yes", "yes", "", ""]).to_csv(review, index=False)
    admitted(world, review)
    table.to_csv(review, index=False)
    sessions = admitted(world, review)
    assert sorted(len(session.images) for session in sessions.values()) == [2, 2]
    files = [image.file for session in sessions.values() for image in session.images]
    assert len(set(files)) == 4


def test_people_are_held_out_whole_where_a_share_is_asked_for(world: World, review: Path) -> None:
    sessions = admitted(world, review, "mining.held_out=0.5").values()
    subjects = {session.split: {image.subject for image in session.images} for session in sessions}
    assert subjects.keys() == {"train", "val"}
    assert not subjects["train"] & subjects["val"]
    [val] = [session for session in sessions if session.split == "val"]
    assert {image.kept_because for image in val.images} == {"held out"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("keep", "maybe", "line 2: keep is 'maybe'"),
        ("gesture", "", "line 2: '' is not in the vocabulary"),
        ("gesture", "WAVE", "line 2: 'WAVE' is not in the vocabulary"),
        ("sample_id", "0" * 24, "line 2: no such hand"),
    ],
)
def test_line_that_cannot_be_understood_is_named(
    world: World, review: Path, column: str, value: str, message: str
) -> None:
    table = listed(review)
    table.loc[0, column] = value
    table.to_csv(review, index=False)
    with pytest.raises(DataError, match=message):
        admitted(world, review)


def test_hand_that_is_said_to_show_two_gestures_is_an_error(world: World, review: Path) -> None:
    table = listed(review)
    pd.concat([table, table.iloc[:1].assign(gesture="ONE")]).to_csv(review, index=False)
    with pytest.raises(DataError, match=r"line 6: hand .* is kept as TWO and as ONE"):
        admitted(world, review)


def test_list_that_is_no_list_is_said_so(world: World, review: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the list"):
        admit.main.__wrapped__(world.config())
    with pytest.raises(DataError, match="no list of mined hands"):
        admitted(world, tmp_path / "nowhere.csv")
    listed(review).drop(columns="mistaken_for").to_csv(review, index=False)
    with pytest.raises(DataError, match="lacks the columns mistaken_for"):
        admitted(world, review)


def test_list_that_keeps_nothing_is_said_so(world: World, review: Path) -> None:
    listed(review).assign(keep="no").to_csv(review, index=False)
    with pytest.raises(UserError, match="keeps no hand"):
        admitted(world, review)


def test_images_that_are_gone_are_said_so(world: World, review: Path) -> None:
    (review.parent / "candidates.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"candidates.parquet is not a readable"):
        admitted(world, review)


def test_place_that_cannot_be_written_leaves_no_session(world: World, review: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a part of this path is a file"):
        admitted(world, review, f"mining.root={tmp_path / 'file'}")

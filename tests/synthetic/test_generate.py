import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import simplejpeg

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.synthetic.dataset import Picture, SyntheticDataset, take
from static_gesture_classification.synthetic.generate import generate, is_complete, write_empty

Make = Callable[..., SyntheticDataset]


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(dataset: SyntheticDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "hands of 手"
    assert generate(dataset, root) == 33
    return root


def test_it_is_read_by_the_hagrid_source(written: Path, dataset: SyntheticDataset, config: Any):
    source = hydra.utils.instantiate(config.sources.synthetic, name="synthetic", root=str(written))
    batches = list(source.read(Vocabulary(dataset.vocabulary.names, "BACKGROUND")))
    rows = [row for batch in batches for row in batch.table.to_pylist()]
    assert len(rows) == 33
    assert not any(batch.rejected for batch in batches)
    assert {row["gesture"] for row in rows} == set(dataset.vocabulary.names)
    assert all(len(row["landmarks"]) == 42 for row in rows)
    assert {row["hand"] for row in rows} == {"left", "right"}


def test_pictures_have_the_size_that_is_configured(written: Path):
    for path in written.glob("*/*.jpg"):
        assert simplejpeg.decode_jpeg_header(path.read_bytes())[:2] == (64, 64)


def test_no_person_is_on_two_sides_of_the_split(written: Path):
    people = {split: set() for split in ("train", "val", "test")}
    for path in written.glob("annotations/*/*.json"):
        people[path.parent.name] |= {entry["user_id"] for entry in json.loads(path.read_text()).values()}
    assert all(people.values())
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 3  # three of each gesture


def test_a_repeated_run_takes_nothing(written: Path, dataset: SyntheticDataset):
    before = contents(written)
    assert generate(dataset, written) == 0
    assert contents(written) == before


def test_an_interrupted_run_goes_on_to_the_same_bytes(written: Path, dataset: SyntheticDataset, tmp_path: Path):
    """As a kill leaves it: some pictures, one half written, and no annotations."""
    root = tmp_path / "hands"
    whole = contents(written)
    kept = [name for name in whole if name.endswith(".jpg")][::3]
    for name in kept:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(whole[name])
    (root / kept[0]).with_name(".half.jpg.partial").write_bytes(b"\xff\xd8")
    (root / "synthetic.json").write_text('{"digest": "", "images": 0}')
    assert generate(dataset, root) == 33 - len(kept)
    assert contents(root) == whole


def test_a_changed_pose_replaces_its_gestures_pictures_alone(written: Path, make_dataset: Make, tmp_path: Path):
    root = tmp_path / "hands"
    shutil.copytree(written, root)
    changed = make_dataset(poses={"ONE": [{"fingers": "curled", "view": "palm"}]})
    assert generate(changed, root) == 3
    assert {path.stem for path in root.glob("ONE/*.jpg")} == {changed.name(Picture("ONE", k)) for k in range(3)}
    assert len(list(root.glob("*/*.jpg"))) == 33


def test_fewer_pictures_leave_none_behind(written: Path, make_dataset: Make, tmp_path: Path):
    root = tmp_path / "hands"
    shutil.copytree(written, root)
    fewer = make_dataset(("BACKGROUND", "ONE"), images=9)
    assert generate(fewer, root) == 0
    assert sorted(path.name for path in root.iterdir()) == ["BACKGROUND", "ONE", "annotations", "synthetic.json"]
    assert len(list(root.glob("*/*.jpg"))) == 9
    assert len(list(root.glob("annotations/*/*.json"))) == 6


@pytest.mark.concurrent
def test_processes_do_not_show_in_the_result(written: Path, make_dataset: Make, tmp_path: Path):
    in_parallel = make_dataset(n_jobs=2)
    generate(in_parallel, tmp_path / "hands")
    assert contents(tmp_path / "hands") == contents(written)


def test_a_folder_with_something_else_is_left_alone(dataset: SyntheticDataset, tmp_path: Path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="not written by the generator"):
        generate(dataset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_without_the_source_the_dataset_is_empty_but_there(written: Path, dataset: SyntheticDataset, tmp_path: Path):
    root = tmp_path / "hands"
    shutil.copytree(written, root)
    write_empty(root)
    assert sorted(path.name for path in (root / "annotations").iterdir()) == ["test", "train", "val"]
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["synthetic.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 0}, "synthetic.images is 0"),
        ({"size": 8}, "synthetic.size is 8; it must be .*64"),
        ({"size": 1025}, "1024"),
        ({"variety": 1.1}, "synthetic.variety is 1.1"),
        ({"quality": [90, 50]}, "synthetic.quality is .*least, greatest"),
        ({"quality": [50, 101]}, "synthetic.quality.1 is 101"),
        ({"val": 0.3, "test": 0.7}, r"synthetic.test is 0.7; it and val \(0.3\) must be below 1"),
        ({"subjects": 2}, "synthetic.subjects is 2; it must be 3 or more"),
        ({"subjects": 1, "val": 0}, "synthetic.subjects is 1; it must be 2 or more"),
        ({"background_times": 0}, "synthetic.background_times is 0"),
        ({"n_jobs": 0}, "synthetic.n_jobs is 0"),
        ({"images": 9}, "9 synthetic hands for 10 gestures"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make_dataset: Make, changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        make_dataset(**changes)


def test_gestures_take_turns_and_the_background_has_more(make_dataset: Make):
    dataset = make_dataset(images=23, background_times=3)
    first = [picture.gesture for picture in dataset.pictures[:12]]
    assert sorted(first) == sorted((*dataset.vocabulary, "BACKGROUND", "BACKGROUND"))
    counts = {gesture: sum(p.gesture == gesture for p in dataset.pictures) for gesture in dataset.vocabulary}
    assert counts["BACKGROUND"] == 5
    assert all(1 <= counts[gesture] <= 2 for gesture in counts if gesture != "BACKGROUND")
    assert len(set(dataset.pictures)) == 23


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"n_jobs": 3}, True),
        ({"contact_sheet": "x.jpg"}, True),
        *(
            ({name: value}, False)
            for name, value in {"seed": 8, "size": 65, "variety": 0.5, "quality": (71, 95)}.items()
        ),
    ],
)
def test_what_changes_a_picture_changes_its_name_and_the_digest(
    make_dataset: Make, dataset: SyntheticDataset, changes: dict[str, Any], same: bool
):
    changed = make_dataset(**changes)
    assert (changed.digest == dataset.digest) == same
    assert (changed.name(Picture("ONE", 0)) == dataset.name(Picture("ONE", 0))) == same


def test_other_shares_or_more_pictures_of_the_same_people_change_the_digest_and_no_name(make_dataset: Make):
    usual = make_dataset(images=90)
    for changed in (make_dataset(images=91), make_dataset(images=90, val=0.3)):
        assert changed.name(Picture("ONE", 0)) == usual.name(Picture("ONE", 0))
        assert changed.digest != usual.digest


def test_names_are_hashes_that_differ_and_look_like_hagrids(dataset: SyntheticDataset):
    names = {dataset.name(picture) for picture in dataset.pictures}
    assert len(names) == len(dataset.pictures)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in names)


def test_the_shares_of_people_are_held_out_evenly(make_dataset: Make):
    splits = make_dataset(images=1100, subjects=100, val=0.1, test=0.2).splits
    assert [splits.count(name) for name in ("train", "val", "test")] == [70, 10, 20]
    assert splits[:50].count("test") in range(8, 13)
    assert make_dataset(subjects=1, val=0, test=0).splits == ("train",)
    assert sorted(make_dataset(subjects=3, val=0.45, test=0.54).splits) == ["test", "test", "train"]  # somebody trains


def test_people_differ_by_seed_and_number_and_are_the_same_each_time(make_dataset: Make, dataset: SyntheticDataset):
    ids = [make_dataset(seed=seed).draw_subject(number).user_id for seed in (0, 1) for number in (0, 1)]
    assert len(set(ids)) == 4
    assert repr(dataset.draw_subject(1)) == repr(dataset.draw_subject(1))


def test_annotations_are_of_the_picture_with_their_name(written: Path, dataset: SyntheticDataset):
    hand, _ = dataset.draw_hand(Picture("OKAY", 1))
    (found,) = [
        entries[dataset.name(Picture("OKAY", 1))]
        for entries in map(json.loads, (path.read_text() for path in written.glob("annotations/*/OKAY.json")))
        if dataset.name(Picture("OKAY", 1)) in entries
    ]
    assert found["labels"] == ["OKAY"]
    assert found["leading_hand"] == hand.handedness
    assert found["user_id"] == hand.subject.user_id
    np.testing.assert_allclose(found["bboxes"][0], hand.box, atol=1e-6)
    np.testing.assert_allclose(found["hand_landmarks"][0], hand.landmarks, atol=1e-6)


def test_the_files_show_the_pictures(written: Path, dataset: SyntheticDataset):
    picture = Picture("FIVE", 0)
    seen = simplejpeg.decode_jpeg((written / dataset.file(picture)).read_bytes(), "RGB")
    assert np.abs(seen.astype(int) - dataset.photograph(picture)).mean() < 8


def test_files_are_smaller_at_less_quality(written: Path, make_dataset: Make):
    low = make_dataset(quality=(5, 5))
    ((taken, jpeg),) = take(low, [(Picture("FIVE", 0), True)])
    assert taken.is_new
    usual = make_dataset().file(taken.picture)
    assert len(jpeg) < 0.6 * (written / usual).stat().st_size


def test_a_removed_picture_or_annotation_makes_the_dataset_incomplete(
    written: Path, dataset: SyntheticDataset, tmp_path: Path
):
    root = tmp_path / "hands"
    shutil.copytree(written, root)
    assert is_complete(dataset, root)
    for lost in ("ONE/*.jpg", "annotations/val/ONE.json"):
        path = next(root.glob(lost))
        data = path.read_bytes()
        path.unlink()
        assert not is_complete(dataset, root)
        path.write_bytes(data)


def test_the_command_says_so_when_the_sources_leave_synthetic_hands_out(project: Path, tmp_path: Path):
    command = [sys.executable, "-m", "static_gesture_classification.synthetic.generate", "sources=[hagrid]"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(project)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "none, because `sources` leaves them out" in done.stdout
    assert sorted(path.name for path in (tmp_path / "data/synthetic/annotations").iterdir()) == ["test", "train", "val"]


@pytest.mark.parametrize(
    "least",
    [
        {"images": 10, "background_times": 1},
        {"subjects": 1, "val": 0, "test": 0},
        {"quality": (1, 1)},
        {"variety": 0},
        {"variety": 1},
    ],
)
def test_the_least_of_every_setting_gives_pictures(make_dataset: Make, least: dict[str, Any], tmp_path: Path):
    dataset = make_dataset(**{"images": 11, **least})
    assert generate(dataset, tmp_path / "hands") == len(dataset.pictures)


def test_a_person_shows_every_gesture(make_dataset: Make):
    dataset = make_dataset(images=33, subjects=2, val=0.5, test=0)
    people = {
        gesture: {dataset.draw_hand(Picture(gesture, k))[0].subject.number for k in range(3)}
        for gesture in ("ONE", "FIST")
    }
    assert people == {"ONE": {0, 1}, "FIST": {0, 1}}


def test_a_first_run_that_fails_leaves_a_folder_that_the_next_one_takes(
    dataset: SyntheticDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "hands"
    with monkeypatch.context() as patch:
        patch.setattr("static_gesture_classification.synthetic.dataset.photograph", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            generate(dataset, root)
    assert not is_complete(dataset, root)
    assert generate(dataset, root) == len(dataset.pictures)

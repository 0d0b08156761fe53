import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
import simplejpeg

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.synthetic.generate import generate, write_empty
from static_gesture_classification.synthetic.plan import Picture, Plan

Composed = Callable[..., Any]


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def dataset(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "hands of 手"
    assert generate(plan, root) == 33
    return root


def test_it_is_read_by_the_hagrid_source(dataset: Path, plan: Plan, composed: Composed):
    config = composed().sources.synthetic
    source = hydra.utils.instantiate(config, name="synthetic", root=str(dataset))
    batches = list(source.read(Vocabulary(plan.gestures, "BACKGROUND")))
    rows = [row for batch in batches for row in batch.table.to_pylist()]
    assert len(rows) == 33
    assert not any(batch.rejected for batch in batches)
    assert {row["gesture"] for row in rows} == set(plan.gestures)
    assert all(len(row["landmarks"]) == 42 for row in rows)
    assert {row["hand"] for row in rows} == {"left", "right"}


def test_pictures_have_the_size_that_is_configured(dataset: Path):
    for path in dataset.glob("*/*.jpg"):
        assert simplejpeg.decode_jpeg_header(path.read_bytes())[:2] == (64, 64)


def test_no_person_is_on_two_sides_of_the_split(dataset: Path):
    people = {split: set() for split in ("train", "val", "test")}
    for path in dataset.glob("annotations/*/*.json"):
        people[path.parent.name] |= {entry["user_id"] for entry in json.loads(path.read_text()).values()}
    assert all(people.values())
    assert sum(map(len, people.values())) == len(set.union(*people.values())) == 3  # three of each gesture


def test_a_repeated_run_takes_nothing(dataset: Path, plan: Plan):
    before = contents(dataset)
    assert generate(plan, dataset) == 0
    assert contents(dataset) == before


def test_an_interrupted_run_goes_on_to_the_same_bytes(dataset: Path, plan: Plan, tmp_path: Path):
    """As a kill leaves it: some pictures, one half written, and no annotations."""
    root = tmp_path / "hands"
    whole = contents(dataset)
    kept = [name for name in whole if name.endswith(".jpg")][::3]
    for name in kept:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(whole[name])
    (root / kept[0]).with_name(".half.jpg.partial").write_bytes(b"\xff\xd8")
    (root / "synthetic.json").write_text('{"digest": "", "images": 0}')
    assert generate(plan, root) == 33 - len(kept)
    assert contents(root) == whole


def test_a_changed_pose_replaces_its_gestures_pictures_alone(dataset: Path, composed: Composed, tmp_path: Path):
    root = tmp_path / "hands"
    for name, data in contents(dataset).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    changed = Plan.from_config(composed("poses.gestures.ONE=[{fingers: curled, view: palm}]"))
    assert generate(changed, root) == 3
    assert {path.stem for path in root.glob("ONE/*.jpg")} == {changed.name(Picture("ONE", k)) for k in range(3)}
    assert len(list(root.glob("*/*.jpg"))) == 33


def test_fewer_pictures_leave_none_behind(dataset: Path, composed: Composed, tmp_path: Path):
    root = tmp_path / "hands"
    for name, data in contents(dataset).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    fewer = Plan.from_config(composed("gestures.names=[BACKGROUND,ONE]", "synthetic.images=9"))
    assert generate(fewer, root) == 0
    assert sorted(path.name for path in root.iterdir()) == ["BACKGROUND", "ONE", "annotations", "synthetic.json"]
    assert len(list(root.glob("*/*.jpg"))) == 9
    assert len(list(root.glob("annotations/*/*.json"))) == 6


@pytest.mark.concurrent
def test_processes_do_not_show_in_the_result(dataset: Path, composed: Composed, tmp_path: Path):
    in_parallel = Plan.from_config(composed("synthetic.n_jobs=2"))
    generate(in_parallel, tmp_path / "hands")
    assert contents(tmp_path / "hands") == contents(dataset)


def test_a_folder_with_something_else_is_left_alone(plan: Plan, tmp_path: Path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="not written by the generator"):
        generate(plan, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_without_the_source_the_dataset_is_empty_but_there(dataset: Path, plan: Plan, tmp_path: Path):
    root = tmp_path / "hands"
    for name, data in contents(dataset).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    write_empty(root)
    assert sorted(path.name for path in (root / "annotations").iterdir()) == ["test", "train", "val"]
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["synthetic.json"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("synthetic.images=3", "synthetic.images is 3"),
        ("synthetic.size=8", "synthetic.size is 8"),
        ("synthetic.quality=[90,50]", "synthetic.quality"),
        ("synthetic.val=0.9", "together they must be below 1"),
        ("synthetic.people=2", "synthetic.people is 2"),
        ("gestures.names=[BACKGROUND,WAVE]", "no poses for WAVE"),
    ],
)
def test_settings_that_make_no_sense_are_refused(composed: Composed, override: str, message: str):
    with pytest.raises(UserError, match=message):
        Plan.from_config(composed(override))


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
        ("synthetic.images=11", "synthetic.background_times=1"),
        ("synthetic.people=1", "synthetic.val=0", "synthetic.test=0"),
        ("synthetic.quality=[1,1]",),
        ("synthetic.variety=0",),
        ("synthetic.variety=1",),
    ],
)
def test_the_least_of_every_setting_gives_pictures(composed: Composed, least: tuple[str, ...], tmp_path: Path):
    plan = Plan.from_config(composed("synthetic.images=13", *least))
    assert generate(plan, tmp_path / "hands") == len(plan.pictures)

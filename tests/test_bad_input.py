"""Bad input, kind by kind, given to the pipeline's commands: what they say, how they end, and what stays as it was.

The modules' own tests look into the details; these see what a user sees.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.support.stage_commands import LABELS, STAGES, SUBJECTS, Outcome, digests, inside, run, save_photographs

RESULTS = {
    "index": ["data/index"],
    "crops": ["data/crops"],
    "split": ["data/splits"],
    "train": ["models", "runs"],
    "evaluate": ["reports"],
}
OUTPUT = {  # the override that says where a stage writes
    "index": "paths.index",
    "crops": "paths.crops",
    "split": "paths.splits",
    "train": "paths.models",
    "evaluate": "output",
}
Stage = Callable[..., Outcome]


@pytest.fixture(scope="module")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the whole pipeline has run on good photographs."""
    folder = tmp_path_factory.mktemp("finished")
    with inside(folder):
        save_photographs(Path("photos"))
        for stage in STAGES:
            outcome = run(stage, project=project)
            assert outcome.status == 0, outcome.printed
    return folder


@pytest.fixture
def workplace(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it to do harm in, as the current folder."""
    folder = tmp_path / "a place"
    shutil.copytree(finished, folder)
    with inside(folder):
        yield folder


@pytest.fixture
def stage(project: Path) -> Stage:
    def run_stage(name: str, *overrides: str) -> Outcome:
        return run(name, *overrides, project=project)

    return run_stage


@pytest.fixture
def refused(stage: Stage, workplace: Path) -> Callable[..., str]:
    """Run a stage that must fail with a message and leave everything as it was; returns the message."""

    def run_refused(name: str, *overrides: str) -> str:
        results = [Path(folder) for folders in RESULTS.values() for folder in folders]
        before = digests(*results)
        outcome = stage(name, *overrides)
        assert outcome.status == 1, outcome.printed
        assert "Traceback" not in outcome.printed
        assert digests(*results) == before
        return outcome.printed[outcome.printed.index("error: ") :]

    return run_refused


Refused = Callable[..., str]


def edited(path: Path, edit: Callable[[dict], object]) -> None:
    """Change the entries of an annotation file."""
    entries = json.loads(path.read_text())
    edit(entries)
    path.write_text(json.dumps(entries))


LIKE = Path("photos/annotations/train/like.json")


def test_an_empty_root(refused: Refused) -> None:
    Path("empty").mkdir()
    message = refused("index", "sources.hagrid.root=empty")
    assert "source hagrid: empty is empty; set sources.hagrid.root" in message
    assert "make download-hagrid" in message


def test_a_missing_annotations_folder(refused: Refused) -> None:
    shutil.rmtree("photos/annotations")
    message = refused("index")
    assert "no HaGRID annotations in photos/annotations/{train,val,test}/<gesture>.json" in message
    assert "make download-hagrid" in message


def test_truncated_json(refused: Refused) -> None:
    LIKE.write_text(LIKE.read_text()[:-20])
    message = refused("index")
    assert "photos/annotations/train/like.json is not whole JSON" in message
    assert "fetch it again" in message


def test_pictures_that_are_truncated_empty_something_else_or_too_small(refused: Refused, stage: Stage) -> None:
    ada, bo, chloe, dan = (Path(f"photos/like/{name}-like.jpg") for name in SUBJECTS["train"])
    ada.write_bytes(ada.read_bytes()[:400])
    bo.write_bytes(b"")
    chloe.write_text("<html>not found</html>")
    Image.new("RGB", (1, 1)).save(dan)
    message = refused("crops")
    assert "4 of 80" in message
    assert all(str(path) in message for path in (ada, bo, chloe, dan))
    assert "crops.max_rejected_share" in message
    outcome = stage("crops", "crops.max_rejected_share=0.05")
    assert outcome.status == 0
    assert set(pd.read_csv("data/crops/rejected.csv")["file"]) == set(map(str, (ada, bo, chloe, dan)))


def test_boxes_outside_the_image_without_an_area_or_not_numbers(refused: Refused, stage: Stage) -> None:
    boxes = {
        "ada": [0.8, 0.2, 0.6, 0.6],
        "bo": [-0.5, 0.2, 0.6, 0.6],
        "chloe": [0.2, 0.2, 0.0, 0.6],
        "dan": [float("nan"), 0.2, 0.6, 0.6],
    }
    edited(LIKE, lambda entries: [entries[f"{name}-like"].update(bboxes=[box]) for name, box in boxes.items()])
    message = refused("index")
    assert "4 of 80 entries are bad" in message
    lines = [line for line in message.splitlines() if line.startswith("  hagrid: ")]
    assert [line.split()[1] for line in lines] == [f"like/{name}-like.jpg," for name in boxes]
    for line, reason in zip(lines, ("outside", "outside", "area", "number"), strict=True):
        assert reason in line
    assert "index.max_rejected_share" in message
    assert stage("index", "index.max_rejected_share=0.05").status == 0
    assert len(pd.read_csv("data/index/rejected.csv")) == 4


def test_an_unknown_label(refused: Refused, stage: Stage) -> None:
    edited(LIKE, lambda entries: entries["ada-like"].update(labels=["wave"]))
    message = refused("index")
    assert "photos: unknown label 'wave' (1 hand in annotations/train/like.json)" in message
    way_out = "++sources.hagrid.labels={wave: ignore}"
    assert way_out in message
    assert stage("index", way_out).status == 0


def test_two_sources_with_the_same_image(stage: Stage, workplace: Path) -> None:
    shutil.copytree("photos/like", "more/THUMBS_UP")
    both = ("sources=[hagrid,folder]", "sources.folder.root=more")
    assert stage("index", *both).status == 0
    repeated = pd.read_csv("data/index/rejected.csv")
    assert len(repeated) == 8
    assert repeated["reason"].str.contains("hagrid").all()
    assert pd.read_parquet("data/index/samples.parquet")["source"].unique().tolist() == ["hagrid"]


def test_names_with_spaces_and_other_letters(stage: Stage, workplace: Path) -> None:
    people = {split: [f"名前 {name} größe" for name in names] for split, names in SUBJECTS.items()}
    save_photographs(Path("фото рук, 100 % [neu]"), people)
    shutil.rmtree("data")
    shutil.copy("models/trained.ckpt", "мой = 1.ckpt")
    for name in ("index", "crops", "split"):
        outcome = stage(name, "sources.hagrid.root=фото рук, 100 % [neu]")
        assert outcome.status == 0, outcome.printed
    outcome = stage("evaluate", "evaluate.checkpoint=мой = 1.ckpt", "evaluate.output=отчёт")
    assert outcome.status == 0, outcome.printed
    images = pd.read_parquet("отчёт/predictions/test.parquet")["image"]
    assert set(images) == {f"{label}/{name}-{label}.jpg" for name in people["test"] for label in LABELS}


@pytest.mark.parametrize(("name", "output"), [*OUTPUT.items(), ("train", "paths.runs")])
def test_an_output_folder_that_is_a_file(refused: Refused, name: str, output: str) -> None:
    Path("file").write_text("kept")
    message = refused(name, f"{output}=file/here")
    assert "cannot write file/here" in message
    assert "is a file, not a folder; choose another output folder" in message
    assert Path("file").read_text() == "kept"


IN_A_NAMESPACE = """
import subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.stage_commands import digests, run

def try_all(state):
    for command in sys.argv[2:]:
        stage, output, *more = command.split()
        outcome = run(stage, output, *more, project=Path(sys.argv[1]))
        error = outcome.printed[outcome.printed.find("error: "):].strip()
        calm = "Traceback" not in outcome.printed and digests(Path("results")) == before
        print(state, stage, output.split("=")[1], outcome.status, calm, error, sep="\\t")

with open("results/filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
before = digests(Path("results"))
try_all("the disk is full")
subprocess.run(["mount", "-o", "remount,ro", "results"], check=True)
try_all("the file system is read-only")
"""


@pytest.mark.full
def test_a_full_disk_and_a_read_only_folder(project: Path, workplace: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("a small file system of its own needs unshare -rm, which is not permitted here")
    commands = [f"{name} {output}=results/{name}" for name, output in OUTPUT.items()]
    commands[1] += " crops.margin=0.3"  # so that there is something to do
    commands.append("train paths.runs=results/runs train_hyperparams.fresh=true")
    Path("results").mkdir()
    copies = [f"cp -r {folders[0]} results/{name}" for name, folders in RESULTS.items()]
    script = " && ".join(["mount -t tmpfs -o size=120m none results", *copies, 'exec "$@"'])
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", IN_A_NAMESPACE, str(project), *commands],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 5]
    assert len(lines) == 2 * len(commands), done.stdout
    for reason, name, output, status, calm, error in lines:
        assert (status, calm) == ("1", "True"), (reason, name, output, error)
        assert f"cannot write {output}" in error
        assert reason in error


def test_one_gesture_without_a_single_sample(refused: Refused, stage: Stage, workplace: Path) -> None:
    for path in Path("photos/annotations").glob("*/ok.json"):
        path.unlink()
    outcome = stage("index")
    assert outcome.status == 0
    assert "warning: no sample shows OKAY" in outcome.printed
    for name in ("crops", "split"):
        assert stage(name).status == 0
    message = refused("train")
    assert "the train split has no sample of OKAY" in message
    assert "take it out of conf/gestures/" in message


def test_one_person_only(refused: Refused, stage: Stage) -> None:
    for path in Path("photos/annotations").glob("*/*.json"):
        entries = json.loads(path.read_text())
        path.write_text(json.dumps({name: entry for name, entry in entries.items() if name.startswith("ada")}))
    assert stage("index").status == 0
    assert stage("crops").status == 0
    assert "set split.respect_official=false" in refused("split")
    message = refused("split", "split.respect_official=false")
    assert "1 person" in message


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_checkpoint_that_is_none(refused: Refused, content: bytes | None) -> None:
    if content is not None:
        Path("other.ckpt").write_bytes(content)
    message = refused("evaluate", "evaluate.checkpoint=other.ckpt")
    assert "other.ckpt" in message


@pytest.mark.parametrize(
    ("name", "missing"), [("crops", "data/index"), ("split", "data/crops"), ("train", "data/splits")]
)
def test_a_stage_before_the_one_it_needs(refused: Refused, name: str, missing: str) -> None:
    shutil.rmtree(missing)
    message = refused(name)
    assert missing in message
    assert "dvc repro" in message


@pytest.mark.parametrize(
    ("name", "damaged"), [("crops", "data/index"), ("split", "data/crops"), ("train", "data/splits")]
)
def test_a_damaged_table_of_the_stage_before(refused: Refused, name: str, damaged: str) -> None:
    table = Path(damaged, "samples.parquet")
    table.write_bytes(table.read_bytes()[:100])
    message = refused(name)
    assert damaged in message
    assert "dvc repro" in message

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from static_gesture_classification.errors import DataError, OutputError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.index import index_sources, print_index_report, read_sources, remarks
from static_gesture_classification.samples import read_samples
from static_gesture_classification.sources.folder import Folder
from static_gesture_classification.sources.recorded_legacy import RecordedLegacy
from static_gesture_classification.sources.source import Source

VOCABULARY = Vocabulary(("NONE", "FIST", "PALM"), "NONE")
FILES = ("counts.csv", "rejected.csv", "report.json", "samples.parquet")


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Folder]:
    """A folder source with so many pictures of each gesture, each picture unlike all others."""

    def folder(name: str, people: Sequence[str] = ("anna", "bo"), **gestures: int) -> Folder:
        for gesture, count in gestures.items():
            for index in range(count):
                path = tmp_path / name / gesture / people[index % len(people)] / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture = Image.new("RGB", (8 + index % 50, 6), (len(gesture), index % 256, len(name)))
                picture.save(path)
        return Folder(name=name, root=str(tmp_path / name))

    return folder


def rejected_in(output: Path) -> list[dict[str, str]]:
    with (output / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pictures_of_which_nobody_knows_who_is_in_them_are_counted_and_said(
    photos: Callable[..., Folder], tmp_path: Path
) -> None:
    source = photos("heap", FIST=3)
    for number in range(2):
        Image.new("RGB", (9, 9 + number), (number, 5, 5)).save(tmp_path / f"heap/FIST/{number}.png")
    report = index_sources([source], VOCABULARY, tmp_path / "index", max_rejected_share=0.01)
    content = report.as_json()["sources"]["heap"]
    assert (content["subjects"], content["samples_of_unknown_people"]) == (2, 2)
    assert any("heap: who is in 2 of the samples is not known" in line for line in remarks(report))
    assert sorted(read_samples(tmp_path / "index/samples.parquet")["subject"])[:2] == ["", ""]


def test_table_and_reports_of_all_sources(photos: Callable[..., Folder], tmp_path: Path) -> None:
    sources = [photos("first", FIST=3, PALM=2), photos("second", people=["chloe"], PALM=4, NONE=1)]
    report = index_sources(sources, VOCABULARY, tmp_path / "index", max_rejected_share=0.01)
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == list(FILES)
    table = read_samples(tmp_path / "index/samples.parquet")
    assert table["source"].tolist() == ["first"] * 5 + ["second"] * 5
    assert report.rows == 10
    content = json.loads((tmp_path / "index/report.json").read_text())
    assert content["sources"]["first"]["gestures"] == {"FIST": 3, "PALM": 2}
    assert content["sources"]["second"]["subjects"] == 1
    with (tmp_path / "index/counts.csv").open(newline="") as file:
        counts = {
            (line["source"], line["gesture"], line["subject"]): int(line["rows"]) for line in csv.DictReader(file)
        }
    assert counts["first", "FIST", "first/anna"] == 2
    assert counts["second", "PALM", "second/chloe"] == 4


def test_table_in_memory_is_the_one_on_disk(photos: Callable[..., Folder], tmp_path: Path) -> None:
    source = photos("first", FIST=3, PALM=2)
    (tmp_path / "first/FIST/anna/0.png").write_bytes(b"")
    index_sources([source], VOCABULARY, tmp_path / "index", max_rejected_share=0.5)
    samples, rejected = read_sources([source], VOCABULARY, max_rejected_share=0.5)
    assert samples.equals(read_samples(tmp_path / "index/samples.parquet"))
    assert rejected.to_dict("records") == rejected_in(tmp_path / "index")
    assert rejected["reason"].tolist() == ["cannot read the image: file is empty"]


def test_same_data_give_the_same_bytes(photos: Callable[..., Folder], tmp_path: Path) -> None:
    sources = [photos("first", FIST=30, PALM=20), photos("second", NONE=10)]
    contents = []
    for output in (tmp_path / "a", tmp_path / "b"):
        index_sources(sources, VOCABULARY, output, max_rejected_share=0.01)
        contents.append([(output / name).read_bytes() for name in FILES])
    assert contents[0] == contents[1]


def test_too_many_bad_entries_fail_with_the_first_ten_and_keep_earlier_results(
    photos: Callable[..., Folder], tmp_path: Path
) -> None:
    source, output = photos("first", FIST=40, PALM=40), tmp_path / "index"
    index_sources([source], VOCABULARY, output, max_rejected_share=0.01)
    earlier = [(output / name).read_bytes() for name in FILES]
    for index in range(12):
        (tmp_path / f"first/FIST/{('anna', 'bo')[index % 2]}/{index}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"12 of 80 entries are bad, .*\(1\.0%\) allows") as failure:
        index_sources([source], VOCABULARY, output, max_rejected_share=0.01)
    assert str(failure.value).count("file is empty") == 10
    assert [(output / name).read_bytes() for name in FILES] == earlier
    assert sorted(path.name for path in output.iterdir()) == list(FILES)


def test_bad_entries_below_the_share_are_listed(photos: Callable[..., Folder], tmp_path: Path) -> None:
    source, output = photos("first", FIST=40, PALM=40), tmp_path / "index"
    (tmp_path / "first/FIST/anna/0.png").write_bytes(b"")
    report = index_sources([source], VOCABULARY, output, max_rejected_share=0.02)
    assert (report.rows, report.bad) == (79, 1)
    assert rejected_in(output) == [
        {
            "source": "first",
            "file": "FIST/anna/0.png",
            "item": "FIST/anna/0.png hand 0",
            "reason": "cannot read the image: file is empty",
        }
    ]


@pytest.mark.parametrize("way", ["same folder", "link", "copy"])
def test_image_that_two_sources_have_is_kept_once(way: str, photos: Callable[..., Folder], tmp_path: Path) -> None:
    first = photos("first", FIST=3)
    if way == "same folder":
        root = tmp_path / "first"
    elif way == "link":
        (root := tmp_path / "linked").symlink_to(tmp_path / "first")
    else:
        shutil.copytree(tmp_path / "first", root := tmp_path / "copied")
        (root / "FIST/anna/0.png").rename(root / "FIST/anna/renamed.png")
    Image.new("RGB", (90, 90)).save(root / "FIST/anna/new.png")
    sources: list[Source] = [first, Folder(name="second", root=str(root))]
    report = index_sources(sources, VOCABULARY, tmp_path / "index", max_rejected_share=0.0)
    table = read_samples(tmp_path / "index/samples.parquet")
    assert table["source"].value_counts().to_dict() == (
        {"first": 4} if way in ("same folder", "link") else {"first": 3, "second": 1}
    )
    assert report.sources[1].repeated == (4 if way in ("same folder", "link") else 3)
    assert {entry["reason"] for entry in rejected_in(tmp_path / "index")} == {"the same image is in source first"}
    assert "second: " in "\n".join(remarks(report))


def test_two_hands_in_one_image_are_kept_and_one_listed_twice_once(
    photos: Callable[..., Folder], tmp_path: Path
) -> None:
    source = photos("first", people=["anna"], FIST=1)
    boxes = ["0.1,0.1,0.4,0.4", "0.5,0.5,0.9,0.9", "0.1,0.1,0.4,0.4"]
    lines = ["image,x1,y1,x2,y2", *(f"FIST/anna/0.png,{box}" for box in boxes)]
    (tmp_path / "first/boxes.csv").write_text("\n".join(lines))
    index_sources([source], VOCABULARY, tmp_path / "index", max_rejected_share=0.0)
    assert read_samples(tmp_path / "index/samples.parquet")["x1"].tolist() == pytest.approx([0.1, 0.5])
    (repeated,) = rejected_in(tmp_path / "index")
    assert repeated["reason"] == "the same image with the same box is listed before"


def test_gesture_without_a_sample_is_a_warning(
    photos: Callable[..., Folder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = index_sources([photos("first", FIST=3, PALM=2)], VOCABULARY, tmp_path / "index", max_rejected_share=0.0)
    assert report.gestures_without_samples == ["NONE"]
    print_index_report(report)
    assert "warning: no sample shows NONE; add some, or shorten gestures.names" in capsys.readouterr().err


def test_one_person_alone_can_be_indexed(photos: Callable[..., Folder], tmp_path: Path) -> None:
    source = photos("first", people=["anna"], FIST=2, PALM=2, NONE=2)
    report = index_sources([source], VOCABULARY, tmp_path / "index", max_rejected_share=0.0)
    assert report.as_json()["sources"]["first"]["subjects"] == 1


def test_no_sample_at_all_is_an_error_that_says_how_to_get_some(tmp_path: Path) -> None:
    usual = str(tmp_path / "recordings")
    absent = RecordedLegacy(name="recorded_legacy", root=usual, usual_root=usual, how_to_get="record some")
    with pytest.raises(DataError, match=r"no source has any sample\n  recorded_legacy: nothing in .*, record some"):
        index_sources([absent], VOCABULARY, tmp_path / "index", max_rejected_share=0.0)


def test_output_folder_that_cannot_be_written_is_an_error_that_says_so(photos: Callable[..., Folder]) -> None:
    with pytest.raises(OutputError, match=r"samples\.parquet: .*choose another output folder"):
        index_sources([photos("first", FIST=2)], VOCABULARY, Path("/sys/kernel/index"), max_rejected_share=0.0)


def test_full_disk_is_an_error_that_keeps_earlier_results(photos: Callable[..., Folder], tmp_path: Path) -> None:
    source, output = photos("first", FIST=3), tmp_path / "index"
    index_sources([source], VOCABULARY, output, max_rejected_share=0.0)
    earlier = (output / "samples.parquet").read_bytes()
    (output / ".samples.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"samples\.parquet: the disk is full; free some space"):
        index_sources([source], VOCABULARY, output, max_rejected_share=0.0)
    assert (output / "samples.parquet").read_bytes() == earlier


def test_stage_prints_what_it_found_and_what_it_left_out(
    photos: Callable[..., Folder], project: Path, tmp_path: Path
) -> None:
    photos("mine", FIST=2)
    command = [sys.executable, "-m", "static_gesture_classification.preparation.index", "sources=[folder,hands]"]
    command += [f"sources.folder.root={tmp_path / 'mine'}", f"sources.hands.usual_root={tmp_path / 'hands'}"]
    command += [f"paths.index={tmp_path / 'index'}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "2 samples" in done.stdout
    assert "hands: left out: nothing in" in done.stdout
    assert 'run "make download-hands", or set sources.hands.root' in done.stdout
    assert "warning: no sample shows BACKGROUND, ONE, TWO" in done.stderr

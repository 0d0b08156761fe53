"""What a source watches: whatever changes the samples that it gives changes its contents."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from static_gesture_classification.errors import DataError
from static_gesture_classification.sources.contents import contents
from static_gesture_classification.sources.folder import Folder
from static_gesture_classification.sources.hagrid import Hagrid


@pytest.fixture
def heap(tmp_path: Path) -> Folder:
    """Three pictures of two gestures, and a table of boxes."""
    for number, gesture in enumerate(("FIST", "FIST", "ONE")):
        (tmp_path / "heap" / gesture).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "heap" / gesture / f"{number}.png")
    (tmp_path / "heap/boxes.csv").write_text("image,x1,y1,x2,y2\n")
    return Folder(name="heap", root=str(tmp_path / "heap"), usual_root=str(tmp_path / "heap"))


def touch(path: Path) -> None:
    """Write a file anew with what it holds, a second later."""
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "ONE/2.png").rename(root / "ONE/3.png"),
        lambda root: (root / "ONE/2.png").unlink(),
        lambda root: shutil.copy(root / "ONE/2.png", root / "FIST/2.png"),
        lambda root: (root / "boxes.csv").write_text("image,x1,y1,x2,y2\nONE/2.png,0,0,1,1\n"),
        lambda root: touch(root / "ONE/2.png"),
    ],
    ids=["renamed", "removed", "added", "grown", "written anew"],
)
def test_a_changed_file_changes_the_contents(heap: Folder, change: Callable[[Path], object]) -> None:
    before = contents(heap)
    assert contents(heap) == before
    change(heap.folder)
    assert contents(heap)["state"] != before["state"]


def test_contents_say_how_many_files_and_bytes_there_are(heap: Folder) -> None:
    sizes = [path.stat().st_size for path in heap.folder.rglob("*") if path.is_file()]
    assert {"files": 4, "bytes": sum(sizes)}.items() <= contents(heap).items()


def test_the_same_files_elsewhere_have_the_same_state(heap: Folder, tmp_path: Path) -> None:
    shutil.copytree(heap.folder, tmp_path / "moved")
    moved = Folder(name="heap", root=str(tmp_path / "moved"))
    assert contents(moved) == contents(heap)


def test_a_source_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    assert contents(Folder(name="heap", root=absent, usual_root=absent))["files"] == 0
    with pytest.raises(DataError, match=r"does not exist; set sources\.heap\.root"):
        contents(Folder(name="heap", root=absent))


def test_links_to_nowhere_and_to_themselves_are_no_error(heap: Folder) -> None:
    (heap.folder / "gone.png").symlink_to("nowhere.png")
    (heap.folder / "ONE" / "again").symlink_to(heap.folder)
    assert contents(heap)["files"] == 4


def test_of_hagrid_annotations_are_watched_and_which_images_there_are_but_not_each_image(
    photographs: Path, tmp_path: Path
) -> None:
    shutil.copytree(photographs / "hagrid_mini", tmp_path / "hagrid")
    source = Hagrid(name="hagrid", root=str(tmp_path / "hagrid"))
    before = contents(source)
    annotations = list((source.folder / "annotations").rglob("*.json"))
    assert before["files"] == len(annotations)
    image = next(source.folder.rglob("like/*.jpg"))
    touch(image)
    assert contents(source) == before
    touch(annotations[0])
    changed = contents(source)
    assert changed != before
    os.utime(image.parent, (0, 0))
    image.unlink()
    assert contents(source) != changed

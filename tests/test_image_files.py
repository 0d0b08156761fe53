import os
from pathlib import Path

import pytest

from static_gesture_classification.file_names import printable
from static_gesture_classification.image_files import describe_others, files_below, is_image

NOT_UTF8 = os.fsdecode(b"caf\xe9.jpg")


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_names_of_images_are_those_of_formats_that_can_be_read(tmp_path: Path) -> None:
    for name in (
        "a.JPG",
        "b.jpeg",
        "c.jfif",
        "d.HEIC",
        "e.heif",
        "f.avif",
        "g.tif",
        "h.tiff",
        "i.gif",
        "j.webp",
        "k.bmp",
    ):
        assert is_image(name), name
    for name in ("a.svg", "b.psd", "c.pdf", "d.cr2", "e.mov", "f.txt", "jpg"):
        assert not is_image(name), name


def test_files_are_told_apart_in_the_order_of_names(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.jpg", "a/z.png", "a/b/c.HEIC", "clip.MOV", "a/notes.txt", "drawing.svg")))
    found = files_below(tmp_path)
    assert found.images == ["a/b/c.HEIC", "a/z.png", "b.jpg"]
    assert found.videos == ["clip.MOV"]
    assert found.not_images == ["a/notes.txt", "clip.MOV", "drawing.svg"]
    assert found.refused == []


def test_what_systems_leave_in_folders_is_not_seen(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.jpg", ".hidden/b.jpg")))
    found = files_below(tmp_path)
    assert not found.images + found.not_images + found.refused


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere/one.jpg", tmp_path / "elsewhere/deep/two.jpg", tmp_path / "here/own.jpg")
    (tmp_path / "here/file.jpg").symlink_to("../elsewhere/one.jpg")
    (tmp_path / "here/folder").symlink_to("../elsewhere")
    assert files_below(tmp_path / "here").images == ["file.jpg", "folder/deep/two.jpg", "folder/one.jpg", "own.jpg"]


def test_loops_of_links_end_and_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "root/like/a.jpg", tmp_path / "root/fist/b.jpg", tmp_path / "other/c.jpg")
    (tmp_path / "root/like/up").symlink_to("..")
    (tmp_path / "root/like/self").symlink_to(".")
    (tmp_path / "root/like/me").symlink_to("me")
    (tmp_path / "root/fist/away").symlink_to("../../other")
    (tmp_path / "other/back").symlink_to("../root/fist")
    (tmp_path / "root/fist/top").symlink_to("../../..")
    found = files_below(tmp_path / "root")
    assert found.images == ["fist/away/c.jpg", "fist/b.jpg", "like/a.jpg"]
    loops = {name for name, reason in found.refused if "lies in" in reason}
    assert loops == {"fist/away/back", "fist/top", "like/self", "like/up"}


def test_label_below_a_root_does_not_reach_its_neighbours_through_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "like/a.jpg", tmp_path / "fist/b.jpg")
    (tmp_path / "like/up").symlink_to("..")
    found = files_below(tmp_path, "like")
    assert found.images == ["like/a.jpg"]
    assert found.refused == [("like/up", "a link to a folder that it lies in; it is not followed")]


def test_label_that_is_a_link_to_its_root_holds_nothing(tmp_path: Path) -> None:
    touch(tmp_path / "like/a.jpg")
    (tmp_path / "all").symlink_to(".")
    found = files_below(tmp_path, "all")
    assert not found.images
    assert [name for name, _ in found.refused] == ["all"]


def test_names_that_are_not_utf8_are_listed_in_a_form_that_prints(tmp_path: Path) -> None:
    touch(tmp_path / "good.jpg")
    os.makedirs(os.fsencode(tmp_path) + b"/gr\xfc\xdfe")  # noqa: PTH103
    for name in (b"caf\xe9.jpg", b"gr\xfc\xdfe/in.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    found = files_below(tmp_path)
    assert found.images == ["good.jpg"]
    assert [name for name, _ in found.refused] == [r"caf\xe9.jpg", r"gr\xfc\xdfe"]
    assert all("not UTF-8 (rename it)" in reason for _, reason in found.refused)


@pytest.mark.parametrize("name", [NOT_UTF8, "half a character \ud83d.jpg", "жест один 👍.png"])
def test_any_name_can_be_printed(name: str) -> None:
    assert printable(name).encode("utf-8")


def test_pipe_that_is_called_an_image_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.jpg")
    touch(tmp_path / "a.jpg")
    found = files_below(tmp_path)
    assert found.images == ["a.jpg"]
    assert found.refused == [("endless.jpg", "no regular file")]


def test_what_is_no_picture_is_counted_by_kind_and_named() -> None:
    names = [*(f"{number}.txt" for number in range(1200)), "a.mov", "README"]
    (line,) = describe_others(sorted(names))
    assert line.startswith("1,202 files are no pictures that can be read (1,200 .txt, ")
    assert "1 .mov" in line
    assert line.endswith("and 1,197 more")
    assert describe_others([]) == []
    assert describe_others(["like/a.svg"]) == ["1 file is no picture that can be read (1 .svg): like/a.svg"]

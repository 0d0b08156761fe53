import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from static_gesture_classification.downloads import disk_space
from static_gesture_classification.downloads.unpacking import open_archive, unpack
from static_gesture_classification.errors import DataError, OutputError

EVERYTHING = re.compile("(?P<path>.+)")


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return path


def tarred(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def unpacked(path: Path, folder: Path, wanted: re.Pattern[str] = EVERYTHING, to: str = "{path}") -> tuple[int, int]:
    with open_archive(path) as archive:
        return unpack(archive, wanted, to, folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("packed", [zipped, tarred])
def test_members_go_where_the_pattern_says(tmp_path: Path, packed: Callable[[Path, dict[str, bytes]], Path]) -> None:
    archive = packed(
        tmp_path / "a", {"top/Dataset/1/a b.JPG": b"one", "top/Dataset/2/ß.JPG": b"two", "top/README": b""}
    )
    wanted = re.compile(r"(?:.*/)?Dataset/(?P<digit>\d)/(?P<image>[^/]+\.JPG)")
    assert unpacked(archive, tmp_path / "out", wanted, "{digit}/{image}") == (2, 6)
    assert files(tmp_path / "out") == {"1/a b.JPG": b"one", "2/ß.JPG": b"two"}


@pytest.mark.parametrize("packed", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../evil", "like/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil", "\\evil"]
)
def test_a_name_that_leads_out_of_the_folder_stops_everything(
    tmp_path: Path, packed: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    archive = packed(tmp_path / "a", {"good.jpg": b"good", name: b"evil"})
    with pytest.raises(DataError, match="leads out of the folder; nothing of it was unpacked"):
        unpacked(archive, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_links_in_a_zip_are_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        link = zipfile.ZipInfo("like")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(tmp_path))
        archive.writestr("like/evil.jpg", b"through the link")
    unpacked(tmp_path / "a", tmp_path / "out")
    assert files(tmp_path) == {"a": (tmp_path / "a").read_bytes(), "out/like/evil.jpg": b"through the link"}
    assert not (tmp_path / "out" / "like").is_symlink()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_left_out(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a", "w") as archive:
        special = tarfile.TarInfo("special")
        special.type, special.linkname = kind, "/etc/passwd"
        archive.addfile(special)
        good = tarfile.TarInfo("good.jpg")
        good.size = 4
        archive.addfile(good, io.BytesIO(b"good"))
    unpacked(tmp_path / "a", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.jpg"]


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "like.zip", {"like/a.jpg": os.urandom(10_000)})
    archive.write_bytes(archive.read_bytes()[:5_000])
    with pytest.raises(DataError, match=r"like\.zip is not a whole archive.*delete it and repeat"):
        unpacked(archive, tmp_path / "out")


def test_a_web_page_in_place_of_an_archive_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "like.zip").write_text("<!doctype html><title>Please log in</title>")
    with pytest.raises(DataError, match="web page"):
        unpacked(tmp_path / "like.zip", tmp_path / "out")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "like.zip", {"like/a.jpg": b"x" * 1000})
    data = bytearray(archive.read_bytes())
    data[500] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"like\.zip is damaged.*like/a\.jpg.*delete it"):
        unpacked(archive, tmp_path / "out")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "bomb.zip", {"like/a.jpg": bytes(300_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"claims to unpack to 300\.0 MB"):
        unpacked(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_that_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "like.zip", {"like/a.jpg": b"x" * 1000})
    monkeypatch.setattr(disk_space, "RESERVE", 10**18)  # the disk as it is, with an impossible wish
    with pytest.raises(OutputError, match=r"unpacking like\.zip needs 1\.0 kB in .* are free; free some space"):
        unpacked(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_unpacked_already_is_not_written_again(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a.jpg": b"first", "b.jpg": b"second"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").write_bytes(b"FIRST")  # whole, by its size
    (tmp_path / "out" / "b.jpg").write_bytes(b"sec")  # cut off by a kill
    assert unpacked(archive, tmp_path / "out")[0] == 2
    assert files(tmp_path / "out") == {"a.jpg": b"FIRST", "b.jpg": b"second"}


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x/a.jpg": b"1", "y/a.jpg": b"2"})
    with pytest.raises(DataError, match=r"two files for a\.jpg: x/a\.jpg and y/a\.jpg"):
        unpacked(archive, tmp_path / "out", re.compile(r".*/(?P<image>[^/]+)"), "{image}")


def test_an_archive_with_another_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x/a.png": b"1"})
    with pytest.raises(DataError, match=r"a\.zip has nothing that looks like .*conf/download"):
        unpacked(archive, tmp_path / "out", re.compile(r".*/(?P<image>[^/]+\.jpg)"), "{image}")

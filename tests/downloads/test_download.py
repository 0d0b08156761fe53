import io
import json
import multiprocessing
import multiprocessing.context
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from static_gesture_classification.downloads import disk_space
from static_gesture_classification.downloads.connection import DownloadError
from static_gesture_classification.downloads.download import download
from static_gesture_classification.downloads.settings import DownloadSettings
from static_gesture_classification.errors import OutputError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.index import read_sources
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.sources.selection import Sources
from tests.support.download_server import Server

Configured = Callable[..., DownloadSettings]
Tree = dict[str, bytes]


def zipped(members: Tree) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def pictures(seed: int, names: list[str], size: int = 20_000) -> Tree:
    random = np.random.default_rng(seed)
    return {name: random.bytes(size) for name in names}


def tree(root: Path) -> Tree:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


LIKE = pictures(1, [f"like/{index}.jpg" for index in range(5)])
OK = pictures(2, [f"ok/{index}.jpg" for index in range(5)])
ANNOTATIONS = {
    f"annotations/{split}/{gesture}.json": b"{}" for split in ("train", "val", "test") for gesture in ("like", "ok")
}
DIGITS = pictures(3, [f"{digit}/IMG_{1118 + digit}.JPG" for digit in range(10)])


@pytest.fixture
def overrides(server: Server, tmp_path: Path) -> list[str]:
    """Everything published by the local server, under the names that the configuration uses."""
    extra = {"annotations/.ipynb_checkpoints/like.json": b"{}", "annotations/README.md": b"", "annotations/": b""}
    server.publish("/hagrid_v2/annotations_with_landmarks/annotations.zip", zipped(extra | ANNOTATIONS))
    for name, images in (("like", LIKE), ("ok", OK)):
        server.publish(f"/hagrid/hagrid_dataset_new_554800/hagrid_dataset/{name}.zip", zipped(images))
    small = {f"HaGRIDv2_dataset_512/{name}": data for name, data in {**LIKE, **OK}.items()}
    server.publish("/hagrid_v2/hagridv2_512.zip", zipped(small))
    digits = {f"Sign-Language-Digits-Dataset-master/Dataset/{name}": data for name, data in DIGITS.items()}
    url = server.publish(
        "/master.zip", zipped({"Sign-Language-Digits-Dataset-master/LICENSE": b""} | digits), ranges=False
    )
    return [
        f"download.hagrid.server={server.address}",
        f"download.hagrid.root={tmp_path}/hagrid",
        f"download.digits.parts.digits.url={url}",
        f"download.digits.root={tmp_path}/digits",
        f"download.hands.root={tmp_path}/hands",
        f"download.hands.files={server.address}/files",
        f"download.mendeley={server.address}/api",
        "download.attempts=3",
        "download.wait=0.01",
    ]


@pytest.fixture
def configured(composed: DictConfig, overrides: list[str]) -> Configured:
    """The settings with further wishes; the sizes are those of what the local server has."""

    def with_wishes(*wishes: str) -> DownloadSettings:
        changes = OmegaConf.from_dotlist([*overrides, *(f"download.{wish}" for wish in wishes)])
        config = OmegaConf.merge(composed, changes)
        hagrid = config.download.hagrid
        for file in (hagrid.annotations, hagrid.variants["512"][1], *hagrid.parts.values()):
            file.about = "1 MB"
        return DownloadSettings.from_config(config)

    return with_wishes


def test_a_gesture_comes_with_its_annotations_where_the_source_looks(configured: Configured, tmp_path: Path) -> None:
    download(configured("dataset=hagrid", "parts=like"))
    found = tree(tmp_path / "hagrid")
    record = json.loads(found.pop("annotations/downloaded.json"))
    assert found == {**LIKE, **ANNOTATIONS}
    assert record["contents"]["like"]["files"] == 5
    assert record["contents"]["like"]["bytes"] == 100_000


def test_a_second_call_fetches_nothing(configured: Configured, server: Server, tmp_path: Path) -> None:
    download(configured("dataset=hagrid", "parts=like"))
    before = tree(tmp_path)
    server.requests.clear()
    download(configured("dataset=hagrid", "parts=like"))
    assert server.requests == []
    assert tree(tmp_path) == before


def test_another_gesture_is_added_and_changes_the_record(
    configured: Configured, server: Server, tmp_path: Path
) -> None:
    download(configured("dataset=hagrid", "parts=like"))
    record = (tmp_path / "hagrid" / "annotations" / "downloaded.json").read_bytes()
    server.requests.clear()
    download(configured("dataset=hagrid", "parts=[like,ok]"))
    assert {path for path, _ in server.requests} == {"/hagrid/hagrid_dataset_new_554800/hagrid_dataset/ok.zip"}
    assert (tmp_path / "hagrid" / "annotations" / "downloaded.json").read_bytes() != record
    assert tree(tmp_path / "hagrid").keys() > {*LIKE, *OK, *ANNOTATIONS}


@pytest.mark.parametrize("ranges", [True, False])
def test_the_record_and_the_files_do_not_depend_on_the_way(
    configured: Configured, server: Server, tmp_path: Path, ranges: bool
) -> None:
    download(configured("dataset=hagrid", "parts=[like,ok]", f"hagrid.root={tmp_path}/undisturbed"))
    for published in server.files.values():
        published.ranges, published.cuts = ranges, [7_000, 30_000]
    download(configured("dataset=hagrid", "parts=[like,ok]", f"hagrid.root={tmp_path}/cut"))
    assert tree(tmp_path / "cut") == tree(tmp_path / "undisturbed")


def test_the_small_variant_costs_only_the_bytes_of_the_gesture(
    configured: Configured, server: Server, tmp_path: Path
) -> None:
    server.files["/hagrid_v2/hagridv2_512.zip"].pause = 0.001  # so that what is not asked for is not sent either
    download(configured("dataset=hagrid", "parts=ok", "variant=512"))
    assert {name: data for name, data in tree(tmp_path / "hagrid").items() if name.endswith(".jpg")} == OK
    assert not (tmp_path / "hagrid" / ".download").exists()


def test_a_gesture_in_another_variant_stays(
    configured: Configured, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(configured("dataset=hagrid", "parts=like"))
    server.requests.clear()
    download(configured("dataset=hagrid", "parts=like", "variant=512"))
    assert "like is from like.zip and stays; delete it to fetch it from hagridv2_512.zip" in capsys.readouterr().out
    assert server.requests == []


def test_images_put_there_by_hand_stay(
    configured: Configured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hagrid" / "like").mkdir(parents=True)
    (tmp_path / "hagrid" / "like" / "mine.jpg").write_bytes(b"mine")
    download(configured("dataset=hagrid", "parts=like"))
    assert "like exists, not fetched by this command" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "hagrid" / "like").iterdir()] == ["mine.jpg"]


def test_an_archive_fetched_by_hand_is_used(configured: Configured, server: Server, tmp_path: Path) -> None:
    shop = tmp_path / "hagrid" / ".download"
    shop.mkdir(parents=True)
    (shop / "like.zip").write_bytes(zipped(LIKE))
    (shop / "annotations.zip").write_bytes(zipped(ANNOTATIONS))
    download(configured("dataset=hagrid", "parts=like"))
    assert server.requests == []
    assert tree(tmp_path / "hagrid").keys() == {*LIKE, *ANNOTATIONS, "annotations/downloaded.json"}


def test_archives_are_kept_on_request(configured: Configured, tmp_path: Path) -> None:
    download(configured("dataset=hagrid", "parts=like", "keep_archives=true"))
    assert {path.name for path in (tmp_path / "hagrid" / ".download").glob("*.zip")} == {"annotations.zip", "like.zip"}


def test_the_tracked_empty_file_of_a_folder_stays(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / ".gitkeep").touch()
    download(configured("dataset=digits"))
    assert tree(tmp_path / "digits").keys() == {*DIGITS, "downloaded.json", ".gitkeep"}


def test_digits_survive_a_server_that_cannot_resume(configured: Configured, server: Server, tmp_path: Path) -> None:
    server.files["/master.zip"].declared = False
    server.files["/master.zip"].statuses = [502]
    download(configured("dataset=digits"))
    assert {name: data for name, data in tree(tmp_path / "digits").items() if name.endswith("JPG")} == DIGITS


def publish_hands(server: Server, subject: str, body: bytes) -> list[str]:
    """One subject of HANDS, its images under a fixed address, its table only in the publisher's list of files."""
    table = server.publish(f"/{subject}.txt", b"rgb,depth,Punch_VFR\n")
    entry = {"filename": f"{subject}.txt", "content_details": {"sha256_hash": None, "download_url": table}}
    server.publish("/api/ndrczc35bt/folders/1", json.dumps([{"id": "f1", "name": subject}]).encode())
    server.publish("/api/ndrczc35bt/files?folder_id=root&version=1", b"[]")
    server.publish("/api/ndrczc35bt/files?folder_id=f1&version=1", json.dumps([entry]).encode())
    url = server.publish(f"/{subject}.zip", body)
    part = f"hands.parts.{subject}"
    return [f"{part}.url={url}", f"{part}.size={len(body)}", f"{part}.sha256=null", f"parts={subject}", "dataset=hands"]


def test_hands_comes_with_tables_looked_up_at_the_publisher(
    configured: Configured, server: Server, tmp_path: Path
) -> None:
    frames = pictures(4, ["500_color.png", "501_color.png"])
    more = publish_hands(server, "Subject1", zipped(frames | {"500_depth.png": b""}))
    download(configured(*more))
    found = tree(tmp_path / "hands")
    assert json.loads(found.pop("downloaded.json"))["contents"].keys() == {"Subject1", "Subject1.txt"}
    assert found == {
        "Subject1/Subject1.txt": b"rgb,depth,Punch_VFR\n",
        **{f"Subject1/Subject1/{name}": data for name, data in frames.items()},
    }


def test_the_sources_read_what_was_downloaded(
    configured: Configured, composed: DictConfig, server: Server, tmp_path: Path
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (96, 54)).save(picture, "png")
    header, absent = "rgb,depth,Punch_VFR,Punch_VFL", "[0 0 0 0]"
    line = rf".\Subject1\Color\500_color.png,.\Subject1\Depth\500_depth.png,[10 10 20 20],{absent}"
    hands = publish_hands(server, "Subject1", zipped({"500_color.png": picture.getvalue()}))
    server.publish("/Subject1.txt", f"{header}\n{line}\n".encode())
    entries = {f"{index}": {"bboxes": [[0.1, 0.1, 0.2, 0.2]], "labels": ["like"], "user_id": "a"} for index in range(5)}
    annotations = zipped({"annotations/train/like.json": json.dumps(entries).encode()})
    server.publish("/hagrid_v2/annotations_with_landmarks/annotations.zip", annotations)
    for wishes in (["dataset=digits"], ["dataset=hagrid", "parts=like"], hands):
        download(configured(*wishes))
    roots = [f"sources.{name}.root={tmp_path / name}" for name in ("digits", "hagrid", "hands")]
    config = OmegaConf.merge(composed, OmegaConf.from_dotlist(roots))
    chosen = [source for source in Sources.from_config(config) if source.root.startswith(str(tmp_path))]
    table, rejected = read_sources(chosen, Vocabulary.from_config(config))
    assert table.groupby("source").size().to_dict() == {"digits": 10, "hagrid": 5, "hands": 1}
    assert len(rejected) == 0


def test_a_table_that_cannot_be_looked_up_has_a_way_by_hand(
    configured: Configured, server: Server, tmp_path: Path
) -> None:
    more = publish_hands(server, "Subject1", zipped(pictures(4, ["500_color.png"])))
    del server.files["/api/ndrczc35bt/folders/1"]
    with pytest.raises(DownloadError, match=r"404.*hands/\.download/Subject1\.txt.*doi\.org"):
        download(configured(*more))
    (tmp_path / "hands" / ".download" / "Subject1.txt").parent.mkdir(exist_ok=True)
    (tmp_path / "hands" / ".download" / "Subject1.txt").write_bytes(b"rgb")
    download(configured(*more))
    assert (tmp_path / "hands" / "Subject1" / "Subject1.txt").read_bytes() == b"rgb"


def test_too_small_a_disk_is_said_before_anything_is_fetched(
    configured: Configured, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "RESERVE", 10**18)  # the disk as it is, with an impossible wish
    with pytest.raises(OutputError, match=r"hagrid \(full\) needs 36\.0 MB .* are free; free some space"):
        download(configured("dataset=hagrid", "parts=all", "hagrid.annotations.expands=1"))
    assert server.requests == []


@pytest.mark.concurrent
def test_one_folder_is_filled_by_one_process_at_a_time(configured: Configured, tmp_path: Path) -> None:
    shop = tmp_path / "digits" / ".download"
    shop.mkdir(parents=True)
    lock = ProcessLock(shop / "lock")
    assert lock.acquire()
    with pytest.raises(UserError, match=r"another download into .*digits is running"):
        download(configured("dataset=digits"))
    lock.release()


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([download.__module__])
    return context


@pytest.mark.concurrent
@pytest.mark.parametrize("ranges", [True, False])
def test_kills_at_any_moment_change_nothing(
    configured: Configured,
    server: Server,
    tmp_path: Path,
    processes: multiprocessing.context.ForkServerContext,
    ranges: bool,
) -> None:
    download(configured("dataset=hagrid", "parts=[like,ok]", f"hagrid.root={tmp_path}/undisturbed"))
    for published in server.files.values():
        published.ranges, published.pause = ranges, 0.002
    config = configured("dataset=hagrid", "parts=[like,ok]")
    for pieces in (2, 9, 16, 25, 40):
        server.pieces = 0
        process = processes.Process(target=download, args=(config,))
        process.start()
        while server.pieces < pieces and process.is_alive():
            time.sleep(0.001)
        process.kill()
        process.join()
    for published in server.files.values():
        published.pause = 0
    download(config)
    assert tree(tmp_path / "hagrid") == tree(tmp_path / "undisturbed")


def test_the_command_prints_the_error_and_exits(project: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "static_gesture_classification.downloads.download", "download.dataset=digits",
         "download.digits.parts.digits.url=http://127.0.0.1:9/a.zip", "download.wait=0"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(project), "NO_PROXY": "127.0.0.1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1
    assert "error: cannot fetch http://127.0.0.1:9/a.zip" in run.stderr
    assert "put it at data/raw/digits/.download/digits.zip" in run.stderr
    assert "Traceback" not in run.stderr

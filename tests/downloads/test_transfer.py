import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from static_gesture_classification.downloads.connection import AnnouncedRetry, Connection, DownloadError
from static_gesture_classification.downloads.transfer import RemoteFile, fetch
from static_gesture_classification.errors import DataError, OutputError
from tests.support.download_server import Server
from tests.support.waiting import until


def anything(coming: int) -> None:
    """There is room for whatever comes."""


def whole(path: Path, body: bytes) -> bool:
    """`path` holds `body`, and nothing unfinished is beside it."""
    return path.read_bytes() == body and [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_arrives_whole(server: Server, connection: Connection, noise: bytes, tmp_path: Path) -> None:
    remote = RemoteFile("a.zip", server.publish("/a.zip", noise), len(noise), hashlib.sha256(noise).hexdigest())
    fetch(remote, tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)


def test_cuts_at_random_points_cost_no_byte_twice(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    cuts = np.random.default_rng(1).integers(1, 40_000, 6).tolist()
    url = server.publish("/a.zip", noise, cuts=list(cuts))
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)
    starts = [int(header[6:-1]) if header else 0 for header in server.asked("/a.zip")]
    assert starts == [0, *np.cumsum(cuts).tolist()]


def test_a_repeated_call_goes_on_where_the_last_gave_up(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    url = server.publish("/a.zip", noise, cuts=[50_000, 0, 0, 0, 0])
    with pytest.raises(DownloadError, match=r"cut.*put it at .*a\.zip"):
        fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert (tmp_path / ".a.zip.partial").stat().st_size == 50_000
    server.files["/a.zip"].cuts.clear()
    server.requests.clear()
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)
    assert server.asked("/a.zip") == ["bytes=50000-"]


@pytest.mark.parametrize("tag", [True, False])
def test_a_server_that_ignores_ranges_is_read_from_the_start_again(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path, tag: bool
) -> None:
    url = server.publish("/a.zip", noise, ranges=False, tag=tag, cuts=[30_000, 10_000])
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)


def test_a_body_of_undeclared_length_arrives_whole(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    fetch(
        RemoteFile("a.zip", server.publish("/a.zip", noise, declared=False)),
        tmp_path / "a.zip",
        connection,
        anything,
    )
    assert whole(tmp_path / "a.zip", noise)


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changes_between_attempts_is_never_mixed(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path, if_range: bool
) -> None:
    url = server.publish("/a.zip", noise, cuts=[60_000, 0, 0, 0, 0])
    with pytest.raises(DownloadError):
        fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    server.publish("/a.zip", noise[::-1], if_range=if_range)
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise[::-1])


def test_a_file_that_became_shorter_is_fetched_anew(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    url = server.publish("/a.zip", noise, tag=False, cuts=[60_000, 0, 0, 0, 0])
    with pytest.raises(DownloadError):
        fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    server.publish("/a.zip", noise[:1000], tag=False)
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise[:1000])


def test_passing_server_errors_are_waited_out(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    url = server.publish("/a.zip", noise, statuses=[500, 503, 429])
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)


@pytest.mark.parametrize(("met", "attempts"), [(False, 3), (True, 5)])
def test_who_never_met_a_server_gives_up_sooner(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], met: bool, attempts: int
) -> None:
    connection = Connection(attempts=5, wait=0, timeout=5)
    if met:
        fetch(RemoteFile("a", server.publish("/a", b"a")), tmp_path / "a", connection, anything)
    with pytest.raises(DownloadError, match="no answer from the server"):
        fetch(RemoteFile("b", "http://127.0.0.1:9/b"), tmp_path / "b", connection, anything)
    assert capsys.readouterr().out.count("trying again") == attempts - 1


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("86400", 60), ("whenever", 0)])
def test_a_server_may_ask_for_a_pause_but_not_for_a_day(asked: str, waited: float) -> None:
    assert AnnouncedRetry(backoff_max=60).parse_retry_after(asked) == waited


def test_a_missing_file_is_asked_for_once_and_named(server: Server, connection: Connection, tmp_path: Path) -> None:
    remote = RemoteFile("gone.zip", f"{server.address}/gone.zip")
    with pytest.raises(DownloadError, match=rf"{remote.url}.*404.*put it at {tmp_path}/gone\.zip"):
        fetch(remote, tmp_path / "gone.zip", connection, anything)
    assert len(server.requests) == 1
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_way_by_hand_is_said(connection: Connection, tmp_path: Path) -> None:
    remote = RemoteFile("a.zip", "http://127.0.0.1:9/a.zip")
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/a\.zip.*refused.*put it at .*/a\.zip"):
        fetch(remote, tmp_path / "a.zip", connection, anything)
    (tmp_path / "a.zip").write_bytes(b"by hand")
    assert fetch(remote, tmp_path / "a.zip", connection, anything) == tmp_path / "a.zip"


def test_a_wrong_size_is_noticed_before_anything_is_fetched(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    remote = RemoteFile("a.zip", server.publish("/a.zip", noise), size=1234)
    with pytest.raises(DataError, match=r"offers 200,000 bytes, published are 1,234.*conf/download"):
        fetch(remote, tmp_path / "a.zip", connection, anything)
    assert not (tmp_path / "a.zip").exists()


def test_a_file_with_a_wrong_hash_is_kept_and_named(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    remote = RemoteFile("a.zip", server.publish("/a.zip", noise), sha256="0" * 64)
    for _ in range(2):  # the second call does not fetch it again
        with pytest.raises(DataError, match=r"\.a\.zip\.partial has the SHA-256.*delete it to fetch it again"):
            fetch(remote, tmp_path / "a.zip", connection, anything)
    assert (tmp_path / ".a.zip.partial").read_bytes() == noise
    assert len(server.requests) == 1
    (tmp_path / ".a.zip.partial").unlink()
    fetch(
        RemoteFile("a.zip", remote.url, sha256=hashlib.sha256(noise).hexdigest()),
        tmp_path / "a.zip",
        connection,
        anything,
    )
    assert (tmp_path / "a.zip").read_bytes() == noise


def test_a_file_put_there_by_hand_is_checked(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"a\.zip has 14 bytes, published are 15"):
        fetch(RemoteFile("a.zip", "http://127.0.0.1:9/", size=15), tmp_path / "a.zip", connection, anything)
    assert (tmp_path / "a.zip").read_bytes() == b"something else"


def test_room_is_asked_for_the_rest_only(server: Server, connection: Connection, noise: bytes, tmp_path: Path) -> None:
    asked: list[int] = []
    url = server.publish("/a.zip", noise, cuts=[50_000])
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, asked.append)
    assert asked == [200_000, 150_000]


def test_a_place_that_cannot_be_written_is_named(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"file/a\.zip.*not a folder"):
        fetch(RemoteFile("a.zip", server.publish("/a.zip", noise)), tmp_path / "file" / "a.zip", connection, anything)


FETCH = """
import sys
from pathlib import Path
from static_gesture_classification.downloads.connection import Connection
from static_gesture_classification.downloads.transfer import RemoteFile, fetch
fetch(RemoteFile("a.zip", sys.argv[1]), Path(sys.argv[2]), Connection(), lambda coming: None)
"""


@pytest.mark.concurrent
def test_a_killed_transfer_goes_on_with_the_bytes_it_has(
    server: Server, connection: Connection, noise: bytes, tmp_path: Path
) -> None:
    url = server.publish("/a.zip", noise, pause=0.02)
    process = subprocess.Popen([sys.executable, "-c", FETCH, url, str(tmp_path / "a.zip")])
    partial = tmp_path / ".a.zip.partial"
    until(lambda: process.poll() is not None or (partial.exists() and partial.stat().st_size > 0))
    process.kill()
    process.wait()
    there = partial.stat().st_size
    server.files["/a.zip"].pause = 0
    fetch(RemoteFile("a.zip", url), tmp_path / "a.zip", connection, anything)
    assert whole(tmp_path / "a.zip", noise)
    assert server.asked("/a.zip")[-1] == f"bytes={there}-"

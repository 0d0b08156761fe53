import io
import zipfile

import numpy as np
import pytest

from static_gesture_classification.downloads.connection import Connection, TransferError
from static_gesture_classification.downloads.range_file import RangeFile, RangesIgnoredError
from tests.support.download_server import Server


def test_reads_and_seeks_like_a_file_on_disk(server: Server, connection: Connection, noise: bytes) -> None:
    with RangeFile(server.publish("/a", noise), connection) as remote:
        local = io.BytesIO(noise)
        random = np.random.default_rng(2)
        for _ in range(30):
            position, length = int(random.integers(0, len(noise) + 10)), int(random.integers(0, 5_000))
            remote.seek(position)
            local.seek(position)
            assert remote.read(length) == local.read(length)


def test_reading_on_needs_no_further_request(server: Server, connection: Connection, noise: bytes) -> None:
    with RangeFile(server.publish("/a", noise), connection) as remote:
        assert remote.read() == noise
    assert server.asked("/a") == ["bytes=0-0", "bytes=0-199999"]


def test_cut_connections_are_gone_on_from(server: Server, connection: Connection, noise: bytes) -> None:
    with RangeFile(server.publish("/a", noise), connection) as remote:
        server.files["/a"].cuts = [70_000, 10, 50_000]
        assert remote.read() == noise


def test_a_server_that_is_gone_for_good_is_given_up(server: Server, connection: Connection, noise: bytes) -> None:
    with RangeFile(server.publish("/a", noise), connection) as remote:
        server.files["/a"].statuses = [503] * 10
        with pytest.raises(TransferError, match="503"):
            remote.read()


def test_a_file_that_changes_while_it_is_read_is_refused(server: Server, connection: Connection, noise: bytes) -> None:
    with RangeFile(server.publish("/a", noise), connection) as remote:
        server.publish("/a", noise[::-1])
        with pytest.raises(TransferError, match="changed while it was read"):
            remote.read()


def test_a_server_without_ranges_is_noticed_at_once(server: Server, connection: Connection, noise: bytes) -> None:
    with pytest.raises(RangesIgnoredError):
        RangeFile(server.publish("/a", noise, ranges=False), connection)


def test_one_member_of_an_archive_costs_its_own_bytes(server: Server, connection: Connection, noise: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("large.jpg", noise * 40)
        archive.writestr("small.jpg", noise[:100])
    with (
        RangeFile(server.publish("/a.zip", packed.getvalue()), connection) as remote,
        zipfile.ZipFile(remote) as archive,
    ):
        assert archive.read("small.jpg") == noise[:100]
    assert all(int(header[6:].split("-")[0]) > 7_000_000 for header in server.asked("/a.zip")[1:] if header)

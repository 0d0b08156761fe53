import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from static_gesture_classification.detection.model_file import model_digest, model_file
from static_gesture_classification.downloads.connection import Connection
from static_gesture_classification.errors import DataError, UserError
from tests.support.download_server import Server

BODY = b"hand" * 1000
QUICK = Connection(attempts=2, wait=0.01, longest_wait=0.01, timeout=2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


def described(path: Path, url: str | None, body: bytes = BODY) -> dict[str, object]:
    return {"path": str(path), "url": url, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_model_is_fetched_once(server: Server, tmp_path: Path) -> None:
    model = described(tmp_path / "models" / "hand.task", server.publish("/hand.task", BODY))
    assert model_file(model, QUICK).read_bytes() == BODY
    assert model_file(model, QUICK).read_bytes() == BODY
    assert len(server.asked("/hand.task")) == 1


def test_model_that_is_not_what_was_published_is_not_used(server: Server, tmp_path: Path) -> None:
    model = described(tmp_path / "hand.task", server.publish("/hand.task", b"evil" * 1000))
    with pytest.raises(DataError, match="SHA-256"):
        model_file(model, QUICK)
    assert not (tmp_path / "hand.task").exists()


def test_damaged_model_on_disk_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "hand.task").write_bytes(BODY[:100])
    with pytest.raises(DataError, match=r"hand.task .*100 bytes.*Delete it.*detector.model.sha256=null"):
        model_file(described(tmp_path / "hand.task", None), QUICK)


def test_model_of_one_s_own_needs_no_hash(tmp_path: Path) -> None:
    (tmp_path / "own.task").write_bytes(b"own")
    model = {"path": str(tmp_path / "own.task"), "url": None, "size": None, "sha256": None}
    assert model_file(model) == tmp_path / "own.task"


@pytest.mark.parametrize(
    ("left_out", "message"), [("size", "its SHA-256 is .*, not 00"), ("sha256", "it has 3 bytes, not 9")]
)
def test_what_is_null_is_not_compared(tmp_path: Path, left_out: str, message: str) -> None:
    (tmp_path / "own.task").write_bytes(b"own")
    model = described(tmp_path / "own.task", None, b"own") | {left_out: None}
    assert model_file(model) == tmp_path / "own.task"
    with pytest.raises(DataError, match=message):
        model_file({**model, **({"sha256": "00"} if left_out == "size" else {"size": 9})})


def test_a_model_is_told_by_its_contents_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("one.task", "two.task"):
        (tmp_path / name).write_bytes(BODY)
    described_one = described(tmp_path / "one.task", None)
    assert model_digest({"path": str(tmp_path / "two.task")}) == model_digest(described_one)
    (tmp_path / "two.task").write_bytes(b"own")
    assert model_digest({"path": str(tmp_path / "two.task")}) != model_digest(described_one)


def test_without_a_network_the_message_says_where_to_put_the_file(server: Server, tmp_path: Path) -> None:
    nobody = server.address
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=r"cannot fetch .*hand.task.*put it at .*hand.task.*detector.model.path=PATH"):
        model_file(described(tmp_path / "hand.task", f"{nobody}/hand.task"), QUICK)
    assert list(tmp_path.iterdir()) == []


def test_missing_model_without_an_address_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no hand detection model at .*hand.task.*detector.model.path"):
        model_file(described(tmp_path / "hand.task", None))

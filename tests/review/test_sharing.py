"""Phones in the same network: token, certificate, addresses."""

import ssl
import stat
from pathlib import Path

import pytest

from static_gesture_classification.review.settings import ReviewSettings
from static_gesture_classification.review.sharing import CERTIFICATE, KEY, PATH, TOKEN, Sharing, own_addresses


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    return Sharing.open(tmp_path, "192.168.1.5", 8443)


def test_the_token_is_kept_for_this_user_alone(sharing: Sharing, tmp_path: Path) -> None:
    assert len(sharing.token) >= 32
    for name in (TOKEN, KEY):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert Sharing.open(tmp_path, "192.168.1.5", 8443).token == sharing.token


def test_a_damaged_token_is_replaced(sharing: Sharing, tmp_path: Path) -> None:
    (tmp_path / TOKEN).write_text("short", encoding="ascii")
    assert len(Sharing.open(tmp_path, "192.168.1.5", 8443).token) >= 32


def test_the_link_and_its_codes_hold_address_and_token(sharing: Sharing) -> None:
    assert sharing.links == (f"https://192.168.1.5:8443{PATH}?token={sharing.token}",)
    assert "█" in sharing.as_text()
    assert sharing.as_picture().startswith("data:image/svg+xml")
    assert "192.168.1.5" in sharing.hosts


def test_the_certificate_is_for_this_machine_and_stays_while_it_fits(sharing: Sharing, tmp_path: Path) -> None:
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(sharing.certificate, sharing.key)
    before = (tmp_path / CERTIFICATE).read_bytes()
    Sharing.open(tmp_path, "192.168.1.5", 8443)
    assert (tmp_path / CERTIFICATE).read_bytes() == before
    Sharing.open(tmp_path, "10.0.0.9", 8443)
    assert (tmp_path / CERTIFICATE).read_bytes() != before


def test_a_damaged_certificate_is_made_anew(sharing: Sharing, tmp_path: Path) -> None:
    (tmp_path / CERTIFICATE).write_text("damaged", encoding="ascii")
    Sharing.open(tmp_path, "192.168.1.5", 8443)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(sharing.certificate, sharing.key)


def test_there_is_always_an_address() -> None:
    assert own_addresses()


@pytest.mark.parametrize(
    ("host", "own", "lan"), [("127.0.0.1", "127.0.0.1", "0.0.0.0"), ("192.168.1.5", "127.0.0.1", "192.168.1.5")]
)
def test_what_goes_over_a_network_goes_by_https_alone(host: str, own: str, lan: str) -> None:
    values = {"port": 8080, "browser": False, "share_on_lan": True, "lan_port": 8443, "largest_upload": 50.0}
    paths = dict.fromkeys(("folder", "in_use", "recorded", "hand_finder", "digits", "added"), Path("data"))
    settings = ReviewSettings(host=host, **paths, **values)
    assert (settings.own_address, settings.lan_address) == (own, lan)

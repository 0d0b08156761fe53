"""The page for phones in the same network: a token, a certificate, and the address as a QR code.

Browsers give the camera only to pages that came by https (or from the machine itself), so other machines are served by
https, with a certificate that this machine signs itself. The token is kept, so that a phone stays in after a restart;
delete its file (`lan_token` in `review.folder`) and restart, and every phone is out.
"""

from __future__ import annotations

import datetime
import io
import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from static_gesture_classification.atomic_files import explain_write_errors
from static_gesture_classification.review.settings import LOOPBACK

TOKEN, CERTIFICATE, KEY = "lan_token", "lan_certificate.pem", "lan_key.pem"
TOKEN_BYTES = 32
OWN_ALONE = 0o600  # what nobody but this user may read
DAYS, RENEWED = 365, 14  # of a certificate, and how long before its end a new one is made
PATH = "/record"
WARNING = (
    "The browser will warn that it does not know who made the certificate: this computer made it itself, since no "
    "authority signs certificates for addresses at home. The connection is encrypted all the same, and it ends at this "
    "computer. Choose Advanced, then Proceed (Chrome) or Visit this website (Safari). It is asked once."
)


@dataclass(frozen=True)
class Sharing:
    """How other machines reach the page.

    Args:
        token: which they need; in the address once, then in a cookie.
        addresses: of this machine in its networks, the likeliest first.
        names: by which it may be called besides.
        certificate, key: PEM files.
        port: on which it listens to them.
    """

    token: str
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    certificate: Path
    key: Path
    port: int

    @classmethod
    def open(cls, folder: Path, host: str | None, port: int) -> Sharing:
        """Share the page; token and certificate are made where they do not exist yet.

        Args:
            folder: in which they are kept.
            host: the address to listen on; None for all of this machine's.
            port: on which it listens.

        Raises:
            OutputError: the folder cannot be written.
        """
        addresses = (host,) if host is not None and _is_address(host) else own_addresses()
        name = socket.gethostname()
        others = () if host is None or _is_address(host) else (host,)
        names = tuple(dict.fromkeys((*others, name, f"{name}.local")))
        with explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            token = _token(folder / TOKEN)
            certificate, key = _certificate(folder, names, addresses)
        return cls(token, addresses, names, certificate, key, port)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser may call this machine."""
        return (*self.addresses, *(name.lower() for name in self.names))

    @property
    def links(self) -> tuple[str, ...]:
        """Addresses to open on the other machine, with the token; the likeliest first."""
        return tuple(f"https://{_in_address(each)}:{self.port}{PATH}?token={self.token}" for each in self.addresses)

    def as_text(self) -> str:
        """The QR code of the first link, for a terminal with a dark ground."""
        import segno

        written = io.StringIO()
        segno.make(self.links[0], micro=False).terminal(out=written, compact=True)
        return written.getvalue().rstrip("\n")

    def as_picture(self) -> str:
        """The QR code of the first link, as a data address of an SVG picture."""
        import segno

        return segno.make(self.links[0], micro=False).svg_data_uri(scale=5, border=3, light="white")


def own_addresses() -> tuple[str, ...]:
    """The IPv4 addresses of this machine in its networks; that of the way out comes first."""
    entries = [each for card in psutil.net_if_addrs().values() for each in card if each.family == socket.AF_INET]
    first = _way_out()
    usable = dict.fromkeys(each.address for each in entries if _is_usable(each.address))
    return tuple(sorted(usable, key=lambda address: address != first)) or (LOOPBACK[0],)


def _way_out() -> str:
    """The address from which this machine would reach others; nothing is sent. "" without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): to connect a datagram socket sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_usable(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return not (known.is_loopback or known.is_link_local or known.is_multicast or known.is_unspecified)


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _token(path: Path) -> str:
    """The token that is kept at `path`; a new one where there is none, or no whole one."""
    if path.is_file():
        kept = path.read_text(encoding="ascii", errors="replace").strip()
        if len(kept) >= TOKEN_BYTES and all(sign.isalnum() or sign in "-_" for sign in kept):
            path.chmod(OWN_ALONE)
            return kept
    token = secrets.token_urlsafe(TOKEN_BYTES)
    _write_own(path, token.encode())
    return token


def _write_own(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read, not even for a moment; whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_ALONE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _certificate(folder: Path, names: Sequence[str], addresses: Sequence[str]) -> tuple[Path, Path]:
    """Paths of the certificate and its key; they are made anew where they do not fit, or soon end."""
    certificate, key = folder / CERTIFICATE, folder / KEY
    if not (key.is_file() and _fits(certificate, names, addresses)):
        signed, secret = _sign(names, addresses)
        _write_own(key, secret)
        _write_own(certificate, signed)
    return certificate, key


def _fits(path: Path, names: Sequence[str], addresses: Sequence[str]) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    covered = {*known.get_values_for_type(x509.DNSName), *map(str, known.get_values_for_type(x509.IPAddress))}
    return left.days >= RENEWED and {*names, *addresses} <= covered


def _sign(names: Sequence[str], addresses: Sequence[str]) -> tuple[bytes, bytes]:
    """A certificate for this machine, signed by itself, and its key, both PEM (RFC 5280, 4.2.1.6)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gestures on this computer")])
    now = datetime.datetime.now(datetime.UTC)
    others = [x509.DNSName(each) for each in names]
    alternatives = [*others, *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses)]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))  # a phone's clock may be behind
    builder = builder.not_valid_after(now + datetime.timedelta(days=DAYS))
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signed.public_bytes(serialization.Encoding.PEM), secret

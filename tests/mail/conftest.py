"""What tests of mail stand on: one worker's pieces, and certificates of an authority that nobody knows."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mail.config import Config
from tests.mail.post import Clock, Post, make_post

if TYPE_CHECKING:
    from comgov.db import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def post(db: Database, clock: Clock, config: Config) -> Post:
    return make_post(db.pool, clock, config)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with root.pem, and server.pem (key and certificate for localhost)."""
    directory = tmp_path_factory.mktemp("pki")
    root_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Root of the test")])
    root = _certificate(root_name, root_name, root_key, root_key, x509.BasicConstraints(ca=True, path_length=0))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    server = _certificate(
        name, root_name, server_key, root_key, x509.SubjectAlternativeName([x509.DNSName("localhost")])
    )
    key = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (directory / "server.pem").write_bytes(key + server.public_bytes(Encoding.PEM))
    return directory


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1)).add_extension(extension, critical=False)
    return builder.sign(signer, SHA256())


@pytest.fixture
def root_pem(pki: Path) -> Path:
    """The authority's certificate."""
    return pki / "root.pem"


@pytest.fixture
def server_context(pki: Path) -> ssl.SSLContext:
    """What a server named localhost offers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "server.pem")
    return context


@pytest.fixture
def client_context(root_pem: Path) -> ssl.SSLContext:
    """What a client trusts who knows that authority."""
    return ssl.create_default_context(cafile=str(root_pem))

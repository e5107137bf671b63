"""Root and revocation lists as files, for those who verify without asking the server."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from comgov.errors import Unavailable
from comgov.language import N_
from comgov.signing.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from comgov.authority.store import Published


@dataclass
class Bundle:
    """What anyone verifies with, as this process last read it. count: lists that had come into force by then."""

    count: int = -1
    trust: Trust | None = None
    pem: bytes = b""


def gather(count: int, root: x509.Certificate, lists: Sequence[Published]) -> Bundle:
    """The bundle of these lists; some 50 ms for the 3,000 of a country, so not on the loop."""
    trust = Trust(root=root, crls=tuple(one.crl for one in lists))
    trust.index()
    return Bundle(count=count, trust=trust, pem=trust.pem())


ROOT_FILE, BUNDLE_FILE = "root.pem", "root+crls.pem"


def write(directory: Path, root: x509.Certificate, lists: Sequence[Published]) -> None:
    """Write root.pem, root+crls.pem and `<name>.crl` for each list; each file is whole at every moment.

    Raises Unavailable when the directory cannot be written.
    """
    files = {f"{one.name}.crl": one.der for one in lists}
    files[ROOT_FILE] = root.public_bytes(Encoding.PEM)
    files[BUNDLE_FILE] = Trust(root=root, crls=tuple(one.crl for one in lists)).pem()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(directory / name, content)
    except OSError as error:
        raise Unavailable(
            N_("The directory {path} for certificates cannot be written: {error}."),
            path=directory,
            error=error.strerror,
        ) from error


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).replace(path)

"""The receipts of a dossier as one zip, and reading one that came from anywhere.

    00-SEALED.json · 00-SEALED.p7s · 00-SEALED.tlog-proof
    finances/01-SubmissionAcceptance.json · .p7s · .tlog-proof
    finances/02-ContentConsignment.json · …
    LISEZMOI.txt

A recipient's chain is SEALED and then its folder in order. Reading is bounded: in members, in bytes, in depth.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from comgov.dossiers.documents import MAX_EVIDENCE_BYTES
from comgov.dossiers.receipts.verification import Receipt
from comgov.language import N_
from comgov.signing.checkpoint import MAX_NOTE_BYTES
from comgov.signing.cms import MAX_SIGNED_DATA_BYTES
from comgov.signing.errors import Malformed

MAX_MEMBERS = 5000
MAX_BUNDLE_BYTES = 64 << 20
README = "LISEZMOI.txt"
_NAME = re.compile(r"(?:([a-z0-9-]{1,63})/)?(\d{2})-([A-Za-z]{1,40})\.(json|p7s|tlog-proof)")
_LOCAL, _LOCAL_SIGNATURE = struct.Struct("<4s5H3I2H"), b"PK\3\4"  # PKWARE APPNOTE 6.3 §4.3.7
_LIMITS = {"json": MAX_EVIDENCE_BYTES, "p7s": MAX_SIGNED_DATA_BYTES, "tlog-proof": 2 * MAX_NOTE_BYTES}

_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError),
)
"""All that `zipfile` raises on bytes that are no zip, or one that it cannot read."""

_INSTRUCTIONS = """\
Reçus d'un dossier scellé. Chacun se vérifie avec openssl seul :

  openssl cms -verify -cades -binary -inform DER -in 00-SEALED.p7s -content 00-SEALED.json \\
          -CAfile root+crls.pem -crl_check_all -purpose any -attime INSTANT -out /dev/null

INSTANT : celui du reçu (« at », en UTC), en secondes depuis 1970 ; par exemple : date -d 2026-11-23T08:00:00Z +%s
root+crls.pem : le certificat racine et les listes de révocation, à prendre sur le serveur (/pki/root+crls.pem).
« manifest » est le SHA-256 de META-INF/ASiCManifest001.xml dans le conteneur ; « previous » celui du fichier .json du
reçu précédent. Les fichiers .tlog-proof prouvent l'inscription au registre (C2SP tlog-proof).

Tous ensemble, avec leur suite et leur inscription aux registres :

  comgov dossier verify RECUS.zip --trust root+crls.pem --extract SORTIE

Puis, dans SORTIE, l'horodatage de chacun (RFC 3161), encore avec openssl seul :

  openssl ts -verify -data 00-SEALED.sigvalue.bin -in 00-SEALED.token.der -token_in -CAfile root.pem
"""


@dataclass(frozen=True)
class Kept:
    """A receipt in a bundle. recipient: a code; empty for SEALED. proof: a C2SP tlog-proof, if there is one yet."""

    recipient: str
    position: int
    kind: str
    body: bytes
    signature: bytes
    proof: str | None = None

    @property
    def stem(self) -> str:
        """Its name without suffix."""
        folder = f"{self.recipient}/" if self.recipient else ""
        return f"{folder}{self.position:02d}-{self.kind}"


def write(receipts: Iterable[Kept]) -> bytes:
    """The zip; a few kilobytes a receipt."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for kept in receipts:
            _add(archive, f"{kept.stem}.json", kept.body)
            _add(archive, f"{kept.stem}.p7s", kept.signature)
            if kept.proof is not None:
                _add(archive, f"{kept.stem}.tlog-proof", kept.proof.encode())
        _add(archive, README, _INSTRUCTIONS.encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """The same receipts always give the same bytes: no clock is written."""
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def is_begun(head: bytes) -> bool:
    """Whether a file that begins so may be a bundle: a zip whose first member has a name of ours."""
    if len(head) < _LOCAL.size or not head.startswith(_LOCAL_SIGNATURE):
        return False
    length = _LOCAL.unpack_from(head)[-2]
    name = head[_LOCAL.size : _LOCAL.size + length].decode(errors="replace")
    return name == README or _NAME.fullmatch(name) is not None


def read(file: IO[bytes]) -> dict[str, list[Receipt]]:
    """The chain of each recipient (its code), SEALED first; raises Malformed for anything that is no bundle of ours."""
    if file.seek(0, os.SEEK_END) > MAX_BUNDLE_BYTES:
        raise Malformed(N_("The file holds a receipt twice, or too much."))
    try:
        with zipfile.ZipFile(file) as archive:
            parts = _parts(archive)
    except _UNREADABLE as error:
        raise Malformed(N_("The file is not a zip of receipts."), reason=str(error)) from error
    sealed = _receipts(parts, "")
    folders = sorted({folder for folder, *_ in parts} - {""})
    return {folder: [*sealed, *_receipts(parts, folder)] for folder in folders} or {"": sealed}


_Parts = dict[tuple[str, int, str, str], bytes]


def _parts(archive: zipfile.ZipFile) -> _Parts:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise Malformed(N_("The file holds more than {limit} receipts."), limit=MAX_MEMBERS)
    parts: _Parts = {}
    total = 0
    for info in infos:
        if info.filename == README:
            continue
        match = _NAME.fullmatch(info.filename)
        if match is None:
            raise Malformed(N_("A bundle of receipts may not hold a file named {name!r}."), name=info.filename[:100])
        content = _content(archive, info, _LIMITS[match[4]])
        total += len(content)
        key = (match[1] or "", int(match[2]), match[3], match[4])
        if key in parts or total > MAX_BUNDLE_BYTES:
            raise Malformed(N_("The file holds a receipt twice, or too much."))
        parts[key] = content
    return parts


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit_bytes: int) -> bytes:
    """At most so many bytes, whatever the zip declares: a bomb is noticed as soon as it bursts the limit."""
    with archive.open(info) as member:
        content = member.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise Malformed(N_("{name} is larger than {limit} bytes."), name=info.filename, limit=limit_bytes)
    return content


def _receipts(parts: _Parts, folder: str) -> list[Receipt]:
    found = []
    for (of, position, kind, suffix), body in sorted(parts.items()):
        if of != folder or suffix != "json":
            continue
        signature = parts.get((of, position, kind, "p7s"))
        stem = Kept(of, position, kind, b"", b"").stem
        if signature is None:
            raise Malformed(N_("{name} is there without its signature."), name=f"{stem}.json")
        found.append(Receipt(name=stem, body=body, signature=signature))
    return found

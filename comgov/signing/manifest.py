"""ASiCManifest (ETSI EN 319 162-1 annex A.4): what one signature of a container is over, file by file.

Manifest N names its signature, every file of the container but `mimetype`, and from the second on also every earlier
manifest and signature, so that the order of steps is part of what is signed.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from comgov.language import N_
from comgov.signing.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.signing.container import Member

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

MAX_MANIFEST_BYTES = 1 << 20
BORDEREAU = "bordereau.json"
MAX_STEPS = 999


def manifest_name(number: int) -> str:
    """The manifest of step `number`, from 1."""
    return f"META-INF/ASiCManifest{number:03d}.xml"


def signature_name(number: int) -> str:
    """The signature of step `number`, from 1."""
    return f"META-INF/signature{number:03d}.p7s"


@dataclass(frozen=True)
class Reference:
    """A file and the SHA-256 (32 bytes) that the manifest gives for it."""

    name: str
    sha256: bytes


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a manifest says. signature: the name of the signature over it."""

    signature: str
    references: tuple[Reference, ...]


def write(number: int, members: Sequence[Member]) -> bytes:
    """The manifest of step `number`, as UTF-8 XML.

    members: every file so far in the order of the container, earlier manifests and signatures included. The same
    members give the same bytes.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{DSIG}">',
        f'  <asic:SigReference URI="{signature_name(number)}" MimeType="application/pkcs7-signature"/>',
        *(_reference(member) for member in members),
        "</asic:ASiCManifest>",
    ]
    return "\n".join(lines).encode() + b"\n"


def _reference(member: Member) -> str:
    root = ' Rootfile="true"' if member.name == BORDEREAU else ""
    digest = base64.b64encode(member.sha256).decode()
    return (
        f"  <asic:DataObjectReference URI={quoteattr(quote(member.name))}{root}>"
        f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{digest}</ds:DigestValue>'
        "</asic:DataObjectReference>"
    )


def read(xml: bytes, name: str) -> Manifest:
    """Parse a manifest. name: what to call it in errors.

    No document type, hence no entities; bounded in size and depth. Raises Malformed.
    """
    if len(xml) > MAX_MANIFEST_BYTES:
        raise Malformed(N_("{name} is larger than {limit} bytes."), name=name, limit=MAX_MANIFEST_BYTES)
    manifest = _Parser(name).parse(xml)
    names = [reference.name for reference in manifest.references]
    if not names or len(set(names)) != len(names):
        raise Malformed(N_("{name} must name at least one file, and each once."), name=name)
    return manifest


_MANIFEST, _SIG_REFERENCE = f"{ASIC} ASiCManifest", f"{ASIC} SigReference"
_REFERENCE, _METHOD, _VALUE = f"{ASIC} DataObjectReference", f"{DSIG} DigestMethod", f"{DSIG} DigestValue"
_PARENTS = {
    _MANIFEST: None,
    _SIG_REFERENCE: _MANIFEST,
    _REFERENCE: _MANIFEST,
    _METHOD: _REFERENCE,
    _VALUE: _REFERENCE,
}


class _Parser:
    """Five elements, each in its one place; whatever else is there is refused."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._path: list[str] = []
        self._signature: str | None = None
        self._references: list[Reference] = []
        self._uri = self._algorithm = self._digest = ""
        self._parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._document_type
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def parse(self, xml: bytes) -> Manifest:
        try:
            self._parser.Parse(xml, True)
        except expat.ExpatError as error:
            raise self._malformed(str(error)) from error
        if self._signature is None:
            raise self._malformed("no SigReference")
        return Manifest(signature=self._signature, references=tuple(self._references))

    def _malformed(self, why: str) -> Malformed:
        return Malformed(N_("{name} is not a manifest: {why}."), name=self._name, why=why)

    def _document_type(self, *_declaration: object) -> None:
        raise self._malformed("it has a document type")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        parent = self._path[-1] if self._path else None
        if element not in _PARENTS or _PARENTS[element] != parent:
            raise self._malformed(f"unexpected element {element.rpartition(' ')[2][:60]}")
        self._path.append(element)
        if element == _SIG_REFERENCE:
            if self._signature is not None:
                raise self._malformed("two SigReference")
            self._signature = unquote(attributes.get("URI", ""))
        elif element == _REFERENCE:
            self._uri, self._algorithm, self._digest = unquote(attributes.get("URI", "")), "", ""
        elif element == _METHOD:
            self._algorithm = attributes.get("Algorithm", "")

    def _text(self, text: str) -> None:
        if self._path and self._path[-1] == _VALUE:
            self._digest += text
        elif text.strip():
            raise self._malformed("unexpected text")

    def _end(self, element: str) -> None:
        self._path.pop()
        if element == _REFERENCE:
            self._references.append(Reference(self._uri, self._sha256()))

    def _sha256(self) -> bytes:
        try:
            digest = base64.b64decode(self._digest.strip(), validate=True)
        except binascii.Error as error:
            raise self._malformed("a digest is not in base64") from error
        if self._algorithm != SHA256 or len(digest) != 32:
            raise self._malformed("a digest is not SHA-256")
        return digest

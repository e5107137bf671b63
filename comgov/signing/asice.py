"""Verifying a whole container, offline: its form, its manifests, its signatures, and the chain between them.

reader = Verification(trust)
for chunk in …: reader.feed(chunk)
verdict = reader.conclude()
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from comgov.language import N_
from comgov.signing import cades, cms, manifest
from comgov.signing.container import MAX_CONTAINER_BYTES, Member, Reader
from comgov.signing.errors import Malformed
from comgov.signing.manifest import BORDEREAU, MAX_MANIFEST_BYTES, manifest_name, signature_name
from comgov.signing.verdict import (
    Indication,
    Invalid,
    PieceReport,
    Reason,
    Report,
    SignatureReport,
    Valid,
    Verdict,
    conclude,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from comgov.signing.trust import Trust

MAX_BORDEREAU_BYTES = 1 << 20
MAX_KEPT_BYTES = 32 << 20
"""Bordereau, manifests and signatures together: what a verification holds in memory."""
_CHUNK_BYTES = 1 << 20


@dataclass
class _Collector:
    """Keeps what is small and read again (bordereau, manifests, signatures); measures the rest as it passes.

    directory: where every file is also written; None writes nothing.
    """

    directory: Path | None = None
    members: list[Member] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    kept_bytes: int = 0
    _keeping: bytearray | None = None
    _file: BinaryIO | None = None

    def begin(self, name: str, size_bytes: int) -> None:
        limit = _limit(name)
        if size_bytes > limit:
            raise Malformed(N_("{name} is larger than {limit} bytes."), name=name, limit=limit)
        self._keeping = None
        if limit < MAX_CONTAINER_BYTES:
            self._keeping = bytearray()
            self.kept_bytes += size_bytes
        if self.kept_bytes > MAX_KEPT_BYTES:
            raise Malformed(N_("The container's manifests and signatures exceed {limit} bytes."), limit=MAX_KEPT_BYTES)
        if self.directory is not None:
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            self._file = path.open("xb")

    def data(self, chunk: memoryview) -> None:
        if self._keeping is not None:
            self._keeping += chunk
        if self._file is not None:
            self._file.write(chunk)

    def end(self, member: Member) -> None:
        self.members.append(member)
        if self._keeping is not None:
            self.kept[member.name] = bytes(self._keeping)
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _limit(name: str) -> int:
    if name == BORDEREAU:
        return MAX_BORDEREAU_BYTES
    if name.startswith("META-INF/"):
        return MAX_MANIFEST_BYTES if name.endswith(".xml") else cms.MAX_SIGNED_DATA_BYTES
    return MAX_CONTAINER_BYTES


class Verification:
    """Verifies a container while its bytes pass, in one pass and bounded memory."""

    def __init__(self, pinned: Trust, *, directory: Path | None = None) -> None:
        self._pinned = pinned
        self._collector = _Collector(directory)
        self._reader = Reader(self._collector)
        self._malformed: Malformed | None = None

    def feed(self, chunk: bytes) -> None:
        """More bytes of the file. What follows a fault is ignored: the verdict is already settled."""
        if self._malformed is None:
            try:
                self._reader.feed(chunk)
            except Malformed as error:
                self._malformed = error

    @property
    def is_settled(self) -> bool:
        """Whether reading on can change nothing, since the container is malformed."""
        return self._malformed is not None

    def conclude(self) -> Verdict:
        """The verdict, once every byte was fed."""
        try:
            if self._malformed is not None:
                raise self._malformed
            self._reader.close()
            return _judge(self._collector, self._pinned)
        except Malformed as error:
            found = Reason(Indication.FORMAT_FAILURE, error.public, tuple(error.values.items()))
            return Invalid(Report(pieces=_pieces(self._collector.members)), (found,))
        finally:
            self._collector.close()

    @property
    def bordereau(self) -> bytes | None:
        """`bordereau.json` as it stands in the container; rely on it only after a Valid verdict."""
        return self._collector.kept.get(BORDEREAU)

    @property
    def members(self) -> tuple[Member, ...]:
        """Every file met, measured, in the order of the container."""
        return tuple(self._collector.members)

    @property
    def kept(self) -> dict[str, bytes]:
        """The bytes of `bordereau.json`, manifests and signatures, by name."""
        return dict(self._collector.kept)


def verify(file: BinaryIO, pinned: Trust, *, extract_to: Path | None = None) -> Verdict:
    """Verify the container in an open file.

    extract_to: an existing empty directory that receives every file, and for each signature `META-INF/signatureNNN`
    with the suffixes `.sigvalue.bin` and `.token.der`, for `openssl ts -verify`. Raises OSError when it cannot be
    written, and FileExistsError rather than overwrite.
    """
    verification = Verification(pinned, directory=extract_to)
    while not verification.is_settled and (chunk := file.read(_CHUNK_BYTES)):
        verification.feed(chunk)
    verdict = verification.conclude()
    if extract_to is not None:
        extract_tokens(verification.kept, extract_to)
    return verdict


async def verify_stream(chunks: AsyncIterable[bytes], pinned: Trust) -> Verdict:
    """Verify the container that arrives in chunks."""
    verification = Verification(pinned)
    async for chunk in chunks:
        verification.feed(chunk)
        if verification.is_settled:
            break
    return verification.conclude()


def extract_tokens(files: dict[str, bytes], directory: Path) -> None:
    """Write, for each signature `name.p7s` among these files, `name.sigvalue.bin` and `name.token.der`."""
    for name, content in files.items():
        if not name.endswith(".p7s"):
            continue
        try:
            value, token = cades.signature_value(content), cades.time_stamp_token(content)
        except Malformed:
            continue  # the verdict says so
        stem = name.removesuffix(".p7s")
        (directory / f"{stem}.sigvalue.bin").write_bytes(value)
        if token is not None:
            (directory / f"{stem}.token.der").write_bytes(token)


def _pieces(members: list[Member]) -> tuple[PieceReport, ...]:
    return tuple(
        PieceReport(name=member.name, size_bytes=member.size_bytes, sha256=member.sha256)
        for member in members
        if not member.name.startswith("META-INF/")
    )


def _judge(collector: _Collector, pinned: Trust) -> Verdict:
    reports: list[SignatureReport] = []
    found: list[Reason] = _check_places(collector.members)
    digests = {member.name: member.sha256 for member in collector.members}
    earlier: frozenset[str] = frozenset()
    number = 1
    while manifest_name(number) in collector.kept:
        step = manifest.read(collector.kept[manifest_name(number)], manifest_name(number))
        found += _check_references(number, step, digests, earlier)
        verdict = _verify_step(number, collector.kept, pinned)
        reports += verdict.report.signatures
        found += [] if isinstance(verdict, Valid) else verdict.reasons
        earlier = frozenset(reference.name for reference in step.references) | {
            manifest_name(number),
            signature_name(number),
        }
        number += 1
    found += _check_coverage(digests, earlier, steps=number - 1)
    return conclude(Report(signatures=tuple(reports), pieces=_pieces(collector.members)), found)


def _check_places(members: list[Member]) -> list[Reason]:
    if members and members[0].name == BORDEREAU:
        return []
    return [reason(Indication.FORMAT_FAILURE, N_("The container has no bordereau.json after its mimetype."))]


def _verify_step(number: int, kept: dict[str, bytes], pinned: Trust) -> Verdict:
    name = signature_name(number)
    if name not in kept:
        missing = reason(Indication.SIGNED_DATA_NOT_FOUND, N_("{name} is missing."), name=name)
        return Invalid(Report(), (missing,))
    return cades.verify(kept[name], kept[manifest_name(number)], pinned, name=name)


def _check_references(
    number: int, step: manifest.Manifest, digests: dict[str, bytes], earlier: frozenset[str]
) -> list[Reason]:
    """Each file named is there with that digest; nothing that an earlier step signed is left out."""
    found = []
    name = manifest_name(number)
    if step.signature != signature_name(number):
        found.append(reason(Indication.FORMAT_FAILURE, N_("{name} is for another signature."), name=name))
    for reference in step.references:
        if reference.name not in digests:
            found.append(
                reason(Indication.SIGNED_DATA_NOT_FOUND, N_("{piece} is signed and missing."), piece=reference.name)
            )
        elif digests[reference.name] != reference.sha256:
            found.append(
                reason(Indication.HASH_FAILURE, N_("{piece} was altered after it was signed."), piece=reference.name)
            )
    left_out = sorted(earlier - {reference.name for reference in step.references})
    sentence = N_("{name} leaves out {piece}, which came before it.")
    found += [reason(Indication.SIG_CONSTRAINTS_FAILURE, sentence, name=name, piece=piece) for piece in left_out]
    return found


def _check_coverage(digests: dict[str, bytes], signed: frozenset[str], *, steps: int) -> list[Reason]:
    """Every file of the container is signed, or is a signature."""
    if steps == 0:
        return [reason(Indication.SIGNED_DATA_NOT_FOUND, N_("The container has no signature."))]
    return [
        reason(Indication.SIG_CONSTRAINTS_FAILURE, N_("{piece} is in the container and nobody signed it."), piece=name)
        for name in digests
        if name not in signed
    ]

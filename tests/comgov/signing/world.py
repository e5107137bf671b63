"""A small world of certificates: a root, an institution, a time-stamp authority, revocation lists; and openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from comgov.signing import cades, certificates, container, manifest, tsp
from comgov.signing.certificates import Credential, Purpose, Revoked, Subject
from comgov.signing.trust import Trust
from comgov.signing.verdict import Commitment

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SANTE = Subject(name="Ministère de la Santé", code="sante", domain="sante.gov.test", country="BI")
PLATFORM = Subject(name="COMGOV", code="", domain="")
FINANCES = Subject(name="Ministère des Finances", code="finances", domain="finances.gov.test", country="BI")


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that signs, at the instant NOW."""

    root: Credential
    authority: Credential
    seal: Credential
    stamper: tsp.Authority
    crls: tuple[x509.CertificateRevocationList, ...]

    @property
    def trust(self) -> Trust:
        return Trust(root=self.root.certificate, crls=self.crls)

    @property
    def root_only(self) -> Trust:
        return Trust(root=self.root.certificate)

    def sign(
        self,
        content: bytes,
        *,
        commitment: Commitment = Commitment.ORIGIN,
        at: datetime = NOW,
        crls: tuple[x509.CertificateRevocationList, ...] | None = None,
    ) -> bytes:
        """A signature at B-LT; at B-T when `crls` is empty."""
        lists = self.crls if crls is None else crls
        return cades.sign_and_stamp(self.seal, self.stamper, content, commitment, at=at, serial_number=1, crls=lists)

    def revoking(self, *revoked: Revoked, at: datetime) -> Trust:
        """The root with lists made at `at`, the institution's holding those lines."""
        return Trust(
            root=self.root.certificate,
            crls=(
                certificates.revocation_list(self.root, [], number=2, now=at),
                certificates.revocation_list(self.authority, revoked, number=2, now=at),
            ),
        )

    def with_seal(self, make: Callable[[Credential, certificates.PublicKey], x509.Certificate]) -> World:
        """The same world whose seal is the certificate that `make` issues."""
        key = certificates.new_key(Purpose.SEAL)
        certificate = make(self.authority, key.public_key())
        return replace(
            self, seal=Credential(key=key, certificate=certificate, authorities=(self.authority.certificate,))
        )


def make_world(subject: Subject = SANTE, *, now: datetime = NOW - timedelta(days=1)) -> World:
    """A world whose certificates begin at `now`."""
    root_key = certificates.new_key(Purpose.ROOT)
    root = Credential(key=root_key, certificate=certificates.root(root_key, platform="COMGOV", now=now))
    key = certificates.new_key(Purpose.INSTITUTION)
    authority = Credential(
        key=key, certificate=certificates.institution_authority(root, key.public_key(), subject, now=now)
    )
    stamp_key = certificates.new_key(Purpose.TIME_STAMP)
    stamp = certificates.time_stamp(root, stamp_key.public_key(), PLATFORM, now=now)
    world = World(
        root=root,
        authority=authority,
        seal=authority,
        stamper=tsp.Authority(credential=Credential(key=stamp_key, certificate=stamp)),
        crls=tuple(certificates.revocation_list(issuer, [], number=1, now=now) for issuer in (root, authority)),
    )
    return world.with_seal(lambda issuer, public: certificates.seal(issuer, public, subject, now=now))


def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the real openssl; what it says is in `stderr` and `stdout`."""
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


async def sealed(world: World, pieces: dict[str, bytes], *, steps: int = 1) -> bytes:
    """A container of those pieces with a bordereau, signed `steps` times."""
    parts = [container.part("bordereau.json", b'{"objet": "essai"}')]
    parts += [container.part(name, content) for name, content in pieces.items()]
    for number in range(1, steps + 1):
        listed = manifest.write(number, [part.member for part in parts])
        commitment = Commitment.ORIGIN if number == 1 else Commitment.APPROVAL
        parts.append(container.part(manifest.manifest_name(number), listed))
        parts.append(container.part(manifest.signature_name(number), world.sign(listed, commitment=commitment)))
    return b"".join([chunk async for chunk in container.stream(parts)])

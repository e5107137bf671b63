"""Issuing evidence: one entry in the register of who makes it, one signed JSON, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov import authority, registers
from comgov.dossiers import documents, store
from comgov.dossiers.documents import Kind, Party
from comgov.dossiers.model import Evidence
from comgov.registers.model import Direction
from comgov.signing.verdict import Commitment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.registers.model import Number

_COMMITMENTS = {
    Kind.SEALED: Commitment.ORIGIN,
    Kind.CONTENT_CONSIGNMENT: Commitment.DELIVERY,
    Kind.CONTENT_HANDOVER: Commitment.DELIVERY,
}
_NUMBERED = {Kind.SEALED: Direction.DEPARTURE, Kind.REGISTERED: Direction.ARRIVAL}


@dataclass(frozen=True, kw_only=True)
class Maker:
    """An institution that can sign. Opened before the transaction, so that none waits for a key."""

    institution: Institution
    sealer: authority.Sealer

    @property
    def party(self) -> Party:
        """Itself in documents."""
        return party(self.institution)


async def maker(platform: Platform, institution: Institution) -> Maker:
    """The institution with its seal. Raises Conflict when it has no valid seal, Unavailable when nothing is signed."""
    await registers.must_be_stamped(platform, institution)
    return Maker(institution=institution, sealer=await authority.sealer(platform, institution.id))


def party(institution: Institution) -> Party:
    """An institution as documents name it."""
    return Party(code=institution.code, name=institution.name_fr)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What an evidence shall say. Digests are 32 bytes; departure: the sender's proof, once there is one."""

    kind: Kind
    message_id: UUID | None
    manifest: bytes | None
    sender: Party | None
    recipient: Party | None = None
    recipient_id: int | None = None
    previous: bytes | None = None
    person: str | None = None
    reasons: tuple[str, ...] | None = None
    container: bytes | None = None
    presentation_id: int | None = None
    departure: documents.Proof | None = None


async def issue(
    connection: Connection,
    maker: Maker,
    kind: Kind,
    say: Callable[[Number | None], Statement],
    *,
    at: datetime,
) -> tuple[Evidence, Number | None]:
    """Enter an evidence in the maker's register, sign it and keep it; gives it with its register number, if any.

    say: gives the statement of that kind, once its number is known. at: the maker's clock, aware UTC.
    """
    said: list[tuple[Statement, bytes]] = []

    def entry(number: Number | None) -> bytes:
        statement = say(number)
        said.append((statement, _entry(maker, statement, number, at)))
        return said[-1][1]

    register = await registers.lock(connection, maker.institution)
    number = None
    if kind in _NUMBERED:
        _, inclusion, number = await registers.append_numbered(connection, register, _NUMBERED[kind], entry, at=at)
    else:
        _, inclusion = await registers.append(connection, register, entry(None), at=at)
    [(statement, entered)] = said
    body = _evidence(maker, statement, number, at, documents.proof(inclusion, entered)).canonical()
    evidence = Evidence(
        message_id=statement.message_id,
        recipient_id=statement.recipient_id,
        presentation_id=statement.presentation_id,
        kind=kind,
        institution_id=maker.institution.id,
        digest=documents.digest(body),
        body=body,
        signature=maker.sealer.seal(body, _COMMITMENTS.get(kind, Commitment.RECEIPT)),
        index=inclusion.index,
        at=at,
    )
    await store.insert_evidence(connection, evidence)
    return evidence, number


def _entry(maker: Maker, said: Statement, number: Number | None, at: datetime) -> bytes:
    return documents.Entry(
        event=said.kind,
        message=said.message_id,
        manifest=_hex(said.manifest),
        container=_hex(said.container),
        institution=maker.institution.code,
        recipient=said.recipient.code if said.recipient else None,
        number=str(number) if number else None,
        previous=_hex(said.previous),
        at=at,
    ).canonical()


def _evidence(
    maker: Maker, said: Statement, number: Number | None, at: datetime, proof: documents.Proof
) -> documents.Evidence:
    return documents.Evidence(
        kind=said.kind,
        message=said.message_id,
        manifest=_hex(said.manifest),
        container=_hex(said.container),
        previous=_hex(said.previous),
        sender=said.sender,
        recipient=said.recipient,
        institution=maker.party,
        person=said.person,
        number=str(number) if number else None,
        reasons=said.reasons,
        at=at,
        register_=proof,
        departure=said.departure,
    )


def _hex(digest: bytes | None) -> str | None:
    return digest.hex() if digest else None

"""Entering things in a register, proving that they are there, signing what it holds.

Numbers and indexes are given under the lock of the register's row, in the transaction of the thing that is entered:
what rolls back takes its number with it, so neither ever has a gap.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from comgov import authority
from comgov.errors import ComgovError, Conflict, Unavailable
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.registers import audit, model, store
from comgov.registers.config import Config
from comgov.registers.model import Direction, Entry, Inclusion, Number, NumberFilter, Register, Witness
from comgov.signing import checkpoint, merkle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence
    from datetime import datetime

    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.signing.certificates import Credential

WITNESSES = 2
"""How many other institutions cosign each checkpoint, when there are as many."""

CHECKPOINT_PAUSE = timedelta(seconds=1)
"""The shortest time between two checkpoints of a register: entries in between share the next one."""

_ASKED = 8
"""How many others are asked in turn to cosign and to time-stamp, until enough of them can."""

_PAGE = 500  # entries a query

log = structlog.get_logger()


async def lock(connection: Connection, institution: Institution) -> Register:
    """The institution's register, which nobody else extends until the transaction ends.

    A transaction locks one register only: that is why none waits for another in a circle.
    """
    register = await store.lock(connection, institution.id)
    if register is None:
        await store.open_register(connection, institution.id, origin(institution))
        register = await store.lock(connection, institution.id)
    assert register is not None
    return register


def origin(institution: Institution) -> str:
    """The name of its register in checkpoints, such as `sante.gov.test/register`."""
    return f"{institution.domain}/register"


async def append(
    connection: Connection, register: Register, body: bytes, *, at: datetime, number: Number | None = None
) -> tuple[Register, Inclusion]:
    """Enter these bytes; gives the register after that, and the proof that they are its last entry.

    register: locked in this transaction. at: aware; its year is that of the number.
    """
    before = register.frontier
    after, completed = before.append(merkle.leaf_hash(body))
    entry = Entry(index=before.size, at=at, body=body, number=number)
    await store.append(connection, register.institution_id, entry, completed, after)
    proof = Inclusion(
        origin=register.origin, index=before.size, size=after.size, root=after.root, path=before.next_path
    )
    return replace(register, frontier=after), proof


async def append_numbered(
    connection: Connection,
    register: Register,
    direction: Direction,
    body: Callable[[Number], bytes],
    *,
    at: datetime,
) -> tuple[Register, Inclusion, Number]:
    """The same under the next number of that direction, which the body may speak of. The year is that of `at`, UTC."""
    last = await store.last_number(connection, register.institution_id, direction, at.year)
    number = Number(at.year, direction, last + 1)
    register, proof = await append(connection, register, body(number), at=at, number=number)
    return register, proof, number


async def inclusion(connection: Connection, institution_id: int, index: int, size: int) -> Inclusion:
    """The proof that entry `index` is in the tree of the first `size` entries; reads O(log n) rows.

    Raises ValueError unless 0 <= index < size, KeyError when the register is shorter.
    """
    proof = merkle.inclusion_proof(index, size)
    whole = merkle.Proof((tuple(merkle.complete_nodes(0, size)),))
    hashes = (await store.nodes(connection, {institution_id: proof.nodes | whole.nodes}))[institution_id]
    (root,) = whole.path(hashes)
    name = await store.origin(connection, institution_id)
    return Inclusion(origin=name, index=index, size=size, root=root, path=proof.path(hashes))


async def consistency(connection: Connection, institution_id: int, old: int, new: int) -> merkle.Path:
    """The proof that the tree of `new` entries begins with that of `old`; reads O(log n) rows."""
    proof = merkle.consistency_proof(old, new)
    return proof.path((await store.nodes(connection, {institution_id: proof.nodes}))[institution_id])


async def publish_all(platform: Platform) -> None:
    """Publish every register that holds an entry which no time-stamp covers yet."""
    async with platform.db.connection() as connection:
        waiting = await store.unstamped(connection)
    for institution_id in waiting:
        await publish(platform, await institutions.get_by_id(platform, institution_id))


class _Published(dict[int, "datetime"]):
    """When this process last looked whether a register grew, by institution: it looks once a pause, not each time."""


async def publish(platform: Platform, institution: Institution) -> None:
    """Sign a checkpoint of what the register holds, have it cosigned, then time-stamped by another institution.

    Nothing happens when nothing is left to do, or when the last checkpoint is younger than `CHECKPOINT_PAUSE`. What
    cannot be done now is left to the next turn: entries are safe meanwhile, and `must_be_stamped` sets the limit.
    """
    now, looked = platform.clock(), platform.own(_Published, _Published)
    if now - looked.get(institution.id, now - CHECKPOINT_PAUSE) < CHECKPOINT_PAUSE:
        return
    looked[institution.id] = now
    try:
        await _sign(platform, institution)
        others = await institutions.following(platform, institution.id, _ASKED)
        await _have_cosigned(platform, institution, others)
        await _have_stamped(platform, institution, others)
    except ComgovError as error:
        log.warning("register.not_published", institution=institution.code, reason=str(error))


async def _sign(platform: Platform, institution: Institution) -> None:
    credential = await authority.register_credential(platform, institution.id)
    now = platform.clock()
    async with platform.db.transaction() as connection:
        register = await store.lock(connection, institution.id)
        if register is None or register.frontier.size == 0:
            return
        latest = await store.latest_checkpoint(connection, institution.id)
        if latest and (latest[0] == register.frontier.size or now - latest[1] < CHECKPOINT_PAUSE):
            return
        found = checkpoint.Checkpoint(register.origin, register.frontier.size, register.frontier.root)
        line = checkpoint.sign(found, credential.key)
        await store.remember_key(connection, institution.id, credential)
        await store.insert_checkpoint(connection, institution.id, found, line, now)


async def _have_cosigned(platform: Platform, institution: Institution, others: Sequence[Institution]) -> None:
    """Two others in turn; who cannot sign is passed over, who refuses is not replaced by one that knows less."""
    async with platform.db.connection() as connection:
        signed = await store.open_checkpoint(connection, institution.id)
    if signed is None:
        return
    asked = {line.name for line in signed.signatures} - {signed.checkpoint.origin}
    for witness in others:
        if len(asked) >= WITNESSES:
            return
        if origin(witness) in asked:
            continue
        try:
            credential = await authority.register_credential(platform, witness.id)
        except Conflict as error:
            log.warning("register.witness_cannot_sign", witness=witness.code, reason=str(error))
            continue
        await _cosign(platform, institution, witness, credential)
        asked.add(origin(witness))


async def _cosign(platform: Platform, institution: Institution, witness: Institution, credential: Credential) -> None:
    """Do what a witness does: check the signature and the consistency with what it saw before, then sign."""
    async with platform.db.transaction() as connection:
        await store.lock(connection, institution.id)
        signed = await store.open_checkpoint(connection, institution.id)
        if signed is None:
            return
        found = signed.checkpoint
        checkpoint.verify(signed, *(key.public_key for key in await store.keys(connection, [institution.id])))
        await store.open_register(connection, witness.id, origin(witness))
        seen = (await store.witnessed(connection, institution.id, [witness.id])).get(witness.id)
        if seen is not None and found.size <= seen.size:
            return
        if seen is not None and not await _continues(connection, institution.id, seen, found):
            log.error("register.inconsistent", register=found.origin, size=found.size, witness=witness.code)
            return
        line = checkpoint.cosign(found, origin(witness), credential.key, platform.clock())
        await store.remember_key(connection, witness.id, credential)
        await store.insert_cosignature(connection, institution.id, found.size, witness.id, line)
        await store.saw(connection, institution.id, Witness(witness_id=witness.id, size=found.size, root=found.root))


async def _have_stamped(platform: Platform, institution: Institution, others: Sequence[Institution]) -> None:
    """The token of the first other institution that can give one, over the checkpoint with all its lines."""
    async with platform.db.connection() as connection:
        signed = await store.open_checkpoint(connection, institution.id)
    if signed is None:
        return
    for other in others:
        try:
            token = await authority.stamp(platform, signed.digest, institution_id=other.id)
        except Unavailable as error:
            log.warning("register.stamper_cannot_stamp", stamper=other.code, reason=str(error))
            continue
        async with platform.db.transaction() as connection:
            await store.lock(connection, institution.id)
            if await store.open_checkpoint(connection, institution.id) == signed:
                await store.insert_time_stamp(connection, institution.id, signed.checkpoint.size, other.id, token)
        return


async def must_be_stamped(platform: Platform, institution: Institution) -> None:
    """Raise Unavailable when an entry waits longer for a time-stamp than the configuration allows.

    Asks for one first. An institution that is alone on its server has nobody to ask, and nobody to send to.
    """
    if not await _is_overdue(platform, institution):
        return
    await publish(platform, institution)
    if await _is_overdue(platform, institution) and await institutions.following(platform, institution.id, 1):
        raise Unavailable(
            N_("The register has waited too long for another institution's time-stamp, so that nothing is signed now.")
        )


async def _is_overdue(platform: Platform, institution: Institution) -> bool:
    async with platform.db.connection() as connection:
        since = await store.oldest_unstamped(connection, institution.id)
    return since is not None and platform.clock() - since > platform.config(Config).stamp_within


async def export(platform: Platform, institution: Institution) -> AsyncGenerator[bytes, None]:
    """The register up to its newest checkpoint, as `audit` reads it, line by line.

    Nothing is held between lines: what is exported was written once and never changes. The revocation lists in force
    go along, so that it can be told which of the signatures were made with a certificate that was good.
    """
    await publish(platform, institution)
    async with platform.db.connection() as connection:
        latest = await store.latest_checkpoint(connection, institution.id)
        signatories = await store.signatories(connection, institution.id)
        keys = await store.keys(connection, signatories)
    yield audit.header(origin(institution), keys)
    trust = await authority.trust(platform, *signatories)
    issuers = {trust.root.subject, *(key.chain[1].subject for key in keys)}
    for crl in trust.crls:
        if crl.issuer in issuers:
            yield audit.revocation_line(crl)
    start, stop = 0, latest[0] if latest else 0
    while start < stop:
        async with platform.db.connection() as connection:
            entries = await store.entries(connection, institution.id, start, min(_PAGE, stop - start))
            signed = await store.checkpoints(connection, institution.id, start + 1, len(entries))
            tokens = await store.time_stamps(connection, institution.id, start + 1, start + len(entries))
        notes = {each.checkpoint.size: each for each in signed}
        for entry in entries:
            yield audit.entry_line(entry)
            if entry.index + 1 in notes:
                yield audit.checkpoint_line(notes[entry.index + 1], tokens.get(entry.index + 1))
        start += len(entries)


async def logged(platform: Platform, entries: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """The proofs that entries are in their registers, each with the newest checkpoint: C2SP `tlog-proof`.

    entries: institution and index. One that no checkpoint covers yet is missing. Two queries, however many there are.
    """
    async with platform.db.connection() as connection:
        newest = await store.newest_checkpoints(connection, {institution_id for institution_id, _ in entries})
        proofs = {
            (institution_id, index): merkle.inclusion_proof(index, newest[institution_id].checkpoint.size)
            for institution_id, index in entries
            if institution_id in newest and index < newest[institution_id].checkpoint.size
        }
        wanted = {institution_id: set[merkle.Node]() for institution_id in newest}
        for (institution_id, _), proof in proofs.items():
            wanted[institution_id] |= proof.nodes
        hashes = await store.nodes(connection, wanted)
    return {
        (institution_id, index): model.tlog_proof(index, proof.path(hashes[institution_id]), newest[institution_id])
        for (institution_id, index), proof in proofs.items()
    }


async def page(platform: Platform, institution_id: int, numbers: NumberFilter) -> tuple[list[Entry], int]:
    """One page of the numbered entries, the newest first, and how many there are in all."""
    async with platform.db.connection() as connection:
        return await store.numbered(connection, institution_id, numbers)


async def newest_checkpoint(platform: Platform, institution_id: int) -> checkpoint.SignedCheckpoint | None:
    """What the institution signed last about its register, with every cosignature."""
    async with platform.db.connection() as connection:
        return (await store.newest_checkpoints(connection, [institution_id])).get(institution_id)


async def _continues(connection: Connection, institution_id: int, seen: Witness, found: checkpoint.Checkpoint) -> bool:
    path = await consistency(connection, institution_id, seen.size, found.size)
    return merkle.is_consistent(seen.size, seen.root, found.size, found.root, path)

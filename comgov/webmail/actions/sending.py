"""Sending: once, whatever happens in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid5

from comgov.errors import Conflict, Forbidden, Invalid, NotFound
from comgov.language import N_
from comgov.webmail import compose, store
from comgov.webmail.actions import reading, writing
from comgov.webmail.config import Config
from comgov.webmail.words import in_our_words, ours
from mail import errors as mail
from mail.address import Address
from mail.directory import Identity
from mail.envelope import Client, Envelope, Origin
from mail.mailbox import Flag, SpecialUse
from storage import SWEEP_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comgov.feature import Platform
    from comgov.people.model import Actor
    from comgov.webmail.model import Access, Draft, Recipient
    from storage import Store

_BATCH = 500


async def send(platform: Platform, actor: Actor, draft: Draft, *, helo: str = "") -> int:
    """Save a draft and send it; gives to how many addresses. Sent already: the same, and nothing is sent again.

    The message bears the draft's id, under which the relay accepts it once: a second click, or a second try after
    the power came back, finds it accepted and only completes what was left to do.
    Raises Invalid with the address that is wrong, and what `save`, the relay and the store raise; the draft stays.
    """
    try:
        await writing.save(platform, actor, draft)
        found = await writing.get(platform, actor, draft.id)
    except Conflict:
        before = await writing.find(platform, actor, draft.id)
        if before is not None and before.sent_at is not None:
            return 0
        raise
    author = await reading.access_to(platform, actor, draft.sender_id)
    submitter = (await reading.accesses(platform, actor))[0]
    addressees = compose.addressees(found)
    _check_addressees(platform, addressees)
    client = _client(actor, helo)
    await _check_each(platform, addressees, Address.parse(author.address), client)
    content = await _content(platform, found, author, submitter)
    envelope = Envelope(
        sender=Address.parse(author.address),
        recipients=tuple(one.address for one in addressees),
        smtputf8=compose.needs_smtputf8(found),
    )
    with in_our_words():
        await platform.relay.accept(envelope, content, client, body_id=found.id)
    await _keep_copy(platform, author, found, content)
    await _mark_answered(platform, actor, found)
    async with platform.db.transaction() as connection:
        await store.mark_sent(connection, found.id, platform.clock())
    return len(addressees)


def _check_addressees(platform: Platform, addressees: Sequence[Recipient]) -> None:
    limit = platform.config(Config).recipient_limit
    if not addressees:
        raise Invalid(N_("Say to whom the message goes. It is kept as a draft."))
    if len(addressees) > limit:
        raise Invalid(
            N_("A message goes to at most {limit} addresses. Write to a list instead; the draft is kept."), limit=limit
        )


async def _check_each(platform: Platform, addressees: Sequence[Recipient], sender: Address, client: Client) -> None:
    """Ask for every recipient before anything is sent, so that the wrong ones are named, all together."""
    unknown, closed = [], []
    for one in addressees:
        try:
            await platform.relay.check_recipient(one.address, sender, client)
        except mail.UnknownMailbox:
            unknown.append(str(one.address))
        except mail.NotPermitted:
            closed.append(str(one.address))
        except mail.MailError as error:
            raise ours(error) from error
    if unknown:
        raise Invalid(
            N_("Nobody has this address: {addresses}. Nothing was sent; correct it and send again."),
            addresses=", ".join(unknown),
        )
    if closed:
        raise Forbidden(
            N_("Only its members may write to {addresses}. Nothing was sent; the draft is kept."),
            addresses=", ".join(closed),
        )


async def _content(platform: Platform, draft: Draft, author: Access, submitter: Access) -> bytes:
    blobs = await platform.blobs.drawer(writing.DRAWER)
    files = [(file.filename, file.content_type, await writing.bytes_of(blobs, file)) for file in draft.files]
    return await asyncio.to_thread(compose.build, draft, files, author, submitter, platform.clock())


def _client(actor: Actor, helo: str) -> Client:
    identity = Identity(account_id=actor.person_id, address=Address.parse(actor.address), name=actor.name)
    return Client(origin=Origin.SUBMISSION, ip=actor.ip, helo=helo, protocol="HTTP", identity=identity)


async def _keep_copy(platform: Platform, author: Access, draft: Draft, content: bytes) -> None:
    """What was sent in a post's name stays with the post."""
    with in_our_words():
        sent = await platform.mailboxes.standard(author.account_id, SpecialUse.SENT)
        try:
            await platform.mailboxes.append(sent.id, content, flags=Flag.SEEN, body_id=uuid5(draft.id, "sent"))
        except mail.AlreadyKept:
            return


async def _mark_answered(platform: Platform, actor: Actor, draft: Draft) -> None:
    """Say so on the message that was answered, if it is still where it was and still the actor's to mark."""
    if draft.answered is None or draft.answered.how != "reply":
        return
    try:
        opened = await reading.open_mailbox(platform, actor, draft.answered.mailbox_id)
    except NotFound:
        return
    if opened.access.may_change:
        with in_our_words():
            await platform.mailboxes.store(opened.mailbox.id, [draft.answered.uid], action="+", flags=Flag.ANSWERED)


async def sweep(platform: Platform) -> None:
    """Forget what was sent long ago, and the files that no draft refers to any more; run every day."""
    before = platform.clock() - platform.config(Config).sent_draft_kept
    async with platform.db.transaction() as connection:
        await store.forget_sent(connection, before)
    await _sweep_files(platform)


async def _sweep_files(platform: Platform) -> None:
    """See `storage.Store` for why only what is older than SWEEP_AFTER may go."""
    before = platform.clock() - SWEEP_AFTER
    blobs = await platform.blobs.drawer(writing.DRAWER)
    batch: list[bytes] = []
    async for blob in blobs.list(written_before=before):
        batch.append(blob.sha256)
        if len(batch) == _BATCH:
            await _delete_unreferred(platform, blobs, batch, before)
            batch = []
    await _delete_unreferred(platform, blobs, batch, before)


async def _delete_unreferred(platform: Platform, blobs: Store, digests: Sequence[bytes], before: datetime) -> None:
    async with platform.db.connection() as connection:
        needed = await store.referred(connection, digests)
    for digest in digests:
        if digest not in needed:
            await blobs.delete(digest, written_before=before)

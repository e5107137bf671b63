"""The front door: whoever brings a message, it comes in here, and once it is in it cannot be lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.acceptance import stamps
from mail.acceptance.commit import Acceptance, Committer, Delivery, Departure, Passage
from mail.address import Address, AddressError
from mail.body.after_header import keep
from mail.body.examination import Body, examine, new_body_id
from mail.directory import Account, MailingList, NotHere
from mail.envelope import Origin
from mail.errors import (
    AuthenticationNeeded,
    Looping,
    MailboxFull,
    Malformed,
    MessageTooLarge,
    NotPermitted,
    RelayDenied,
    UnknownMailbox,
)
from mail.mailbox.quota import Quotas
from mail.message.addresses import MAILBOXES_LIMIT, parse_addresses
from mail.message.header import VALUE_LIMIT_BYTES, without

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from mail.body.blobs import Blobs
    from mail.body.examination import Examined
    from mail.config import Config
    from mail.directory import Directory, Identity, Recipient
    from mail.envelope import Client, Envelope
    from mail.message.addresses import Mailbox
    from mail.message.header import Fields
    from mail.octets import Octets
    from mail.postgres import Pool


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A message that is durable: in every local inbox, and queued for every recipient elsewhere.

    body_id: also the id that the client is told. inboxes, queued: how many recipients of each kind.
    """

    body_id: UUID
    inboxes: int
    queued: int


class Relay:
    """Checks, stamps, resolves and commits. One per process; needs a running loop, no start and no stop."""

    def __init__(
        self,
        *,
        hostname: str,
        pool: Pool,
        blobs: Blobs,
        directory: Directory,
        clock: Callable[[], datetime],
        config: Config,
    ) -> None:
        """hostname: what this server calls itself in Received and in made-up Message-IDs."""
        self.hostname = hostname
        self.directory = directory
        self.config = config
        self._blobs = blobs
        self._clock = clock
        self._committer = Committer(pool)
        self._quotas = Quotas(pool)

    def expect(self, giver: object) -> None:
        """A message may come from there at once: others are committed together with it."""
        self._committer.expected.add(giver)

    def expect_no_more(self, giver: object) -> None:
        """It came, or will not come."""
        self._committer.expected.remove(giver)

    async def check_sender(self, sender: Address | None, client: Client) -> None:
        """Whether the client may use that envelope sender; raises NotPermitted or AuthenticationNeeded."""
        if client.origin is not Origin.SUBMISSION:
            return
        if client.identity is None:
            raise AuthenticationNeeded
        if sender is None:
            raise NotPermitted("The empty sender is for notifications, not for people")
        await self._check_may_send_as(client.identity, sender)

    async def _check_may_send_as(self, identity: Identity, address: Address) -> None:
        if not await self.directory.may_send_as(identity, address):
            raise NotPermitted(f"You may not send as <{address}>")

    def recall_recipient(self, recipient: Address) -> Account | None:
        """The account that receives there and has room, if that is known without asking anyone: `check_recipient` would
        take it. None says nothing."""
        found = self.directory.recall(recipient)
        return found if isinstance(found, Account) and self._quotas.surely_has_room(found) else None

    async def check_recipient(self, recipient: Address, sender: Address | None, client: Client) -> Recipient:
        """Who receives there, for RCPT.

        Raises UnknownMailbox, RelayDenied (remote, from OUTSIDE), NotPermitted (a closed list), MailboxFull,
        SystemDown.
        """
        found = await self.directory.lookup(recipient)
        if found is NotHere.UNKNOWN:
            raise UnknownMailbox
        if found is NotHere.REMOTE and client.origin is Origin.OUTSIDE:
            raise RelayDenied
        if isinstance(found, Account) and client.origin is not Origin.SYSTEM and await self._quotas.is_full(found):
            raise MailboxFull
        if isinstance(found, MailingList):
            await self._check_may_post(found, sender, client)
        return found

    async def _check_may_post(self, target: MailingList, sender: Address | None, client: Client) -> None:
        """A name of ours in an unauthenticated envelope proves nothing: such a sender must have signed in."""
        if target.posters is None or client.origin is Origin.SYSTEM:
            return
        is_member = sender is not None and sender.key in target.posters
        if is_member and client.origin is Origin.OUTSIDE and sender is not None:
            is_member = await self.directory.lookup(sender) is NotHere.REMOTE
        if not is_member:
            raise NotPermitted("Only members may post to this list")

    async def accept(
        self, envelope: Envelope, content: Octets, client: Client, *, body_id: UUID | None = None
    ) -> Accepted:
        """Take responsibility for a message; returns once it is durable.

        body_id: for callers who may have to ask again without knowing whether they succeeded; what was accepted
        under an id once is not accepted again, and the answer is the same. None for a new one.

        content: header, empty line, body, with CRLF line ends, exactly as received. Recipients are checked as
        `check_recipient` does and the sender as `check_sender` does; one bad recipient refuses the whole.
        A submission gains the Date, Message-ID and Sender it lacks and loses its Bcc.
        Raises the errors of the checks, Malformed, MessageTooLarge, Looping, SystemFull, SystemDown.
        """
        await self.check_sender(envelope.sender, client)
        resolved = [
            (
                recipient,
                self.recall_recipient(recipient) or await self.check_recipient(recipient, envelope.sender, client),
            )
            for recipient in envelope.recipients
        ]
        if len(content) > self.config.message_limit_bytes:
            raise MessageTooLarge
        examined = await examine(content)
        self._check(examined)
        now = self._clock()
        body_id = body_id or new_body_id(now)
        on_behalf = False
        if client.origin is Origin.SUBMISSION:
            lacking, on_behalf = await self._lacking(examined.structure.fields, body_id, now, client)
            content, examined = await _completed(content, examined, lacking)
        header_size = examined.structure.header_size
        body = Body(
            id=body_id,
            sha256=examined.sha256,
            size_bytes=len(content),
            trace=stamps.received(self.hostname, client, envelope, body_id, now),
            header=content[:header_size],
            rest=examined.rest or await keep(content, examined.structure, self._blobs),
            is_8bit=examined.is_8bit,
            structure=examined.structure,
            accepted_at=now,
            sender=str(envelope.sender or ""),
            submitter=str(client.identity.address) if client.identity else "",
            on_behalf=on_behalf,
        )
        deliveries = _deliveries(envelope, resolved)
        departures = _departures(envelope, resolved)
        passages = await self._passages(envelope, client, deliveries, departures)
        await self._committer.commit(
            Acceptance(body=body, deliveries=list(deliveries.values()), departures=departures, passages=passages)
        )
        return Accepted(body_id=body.id, inboxes=len(deliveries), queued=len(departures))

    def _check(self, examined: Examined) -> None:
        if not examined.has_clean_lines:
            raise Malformed("A line ends in a bare CR or a bare LF")
        if examined.has_nul:
            raise Malformed("The message holds a NUL byte")
        if examined.structure.header_size > self.config.header_limit_bytes:
            raise MessageTooLarge("The header is too large")
        if len(examined.structure.fields.get(b"received", ())) >= self.config.hop_limit:
            raise Looping

    async def _lacking(self, fields: Fields, body_id: UUID, now: datetime, client: Client) -> tuple[bytes, bool]:
        """What a submission lacks (RFC 6409 §8), and whether it is sent on behalf of another.

        Raises NotPermitted for a From or Sender that is not the person's to use, Malformed without exactly one From.
        """
        assert client.identity is not None
        authors = _only_from(fields)
        for author in authors:
            await self._check_may_send_as(client.identity, author)
        for agent in _addresses(fields, b"sender"):
            await self._check_may_send_as(client.identity, agent)
        on_behalf = any(author.key != client.identity.address.key for author in authors)
        added = b""
        if on_behalf and b"sender" not in fields:
            added += stamps.sender(client.identity)
        if b"message-id" not in fields:
            added += stamps.message_id(body_id, self.hostname)
        if b"date" not in fields:
            added += stamps.date(now)
        return added, on_behalf

    async def _passages(
        self,
        envelope: Envelope,
        client: Client,
        deliveries: Mapping[Account, Delivery],
        departures: Sequence[Departure],
    ) -> list[Passage]:
        """The traffic this message is, by domain of this server. From OUTSIDE the sender's domain is not believed."""
        home = ""
        if (
            envelope.sender is not None
            and client.origin is not Origin.OUTSIDE
            and await self.directory.lookup(envelope.sender) is not NotHere.REMOTE
        ):
            home = envelope.sender.domain
        copies: dict[str, int] = defaultdict(int)
        for account in deliveries:
            copies[account.address.domain] += 1
        internal = copies.pop(home, 0)
        leaving = sum(copies.values()) + len(departures) if home else 0
        passages = [Passage(domain=domain, direction="in", messages=count) for domain, count in copies.items()]
        if internal:
            passages.append(Passage(domain=home, direction="internal", messages=internal))
        if leaving:
            passages.append(Passage(domain=home, direction="out", messages=leaving))
        return passages


async def _completed(content: Octets, examined: Examined, lacking: bytes) -> tuple[Octets, Examined]:
    """With the fields that it lacks first, and without Bcc: nobody is to read who was in blind copy (RFC 5322 §3.6.3).

    The other bytes stay as they are.
    """
    if not lacking and b"bcc" not in examined.structure.fields:
        return content, examined
    header_size = examined.structure.header_size
    content = lacking + without(content[:header_size], b"bcc") + content[header_size:]
    return content, await examine(content)


def _only_from(fields: Fields) -> list[Address]:
    """The authors of a submission. Raises Malformed unless one From names at least one (RFC 5322 §3.6)."""
    if len(fields.get(b"from", ())) != 1:
        raise Malformed("The header must have exactly one From field")
    authors = _addresses(fields, b"from")
    if not authors:
        raise Malformed("The From field names nobody")
    if len(authors) >= MAILBOXES_LIMIT or len(fields[b"from"][0]) >= VALUE_LIMIT_BYTES:  # nobody hides behind the limit
        raise Malformed("The From field is too long")
    return authors


def _addresses(fields: Fields, name: bytes) -> list[Address]:
    """Every address in every field of that name. Raises Malformed for what is none."""
    found = []
    for value in fields.get(name, ()):
        for mailbox in parse_addresses(value):
            if mailbox.host is None:
                continue
            try:
                found.append(_to_address(mailbox))
            except AddressError as error:
                raise Malformed(f"The {name.decode().title()} field does not hold an address: {error}") from error
    return found


def _to_address(mailbox: Mailbox) -> Address:
    """Its local part stands without quotes there. Raises AddressError."""
    local = (mailbox.local or b"").decode("utf-8", "replace")
    domain = (mailbox.host or b"").decode("utf-8", "replace")
    return Address.parse(str(Address(local, domain)))


def _deliveries(envelope: Envelope, resolved: Sequence[tuple[Address, Recipient]]) -> dict[Account, Delivery]:
    """One copy for each account, however often the envelope reaches it; directly addressed ones before lists'."""
    deliveries: dict[int, tuple[Account, Delivery]] = {}

    def deliver(account: Account, sender: Address | None) -> None:
        delivery = Delivery(account_id=account.account_id, trace=stamps.return_path(sender))
        deliveries.setdefault(account.account_id, (account, delivery))

    for _, found in resolved:
        if isinstance(found, Account):
            deliver(found, envelope.sender)
    for _, found in resolved:
        if isinstance(found, MailingList):
            for account in found.accounts:
                deliver(account, found.owner)
    return dict(deliveries.values())


def _departures(envelope: Envelope, resolved: Sequence[tuple[Address, Recipient]]) -> list[Departure]:
    """One queue row for each recipient elsewhere, however often the envelope reaches it."""
    departures: dict[str, Departure] = {}

    def depart(recipient: Address, sender: Address | None) -> None:
        departure = Departure(sender=str(sender or ""), recipient=recipient, smtputf8=envelope.smtputf8)
        departures.setdefault(str(recipient), departure)

    for recipient, found in resolved:
        if found is NotHere.REMOTE:
            depart(recipient, envelope.sender)
    for _, found in resolved:
        if isinstance(found, MailingList):
            for member in found.remote:
                depart(member, found.owner)
    return list(departures.values())

"""The directory that mail asks (`mail.directory.Directory`), answered from people, posts and lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from comgov.errors import Forbidden, TooMany, Unauthenticated, Unavailable
from comgov.people.actions import app_password_of, authenticate_for_mail, still_holds
from comgov.people.model import Posting, Rights, address_of, may_open
from comgov.people.store import directory as store
from comgov.people.store import people as people_store
from comgov.people.store import posts as posts_store
from mail import directory as mail
from mail.address import Address
from mail.directory import Access, Account, Identity, MailingList, NotHere, Recipient
from mail.errors import SystemDown

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.db import Connection
    from comgov.feature import Ground
    from comgov.people import model
    from comgov.people.store.directory import Destination

REMEMBERED_FOR = timedelta(seconds=2)
"""How long a recipient is trusted: another worker's change is seen within this time."""

ACCESS_REMEMBERED_FOR = timedelta(seconds=1)
"""The same of what a person may open: a mail program says hundreds of commands a second."""

RIGHTS = {
    Rights.VIEWER: mail.Rights.VIEWER,
    Rights.EDITOR: mail.Rights.EDITOR,
    Rights.SENDER: mail.Rights.SENDER,
    Rights.MANAGER: mail.Rights.MANAGER,
}
"""What the holder of a post may do with its mail, as mail calls it."""

_REMEMBERED = 20_000  # answers kept in memory
_ROLE_NAMES = frozenset({"postmaster", "abuse"})  # RFC 2142 §2, §4: every domain answers them


@dataclass(frozen=True)
class _Answer:
    recipient: Recipient
    until: datetime


@dataclass(frozen=True)
class _Opened:
    accesses: tuple[Access, ...]
    until: datetime


class PeopleDirectory:
    """Who receives here, who signs in, who may send as whom. One in each process.

    Found recipients are remembered for a moment, so that a message to hundreds asks the database once for each at
    most; unknown ones never, so that a new address works at once.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._answers: dict[str, _Answer] = {}
        self._opened: dict[Identity, _Opened] = {}

    async def lookup(self, address: Address) -> Recipient:
        """See `mail.directory.Directory.lookup`.

        Closed accounts and lists are unknown. A suspended institution still receives: nothing of it is lost.
        `postmaster` and `abuse` lead to the institution's administrators unless someone has that address.
        """
        if (known := self.recall(address)) is not None:
            return known
        key = _key(address)
        now = self._ground.clock()
        try:
            async with self._ground.db.connection() as connection:
                recipient = await _recipient(connection, key, address.domain)
        except Unavailable as error:
            raise SystemDown(reason=error.reason) from error
        self._remember(key, recipient, now)
        return recipient

    def recall(self, address: Address) -> Recipient | None:
        """See `mail.directory.Directory.recall`."""
        answer = self._answers.get(_key(address))
        return answer.recipient if answer is not None and self._ground.clock() < answer.until else None

    async def authenticate(self, login: str, password: str, *, ip: str, service: str) -> Identity | None:
        """See `mail.directory.Directory.authenticate`. SystemDown too when the client fails too often."""
        try:
            found = await authenticate_for_mail(self._ground, login, password, ip=ip, service=service)
        except (Unauthenticated, Forbidden):
            return None
        except TooMany as error:
            raise SystemDown("Too many failed sign-ins; try again later", reason=f"from {ip}") from error
        except Unavailable as error:
            raise SystemDown(reason=error.reason) from error
        address = Address.parse(found.address)
        return Identity(account_id=found.person_id, address=address, name=found.name, sign_in=found.sign_in)

    async def accesses(self, identity: Identity) -> tuple[Access, ...]:
        """See `mail.directory.Directory.accesses`: remembered for a second."""
        now = self._ground.clock()
        known = self._opened.get(identity)
        if known is None or now >= known.until:
            known = _Opened(await self._ask_accesses(identity, now), now + ACCESS_REMEMBERED_FOR)
            if len(self._opened) >= _REMEMBERED:
                self._opened.clear()
            self._opened[identity] = known
        return known.accesses

    async def _ask_accesses(self, identity: Identity, now: datetime) -> tuple[Access, ...]:
        person_id, mark = identity.account_id, identity.sign_in
        try:
            async with self._ground.db.connection() as connection:
                found = await store.reach(connection, person_id, app_password_of(mark))
        except Unavailable as error:
            raise SystemDown(reason=error.reason) from error
        if found is None or not still_holds(
            mark, password_hash=found.password_hash, has_app_password=found.has_app_password
        ):
            return ()
        return tuple(
            Access(account=_account(account), rights=RIGHTS[rights])
            for account in sorted(found.accounts, key=lambda account: (account.kind == "post", account.address))
            if (rights := may_open(person_id, account, found.holdings, now))
        )

    async def holders(self, account: Account) -> dict[Address, mail.Rights]:
        """See `mail.directory.Directory.holders`."""
        now = self._ground.clock()
        try:
            async with self._ground.db.connection() as connection:
                found = (await people_store.accounts_by_id(connection, [account.account_id])).get(account.account_id)
                holdings = await posts_store.holdings(connection, [account.account_id])
                people = await store.open_holders(connection, account.account_id)
        except Unavailable as error:
            raise SystemDown(reason=error.reason) from error
        if found is None:
            return {}
        if found.kind == "person":
            return {Address.parse(found.address): mail.Rights.MANAGER}
        opening = ((person.address, may_open(person.id, found, holdings, now)) for person in people)
        return {Address.parse(address): RIGHTS[rights] for address, rights in opening if rights}

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """See `mail.directory.Directory.may_send_as`: never remembered, so that a post released is released."""
        key = _key(address)
        accesses = await self._ask_accesses(identity, self._ground.clock())
        return any(access.account.address.key == key and "p" in access.rights for access in accesses)

    def _remember(self, key: str, recipient: Recipient, now: datetime) -> None:
        if isinstance(recipient, NotHere):
            self._answers.pop(key, None)
            return
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()
        self._answers[key] = _Answer(recipient, now + REMEMBERED_FOR)


def _key(address: Address) -> str:
    """What it is kept under; empty for what no address here can be."""
    return address_of(f"{address.local}@{address.domain}") or ""


async def _recipient(connection: Connection, key: str, domain: str) -> Recipient:
    found = await store.destination(connection, key, domain)
    if found is None:
        return NotHere.REMOTE
    if found.account_id is not None:
        return Account(account_id=found.account_id, address=Address.parse(key), quota_bytes=found.quota_bytes)
    if found.list_id is not None:
        return await _list(connection, key, found, found.list_id)
    if key.rpartition("@")[0] in _ROLE_NAMES:
        return await _administrators(connection, key, found.institution_id)
    return NotHere.UNKNOWN


async def _list(connection: Connection, key: str, found: Destination, list_id: int) -> MailingList:
    assert found.owner is not None
    members = await store.open_members(connection, list_id)
    posters: frozenset[str] | None = None
    if found.posting is Posting.MEMBERS:
        posters = frozenset(member.address for member in members)
    elif found.posting is Posting.INSTITUTION:
        posters = await store.open_addresses(connection, found.institution_id)
    return MailingList(
        address=Address.parse(key),
        owner=Address.parse(found.owner),
        accounts=tuple(_account(member) for member in members),
        posters=posters,
    )


async def _administrators(connection: Connection, key: str, institution_id: int) -> Recipient:
    administrators = await store.administrators(connection, institution_id)
    if not administrators:
        return NotHere.UNKNOWN
    return MailingList(
        address=Address.parse(key),
        owner=Address.parse(administrators[0].address),
        accounts=tuple(_account(administrator) for administrator in administrators),
    )


def _account(account: model.Account) -> Account:
    return Account(account_id=account.id, address=Address.parse(account.address), quota_bytes=account.quota_bytes)

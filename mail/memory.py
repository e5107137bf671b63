"""A directory in memory: for tests, and for whoever wants mail without a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.directory import Access, Account, Identity, MailingList, NotHere, Rights

if TYPE_CHECKING:
    from mail.address import Address
    from mail.directory import Recipient


class MemoryDirectory:
    """Domains, accounts, lists and passwords, as plain dictionaries. A `mail.directory.Directory`."""

    def __init__(self, *domains: str) -> None:
        self.domains = set(domains)
        self.recipients: dict[str, Recipient] = {}
        self.passwords: dict[str, tuple[str, Identity]] = {}
        self.grants: dict[int, dict[str, Rights]] = {}

    def add_account(self, address: Address, *, quota_bytes: int | None = None) -> Account:
        """A new account under the next id."""
        ids = [found.account_id for found in self.recipients.values() if isinstance(found, Account)]
        account = Account(account_id=max(ids, default=0) + 1, address=address, quota_bytes=quota_bytes)
        self.recipients[address.key] = account
        return account

    def add_person(
        self, address: Address, password: str, *, name: str = "", quota_bytes: int | None = None
    ) -> Identity:
        """An account whose owner signs in with its address."""
        account = self.add_account(address, quota_bytes=quota_bytes)
        identity = Identity(account_id=account.account_id, address=address, name=name or address.local)
        self.passwords[address.key] = (password, identity)
        self.grants[account.account_id] = {address.key: Rights.MANAGER}
        return identity

    def add_list(self, target: MailingList) -> None:
        """A list, or another version of it."""
        self.recipients[target.address.key] = target

    def grant(self, identity: Identity, address: Address, rights: Rights = Rights.SENDER) -> None:
        """Let that person use the mailboxes of that account, and send as it if the rights say so."""
        self.grants[identity.account_id][address.key] = rights

    def revoke(self, identity: Identity, address: Address) -> None:
        """Take it back; with the person's own address, everything."""
        if address == identity.address:
            self.grants.pop(identity.account_id)
        else:
            del self.grants[identity.account_id][address.key]

    async def lookup(self, address: Address) -> Recipient:
        """Who receives there."""
        return self.recall(address)

    def recall(self, address: Address) -> Recipient:
        """The same: all of it is known."""
        if address.domain not in self.domains:
            return NotHere.REMOTE
        return self.recipients.get(address.key, NotHere.UNKNOWN)

    async def authenticate(self, login: str, password: str, *, ip: str, service: str) -> Identity | None:
        """The person whose address and password these are, from wherever and for whatever."""
        del ip, service
        expected, identity = self.passwords.get(login.lower(), (None, None))
        return identity if expected == password else None

    async def accesses(self, identity: Identity) -> tuple[Access, ...]:
        """What was granted and not revoked since."""
        granted = self.grants.get(identity.account_id, {})
        own = identity.address.key
        return tuple(
            Access(account=account, rights=granted[key])
            for key in sorted(granted, key=lambda key: (key != own, key))
            if isinstance(account := self.recipients.get(key), Account)
        )

    async def holders(self, account: Account) -> dict[Address, Rights]:
        """Who was granted it."""
        key = account.address.key
        identities = [identity for _, identity in self.passwords.values()]
        return {one.address: held[key] for one in identities if key in (held := self.grants.get(one.account_id, {}))}

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Whether it was granted."""
        rights = self.grants.get(identity.account_id, {}).get(address.key)
        return rights is not None and "p" in rights

"""Establishing the authority, enrolling institutions, sealing, stamping, revoking, publishing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from comgov import journal
from comgov.authority import publication, store
from comgov.authority.config import Config
from comgov.authority.keyring import Keyring, make_passphrase, new_lock, read_passphrase
from comgov.authority.model import (
    PLATFORM,
    RENEW_SEAL_BEFORE,
    ROOT,
    TLS_RENEW_BEFORE,
    Issued,
    Sealer,
    Tls,
    check_hostnames,
    check_lists,
    needs_renewal,
)
from comgov.authority.publication import Bundle
from comgov.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from comgov.institutions.model import must_administer_the_platform
from comgov.language import N_
from comgov.signing import certificates, tsp
from comgov.signing.certificates import Credential, Purpose, RevocationReason, Subject
from comgov.signing.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from comgov.actor import Actor
    from comgov.authority.store import Published
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.signing.certificates import PublicKey
    from comgov.signing.verdict import Commitment

_REPUBLISH_AFTER = timedelta(hours=20)
"""The job runs daily; a list younger than this was published by a revocation or another node meanwhile."""

AT_ONCE = timedelta(0)
_PAGE = 500

_LEAVES = (Purpose.SEAL, Purpose.REGISTER, Purpose.TIME_STAMP)
"""What an institution has besides its authority."""


async def establish(platform: Platform, actor: Actor) -> Issued:
    """The root, with the time-stamp authority and the authority of servers below it; made when they are not there yet.

    To be called before a node serves; revocation lists that grew old while it was off are signed anew.
    Makes the passphrase file when there are no keys yet.
    Raises Forbidden, and Unavailable when there are keys and the passphrase file is missing or another one.
    """
    must_administer_the_platform(actor)
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        root = await store.root(connection)
        if root is None:
            root = await _make_root(platform, connection)
            await journal.record(connection, actor, "establish", "authority", root.id, serial_number=root.serial_number)
        await _ensure_time_stamp(platform, connection, root)
        await _ensure_platform_authority(platform, connection, root)
    await publish_crls(platform)
    await publish_directory(platform)
    return root


async def _make_root(platform: Platform, connection: Connection) -> Issued:
    config, now = platform.config(Config), platform.clock()
    if await store.keyring(connection) is None:
        passphrase = await asyncio.to_thread(make_passphrase, config.passphrase_file)
        await store.add_keyring(connection, await asyncio.to_thread(new_lock, passphrase, now))
    keyring = await _keyring(platform, connection)
    key = certificates.new_key(Purpose.ROOT)
    root = await store.add(
        connection,
        certificates.root(key, platform=config.platform, country=config.country, now=now),
        purpose=Purpose.ROOT,
        name=ROOT,
        issuer_id=None,
        key=keyring.wrap(key, Purpose.ROOT),
    )
    await _publish(platform, connection, root)
    return root


async def _ensure_time_stamp(platform: Platform, connection: Connection, root: Issued) -> None:
    """The platform's own time-stamp authority; what was revoked takes a person to replace."""
    config = platform.config(Config)
    latest = await store.latest(connection, 0, Purpose.TIME_STAMP)
    if _may_have_another(latest, platform.clock()):
        subject = Subject(name=config.platform, code="", domain="", country=config.country)
        await _issue_time_stamp(platform, connection, root, subject, name="time-stamp")


def _may_have_another(latest: Issued | None, now: datetime) -> bool:
    return latest is None or (latest.revoked_at is None and needs_renewal(latest, now, before=RENEW_SEAL_BEFORE))


async def _issue_time_stamp(
    platform: Platform, connection: Connection, root: Issued, subject: Subject, *, name: str, institution_id: int = 0
) -> Issued:
    """A time-stamp authority's certificate, directly under the root whoever runs it."""
    config = platform.config(Config)

    def make(issuer: Credential, public_key: PublicKey) -> x509.Certificate:
        return certificates.time_stamp(
            issuer, public_key, subject, now=platform.clock(), crl_url=_crl_url(config, ROOT)
        )

    return await _issue(platform, connection, root, Purpose.TIME_STAMP, make, name=name, institution_id=institution_id)


async def _ensure_platform_authority(platform: Platform, connection: Connection, root: Issued) -> None:
    config, now = platform.config(Config), platform.clock()
    latest = await store.latest(connection, 0, Purpose.PLATFORM)
    if latest is not None and not needs_renewal(latest, now, before=certificates.TLS_LIFETIME):
        return

    def make(issuer: Credential, public_key: PublicKey) -> x509.Certificate:
        return certificates.platform_authority(
            issuer,
            public_key,
            platform=config.platform,
            country=config.country,
            now=now,
            crl_url=_crl_url(config, ROOT),
        )

    await _publish(
        platform, connection, await _issue(platform, connection, root, Purpose.PLATFORM, make, name=PLATFORM)
    )


async def enrol_institution(platform: Platform, actor: Actor, institution: Institution) -> Issued:
    """The institution's seal, good now; with its authority and its other certificates, whichever is missing.

    After a revocation, this is how an institution gets another seal. Raises Forbidden, Unavailable.
    """
    must_administer_the_platform(actor)
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        authority = await store.current(connection, institution.id, Purpose.INSTITUTION, platform.clock())
        if authority is None:
            authority = await _make_institution_authority(platform, connection, institution)
            await _record_issue(connection, actor, authority)
        for purpose in _LEAVES:
            if await store.current(connection, institution.id, purpose, platform.clock()) is None:
                await _record_issue(connection, actor, await _issue_leaf(platform, connection, authority, purpose))
        seal = await store.current(connection, institution.id, Purpose.SEAL, platform.clock())
    assert seal is not None
    await publish_directory(platform)
    return seal


async def not_enrolled(platform: Platform, institutions: list[Institution]) -> list[Institution]:
    """Those that never had an authority."""
    async with platform.db.connection() as connection:
        enrolled = await store.enrolled(connection)
    return [institution for institution in institutions if institution.id not in enrolled]


async def _make_institution_authority(platform: Platform, connection: Connection, institution: Institution) -> Issued:
    config, root = platform.config(Config), await _established(connection)
    subject = Subject(
        name=institution.name_fr, code=institution.code, domain=institution.domain, country=config.country
    )

    def make(issuer: Credential, public_key: PublicKey) -> x509.Certificate:
        return certificates.institution_authority(
            issuer, public_key, subject, now=platform.clock(), crl_url=_crl_url(config, ROOT)
        )

    authority = await _issue(
        platform, connection, root, Purpose.INSTITUTION, make, name=institution.domain, institution_id=institution.id
    )
    await _publish(platform, connection, authority)
    return authority


async def _issue_leaf(platform: Platform, connection: Connection, authority: Issued, purpose: Purpose) -> Issued:
    """A certificate of one of `_LEAVES`, for the institution that its authority's certificate names."""
    config = platform.config(Config)
    subject = certificates.subject_of(authority.certificate)
    if purpose is Purpose.TIME_STAMP:
        root = await _established(connection)
        return await _issue_time_stamp(
            platform, connection, root, subject, name=authority.name, institution_id=authority.institution_id
        )
    issue = certificates.seal if purpose is Purpose.SEAL else certificates.register

    def make(issuer: Credential, public_key: PublicKey) -> x509.Certificate:
        return issue(issuer, public_key, subject, now=platform.clock(), crl_url=_crl_url(config, authority.name))

    return await _issue(
        platform,
        connection,
        authority,
        purpose,
        make,
        name=authority.name,
        institution_id=authority.institution_id,
    )


async def renew(platform: Platform) -> int:
    """Issue the next certificates of each institution whose own end within 60 days; gives how many.

    What was revoked is not renewed: that takes a person (`enrol_institution`).
    """
    async with platform.db.connection() as connection:
        authorities = [one for one in await store.authorities(connection) if one.purpose is Purpose.INSTITUTION]
    renewed = 0
    for authority in authorities:
        for purpose in (Purpose.SEAL, Purpose.REGISTER):
            renewed += await _renew_leaf(platform, authority, purpose)
        renewed += await _renew_time_stamp(platform, authority)
    return renewed


async def _renew_leaf(platform: Platform, authority: Issued, purpose: Purpose) -> bool:
    now = platform.clock()
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        latest = await store.latest(connection, authority.institution_id, purpose)
        if latest is None or latest.issuer_id != authority.id or latest.revoked_at or not authority.is_good(now):
            return False
        if latest.not_after == authority.not_after or not needs_renewal(latest, now, before=RENEW_SEAL_BEFORE):
            return False
        await _issue_leaf(platform, connection, authority, purpose)
    return True


async def complete(platform: Platform) -> int:
    """Give a time-stamp authority to institutions enrolled before each had one; gives to how many."""
    async with platform.db.connection() as connection:
        authorities = await store.without_time_stamp(connection)
    return sum([await _renew_time_stamp(platform, authority) for authority in authorities])


async def _renew_time_stamp(platform: Platform, authority: Issued) -> bool:
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        latest = await store.latest(connection, authority.institution_id, Purpose.TIME_STAMP)
        if not authority.is_good(platform.clock()) or not _may_have_another(latest, platform.clock()):
            return False
        await _issue_leaf(platform, connection, authority, Purpose.TIME_STAMP)
    return True


async def sealer(platform: Platform, institution_id: int) -> Sealer:
    """The institution's seal with all it needs, for several signatures in a row within one action.

    Raises Conflict when the institution has no good seal, Unavailable when the platform cannot stamp.
    """
    async with platform.db.connection() as connection:
        row = await store.sealer(connection, institution_id, platform.clock())
        keyring = await _keyring(platform, connection)
    if row is None:
        raise Conflict(
            N_("Your institution has no seal that is good now. An administrator of the platform can issue one.")
        )
    if row.stamp is None or row.stamp_key is None:
        raise Unavailable(N_("Nothing can be time-stamped now, so that nothing is sealed. Try again later."))
    return Sealer(
        credential=Credential(
            key=keyring.unwrap(row.seal_key, Purpose.SEAL),
            certificate=x509.load_der_x509_certificate(row.seal),
            authorities=(x509.load_der_x509_certificate(row.authority),),
        ),
        stamper=_stamper(keyring, row.stamp, row.stamp_key),
        crls=(x509.load_der_x509_crl(row.authority_crl), x509.load_der_x509_crl(row.root_crl)),
        clock=platform.clock,
    )


async def seal(platform: Platform, institution_id: int, content: bytes, commitment: Commitment) -> bytes:
    """The institution's signature over `content`: detached CAdES, level B-LT, DER.

    Who may ask is the caller's to check. Raises as `sealer` does, and Unavailable rather than sign without a time.
    """
    return (await sealer(platform, institution_id)).seal(content, commitment)


async def register_credential(platform: Platform, institution_id: int) -> Credential:
    """What the institution signs its register's checkpoints with. Raises Conflict when it has none that is good."""
    async with platform.db.connection() as connection:
        found = await store.current(connection, institution_id, Purpose.REGISTER, platform.clock())
        if found is None:
            raise Conflict(N_("The institution has no certificate for its register that is good now."))
        assert found.issuer_id is not None
        authority = await store.by_id(connection, found.issuer_id)
        return await _credential(platform, connection, found, authority)


async def stamp(platform: Platform, sha256: bytes, *, institution_id: int = 0) -> bytes:
    """A time-stamp token for a SHA-256 digest, DER. Raises Unavailable.

    institution_id: whose time-stamp authority is asked; 0 for the platform's own.
    """
    now = platform.clock()
    stamper = await _ready_stamper(platform, now, institution_id)
    return stamper.stamp(sha256, at=now, serial_number=x509.random_serial_number())


async def answer_query(platform: Platform, query: bytes) -> bytes:
    """The TimeStampResp to a TimeStampReq (RFC 3161), both DER; a rejection when it cannot be granted."""
    now = platform.clock()
    try:
        stamper = await _ready_stamper(platform, now)
    except Unavailable as error:
        return tsp.rejection(tsp.Refused(tsp.TIME_NOT_AVAILABLE, error.public.format(**error.values)))
    return stamper.answer(query, at=now, serial_number=x509.random_serial_number())


async def _ready_stamper(platform: Platform, now: datetime, institution_id: int = 0) -> tsp.Authority:
    async with platform.db.connection() as connection:
        found = await store.current(connection, institution_id, Purpose.TIME_STAMP, now)
        lists = await store.published_for(connection, [])
        keyring = await _keyring(platform, connection)
    if found is None or found.key is None:
        raise Unavailable(N_("Nothing can be time-stamped now. Try again later."))
    check_lists(tuple(one.crl for one in lists), now)
    return _stamper(keyring, found.der, found.key)


def _stamper(keyring: Keyring, der: bytes, key: bytes) -> tsp.Authority:
    certificate = x509.load_der_x509_certificate(der)
    return tsp.Authority(credential=Credential(key=keyring.unwrap(key, Purpose.TIME_STAMP), certificate=certificate))


async def revoke(
    platform: Platform, actor: Actor, serial_number: str, reason: RevocationReason, *, since: datetime | None = None
) -> Issued:
    """Withdraw a certificate; the new revocation list of its issuer is in force when this returns.

    serial_number: hexadecimal. since: when it stopped being good, now or earlier; None for now.
    Already revoked is fine: what was written first stands. Raises Forbidden, NotFound, Invalid (`since` in the future).
    """
    must_administer_the_platform(actor)
    now = platform.clock()
    if since is not None and since > now:
        raise Invalid(N_("A certificate is revoked from now, or from an earlier time."))
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        found = await store.by_serial_number(connection, serial_number.strip().lower().lstrip("0"))
        if found is None:
            raise NotFound(N_("There is no certificate {serial_number}."), serial_number=serial_number[:80])
        if found.issuer_id is None:
            raise Forbidden(N_("The root cannot be revoked: everyone who trusts it must be given another."))
        if found.revoked_at is not None:
            return found
        revoked = await store.revoke(connection, found.id, since or now, reason)
        await _publish(platform, connection, await store.by_id(connection, found.issuer_id))
        await journal.record(
            connection, actor, "revoke", "certificate", found.id, serial_number=found.serial_number, reason=reason
        )
    await publish_directory(platform)
    return revoked


async def publish_crls(platform: Platform, *, older_than: timedelta = _REPUBLISH_AFTER) -> int:
    """Sign a new revocation list for each authority whose last one is older than that; gives how many.

    A revoked authority's goes on until it expires: what it certified before is still verified by it.
    """
    async with platform.db.connection() as connection:
        authorities = await store.authorities(connection)
    published = 0
    for authority in authorities:
        published += await _republish(platform, authority, older_than)
    return published


async def _republish(platform: Platform, authority: Issued, older_than: timedelta) -> bool:
    now = platform.clock()
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        last = await store.published_by(connection, authority.id)
        if now >= authority.not_after or (last is not None and now - last.this_update < older_than):
            return False
        await _publish(platform, connection, authority)
    return True


async def _publish(platform: Platform, connection: Connection, authority: Issued) -> None:
    """Sign the authority's next revocation list; under `store.lock`."""
    number = await store.next_crl_number(connection, authority.id)
    crl = certificates.revocation_list(
        await _credential(platform, connection, authority),
        await store.revoked(connection, authority.id),
        number=number,
        now=platform.clock(),
    )
    await store.add_crl(connection, authority.id, number, crl)


async def issue_tls(platform: Platform, hostnames: list[str]) -> Tls:
    """A server's certificate for those names, shared by all nodes that ask for the same.

    The one at hand until two thirds of its 90 days are over, then another: ask again daily.
    Raises Invalid for impossible names, Unavailable before `establish`.
    """
    names = check_hostnames(hostnames)
    async with platform.db.transaction() as connection:
        await store.lock(connection)
        authority = await store.current(connection, 0, Purpose.PLATFORM, platform.clock())
        if authority is None:
            raise _not_established()
        latest = await store.latest(connection, 0, Purpose.TLS, " ".join(names))
        is_ours = latest is not None and latest.issuer_id == authority.id
        if latest is None or not is_ours or needs_renewal(latest, platform.clock(), before=TLS_RENEW_BEFORE):
            latest = await _issue_tls(platform, connection, authority, names)
        credential = await _credential(platform, connection, latest, authority)
    return Tls(
        chain=b"".join(certificate.public_bytes(Encoding.PEM) for certificate in credential.chain),
        key=credential.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        not_after=latest.not_after,
    )


async def _issue_tls(platform: Platform, connection: Connection, authority: Issued, names: list[str]) -> Issued:
    config, now = platform.config(Config), platform.clock()

    def make(issuer: Credential, public_key: PublicKey) -> x509.Certificate:
        return certificates.tls(issuer, public_key, names, now=now, crl_url=_crl_url(config, PLATFORM))

    return await _issue(platform, connection, authority, Purpose.TLS, make, name=" ".join(names))


async def trust(platform: Platform, *institution_ids: int) -> Trust:
    """The root and the revocation lists in force now: of those institutions, or of all when none is named."""
    if not institution_ids:
        found = (await bundle(platform)).trust
        assert found is not None
        return found.as_of(platform.clock())
    async with platform.db.connection() as connection:
        root = await _established(connection)
        lists = await store.published_for(connection, institution_ids)
    return Trust(root=root.certificate, crls=tuple(one.crl for one in lists), now=platform.clock())


async def bundle(platform: Platform) -> Bundle:
    """The root and every list in force, as this process holds them: read again only when another list came."""
    held = platform.own(Bundle, Bundle)
    async with platform.db.connection() as connection:
        count = await store.published_count(connection)
        if count == held.count:
            return held
        root, lists = await _established(connection), await store.published(connection)
    fresh = await asyncio.to_thread(publication.gather, count, root.certificate, lists)
    if held.count < fresh.count:
        held.count, held.trust, held.pem = fresh.count, fresh.trust, fresh.pem
    return fresh


async def published_crl(platform: Platform, name: str) -> Published:
    """The revocation list in force of `root`, `platform` or an institution's domain. Raises NotFound."""
    async with platform.db.connection() as connection:
        found = await store.published_as(connection, name)
    if found is None:
        raise NotFound(N_("There is no revocation list of that name."))
    return found


async def publish_directory(platform: Platform) -> None:
    """Write root.pem, root+crls.pem and every revocation list where the configuration says."""
    async with platform.db.connection() as connection:
        root, lists = await _established(connection), await store.published(connection)
    await asyncio.to_thread(publication.write, platform.config(Config).pki_directory, root.certificate, lists)


async def issued(platform: Platform, actor: Actor, institution_id: int | None = None, after: int = 0) -> list[Issued]:
    """Certificates in the order they were issued, 500 at a time; of one institution, or of all. Raises Forbidden."""
    must_administer_the_platform(actor)
    async with platform.db.connection() as connection:
        return await store.page(connection, institution_id, after, _PAGE)


async def export_root(platform: Platform, actor: Actor, passphrase: bytes) -> bytes:
    """The root's certificate and its private key as PEM, the key encrypted (PKCS#8) under that passphrase.

    For offline keeping; `openssl pkey` reads it. Raises Forbidden, and Invalid for under 12 bytes of passphrase.
    """
    must_administer_the_platform(actor)
    if len(passphrase) < 12:
        raise Invalid(N_("The passphrase of the exported key needs at least 12 characters."))
    async with platform.db.transaction() as connection:
        root = await _established(connection)
        credential = await _credential(platform, connection, root)
        await journal.record(connection, actor, "export", "root key", root.id)
    key = await asyncio.to_thread(
        credential.key.private_bytes, Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    return credential.certificate.public_bytes(Encoding.PEM) + key


async def _keyring(platform: Platform, connection: Connection) -> Keyring:
    """The keyring of this process, opened when it was not yet."""
    keyring = platform.own(Keyring, Keyring)
    if not keyring.is_open:
        lock = await store.keyring(connection)
        if lock is None:
            raise _not_established()
        passphrase = await asyncio.to_thread(read_passphrase, platform.config(Config).passphrase_file)
        await asyncio.to_thread(keyring.open, passphrase, lock)
    return keyring


async def _credential(platform: Platform, connection: Connection, of: Issued, *authorities: Issued) -> Credential:
    keyring = await _keyring(platform, connection)
    if of.key is None:
        raise Unavailable(N_("The private key of {name} is not kept on this server."), name=of.name)
    return Credential(
        key=keyring.unwrap(of.key, of.purpose),
        certificate=of.certificate,
        authorities=tuple(authority.certificate for authority in authorities),
    )


async def _issue(
    platform: Platform,
    connection: Connection,
    issuer: Issued,
    purpose: Purpose,
    make: Callable[[Credential, PublicKey], x509.Certificate],
    *,
    name: str,
    institution_id: int = 0,
) -> Issued:
    """A new key and the certificate that `make` gives it; under `store.lock`."""
    key = certificates.new_key(purpose)
    certificate = make(await _credential(platform, connection, issuer), key.public_key())
    wrapped = (await _keyring(platform, connection)).wrap(key, purpose)
    return await store.add(
        connection,
        certificate,
        purpose=purpose,
        name=name,
        issuer_id=issuer.id,
        institution_id=institution_id,
        key=wrapped,
    )


async def _record_issue(connection: Connection, actor: Actor, found: Issued) -> None:
    await journal.record(
        connection,
        actor,
        "issue",
        "certificate",
        found.id,
        purpose=found.purpose,
        name=found.name,
        serial_number=found.serial_number,
    )


async def _established(connection: Connection) -> Issued:
    root = await store.root(connection)
    if root is None:
        raise _not_established()
    return root


def _not_established() -> Unavailable:
    return Unavailable(N_("The server has no keys yet. Run `comgov init`, or start the server once."))


def _crl_url(config: Config, name: str) -> str:
    return f"{config.pki_url}/{name}.crl" if config.pki_url else ""

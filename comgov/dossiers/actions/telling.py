"""Telling the sender by mail how its dossier fares, once for each thing there is to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov import web
from comgov.actor import Role
from comgov.dossiers import notices, store
from comgov.dossiers.config import Config
from comgov.errors import Unavailable
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.people import actions as people
from mail.address import Address
from mail.envelope import SYSTEM, Envelope
from mail.errors import MailError
from storage import StorageError

if TYPE_CHECKING:
    from comgov.dossiers.model import Delivery
    from comgov.dossiers.notices import Notice
    from comgov.feature import Platform
    from comgov.people.model import Account


async def tell(platform: Platform, delivery: Delivery, notice: Notice) -> None:
    """Mail the author of a dossier; when they are no longer there, its institution's clerks and signatories.

    Durable when this returns; told again it changes nothing. Raises Unavailable.
    """
    addressees = await _addressees(platform, delivery)
    if not addressees:
        return
    told = notices.Told(
        notice=notice,
        delivery=delivery,
        recipient=(await institutions.get_by_id(platform, delivery.recipient_id)).name_fr,
        fail_at=delivery.sealed_at + platform.config(Config).fail_after,
        link=_link(platform, delivery),
        hostname=platform.relay.hostname,
        zone=platform.config(web.Config).timezone,
    )
    content = notices.compose(told, [(one.name, one.address) for one in addressees], platform.clock())
    envelope = Envelope(sender=None, recipients=tuple(Address.parse(one.address) for one in addressees))
    try:
        await platform.relay.accept(envelope, content, SYSTEM, body_id=told.id)
    except (MailError, StorageError) as error:
        raise Unavailable(N_("The sender could not be told by mail."), reason=str(error)) from error


async def _addressees(platform: Platform, delivery: Delivery) -> list[Account]:
    if delivery.sender_id is None:
        return []
    async with platform.db.connection() as connection:
        dossier = await store.dossier_of_message(connection, delivery.message_id)
    if dossier is None:
        return []
    author = (await people.accounts(platform, [dossier.author_id])).get(dossier.author_id)
    if author is not None and not author.disabled and author.institution_id == delivery.sender_id:
        return [author]
    return await people.with_roles(platform, delivery.sender_id, (Role.REGISTRY_CLERK, Role.SIGNATORY))


def _link(platform: Platform, delivery: Delivery) -> str:
    """Its page, when the configuration says where people find this server."""
    server = platform.config(web.Config).public_url
    return f"{server}/dossiers/{delivery.message_id}" if server else ""

"""What the recipient does: take the content over, give an arrival number, acknowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov import journal, registers
from comgov.dossiers import receipts, store
from comgov.dossiers.actions import delivering
from comgov.dossiers.documents import Kind
from comgov.dossiers.model import Delivery, State, may_register, may_see_arrival, may_take_over, require
from comgov.errors import NotFound
from comgov.institutions import actions as institutions
from comgov.language import N_

if TYPE_CHECKING:
    from uuid import UUID

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform

NOT_CLERK = N_("Only a registry clerk of the institution does this.")


async def take_over(platform: Platform, actor: Actor, message_id: UUID) -> Delivery:
    """The actor is about to see the content: from here on it counts as handed over. Later ones change nothing.

    Raises NotFound (or not for this person to know), Forbidden (somebody must take it over first).
    """
    async with platform.db.connection() as connection:
        delivery = await seen(connection, actor, message_id)
    if delivery.state is not State.RECEIVED:
        return delivery
    require(
        may_take_over(actor, delivery.recipient_id),
        N_("A registry clerk or a signatory opens a dossier first."),
    )
    maker = await receipts.maker(platform, await institutions.get_by_id(platform, actor.institution_id))
    async with platform.db.transaction() as connection:
        delivery = await seen(connection, actor, message_id, locked=True)
        return await _take_over(platform, connection, actor, maker, delivery)


async def register(platform: Platform, actor: Actor, message_id: UUID) -> Delivery:
    """Give the dossier its arrival number. Registering again gives the same number and no new evidence.

    Raises NotFound, Forbidden, Conflict (not arrived).
    """
    require(may_register(actor, actor.institution_id), NOT_CLERK)
    institution = await institutions.get_by_id(platform, actor.institution_id)
    maker = await receipts.maker(platform, institution)
    async with platform.db.transaction() as connection:
        delivery = await seen(connection, actor, message_id, locked=True)
        if delivery.arrival:
            return delivery
        delivery = await _take_over(platform, connection, actor, maker, delivery)
        at = platform.clock()
        delivery = await delivering.step(connection, maker, delivery, Kind.REGISTERED, at=at, person=actor.name)
        numbers = {"number": delivery.arrival, "departure": delivery.number}
        await journal.record(connection, actor, "register", "dossier", str(message_id), **numbers)
    await registers.publish(platform, institution)
    return delivery


async def acknowledge(platform: Platform, actor: Actor, message_id: UUID) -> Delivery:
    """Tell the sender that the dossier is in hand. Doing it again changes nothing.

    Raises NotFound, Forbidden, Conflict (not registered yet).
    """
    require(may_register(actor, actor.institution_id), NOT_CLERK)
    maker = await receipts.maker(platform, await institutions.get_by_id(platform, actor.institution_id))
    async with platform.db.transaction() as connection:
        delivery = await seen(connection, actor, message_id, locked=True)
        if delivery.state in (State.ACKNOWLEDGED, State.ANSWERED):
            return delivery
        at = platform.clock()
        delivery = await delivering.step(connection, maker, delivery, Kind.ACKNOWLEDGED, at=at, person=actor.name)
        await journal.record(connection, actor, "acknowledge", "dossier", str(message_id), number=delivery.arrival)
    return delivery


async def seen(connection: Connection, actor: Actor, message_id: UUID, *, locked: bool = False) -> Delivery:
    """The arrival, if there is one that this person may know of; else NotFound."""
    delivery = await store.delivery(connection, message_id, actor.institution_id, locked=locked)
    if delivery is None or not may_see_arrival(actor, delivery):
        raise NotFound(N_("There is no such dossier."))
    return delivery


async def _take_over(
    platform: Platform, connection: Connection, actor: Actor, maker: receipts.Maker, delivery: Delivery
) -> Delivery:
    if delivery.state is not State.RECEIVED:
        return delivery
    at = platform.clock()
    await journal.record(connection, actor, "take-over", "dossier", str(delivery.message_id))
    return await delivering.step(connection, maker, delivery, Kind.CONTENT_HANDOVER, at=at, person=actor.name)

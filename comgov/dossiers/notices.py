"""Mails that tell a sender how its dossier fares: French, then English, as notices of the mail service are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from babel.dates import format_datetime as in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comgov.dossiers.model import Delivery


class Notice(StrEnum):
    """What there is to tell. Its value is part of the mail's identity: the same is never told twice."""

    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A notice and all that its sentences need.

    recipient: the institution's name. fail_at: when the platform gives up. link: the dossier's page, empty when the
    server does not know its own address. hostname: the server's, for the mail's sender. zone: IANA name.
    """

    notice: Notice
    delivery: Delivery
    recipient: str
    fail_at: datetime
    link: str
    hostname: str
    zone: str

    @property
    def id(self) -> UUID:
        """One for each notice of each delivery."""
        return uuid5(self.delivery.message_id, f"{self.notice} {self.delivery.recipient_id}")


_SUBJECTS = {
    Notice.LATE: "{number} : pas encore remis à {recipient} / not delivered yet",
    Notice.FAILED: "{number} : non remis à {recipient} / not delivered",
}
_TEXTS = {
    Notice.LATE: """\
Le dossier {number} « {designation} », scellé le {sealed_fr},
n’a pas encore pu être remis à : {recipient}.

La plateforme continue d’essayer. Sans remise avant le {fail_fr},
elle y renoncera, et un reçu signé le prouvera.
{link}
--

The dossier {number} “{designation}”, sealed on {sealed_en},
could not be delivered yet to: {recipient}.

The platform keeps trying. Without delivery before {fail_en},
it gives up, and a signed receipt will say so.
{link}""",
    Notice.FAILED: """\
Le dossier {number} « {designation} », scellé le {sealed_fr},
n’a pas pu être remis à temps à : {recipient}.

La plateforme y a renoncé ; un reçu signé le prouve. Ce destinataire ne recevra pas ce dossier :
prenez contact avec lui, puis scellez un nouveau dossier s’il le faut.
{link}
--

The dossier {number} “{designation}”, sealed on {sealed_en},
could not be delivered in time to: {recipient}.

The platform has given up; a signed receipt proves it. This recipient will not receive the dossier:
get in touch with it, then seal a new dossier if need be.
{link}""",
}


def compose(told: Told, addressees: Sequence[tuple[str, str]], now: datetime) -> bytes:
    """The mail, its lines ended by CRLF. addressees: name and address of each; one or more."""
    words = {
        "number": told.delivery.number,
        "designation": told.delivery.designation,
        "recipient": told.recipient,
        "link": f"\n{told.link}\n" if told.link else "",
        "sealed_fr": _instant(told.delivery.sealed_at, told.zone, "fr"),
        "sealed_en": _instant(told.delivery.sealed_at, told.zone, "en"),
        "fail_fr": _instant(told.fail_at, told.zone, "fr"),
        "fail_en": _instant(told.fail_at, told.zone, "en"),
    }
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = HeaderAddress("COMGOV", username="ne-pas-repondre", domain=told.hostname)
    mail["To"] = [_address(name, address) for name, address in addressees]
    mail["Subject"] = " ".join(_SUBJECTS[told.notice].format(**words).split())
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{told.id.hex}@{told.hostname}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_TEXTS[told.notice].format(**words), cte="quoted-printable")
    return mail.as_bytes()


def _instant(at: datetime, zone: str, locale: str) -> str:
    return in_words(at, "d MMMM y HH:mm z", tzinfo=ZoneInfo(zone), locale=locale)


def _address(name: str, address: str) -> HeaderAddress:
    local, _, domain = address.rpartition("@")
    return HeaderAddress(" ".join(name.split()), username=local, domain=domain)

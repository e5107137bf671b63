"""Delivery status notifications: what a sender is told of mail that is late or was not delivered. Pure.

A `multipart/report` (RFC 6522) of three parts: sentences for a person, in French then English; fields for a program
(RFC 3464); the original's header. With internationalised addresses the last two take their RFC 6533 types. All parts
are encoded to seven bits, so that a notification passes everywhere; only its own header can need SMTPUTF8.
"""

from __future__ import annotations

import hashlib
import quopri
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from enum import StrEnum

HEADER_LIMIT_BYTES = 32 * 1024  # of the original's header that is returned
DIAGNOSTIC_LIMIT = 500  # characters of the other server's text
_LINE_LIMIT_BYTES = 998  # RFC 5322 §2.1.1


class Action(StrEnum):
    """What became of a recipient (RFC 3464 §2.3.3), of the values that we report."""

    FAILED = "failed"
    DELAYED = "delayed"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is said of one recipient.

    status: RFC 3463, such as `5.1.1`. text: what the other server said, or why it could not be asked; one line.
    remote_mta: the server that said so, empty if none did.
    retry_until: when we give up; for DELAYED.
    """

    recipient: str
    action: Action
    status: str
    text: str
    remote_mta: str = ""
    last_attempt: datetime
    retry_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Original:
    """The message that the report is about.

    sender: its envelope sender, never the null one. header: its header, of which up to HEADER_LIMIT_BYTES return.
    """

    sender: str
    accepted: datetime
    header: bytes
    message_id: str = ""


def compose(original: Original, reports: Sequence[Report], *, reporting_mta: str, now: datetime) -> bytes:
    """The notification, its lines ended by CRLF; all reports are of one action.

    The same facts give the same Message-ID, so that a repetition after a crash can be told.
    """
    assert original.sender, "a null sender is never notified (RFC 5321 §4.5.5)"
    is_global = not _all_ascii(original.sender, *(report.recipient for report in reports))
    identity = _identity(original, reports)
    parts = [
        _part("text/plain; charset=utf-8", _for_people(reports, reporting_mta), "Notification"),
        _part(
            f"message/{'global-' if is_global else ''}delivery-status",
            _for_programs(original, reports, reporting_mta, is_global=is_global),
            "Delivery report",
        ),
        _part(
            "message/global-headers" if is_global else "text/rfc822-headers",
            _bounded(original.header),
            "Original header",
        ),
    ]
    boundary = f"report-{identity}"
    head = _head(original, reports[0].action, reporting_mta, identity, now)
    content_type = f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n\r\n'
    body = b"".join(f"--{boundary}\r\n".encode() + part for part in parts)
    return head.encode() + content_type.encode() + body + f"--{boundary}--\r\n".encode()


def one_line(text: str, limit: int = DIAGNOSTIC_LIMIT) -> str:
    """Another server's text made harmless: one line, no control characters, at most `limit` characters."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _head(original: Original, action: Action, mta: str, identity: str, now: datetime) -> str:
    failed = action is Action.FAILED
    subject = "Message non remis / Undelivered message" if failed else "Message retardé / Delayed message"
    name = Header("Service de courrier / Mail delivery", "us-ascii").encode()
    fields = [
        ("From", f"{name} <mailer-daemon@{mta}>"),
        ("To", f"<{original.sender}>"),
        ("Subject", subject if subject.isascii() else Header(subject, "utf-8").encode()),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{identity}@{mta}>"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
    ]
    if _all_ascii(original.message_id) and (reference := one_line(original.message_id)):
        fields += [("In-Reply-To", reference), ("References", reference)]
    return "".join(f"{field}: {value}\r\n" for field, value in fields)


def _for_programs(original: Original, reports: Sequence[Report], mta: str, *, is_global: bool) -> bytes:
    message = [("Reporting-MTA", f"dns; {mta}"), ("Arrival-Date", format_datetime(original.accepted))]
    groups = [message, *(_recipient_fields(report, is_global=is_global) for report in reports)]
    text = "\r\n".join("".join(f"{name}: {value}\r\n" for name, value in group) for group in groups)
    return text.encode() if is_global else text.encode("ascii", errors="replace")


def _recipient_fields(report: Report, *, is_global: bool) -> list[tuple[str, str]]:
    kind = "utf-8" if is_global and not report.recipient.isascii() else "rfc822"
    optional = [
        ("Final-Recipient", f"{kind}; {report.recipient}"),
        ("Action", report.action.value),
        ("Status", report.status),
        ("Remote-MTA", f"dns; {report.remote_mta}" if report.remote_mta else ""),
        ("Diagnostic-Code", f"smtp; {one_line(report.text)}" if report.remote_mta else ""),
        ("Last-Attempt-Date", format_datetime(report.last_attempt)),
        ("Will-Retry-Until", format_datetime(report.retry_until) if report.retry_until else ""),
    ]
    return [(name, value) for name, value in optional if value]


_REASONS = {
    "1.1": ("Cette adresse n'existe pas.", "This address does not exist."),
    "1.2": ("Ce domaine n'existe pas ou ne reçoit pas de courrier.", "This domain does not exist or takes no mail."),
    "1.10": ("Ce domaine ne reçoit pas de courrier.", "This domain takes no mail."),
    "2.1": ("Cette boîte est désactivée.", "This mailbox is disabled."),
    "2.2": ("La boîte du destinataire est pleine.", "The recipient's mailbox is full."),
    "2.3": ("Le message est trop volumineux.", "The message is too large."),
    "3.4": ("Le message est trop volumineux.", "The message is too large."),
    "4": ("Le serveur du destinataire est injoignable.", "The recipient's server cannot be reached."),
    "6.7": (
        "Le serveur du destinataire ne prend pas une telle adresse.",
        "The recipient's server takes no such address.",
    ),
    "7": ("Le serveur du destinataire a refusé le message.", "The recipient's server refused the message."),
}
_OTHER = ("Le serveur du destinataire n'a pas pris le message.", "The recipient's server did not take the message.")


def reason(status: str) -> tuple[str, str]:
    """A sentence for that status, French and English: by its subject and detail, else by its subject."""
    _, _, subject_and_detail = status.partition(".")
    return _REASONS.get(subject_and_detail) or _REASONS.get(subject_and_detail.partition(".")[0]) or _OTHER


_OPENING = {
    Action.FAILED: (
        "Votre message n'a pas pu être remis à :",
        "Your message could not be delivered to:",
    ),
    Action.DELAYED: (
        "Votre message n'a pas encore pu être remis à :",
        "Your message could not yet be delivered to:",
    ),
}
_CLOSING = {
    Action.FAILED: (
        "Il ne sera plus envoyé. Corrigez ce qui est dit, puis renvoyez-le.",
        "It will not be sent again. Correct what is said, then send it again.",
    ),
    Action.DELAYED: (
        "Vous n'avez rien à faire : l'envoi est tenté de nouveau jusqu'au {until}.",
        "You need not do anything: sending is tried again until {until}.",
    ),
}


def _for_people(reports: Sequence[Report], mta: str) -> bytes:
    action, until = reports[0].action, reports[0].retry_until
    day = until.strftime("%Y-%m-%d %H:%M UTC") if until else ""
    french, english = (
        [_OPENING[action][language], *_list(reports, language), "", _CLOSING[action][language].format(until=day), ""]
        for language in (0, 1)
    )
    return "\r\n".join([*french, "-" * 20, "", *english, f"-- \r\n{mta}", ""]).encode()


def _list(reports: Sequence[Report], language: int) -> list[str]:
    lines = []
    for report in reports:
        said_by = f"{report.remote_mta}: " if report.remote_mta else ""
        lines += ["", f"  {report.recipient}", f"    {reason(report.status)[language]}"]
        lines.append(f"    ({said_by}{one_line(report.text)})")
    return lines


def _part(content_type: str, content: bytes, description: str) -> bytes:
    is_plain = content.isascii() and all(len(line) <= _LINE_LIMIT_BYTES for line in content.split(b"\r\n"))
    encoded = content if is_plain else quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    encoding = "7bit" if is_plain else "quoted-printable"
    head = (
        f"Content-Type: {content_type}\r\nContent-Description: {description}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + encoded.rstrip(b"\r\n") + b"\r\n\r\n"


def _bounded(header: bytes) -> bytes:
    """The first whole lines of a header, at most HEADER_LIMIT_BYTES."""
    if len(header) > HEADER_LIMIT_BYTES:
        header = header[: header.rfind(b"\r\n", 0, HEADER_LIMIT_BYTES) + 2]
    return header.rstrip(b"\r\n") + b"\r\n"


def _identity(original: Original, reports: Sequence[Report]) -> str:
    facts = [original.sender, original.message_id, original.accepted.isoformat(), reports[0].action.value]
    facts += sorted(report.recipient for report in reports)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


def _all_ascii(*texts: str) -> bool:
    return all(text.isascii() for text in texts)

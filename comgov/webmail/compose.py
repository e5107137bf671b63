"""A draft made into a message: header and MIME by Python's own `email`, which no typed text can break out of."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address as HeaderAddress
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from comgov.webmail.model import recipients, single_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comgov.webmail.model import Access, Draft, Recipient

_POLICY = policy.SMTP.clone(header_factory=HeaderRegistry(use_default_map=True), refold_source="long")
_UTF8_POLICY = policy.SMTPUTF8


def build(
    draft: Draft, files: Sequence[tuple[str, str, bytes]], author: Access, submitter: Access, date: datetime
) -> bytes:
    """The message, its lines ended by CRLF, blind copies included (the relay takes them out of what others get).

    files: name, content type, content. author: whose name it bears; submitter: who sends it, in Sender when another.
    The Message-ID follows from the draft's id, so that it is the same whenever it is built.
    """
    message = EmailMessage(policy=_UTF8_POLICY if needs_smtputf8(draft) else _POLICY)
    message["From"] = _header_address(author.name, author.address)
    if submitter.account_id != author.account_id:
        message["Sender"] = _header_address(submitter.name, submitter.address)
    for name, typed in (("To", draft.to), ("Cc", draft.cc), ("Bcc", draft.bcc)):
        if found := recipients(typed):
            message[name] = [_header_address(one.name, str(one.address)) for one in found]
    message["Subject"] = single_line(draft.subject)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{draft.id.hex}@{author.address.rpartition('@')[2]}>"
    if draft.in_reply_to:
        message["In-Reply-To"] = draft.in_reply_to
    if draft.thread:
        message["References"] = draft.thread
    text = draft.text.replace("\r\n", "\n").replace("\r", "\n")
    message.set_content(
        text if text.endswith("\n") else text + "\n", cte=None if text.isascii() else "quoted-printable"
    )
    for filename, content_type, content in files:
        _attach(message, filename, content_type, content)
    return message.as_bytes()


def _attach(message: EmailMessage, filename: str, content_type: str, content: bytes) -> None:
    """A file, always as bytes in base64: a text or a message of others is passed on as it is."""
    maintype, _, subtype = content_type.partition("/")
    if not subtype or maintype in ("multipart", "message") or not _is_token(maintype) or not _is_token(subtype):
        maintype, subtype = "application", "octet-stream"
    message.add_attachment(content, maintype=maintype, subtype=subtype, filename=filename)


def _is_token(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace(".", "").replace("+", "").isalnum()


def addressees(draft: Draft) -> list[Recipient]:
    """Everyone it goes to, each once. Raises Invalid for what is no address."""
    found = {one.address.key: one for typed in (draft.to, draft.cc, draft.bcc) for one in recipients(typed)}
    return list(found.values())


def needs_smtputf8(draft: Draft) -> bool:
    """Whether an address has letters that only SMTPUTF8 carries (RFC 6531)."""
    return any(one.address.needs_smtputf8 for one in addressees(draft))


def _header_address(name: str, address: str) -> HeaderAddress:
    local, _, domain = address.rpartition("@")
    return HeaderAddress(single_line(name), username=_bare(local), domain=domain)


def _bare(local: str) -> str:
    return local[1:-1] if local[:1] == '"' == local[-1:] else local

"""The tour's mail: written as a mail program writes it, found again by its Message-ID."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from secrets import token_hex
from typing import Any

from comgov.demo.clients import Api
from comgov.demo.expectation import expect


def compose(sender: str, recipients: list[str], *, attachment: bytes = b"") -> EmailMessage:
    """A message as a mail program writes it, CRLF line ends."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"Visite guidée {token_hex(4)}"
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Date"] = "Sun, 22 Nov 2026 10:00:00 +0000"
    message.set_content("Bonjour,\n\nVeuillez trouver ci-joint le rapport demandé.\n\nCordialement\n")
    if attachment:
        message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename="rapport.bin")
    return message


async def read_mail(api: Api, message_id: str) -> bytes:
    """The bytes of the one message with that id in the person's inbox."""
    found = await find_mail(api, {message_id})
    expect(len(found) == 1, f"{len(found)} messages instead of one with the id {message_id}")
    (one,) = found
    return (await api.request("GET", f"/api/mail/messages/{one['mailbox']}/{one['uid']}/raw")).body


async def find_mail(api: Api, message_ids: set[str]) -> list[dict[str, Any]]:
    """Every message of the person's inbox that has one of these ids, newest first."""
    mailboxes = (await api.json("GET", "/api/mail/mailboxes"))["mailboxes"]
    inbox = next(one for one in mailboxes if one["account"] == api.address and one["use"] == "Inbox")
    address = f"/api/mail/mailboxes/{inbox['id']}/messages"
    page = await api.json("GET", address)
    found = [*page["messages"]]
    while page["next_before"] is not None:
        page = await api.json("GET", f"{address}?before={page['next_before']}")
        found += page["messages"]
    return [one for one in found if one["message_id"] in message_ids]

"""Mail for scripts: JSON over HTTP Basic, described by `/api/openapi.json`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aiohttp import web as http
from pydantic import BaseModel, Field

from comgov import web
from comgov.errors import Invalid
from comgov.feature import PLATFORM
from comgov.language import N_
from comgov.people.web import actor
from comgov.webmail.actions import reading
from comgov.webmail.web import send_raw
from mail.mailbox import Flag

if TYPE_CHECKING:
    from comgov.webmail.model import Opened
    from mail.mailbox import Mailbox, Message


class MailboxJson(BaseModel, frozen=True):
    """A mailbox. use: Inbox, Drafts, Sent, Trash, Junk, Archive, or null."""

    id: int
    account: str = Field(description="address of the person or post it belongs to")
    name: str
    use: str | None
    messages: int
    unread: int
    size_bytes: int


class MailboxesJson(BaseModel, frozen=True):
    """Every mailbox one may open."""

    mailboxes: list[MailboxJson]


class MessageJson(BaseModel, frozen=True):
    """A message as a list shows it."""

    mailbox: int
    uid: int
    subject: str
    from_: str = Field(serialization_alias="from")
    to: str
    received_at: datetime
    sent_at: datetime | None
    message_id: str
    size_bytes: int
    attachments: int
    preview: str
    is_read: bool
    is_starred: bool
    is_answered: bool
    submitter: str = Field(description="who sent it from here, when somebody did")


class MessagesJson(BaseModel, frozen=True):
    """A page of a mailbox, newest first. next_before: for the next page, null on the last."""

    messages: list[MessageJson]
    total: int = Field(description="exact count of what matches, whatever the page")
    next_before: int | None


class PartJson(BaseModel, frozen=True):
    """A leaf of the MIME tree; `number` is IMAP's section."""

    number: str
    type: str
    filename: str
    size_bytes: int = Field(description="as encoded in the message")
    is_attachment: bool


class WholeMessageJson(MessageJson, frozen=True):
    """A message with its structure."""

    parts: list[PartJson]


@web.describe(returns=MailboxesJson)
async def list_mailboxes(request: http.Request) -> http.StreamResponse:
    """Every mailbox that one may open: one's own, and those of the posts one holds."""
    platform, who = request.app[PLATFORM], await actor(request)
    found = [
        _mailbox(access.address, box)
        for access in await reading.accesses(platform, who)
        for box in await platform.mailboxes.mailboxes(access.account_id)
    ]
    return web.answer(MailboxesJson(mailboxes=found))


@web.describe(returns=MessagesJson, query={"before": "UID", "unread": "1 for unread ones only", "q": "words to search"})
async def list_messages(request: http.Request) -> http.StreamResponse:
    """A page of a mailbox, newest first."""
    opened = await _opened(request)
    before = request.query.get("before")
    if before is not None and not (before.isascii() and before.isdigit() and len(before) <= 15):
        raise Invalid(N_("“before” is the UID that the page before ended with."))
    page = await reading.page(
        request.app[PLATFORM],
        opened,
        before=int(before) if before else None,
        unread=request.query.get("unread") == "1",
        words=request.query.get("q", "")[:200],
    )
    messages = [MessageJson(**_message(message)) for message in page.messages]
    return web.answer(MessagesJson(messages=messages, total=page.total, next_before=page.next_before_uid))


@web.describe(returns=WholeMessageJson)
async def show_message(request: http.Request) -> http.StreamResponse:
    """One message and its structure; reading it here leaves it unread."""
    platform, opened = request.app[PLATFORM], await _opened(request)
    message = await reading.get(platform, opened, int(request.match_info["uid"]))
    parts = [
        PartJson(
            number=part.number,
            type=part.type,
            filename=part.filename,
            size_bytes=part.stop - part.start,
            is_attachment=part.is_attachment,
        )
        for part in await reading.parts(platform, message)
    ]
    return web.answer(WholeMessageJson(**_message(message), parts=parts))


@web.describe(content_type="message/rfc822")
async def show_raw(request: http.Request) -> http.StreamResponse:
    """The message byte for byte, this server's stamps first."""
    opened = await _opened(request)
    message = await reading.get(request.app[PLATFORM], opened, int(request.match_info["uid"]))
    return await send_raw(request, message)


async def _opened(request: http.Request) -> Opened:
    mailbox_id = int(request.match_info["mailbox"])
    return await reading.open_mailbox(request.app[PLATFORM], await actor(request), mailbox_id)


def _mailbox(account: str, box: Mailbox) -> MailboxJson:
    return MailboxJson(
        id=box.id,
        account=account,
        name=box.name,
        use=box.special_use,
        messages=box.messages,
        unread=box.unseen,
        size_bytes=box.size_bytes,
    )


def _message(message: Message) -> dict[str, object]:
    return {
        "mailbox": message.mailbox_id,
        "uid": message.uid,
        "subject": message.subject,
        "from_": message.from_text,
        "to": message.to_text,
        "received_at": message.internal_date,
        "sent_at": message.sent_at,
        "message_id": message.message_id,
        "size_bytes": message.size_bytes,
        "attachments": message.attachments,
        "preview": message.preview,
        "is_read": message.is_seen,
        "is_starred": Flag.FLAGGED in message.flags,
        "is_answered": Flag.ANSWERED in message.flags,
        "submitter": message.submitter,
    }


_MAILBOX = r"/api/mail/mailboxes/{mailbox:\d{1,18}}/messages"
_MESSAGE = r"/api/mail/messages/{mailbox:\d{1,18}}/{uid:\d{1,15}}"

routes = [
    http.get("/api/mail/mailboxes", list_mailboxes),
    http.get(_MAILBOX, list_messages),
    http.get(_MESSAGE, show_message),
    http.get(_MESSAGE + "/raw", show_raw),
]

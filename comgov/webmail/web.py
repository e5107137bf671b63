"""The pages of mail: mailboxes, reading, writing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

from aiohttp import hdrs
from aiohttp import web as http

from comgov import web
from comgov.errors import ComgovError, NotFound, Unavailable
from comgov.feature import PLATFORM, Platform, Waiting
from comgov.language import N_
from comgov.people.web import actor
from comgov.web.representation import content_disposition
from comgov.webmail import letter
from comgov.webmail.actions import reading, sending, writing
from comgov.webmail.config import Config
from comgov.webmail.model import Answered, names_of
from mail.mailbox import SpecialUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from comgov.people.model import Actor
    from comgov.webmail.model import Access, Draft, Opened
    from mail.mailbox import Mailbox, Message, Page
    from mail.message import Part

_DONE = {
    "archive": N_("Archived."),
    "delete": N_("Deleted."),
    "inbox": N_("Back in the inbox."),
    "junk": N_("Moved to junk."),
    "move": N_("Moved."),
    "trash": N_("In the trash, from which it can be taken back."),
    "unread": N_("Marked as unread."),
}
_STAYS = frozenset({"star", "unstar"})  # what one does to a message that one goes on reading


async def waiting(platform: Platform, who: Actor) -> Sequence[Waiting]:
    """Unread mail, by inbox."""
    found = []
    for access in await reading.accesses(platform, who):
        inbox = await reading.standard(platform, access, SpecialUse.INBOX)
        title = N_("Unread mail") if access.account_id == who.person_id else N_("Unread mail of {mailbox}")
        found.append(
            Waiting(title=title, count=inbox.unseen, path=f"/mail/{inbox.id}?unread=1", values={"mailbox": access.name})
        )
    return found


# -- reading


async def show_inbox(request: http.Request) -> http.StreamResponse:
    """`GET /mail`: the inbox of the post one acts for, or one's own."""
    platform, who = request.app[PLATFORM], await actor(request)
    access = await reading.access_to(platform, who, web.capacity(request) or who.person_id)
    inbox = await reading.standard(platform, access, SpecialUse.INBOX)
    return web.redirect(f"/mail/{inbox.id}")


async def show_mailbox(request: http.Request) -> http.StreamResponse:
    """`GET /mail/{mailbox}`: a page of a mailbox; `unread`, `q` and `before` in the address."""
    opened = await _opened(request)
    listing = await _list(request, opened)
    return web.render(request, "webmail/list.html", listing=listing, message=None, names_of=names_of)


async def show_message(request: http.Request) -> http.StreamResponse:
    """`GET /mail/{mailbox}/{uid}`: a message beside its list; `text` for its plain form, `images` for all images."""
    platform, opened = request.app[PLATFORM], await _opened(request)
    message = await reading.get(platform, opened, int(request.match_info["uid"]))
    as_text, remote_images = "text" in request.query, "images" in request.query
    found = await reading.read(
        platform,
        opened,
        message,
        as_text=as_text,
        remote_images=remote_images,
        marks=request.method != hdrs.METH_HEAD,
    )
    listing = await _list(request, opened)
    response = web.render(
        request,
        "webmail/message.html",
        listing=listing,
        names_of=names_of,
        message=message,
        letter=found,
        as_text=as_text,
        remote_images=remote_images,
        back=_path(opened.mailbox, listing.query),
    )
    if remote_images:
        response.headers["Content-Security-Policy"] = web.content_policy(images="'self' https:")
        response.headers["Referrer-Policy"] = "no-referrer"
    return response


async def _opened(request: http.Request) -> Opened:
    mailbox_id = int(request.match_info["mailbox"])
    return await reading.open_mailbox(request.app[PLATFORM], await actor(request), mailbox_id)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A page of a mailbox as its column shows it.

    query: the part of the address that says which messages are shown; suffix: the same, written.
    first, after: paths of the first page and of the next one, None when this is it.
    """

    opened: Opened
    page: Page
    query: Mapping[str, str]
    suffix: str
    first: str | None
    after: str | None
    desk: Desk


async def _list(request: http.Request, opened: Opened) -> Listing:
    platform, query = request.app[PLATFORM], _query(request)
    before = int(query["before"]) if "before" in query else None
    page = await reading.page(platform, opened, before=before, unread="unread" in query, words=query.get("q", ""))
    rest = {name: value for name, value in query.items() if name != "before"}
    after = _path(opened.mailbox, rest | {"before": str(page.next_before_uid)}) if page.next_before_uid else None
    return Listing(
        opened=opened,
        page=page,
        query=query,
        suffix=f"?{urlencode(query)}" if query else "",
        first=_path(opened.mailbox, rest) if before is not None else None,
        after=after,
        desk=await _desk(platform, await actor(request), opened.access.account_id),
    )


def _query(request: http.Request) -> dict[str, str]:
    """The part of the address that says which messages are shown."""
    query = {}
    if request.query.get("unread"):
        query["unread"] = "1"
    if words := request.query.get("q", "").strip()[:200]:
        query["q"] = words
    if re.fullmatch(r"[0-9]{1,15}", before := request.query.get("before", "")):
        query["before"] = before
    return query


def _path(mailbox: Mailbox, query: Mapping[str, str]) -> str:
    return f"/mail/{mailbox.id}" + (f"?{urlencode(query)}" if query else "")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """For the rail: the account one is in with its mailboxes, the others with their Inbox, and one's drafts."""

    account_id: int
    boxes: Sequence[Mailbox]
    others: Sequence[tuple[Access, Mailbox]]
    drafts: int
    may_change: bool


async def _desk(platform: Platform, who: Actor, account_id: int) -> Desk:
    accesses = await reading.accesses(platform, who)
    current = next((one for one in accesses if one.account_id == account_id), accesses[0])
    return Desk(
        account_id=current.account_id,
        boxes=await platform.mailboxes.mailboxes(current.account_id),
        others=[
            (one, await reading.standard(platform, one, SpecialUse.INBOX)) for one in accesses if one is not current
        ],
        drafts=await writing.count_unsent(platform, who),
        may_change=current.may_change,
    )


async def change_messages(request: http.Request) -> http.StreamResponse:
    """`POST /mail/{mailbox}/messages`: mark, move or delete those chosen (`uid`, several times; `do`)."""
    opened = await _opened(request)
    form = await web.form(request)
    verb, uids = form.get("do"), form.numbers("uid")
    to_mailbox_id = form.number("to") if form.get("to") else None
    await reading.change(request.app[PLATFORM], opened, uids, verb, to_mailbox_id=to_mailbox_id)
    if verb in _DONE:
        web.flash(request, _DONE[verb])
    back = form.get("here" if verb in _STAYS and form.get("here") else "back", f"/mail/{opened.mailbox.id}")
    return web.redirect(back if web.is_local(back) else f"/mail/{opened.mailbox.id}")


async def make_mailbox(request: http.Request) -> http.StreamResponse:
    """`POST /mail/mailboxes`: a new mailbox in the account given."""
    platform, who = request.app[PLATFORM], await actor(request)
    form = await web.form(request)
    access = await reading.access_to(platform, who, form.number("account"))
    made = await reading.make_mailbox(platform, access, form.get("name"))
    return web.redirect(f"/mail/{made.id}")


async def show_part(request: http.Request) -> http.StreamResponse:
    """`GET /mail/{mailbox}/{uid}/parts/{part}`: a file of a message.

    Pictures may be shown; everything else is for saving, and can run nothing if it is opened all the same.
    """
    platform, opened = request.app[PLATFORM], await _opened(request)
    message = await reading.get(platform, opened, int(request.match_info["uid"]))
    part = await reading.part(platform, message, request.match_info["part"])
    is_shown = letter.is_safe_image(part) and "save" not in request.query
    response = http.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: part.type if is_shown else "application/octet-stream",
            hdrs.CONTENT_DISPOSITION: "inline" if is_shown else _disposition(_filename(part)),
            "Content-Security-Policy": "sandbox; default-src 'none'",
            hdrs.CACHE_CONTROL: "private, max-age=3600",
        }
    )
    return await web.stream(request, response, reading.part_bytes(platform, message, part))


def _filename(part: Part) -> str:
    return part.filename or ("message.eml" if part.type == "message/rfc822" else f"file-{part.number}")


async def show_raw(request: http.Request) -> http.StreamResponse:
    """`GET /mail/{mailbox}/{uid}/raw`: the message as it came, byte for byte, to keep or to prove."""
    platform, opened = request.app[PLATFORM], await _opened(request)
    message = await reading.get(platform, opened, int(request.match_info["uid"]))
    return await send_raw(request, message)


async def send_raw(request: http.Request, message: Message) -> http.StreamResponse:
    """A message as a download of type message/rfc822."""
    response = http.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "message/rfc822",
            hdrs.CONTENT_LENGTH: str(message.size_bytes),
            hdrs.CONTENT_DISPOSITION: _disposition(f"{message.subject[:80] or 'message'}.eml"),
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
    )
    return await web.stream(request, response, reading.raw_bytes(request.app[PLATFORM], message))


def _disposition(filename: str) -> str:
    """Content-Disposition of a download, its name safe on a disk too."""
    clean = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", filename).strip(". ")[:200] or "file"
    return content_disposition(clean)


# -- writing


async def show_new(request: http.Request) -> http.StreamResponse:
    """`GET /mail/write`: an empty message, or an answer (`reply=mailbox:uid`, `all=1`); nothing is kept yet."""
    platform, who = request.app[PLATFORM], await actor(request)
    accesses = await reading.accesses(platform, who)
    if answered := _answered(request.query.get("reply", "")):
        opened = await reading.open_mailbox(platform, who, answered.mailbox_id)
        message = await reading.get(platform, opened, answered.uid)
        draft = writing.blank(who, uuid4(), _author(accesses, opened.access.account_id))
        introduction = await _introduction(request, message)
        draft = await writing.answer(
            platform, opened, message, draft, everyone="all" in request.query, introduction=introduction
        )
    else:
        draft = writing.blank(who, uuid4(), _author(accesses, web.capacity(request)))
        draft = replace(draft, to=request.query.get("to", "")[:500], subject=request.query.get("subject", "")[:500])
    return await _show_draft(request, draft)


def _author(accesses: Sequence[Access], account_id: int | None) -> Access:
    """The account to write for: the wished one if one may, else one's own."""
    return next((one for one in accesses if one.account_id == account_id and one.may_send), accesses[0])


def _answered(text: str) -> Answered | None:
    """From `mailbox:uid`."""
    found = re.fullmatch(r"([0-9]{1,18}):([0-9]{1,15})", text)
    return Answered(how="reply", mailbox_id=int(found[1]), uid=int(found[2])) if found else None


async def _introduction(request: http.Request, message: Message) -> str:
    """The line above what is quoted."""
    written = web.gettext(request)(N_("On {date}, {author} wrote:"))
    return written.format(date=_date(request, message), author=message.from_text)


def _date(request: http.Request, message: Message) -> str:
    return web.whole_moment(request, message.sent_at or message.internal_date)


async def forward(request: http.Request) -> http.StreamResponse:
    """`POST /mail/{mailbox}/{uid}/forward`: a draft that passes a message on with its files."""
    platform, who, opened = request.app[PLATFORM], await actor(request), await _opened(request)
    message = await reading.get(platform, opened, int(request.match_info["uid"]))
    accesses = await reading.accesses(platform, who)
    translate = web.gettext(request)
    introduction = translate(
        N_("---- Message passed on ----\nFrom: {author}\nTo: {to}\nDate: {date}\nSubject: {subject}")
    ).format(author=message.from_text, to=message.to_text, date=_date(request, message), subject=message.subject)
    draft = await writing.forward(
        platform,
        who,
        message,
        writing.blank(who, uuid4(), _author(accesses, opened.access.account_id)),
        introduction=introduction,
        prefix=translate(N_("Fwd: ")),
    )
    return web.redirect(f"/mail/drafts/{draft.id}")


async def show_drafts(request: http.Request) -> http.StreamResponse:
    """`GET /mail/drafts`: what one has begun to write."""
    platform, who = request.app[PLATFORM], await actor(request)
    before = web.instant(request.query.get("before", ""))
    drafts, total = await writing.unsent(platform, who, before=before)
    limit = platform.config(Config).page_limit
    last: datetime | None = drafts[-1].saved_at if len(drafts) == limit else None
    after = f"/mail/drafts?before={quote(last.isoformat())}" if last is not None else None
    desk = await _desk(platform, who, who.person_id)
    return web.render(
        request,
        "webmail/drafts.html",
        drafts=drafts,
        names_of=names_of,
        total=total,
        after=after,
        before=before,
        desk=desk,
    )


async def show_draft(request: http.Request) -> http.StreamResponse:
    """`GET /mail/drafts/{draft}`: go on writing."""
    platform, who = request.app[PLATFORM], await actor(request)
    return await _show_draft(request, await writing.get(platform, who, UUID(request.match_info["draft"])))


async def _show_draft(request: http.Request, draft: Draft, *, error: ComgovError | None = None) -> http.StreamResponse:
    platform, who = request.app[PLATFORM], await actor(request)
    accesses = [one for one in await reading.accesses(platform, who) if one.may_send]
    return web.render(
        request,
        "webmail/write.html",
        status=error.status if error is not None else 200,
        draft=draft,
        accesses=accesses,
        error=error,
        limit_bytes=platform.config(Config).attachments_limit_bytes,
        desk=await _desk(platform, who, draft.sender_id),
    )


async def write(request: http.Request) -> http.StreamResponse:
    """`POST /mail/drafts/{draft}`: keep what was typed, and then send, save, attach, detach or discard (`do`)."""
    platform, who = request.app[PLATFORM], await actor(request)
    draft_id = UUID(request.match_info["draft"])
    try:
        form = await web.form(request, files_limit_bytes=platform.config(Config).attachments_limit_bytes)
    except web.FilesTooLarge as error:
        draft = await _draft(platform, who, draft_id, error.form)
        return await _refused(request, draft, error)
    do = form.get("do")
    if do == "discard":
        await writing.discard(platform, who, draft_id)
        web.flash(request, N_("The draft is discarded."))
        return web.redirect("/mail")
    draft = await _draft(platform, who, draft_id, form)
    try:
        return await _carry_out(request, draft, form, do)
    except ComgovError as error:
        if do == "autosave" or isinstance(error, Unavailable):  # whose page offers to send the form again
            raise
        return await _refused(request, draft, error)


async def _carry_out(request: http.Request, draft: Draft, form: web.Form, do: str) -> http.StreamResponse:
    platform, who = request.app[PLATFORM], await actor(request)
    if do == "send" and not form.files("file"):
        return await _send(request, draft)
    await writing.save(platform, who, draft)
    for upload in form.files("file"):
        await writing.attach(platform, who, draft.id, upload.filename, upload.content_type, upload.chunks())
    if do == "send":
        return await _send(request, draft)
    if do == "autosave":
        return http.json_response({"saved": platform.clock().isoformat()})
    if re.fullmatch(r"detach-[0-9]{1,18}", do):
        await writing.detach(platform, who, draft.id, [int(do.removeprefix("detach-"))])
    elif do == "save":
        web.flash(request, N_("The draft is kept."))
    return web.redirect(f"/mail/drafts/{draft.id}")


async def _send(request: http.Request, draft: Draft) -> http.StreamResponse:
    platform, who = request.app[PLATFORM], await actor(request)
    count = await sending.send(platform, who, draft)
    web.flash(request, N_("Sent to {count} addresses.") if count > 1 else N_("Sent."), count=count)
    return web.redirect("/mail")


async def _refused(request: http.Request, draft: Draft, error: ComgovError) -> http.StreamResponse:
    """The form as it was filled, kept as a draft as far as it can be, with what is wrong."""
    platform, who = request.app[PLATFORM], await actor(request)
    try:
        await writing.save(platform, who, draft)
        draft = await writing.get(platform, who, draft.id)
    except ComgovError:
        pass  # the page still holds what was typed
    return await _show_draft(request, draft, error=error)


async def _draft(platform: Platform, who: Actor, draft_id: UUID, form: web.Form) -> Draft:
    """What was typed, as a draft; what it answers is looked up, not believed."""
    sender = form.get("sender")
    draft = writing.blank(who, draft_id, (await reading.accesses(platform, who))[0])
    draft = replace(
        draft,
        sender_id=int(sender) if re.fullmatch(r"[0-9]{1,18}", sender) else draft.sender_id,
        to=form.get("to").strip(),
        cc=form.get("cc").strip(),
        bcc=form.get("bcc").strip(),
        subject=form.get("subject").strip(),
        text=form.get("text").replace("\r\n", "\n"),
    )
    answered = _answered(form.get("reply"))
    if answered is None:
        return draft
    try:
        opened = await reading.open_mailbox(platform, who, answered.mailbox_id)
        heads = await writing.heads_of(platform, await reading.get(platform, opened, answered.uid))
    except NotFound:
        return draft
    return replace(draft, answered=answered, in_reply_to=heads.message_id, thread=heads.thread)


_MAILBOX = r"/mail/{mailbox:\d{1,18}}"
_MESSAGE = _MAILBOX + r"/{uid:\d{1,15}}"
_DRAFT = "/mail/drafts/{draft:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}}"

routes = [
    http.get("/mail", show_inbox),
    http.post("/mail/mailboxes", make_mailbox),
    http.get("/mail/write", show_new),
    http.get("/mail/drafts", show_drafts),
    http.get(_DRAFT, show_draft),
    http.post(_DRAFT, write),
    http.get(_MAILBOX, show_mailbox),
    http.post(_MAILBOX + "/messages", change_messages),
    http.get(_MESSAGE, show_message),
    http.get(_MESSAGE + "/raw", show_raw),
    http.get(_MESSAGE + r"/parts/{part:[0-9.]{1,100}}", show_part),
    http.post(_MESSAGE + "/forward", forward),
]

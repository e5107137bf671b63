"""The pages of dossiers: lists, a draft, the seal, a dossier's story, its proofs, the register."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import hdrs
from aiohttp import web as http

from comgov import web
from comgov.dossiers import documents, examination
from comgov.dossiers import story as stories
from comgov.dossiers.actions import by_hand, drafts, reading, registering, sealing
from comgov.dossiers.config import Config
from comgov.dossiers.documents import Classification, Mention, Priority
from comgov.dossiers.model import (
    Filter,
    Note,
    State,
    may_edit,
    may_read_register,
    may_register,
    may_seal,
    require,
)
from comgov.errors import ComgovError, Invalid, NotFound
from comgov.feature import PLATFORM
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.people.web import actor as acting
from comgov.registers import actions as registers
from comgov.registers.model import Direction, NumberFilter
from comgov.signing.container import MIME_TYPE
from comgov.web.representation import content_disposition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from comgov.dossiers.model import Dossier
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.people.model import Actor

_WAITING = (State.RECEIVED, State.OPENED)
FILTERS: dict[str, tuple[State, ...] | None] = {
    "": None,
    "waiting": _WAITING,
    "registered": (State.REGISTERED,),
    "acknowledged": (State.ACKNOWLEDGED,),
    "answered": (State.ANSWERED,),
}
_LONGEST_SEARCH = 100  # characters
NOT_YOUR_REGISTER = N_("The register is for those who keep it, sign, audit or administer the institution.")


async def show_arrivals(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers`: what came, the newest first. `state`, `q`, `after` in the address."""
    actor = await acting(request)
    chosen = request.query.get("state", "")
    wanted = parse_filter(request, FILTERS.get(chosen))
    page = await reading.list_arrivals(request.app[PLATFORM], actor, wanted)
    return web.render(
        request,
        "dossiers/arrivals.html",
        page=page,
        words=wanted.words,
        chosen=chosen,
        state_words=stories.STATES,
        older=_older(request, page, "received_at"),
        may_register=may_register(actor, actor.institution_id),
        may_read_register=may_read_register(actor, actor.institution_id),
    )


async def show_departures(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/departures`: what was sealed, the newest first."""
    actor = await acting(request)
    platform, wanted = request.app[PLATFORM], parse_filter(request)
    page = await reading.list_departures(platform, actor, wanted)
    return web.render(
        request,
        "dossiers/departures.html",
        page=page,
        words=wanted.words,
        names=await _names(request),
        older=_older(request, page, "sealed_at"),
        may_read_register=may_read_register(actor, actor.institution_id),
        may_register=may_register(actor, actor.institution_id),
    )


async def show_drafts(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/drafts`: what is being prepared."""
    actor = await acting(request)
    wanted = parse_filter(request)
    page = await reading.list_drafts(request.app[PLATFORM], actor, wanted)
    return web.render(
        request,
        "dossiers/drafts.html",
        page=page,
        words=wanted.words,
        older=_older(request, page, "changed_at"),
        may_read_register=may_read_register(actor, actor.institution_id),
        may_register=may_register(actor, actor.institution_id),
    )


async def show_new(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/new`: an empty bordereau; `reply` is the dossier that it answers."""
    actor = await acting(request)
    reply, values = None, dict[str, Any]()
    if "reply" in request.query:
        reply = await reading.story(request.app[PLATFORM], actor, message_id(request.query["reply"]))
        values = {
            "in_reply_to": str(reply.message_id),
            "designation": reply.bordereau.designation,
            "recipients": [reply.bordereau.sender.code],
        }
    return await _form(request, actor, None, values=values)


async def create(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/new`: a draft; pieces come next."""
    actor = await acting(request)
    form = await web.form(request)
    try:
        note = parse_note(form)
        dossier = await drafts.create(request.app[PLATFORM], actor, note, form.getall("recipients"))
    except Invalid as error:
        return await _form(request, actor, None, values=_typed(form), error=error)
    return web.redirect(f"/dossiers/drafts/{dossier.message_id}")


async def show_draft(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/drafts/{message}`: the bordereau and the pieces."""
    actor = await acting(request)
    dossier = await reading.draft(request.app[PLATFORM], actor, _message(request))
    if dossier.state is not State.DRAFT:
        return web.redirect(f"/dossiers/{dossier.message_id}")
    return await _form(request, actor, dossier, values=await _values(request, dossier))


async def save(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/drafts/{message}`: the bordereau written anew."""
    actor = await acting(request)
    platform, form = request.app[PLATFORM], await web.form(request)
    try:
        note = parse_note(form)
        dossier = await drafts.change(platform, actor, _message(request), note, form.getall("recipients"))
    except Invalid as error:
        dossier = await reading.draft(platform, actor, _message(request))
        return await _form(request, actor, dossier, values=_typed(form), error=error)
    if form.get("then") == "seal":
        return web.redirect(f"/dossiers/drafts/{dossier.message_id}/seal")
    web.flash(request, N_("The draft is saved."))
    return web.redirect(f"/dossiers/drafts/{dossier.message_id}")


async def discard(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/drafts/{message}/discard`."""
    actor = await acting(request)
    await drafts.discard(request.app[PLATFORM], actor, _message(request))
    web.flash(request, N_("The draft is thrown away."))
    return web.redirect("/dossiers/drafts")


async def add_pieces(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/drafts/{message}/pieces`: files, streamed one after the other."""
    actor = await acting(request)
    message, added = _message(request), 0
    try:
        async for part in web.parts(request):
            if not part.filename:
                await _skip(part.chunks())
                continue
            await drafts.add_piece(
                request.app[PLATFORM], actor, message, part.filename, part.chunks(), part.content_type
            )
            added += 1
    except ComgovError as error:
        dossier = await reading.draft(request.app[PLATFORM], actor, message)
        values = await _values(request, dossier)
        return await _form(request, actor, dossier, values=values, error=error)
    if added:
        web.flash(request, N_("Pieces added: {count}."), count=added)
    return web.redirect(f"/dossiers/drafts/{message}#pieces")


async def remove_piece(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/drafts/{message}/pieces/{piece}/remove`."""
    actor = await acting(request)
    await drafts.remove_piece(request.app[PLATFORM], actor, _message(request), int(request.match_info["piece"]))
    return web.redirect(f"/dossiers/drafts/{_message(request)}#pieces")


async def show_seal(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/drafts/{message}/seal`: exactly what is signed, by whom, in what capacity."""
    actor = await acting(request)
    return await _seal_page(request, actor, None)


async def seal(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/drafts/{message}/seal`: the moment itself."""
    actor = await acting(request)
    form = await web.form(request)
    try:
        dossier = await sealing.seal(request.app[PLATFORM], actor, _message(request), form.get("fingerprint"))
    except Invalid as error:
        return await _seal_page(request, actor, error)
    web.flash(request, N_("The dossier is sealed under the number {number}."), number=dossier.number)
    return web.redirect(f"/dossiers/{dossier.message_id}")


async def show(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/{message}`: a dossier as a story."""
    actor = await acting(request)
    story = await reading.story(request.app[PLATFORM], actor, _message(request))
    limits = request.app[PLATFORM].config(Config)
    return web.render(
        request,
        "dossiers/story.html",
        story=story,
        state_words=stories.STATES,
        tellings=[
            stories.tell(way, web.gettext(request), web.language(request), limits.fail_after) for way in story.ways
        ],
        may_register=not story.is_departure and may_register(actor, actor.institution_id),
        openssl_at=int(story.bordereau.sealed_at.timestamp()),
    )


async def register(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/{message}/register`."""
    actor = await acting(request)
    delivery = await registering.register(request.app[PLATFORM], actor, _message(request))
    web.flash(request, N_("The arrival is registered under the number {number}."), number=delivery.arrival)
    return web.redirect(f"/dossiers/{_message(request)}")


async def acknowledge(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/{message}/acknowledge`."""
    actor = await acting(request)
    delivery = await registering.acknowledge(request.app[PLATFORM], actor, _message(request))
    web.flash(request, N_("{sender} has your acknowledgement."), sender=delivery.sender.name)
    return web.redirect(f"/dossiers/{_message(request)}")


@web.describe(
    content_type=MIME_TYPE.decode(),
    also=web.DOWNLOAD,
    refuses={403: "A clerk or a signatory opens it first", 404: "There is no such dossier", 503: "It cannot be read"},
    path={"message": "the message id of the dossier"},
    headers={"Range": "one range of bytes", "If-Range": "an ETag", "If-None-Match": "ETags"},
)
async def container(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/{message}/container`: the sealed file, whole or a range of it."""
    actor = await acting(request)
    story = await _content(request, actor)
    name = f"{story.bordereau.number.replace('/', '-')}.asice"
    chunks = (0, story.container_bytes)
    return await send_blob(request, story.container, chunks, name, MIME_TYPE.decode())


async def piece(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/{message}/pieces/{position}`: one piece, out of the container."""
    actor = await acting(request)
    story = await _content(request, actor)
    position = int(request.match_info["position"])
    if not 1 <= position <= len(story.bordereau.pieces):
        raise NotFound(N_("There is no such piece."))
    listed = story.bordereau.pieces[position - 1]
    return await send_blob(request, story.container, story.span(position), listed.name, listed.media_type)


async def _content(request: http.Request, actor: Actor) -> reading.Story:
    """What a sealed dossier holds; whoever only asks about it (HEAD) has not been handed it over."""
    is_read = request.method != hdrs.METH_HEAD
    return await reading.content(request.app[PLATFORM], actor, _message(request), is_read=is_read)


async def draft_piece(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/drafts/{message}/pieces/{piece}`: a piece of a draft."""
    actor = await acting(request)
    dossier = await reading.draft(request.app[PLATFORM], actor, _message(request))
    for found in dossier.pieces:
        if found.id == int(request.match_info["piece"]):
            span = (0, found.size_bytes)
            return await send_blob(request, found.sha256, span, found.name, found.media_type)
    raise NotFound(N_("There is no such piece."))


@web.describe(
    content_type="application/zip",
    refuses={404: "There is no such dossier"},
    path={"message": "the message id of the dossier"},
)
async def receipts(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/{message}/receipts.zip`: every receipt with its proofs, for `comgov dossier verify`."""
    actor = await acting(request)
    name, content = await reading.receipts(request.app[PLATFORM], actor, _message(request))
    return attachment(content, f"{name}-recus.zip", "application/zip")


async def show_receipt(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/receipts/{digest}`: one receipt, what it says and how to verify it."""
    actor = await acting(request)
    platform = request.app[PLATFORM]
    evidence = await reading.receipt(platform, actor, digest(request))
    return web.render(
        request,
        "dossiers/receipt.html",
        evidence=evidence,
        said=documents.read_evidence(evidence.body),
        title=stories.TITLES[evidence.kind],
        proof=await reading.logged(platform, evidence),
        openssl_at=int(evidence.at.timestamp()),
    )


@web.describe(
    content_type="application/json",
    refuses={404: "There is no such receipt"},
    path={"digest": "SHA-256 of what was signed, in hexadecimal"},
)
async def receipt_body(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/receipts/{digest}.json`: the very text of a receipt that was signed."""
    actor = await acting(request)
    evidence = await reading.receipt(request.app[PLATFORM], actor, digest(request))
    return attachment(evidence.body, f"{evidence.kind}.json", "application/json")


@web.describe(
    content_type="application/pkcs7-signature",
    refuses={404: "There is no such receipt"},
    path={"digest": "SHA-256 of what was signed, in hexadecimal"},
)
async def receipt_signature(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/receipts/{digest}.p7s`: the CAdES signature of a receipt, DER."""
    actor = await acting(request)
    evidence = await reading.receipt(request.app[PLATFORM], actor, digest(request))
    return attachment(evidence.signature, f"{evidence.kind}.p7s", "application/pkcs7-signature")


async def show_register(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/register`: departures or arrivals of a year, the newest first."""
    actor = await acting(request)
    require(may_read_register(actor, actor.institution_id), NOT_YOUR_REGISTER)
    platform = request.app[PLATFORM]
    wanted = parse_numbers(request, platform)
    rows, count = await reading.register_page(platform, actor, wanted)
    signed = await registers.newest_checkpoint(platform, actor.institution_id)
    last = rows[-1].number if rows else None
    older = None
    if last is not None and last.number > 1:
        older = f"?{urlencode({'direction': wanted.direction, 'year': wanted.year, 'before': last.number})}"
    return web.render(
        request,
        "dossiers/register.html",
        rows=rows,
        count=count,
        wanted=wanted,
        signed=signed,
        names=await _names(request),
        may_register=may_register(actor, actor.institution_id),
        older=older,
        this_year=platform.clock().year,
    )


@web.describe(
    content_type="application/jsonl",
    refuses={403: "The register is for those who keep it, sign, audit or administer"},
)
async def export_register(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/register/export`: the whole register, for `comgov register verify`."""
    actor = await acting(request)
    require(may_read_register(actor, actor.institution_id), NOT_YOUR_REGISTER)
    platform = request.app[PLATFORM]
    institution = await institutions.get_by_id(platform, actor.institution_id)
    name = content_disposition(f"{institution.code}.register")
    headers = {hdrs.CONTENT_TYPE: "application/jsonl", hdrs.CONTENT_DISPOSITION: name}
    return await web.stream(request, http.StreamResponse(headers=headers), registers.export(platform, institution))


async def show_present(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/present`: bring a container that came by other means."""
    actor = await acting(request)
    require(may_register(actor, actor.institution_id), registering.NOT_CLERK)
    return web.render(request, "dossiers/present.html", error=None)


async def present(request: http.Request) -> http.StreamResponse:
    """`POST /dossiers/present`: examine it while it arrives."""
    actor = await acting(request)
    async for part in web.parts(request):
        if part.filename:
            presented = await by_hand.present(request.app[PLATFORM], actor, part.filename, part.chunks())
            return web.redirect(f"/dossiers/reports/{presented.presentation.id}")
        await _skip(part.chunks())
    missing = Invalid(N_("Choose a container first."))
    return web.render(request, "dossiers/present.html", status=400, error=missing)


async def show_report(request: http.Request) -> http.StreamResponse:
    """`GET /dossiers/reports/{report}`: what was found in a container."""
    actor = await acting(request)
    presented = await by_hand.get(request.app[PLATFORM], actor, int(request.match_info["report"]))
    presentation, gettext = presented.presentation, web.gettext(request)
    return web.render(
        request,
        "dossiers/report.html",
        presentation=presentation,
        evidence=presented.evidence,
        reasons=[
            {"indication": each["indication"], "text": examination.sentence(each, gettext)}
            for each in presentation.report["reasons"]
        ],
    )


# What both the pages and the API need of a request.


def message_id(text: str) -> UUID:
    """A dossier's message id; NotFound for what cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(N_("There is no such dossier.")) from None


def _message(request: http.Request) -> UUID:
    return message_id(request.match_info["message"])


def digest(request: http.Request) -> bytes:
    """The digest in the address: the route lets 64 hexadecimal digits through."""
    return bytes.fromhex(request.match_info["digest"])


def parse_filter(request: http.Request, states: tuple[State, ...] | None = None) -> Filter:
    """What a list shows, from the address; what cannot be read there is left out."""
    after = None
    instant, _, last = request.query.get("after", "").partition("_")
    if last:
        try:
            after = (datetime.fromtimestamp(int(instant) / 1_000_000, UTC), UUID(last))
        except (ValueError, OverflowError, OSError):
            after = None
    return Filter(states=states, words=_clean(request.query.get("q", "")), after=after)


def cursor(instant: datetime, message: UUID) -> str:
    """Where the next page begins, as `parse_filter` reads it: microseconds since 1970, and the message."""
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return f"{microseconds}_{message}"


def parse_numbers(request: http.Request, platform: Platform) -> NumberFilter:
    """Which part of the register is asked for; this year's departures by default."""
    direction = Direction.ARRIVAL if request.query.get("direction") == Direction.ARRIVAL else Direction.DEPARTURE
    year = _digits(request.query.get("year", ""), 4) or platform.clock().year
    before = _digits(request.query.get("before", ""), 9)
    wanted = NumberFilter(direction=direction, year=min(year, 9999))
    return wanted if not before else NumberFilter(direction=direction, year=wanted.year, before=before)


def parse_note(form: web.Form) -> Note:
    """The bordereau as it was filled in. Raises Invalid."""
    deadline, reply = form.get("deadline"), form.get("in_reply_to")
    try:
        return Note(
            designation=form.get("designation"),
            observations=form.get("observations"),
            order_number=form.get("order_number"),
            mention=Mention(form.get("mention", Mention.INFORMATION)),
            classification=Classification(form.get("classification", Classification.ORDINARY)),
            priority=Priority(form.get("priority", Priority.NORMAL)),
            deadline=date.fromisoformat(deadline) if deadline else None,
            in_reply_to=UUID(reply) if reply else None,
        )
    except ValueError as error:
        raise Invalid(
            N_("A mention, a classification, a priority or the deadline cannot be read. Nothing was changed."),
            reason=str(error),
        ) from error


async def send_blob(
    request: http.Request, sha256: bytes, span: tuple[int, int], name: str, media_type: str
) -> http.StreamResponse:
    """Bytes [start, stop) of a blob as a download. Raises Unavailable when they cannot be read."""
    start, stop = span

    def read(first: int, last: int) -> AsyncGenerator[bytes, None]:
        return reading.read_blob(request.app[PLATFORM], sha256, start + first, start + last)

    tag = f"{sha256.hex()}-{start}"
    download = web.Download(name=name, media_type=media_type, size_bytes=stop - start, tag=tag, read=read)
    return await web.send(request, download)


def attachment(content: bytes, name: str, media_type: str) -> http.Response:
    """A small download."""
    headers = {hdrs.CONTENT_TYPE: media_type, hdrs.CONTENT_DISPOSITION: content_disposition(name)}
    return http.Response(body=content, headers=headers)


async def _skip(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


def _clean(words: str) -> str:
    return " ".join(words.replace("\0", " ").split())[:_LONGEST_SEARCH]


def _digits(text: str, most: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else 0


def _older(request: http.Request, page: reading.Page[Any], at: str) -> str | None:
    if not page.has_more:
        return None
    last = page.rows[-1]
    kept = {name: request.query[name] for name in ("state", "q") if name in request.query}
    return f"{request.path}?{urlencode({**kept, 'after': cursor(getattr(last, at), last.message_id)})}"


async def _names(request: http.Request) -> dict[int, str]:
    language = web.language(request)
    branches = await institutions.everyone(request.app[PLATFORM])
    return {branch.institution.id: branch.institution.name(language) for branch in branches}


async def _others(request: http.Request, actor: Actor) -> list[Institution]:
    branches = await institutions.everyone(request.app[PLATFORM])
    return [branch.institution for branch in branches if branch.institution.id != actor.institution_id]


async def _values(request: http.Request, dossier: Dossier) -> dict[str, Any]:
    """A draft as its form shows it."""
    branches = await institutions.everyone(request.app[PLATFORM])
    codes = {branch.institution.id: branch.institution.code for branch in branches}
    note = dossier.note
    return {
        "designation": note.designation,
        "observations": note.observations,
        "order_number": note.order_number,
        "mention": note.mention,
        "classification": note.classification,
        "priority": note.priority,
        "deadline": note.deadline.isoformat() if note.deadline else "",
        "in_reply_to": str(note.in_reply_to or ""),
        "recipients": [codes[each] for each in dossier.recipient_ids],
    }


_EMPTY = dict.fromkeys(
    (
        "designation",
        "observations",
        "order_number",
        "mention",
        "classification",
        "priority",
        "deadline",
        "in_reply_to",
        "recipients",
    ),
    "",
)


def _typed(form: web.Form) -> dict[str, Any]:
    return {**form.values(), "recipients": form.getall("recipients")}


async def _form(
    request: http.Request,
    actor: Actor,
    dossier: Dossier | None,
    *,
    values: dict[str, Any],
    error: ComgovError | None = None,
) -> http.StreamResponse:
    return web.render(
        request,
        "dossiers/draft.html",
        status=error.status if error else 200,
        dossier=dossier,
        values={**_EMPTY, **values},
        error=error,
        others=await _others(request, actor),
        is_editable=dossier is None or may_edit(actor, dossier),
        is_signatory=may_seal(actor, actor.institution_id),
        limits=request.app[PLATFORM].config(Config),
    )


async def _seal_page(request: http.Request, actor: Actor, error: ComgovError | None) -> http.StreamResponse:
    platform = request.app[PLATFORM]
    dossier = await reading.draft(platform, actor, _message(request))
    if dossier.state is not State.DRAFT:
        return web.redirect(f"/dossiers/{dossier.message_id}")
    names = await _names(request)
    return web.render(
        request,
        "dossiers/seal.html",
        status=error.status if error else 200,
        dossier=dossier,
        recipients=[names[each] for each in dossier.recipient_ids],
        sender=names[dossier.institution_id],
        signatory=actor.name,
        is_signatory=may_seal(actor, dossier.institution_id),
        error=error,
    )


MESSAGE = r"{message:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}}"
DIGEST = r"{digest:[0-9a-f]{64}}"
_DRAFT = f"/dossiers/drafts/{MESSAGE}"

routes = [
    http.get("/dossiers", show_arrivals),
    http.get("/dossiers/departures", show_departures),
    http.get("/dossiers/drafts", show_drafts),
    http.get("/dossiers/new", show_new),
    http.post("/dossiers/new", create),
    http.get(_DRAFT, show_draft),
    http.post(_DRAFT, save),
    http.post(f"{_DRAFT}/discard", discard),
    http.post(f"{_DRAFT}/pieces", add_pieces),
    http.get(_DRAFT + r"/pieces/{piece:\d{1,18}}", draft_piece),
    http.post(_DRAFT + r"/pieces/{piece:\d{1,18}}/remove", remove_piece),
    http.get(f"{_DRAFT}/seal", show_seal),
    http.post(f"{_DRAFT}/seal", seal),
    http.get("/dossiers/register", show_register),
    http.get("/dossiers/register/export", export_register),
    http.get("/dossiers/present", show_present),
    http.post("/dossiers/present", present),
    http.get(r"/dossiers/reports/{report:\d{1,18}}", show_report),
    http.get(f"/dossiers/receipts/{DIGEST}", show_receipt),
    http.get(f"/dossiers/receipts/{DIGEST}.json", receipt_body),
    http.get(f"/dossiers/receipts/{DIGEST}.p7s", receipt_signature),
    http.get(f"/dossiers/{MESSAGE}", show),
    http.post(f"/dossiers/{MESSAGE}/register", register),
    http.post(f"/dossiers/{MESSAGE}/acknowledge", acknowledge),
    http.get(f"/dossiers/{MESSAGE}/container", container),
    http.get(f"/dossiers/{MESSAGE}/receipts.zip", receipts),
    http.get(f"/dossiers/{MESSAGE}" + r"/pieces/{position:\d{1,6}}", piece),
]

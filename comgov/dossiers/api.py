"""The same as the pages for programs, in JSON: HTTP Basic, no session, no form."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import hdrs
from aiohttp import web as http
from pydantic import BaseModel, Field

from comgov import web
from comgov.dossiers import web as pages
from comgov.dossiers.actions import by_hand, drafts, reading, registering, sealing
from comgov.dossiers.api_answers import (
    ArrivalJson,
    ArrivalsJson,
    ContainerJson,
    DepartureJson,
    DeparturesJson,
    DraftJson,
    DraftRowJson,
    DraftsJson,
    NumberJson,
    PieceJson,
    PresentedJson,
    ReceiptJson,
    ReceiptsJson,
    ReceiptSummaryJson,
    RegisterJson,
    StoryJson,
    WayJson,
)
from comgov.dossiers.documents import Classification, Mention, Priority
from comgov.dossiers.model import Note, Outcome, State, may_read_register, require
from comgov.errors import NotFound
from comgov.feature import PLATFORM
from comgov.institutions import actions as institutions
from comgov.people.web import actor as acting
from comgov.registers import actions as registers
from comgov.signing.container import MIME_TYPE

if TYPE_CHECKING:
    from comgov.dossiers.model import Dossier, Evidence
    from comgov.feature import Platform

_BODY_LIMIT_BYTES = 256 * 1024


class DraftBody(BaseModel, frozen=True, extra="forbid"):
    """What one sends to begin or to change a draft. recipients: codes. in_reply_to: a message that was received."""

    designation: str
    recipients: list[str] = Field([], max_length=1000)
    observations: str = ""
    order_number: str = ""
    mention: Mention = Mention.INFORMATION
    classification: Classification = Classification.ORDINARY
    priority: Priority = Priority.NORMAL
    deadline: date | None = None
    in_reply_to: UUID | None = None

    @property
    def note(self) -> Note:
        """Its bordereau."""
        return Note(**self.model_dump(exclude={"recipients"}))


class SealBody(BaseModel, frozen=True, extra="forbid"):
    """fingerprint: of the draft as it was read; empty to seal it as it is."""

    fingerprint: str = ""


_DOSSIER = {"message": "the message id of the dossier"}
_LISTED = {"q": "words of a title, a name or a number", "after": "`after` of the page before"}
_UNKNOWN = {404: "There is no such dossier, or it is not for this person to know"}
_OF_A_DRAFT = {**_UNKNOWN, 403: "One may not change it", 409: "It is sealed"}


@web.describe(returns=DraftJson, status=201, refuses={404: "A recipient is not known"}, takes=DraftBody)
async def create(request: http.Request) -> http.StreamResponse:
    """`POST /api/dossiers`: a draft."""
    actor = await acting(request)
    body = await web.json_body(request, DraftBody, _BODY_LIMIT_BYTES)
    dossier = await drafts.create(request.app[PLATFORM], actor, body.note, body.recipients)
    return web.answer(await _draft(request.app[PLATFORM], dossier), status=201)


@web.describe(returns=DraftJson, refuses=_OF_A_DRAFT, path=_DOSSIER, takes=DraftBody)
async def change(request: http.Request) -> http.StreamResponse:
    """`PUT /api/dossiers/{message}`: a draft written anew."""
    actor = await acting(request)
    body = await web.json_body(request, DraftBody, _BODY_LIMIT_BYTES)
    dossier = await drafts.change(request.app[PLATFORM], actor, _message(request), body.note, body.recipients)
    return web.answer(await _draft(request.app[PLATFORM], dossier))


@web.describe(status=204, refuses=_OF_A_DRAFT, path=_DOSSIER)
async def discard(request: http.Request) -> http.StreamResponse:
    """`DELETE /api/dossiers/{message}`: away with a draft."""
    actor = await acting(request)
    await drafts.discard(request.app[PLATFORM], actor, _message(request))
    return http.Response(status=204)


@web.describe(
    returns=PieceJson,
    status=201,
    refuses={
        **_OF_A_DRAFT,
        409: "It is sealed, or has a piece of that name",
        413: "The piece, or all pieces together, exceed the limit",
        507: "The disk is full; nothing was kept",
    },
    path={**_DOSSIER, "piece": "what the piece is to be called"},
    takes="*/*",
)
async def add_piece(request: http.Request) -> http.StreamResponse:
    """`PUT /api/dossiers/{message}/pieces/{piece}`: add a piece, the body, whose type the bordereau will tell."""
    actor = await acting(request)
    piece = await drafts.add_piece(
        request.app[PLATFORM],
        actor,
        _message(request),
        request.match_info["piece"],
        web.body(request),
        request.headers.get(hdrs.CONTENT_TYPE, ""),
    )
    return web.answer(PieceJson.model_validate(piece), status=201)


@web.describe(status=204, refuses=_OF_A_DRAFT, path={**_DOSSIER, "piece": "`id` of the piece"})
async def remove_piece(request: http.Request) -> http.StreamResponse:
    """`DELETE /api/dossiers/{message}/pieces/{piece}`: take a piece out of a draft."""
    actor = await acting(request)
    await drafts.remove_piece(request.app[PLATFORM], actor, _message(request), int(request.match_info["piece"]))
    return http.Response(status=204)


@web.describe(
    returns=StoryJson,
    refuses={
        **_UNKNOWN,
        400: "A recipient or a piece is missing, or the draft is another than the one with that fingerprint",
        403: "Only a signatory seals",
        409: "It is sealed already",
    },
    path=_DOSSIER,
    takes=SealBody,
)
async def seal(request: http.Request) -> http.StreamResponse:
    """`POST /api/dossiers/{message}/seal`: seal and send."""
    actor = await acting(request)
    platform, message = request.app[PLATFORM], _message(request)
    body = await web.json_body(request, SealBody, _BODY_LIMIT_BYTES)
    fingerprint = body.fingerprint or (await reading.draft(platform, actor, message)).fingerprint
    await sealing.seal(platform, actor, message, fingerprint)
    return web.answer(_story(await reading.story(platform, actor, message)))


@web.describe(returns=(DraftJson, StoryJson), refuses=_UNKNOWN, path=_DOSSIER)
async def show(request: http.Request) -> http.StreamResponse:
    """`GET /api/dossiers/{message}`: a draft, or the story of a sealed dossier from one's own side."""
    actor = await acting(request)
    platform, message = request.app[PLATFORM], _message(request)
    try:
        dossier = await reading.draft(platform, actor, message)
    except NotFound:
        dossier = None
    if dossier is not None and dossier.state is State.DRAFT:
        return web.answer(await _draft(platform, dossier))
    return web.answer(_story(await reading.story(platform, actor, message)))


@web.describe(returns=ArrivalsJson, query={"state": f"one of {', '.join(filter(None, pages.FILTERS))}", **_LISTED})
async def list_arrivals(request: http.Request) -> http.StreamResponse:
    """`GET /api/dossiers/arrivals`: what came, the newest first."""
    actor = await acting(request)
    wanted = pages.parse_filter(request, pages.FILTERS.get(request.query.get("state", "")))
    page = await reading.list_arrivals(request.app[PLATFORM], actor, wanted)
    rows = [ArrivalJson.model_validate(row) for row in page.rows]
    return web.answer(ArrivalsJson(count=page.count, rows=rows, after=_after(page, "received_at")))


@web.describe(returns=DeparturesJson, query=_LISTED)
async def list_departures(request: http.Request) -> http.StreamResponse:
    """`GET /api/dossiers/departures`: what was sealed, the newest first."""
    actor = await acting(request)
    page = await reading.list_departures(request.app[PLATFORM], actor, pages.parse_filter(request))
    rows = [DepartureJson.model_validate(row) for row in page.rows]
    return web.answer(DeparturesJson(count=page.count, rows=rows, after=_after(page, "sealed_at")))


@web.describe(returns=DraftsJson, query=_LISTED)
async def list_drafts(request: http.Request) -> http.StreamResponse:
    """`GET /api/dossiers/drafts`: what is being prepared, what changed last first."""
    actor = await acting(request)
    page = await reading.list_drafts(request.app[PLATFORM], actor, pages.parse_filter(request))
    rows = [DraftRowJson.model_validate(row) for row in page.rows]
    return web.answer(DraftsJson(count=page.count, rows=rows, after=_after(page, "changed_at")))


@web.describe(returns=ArrivalJson, refuses={**_UNKNOWN, 403: "Only a registry clerk does this"}, path=_DOSSIER)
async def register(request: http.Request) -> http.StreamResponse:
    """`POST /api/dossiers/{message}/register`: the arrival number, the same one however often it is asked for."""
    actor = await acting(request)
    return web.answer(
        ArrivalJson.model_validate(await registering.register(request.app[PLATFORM], actor, _message(request)))
    )


@web.describe(
    returns=ArrivalJson,
    refuses={**_UNKNOWN, 403: "Only a registry clerk does this", 409: "It has no arrival number yet"},
    path=_DOSSIER,
)
async def acknowledge(request: http.Request) -> http.StreamResponse:
    """`POST /api/dossiers/{message}/acknowledge`: tell the sender that it is in hand."""
    actor = await acting(request)
    return web.answer(
        ArrivalJson.model_validate(await registering.acknowledge(request.app[PLATFORM], actor, _message(request)))
    )


@web.describe(
    returns=PresentedJson,
    also={422: "It is refused, with evidence, or nothing can be said of it yet"},
    refuses={403: "Only a registry clerk does this", 413: "The container exceeds the limit"},
    query={"name": "what the file is called"},
    takes=MIME_TYPE.decode(),
)
async def present(request: http.Request) -> http.StreamResponse:
    """`POST /api/containers`: a container that came by other means; the body is the file."""
    actor = await acting(request)
    name = request.query.get("name", "container.asice")
    presented = await by_hand.present(request.app[PLATFORM], actor, name, web.body(request))
    status = 200 if presented.presentation.outcome in (Outcome.ACCEPTED, Outcome.KNOWN) else 422
    return web.answer(_presented(presented), status=status)


@web.describe(returns=ReceiptsJson, refuses=_UNKNOWN, path=_DOSSIER)
async def receipts(request: http.Request) -> http.StreamResponse:
    """`GET /api/dossiers/{message}/receipts`: every receipt, by recipient, whole."""
    actor = await acting(request)
    story = await reading.story(request.app[PLATFORM], actor, _message(request))
    found = {way.recipient.code: [_receipt(each) for each in way.evidence] for way in story.ways}
    return web.answer(ReceiptsJson(found))


@web.describe(
    returns=RegisterJson,
    refuses={403: "The register is for those who keep it, sign, audit or administer"},
    query={
        "direction": "`D` for departures, the default, or `A` for arrivals",
        "year": "this one by default",
        "before": "only numbers below this one",
    },
)
async def show_register(request: http.Request) -> http.StreamResponse:
    """`GET /api/register`: the numbered lines of a year, and the newest checkpoint."""
    actor = await acting(request)
    require(may_read_register(actor, actor.institution_id), pages.NOT_YOUR_REGISTER)
    platform = request.app[PLATFORM]
    rows, count = await reading.register_page(platform, actor, pages.parse_numbers(request, platform))
    signed = await registers.newest_checkpoint(platform, actor.institution_id)
    found = [NumberJson.model_validate(row) for row in rows]
    return web.answer(RegisterJson(count=count, rows=found, checkpoint=signed.note if signed else None))


def _message(request: http.Request) -> UUID:
    return pages.message_id(request.match_info["message"])


async def _draft(platform: Platform, dossier: Dossier) -> DraftJson:
    recipients = [await institutions.get_by_id(platform, each) for each in dossier.recipient_ids]
    return DraftJson(
        message=dossier.message_id,
        state=dossier.state,
        number=dossier.number,
        **asdict(dossier.note),
        recipients=[each.code for each in recipients],
        pieces=[PieceJson.model_validate(each) for each in dossier.pieces],
        fingerprint=dossier.fingerprint,
    )


def _story(story: reading.Story) -> StoryJson:
    return StoryJson(
        message=story.message_id,
        number=story.bordereau.number,
        manifest=story.manifest.hex(),
        container=ContainerJson(sha256=story.container.hex(), size_bytes=story.container_bytes),
        bordereau=story.bordereau,
        recipients=[
            WayJson(
                institution=way.recipient.code,
                state=way.delivery.state,
                arrival=way.delivery.arrival,
                receipts=[ReceiptSummaryJson.model_validate(each) for each in way.evidence],
            )
            for way in story.ways
        ],
    )


def _receipt(evidence: Evidence) -> ReceiptJson:
    summary = ReceiptSummaryJson.model_validate(evidence)
    body, signature = evidence.body.decode(), evidence.signature.hex()
    return ReceiptJson(**summary.model_dump(), body=body, signature=signature)


def _presented(presented: by_hand.Presented) -> PresentedJson:
    found = presented.presentation
    receipt = _receipt(presented.evidence) if presented.evidence else None
    return PresentedJson(page=f"/dossiers/reports/{found.id}", **asdict(found), receipt=receipt)


def _after(page: reading.Page[Any], at: str) -> str | None:
    """Where the next page begins."""
    last = page.rows[-1] if page.has_more else None
    return pages.cursor(getattr(last, at), last.message_id) if last is not None else None


_MESSAGE = f"/api/dossiers/{pages.MESSAGE}"

routes = [
    http.post("/api/dossiers", create),
    http.get("/api/dossiers/arrivals", list_arrivals),
    http.get("/api/dossiers/departures", list_departures),
    http.get("/api/dossiers/drafts", list_drafts),
    http.get(_MESSAGE, show),
    http.put(_MESSAGE, change),
    http.delete(_MESSAGE, discard),
    http.put(f"{_MESSAGE}/pieces/{{piece}}", add_piece, expect_handler=web.expect),
    http.delete(_MESSAGE + r"/pieces/{piece:\d{1,18}}", remove_piece),
    http.post(f"{_MESSAGE}/seal", seal),
    http.post(f"{_MESSAGE}/register", register),
    http.post(f"{_MESSAGE}/acknowledge", acknowledge),
    http.get(f"{_MESSAGE}/container", pages.container),
    http.get(f"{_MESSAGE}/receipts", receipts),
    http.get(f"{_MESSAGE}/receipts.zip", pages.receipts),
    http.post("/api/containers", present, expect_handler=web.expect),
    http.get(f"/api/receipts/{pages.DIGEST}.json", pages.receipt_body),
    http.get(f"/api/receipts/{pages.DIGEST}.p7s", pages.receipt_signature),
    http.get("/api/register", show_register),
    http.get("/api/register/export", pages.export_register),
]

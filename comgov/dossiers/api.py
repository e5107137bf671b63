"""The same as the pages for programs, in JSON: HTTP Basic, no session, no form."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from aiohttp import hdrs
from aiohttp import web as http
from pydantic import BaseModel, Field, ValidationError

from comgov import web
from comgov.dossiers import web as pages
from comgov.dossiers.actions import arrivals, drafts, presenting, reading, sealing
from comgov.dossiers.documents import Classification, Mention, Priority
from comgov.dossiers.model import Note, State, may_read_register, require
from comgov.errors import Invalid, NotFound
from comgov.feature import PLATFORM
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.people.web import actor as acting
from comgov.registers import actions as registers

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from comgov.dossiers.model import Delivery, Dossier, Evidence
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


async def create(request: http.Request) -> http.Response:
    """`POST /api/dossiers`: a draft."""
    actor = await acting(request)
    body = await _body(request, DraftBody)
    dossier = await drafts.create(request.app[PLATFORM], actor, body.note, body.recipients)
    return _json(await _dossier(request.app[PLATFORM], dossier), status=201)


async def change(request: http.Request) -> http.Response:
    """`PUT /api/dossiers/{message}`: a draft written anew."""
    actor = await acting(request)
    body = await _body(request, DraftBody)
    dossier = await drafts.change(request.app[PLATFORM], actor, _message(request), body.note, body.recipients)
    return _json(await _dossier(request.app[PLATFORM], dossier))


async def discard(request: http.Request) -> http.Response:
    """`DELETE /api/dossiers/{message}`."""
    actor = await acting(request)
    await drafts.discard(request.app[PLATFORM], actor, _message(request))
    return http.Response(status=204)


async def add_piece(request: http.Request) -> http.Response:
    """`PUT /api/dossiers/{message}/pieces/{name}`: the body is the file, streamed."""
    actor = await acting(request)
    piece = await drafts.add_piece(
        request.app[PLATFORM],
        actor,
        _message(request),
        request.match_info["name"],
        web.body(request),
        request.headers.get(hdrs.CONTENT_TYPE, ""),
    )
    return _json(piece, status=201)


async def remove_piece(request: http.Request) -> http.Response:
    """`DELETE /api/dossiers/{message}/pieces/{piece}`."""
    actor = await acting(request)
    await drafts.remove_piece(request.app[PLATFORM], actor, _message(request), int(request.match_info["piece"]))
    return http.Response(status=204)


async def seal(request: http.Request) -> http.Response:
    """`POST /api/dossiers/{message}/seal`: seal and send."""
    actor = await acting(request)
    platform, message = request.app[PLATFORM], _message(request)
    body = await _body(request, SealBody)
    fingerprint = body.fingerprint or (await reading.draft(platform, actor, message)).fingerprint
    await sealing.seal(platform, actor, message, fingerprint)
    return _json(_story(await reading.story(platform, actor, message)))


async def show(request: http.Request) -> http.Response:
    """`GET /api/dossiers/{message}`: a draft, or the story of a sealed dossier from one's own side."""
    actor = await acting(request)
    platform, message = request.app[PLATFORM], _message(request)
    try:
        dossier = await reading.draft(platform, actor, message)
    except NotFound:
        dossier = None
    if dossier is not None and dossier.state is State.DRAFT:
        return _json(await _dossier(platform, dossier))
    return _json(_story(await reading.story(platform, actor, message)))


async def list_arrivals(request: http.Request) -> http.Response:
    """`GET /api/dossiers/arrivals`: `state` (as the pages name it), `q`, `after`."""
    actor = await acting(request)
    wanted = pages.parse_filter(request, pages.FILTERS.get(request.query.get("state", "")))
    page = await reading.list_arrivals(request.app[PLATFORM], actor, wanted)
    return _json(_page(page, [_delivery(row) for row in page.rows], "received_at"))


async def list_departures(request: http.Request) -> http.Response:
    """`GET /api/dossiers/departures`: `q`, `after`."""
    actor = await acting(request)
    page = await reading.list_departures(request.app[PLATFORM], actor, pages.parse_filter(request))
    return _json(_page(page, [_row(row) for row in page.rows], "sealed_at"))


async def list_drafts(request: http.Request) -> http.Response:
    """`GET /api/dossiers/drafts`: `q`, `after`."""
    actor = await acting(request)
    page = await reading.list_drafts(request.app[PLATFORM], actor, pages.parse_filter(request))
    return _json(_page(page, [_row(row) for row in page.rows], "changed_at"))


async def register(request: http.Request) -> http.Response:
    """`POST /api/dossiers/{message}/register`: the arrival number."""
    actor = await acting(request)
    return _json(_delivery(await arrivals.register(request.app[PLATFORM], actor, _message(request))))


async def acknowledge(request: http.Request) -> http.Response:
    """`POST /api/dossiers/{message}/acknowledge`."""
    actor = await acting(request)
    return _json(_delivery(await arrivals.acknowledge(request.app[PLATFORM], actor, _message(request))))


async def present(request: http.Request) -> http.Response:
    """`POST /api/containers`: the body is the file; `name` in the address. What was found, and the receipt."""
    actor = await acting(request)
    name = request.query.get("name", "container.asice")
    presented = await presenting.present(request.app[PLATFORM], actor, name, web.body(request))
    found = presented.presentation
    status = 200 if found.outcome in ("accepted", "known") else 422
    receipt = _evidence(presented.evidence) if presented.evidence else None
    return _json({"report": f"/dossiers/reports/{found.id}", **asdict(found), "receipt": receipt}, status=status)


async def receipts(request: http.Request) -> http.Response:
    """`GET /api/dossiers/{message}/receipts`: every receipt, by recipient, whole."""
    actor = await acting(request)
    story = await reading.story(request.app[PLATFORM], actor, _message(request))
    return _json({way.recipient.code: [_evidence(each) for each in way.evidence] for way in story.ways})


async def show_register(request: http.Request) -> http.Response:
    """`GET /api/register`: `direction` (D or A), `year`, `before`."""
    actor = await acting(request)
    require(may_read_register(actor, actor.institution_id), pages.NOT_YOUR_REGISTER)
    platform = request.app[PLATFORM]
    rows, count = await reading.register_page(platform, actor, pages.parse_numbers(request, platform))
    signed = await registers.newest_checkpoint(platform, actor.institution_id)
    found = [{**asdict(row), "number": str(row.number)} for row in rows]
    return _json({"count": count, "rows": found, "checkpoint": signed.note if signed else None})


def _message(request: http.Request) -> UUID:
    return pages.message_id(request.match_info["message"])


B = TypeVar("B", bound=BaseModel)


async def _body(request: http.Request, kind: type[B]) -> B:
    content = await web.whole_body(request, _BODY_LIMIT_BYTES)
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(
            N_("The request is not as expected: {where}: {why}."),
            where=".".join(map(str, detail["loc"])) or "body",
            why=detail["msg"],
        ) from error


async def _dossier(platform: Platform, dossier: Dossier) -> dict[str, Any]:
    recipients = [await institutions.get_by_id(platform, each) for each in dossier.recipient_ids]
    return {
        "message": dossier.message_id,
        "state": dossier.state,
        "number": dossier.number,
        **asdict(dossier.note),
        "recipients": [each.code for each in recipients],
        "pieces": dossier.pieces,
        "fingerprint": dossier.fingerprint,
    }


def _story(story: reading.Story) -> dict[str, Any]:
    return {
        "message": story.message_id,
        "number": story.bordereau.number,
        "manifest": story.manifest,
        "container": {"sha256": story.container, "size_bytes": story.container_bytes},
        "bordereau": story.bordereau.model_dump(mode="json"),
        "recipients": [
            {
                "institution": way.recipient.code,
                "state": way.delivery.state,
                "arrival": way.delivery.arrival,
                "receipts": [_summary(each) for each in way.evidence],
            }
            for way in story.ways
        ],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "message": delivery.message_id,
        "sender": delivery.sender.code,
        "number": delivery.number,
        "arrival": delivery.arrival,
        "state": delivery.state,
        "designation": delivery.designation,
        "classification": delivery.classification,
        "priority": delivery.priority,
        "deadline": delivery.deadline,
        "sealed_at": delivery.sealed_at,
        "received_at": delivery.received_at,
        "manifest": delivery.manifest,
    }


def _row(row: DataclassInstance) -> dict[str, Any]:
    """A row of a list, its dossier under the name that every other answer gives it."""
    fields = asdict(row)
    return {"message": fields.pop("message_id"), **fields}


def _summary(evidence: Evidence) -> dict[str, Any]:
    return {"kind": evidence.kind, "digest": evidence.digest, "index": evidence.index, "at": evidence.at}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    """A receipt whole: `body` is the very text that was signed, `signature` its CAdES in hexadecimal."""
    return {**_summary(evidence), "body": evidence.body.decode(), "signature": evidence.signature}


def _page(page: reading.Page[Any], rows: list[Any], at: str) -> dict[str, Any]:
    last = page.rows[-1] if page.has_more else None
    after = pages.cursor(getattr(last, at), last.message_id) if last is not None else None
    return {"count": page.count, "rows": rows, "after": after}


def _json(value: object, *, status: int = 200) -> http.Response:
    return http.json_response(value, status=status, dumps=_dumps)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case _ if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


_MESSAGE = f"/api/dossiers/{pages.MESSAGE}"

routes = [
    http.post("/api/dossiers", create),
    http.get("/api/dossiers/arrivals", list_arrivals),
    http.get("/api/dossiers/departures", list_departures),
    http.get("/api/dossiers/drafts", list_drafts),
    http.get(_MESSAGE, show),
    http.put(_MESSAGE, change),
    http.delete(_MESSAGE, discard),
    http.put(f"{_MESSAGE}/pieces/{{name}}", add_piece, expect_handler=web.expect),
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

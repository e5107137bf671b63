"""A dossier told as a story: what happened on the way to a recipient, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from comgov.dossiers import documents
from comgov.dossiers.documents import Kind
from comgov.dossiers.model import Evidence, State
from comgov.language import N_

if TYPE_CHECKING:
    from datetime import timedelta

    from comgov.dossiers.actions.reading import Way
    from comgov.language import Language

TITLES = {
    Kind.SEALED: N_("Sealed"),
    Kind.SUBMISSION_ACCEPTANCE: N_("Accepted by the recipient's server"),
    Kind.SUBMISSION_REJECTION: N_("Refused by the recipient's server"),
    Kind.CONTENT_CONSIGNMENT: N_("Received"),
    Kind.CONSIGNMENT_FAILURE: N_("Not received in time"),
    Kind.CONTENT_HANDOVER: N_("Opened"),
    Kind.REGISTERED: N_("Registered on arrival"),
    Kind.ACKNOWLEDGED: N_("Acknowledged"),
    Kind.ANSWERED: N_("Answered"),
}
STATES = {
    State.DRAFT: N_("Draft"),
    State.SEALED: N_("On its way"),
    State.TRANSMITTED: N_("On its way"),
    State.RECEIVED: N_("To register"),
    State.OPENED: N_("To register"),
    State.REGISTERED: N_("Registered"),
    State.ACKNOWLEDGED: N_("Acknowledged"),
    State.ANSWERED: N_("Answered"),
    State.REJECTED: N_("Refused"),
    State.FAILED: N_("Not received"),
}
_BAD = frozenset({Kind.SUBMISSION_REJECTION, Kind.CONSIGNMENT_FAILURE})


@dataclass(frozen=True, kw_only=True)
class Step:
    """A line of the story, as the timeline of the pages takes it. state: done, waiting, danger or future."""

    title: str
    state: str
    who: str = ""
    at: datetime | None = None
    detail: str = ""
    href: str = ""


def tell(way: Way, gettext: Callable[[str], str], language: Language, fail_after: timedelta) -> list[Step]:
    """The steps so far and the next one that is expected, by whom and before when."""
    told = [_past(evidence, gettext) for evidence in way.evidence]
    if (warned := way.delivery.warned_at) is not None:
        late = Step(title=gettext(N_("Late: the sender was warned")), state="danger", at=warned)
        told.insert(sum(evidence.at <= warned for evidence in way.evidence), late)
    return [*told, *_next(way, gettext, language, fail_after)]


def _past(evidence: Evidence, gettext: Callable[[str], str]) -> Step:
    said = documents.read_evidence(evidence.body)
    detail = [said.number or "", *map(gettext, said.reasons or ())]
    return Step(
        title=gettext(TITLES[evidence.kind]),
        state="danger" if evidence.kind in _BAD else "done",
        who=" · ".join(filter(None, (said.person, said.institution.name))),
        at=evidence.at,
        detail=" · ".join(filter(None, detail)),
        href=f"/dossiers/receipts/{evidence.digest.hex()}",
    )


def _next(way: Way, gettext: Callable[[str], str], language: Language, fail_after: timedelta) -> list[Step]:
    recipient = way.recipient.name(language)
    match way.delivery.state:
        case State.SEALED | State.TRANSMITTED:
            return [
                Step(
                    title=gettext(N_("Expected: delivery to the recipient")),
                    state="waiting",
                    who=recipient,
                    detail=gettext(N_("Given up, with a receipt, after:")),
                    at=way.delivery.sealed_at + fail_after,
                )
            ]
        case State.RECEIVED | State.OPENED:
            return [Step(title=gettext(N_("Expected: an arrival number")), state="waiting", who=recipient)]
        case State.REGISTERED:
            return [Step(title=gettext(N_("Expected: an acknowledgement")), state="waiting", who=recipient)]
        case _:
            return []

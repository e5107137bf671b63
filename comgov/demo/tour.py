"""The guided tour: what the three kinds of users do on a working day, through the real protocols, and checked.

Each step is a coroutine that returns when its claim holds and raises `TourError`, with what was seen, when it does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import token_bytes, token_hex

from comgov.demo.clients import Clients, sha256
from comgov.demo.expectation import expect
from comgov.demo.figures import usage_equals_what_was_done
from comgov.demo.government import DOMAIN, full
from comgov.demo.messages import compose, read_mail
from comgov.demo.papers import a_sealed_dossier_is_registered_and_verifies, forgeries_are_refused_with_evidence

Step = Callable[[Clients], Awaitable[None]]


@dataclass(frozen=True)
class Stop:
    """One stop of the tour. number: as documented; title: what it shows."""

    number: int
    title: str
    step: Step


async def mail_reaches_people_and_lists(clients: Clients) -> None:
    """Claire submits a mail with an attachment to Eric and the list; each reads it over IMAP, byte for byte."""
    sent = compose(full("claire@sante"), [full("eric@finances"), full("tous@sante")], attachment=token_bytes(200_000))
    await clients.submit(full("claire@sante"), [full("eric@finances"), full("tous@sante")], bytes(sent))
    for reader in ("eric@finances", "claire@sante", "jean@sante", "aline@sante"):
        found = await clients.read(full(reader), sent["Message-ID"])
        expect(len(found) == 1, f"{reader} has {len(found)} messages of that id instead of one")
        expect(found[0].endswith(bytes(sent)), f"{reader} did not read the bytes that were sent")


async def relay_is_open_to_residents_only(clients: Clients) -> None:
    """An outside server reaches Eric; an unknown address and a third domain are refused."""
    outside = "agent@exterieur.example"
    message = compose(outside, [full("eric@finances")])
    code = await clients.relay(outside, full("eric@finances"), bytes(message))
    expect(code == 250, f"a mail for Eric was answered {code}")
    raw = await read_mail(clients.api(full("eric@finances")), message["Message-ID"])
    expect(raw.endswith(bytes(message)), "Eric did not read the bytes that the outside server sent")
    for stranger in (f"personne-{token_hex(4)}@finances.{DOMAIN}", "quelquun@ailleurs.example"):
        code = await clients.relay(outside, stranger, bytes(message))
        expect(500 <= code < 600, f"a mail for {stranger} was answered {code}")


async def a_file_travels_by_link(clients: Clients) -> None:
    """Claire uploads a file; Eric downloads it by link, whole and in part; digests agree."""
    claire, eric = clients.api(full("claire@sante")), clients.api(full("eric@finances"))
    content = token_bytes(3_000_000)
    name = f"rapport-{token_hex(4)}.bin"
    await claire.request("PUT", f"/api/files/me/{name}", data=content, expect=201)
    link = await claire.json("POST", "/api/files/links", json={"path": f"me/{name}", "days": 7}, expect=201)
    whole = await eric.request("GET", link["download"])
    expect(sha256(whole.body) == sha256(content), "the file downloaded by link is not the one uploaded")
    middle = await eric.request("GET", link["download"], headers={"Range": "bytes=1000-1999"}, expect=206)
    expect(middle.body == content[1000:2000], "a range of the file is not those bytes of it")


STOPS = {
    stop.number: stop
    for stop in (
        Stop(1, "A mail with an attachment reaches a person and a list, byte for byte", mail_reaches_people_and_lists),
        Stop(2, "Other servers reach residents, and nobody else", relay_is_open_to_residents_only),
        Stop(3, "A file travels by link, whole and in part", a_file_travels_by_link),
        Stop(4, "A sealed dossier is registered, openssl agrees", a_sealed_dossier_is_registered_and_verifies),
        Stop(5, "Altered, replayed, revoked: refused with evidence", forgeries_are_refused_with_evidence),
        Stop(6, "Usage equals what was done, and recounting agrees", usage_equals_what_was_done),
    )
}

"""The stop of the tour about usage: what is counted is exactly what was done."""

from __future__ import annotations

import json
from secrets import token_bytes, token_hex

from comgov.demo.clients import Clients
from comgov.demo.expectation import expect
from comgov.demo.government import full
from comgov.demo.messages import compose
from comgov.demo.papers import administer, seal, until_received

_SIZE_BYTES = 123_456
_DONE = {
    ("sante", "mail_out"): 1,
    ("sante", "mail_internal"): 3,
    ("sante", "files"): 1,
    ("sante", "files_bytes"): _SIZE_BYTES,
    ("sante", "dossiers_sent"): 1,
    ("finances", "mail_in"): 1,
    ("finances", "dossiers_received"): 1,
    ("ngozi", "mail_in"): 0,
}


async def usage_equals_what_was_done(clients: Clients) -> None:
    """A mail to one, a mail to a list of three, a file, a dossier registered: the figures grow by exactly that."""
    before = await _usage(clients)
    claire = full("claire@sante")
    for recipient in (full("eric@finances"), full("tous@sante")):
        await clients.submit(claire, [recipient], bytes(compose(claire, [recipient])))
    path = f"/api/files/me/chiffres-{token_hex(4)}.bin"
    await clients.api(claire).request("PUT", path, data=token_bytes(_SIZE_BYTES), expect=201)
    message = (await seal(clients))["message"]
    await until_received(clients, message)
    await clients.api(full("grace@finances")).json("POST", f"/api/dossiers/{message}/register")
    after = await _usage(clients)
    for (code, figure), done in _DONE.items():
        grown = after[code][figure] - before[code][figure]
        expect(grown == done, f"{figure} of {code} grew by {grown} instead of {done}")
    recounted = await administer(clients, "usage", "--rebuild")
    expect("0 mailbox(es), 0 space(s) differed" in recounted, f"the counters were wrong: {recounted}")


async def _usage(clients: Clients) -> dict[str, dict[str, int]]:
    rows = json.loads(await administer(clients, "usage", "--format", "json"))
    return {row["institution"]: row for row in rows}

"""Mail for scripts."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.comgov.webmail.conftest import CLAIRE, JEAN, PASSWORD, SECRETARIAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.comgov.webmail.conftest import Ministry

    Browser = Any


@pytest.fixture
async def program(ministry: Ministry, open_browser: Callable[..., Awaitable[Browser]]) -> Browser:
    """Claire's script, which signs in with each request."""
    browser = await open_browser(ministry.platform)
    credentials = base64.b64encode(f"{CLAIRE}:{PASSWORD}".encode()).decode()
    browser.headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
    return browser


async def ask(program: Browser, path: str) -> Any:
    answer = await program.get(path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


async def test_mail_is_read_byte_for_byte_by_a_script(program: Browser, ministry: Ministry) -> None:
    await ministry.receive(f"From: Anna <a@example.org>\nTo: {CLAIRE}\nSubject: Décret\n\nVoilà\n.\n")
    boxes = (await ask(program, "/api/mail/mailboxes"))["mailboxes"]
    [inbox] = [box for box in boxes if box["account"] == CLAIRE and box["use"] == "Inbox"]
    assert (inbox["messages"], inbox["unread"]) == (1, 1)
    assert {box["account"] for box in boxes} == {CLAIRE, SECRETARIAT}
    page = await ask(program, f"/api/mail/mailboxes/{inbox['id']}/messages?unread=1")
    [message] = page["messages"]
    assert (message["subject"], message["from"], page["total"], page["next_before"]) == (
        "Décret",
        "Anna <a@example.org>",
        1,
        None,
    )
    path = f"/api/mail/messages/{message['mailbox']}/{message['uid']}"
    assert [part["type"] for part in (await ask(program, path))["parts"]] == ["text/plain"]
    async with program.client.get(f"{path}/raw", headers=program.headers) as response:
        assert await response.read() == await ministry.raw((await ministry.messages(CLAIRE))[0])
    assert not (await ministry.messages(CLAIRE))[0].is_seen


async def test_a_script_without_a_name_is_asked_for_it(program: Browser, ministry: Ministry) -> None:
    inbox = await ministry.box(JEAN)
    assert (await program.get(f"/api/mail/mailboxes/{inbox.id}/messages")).status == 404
    program.headers = {}
    answer = await program.get("/api/mail/mailboxes")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="COMGOV", charset="UTF-8"')


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "٣"])
async def test_a_malformed_page_is_refused(program: Browser, ministry: Ministry, before: str) -> None:
    inbox = await ministry.box(CLAIRE)
    answer = await program.get(f"/api/mail/mailboxes/{inbox.id}/messages?before={before}")
    assert answer.status == 400


async def test_the_api_describes_itself(program: Browser) -> None:
    described = await ask(program, "/api/openapi.json")
    assert described["openapi"] == "3.1.0"
    raw = described["paths"]["/api/mail/messages/{mailbox}/{uid}/raw"]["get"]
    assert [parameter["name"] for parameter in raw["parameters"]] == ["mailbox", "uid"]
    assert "message/rfc822" in raw["responses"]["200"]["content"]
    text = json.dumps(described)
    for reference in set(text.split('"#/components/schemas/')[1:]):
        assert reference.partition('"')[0] in described["components"]["schemas"]
    assert "from" in described["components"]["schemas"]["MessageJson"]["properties"]

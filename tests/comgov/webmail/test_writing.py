"""Writing and sending mail in the browser."""

from __future__ import annotations

import asyncio
import email
import email.policy
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from comgov.errors import Unavailable
from comgov.people.actions import actor_of
from comgov.webmail.actions import sending, writing
from comgov.webmail.config import Config
from mail.mailbox import Flag, SpecialUse
from storage import MissingError
from tests.comgov.webmail.conftest import CLAIRE, ERIC, JEAN, SECRETARIAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from email.message import EmailMessage

    from tests.comgov.webmail.conftest import Ministry

    Browser = Any
    SignIn = Callable[[str], Awaitable[Browser]]


async def parsed(ministry: Ministry, address: str, use: SpecialUse = SpecialUse.INBOX) -> EmailMessage:
    """The latest message of a mailbox."""
    return email.message_from_bytes(
        await ministry.raw((await ministry.messages(address, use))[0]), policy=email.policy.default
    )


async def send(browser: Browser, draft: str = "", files: Any = (), **fields: str) -> Any:
    filled = {"do": "send", "to": ERIC, "subject": "Objet", "text": "Bonjour."} | fields
    return await browser.fill("/mail/write", filled, to=f"/mail/drafts/{draft or uuid4()}", files=files)


async def test_a_message_arrives_and_a_copy_stays(claire: Browser, ministry: Ministry) -> None:
    answer = await send(
        claire, to=f"Éric <{ERIC}>; {JEAN}", bcc=SECRETARIAT, subject="Crédits: état", text="Ligne\r\n.\r\nFrom là\r\n"
    )
    assert (answer.status, answer.location) == (303, "/mail")
    for address in (ERIC, JEAN, SECRETARIAT):
        message = await parsed(ministry, address)
        assert message["Subject"] == "Crédits: état"
        assert message["From"] == f"Claire Niyonzima <{CLAIRE}>"
        assert message["To"] == f"Éric <{ERIC}>, {JEAN}"
        assert message["Bcc"] is None
        assert message.get_content() == "Ligne\r\n.\r\nFrom là\r\n"
    copy = await parsed(ministry, CLAIRE, SpecialUse.SENT)
    assert copy["Bcc"] == SECRETARIAT
    assert copy["Message-ID"] == message["Message-ID"]
    assert "Envoyé à 3 adresses." in (await claire.get("/account")).text


async def test_files_go_along_byte_for_byte(claire: Browser, ministry: Ministry) -> None:
    files = [
        ("file", "é/../budget.pdf", bytes(range(256)) * 400, "application/pdf"),
        ("file", "n.eml", b"a\nb\r\n", "message/rfc822"),
    ]
    await send(claire, files=files)
    attached = list((await parsed(ministry, ERIC)).iter_attachments())
    assert [part.get_filename() for part in attached] == ["budget.pdf", "n.eml"]
    assert [part.get_content() for part in attached] == [files[0][2], files[1][2]]


async def test_a_message_is_sent_once_however_often_it_is_asked_for(claire: Browser, ministry: Ministry) -> None:
    draft = str(uuid4())
    answers = await asyncio.gather(*(send(claire, draft) for _ in range(4)))
    assert {answer.status for answer in answers} == {303}
    assert (await send(claire, draft, text="another text")).status == 303
    assert len(await ministry.messages(ERIC)) == 1
    assert len(await ministry.messages(CLAIRE, SpecialUse.SENT)) == 1


@pytest.mark.parametrize("broken", ["_keep_copy", "_mark_answered"])
async def test_what_was_cut_after_acceptance_is_completed_and_not_repeated(
    claire: Browser, ministry: Ministry, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    async def fail(*_: Any) -> None:
        raise Unavailable("The power is gone.")

    draft = str(uuid4())
    with monkeypatch.context() as cut:
        cut.setattr(sending, broken, fail)
        assert (await send(claire, draft)).status == 503
    assert (await send(claire, draft)).status == 303
    assert len(await ministry.messages(ERIC)) == 1
    assert len(await ministry.messages(CLAIRE, SpecialUse.SENT)) == 1


async def test_a_wrong_address_is_named_and_what_was_typed_is_kept(claire: Browser, ministry: Ministry) -> None:
    draft = str(uuid4())
    for to in ("nobody@sante.gov.test", "not an address", "", "a@b@c", f"{ERIC}, x"):
        answer = await send(claire, draft, to=to, text="Un long texte.", subject="Objet précieux")
        assert answer.status == 400
        assert "Un long texte." in answer.text
        assert "Objet précieux" in (await claire.get(f"/mail/drafts/{draft}")).text
    assert await ministry.messages(ERIC) == []


async def test_a_closed_list_refuses_strangers_in_words(ministry: Ministry, sign_in: SignIn) -> None:
    eric = await sign_in(ERIC)
    answer = await send(eric, to="tous@sante.gov.test")
    assert answer.status == 403
    assert "tous@sante.gov.test" in answer.text
    claire = await sign_in(CLAIRE)
    assert (await send(claire, to="tous@sante.gov.test")).status == 303
    assert len(await ministry.messages(JEAN)) == 1


@pytest.mark.parametrize("field", ["subject", "to", "cc"])
@pytest.mark.parametrize(
    "injected", ["\r\nBcc: evil@evil.test", "\nX-Evil: 1", "\r\n\r\nbody", "\u2028X: y", "\x0bX: y"]
)
async def test_no_typed_text_becomes_a_header(claire: Browser, ministry: Ministry, field: str, injected: str) -> None:
    value = f"Objet{injected}" if field == "subject" else f"Éric{injected} <{ERIC}>"
    answer = await send(claire, **{field: value})
    messages = await ministry.messages(ERIC)
    if answer.status == 303:
        header = (await ministry.raw(messages[0])).partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nx-evil" not in header
        assert b"\r\nbcc" not in header
        assert b"\r\nx:" not in header
    else:
        assert answer.status == 400
        assert messages == []


async def test_writing_for_a_post_says_who_wrote(claire: Browser, ministry: Ministry) -> None:
    assert (await send(claire, sender=str(ministry.ids[SECRETARIAT]))).status == 303
    message = await parsed(ministry, ERIC)
    assert message["From"] == f"Secrétariat <{SECRETARIAT}>"
    assert message["Sender"] == f"Claire Niyonzima <{CLAIRE}>"
    assert len(await ministry.messages(SECRETARIAT, SpecialUse.SENT)) == 1
    assert await ministry.messages(CLAIRE, SpecialUse.SENT) == []


async def test_nobody_writes_in_a_name_that_is_not_theirs(ministry: Ministry, sign_in: SignIn) -> None:
    jean = await sign_in(JEAN)
    assert (await send(jean, sender=str(ministry.ids[SECRETARIAT]))).status == 403
    assert (await send(jean, sender=str(ministry.ids[CLAIRE]))).status == 404
    assert await ministry.messages(ERIC) == []


async def test_an_answer_goes_to_the_right_people(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(
        f"From: Anna <anna@example.org>\nReply-To: bureau@example.org\nTo: {CLAIRE}, {JEAN}\nCc: {ERIC}\n"
        "Subject: Re: RE: Budget\nMessage-ID: <1@example.org>\nReferences: <0@example.org>\n\nQuelle date ?\n"
    )
    which = path[6:].replace("/", ":")
    page = (await claire.get(f"/mail/write?reply={which}")).text
    assert 'value="bureau@example.org"' in page
    assert 'value="Re: Budget"' in page
    assert "&gt; Quelle date ?" in page
    page = (await claire.get(f"/mail/write?reply={which}&all=1")).text
    assert f'value="bureau@example.org, {JEAN}"' in page
    assert f'value="{ERIC}"' in page
    assert (await send(claire, reply=which, subject="Re: Budget")).status == 303
    message = await parsed(ministry, ERIC)
    assert message["In-Reply-To"] == "<1@example.org>"
    assert message["References"] == "<0@example.org> <1@example.org>"
    assert Flag.ANSWERED in (await ministry.messages(CLAIRE))[0].flags


async def test_a_message_is_passed_on_with_its_files(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(
        "From: anna@example.org\nSubject: Plan\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/html\n\n<p>Voici <b>le plan</b></p>\n"
        "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=plan.pdf\n\nPDF\n--b--\n"
    )
    answer = await claire.fill("/account", to=f"{path}/forward")
    page = (await claire.get(answer.location)).text
    assert 'value="Tr : Plan"' in page or 'value="Tr\xa0: Plan"' in page
    assert "Voici le plan" in page
    assert "plan.pdf" in page
    await claire.fill(answer.location, {"do": "send", "to": ERIC, "subject": "Tr", "text": "Voir."})
    [attached] = (await parsed(ministry, ERIC)).iter_attachments()
    assert attached.get_filename() == "plan.pdf"
    assert attached.get_content() == b"PDF"


async def test_what_is_typed_is_kept_and_files_come_and_go(claire: Browser, ministry: Ministry) -> None:
    draft = f"/mail/drafts/{uuid4()}"
    token = await claire.token("/mail/write")
    answer = await claire.send(
        draft, {"do": "autosave", "to": ERIC, "text": "à moitié"}, Accept="application/json", **{"X-CSRF-Token": token}
    )
    assert answer.status == 200
    assert "à moitié" in (await claire.get(draft)).text
    assert "à moitié" in (await claire.get("/mail/drafts")).text
    await claire.fill(draft, {"do": "attach", "text": "entier"}, files=[("file", "a.txt", b"aaa", "text/plain")])
    page = (await claire.get(draft)).text
    assert "a.txt" in page
    detach = page.partition('value="detach-')[2].partition('"')[0]
    await claire.fill(draft, {"do": f"detach-{detach}", "text": "entier"})
    page = (await claire.get(draft)).text
    assert "a.txt" not in page
    assert "entier" in page
    assert (await claire.fill(draft, {"do": "discard"})).status == 303
    assert (await claire.get(draft)).status == 404


async def test_a_draft_is_its_authors_alone(ministry: Ministry, sign_in: SignIn, claire: Browser) -> None:
    draft = f"/mail/drafts/{uuid4()}"
    await claire.fill("/mail/write", {"do": "save", "text": "secret"}, to=draft)
    jean = await sign_in(JEAN)
    assert (await jean.get(draft)).status == 404
    for do in ("save", "send", "attach", "discard", "detach-1"):
        await jean.fill(
            "/mail/write", {"do": do, "to": ERIC, "text": "mine"}, to=draft, files=[("file", "x", b"x", "text/plain")]
        )
    assert "secret" in (await claire.get(draft)).text
    assert await ministry.messages(ERIC) == []


async def test_files_over_the_limit_are_refused_and_the_text_stays(claire: Browser, ministry: Ministry) -> None:
    limit = ministry.platform.config(Config).attachments_limit_bytes
    draft = f"/mail/drafts/{uuid4()}"
    half = bytes(limit // 2 + 1)
    kind = "application/octet-stream"
    files = [("file", "half.bin", BytesIO(half), kind)]
    assert (await claire.fill("/mail/write", {"do": "attach", "text": "précieux"}, to=draft, files=files)).status == 303
    files = [("file", "half.bin", BytesIO(half), kind)]
    answer = await claire.fill("/mail/write", {"do": "send", "to": ERIC, "text": "précieux"}, to=draft, files=files)
    assert answer.status == 413
    assert "précieux" in answer.text
    assert await ministry.messages(ERIC) == []


async def test_the_sweep_forgets_what_no_draft_needs(claire: Browser, ministry: Ministry, clock: Any) -> None:
    from storage import SWEEP_AFTER

    platform, draft_id = ministry.platform, UUID(int=7)
    files = [("file", "a.txt", b"kept", "text/plain"), ("file", "b.txt", b"dropped", "text/plain")]
    await claire.fill("/mail/write", {"do": "attach"}, to=f"/mail/drafts/{draft_id}", files=files)
    who = await actor_of(platform, CLAIRE)
    kept, dropped = (await writing.get(platform, who, draft_id)).files
    await writing.detach(platform, who, draft_id, [dropped.id])
    clock.advance(2 * SWEEP_AFTER)
    await sending.sweep(platform)
    blobs = await platform.blobs.drawer(writing.DRAWER)
    assert await writing.bytes_of(blobs, kept) == b"kept"
    with pytest.raises(MissingError):
        await blobs.stat(dropped.sha256)

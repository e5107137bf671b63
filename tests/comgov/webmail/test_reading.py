"""Reading mail in the browser."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

import pytest

from comgov.webmail.model import names_of
from mail.mailbox import Flag, SpecialUse
from tests.comgov.webmail.conftest import CLAIRE, ERIC, JEAN, SECRETARIAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.comgov.webmail.conftest import Ministry

    Browser = Any
    SignIn = Callable[[str], Awaitable[Browser]]


def mail(subject: str, body: str = "Bonjour.", extra: str = "") -> str:
    return f"From: Anna <anna@example.org>\nTo: {CLAIRE}\nSubject: {subject}\n{extra}\n{body}\n"


def html_mail(html: str) -> str:
    return mail("HTML", html, 'MIME-Version: 1.0\nContent-Type: text/html; charset="utf-8"\n')


async def test_the_inbox_lists_what_came_with_exact_counts(claire: Browser, ministry: Ministry) -> None:
    for number in range(3):
        await ministry.receive(mail(f"Budget {number}"))
    answer = await claire.get("/mail")
    assert answer.status == 303
    page = (await claire.get(answer.location)).text
    assert [f"Budget {number}" in page for number in range(3)] == [True] * 3
    assert '3<span class="unseen"> non lus' in page or "3" in page
    assert "3 sur 3" in page


async def test_a_message_is_read_and_then_no_longer_unread(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(mail("Budget", "Le budget est prêt : https://finances.gov.test/b?a=1&b=2."))
    page = (await claire.get(path)).text
    assert '<a href="https://finances.gov.test/b?a=1&amp;b=2" rel="noopener' in page
    [message] = await ministry.messages(CLAIRE)
    assert message.is_seen
    assert (await ministry.box(CLAIRE)).unseen == 0


async def test_nobody_opens_anothers_mailbox(ministry: Ministry, sign_in: SignIn) -> None:
    path = await ministry.receive(mail("Secret"))
    for address in (JEAN, ERIC):
        browser = await sign_in(address)
        for tried in (path, path.rpartition("/")[0], f"{path}/raw", f"{path}/parts/1", f"/api{path}"):
            assert (await browser.get(tried)).status == 404
        answer = await browser.fill("/account", {"uid": "1", "do": "trash"}, to=path.rpartition("/")[0] + "/messages")
        assert answer.status == 404
        assert (await browser.get(f"/mail/write?reply={path[6:].replace('/', ':')}")).status == 404
        assert (await browser.fill("/account", to=f"{path}/forward")).status == 404
    assert len(await ministry.messages(CLAIRE)) == 1


async def test_whoever_holds_a_post_reads_its_mail_and_a_viewer_changes_nothing(
    ministry: Ministry, sign_in: SignIn
) -> None:
    path = await ministry.receive(mail("Courrier"), to=SECRETARIAT)
    jean = await sign_in(JEAN)
    assert "Courrier" in (await jean.get(path)).text
    assert not (await ministry.messages(SECRETARIAT))[0].is_seen
    box = path.rpartition("/")[0]
    assert (await jean.fill("/account", {"uid": "1", "do": "trash"}, to=f"{box}/messages")).status == 403
    claire = await sign_in(CLAIRE)
    await claire.get(path)
    assert (await ministry.messages(SECRETARIAT))[0].is_seen
    assert (await sign_in(ERIC)) is not None
    assert (await (await sign_in(ERIC)).get(path)).status == 404


@pytest.mark.parametrize(
    ("verb", "use", "flags"),
    [
        ("archive", SpecialUse.ARCHIVE, Flag.NONE),
        ("trash", SpecialUse.TRASH, Flag.NONE),
        ("delete", SpecialUse.TRASH, Flag.NONE),
        ("junk", SpecialUse.JUNK, Flag.NONE),
        ("star", SpecialUse.INBOX, Flag.FLAGGED),
        ("read", SpecialUse.INBOX, Flag.SEEN),
    ],
)
async def test_messages_are_marked_and_moved_together(
    claire: Browser, ministry: Ministry, verb: str, use: SpecialUse, flags: Flag
) -> None:
    for number in range(2):
        path = await ministry.receive(mail(f"n{number}"))
    box = path.rpartition("/")[0]
    fields = [("uid", "1"), ("uid", "2"), ("do", verb), ("back", f"{box}?unread=1")]
    answer = await claire.fill(box, fields, to=f"{box}/messages")
    assert (answer.status, answer.location) == (303, f"{box}?unread=1")
    assert [message.flags for message in await ministry.messages(CLAIRE, use)] == [flags, flags]


async def test_deleting_in_the_trash_is_for_good(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(mail("x"))
    box = path.rpartition("/")[0]
    await claire.fill(box, {"uid": "1", "do": "delete"}, to=f"{box}/messages")
    trash = await ministry.box(CLAIRE, SpecialUse.TRASH)
    await claire.fill(f"/mail/{trash.id}", {"uid": "1", "do": "delete"}, to=f"/mail/{trash.id}/messages")
    assert await ministry.messages(CLAIRE, SpecialUse.TRASH) == []


async def test_a_message_moves_to_a_mailbox_of_ones_own_and_to_no_other(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(mail("x"))
    box = path.rpartition("/")[0]
    answer = await claire.fill(box, {"account": str(ministry.ids[CLAIRE]), "name": "Projets"}, to="/mail/mailboxes")
    mine = answer.location.rpartition("/")[2]
    foreign = (await ministry.box(SECRETARIAT)).id
    for target, status in ((str(foreign), 400), ("", 400), ("x", 400), (mine, 303)):
        answer = await claire.fill(box, {"uid": "1", "do": "move", "to": target}, to=f"{box}/messages")
        assert answer.status == status
    assert "x" in (await claire.get(f"/mail/{mine}")).text
    answer = await claire.fill(box, {"account": str(ministry.ids[CLAIRE]), "name": "Projets"}, to="/mail/mailboxes")
    assert answer.status == 409
    answer = await claire.fill(box, {"account": str(ministry.ids[JEAN]), "name": "Projets"}, to="/mail/mailboxes")
    assert answer.status == 404


async def test_pages_go_on_by_key_and_keep_their_filter(claire: Browser, ministry: Ministry) -> None:
    for number in range(45):
        path = await ministry.receive(mail(f"n{number:02}"))
    box = path.rpartition("/")[0]
    first = (await claire.get(f"{box}?unread=1")).text
    assert "n44" in first
    assert "n04" not in first
    assert "40 sur 45" in first
    after = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "unread=1" in after
    second = (await claire.get(after)).text
    assert "n04" in second
    assert "n44" not in second


async def test_search_finds_words_in_any_mailbox_one_may_open(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(mail("Décision", "Le crédit est accordé."))
    await ministry.receive(mail("Mission", "Rien."))
    page = (await claire.get(path.rpartition("/")[0] + "?q=credit")).text
    assert "Décision" in page
    assert "Mission" not in page


async def test_a_file_is_saved_and_can_run_nothing(claire: Browser, ministry: Ministry) -> None:
    content = mail(
        "Fichiers",
        '--b\nContent-Type: text/plain\n\nVoir.\n--b\nContent-Type: text/html; name="x.html"\n'
        'Content-Disposition: attachment; filename="a\\"b/../é.html"\n\n<script>alert(1)</script>\n'
        "--b\nContent-Type: image/svg+xml\nContent-Disposition: attachment; filename=i.svg\n\n<svg onload=alert(1)>\n"
        "--b--\n",
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n',
    )
    path = await ministry.receive(content)
    assert "2 fichiers" in (await claire.get(path)).text
    for part in ("2", "3"):
        answer = await claire.get(f"{path}/parts/{part}")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "/" not in answer.headers["Content-Disposition"]
    assert (await claire.get(f"{path}/parts/9")).status == 404


async def test_the_message_is_saved_byte_for_byte(claire: Browser, ministry: Ministry) -> None:
    path = await ministry.receive(mail("Octets", "é\n.\n\n"))
    [message] = await ministry.messages(CLAIRE)
    async with claire.client.get(f"{path}/raw") as response:
        assert await response.read() == await ministry.raw(message)
        assert response.headers["Content-Type"] == "message/rfc822"


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="  jAvAsCrIpT:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="/sign-out">x</a>',
    "<iframe src=//evil.test></iframe>",
    "<object data=//evil.test></object><embed src=//evil.test>",
    "<form action=//evil.test><input name=password><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=//evil.test'>",
    "<base href=//evil.test/>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<style>body{display:none}@import '//evil.test'</style>",
    '<div style="position:fixed;inset:0;background:url(//evil.test)">x</div>',
    '<p class="skip" id="content">x</p>',
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<textarea></textarea><script>alert(1)</script>",
    "<!--><script>alert(1)</script-->",
    "<table background=//evil.test><td background=javascript:alert(1)>x",
    "<video src=//evil.test autoplay></video><audio src=//evil.test>",
    "</div></article></aside></main><script>alert(1)</script>",
    "<details open ontoggle=alert(1)>x",
    "<a target=_self href=https://e.test onclick=alert(1)>x</a>",
    "<plaintext><script>alert(1)</script>",
    "<img src='cid:a\"onerror=alert(1)'>",
]


@pytest.mark.parametrize("html", HOSTILE)
async def test_hostile_html_is_shown_without_its_sting(claire: Browser, ministry: Ministry, html: str) -> None:
    path = await ministry.receive(html_mail(f"<p>before</p>{html}"))
    answer = await claire.get(path)
    assert answer.status == 200
    letter = answer.text.partition('<div class="letter">')[2].partition("</article>")[0].lower()
    assert "before" in letter
    tags = letter.replace("&lt;", "")
    for sting in (
        "<script",
        " on",
        "javascript:",
        "evil.test",
        "<iframe",
        "<form",
        "<style",
        "style=",
        "<svg",
        "<base",
    ):
        assert sting not in tags.partition("before")[2].replace(" one", ""), tags
    assert 'class="' not in tags
    assert " id=" not in tags
    assert 'href="/' not in tags
    assert answer.text.count("</main>") == 1


async def test_images_from_elsewhere_wait_for_consent(claire: Browser, ministry: Ministry) -> None:
    html = '<img src="https://tracker.test/1.png"><img src="http://tracker.test/2.png" alt="logo">'
    path = await ministry.receive(html_mail(html))
    answer = await claire.get(path)
    assert "tracker.test" not in answer.text
    assert "2 images" in answer.text
    assert "img-src 'self';" in answer.headers["Content-Security-Policy"]
    answer = await claire.get(f"{path}?images=1")
    assert 'src="https://tracker.test/1.png"' in answer.text
    assert "http://tracker.test" not in answer.text
    assert "img-src 'self' https:;" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_an_image_that_came_along_is_shown(claire: Browser, ministry: Ministry) -> None:
    content = mail(
        "Image",
        '--b\nContent-Type: text/html\n\n<p>Voir <img src="cid:logo@x"></p>\n'
        "--b\nContent-Type: image/png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\n"
        "iVBORw0KGgo=\n--b--\n",
        'MIME-Version: 1.0\nContent-Type: multipart/related; boundary="b"\n',
    )
    path = await ministry.receive(content)
    page = (await claire.get(path)).text
    assert f'src="{path}/parts/2"' in page
    assert "enclosed" not in page
    async with claire.client.get(f"{path}/parts/2") as response:
        assert response.headers["Content-Type"] == "image/png"
        assert await response.read() == b"\x89PNG\r\n\x1a\n"


async def test_of_two_forms_of_a_text_one_is_shown(claire: Browser, ministry: Ministry) -> None:
    content = mail(
        "Deux",
        "--b\nContent-Type: text/plain\n\nen clair\n--b\nContent-Type: text/html\n\n<b>en gras</b>\n--b--\n",
        'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="b"\n',
    )
    path = await ministry.receive(content)
    page = (await claire.get(path)).text.partition("<article")[2]
    assert "en gras" in page
    assert "en clair" not in page
    page = (await claire.get(f"{path}?text=1")).text.partition("<article")[2]
    assert "en clair" in page
    assert "en gras" not in page


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@b.test\n\n" + b"<div>" * 100_000,
        b"From: a@b.test\nContent-Type: text/html\n\n" + b"<div>" * 100_000,
        b"From: a@b.test\nContent-Type: text/html; charset=nonsense\n\n\xff\xfe\x80",
        b"From: =?utf-8?q?=00=E2=80=AEevil?= <a@b.test>\nSubject: =?utf-7?Q?+ADw-script+AD4-?=\n\nx",
        b"Subject:\n\n",
        b"From: a@b.test\nTo: " + b"x@y.test, " * 5000 + b"\n\nx",
        b"From: a@b.test\nContent-Type: text/plain\n\n" + b"a" * 900_000,
        b"From: a@b.test\nReferences: " + b"<x@y>" * 9000 + b"\n\nx",
    ],
)
async def test_malformed_and_excessive_mail_is_shown_all_the_same(
    claire: Browser, ministry: Ministry, content: bytes
) -> None:
    path = await ministry.receive(content)
    assert (await claire.get(path.rpartition("/")[0])).status == 200
    answer = await claire.get(path)
    assert answer.status == 200
    assert "<script" not in answer.text.partition("<article")[2]
    assert (await claire.get(f"/mail/write?reply={path[6:].replace('/', ':')}&all=1")).status == 200


async def test_unread_mail_is_counted_on_the_home_page(claire: Browser, ministry: Ministry) -> None:
    await ministry.receive(mail("a"))
    await ministry.receive(mail("b"), to=SECRETARIAT)
    page = (await claire.get("/")).text
    assert "Secrétariat" in page
    assert '<b class="count">2' in page


async def test_a_message_whose_bytes_are_out_of_reach_is_503_and_not_a_short_one(
    ministry: Ministry, claire: Browser
) -> None:
    chance = random.Random(1)
    content, noise = (base64.encodebytes(chance.randbytes(400_000)).decode() for _ in range(2))
    heads = f"From: <a@example.org>\nTo: {CLAIRE}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    text = f"--b\nContent-Type: text/plain\n\nBonjour\n{noise}\n"
    file = f"--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n{content}\n--b--\n"
    path = await ministry.receive(heads + text + file)
    paths = (path, f"{path}/raw", f"{path}/parts/2", path.replace("/mail/", "/api/mail/messages/") + "/raw")
    assert [(await claire.get(each)).status for each in paths] == [200] * 4
    store = ministry.platform.mailboxes._blobs
    for blob in [blob async for blob in store.list()]:
        await store.delete(blob.sha256)
    assert [(await claire.get(each)).status for each in paths] == [503] * 4
    assert "réessayez" in (await claire.get(f"{path}/parts/2")).text


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Anna Ndayizeye <anna@example.org>", "Anna Ndayizeye"),
        ('"Ndayizeye, Anna" <anna@example.org>, eric@finances.gov.test', "Ndayizeye, Anna, eric@finances.gov.test"),
        ("<anna@example.org>, <eric@example.org>", "anna@example.org, eric@example.org"),
        ("", ""),
        ("Anna <anna@exam", "Anna"),
    ],
)
def test_a_row_names_people_without_their_addresses(header: str, names: str) -> None:
    assert names_of(header) == names

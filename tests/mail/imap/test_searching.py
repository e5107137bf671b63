"""What is searched, sorted and threaded, as a client sees it."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mail.mailbox import SpecialUse

if TYPE_CHECKING:
    from comgov.db import Database
    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House


def mail(subject: str = "", body: str = "Bonjour.", **fields: str) -> bytes:
    """One with these fields, `_` in their names a `-`."""
    found = {"From": "Eric <eric@finances.gov.test>", "To": "claire@sante.gov.test", "Subject": subject}
    found |= {name.replace("_", "-"): value for name, value in fields.items()}
    header = "".join(f"{name}: {value}\r\n" for name, value in found.items() if value)
    return f"{header}\r\n{body}\r\n".encode()


async def numbers(client: Client, command: str, *literals: bytes) -> list[int]:
    """Of the one reply of SEARCH or SORT."""
    told = await client.say(command, *literals)
    assert told[-1].startswith(b"OK "), told
    return [int(number) for number in told[0].split()[2:]]


WITHIN = (
    b"From: a@b\r\nSubject: Dossier\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p>R=C3=A9union<b>des</b> ministres, 2026/D/000123</p><style>hidden</style>\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: Annexe secrete\r\n\r\nprofond\r\n"
    b"--x\r\nContent-Type: application/pdf; name=rapport.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(b"not a text")
    + b"\r\n--x--\r\n"
)
TEXTS = [
    mail("Budget", "Voici l'arr\u00eat\u00e9 de missions du directeur."),
    mail("=?utf-8?q?D=C3=A9cision?= du\r\n conseil", "Le budget  est\r\nclos.", Cc="jean@sante.gov.test", X_Room="12"),
    WITHIN,
    mail("", "", Received="from a", To="a@b, b@c, c@d", From="=?utf-8?q?=C3=89ric?= <e@f>", X_Room=" "),
]


ASKED: list[tuple[str, str, list[int]]] = [
    ("TEXT", "budget", [1, 2]),
    ("BODY", "budget", [2]),
    ("NOT BODY", "budget", [1, 3, 4]),
    ("TEXT", "udge", [1, 2]),
    ("BODY", "issio", [1]),
    ("BODY", "mission", [1]),
    ("BODY", "missionss", []),
    ("BODY", "arrêté", [1]),
    ("BODY", "ARRETE DE", [1]),
    ("BODY", "arrete  de\tmis", [1]),
    ("BODY", "'arr", [1]),
    ("BODY", "de directeur", []),
    ("BODY", "budget est clos.", [2]),
    ("BODY", "2026/D/000123", [3]),
    ("BODY", "2026/D/000124", []),
    ("BODY", "réunion", [3]),
    ("BODY", "hidden", []),
    ("BODY", "profond", [3]),
    ("BODY", "annexe secrete", [3]),
    ("BODY", "not", []),
    ("BODY", "rapport.pdf", []),
    ("TEXT", "rapport.pdf", [3]),
    ("TEXT", "X-Room:", [2, 4]),
    ("TEXT", "", [1, 2, 3, 4]),
    ("TEXT", "cision du cons", [2]),
    ("SUBJECT", "decision", [2]),
    ("SUBJECT", "dÉcision du c", [2]),
    ("SUBJECT", "bonjour", []),
    ("SUBJECT", "", [1, 2, 3]),
    ("FROM", "finances", [1, 2]),
    ("FROM", "éric <e@f>", [4]),
    ("TO", "b@c", [4]),
    ("CC", "jean", [2]),
    ("BCC", "jean", []),
    ("HEADER X-Room", "1", [2]),
    ("HEADER x-room", "", [2, 4]),
    ("HEADER X-Roo", "", []),
    ('HEADER "X-Room: 12"', "", []),
    ("HEADER Subject", "eric", []),
    ("HEADER Received", "a", [4]),
    ("OR (TEXT udget NOT BODY budget) HEADER X-Room", "12", [1, 2]),
]


async def test_a_text_is_found_where_it_is_looked_for_and_nowhere_else(house: House, claire: Client) -> None:
    await house.put(*TEXTS)
    await claire.say("SELECT INBOX")
    for key, text, found in ASKED:
        assert await numbers(claire, f"SEARCH CHARSET UTF-8 {key} {{}}", text.encode()) == found, (key, text)


async def test_a_text_is_found_at_the_end_of_a_large_message(house: House, claire: Client) -> None:
    words = "\r\n".join(secrets.token_hex(10) for _ in range(30_000))
    await house.put(
        mail("grand", f"{words}\r\nla toute fin", X_Long="\r\n ".join(secrets.token_hex(10) for _ in range(2000)))
    )
    await claire.say("SELECT INBOX")
    for key in (f"BODY {words[-9:]}", 'TEXT "toute fin"', f"TEXT {words[5:17]}", "HEADER X-Long a", "SUBJECT grand"):
        assert await numbers(claire, f"SEARCH {key}") == [1], key
    assert await numbers(claire, "SEARCH TEXT zzzzzz") == []


async def test_the_envelope_sender_is_in_the_header(house: House, db: Database, claire: Client) -> None:
    await house.put(mail("x"), mail("y"))
    await db.pool.execute("UPDATE mail.message SET trace = 'Return-Path: <Bounce@a.test>\r\n'::bytea WHERE uid = 2")
    await claire.say("SELECT INBOX")
    for key in ("HEADER Return-Path bounce", 'HEADER Return-Path ""', "TEXT bounce@", 'TEXT "return-path: <bounce"'):
        assert await numbers(claire, f"SEARCH {key}") == [2], key
    assert await numbers(claire, "SEARCH HEADER Subject bounce") == []


async def test_every_field_of_a_name_is_looked_at(house: House, claire: Client) -> None:
    await house.put(b"To: a@b\r\nReceived: from one\r\nTo: c@d\r\nReceived: from two\r\n\r\n")
    await claire.say("SELECT INBOX")
    for key in ("TO a@b", "TO c@d", "HEADER Received one", "HEADER Received two", 'HEADER Received "from two"'):
        assert await numbers(claire, f"SEARCH {key}") == [1], key
    assert await numbers(claire, 'SEARCH TO "a@bc@d"') == []


async def test_the_day_of_date_counts_as_it_is_written(house: House, claire: Client) -> None:
    dates = ("Mon, 23 Nov 2026 00:30:00 +0300", "Sun, 22 Nov 2026 23:30:00 -0500", "", "nonsense")
    await house.put(*(mail("x", Date=date) for date in dates))
    await claire.say("SELECT INBOX")
    for key, found in {
        "SENTON 23-Nov-2026": [1],
        "SENTON 22-Nov-2026": [2],
        "SENTBEFORE 23-Nov-2026": [2],
        "SENTSINCE 22-Nov-2026": [1, 2],
        "SENTSINCE 23-Nov-2026": [1],
        "NOT SENTSINCE 23-Nov-2026": [2, 3, 4],
        "SENTBEFORE 1-Jan-3000": [1, 2],
    }.items():
        assert await numbers(claire, f"SEARCH {key}") == found, key


async def test_sets_are_sets_however_they_are_written(house: House, claire: Client) -> None:
    await house.put(*[mail("x")] * 6)
    await claire.say("SELECT INBOX")
    await claire.say("STORE 2 +FLAGS (\\Deleted)")
    await claire.say("EXPUNGE")
    for key, found in {
        "1,3,5": [1, 3, 5],
        "*": [5],
        "4:2": [2, 3, 4],
        "UID 1,3:4,6": [1, 2, 3, 5],
        "UID 2": [],
        "UID 900:*": [5],
        "NOT 2:4": [1, 5],
        "NOT UID 1,4": [2, 4, 5],
        "1,3 UID 4:6": [3],
        "6": [],
        "4:9": [4, 5],
        "NOT 5:900": [1, 2, 3, 4],
    }.items():
        assert await numbers(claire, f"SEARCH {key}") == found, key
    await claire.say("SELECT Drafts")
    for key in ("1:*", "UID 1:*", "NOT 1:*", "ALL"):
        assert await numbers(claire, f"SEARCH {key}") == [], key


async def test_what_a_client_was_not_told_of_is_not_found(house: House, claire: Client) -> None:
    await house.put(mail("x"), mail("x"))
    await claire.say("SELECT INBOX")
    await house.put(mail("x"))
    assert (await claire.say("SEARCH ALL"))[0] == b"* SEARCH 1 2"
    await claire.say("NOOP")
    assert (await claire.say("SORT (ARRIVAL) UTF-8 ALL"))[0] == b"* SORT 1 2 3"


async def test_a_search_by_modseq_tells_the_highest(house: House, claire: Client) -> None:
    await house.put(mail("a"), mail("b"), mail("c"))
    await claire.say("SELECT INBOX")
    await claire.say("STORE 2 +FLAGS (\\Flagged)")
    fetched = await claire.say("FETCH 1:3 MODSEQ")
    first, second, third = (int(line.split(b"MODSEQ (")[1].split(b")")[0]) for line in fetched[:3])
    assert (await claire.say("SEARCH MODSEQ 1"))[0] == b"* SEARCH 1 2 3 (MODSEQ %d)" % second
    assert (await claire.say('SEARCH MODSEQ "/flags/\\\\draft" all 1'))[0] == b"* SEARCH 1 2 3 (MODSEQ %d)" % second
    assert (await claire.say(f"SEARCH MODSEQ {second + 1}"))[0] == b"* SEARCH"
    assert (await claire.say(f"SEARCH NOT MODSEQ {second}"))[0] == b"* SEARCH 1 3 (MODSEQ %d)" % third
    assert (await claire.say("SORT (REVERSE SUBJECT) UTF-8 MODSEQ 1"))[0] == b"* SORT 3 2 1 (MODSEQ %d)" % second
    for returns, told in {
        "MIN": b"MIN 1 MODSEQ %d" % first,
        "MAX": b"MAX 3 MODSEQ %d" % third,
        "MIN MAX": b"MIN 1 MAX 3 MODSEQ %d" % third,
        "MIN COUNT": b"MIN 1 COUNT 3 MODSEQ %d" % second,
        "ALL": b"ALL 1:3 MODSEQ %d" % second,
    }.items():
        reply = (await claire.say(f"SEARCH RETURN ({returns}) MODSEQ 1"))[0]
        assert reply.partition(b") ")[2] == told, returns


async def test_what_is_saved_is_what_was_asked_for(house: House, claire: Client) -> None:
    await house.put(*(mail("x") for _ in range(5)))
    await claire.say("SELECT INBOX")
    for returns, saved in {
        "SAVE": [2, 3, 4],
        "SAVE ALL": [2, 3, 4],
        "SAVE COUNT MIN": [2, 3, 4],
        "SAVE MIN": [2],
        "SAVE MAX": [4],
        "SAVE MIN MAX": [2, 4],
    }.items():
        told = await claire.say(f"SEARCH RETURN ({returns}) 2:4")
        assert len(told) == (1 if returns == "SAVE" else 2)
        assert await numbers(claire, "SEARCH $") == saved, returns
        assert await numbers(claire, "UID SEARCH UID $") == saved, returns
    assert (await claire.say("SEARCH RETURN (SAVE) NONSENSE"))[-1].startswith(b"BAD ")
    assert await numbers(claire, "SEARCH $") == [2, 4]
    assert await numbers(claire, "SEARCH OR $ NOT $") == [1, 2, 3, 4, 5]
    await claire.say("STORE 2 +FLAGS (\\Deleted)")
    await claire.say("EXPUNGE")
    assert await numbers(claire, "SEARCH $") == [3]
    assert (await claire.say("SEARCH RETURN (SAVE) SUBJECT nothing"))[-1].startswith(b"OK ")
    assert await numbers(claire, "SEARCH $") == []


async def test_a_text_comes_in_a_charset_that_is_known(house: House, claire: Client) -> None:
    await house.put(mail("Été"), mail("Ätö"))
    await claire.say("SELECT INBOX")
    for charset, text in {"UTF-8": "été", "iso-8859-1": "ät", "WINDOWS-1252": "été", "US-ASCII": "ete"}.items():
        found = await numbers(claire, f"SEARCH CHARSET {charset} SUBJECT {{}}", text.encode(charset))
        assert found == [2 if text == "ät" else 1], charset
    for charset in ("X-NONE", "unicode_escape", '""'):
        told = await claire.say(f"SEARCH CHARSET {charset} SUBJECT x")
        assert told[-1].startswith(b"NO [BADCHARSET (US-ASCII UTF-8)] "), charset
    assert (await claire.say("SEARCH CHARSET UTF-8 SUBJECT {}", b"\xe9t\xe9"))[-1].startswith(b"BAD ")


async def test_a_search_nested_beyond_reason_is_refused(claire: Client) -> None:
    await claire.say("SELECT INBOX")
    for search in (
        "NOT " * 100 + "ALL",
        "(" * 100 + "ALL" + ")" * 100,
        "OR " * 60 + "ALL " * 61,
        "ALL " * 2000 + "ALL",
    ):
        assert (await claire.say(f"SEARCH {search}"))[-1].startswith(b"BAD "), search[:20]
    assert (await claire.say("SEARCH " + "NOT " * 40 + "ALL"))[-1].startswith(b"OK ")


# SORT

SORTED = [
    mail("Re: budget", From="zoe@a.test", To="b@x", Cc="k@x", Date="Mon, 23 Nov 2026 10:00:00 +0100"),
    mail("[liste] Arrêté", From='"Abel" <abel@z.test>', To="a@x", Date="Mon, 23 Nov 2026 09:30:00 +0000"),
    mail("BUDGET", From="=?utf-8?q?=C3=89mile?= <m@m.test>", To="", Date="nonsense"),
    mail("_note", body="x" * 500, From="", To="c@x", Cc="B@x", Date="Sun, 22 Nov 2026 23:00:00 -0500"),
]
RECEIVED = [datetime(2026, 11, day, tzinfo=UTC) for day in (4, 2, 1, 3)]


async def sorted_mail(house: House) -> None:
    box = await house.mailboxes.standard(house.claire.account_id, SpecialUse.INBOX)
    for content, moment in zip(SORTED, RECEIVED, strict=True):
        await house.mailboxes.append(box.id, content, internal_date=moment)


@pytest.mark.parametrize(
    ("criteria", "order"),
    [
        ("ARRIVAL", [3, 2, 4, 1]),
        ("REVERSE ARRIVAL", [1, 4, 2, 3]),
        ("DATE", [3, 4, 1, 2]),
        ("FROM", [4, 2, 3, 1]),
        ("DISPLAYFROM", [4, 2, 3, 1]),
        ("TO", [3, 2, 1, 4]),
        ("DISPLAYTO", [3, 2, 1, 4]),
        ("CC", [2, 3, 4, 1]),
        ("SUBJECT", [2, 1, 3, 4]),
        ("REVERSE SUBJECT", [4, 1, 3, 2]),
        ("SUBJECT REVERSE DATE", [2, 1, 3, 4]),
        ("SUBJECT DATE", [2, 3, 1, 4]),
        ("REVERSE SIZE", [4, 2, 1, 3]),
    ],
)
async def test_messages_are_sorted(house: House, claire: Client, criteria: str, order: list[int]) -> None:
    await sorted_mail(house)
    await claire.say("SELECT INBOX")
    assert await numbers(claire, f"SORT ({criteria}) UTF-8 ALL") == order


async def test_a_sort_returns_what_is_asked(house: House, claire: Client) -> None:
    await sorted_mail(house)
    await claire.say("SELECT INBOX")
    told = await claire.say("UID SORT RETURN (MIN MAX ALL COUNT) (ARRIVAL) UTF-8 NOT SUBJECT note")
    assert told[0].partition(b") ")[2] == b"UID MIN 3 MAX 1 ALL 3,2,1 COUNT 3"
    assert await numbers(claire, "SORT (REVERSE ARRIVAL) US-ASCII SUBJECT budget") == [1, 3]
    assert (await claire.say("SORT (ARRIVAL) X-NONE ALL"))[-1].startswith(b"NO [BADCHARSET (US-ASCII UTF-8)] ")
    for command in (
        "SORT () UTF-8 ALL",
        "SORT (COLOUR) UTF-8 ALL",
        "SORT ARRIVAL UTF-8 ALL",
        "SORT (REVERSE) UTF-8 ALL",
    ):
        assert (await claire.say(command))[-1].startswith(b"BAD "), command


# THREAD and THREADID

THREADED = [
    mail("Mission", Message_ID="<a@x>"),
    mail("Re: Mission", Message_ID="<b@x>", References="<a@x>"),
    mail("Budget", Message_ID="<c@x>"),
    mail("Re: Mission", Message_ID="<d@x>", References='<"a"@x> <b@x>'),
    mail("Re: budget", Message_ID="<e@x>"),
    mail("Autre", In_Reply_To="<f@x> of yesterday"),
    mail("Autres"),
]


async def test_messages_are_threaded(house: House, claire: Client) -> None:
    await house.put(*THREADED)
    await claire.say("SELECT INBOX")
    assert (await claire.say("THREAD REFERENCES UTF-8 ALL"))[0] == b"* THREAD (1 2 4)(3 5)(6)(7)"
    assert (await claire.say("THREAD ORDEREDSUBJECT UTF-8 ALL"))[0] == b"* THREAD (1 (2)(4))(3 5)(6)(7)"
    await claire.say("STORE 1 +FLAGS (\\Deleted)")
    await claire.say("EXPUNGE")
    assert (await claire.say("THREAD REFERENCES UTF-8 1:3"))[0] == b"* THREAD (1 3)(2)"
    assert (await claire.say("UID THREAD REFERENCES UTF-8 1:3"))[0] == b"* THREAD (2 4)(3)"
    assert (await claire.say("UID THREAD REFERENCES UTF-8 SUBJECT nothing"))[0] == b"* THREAD"
    assert (await claire.say("THREAD REFS UTF-8 ALL"))[-1].startswith(b"BAD ")


async def test_a_thread_has_an_identifier(house: House, db: Database, claire: Client) -> None:
    await house.put(*THREADED)
    await claire.say("SELECT INBOX")
    told = await claire.say("FETCH 1:* THREADID")
    found = [line.split(b"THREADID (")[1].rstrip(b")").decode() for line in told[:-1]]
    assert found[0] == found[1] == found[3]
    assert len(set(found)) == 5
    assert await numbers(claire, f"SEARCH THREADID {found[0]}") == [1, 2, 4]
    assert await numbers(claire, "SEARCH THREADID Tnone") == []


async def test_messages_from_before_are_sorted_threaded_and_found_too(
    house: House, db: Database, claire: Client
) -> None:
    await house.put(*THREADED)
    await claire.say("SELECT INBOX")
    commands = (
        "SORT (SUBJECT FROM) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "FETCH 1:* THREADID",
        "SEARCH SUBJECT autre BODY onjou",
    )
    known = [await claire.say(command) for command in commands]
    before = (
        "UPDATE mail.body SET sort_subject = NULL, is_reply = NULL, sort_from = NULL, lineage = NULL, sent_on = NULL",
        "INSERT INTO mail.unindexed SELECT body_id FROM mail.words",
        "DELETE FROM mail.words",
    )
    for command, told in zip(commands, known, strict=True):
        for statement in before:
            await db.pool.execute(statement)
        assert await claire.say(command) == told

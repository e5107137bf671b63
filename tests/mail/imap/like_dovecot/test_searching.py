"""SEARCH, SORT and THREAD give what Dovecot's do, but for the differences that are known."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mail.imap.like_dovecot.conftest import Both


def _mail(subject: str, body: str = "Bonjour.", **fields: str) -> bytes:
    """One with these fields, `_` in their names a `-`."""
    found = {"From": "Eric <eric@finances.gov.test>", "To": "claire@sante.gov.test", "Subject": subject}
    found |= {name.replace("_", "-"): value for name, value in fields.items()}
    header = "".join(f"{name}: {value}\n" for name, value in found.items() if value)
    return f"{header}\n{body}\n".replace("\n", "\r\n").encode()


def _dated(day: int, time: str = "10:00:00 +0100") -> str:
    return f"{day} Nov 2026 {time}"


_PARTS = """\
--x
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>R=C3=A9union des <b>ministres</b></p>
--x
Content-Type: message/rfc822

Subject: Annexe
From: within@a.test

Tout au fond.
--x
Content-Type: application/pdf; name=rapport.pdf
Content-Transfer-Encoding: base64

bm90IGEgdGV4dA==
--x--"""
MESSAGES = (
    _mail("Budget", "Les missions du directeur.", Message_ID="<1@a>", Date=_dated(3)),
    _mail("Re: Budget", "Le budget  est\nclos.", Message_ID="<2@a>", References="<1@a>", Date=_dated(4)),
    _mail("re[2]: [liste] budget", Message_ID="<3@a>", References="<1@a> <2@a>", Date=_dated(2), Cc="jean@b.test"),
    _mail("=?utf-8?q?D=C3=A9cision?= du\n conseil", "Fait le 3.", Message_ID="<4@a>", Date=_dated(1), Cc="k@x, a@x"),
    _mail("Decision", "=C3=A9", Message_ID="<5@a>", In_Reply_To="<4@a> of Monday", Date=_dated(5, "00:30:00 +0300")),
    _mail("Dossier", _PARTS, Content_Type="multipart/mixed; boundary=x", Message_ID="<6@a>", Date=_dated(4)),
    _mail("(fwd)", From="Zoé <ZOE@a.test>", To="b@x, c@y", Message_ID="<7@a>", References="<gone@a>", Date=_dated(7)),
    _mail("Fwd: Suite", From='"Abel, N." <abel@z.test>', Message_ID="<8@a>", References="<gone@a>", Date=_dated(6)),
    _mail("_note", "x" * 3000, From="e@f.test", To="", Message_ID="<9@a>", References="<9@a>", Date=_dated(9)),
    _mail("[fwd: [x] Suite (fwd)]", X_Room="12", Message_ID="<10@a>", Date=_dated(8)),
    _mail("", From="", X_Room=" ", Message_ID="<11@a>", References="<12@a>", Date=_dated(10, "23:30:00 -0500")),
    _mail("A", To="group: a@b.test, c@d.test;", Message_ID="<12@a>", References="<11@a>", Date=_dated(11)),
    _mail("b", To="a@b.test, Z <z@z.test>", Message_ID='<"13"@a>', References="nothing", Date=_dated(11)),
    _mail("B", From="b@b.test", Message_ID="<14@a>", References="<13@a> <x@a> <y@a>", Date=_dated(12)),
    _mail("c", From="c@c.test", Message_ID="<14@a>", References="<x@a>", Date=_dated(12)),
    _mail("Sans suite", Message_ID="", References="<1@a> <lost@a>", Date=_dated(13)),
    _mail("Sans suite", Message_ID="", Date=_dated(14, "10:00 GMT")),
)
FLAGGED = {2: "(\\Seen)", 3: "(\\Flagged $Later)", 5: "(\\Answered \\Seen)", 7: "(\\Deleted)", 9: "(\\Draft)"}
TEXTS = (
    "budget",
    "udge",
    "BUDGET",
    "missions du",
    "est clos",
    "3",
    "fond",
    "ministres",
    "annexe",
    "zzz",
    "",
    "eric",
    "du c",
)
KEYS = (
    *("ALL", "SEEN", "UNSEEN", "FLAGGED", "KEYWORD $later", "UNKEYWORD $Later", "ANSWERED", "DELETED", "DRAFT", "NEW"),
    *(
        "OLD",
        "RECENT",
        "UNDELETED",
        "UNDRAFT",
        "1,3:5",
        "*",
        "UID 3:*",
        "UID 900:*",
        "NOT 3:7",
        "LARGER 300",
        "SMALLER 250",
    ),
    *("OR FLAGGED SEEN", "NOT OR SEEN FLAGGED", "(SEEN ANSWERED)", "NOT (SEEN ANSWERED)", "OR (1 SEEN) 3", "SEEN 1:6"),
    *("SINCE 1-Jan-2020", "BEFORE 1-Jan-2020", "ON 22-Nov-2025", "NOT ON 22-Nov-2025", "YOUNGER 10", "OLDER 10"),
    *("SENTON 4-Nov-2026", "SENTON 5-Nov-2026", "SENTBEFORE 4-Nov-2026", "SENTSINCE 10-Nov-2026", "SENTON 10-Nov-2026"),
    *(f'{field} "{text}"' for field in ("TEXT", "BODY", "SUBJECT", "NOT BODY", "HEADER Subject") for text in TEXTS),
    *('FROM "eric"', "FROM abel", 'FROM "zoe@a.test"', 'TO "b@x"', 'TO ""', 'CC ""', "CC jean", 'BCC ""', 'FROM ""'),
    *('HEADER X-Room ""', "HEADER X-Room 1", 'HEADER X-Roo ""', 'HEADER References "<1@a>"', "HEADER Message-ID 1@a"),
    *('TEXT "X-Room"', 'TEXT "rapport.pdf"', 'BODY "rapport.pdf"', 'BODY "not a text"', "TEXT decision", 'TEXT "<b>"'),
    *("BODY within@a.test", "TEXT within@a.test", "TEXT boundary", 'TEXT "Bonjour."', 'TEXT "subject: b"'),
)
SORTS = (
    *(
        "ARRIVAL",
        "DATE",
        "SIZE",
        "FROM",
        "TO",
        "CC",
        "SUBJECT",
        "REVERSE DATE",
        "REVERSE SUBJECT",
        "DISPLAYFROM",
        "DISPLAYTO",
    ),
    *(
        "SUBJECT DATE",
        "SUBJECT REVERSE DATE",
        "FROM SUBJECT",
        "REVERSE FROM REVERSE ARRIVAL",
        "TO REVERSE SIZE",
        "DATE FROM",
    ),
)
BAD_CHARSETS = ("SEARCH CHARSET X-NONE ALL", "SORT (DATE) X-NONE ALL", "THREAD REFERENCES X-NONE ALL")
COMMANDS = (
    *(f"SEARCH CHARSET UTF-8 {key}" for key in KEYS),
    *(f"SORT ({criteria}) UTF-8 ALL" for criteria in SORTS),
    *(
        f"THREAD {algorithm} UTF-8 {key}"
        for algorithm in ("REFERENCES", "ORDEREDSUBJECT")
        for key in ("ALL", "2:9", "SEEN")
    ),
    *(
        f"UID SEARCH RETURN ({returns}) 3:6"
        for returns in ("", "ALL", "MIN", "MAX COUNT", "MIN MAX ALL COUNT", "COUNT")
    ),
    *(f"SEARCH RETURN ({returns}) SUBJECT zzz" for returns in ("", "ALL", "MIN", "COUNT", "MIN COUNT")),
    *("UID SORT RETURN (ALL COUNT) (REVERSE DATE) UTF-8 1:5", "SORT RETURN (MIN MAX) (SUBJECT) UTF-8 ALL"),
    *("SEARCH RETURN (SAVE) 2:4", "SEARCH $", "SEARCH RETURN (SAVE MIN MAX) 2:6", "UID SEARCH UID $", "SEARCH NOT $"),
    *("SEARCH RETURN (SAVE) NONSENSE", "SEARCH $", "SEARCH RETURN (SAVE) CHARSET KOI8-R TEXT x", "SEARCH $"),
    *(*BAD_CHARSETS, "SORT (COLOUR) UTF-8 ALL"),
    *(
        "THREAD NONE UTF-8 ALL",
        "SEARCH",
        "SEARCH NOT",
        "SEARCH OR SEEN",
        "SEARCH 0",
        "SEARCH 99",
        "SEARCH ()",
        "SEARCH (SEEN",
    ),
    *(
        "SORT () UTF-8 ALL",
        "SORT (REVERSE) UTF-8 ALL",
        "SEARCH SENTON nonsense",
        "SEARCH LARGER x",
        "SEARCH RETURN (X) ALL",
    ),
)
KNOWN = {
    "a line end is a blank": ('TEXT "est clos"', 'BODY "est clos"', 'NOT BODY "est clos"'),
    "the header of a message within is in the body": ('BODY "annexe"', 'NOT BODY "annexe"', "BODY within@a.test"),
    "accents aside": ("TEXT decision",),
    "tags are no text": ('TEXT "<b>"',),
    "the charsets that RFC 9051 demands are told": BAD_CHARSETS,
}
"""The differences that are meant; mail/imap/README.md tells of each."""


def _correspondence(seed: int) -> list[bytes]:
    """Messages that refer to those before them and to absent ones, come in any order, and share subjects."""
    chance = random.Random(seed)
    places = list(range(chance.randint(2, 10)))
    absent = [f"<{seed}.gone{number}@x>" for number in range(4)]
    names = [f"<{seed}.{place}@x>" for place in places]
    chance.shuffle(places)
    return [
        _mail(
            chance.choice(["", "Budget", "Re: Budget", "Autre", "Re: autre", "[x] budget", "[fwd: Autre]"]),
            f"{seed} {place}",
            Message_ID=names[place] if chance.random() < 0.9 else "",
            References=" ".join(_some(chance, absent) + _some(chance, names[:place])),
            In_Reply_To=chance.choice(["", *names[:place]]),
            Date=_dated(chance.randint(1, 28), f"{chance.randint(10, 23)}:00:00 +0000"),
        )
        for place in places
    ]


def _some(chance: random.Random, names: list[str]) -> list[str]:
    """Up to three of them, in their order."""
    return [names[place] for place in sorted(chance.sample(range(len(names)), min(chance.randint(0, 3), len(names))))]


async def test_correspondence_is_threaded_as_dovecot_does(both: Both) -> None:
    for seed in range(40):
        await both.say(f"CREATE box{seed}")
        for message in _correspondence(seed):
            await both.say(f'APPEND box{seed} "22-Nov-2025 09:30:15 +0000" {{}}', message)
        await both.say(f"SELECT box{seed}")
        for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
            ours, theirs = await both.say(f"THREAD {algorithm} UTF-8 ALL")
            assert ours == theirs, (seed, algorithm)


async def test_messages_are_found_sorted_and_threaded_as_dovecot_does(both: Both) -> None:
    for message in MESSAGES:
        await both.say('APPEND INBOX "22-Nov-2025 09:30:15 +0000" {}', message)
    await both.say("SELECT INBOX")
    for number, flags in FLAGGED.items():
        await both.say(f"STORE {number} FLAGS {flags}")
    found = {}
    for command in COMMANDS:
        ours, theirs = await both.say(command)
        if ours != theirs:
            found[command.removeprefix("SEARCH CHARSET UTF-8 ")] = f"{command}\n  ours   {ours}\n  theirs {theirs}"
    known = {command for commands in KNOWN.values() for command in commands}
    unknown = {command: told for command, told in found.items() if command not in known}
    assert not unknown, "\n".join(unknown.values())
    assert found.keys() == known

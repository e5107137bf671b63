"""Mail like an administration's, in any number: what clients synchronise, and what is weighed on the line.

French and English by people of several services, from Thunderbird (plain text, or HTML beside it) and Outlook (Word's
HTML beside plain text), a third of it answers that quote. The words are made up, the common ones aside, and drawn so
that sentences alone deflate to 38 % at level 6, as novels do. Headers have what no compression takes away: Message-ID,
Thread-Index, here and there a DKIM signature.

`letters` has no attachments. `papers` adds one to every tenth: zip archives, as office documents are, in base64.
"""

from __future__ import annotations

import base64
import io
import quopri
import random
import textwrap
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from functools import cache

_BEGAN = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
_SYLLABLES = {  # beginnings, vowels, ends
    "fr": ("b c ch cl d f g gr j l m n p pl pr qu r s t tr v", "a ai e é è ê i o oi ou u an en in on", "l n r s t x"),
    "en": ("b br c ch d f g h k l m n p pr qu r s sh st t th tr w", "a ay e ea ee i o oo ou u y", "ck d l n ng r s t"),
}
_COMMON = {
    "fr": "de la le et les des en à du une un pour que qui dans par sur au est il plus ne se pas ce avec sont être aux"
    " nous vous son cette ont leur mais comme ou si fait elle tous deux même ainsi sous entre après avant selon dont",
    "en": "the of and to in a is that for on with as it be by this are at from or an which have not will was has were"
    " been their its all one more other we you they but about when there into than after before under between",
}
_PEOPLE = [
    (first, last, post, place)
    for (first, last), (post, place) in zip(
        [
            ("Claire", "Niyonzima"), ("Éric", "Ouédraogo"), ("Aline", "Ndayishimiye"), ("Jean", "Traoré"),
            ("Grace", "Hakizimana"), ("Paul", "Sawadogo"), ("Fatou", "Diallo"), ("Désiré", "Nkurunziza"),
            ("Mariam", "Kaboré"), ("Joseph", "Bizimana"), ("Hélène", "Compaoré"), ("Samuel", "Ntahobari"),
        ],
        [
            ("Secrétariat général", "sante"), ("Direction du budget", "finances"), ("Cabinet", "sante"),
            ("Service informatique", "sante"), ("Bureau du courrier", "finances"), ("Province de Ngozi", "ngozi"),
            ("Direction des marchés", "finances"), ("Inspection générale", "sgg"), ("Planning Unit", "health"),
            ("Archives", "sgg"), ("Ressources humaines", "sante"), ("Procurement Office", "works"),
        ],
        strict=True,
    )
]  # fmt: skip
_OUTLOOK_STYLE = """\
<style><!--
/* Font Definitions */
@font-face
\t{font-family:"Cambria Math";
\tpanose-1:2 4 5 3 5 4 6 3 2 4;}
@font-face
\t{font-family:Calibri;
\tpanose-1:2 15 5 2 2 2 4 3 2 4;}
/* Style Definitions */
p.MsoNormal, li.MsoNormal, div.MsoNormal
\t{margin:0cm;
\tfont-size:11.0pt;
\tfont-family:"Calibri",sans-serif;
\tmso-fareast-language:EN-US;}
a:link, span.MsoHyperlink
\t{mso-style-priority:99;
\tcolor:#0563C1;
\ttext-decoration:underline;}
span.EmailStyle17
\t{mso-style-type:personal-compose;
\tfont-family:"Calibri",sans-serif;
\tcolor:windowtext;}
@page WordSection1
\t{size:612.0pt 792.0pt;
\tmargin:70.85pt 70.85pt 70.85pt 70.85pt;}
div.WordSection1
\t{page:WordSection1;}
--></style>""".replace("\n", "\r\n")


def letters(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """So many messages without attachments, always the same for one seed. About 5 kB each, CRLF line ends."""
    chance = random.Random(seed)
    earlier: list[_Letter] = []
    for number in range(count):
        letter = _Letter(chance, number, earlier)
        earlier = [*earlier[-40:], letter]
        yield letter.as_bytes()


def papers(count: int, *, seed: int = 1) -> Iterator[tuple[bytes, int]]:
    """The same, an office document of 8 to 60 kB with every tenth; each with the bytes of its base64, 0 for none."""
    chance = random.Random(seed + 1)
    for number, content in enumerate(letters(count, seed=seed)):
        document = base64.encodebytes(_document(chance)).replace(b"\n", b"\r\n") if number % 10 == 3 else b""
        yield (_with_document(content, document, number) if document else content), len(document)


class _Letter:
    def __init__(self, chance: random.Random, number: int, earlier: list[_Letter]) -> None:
        self.chance = chance
        self.language = chance.choice(("fr", "fr", "fr", "en"))
        self.answers = chance.choice(earlier) if earlier and chance.random() < 0.35 else None
        self.sender, self.recipient = chance.sample(_PEOPLE, 2)
        if self.answers is not None:
            self.language = self.answers.language
            self.sender, self.recipient = self.answers.recipient, self.answers.sender
        self.sent_at = _BEGAN + timedelta(minutes=7 * number, seconds=chance.randrange(60))
        self.is_outlook = _PEOPLE.index(self.sender) % 2 == 1
        self.id = f"{_hex(chance, 8)}-{_hex(chance, 4)}-{_hex(chance, 4)}-{_hex(chance, 12)}@{self.sender[3]}.gov.test"
        subject = self.answers.subject if self.answers else sentence(chance, self.language, chance.randint(3, 8))[:-1]
        self.subject = subject if not self.answers or subject.startswith("Re: ") else f"Re: {subject}"
        self.paragraphs = [
            " ".join(sentence(chance, self.language, chance.randint(6, 24)) for _ in range(chance.randint(1, 5)))
            for _ in range(chance.choice((1, 2, 2, 3, 3, 4, 6)))
        ]

    def as_bytes(self) -> bytes:
        head = "\r\n".join(self._header())
        if self.is_outlook or self.chance.random() < 0.4:
            boundary = f"_000_{_hex(self.chance, 32).upper()}_"
            content = (
                f'Content-Type: multipart/alternative;\r\n\tboundary="{boundary}"\r\nMIME-Version: 1.0\r\n\r\n'
                f"--{boundary}\r\n{_part('plain', self._text())}"
                f"\r\n--{boundary}\r\n{_part('html', self._html())}\r\n--{boundary}--\r\n"
            )
        else:
            content = "MIME-Version: 1.0\r\n" + _part("plain", self._text())
        return f"{head}\r\n{content}".encode()

    def _header(self) -> Iterator[str]:
        first, last, _, place = self.sender
        day = format_datetime(self.sent_at)
        host = f"mx{self.chance.randint(1, 3)}.{place}.gov.test"
        yield f"Received: from {host} ({host} [10.{self.chance.randint(0, 40)}.0.{self.chance.randint(2, 250)}])"
        yield f"\tby mail.gov.test (COMGOV) with ESMTPS id {_hex(self.chance, 16)}"
        yield f"\tfor <{_address(self.recipient)}>; {day}"
        if self.chance.random() < 0.2:
            yield f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={place}.gov.test; s=2026;"
            yield f"\th=From:To:Subject:Date:Message-ID; bh={_base64(self.chance, 32)};"
            yield from (f"\t{line}" for line in textwrap.wrap(f"b={_base64(self.chance, 256)}", 72))
        if not self.is_outlook:
            yield f"Message-ID: <{self.id}>"
            yield f"Date: {day}"
            yield "User-Agent: Mozilla Thunderbird"
        yield f"From: {_name(f'{first} {last}')} <{_address(self.sender)}>"
        yield f"To: {_name(' '.join(self.recipient[:2]))} <{_address(self.recipient)}>"
        yield f"Subject: {Header(self.subject, 'utf-8', maxlinelen=70).encode(linesep=chr(13) + chr(10))}"
        if self.is_outlook:
            yield f"Thread-Topic: {Header(self.subject, 'utf-8', maxlinelen=70).encode(linesep=chr(13) + chr(10))}"
            yield f"Thread-Index: {_base64(self.chance, 22)}"
            yield f"Date: {day}"
            yield f"Message-ID: <{self.id}>"
            yield "Accept-Language: fr-FR, en-US\r\nContent-Language: fr-FR"
            yield "X-MS-Has-Attach:\r\nX-MS-TNEF-Correlator:"
        if self.answers is not None:
            yield f"References: <{self.answers.id}>\r\nIn-Reply-To: <{self.answers.id}>"

    def _text(self) -> str:
        written = "\r\n\r\n".join("\r\n".join(textwrap.wrap(text, 76)) for text in self._said())
        return written + "\r\n" + (self._quoted(self.answers) if self.answers else "")

    def _said(self) -> Iterator[str]:
        yield "Bonjour," if self.language == "fr" else "Dear colleague,"
        yield from self.paragraphs
        yield "Cordialement," if self.language == "fr" else "Best regards,"
        yield f"{self.sender[0]} {self.sender[1]} – {self.sender[2]}"

    def _quoted(self, letter: _Letter) -> str:
        lines = [line for text in letter.paragraphs for line in ["", *textwrap.wrap(text, 74)]][1:]
        said = "\r\n".join(f"> {line}".rstrip() for line in lines)
        return (
            f"\r\nLe {letter.sent_at:%d/%m/%Y à %H:%M}, {letter.sender[0]} {letter.sender[1]} a écrit :\r\n{said}\r\n"
        )

    def _html(self) -> str:
        said = [*self._said(), *(self.answers.paragraphs if self.answers else ())]
        if not self.is_outlook:
            body = "\r\n".join(f"    <p>{text}</p>" for text in said)
            return (
                '<!DOCTYPE html>\r\n<html>\r\n  <head>\r\n    <meta http-equiv="content-type" '
                f'content="text/html; charset=UTF-8">\r\n  </head>\r\n  <body>\r\n{body}\r\n  </body>\r\n</html>\r\n'
            )
        body = "\r\n".join(f'<p class="MsoNormal"><span lang="FR">{text}<o:p></o:p></span></p>' for text in said)
        return (
            '<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">\r\n<head>'
            '\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
            f'<meta name="Generator" content="Microsoft Word 15 (filtered medium)">\r\n{_OUTLOOK_STYLE}\r\n</head>\r\n'
            f'<body lang="FR" link="#0563C1" vlink="#954F72">\r\n<div class="WordSection1">\r\n{body}\r\n</div>\r\n'
            "</body>\r\n</html>\r\n"
        )


def sentence(chance: random.Random, language: str, count: int) -> str:
    """So many words, a capital first and a full stop last."""
    common, rare = _words(language)
    found = [
        common[int(len(common) * chance.random() ** 2)]
        if chance.random() < 0.45
        else rare[int(len(rare) * chance.random() ** 3)]
        for _ in range(count)
    ]
    return f"{' '.join(found).capitalize()}."


@cache
def _words(language: str) -> tuple[list[str], list[str]]:
    """The common words, and six thousand others of one to three syllables."""
    chance = random.Random(language)
    beginnings, vowels, ends = (sounds.split() for sounds in _SYLLABLES[language])
    ends += [""] * len(ends)
    made = dict.fromkeys(
        "".join(
            chance.choice(beginnings) + chance.choice(vowels) + chance.choice(ends)
            for _ in range(chance.choice((1, 2, 2, 2, 3)))
        )
        for _ in range(9000)
    )
    return _COMMON[language].split(), list(made)[:6000]


def _part(subtype: str, text: str) -> str:
    encoded = quopri.encodestring(text.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n").decode("ascii")
    return (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}'
    )


def _name(name: str) -> str:
    return name if name.isascii() else Header(name, "utf-8").encode()


def _address(person: tuple[str, str, str, str]) -> str:
    plain = str.maketrans("éèêëÉàîôç", "eeeeeaioc")
    return f"{person[0]}.{person[1]}@{person[3]}.gov.test".translate(plain).lower()


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _base64(chance: random.Random, size_bytes: int) -> str:
    return base64.b64encode(chance.randbytes(size_bytes)).decode("ascii")


def _document(chance: random.Random) -> bytes:
    """An archive like a word processor's: text that is deflated already, and a picture that no more is taken from."""
    spooled = io.BytesIO()
    with zipfile.ZipFile(spooled, "w", zipfile.ZIP_DEFLATED) as archive:
        text = " ".join(sentence(chance, "fr", 15) for _ in range(chance.randint(50, 600)))
        archive.writestr("word/document.xml", f"<w:document><w:t>{text}</w:t></w:document>")
        archive.writestr("word/media/image1.jpeg", chance.randbytes(chance.randint(4_000, 40_000)))
    return spooled.getvalue()


def _with_document(content: bytes, document: bytes, number: int) -> bytes:
    header, _, body = content.partition(b"MIME-Version: 1.0\r\n")
    kept, _, about = header.rpartition(b"Content-Type: multipart/alternative;")
    alternative = (
        b"Content-Type: multipart/alternative;" + about + b"\r\n" + body.removeprefix(b"\r\n") if kept else body
    )
    boundary = b"------------%032x" % number
    return b"".join(
        [
            kept or header,
            b'Content-Type: multipart/mixed; boundary="%b"\r\nMIME-Version: 1.0\r\n\r\n' % boundary,
            b"--%b\r\n%b\r\n--%b\r\n" % (boundary, alternative, boundary),
            b"Content-Type: application/vnd.openxmlformats-officedocument.wordprocessingml.document;\r\n",
            b'\tname="note.docx"\r\n',
            b'Content-Disposition: attachment; filename="note.docx"\r\nContent-Transfer-Encoding: base64\r\n\r\n',
            b"%b\r\n--%b--\r\n" % (document, boundary),
        ]
    )

"""Mails that others wrote to try their programs: of Python's tests, of installed packages; and some composed here."""

from __future__ import annotations

import re
import sysconfig
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path

_SUFFIXES = {".eml", ".msg", ".mbox", ".mail", ".txt"}
_HEADER = re.compile(rb"(?:From [^\r\n]*\r?\n)?(?:[!-9;-~]+:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n){2,}", re.ASCII)
_TELLING = re.compile(
    rb"^(?:From|Subject|Message-ID|MIME-Version|Content-Type|Received):", re.IGNORECASE | re.MULTILINE
)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LIMIT_BYTES = 1 << 20


@cache
def found() -> dict[str, bytes]:
    """By name: what is found in the standard library and in the packages beside it, with CRLF at the ends of lines."""
    places = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}
    mails = composed()
    for place in sorted(places):
        for path in sorted(Path(place).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size <= _LIMIT_BYTES:
                content = path.read_bytes()
                header = _HEADER.match(content)
                if header and _TELLING.search(header[0]) and b"\0" not in content:
                    mails[f"{path.parent.name}/{path.name}"] = _LINE_END.sub(b"\r\n", content)
    return mails


def composed() -> dict[str, bytes]:
    """Mails of every structure: one part, parts within parts, a mail within a mail, a digest, words in many codings."""
    plain = EmailMessage(policy=SMTP)
    plain["From"], plain["To"] = "Claire Nshimirimana <claire@sante.gov.test>", "Équipe: eric@finances.gov.test, a@b;"
    plain["Subject"] = "Décision n° 12 du Conseil des ministres, avec un objet qui est si long qu'il est plié en deux"
    plain.set_content("Bonjour,\r\n--\r\nÀ demain.\r\n" * 20)
    mixed = EmailMessage(policy=SMTP)
    mixed["From"], mixed["Subject"] = "a@b.test", "mixed"
    mixed.set_content("texte")
    mixed.add_alternative("<p>texte <b>gras</b></p>", subtype="html")
    mixed.add_attachment(bytes(range(256)) * 40, maintype="image", subtype="png", filename="tableau été.png")
    mixed.add_attachment(plain)
    digest = (
        b'From: a@b.test\r\nContent-Type: multipart/digest; boundary="d d"\r\n\r\npreamble\r\n'
        b"--d d\r\n\r\nSubject: one\r\n\r\n1\r\n"
        b'--d d\r\nContent-Type: text/plain; charset="x\\"y"\r\n\r\n2\r\n--d d--\r\nend\r\n'
    )
    return {
        "composed/plain": plain.as_bytes(),
        "composed/mixed": mixed.as_bytes(),
        "composed/digest": digest,
        "composed/nothing": b"",
        "composed/no header": b"\r\nbody\r\n",
        "composed/no body": b"Subject: x\r\n",
    }

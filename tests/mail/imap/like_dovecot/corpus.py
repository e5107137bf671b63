"""Messages, well-formed and broken, on which two servers may disagree. Lines end in CRLF; there is no NUL."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def _message(text: str | bytes) -> bytes:
    """Its lines with CRLF ends; bytes beyond ASCII as they stand, text in UTF-8."""
    raw = text.encode() if isinstance(text, str) else text
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


_FROM = "From: Claire N. <claire@sante.gov.test>\nTo: jean@example.test\nDate: Mon, 23 Nov 2026 09:30:00 +0100\n"

HEADERS = {
    "plain": _FROM + "Subject: Hello\nMessage-ID: <1@sante.gov.test>\n\nOne line.\n",
    "no header": "\nOnly a body.\n",
    "no body": "Subject: nothing follows\n",
    "no body, no end": "Subject: not even a line end",
    "header and empty line": "Subject: nothing follows\n\n",
    "empty line": "\n",
    "two empty lines": "\n\n",
    "no colon": "Subject: one\nthis line is no field\nTo: a@b.test\n\nBody\n",
    "no colon first": "this line is no field\nSubject: one\n\nBody\n",
    "body without empty line": "Just a text,\nof two lines.\n",
    "space before colon": "Subject : one\nTo\t: a@b.test\n\nBody\n",
    "space first": " folded before anything\nSubject: one\n\nBody\n",
    "folded": "Subject: one\n two\n\tthree\nTo: a@b.test,\n c@d.test\n\nBody\n",
    "folded wide": "Subject: one\n    two \t\n \t three  \n\nBody\n",
    "folded empty": "Subject:\n one\nTo:\n a@b.test\n\nBody\n",
    "folded blank": "Subject: one\n \n two\n\nBody\n",
    "trailing blanks": "Subject: one  \nTo: a@b.test \t\n\nBody\n",
    "empty fields": "Subject:\nFrom:\nTo: \nDate:\nMessage-ID:\nIn-Reply-To:\nCc:\nSender:\nReply-To:\n\nBody\n",
    "missing From": "To: a@b.test\nSubject: nobody\n\nBody\n",
    "Sender and Reply-To": _FROM + "Sender: s@b.test\nReply-To: r@b.test, q@b.test\nBcc: x@y.test\n\nBody\n",
    "Sender alone": "Sender: s@b.test\nReply-To: r@b.test\n\nBody\n",
    "all dates": _FROM + "In-Reply-To: <a@b> <c@d>\nReferences: <e@f>\nMessage-ID: <g@h> (comment)\n\nBody\n",
    "doubled": "Subject: one\nSubject: two\nFrom: a@b.test\nFrom: c@d.test\nTo: e@f.test\nTo: g@h.test\n"
    "Message-ID: <1@a>\nMessage-ID: <2@b>\nDate: Mon, 23 Nov 2026 09:30:00 +0100\nDate: x\n\nBody\n",
    "doubled, first empty": "Subject:\nSubject: two\nTo:\nTo: g@h.test\n\nBody\n",
    "encoded words": "Subject: =?UTF-8?Q?D=C3=A9cision?= =?utf-8?b?w6l0w6k=?=\n"
    "From: =?iso-8859-1?Q?Andr=E9?= <a@b.test>\nTo: =?UTF-8?Q?a=2C_b?= <c@d.test>\n\nBody\n",
    "8-bit": b"Subject: D\xe9cision\nFrom: Andr\xe9 <a@b.test>\nTo: \xe9@\xe8.test\n\nBody \xe9\n",
    "UTF-8": "Subject: Décision № 7\nFrom: Renée <renée@santé.test>\nTo: élu@b.test\n\nCorps\n",
    "quotes": 'Subject: say "hello" \\ and {3}\nFrom: "A \\"B\\" C" <a@b.test>\nTo: "\\\\" <c@d.test>\n\nBody\n',
    "odd bytes": b"Subject: a\x01b\x7fc\x0bd\te\nFrom: a\x02 <b@c.test>\n\nBody\n",
    "long line": "Subject: " + "word " * 300 + "\nTo: " + ", ".join(f"a{n}@b.test" for n in range(120)) + "\n\nBody\n",
    "very long word": "Subject: " + "x" * 12000 + "\n\nBody\n",
    "long folded": "Subject: " + "\n ".join(["word"] * 1000) + "\n\nBody\n",
    "BOM": "\ufeffSubject: after a mark\nTo: a@b.test\n\nBody\n",
    "mbox From": "From claire Mon Nov 23 09:30:00 2026\nSubject: one\n\nBody\n",
    "body with odd lines": "Subject: x\n\n.\n..\n \n\t\n" + "y" * 3000 + "\nlast without end",
    "many fields": "".join(f"X-Field-{n}: {n}\n" for n in range(300)) + "\nBody\n",
    "case of names": "SUBJECT: one\nfrom: a@b.test\ntO: c@d.test\nMESSAGE-id: <1@a>\n\nBody\n",
    "comments": "Subject: (kept) text\nMessage-ID: (c) <1@a> (d)\nDate: Mon, 23 Nov 2026 09:30 +0100 (CET)\n\nBody\n",
}

ADDRESSES = {
    "bare": "From: a@b.test\n\n",
    "angle only": "From: <a@b.test>\n\n",
    "name": "From: Claire N. <a@b.test>\n\n",
    "quoted name": 'From: "N., Claire" <a@b.test>\n\n',
    "quoted and atoms": 'From: Dr "Claire" N <a@b.test>\n\n',
    "comment as name": "From: a@b.test (Claire N.)\n\n",
    "comment and name": "From: Claire <a@b.test> (work)\n\n",
    "comment within": "From: Cl(x)aire (y) <a(z)@b.test>\n\n",
    "nested comment": "From: a@b.test (one (two) three)\n\n",
    "open comment": "From: a@b.test (one\n\n",
    "escaped comment": "From: a@b.test (one \\) two)\n\n",
    "bare comment": "From: (nobody)\n\n",
    "no address": "From: Claire\n\n",
    "no address, two words": "From: Claire Ndiaye\n\n",
    "no host": "From: claire@\n\n",
    "no local": "From: @b.test\n\n",
    "empty angle": "From: <>\n\n",
    "name and empty angle": "From: Claire <>\n\n",
    "angle without host": "From: Claire <claire>\n\n",
    "open angle": "From: Claire <a@b.test\n\n",
    "open quote": 'From: "Claire <a@b.test>\n\n',
    "two angles": "From: Claire <a@b.test> <c@d.test>\n\n",
    "text after angle": "From: Claire <a@b.test> x, d@e.test\n\n",
    "route": "From: Claire <@r.test,@s.test:a@b.test>\n\n",
    "route alone": "From: <@r.test:a@b.test>\n\n",
    "group": "To: Friends: a@b.test, C <c@d.test>;\n\n",
    "empty group": "To: undisclosed-recipients:;\n\n",
    "open group": "To: Friends: a@b.test, c@d.test\n\n",
    "group and more": "To: x@y.test, G: a@b.test;, z@y.test\n\n",
    "group without comma": "To: G: a@b.test; z@y.test\n\n",
    "two groups": "To: G: a@b.test; H: c@d.test;\n\n",
    "quoted group": 'To: "A, B": c@d.test;\n\n',
    "empty between commas": "To: a@b.test,,c@d.test, ,\n\n",
    "only commas": "To: ,,,\n\n",
    "semicolons": "To: a@b.test; c@d.test\n\n",
    "quoted local": 'To: "a b"@c.test, "a\\"b"@c.test, "plain"@c.test\n\n',
    "domain literal": "To: a@[192.0.2.1], b@[IPv6:::1]\n\n",
    "spaces around at": "To: a @ b . test, c.d @e.test\n\n",
    "dots": "To: .a@b.test, a..b@c.test, a.@b.test, a@.test, a@b.test.\n\n",
    "two ats": "To: a@b@c.test, X <a@b@c.test>\n\n",
    "name with at": "To: a@b.test <c@d.test>\n\n",
    "name with dots": "To: J. R. R. T. <a@b.test>, J.R <c@d.test>\n\n",
    "name with brackets": "To: [x] <a@b.test>\n\n",
    "encoded name, quoted": 'To: "=?UTF-8?Q?=C3=A9?=" <a@b.test>\n\n',
    "encoded name": "To: =?UTF-8?Q?Ren=C3=A9e?= =?UTF-8?Q?_N?= <a@b.test>\n\n",
    "folded": 'To: Claire\n N. <a@b.test>,\n\t"x\n y" <c@d.test>\n\n',
    "backslash": "To: a\\b@c.test, d\\ <e@f.test>\n\n",
    "eight bits": "To: Renée <a@b.test>, «x» <c@d.test>\n\n",
    "percent and bang": "To: a%b@c.test, a!b@c.test, <a!b>\n\n",
    "slash": "To: /C=FR/O=x/@gw.test\n\n",
    "empty quoted name": 'To: "" <a@b.test>\n\n',
    "blank quoted name": 'To: " " <a@b.test>\n\n',
    "colon in name": "To: a:b <c@d.test>\n\n",
    "junk": "To: <<>>, ()(), @@, ::;;\n\n",
    "mailto": "To: <mailto:a@b.test>\n\n",
    "many": "To: " + ",\n ".join(f"Name {n} <n{n}@b.test>" for n in range(150)) + "\n\n",
}

_MIME = "MIME-Version: 1.0\n"
_TWO = "--b\nContent-Type: text/plain\n\none\n--b\nContent-Type: text/html\n\n<p>two\n--b--\n"


def _multipart(body: str, content_type: str = 'multipart/mixed; boundary="b"') -> str:
    return f"{_MIME}Subject: parts\nContent-Type: {content_type}\n\n{body}"


def _single(*fields: str, body: str = "text\n") -> str:
    return _MIME + "".join(f"{field}\n" for field in fields) + "\n" + body


_RICH = (
    'Content-Type: application/pdf; name="a b.pdf"; x=y\nContent-Transfer-Encoding: base64\n'
    'Content-Disposition: attachment; filename="a b.pdf"; size=3\nContent-ID: <1@a>\nContent-Description: A paper\n'
    "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\nContent-Language: fr, en\nContent-Location: http://a.test/b\n\nAAAA\n"
)
_INNER = "From: in@b.test\nSubject: within\nContent-Type: text/plain; charset=utf-8\n\nwithin\n"

STRUCTURES = {
    "two parts": _multipart(_TWO),
    "preamble and epilogue": _multipart("before\n" + _TWO + "after\n\n"),
    "rich part": _multipart(f"--b\n{_RICH}--b--\n"),
    "no last boundary": _multipart("--b\n\none\n--b\n\ntwo\n"),
    "no boundary line": _multipart("nothing of the kind\n"),
    "empty multipart": _multipart(""),
    "only the last boundary": _multipart("--b--\n"),
    "no boundary parameter": _multipart(_TWO, "multipart/mixed"),
    "empty boundary": _multipart("--\n\none\n----\n", 'multipart/mixed; boundary=""'),
    "boundary with blanks": _multipart("--b  \n\none\n--b-- \t\nafter\n"),
    "boundary as prefix": _multipart("--bc\n\none\n--b\n\ntwo\n--b--c\nthree\n--b--\n"),
    "boundary ends in dashes": _multipart("--b--\n\none\n--b----\n", 'multipart/mixed; boundary="b--"'),
    "unquoted boundary": _multipart("--=_b:1\n\none\n--=_b:1--\n", "multipart/mixed; boundary==_b:1"),
    "long boundary": _multipart(
        "--" + "b" * 90 + "\n\none\n--" + "b" * 90 + "--\n", f"multipart/mixed; boundary={'b' * 90}"
    ),
    "boundary case": _multipart("--B\n\none\n--b\n\ntwo\n--b--\n"),
    "empty part": _multipart("--b\n--b\n\n--b\n\n\n--b\nContent-Type: text/html\n--b--\n"),
    "part without empty line": _multipart("--b\nContent-Type: text/html\nno header line\n--b--\n"),
    "part without header": _multipart("--b\n\none\n--b--\n"),
    "no line end at the end": _multipart("--b\n\none\n--b--").rstrip("\n"),
    "cut in header": _multipart("--b\nContent-Type: text/html").rstrip("\n"),
    "cut after boundary": _multipart("--b\n\none\n--b").rstrip("\n"),
    "nested": _multipart(
        "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c\nContent-Type: text/html\n\ntwo\n"
        "--c--\nepilogue\n--b\n\nthree\n--b--\n"
    ),
    "nested, inner not closed": _multipart(
        "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b\n\nthree\n--b--\n"
    ),
    "nested, same boundary": _multipart(
        "--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b--\n--b\n\nthree\n--b--\n"
    ),
    "nested, prefix boundary": _multipart(
        "--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n--b\n\nthree\n--b--\n"
    ),
    "nested, outer ends within": _multipart(
        "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b--\n--c\n\ntwo\n--c--\n"
    ),
    "nested deep": _multipart(
        "".join(
            f"--{'b' if n == 0 else f'b{n}'}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(20)
        )
        + "--b20\n\ndeep\n"
    ),
    "digest": _multipart(
        f"--b\n\n{_INNER}--b\nContent-Type: text/plain\n\ntwo\n--b--\n", "multipart/digest; boundary=b"
    ),
    "related": _multipart(_TWO, 'multipart/related; boundary=b; type="text/html"; start="<1@a>"'),
    "signed": _multipart(_TWO, 'multipart/signed; protocol="a/b"; micalg=sha-256; boundary=b'),
    "report": _multipart(_TWO, "multipart/report; report-type=delivery-status; boundary=b"),
    "message": _multipart(f"--b\nContent-Type: message/rfc822\n\n{_INNER}--b--\n"),
    "message with fields": _multipart(
        f"--b\nContent-Type: message/rfc822; name=x.eml\nContent-Disposition: attachment; filename=x.eml\n"
        f"Content-Description: a mail\nContent-ID: <m@a>\n\n{_INNER}--b--\n"
    ),
    "message of parts": _multipart(
        f"--b\nContent-Type: message/rfc822\n\n{_MIME}Subject: in\nContent-Type: multipart/mixed; boundary=c\n\n"
        "--c\n\none\n--c\nContent-Type: image/gif\n\ntwo\n--c--\n--b\n\nthree\n--b--\n"
    ),
    "message in message": _multipart(
        f"--b\nContent-Type: message/rfc822\n\nSubject: a\nContent-Type: message/rfc822\n\n{_INNER}--b--\n"
    ),
    "message is all": _single("Content-Type: message/rfc822", "Subject: out", body=_INNER),
    "message is all, of parts": _single(
        "Content-Type: message/rfc822",
        body=_multipart("--b\n\none\n--b\nContent-Type: message/rfc822\n\n" + _INNER + "--b--\n"),
    ),
    "message is all, empty": _single("Content-Type: message/rfc822", body=""),
    "message without header": _multipart("--b\nContent-Type: message/rfc822\n\n\nbody only\n--b--\n"),
    "message without body": _multipart("--b\nContent-Type: message/rfc822\n\nSubject: header only\n--b--\n"),
    "message empty": _multipart("--b\nContent-Type: message/rfc822\n\n--b--\n"),
    "message in base64": _multipart(
        "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQp5DQo=\n--b--\n"
    ),
    "message in quoted-printable": _multipart(
        "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: Quoted-Printable\n\n"
        "Subject: =C3=A9\n\ny\n--b--\n"
    ),
    "message global": _multipart(f"--b\nContent-Type: message/global\n\n{_INNER}--b--\n"),
    "message partial": _single("Content-Type: message/partial; id=a; number=1; total=2"),
    "message external": _single("Content-Type: message/external-body; access-type=local-file; name=x", body=_INNER),
    "delivery status": _multipart(
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nAction: x\n--b--\n"
    ),
    "multipart in base64": _single(
        "Content-Type: multipart/mixed; boundary=b", "Content-Transfer-Encoding: base64", body=_TWO
    ),
    "multipart, subtype missing": _multipart(_TWO, "multipart; boundary=b"),
    "multipart, odd subtype": _multipart(_TWO, "multipart/x-odd; boundary=b"),
    "multipart with fields": _MIME
    + "Content-Type: multipart/mixed; boundary=b\nContent-Disposition: inline; x=y\nContent-Language: fr\n"
    + "Content-Location: here\nContent-MD5: x\nContent-ID: <1@a>\nContent-Description: d\n\n"
    + _TWO,
    "no MIME-Version": f"Content-Type: multipart/mixed; boundary=b\n\n{_TWO}",
    "no MIME-Version, single": "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\nAAAA\n",
    "many parts": _multipart("".join(f"--b\n\npart {n}\n" for n in range(60)) + "--b--\n"),
    "doubled Content-Type": _MIME + "Content-Type: text/html\nContent-Type: multipart/mixed; boundary=b\n\n" + _TWO,
    "boundary in header": _MIME + "Content-Type: multipart/mixed; boundary=b\n--b\n\n" + _TWO,
    "lines of dashes": _multipart("--\n--x\n" + _TWO + "--\n-- \n"),
}

FIELDS = {
    "type alone": _single("Content-Type: text"),
    "type empty": _single("Content-Type:"),
    "type slash": _single("Content-Type: /"),
    "subtype missing": _single("Content-Type: text/"),
    "type missing": _single("Content-Type: /plain"),
    "type with blanks": _single("Content-Type: text / plain ; charset = utf-8"),
    "type with comment": _single("Content-Type: text/plain (a) ; (b) charset=utf-8 (c)"),
    "type in capitals": _single("Content-Type: TEXT/HTML; CHARSET=UTF-8", "Content-Transfer-Encoding: BASE64"),
    "type odd": _single("Content-Type: a b/c d; x=y"),
    "type three": _single("Content-Type: a/b/c"),
    "type quoted": _single('Content-Type: "text"/"html"'),
    "type unknown": _single("Content-Type: x-odd/x-strange; a=b"),
    "type and no semicolon": _single("Content-Type: text/plain charset=utf-8"),
    "type, semicolon only": _single("Content-Type: text/plain;"),
    "type, semicolons": _single("Content-Type: text/plain;; ; charset=utf-8;"),
    "type, comma": _single("Content-Type: text/plain, charset=utf-8"),
    "type in eight bits": _single("Content-Type: text/plàin; charset=utf-8"),
    "parameter without value": _single("Content-Type: text/plain; charset"),
    "parameter with empty value": _single("Content-Type: text/plain; charset=; format=flowed"),
    "parameter quoted empty": _single('Content-Type: text/plain; charset=""'),
    "parameter escapes": _single('Content-Type: text/plain; name="a\\"b\\\\c;d"'),
    "parameter open quote": _single('Content-Type: text/plain; name="abc; charset=utf-8'),
    "parameter doubled": _single("Content-Type: text/plain; charset=a; charset=b"),
    "parameter specials": _single("Content-Type: text/plain; name=a@b:c[d]?e=f/g"),
    "parameter with blanks": _single("Content-Type: text/plain; name=a b c; charset=utf-8"),
    "parameter 8-bit": _single('Content-Type: text/plain; name="été.txt"'),
    "parameter encoded word": _single('Content-Type: text/plain; name="=?UTF-8?Q?=C3=A9?="'),
    "parameter encoded word, bare": _single("Content-Type: text/plain; name==?UTF-8?Q?=C3=A9?="),
    "parameter case": _single("Content-Type: text/plain; ChArSeT=Utf-8"),
    "parameters folded": _single('Content-Type: text/plain;\n charset=utf-8;\n\tname="a\n b"'),
    "parameters many": _single("Content-Type: text/plain" + "".join(f"; p{n}={n}" for n in range(60))),
    "RFC 2231": _single("Content-Type: text/plain; name*=utf-8''%C3%A9t%C3%A9"),
    "RFC 2231 continued": _single('Content-Type: text/plain; name*0="ab"; name*1="cd"; name*2=ef'),
    "RFC 2231 both": _single("Content-Type: text/plain; name*0*=utf-8''%C3%A9; name*1*=t%C3%A9; name*2=.txt"),
    "RFC 2231 out of order": _single("Content-Type: text/plain; name*1=b; name*0=a; charset=utf-8"),
    "RFC 2231 with gap": _single("Content-Type: text/plain; name*0=a; name*2=c"),
    "RFC 2231 from 1": _single("Content-Type: text/plain; name*1=a; name*2=c"),
    "RFC 2231 and plain": _single("Content-Type: text/plain; name=old; name*=utf-8''new"),
    "RFC 2231 no charset": _single("Content-Type: text/plain; name*=%C3%A9"),
    "RFC 2231 disposition": _single("Content-Disposition: attachment; filename*0*=utf-8'fr'%C3%A9; filename*1=t"),
    "encoding odd": _single("Content-Transfer-Encoding: x-odd"),
    "encoding with comment": _single("Content-Transfer-Encoding: base64 (really)", body="AAAA\n"),
    "encoding with parameter": _single("Content-Transfer-Encoding: quoted-printable; x=y"),
    "encoding empty": _single("Content-Transfer-Encoding:"),
    "encoding quoted": _single('Content-Transfer-Encoding: "base64"'),
    "encoding doubled": _single("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: 7bit"),
    "disposition alone": _single("Content-Disposition: attachment"),
    "disposition empty": _single("Content-Disposition:"),
    "disposition odd": _single("Content-Disposition: x-odd; a=b; filename"),
    "disposition without type": _single("Content-Disposition: filename=x.txt"),
    "disposition, only parameters": _single("Content-Disposition: ; filename=x.txt"),
    "disposition in capitals": _single("Content-Disposition: ATTACHMENT; FILENAME=X.TXT"),
    "language one": _single("Content-Language: fr"),
    "language list": _single("Content-Language: fr, en-GB ,de"),
    "language with comment": _single("Content-Language: fr (French), en"),
    "language empty": _single("Content-Language:"),
    "language odd": _single("Content-Language: ,;fr"),
    "id, description, MD5": _single(
        "Content-ID: <a@b> (c)", "Content-Description:  two  words ", "Content-MD5: abc def"
    ),
    "description encoded": _single("Content-Description: =?UTF-8?Q?=C3=A9?=\n =?UTF-8?Q?t?="),
    "description 8-bit": _single("Content-Description: été"),
    "empty id and others": _single("Content-ID:", "Content-Description:", "Content-MD5:", "Content-Location:"),
    "location folded": _single("Content-Location: http://a.test/\n b/c"),
    "location with blanks": _single("Content-Location: a b  c"),
}

BODIES = {
    "base64": _single("Content-Transfer-Encoding: base64", body="w6l0w6kNCg0K\nAAECAwQ=\n"),
    "base64 broken": _single("Content-Transfer-Encoding: base64", body="w6l0!w6k=\nAAA\n"),
    "base64 padded within": _single("Content-Transfer-Encoding: base64", body="QQ==QUI=QUJD\n"),
    "base64 blanks": _single("Content-Transfer-Encoding: base64", body=" Q U J D \n\n\nRA==\n"),
    "base64 short": _single("Content-Transfer-Encoding: base64", body="QUJDR\n"),
    "quoted-printable": _single("Content-Transfer-Encoding: quoted-printable", body="a=C3=A9=\nb =20\nc  \nd=3D\n"),
    "quoted-printable broken": _single("Content-Transfer-Encoding: quoted-printable", body="a=ZZ b=4\nc==\nd=e9=\n"),
    "quoted-printable end": _single("Content-Transfer-Encoding: quoted-printable", body="abc="),
    "8bit": _single("Content-Transfer-Encoding: 8bit", body="été\n"),
    "binary": _single("Content-Transfer-Encoding: binary", body="été\n"),
    "uuencode": _single("Content-Transfer-Encoding: x-uuencode", body="begin 644 a\n#0V%T\n`\nend\n"),
    "parts in base64": _multipart(
        "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nQUJDRA==\n--b\nContent-Type: image/gif\n"
        "Content-Transfer-Encoding: base64\n\nAAECAwQF\n--b\nContent-Type: message/rfc822\n\n" + _INNER + "--b--\n"
    ),
    "large": _single("Content-Type: text/plain", body="".join(f"line {n}\n" for n in range(4000))),
}


def python_mails() -> dict[str, str | bytes]:
    """Python's own test data, where it is installed."""
    found = importlib.util.find_spec("test.test_email") if importlib.util.find_spec("test") else None
    if found is None or found.origin is None:
        return {}
    folder = Path(found.origin).parent / "data"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("msg_*.txt"))}


GROUPS: dict[str, dict[str, bytes]] = {
    group: {name: _message(text) for name, text in messages.items()}
    for group, messages in {
        "headers": HEADERS,
        "addresses": ADDRESSES,
        "structures": STRUCTURES,
        "fields": FIELDS,
        "bodies": BODIES,
        "python": python_mails(),
    }.items()
}

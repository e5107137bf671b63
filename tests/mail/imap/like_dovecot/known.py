"""The differences from Dovecot that are meant: by reason (mail/imap/README.md tells of each), where they occur.

A place is `group: message: item`, as a regular expression.
"""

from __future__ import annotations


def _messages(group: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{group}: {name}: .*" for name in names)


IN_MESSAGES: dict[str, tuple[str, ...]] = {
    "faults in addresses": _messages(
        *("addresses", "open comment", "open angle", "open quote", "text after angle", "group without comma"),
        *("two groups", "semicolons", "dots", "two ats", "name with at", "name with brackets", "backslash", "junk"),
        *("mailto", "blank quoted name"),
    )
    + _messages("headers", "odd bytes"),
    "empty elements of lists": _messages("addresses", "empty between commas", "only commas"),
    "no empty line that is not there": (
        *(f"headers: {name}: BODY.HEADER.FIELDS .*" for name in ("no body", "no body, no end")),
        "headers: body without empty line: BODY.HEADER.FIELDS .*",
        "python: msg_35.txt: BODY.HEADER.FIELDS .*",
        "structures: message (empty|without body): BODY.1.HEADER.FIELDS .*",
    ),
    "a content type that is none": _messages("structures", "multipart, subtype missing")
    + _messages("fields", "type (alone|empty|slash|missing|odd|three|quoted|and no semicolon)", "type, comma")
    + _messages("fields", "subtype missing")
    + _messages("python", "msg_14.txt"),
    "lenient with fields": _messages(
        *("fields", "parameter open quote", "parameter specials", "encoding with parameter", "language odd")
    ),
    "blanks at the end of a field": _messages("fields", "id, description, MD5"),
    "a multipart without parts": _messages(
        *("structures", "no boundary line", "empty multipart", "only the last boundary", "no boundary parameter"),
        "empty boundary",
    )
    + _messages("python", *(f"msg_{number}.txt" for number in (17, 25, 31, 41, 42))),
    "boundaries of any length, and encoded ones": _messages("structures", "long boundary")
    + _messages("python", "msg_33.txt"),
    "the line end before a boundary": _messages(
        *("structures", "nested, same boundary", "nested, prefix boundary", "message of parts", "message without body")
    )
    + _messages("python", "msg_38.txt"),
    "encoded messages within": _messages("structures", "message in base64", "message in quoted-printable"),
    "message/global": _messages("structures", "message global"),
    "message/rfc822 as written": _messages("python", "msg_16.txt"),
    "broken encodings": (
        *_messages("bodies", "base64 broken", "base64 padded within", "base64 short"),
        *_messages("bodies", "quoted-printable broken", "quoted-printable end"),
        "python: msg_(15|39).txt: BINARY.*",
    ),
    "BINARY of what is no leaf": ("python: msg_13.txt: BINARY.*",),
}

IN_CONVERSATIONS: dict[str, dict[str, str]] = {}

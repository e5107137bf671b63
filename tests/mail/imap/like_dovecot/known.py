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
        *("mailto", "blank quoted name", "two angles"),
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

IN_CONVERSATIONS: dict[str, dict[str, str]] = {
    "select": {
        "12: STORE 1 +FLAGS (\\Deleted)": "EXAMINE refuses changes",
        "13: EXPUNGE": "EXAMINE refuses changes",
    },
    "store": {
        "7: STORE 1 +FLAGS (\\Deleted $Junk)": "permanent flags are told once",
        "15: UID STORE 2 +FLAGS (keyword)": "permanent flags are told once",
        "18: STORE 1 +FLAGS (\\Recent)": "lenient with commands",
        "24: STORE 1 +FLAGS": "strict about syntax",
    },
    "expunge": {"16: SELECT INBOX": "keywords in use"},
    "fetch": {
        "19: FETCH 1 BODY[1]<0>": "strict about syntax",
        "20: FETCH 1 BODY[0]": "strict about syntax",
        '37: FETCH 1 BODY.PEEK[HEADER.FIELDS ("Subject" from)]': "field names without quotes",
    },
    "search": {
        "24: SEARCH SENTBEFORE 4-Nov-2025": "a message without Date",
        "42: SEARCH CHARSET X-UNKNOWN SUBJECT one": "the charsets that are known",
        "60: SEARCH ON 99-Nov-2025": "strict about syntax",
    },
    "list": {
        '17: LIST "" ("a/%" "INBOX") RETURN (SUBSCRIBED)': "what is made is subscribed",
        '19: LIST (SUBSCRIBED) "" *': "what is made is subscribed",
        '29: LSUB "" *': "what is made is subscribed",
        '31: LSUB "" a/%': "what is made is subscribed",
        '33: LSUB "" a/*': "what is made is subscribed",
    },
    "mailboxes": {
        "4: CREATE INBOX": "strict about names",
        '6: CREATE ""': "strict about syntax",
        '12: CREATE "&bad"': "strict about syntax",
        "16: DELETE two": "a name above others",
        '20: LIST "" two*': "a name above others",
    },
    "rename": {
        '17: LIST "" *': "no Marked",
        '22: LIST "" *': "no Marked",
    },
    "odd renames": {
        "5: RENAME c a": "a name above others",
        "6: RENAME a INBOX": "strict about names",
        "7: RENAME Trash other": "standard mailboxes",
        "8: RENAME a/b a": "a name above others",
        "9: RENAME a//x y": "strict about names",
        '11: LIST "" *': "a name above others",
    },
    "two clients": {
        "12: FETCH 1:* UID": "flags of what is gone",
    },
    "modseq": {"17: SELECT INBOX (ODD)": "strict about syntax"},
    "errors": {
        "6: SELECT a b": "strict about syntax",
        "9: NOOP x": "strict about syntax",
        "10: ENABLE": "strict about syntax",
        "11: ENABLE ODD": "ENABLED is always told",
        "12: ENABLE CONDSTORE CONDSTORE": "ENABLED is always told",
        "13: NAMESPACE x": "strict about syntax",
        "14: ID": "strict about syntax",
        "15: ID NIL": "another name",
        "16: COMPRESS ODD": "strict about syntax",
    },
}

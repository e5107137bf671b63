"""What a reply says, whichever way a server writes it, so that two servers' replies can be compared.

What RFC 9051 leaves free is made alike, and nothing else: quoted strings, literals and names without quotes, the order
of the items of a FETCH reply, of flags and of replies of different kinds, the words after a response code, a blank for
a day's first digit, and numbers that a server chooses (UIDVALIDITY, MODSEQ, ids), which become their place among those
it chose. What only one of the two has is left out: MAILBOXID and HIGHESTMODSEQ unasked for (ours), CLIENTBUG (theirs),
and RECENT other than of SELECT, which both may tell when they like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | list[Value]"

_TOKEN = re.compile(
    rb'(?P<quoted>"(?:[^"\\]|\\.)*")|~?\{(?P<size>\d+)\}\r\n|(?P<open>\()|(?P<close>\))|(?P<space> +)'
    rb"|(?P<atom>(?:[^ ()\[\]\"{]|\[[^\]]*\])+)",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: \[([^\]]*)\])?", re.IGNORECASE)
_SETS = ("FLAGS", "PERMANENTFLAGS")
_LEFT_OUT = ("MAILBOXID", "HIGHESTMODSEQ", "CLIENTBUG")


def values(text: bytes) -> list[Value]:
    """Atoms as they are, strings in double quotes, lists as lists. AssertionError for what is none of these."""
    stack: list[list[Value]] = [[]]
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None, f"no value at byte {at} of {text!r}"
        at = token.end()
        if token["open"]:
            stack.append([])
        elif token["close"]:
            done = stack.pop()
            stack[-1].append(done)
        elif token["quoted"]:
            stack[-1].append(_string(_ESCAPE.sub(rb"\1", token["quoted"][1:-1])))
        elif token["size"]:
            stack[-1].append(_string(text[at : at + int(token["size"])]))
            at += int(token["size"])
        elif token["atom"]:
            stack[-1].append(token["atom"].decode("latin-1"))
    assert len(stack) == 1, f"lists are not closed in {text!r}"
    return stack[0]


def _string(raw: bytes) -> str:
    return f'"{raw.decode("latin-1")}"'


def shown(value: Value) -> str:
    """A value as text again."""
    return value if isinstance(value, str) else f"({' '.join(map(shown, value))})"


@dataclass
class Chosen:
    """The numbers of one kind that a server chose, in the order in which it first told them."""

    known: dict[str, str] = field(default_factory=dict)

    def name(self, number: str) -> str:
        return self.known.setdefault(number, f"#{len(self.known) + 1}")


class Reader:
    """Reads the replies of one server. latest: what it chose, for the commands that must repeat it.

    items: what the FETCH replies to the latest command told, whichever message of.
    """

    def __init__(self) -> None:
        self._uidvalidities = Chosen()
        self._ids = Chosen()
        self._modseqs = Chosen()
        self.latest: dict[str, str] = {}
        self.items: dict[str, str] = {}

    def read(self, replies: list[bytes], *, with_uid: bool, is_select: bool) -> list[str]:
        """The replies to one command, the tagged one last. with_uid: whether the UID of FETCH replies was asked for."""
        self.items = {}
        told: list[tuple[str, str]] = []
        fetched: dict[str, dict[str, str]] = {}
        for reply in replies[:-1]:
            kind, text = self._untagged(reply, fetched, with_uid=with_uid)
            if text == "* OK" or (kind == "RECENT" and not is_select):
                continue
            if kind == "EXPUNGE":  # numbers change: what was said before stays apart
                _settle(fetched, told)
            if kind == "LIST" or (kind, text) not in told[-1:]:
                told.append((kind, text))
        _settle(fetched, told)
        kinds = sorted({kind for kind, _ in told if kind})
        ordered = [text for one in kinds for text in _in_order(one, [text for kind, text in told if kind == one])]
        return [*ordered, self._status(replies[-1])]

    def _untagged(self, reply: bytes, fetched: dict[str, dict[str, str]], *, with_uid: bool) -> tuple[str, str]:
        assert reply.startswith(b"* "), reply
        if _STATUS.match(reply, 2):
            return "OK", "* " + self._status(reply[2:])
        first, *rest = values(reply[2:])
        if isinstance(first, str) and first.isdigit():
            kind = rest[0]
            assert isinstance(kind, str)
            if kind == "FETCH":
                assert isinstance(rest[1], list)
                fetched.setdefault(first, {}).update(self._items(rest[1], with_uid=with_uid))
                return "", ""
            return kind, f"* {first} {kind}"
        assert isinstance(first, str)
        if first in ("LIST", "LSUB", "STATUS"):
            place = 0 if first == "STATUS" else 2
            rest[place] = shown(rest[place]).strip('"')
        return first, " ".join(["*", first, *(self._argument(first, value) for value in rest)])

    def _items(self, pairs: list[Value], *, with_uid: bool) -> dict[str, str]:
        found = {}
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            assert isinstance(name, str)
            if name != "UID" or with_uid:
                found[name.upper()] = self._item(name, value)
        self.items |= found
        return found

    def _item(self, name: str, value: Value) -> str:
        if name == "INTERNALDATE":
            return shown(value).replace('" ', '"0', 1)
        if name in ("FLAGS", "MODSEQ", "EMAILID", "THREADID"):
            return self._argument(name, value)
        return shown(value)

    def _argument(self, name: str, value: Value) -> str:
        if isinstance(value, str):
            return value
        if name == "STATUS":
            pairs = zip(value[::2], value[1::2], strict=True)
            return shown(
                [part for pair in sorted((shown(n), self._number(shown(n), v)) for n, v in pairs) for part in pair]
            )
        if name in ("EMAILID", "THREADID", "MODSEQ"):
            return self._number(name, value)
        if name == "SEARCH":
            return f"(MODSEQ {self._modseq(shown(value[1]))})"
        if name in ("FLAGS", "LIST", "LSUB") and "CHILDINFO" not in shown(value):
            return shown(sorted(map(shown, value), key=str.lower))
        return shown(value)

    def _number(self, name: str, value: Value) -> str:
        text = shown(value)
        if name in ("MODSEQ", "HIGHESTMODSEQ"):
            return self._modseq(text.strip("()"))
        if name in ("EMAILID", "THREADID", "MAILBOXID") and text != "NIL":
            return self._ids.name(text)
        if name == "UIDVALIDITY":
            return self._uidvalidities.name(text)
        return text

    def _modseq(self, number: str) -> str:
        return self._modseqs.name(number)

    def _status(self, text: bytes) -> str:
        """`OK [CODE …]`, without the words."""
        found = _STATUS.match(text)
        assert found is not None, text
        status = found[1].decode("ascii").upper()
        if found[2] is None:
            return status
        name, *arguments = values(found[2])
        assert isinstance(name, str)
        if name in _LEFT_OUT:
            return status
        if name == "UIDVALIDITY":
            self.latest[name] = shown(arguments[0])
            arguments = [self._number(name, arguments[0])]
        elif name in ("APPENDUID", "COPYUID"):
            arguments = [self._uidvalidities.name(shown(arguments[0])), *arguments[1:]]
        elif name in _SETS:
            assert isinstance(arguments[0], list)
            arguments = [sorted(arguments[0], key=shown)]
        return f"{status} [{' '.join([name, *map(shown, arguments)])}]"


def _settle(fetched: dict[str, dict[str, str]], told: list[tuple[str, str]]) -> None:
    """What several FETCH replies said of one message is one reply."""
    for number, items in fetched.items():
        pairs = " ".join(f"{name} {items[name]}" for name in sorted(items))
        told.append(("FETCH", f"* {number} FETCH ({pairs})"))
    fetched.clear()


def _in_order(kind: str, replies: list[str]) -> list[str]:
    return sorted(replies) if kind in ("LIST", "LSUB", "STATUS") else replies

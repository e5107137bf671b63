"""The base subject: what is left of a subject without `Re:`, `[list]`, `(fwd)` and their like (RFC 5256 §2.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

_BLOBS = re.compile(r"(?:\[[^\[\]]*\] *)*")
_BLOB = re.compile(r"\[[^\[\]]*\] *")
_REPLY = re.compile(r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?: *", re.IGNORECASE)
_FORWARD = "[fwd:"
_TRAILER = "(fwd)"


class BaseSubject(NamedTuple):
    """text: in the case it was written in. is_reply: a reply or a forward, as more than blanks and blobs was cut."""

    text: str
    is_reply: bool


def base_subject(subject: str) -> BaseSubject:
    """subject: decoded, its blanks folded. Time is linear in its length."""
    start, stop, is_reply = 0, len(subject), False
    while True:
        stop, is_trailed = _without_trailers(subject, start, stop)
        start, is_led = _without_leaders(subject, start, stop)
        is_forward = subject[start : start + len(_FORWARD)].lower() == _FORWARD and subject[stop - 1] == "]"
        is_reply = is_reply or is_trailed or is_led or is_forward
        if not is_forward:
            return BaseSubject(subject[start:stop], is_reply)
        start, stop = start + len(_FORWARD), stop - 1


def _without_trailers(subject: str, start: int, stop: int) -> tuple[int, bool]:
    """Where the subject ends without them (step 2), and whether there was a `(fwd)`."""
    is_forward = False
    while stop > start:
        if subject[stop - 1] == " ":
            stop -= 1
        elif subject[max(start, stop - len(_TRAILER)) : stop].lower() == _TRAILER:
            stop -= len(_TRAILER)
            is_forward = True
        else:
            break
    return stop, is_forward


def _without_leaders(subject: str, start: int, stop: int) -> tuple[int, bool]:
    """Where the subject begins without them (steps 3 to 5), and whether there was a `Re:` or `Fwd:`.

    Blobs go too, the last one stays when nothing would be left.
    """
    is_reply = False
    while start < stop and subject[start] == " ":
        start += 1
    while True:
        blobs = _BLOBS.match(subject, start, stop)
        assert blobs is not None  # it matches nothing too
        reply = _REPLY.match(subject, blobs.end(), stop)
        if reply is None:
            break
        start, is_reply = reply.end(), True
    if blobs.end() < stop:
        return blobs.end(), is_reply
    for blob in _BLOB.finditer(subject, start, stop):
        start = blob.start()
    return start, is_reply

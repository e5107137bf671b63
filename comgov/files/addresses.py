"""What addresses say: the order, filter and place of a list, and where a link is found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from comgov import web
from comgov.errors import Invalid
from comgov.files.model import Listing, Sort
from comgov.language import N_

if TYPE_CHECKING:
    from aiohttp.web import Request

    from comgov.files.model import Link

PAGE = 100
_PAGE_LIMIT = 1000
_MATCHING_LIMIT = 100  # characters


def listing(query: Mapping[str, str]) -> Listing:
    """The wish that a query holds: `sort` (name, changed, size; `-` in front: from the end), `q`, `after`, `limit`.

    What cannot be read is as if it were not there, except `after`: Invalid.
    """
    wish = query.get("sort", "")
    descending = wish.startswith("-")
    try:
        sort = Sort(wish.removeprefix("-"))
    except ValueError:
        sort, descending = Sort.NAME, False
    limit = query.get("limit", "")
    return Listing(
        sort=sort,
        descending=descending,
        matching=query.get("q", "").strip()[:_MATCHING_LIMIT],
        after=decode_key(sort, query["after"]) if query.get("after") else None,
        limit=min(max(int(limit), 1), _PAGE_LIMIT)
        if limit.isascii() and limit.isdigit() and 0 < len(limit) < 5
        else PAGE,
    )


def encode_key(key: tuple[object, ...]) -> str:
    """A row's key (`Rows.next`) as an address holds it: base64url of its JSON."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_key(sort: Sort, text: str) -> tuple[object, ...]:
    """The key that `encode_key` made for that sort. Raises Invalid for anything else."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return tuple(read(part) for read, part in zip(_KEYS[sort], parts, strict=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(N_("This page of the list cannot be found. Please start again at its beginning.")) from error


def _boolean(part: object) -> bool:
    if not isinstance(part, bool):
        raise TypeError(part)
    return part


def _text(part: object) -> str:
    if not isinstance(part, str) or "\0" in part:
        raise TypeError(part)
    part.encode()
    return part


def _whole(part: object) -> int:
    if type(part) is not int or not 0 <= part < 2**63:
        raise TypeError(part)
    return part


def _instant(part: object) -> datetime:
    instant = datetime.fromisoformat(_text(part))
    if instant.tzinfo is None:
        raise TypeError(part)
    return instant


_KEYS: Mapping[Sort, tuple[Callable[[object], object], ...]] = {
    Sort.NAME: (_boolean, _text, _whole),
    Sort.CHANGED: (_instant, _whole),
    Sort.SIZE: (_whole, _whole),
}


def address(wish: Listing, **changes: str) -> str:
    """The query of that wish, such as `?sort=-size&q=bilan`, with some of its parts given anew; empty: left out."""
    sort = ("-" if wish.descending else "") + wish.sort
    parts = {"sort": "" if sort == Sort.NAME else sort, "q": wish.matching} | changes
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"?{query}" if query else ""


def link_address(request: Request, link: Link) -> str:
    """Where anyone finds a link."""
    return f"{web.public_url(request)}/l/{link.token}"

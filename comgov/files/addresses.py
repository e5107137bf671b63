"""What addresses say: the order, filter and place of a list, and where a link is found."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from comgov import web
from comgov.files.model import Listing, Sort

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        after=Listing.decode(sort, query["after"]) if query.get("after") else None,
        limit=min(max(int(limit), 1), _PAGE_LIMIT)
        if limit.isascii() and limit.isdigit() and 0 < len(limit) < 5
        else PAGE,
    )


def address(wish: Listing, **changes: str) -> str:
    """The query of that wish, such as `?sort=-size&q=bilan`, with some of its parts given anew; empty: left out."""
    sort = ("-" if wish.descending else "") + wish.sort
    parts = {"sort": "" if sort == Sort.NAME else sort, "q": wish.matching} | changes
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"?{query}" if query else ""


def link_address(request: Request, link: Link) -> str:
    """Where anyone finds a link, on the host under which the visitor knows this server."""
    scheme = "https" if web.is_secure(request) else "http"
    return f"{scheme}://{request.host}/l/{link.token}"

"""A file as the web sends it: how it is named and shown, and where its bytes are."""

from __future__ import annotations

from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import hdrs
from aiohttp import web as http

from comgov import web
from comgov.feature import PLATFORM
from comgov.files import blobs
from comgov.web import representation

if TYPE_CHECKING:
    from comgov.files.actions.versions import Content

_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # styles: of the page a browser puts round an image


async def send(request: http.Request, content: Content, *, is_viewed: bool = False) -> http.StreamResponse:
    """Answer with a file, or the part of it that was asked for.

    is_viewed: let the browser show what cannot act (images, plain text); all else is saved.
    Raises PreconditionFailed, Unavailable when the bytes are missing.
    """
    platform = request.app[PLATFORM]
    shown_as = representation.viewed_as(content.name) if is_viewed else None
    download = web.Download(
        name=content.name,
        media_type=shown_as or representation.media_type(content.name),
        size_bytes=content.size_bytes,
        tag=content.sha256.hex(),
        read=partial(blobs.read, platform, content.sha256),
        headers={
            hdrs.CONTENT_DISPOSITION: representation.content_disposition(content.name, is_inline=shown_as is not None),
            hdrs.LAST_MODIFIED: format_datetime(content.changed_at, usegmt=True),
            "Repr-Digest": representation.digest_header(content.sha256),
            "Content-Security-Policy": _SANDBOX,
        },
        file=await blobs.file(platform, content.sha256),
    )
    return await web.send(request, download)

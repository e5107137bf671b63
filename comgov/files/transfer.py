"""Bytes over HTTP, both ways: the body of an upload as it comes, and a file as it goes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from email.utils import format_datetime
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from aiohttp import ClientPayloadError, hdrs
from aiohttp import web as http

from comgov.errors import Invalid, PreconditionFailed, Unavailable
from comgov.feature import PLATFORM
from comgov.files import blobs, representation
from comgov.files.config import Config
from comgov.files.representation import Unsatisfiable
from comgov.language import N_
from storage import LocalFiles, MissingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from comgov.files.actions.versions import Content

_SENDFILE_BYTES = 1 << 20  # below, opening and handing to the kernel costs more than it saves

_CONTINUE = "100-continue"
_CUT = N_("The file did not arrive whole. Nothing of it was kept; send it again.")
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # styles: of the page a browser puts round an image


async def expect(request: http.Request) -> None:
    """Let `Expect: 100-continue` wait until the body is wanted (RFC 9110 §10.1.1): `body` answers it.

    A file that cannot be taken is then refused before it crosses a slow line.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() != _CONTINUE:
        raise http.HTTPExpectationFailed


async def body(request: http.Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Invalid when the client falls silent or leaves in the middle.

    Only silence has a limit, not the whole: 1 GB takes an hour on a line of 2.5 Mbit/s.
    """
    patience = request.app[PLATFORM].config(Config).idle_timeout.total_seconds()
    if request.headers.get(hdrs.EXPECT, "").lower() == _CONTINUE:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the response
    try:
        while True:
            async with asyncio.timeout(patience):
                chunk = await request.content.readany()
            if not chunk:
                return
            yield chunk
    except (TimeoutError, ClientPayloadError, http.RequestPayloadError) as error:
        raise Invalid(_CUT, reason=f"{type(error).__name__}: {error}") from error


def is_start(request: http.Request) -> bool:
    """Whether a download begins, as opposed to going on from some byte."""
    header = request.headers.get(hdrs.RANGE, "").replace(" ", "").lower()
    return not header or header.startswith("bytes=0-")


async def send(request: http.Request, content: Content, *, is_viewed: bool = False) -> http.StreamResponse:
    """Answer with a file, or the part of it that was asked for; HEAD and conditions included (RFC 9110 §13, §14).

    is_viewed: let the browser show what cannot act (images, plain text); all else is saved.
    Raises PreconditionFailed, Unavailable when the bytes are missing.
    """
    if (wanted := request.if_match) is not None and not representation.matches(wanted, content.sha256):
        raise PreconditionFailed(N_("Somebody changed this file meanwhile. Please look again."))
    headers = _headers(content, is_viewed=is_viewed)
    known = request.if_none_match
    if known is not None and representation.matches(known, content.sha256, is_weak_enough=True):
        return http.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    resumes = representation.may_resume(request.headers.get(hdrs.IF_RANGE), content.sha256)
    part = representation.selected(request.headers.get(hdrs.RANGE) if resumes else None, content.size_bytes)
    if part is Unsatisfiable.RANGE:
        headers = {hdrs.CONTENT_RANGE: f"bytes */{content.size_bytes}", hdrs.ACCEPT_RANGES: "bytes"}
        return http.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    response = http.StreamResponse(headers=headers)
    if part is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{content.size_bytes}"
    return await _send(request, response, content, range(content.size_bytes) if part is None else part)


def _headers(content: Content, *, is_viewed: bool) -> dict[str, str]:
    shown_as = representation.viewed_as(content.name) if is_viewed else None
    return {
        hdrs.CONTENT_TYPE: shown_as or representation.media_type(content.name),
        hdrs.CONTENT_DISPOSITION: representation.content_disposition(content.name, is_inline=shown_as is not None),
        hdrs.ETAG: f'"{representation.entity_tag(content.sha256)}"',
        hdrs.LAST_MODIFIED: format_datetime(content.changed_at, usegmt=True),
        hdrs.ACCEPT_RANGES: "bytes",
        "Repr-Digest": representation.digest_header(content.sha256),
        "Content-Security-Policy": _SANDBOX,
        hdrs.CACHE_CONTROL: "private, no-cache",
    }


async def _send(
    request: http.Request, response: http.StreamResponse, content: Content, part: range
) -> http.StreamResponse:
    response.content_length = len(part)
    if request.method == hdrs.METH_HEAD or not part:
        await response.prepare(request)
        await response.write_eof()
        return response
    store = await blobs.drawer(request.app[PLATFORM])
    if isinstance(store, LocalFiles) and len(part) >= _SENDFILE_BYTES and not request.secure:
        return await _send_local(request, response, store.path(content.sha256), content, part)
    return await _stream(request, response, content, part)


async def _stream(
    request: http.Request, response: http.StreamResponse, content: Content, part: range
) -> http.StreamResponse:
    """Through our own memory, chunk by chunk. The first chunk is there before the answer begins."""
    async with aclosing(blobs.read(request.app[PLATFORM], content.sha256, part)) as chunks:
        first = await anext(chunks, b"")
        await response.prepare(request)
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


async def _send_local(
    request: http.Request, response: http.StreamResponse, path: Path, content: Content, part: range
) -> http.StreamResponse:
    """By the kernel, from the page cache to the socket."""
    loop = asyncio.get_running_loop()
    file = await asyncio.to_thread(_open, path, content)
    try:
        await response.prepare(request)
        if (transport := request.transport) is None:
            raise ConnectionResetError("the client left")
        try:
            await loop.sendfile(transport, file, part.start, len(part))
        except NotImplementedError:  # uvloop's, before the first byte
            async for chunk in blobs.read(request.app[PLATFORM], content.sha256, part):
                await response.write(chunk)
        await response.write_eof()
    finally:
        await asyncio.to_thread(file.close)
    return response


def _open(path: Path, content: Content) -> IO[bytes]:
    """The blob's file, of the size it must have. Raises Unavailable."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        with blobs.translated():
            raise MissingError(content.sha256) from error
    if (size_bytes := file.seek(0, 2)) != content.size_bytes:
        file.close()
        raise Unavailable(
            N_("The content of this file was damaged where it is stored. Tell your administrator."),
            reason=f"{path} has {size_bytes} bytes, not {content.size_bytes}",
        )
    return file

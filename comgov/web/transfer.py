"""Bytes over HTTP, both ways, for every room: a body as it comes, a download as it goes.

Neither way has a limit to how long it may take, 1 GB taking an hour on a line of 2.5 Mbit/s; only silence has. A client
that falls silent in the middle of a body is let go here (`body_timeout`), one that stops reading by the kernel
(`write_timeout`, see server.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, TypeAlias, TypeVar

from aiohttp import ClientPayloadError, hdrs, web
from pydantic import BaseModel, ValidationError

from comgov.errors import Invalid, PreconditionFailed, TooLarge, Unavailable
from comgov.feature import PLATFORM
from comgov.language import N_
from comgov.web import representation
from comgov.web.config import Config
from comgov.web.representation import Unsatisfiable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_SENDFILE_BYTES = 1 << 20  # below, opening and handing to the kernel costs more than it saves
_CHUNKS_AHEAD = 3  # read before an answer begins: a mail's header, its text and an attachment lie in three places

_CONTINUE = "100-continue"
_CUT = N_("What you sent did not arrive whole. Nothing of it was kept; please send it again.")
_MISSING = N_("This content cannot be read for now. Try again in a minute; if it stays so, tell your administrator.")

B = TypeVar("B", bound=BaseModel)

Read: TypeAlias = Callable[[int, int], AsyncGenerator[bytes, None]]
"""Gives the bytes from a position up to another; raises Unavailable at its first step when they cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """Bytes that are there, to be sent whole or in part.

    name: under which they are saved. tag: of these bytes and no others, without quotes (a strong validator, RFC 9110
    §8.8.1). headers: more of them, which win over the usual ones.
    file: where the bytes lie on this machine, and the position of the first; None when they must be read.
    """

    name: str
    media_type: str
    size_bytes: int
    tag: str
    read: Read
    headers: Mapping[str, str] = field(default_factory=dict)
    file: tuple[Path, int] | None = None


# -- in

_IS_AWAITED: web.RequestKey[bool] = web.RequestKey("client waits for 100", bool)


async def expect(request: web.Request) -> None:
    """Let `Expect: 100-continue` wait until the body is wanted (RFC 9110 §10.1.1): `body` answers it.

    For routes of large bodies (`expect_handler`): what cannot be taken is refused before it crosses a slow line.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() != _CONTINUE:
        raise web.HTTPExpectationFailed
    request[_IS_AWAITED] = True


async def body(request: web.Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises Invalid when the client falls silent or leaves in the middle."""
    if request.pop(_IS_AWAITED, False):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the response
    patience = patience_seconds(request)
    with telling_what_broke(_CUT):
        while True:
            async with asyncio.timeout(patience):
                chunk = await request.content.readany()
            if not chunk:
                return
            yield chunk


async def whole_body(request: web.Request, limit_bytes: int) -> bytes:
    """A small body, whole. Raises TooLarge, and as `body`."""
    content = bytearray()
    async with aclosing(body(request)) as chunks:
        async for chunk in chunks:
            content += chunk
            if len(content) > limit_bytes:
                raise too_long(limit_bytes)
    return bytes(content)


async def json_body(request: web.Request, kind: type[B], limit_bytes: int) -> B:
    """A body of JSON as that model; no body is an empty object. Raises Invalid with what is wrong, TooLarge."""
    content = await whole_body(request, limit_bytes)
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(
            N_("The request is not as expected: {where}: {why}."),
            where=".".join(map(str, detail["loc"])) or "body",
            why=detail["msg"],
        ) from error


def too_long(limit_bytes: int) -> TooLarge:
    """What to say of a form or a message of a program that exceeds its limit."""
    return TooLarge(
        N_("What was sent is longer than {limit} kB. Nothing was changed; please shorten it."),
        limit=-(-limit_bytes // 1000),
    )


def patience_seconds(request: web.Request) -> float:
    """How long a client may stay silent in the middle of a body."""
    return request.app[PLATFORM].config(Config).body_timeout.total_seconds()


@contextmanager
def telling_what_broke(sentence: str) -> Iterator[None]:
    """What aiohttp and the client do wrong with a body, as Invalid with that sentence."""
    try:
        yield
    except (ValueError, AssertionError, TimeoutError, ClientPayloadError, web.RequestPayloadError) as error:
        raise Invalid(sentence, reason=f"{type(error).__name__}: {error}") from error


# -- out


def is_start(request: web.Request) -> bool:
    """Whether a download begins, as opposed to going on from some byte."""
    header = request.headers.get(hdrs.RANGE, "").replace(" ", "").lower()
    return not header or header.startswith("bytes=0-")


async def send(request: web.Request, download: Download) -> web.StreamResponse:
    """Answer with a download, or the part of it that was asked for; HEAD and conditions included (RFC 9110 §13, §14).

    Raises PreconditionFailed; Unavailable before the answer begins when the bytes cannot be read.
    """
    if (wanted := request.if_match) is not None and not representation.matches(wanted, download.tag):
        raise PreconditionFailed(N_("Somebody changed this file meanwhile. Please look again."))
    headers: dict[str, str] = {
        hdrs.CONTENT_TYPE: download.media_type,
        hdrs.CONTENT_DISPOSITION: representation.content_disposition(download.name),
        hdrs.ETAG: f'"{download.tag}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "private, no-cache",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        **download.headers,
    }
    known = request.if_none_match
    if known is not None and representation.matches(known, download.tag, is_weak_enough=True):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    resumes = representation.may_resume(request.headers.get(hdrs.IF_RANGE), download.tag)
    part = representation.selected(request.headers.get(hdrs.RANGE) if resumes else None, download.size_bytes)
    if part is Unsatisfiable.RANGE:
        headers = {hdrs.CONTENT_RANGE: f"bytes */{download.size_bytes}", hdrs.ACCEPT_RANGES: "bytes"}
        return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    response = web.StreamResponse(headers=headers)
    if part is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{download.size_bytes}"
    return await _send(request, response, download, range(download.size_bytes) if part is None else part)


async def _send(
    request: web.Request, response: web.StreamResponse, download: Download, part: range
) -> web.StreamResponse:
    response.content_length = len(part)
    is_local = download.file is not None and len(part) >= _SENDFILE_BYTES and not request.secure
    if is_local and request.method != hdrs.METH_HEAD:
        return await _send_file(request, response, download, part)
    return await stream(request, response, download.read(part.start, part.stop))


async def stream(
    request: web.Request, response: web.StreamResponse, chunks: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Send what comes, through our own memory.

    The first chunks are there before the answer begins: what they raise is answered with its own status.
    """
    async with aclosing(chunks):
        if request.method == hdrs.METH_HEAD or response.content_length == 0:
            await response.prepare(request)
        else:
            ahead = [chunk async for chunk in _first(chunks)]
            await response.prepare(request)
            for chunk in ahead:
                await response.write(chunk)
            async for chunk in chunks:
                await response.write(chunk)
    await response.write_eof()
    return response


async def _first(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    for _ in range(_CHUNKS_AHEAD):
        if chunk := await anext(chunks, b""):
            yield chunk


async def _send_file(
    request: web.Request, response: web.StreamResponse, download: Download, part: range
) -> web.StreamResponse:
    """By the kernel, from the page cache to the socket."""
    loop = asyncio.get_running_loop()
    file, start = await asyncio.to_thread(_open, download)
    try:
        await response.prepare(request)
        if (transport := request.transport) is None:
            raise ConnectionResetError("the client left")
        try:
            await loop.sendfile(transport, file, start + part.start, len(part))
        except NotImplementedError:  # uvloop's, before the first byte
            async for chunk in download.read(part.start, part.stop):
                await response.write(chunk)
        await response.write_eof()
    finally:
        file.close()  # nothing to write, hence nothing to wait for
    return response


def _open(download: Download) -> tuple[IO[bytes], int]:
    """The file with the bytes, and the position of the first. Raises Unavailable unless all of them are in it."""
    assert download.file is not None
    path, start = download.file
    try:
        file = path.open("rb")
    except OSError as error:
        raise Unavailable(_MISSING, reason=str(error)) from error
    if (size_bytes := file.seek(0, 2)) < start + download.size_bytes:
        file.close()
        raise Unavailable(_MISSING, reason=f"{path} has {size_bytes} bytes, not {start + download.size_bytes}")
    return file, start

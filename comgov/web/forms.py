"""Forms, bounded: fields in memory, files in temporary ones, nothing trusted.

A multipart form starts with its `csrf` field (the macro `csrf_field()` stands first in every form). The middleware
reads that part alone before any handler runs, so that an upload can be streamed and is protected all the same.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web

from comgov.errors import Invalid, TooLarge
from comgov.feature import PLATFORM
from comgov.language import N_
from comgov.web.config import Config
from comgov.web.transfer import patience_seconds, telling_what_broke, too_long, whole_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_CHUNK_BYTES = 1 << 18
_NAME_LIMIT = 200  # characters of a field's name
_FILENAME_LIMIT = 1000
_FIELDS_LIMIT = 1000
_IN_MEMORY_BYTES = 1 << 16  # a file up to this size never touches the disk

_MALFORMED = N_("The form did not arrive whole. Nothing was changed; please send it again.")


@dataclass(frozen=True)
class Upload:
    """A file of a form, in a temporary file that ends with the request.

    filename: as the browser gave it, not to be trusted as a path. content_type: what the browser believes.
    """

    filename: str
    content_type: str
    size_bytes: int
    file: IO[bytes]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its content from the start."""
        self.file.seek(0)
        while chunk := await asyncio.to_thread(self.file.read, _CHUNK_BYTES):
            yield chunk


class Form:
    """What was filled in: text by name, several values in order, and files."""

    def __init__(self, fields: Iterable[tuple[str, str]] = (), files: Iterable[tuple[str, Upload]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)
        self._files: dict[str, list[Upload]] = {}
        for name, upload in files:
            self._files.setdefault(name, []).append(upload)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field; `default` if it was not sent."""
        return self._fields.get(name, [default])[0]

    def getall(self, name: str) -> list[str]:
        """Every value of a field, as ticked boxes send them."""
        return list(self._fields.get(name, []))

    def number(self, name: str) -> int:
        """A field that we wrote ourselves as digits, such as an id. Raises Invalid for anything else."""
        return _number(name, self.get(name))

    def numbers(self, name: str) -> list[int]:
        """Every value of such a field. Raises Invalid if one is no number."""
        return [_number(name, value) for value in self._fields.get(name, [])]

    def files(self, name: str) -> list[Upload]:
        """The files chosen under that name; an empty choice gives none."""
        return list(self._files.get(name, []))

    def values(self) -> Mapping[str, str]:
        """First values by name, to show a form again as it was filled."""
        return {name: values[0] for name, values in self._fields.items()}


class FilesTooLarge(TooLarge):
    """The files of a form weigh too much together. form: what was filled in before them, so that it can be kept."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            N_(
                "The files weigh more than the limit of {limit} MB together. Nothing was sent. "
                "Share large files by a link instead."
            ),
            limit=limit_bytes // 10**6,
        )
        self.form = Form()


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise Invalid(_MALFORMED, reason=f"{name}={value[:40]!r} is no number")
    return int(value)


@dataclass(frozen=True)
class Part:
    """One part of a multipart form while it arrives. filename: None for a plain field."""

    name: str
    filename: str | None
    content_type: str
    reader: BodyPartReader
    patience_seconds: float

    async def chunks(self, size: int = _CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Its content as it comes. Raises Invalid when the client stops in the middle."""
        with telling_what_broke(_MALFORMED):
            while not self.reader.at_eof():
                async with asyncio.timeout(self.patience_seconds):
                    chunk = await self.reader.read_chunk(size)
                if chunk:
                    yield bytes(chunk)

    async def text(self, limit_bytes: int) -> str:
        """Its content as text. Raises TooLarge, or Invalid if it is not UTF-8 or holds NUL."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit_bytes:
                raise too_long(limit_bytes)
        with telling_what_broke(_MALFORMED):
            return _text(bytes(content))


_FORM: web.RequestKey[Form] = web.RequestKey("form", Form)
_READER: web.RequestKey[MultipartReader] = web.RequestKey("multipart", MultipartReader)
_FILES: web.RequestKey[list[IO[bytes]]] = web.RequestKey("temporary files", list)


async def begin(request: web.Request) -> str | None:
    """Read a form up to its `csrf` field and give that; None if the request is no form or has no such field.

    A urlencoded form is read whole (at most `form_limit_bytes`), a multipart one no further than its first part.
    """
    if request.content_type == URLENCODED:
        request[_FORM] = await _urlencoded(request, _config(request).form_limit_bytes)
        return request[_FORM].get("csrf") or None
    if request.content_type == MULTIPART:
        with telling_what_broke(_MALFORMED):
            request[_READER] = await request.multipart()
        first = await _next(request)
        return await first.text(_NAME_LIMIT) if first is not None and first.name == "csrf" else None
    return None


async def parts(request: web.Request) -> AsyncIterator[Part]:
    """The parts of a multipart form, one after the other, for handlers that stream. Each must be read to its end."""
    if _READER not in request:
        with telling_what_broke(_MALFORMED):
            request[_READER] = await request.multipart()
    count = 0
    while (part := await _next(request)) is not None:
        count += 1
        if count > _FIELDS_LIMIT:
            raise Invalid(_MALFORMED, reason="too many fields")
        yield part


async def form(request: web.Request, *, limit_bytes: int | None = None, files_limit_bytes: int = 0) -> Form:
    """The form of this request, read whole.

    limit_bytes: the most its fields may weigh together, None for the configured limit.
    files_limit_bytes: the most its files may weigh together; by default no file is taken.
    Raises FilesTooLarge, which holds what was filled in, TooLarge for the fields, Invalid for what is no form.
    """
    if _FORM in request:
        return request[_FORM]
    limit = limit_bytes or _config(request).form_limit_bytes
    if request.content_type == URLENCODED:
        request[_FORM] = await _urlencoded(request, limit)
    elif request.content_type == MULTIPART:
        request[_FORM] = await _multipart(request, limit, files_limit_bytes)
    else:
        request[_FORM] = Form()
    return request[_FORM]


def filled(request: web.Request) -> list[tuple[str, str]]:
    """The fields of the form that came with this request, in order, secrets apart; none if it has not been read."""
    found = request.get(_FORM)
    if found is None:
        return []
    return [(name, value) for name in found if not _is_secret(name) for value in found.getall(name)]


def _is_secret(name: str) -> bool:
    return name == "csrf" or "password" in name or "code" in name


def end(request: web.Request) -> None:
    """Let go of the temporary files of a request that was answered."""
    for file in request.get(_FILES, []):
        file.close()


async def _urlencoded(request: web.Request, limit_bytes: int) -> Form:
    content = await whole_body(request, limit_bytes)
    with telling_what_broke(_MALFORMED):
        fields = parse_qsl(_text(content), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_LIMIT)
    if any("\0" in value for _, value in fields):
        raise Invalid(_MALFORMED, reason="NUL in a field")
    return Form(fields)


async def _multipart(request: web.Request, limit_bytes: int, files_limit_bytes: int) -> Form:
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, Upload]] = []
    fields_left, files_left = limit_bytes, files_limit_bytes
    async for part in parts(request):
        if part.filename is None:
            value = await part.text(fields_left)
            fields_left -= len(value.encode())
            fields.append((part.name, value))
            continue
        try:
            upload = await _receive(request, part, files_left, files_limit_bytes)
        except FilesTooLarge as error:
            error.form = Form(fields)
            raise
        files_left -= upload.size_bytes
        if part.filename:
            files.append((part.name, upload))
    return Form(fields, files)


async def _receive(request: web.Request, part: Part, left_bytes: int, limit_bytes: int) -> Upload:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, prefix="comgov-form-")  # noqa: SIM115  # closed by end()
    request.setdefault(_FILES, []).append(file)
    size = 0
    async for chunk in part.chunks():
        size += len(chunk)
        if size > left_bytes:
            raise FilesTooLarge(limit_bytes)
        await asyncio.to_thread(file.write, chunk)
    return Upload(part.filename or "", part.content_type, size, file)


async def _next(request: web.Request) -> Part | None:
    patience = patience_seconds(request)
    with telling_what_broke(_MALFORMED):
        async with asyncio.timeout(patience):
            reader = await request[_READER].next()
    if reader is None:
        return None
    if not isinstance(reader, BodyPartReader):
        raise Invalid(_MALFORMED, reason="a multipart inside a form")
    name, filename = reader.name or "", reader.filename
    if len(name) > _NAME_LIMIT or len(filename or "") > _FILENAME_LIMIT:
        raise Invalid(_MALFORMED, reason="a name too long")
    return Part(name, filename, reader.headers.get("Content-Type", "application/octet-stream")[:200], reader, patience)


def _config(request: web.Request) -> Config:
    return request.app[PLATFORM].config(Config)


def _text(content: bytes) -> str:
    text = content.decode("utf-8")
    if "\0" in text:
        raise Invalid(_MALFORMED, reason="NUL in a field")
    return text

"""Blobs as objects of an S3 server, each under the digest of its bytes.

A write goes: spool on this machine → digest known → already there and recent? → one PUT, or parts side by side
→ acknowledged. The server checks the MD5 of what it receives.
"""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

from storage.blob import Blob, require_bounds
from storage.drawer import check_drawer
from storage.errors import MissingError, StorageError, UnreachableError
from storage.s3.bucket import open_bucket, reachable
from storage.s3.spool import Spool
from storage.stream import pour, verified
from storage.threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import aiohttp

    from storage.config import S3Config
    from storage.s3.bucket import Bucket

_THREADS = 16
_REFRESH_AFTER = timedelta(hours=1)  # well below SWEEP_AFTER: an older copy is sent again and so counts as new
_MOST_PARTS = 10_000  # S3's own limit
_KEY = re.compile(r"[0-9a-f]{64}")


@asynccontextmanager
async def open_s3_store(config: S3Config, spool: Path, *, reserve_bytes: int = 0) -> AsyncIterator[S3Store]:
    """A store in that bucket, made if needed, for as long as the block lasts.

    spool: a folder of this machine for what is being written; nothing stays there.
    reserve_bytes: room on its file system that writes leave alone.
    Raises UnreachableError when the server refuses us; one that does not answer yet is no reason not to start.
    """
    threads = Threads(_THREADS)
    try:
        async with open_bucket(config, threads) as bucket:
            yield S3Store(config, bucket, threads, spool, reserve_bytes=reserve_bytes)
    finally:
        threads.close()


class S3Store:
    """Blobs as objects of a bucket. See Store for what each method promises."""

    def __init__(
        self, config: S3Config, bucket: Bucket, threads: Threads, spool: Path, *, reserve_bytes: int = 0
    ) -> None:
        self._config = config
        self._bucket = bucket
        self._threads = threads
        self._spool = spool
        self._reserve_bytes = reserve_bytes

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        """See Store.write. The server sees nothing before the last byte is here."""
        spool = Spool(self._spool, self._reserve_bytes, size_bytes)
        try:
            await self._threads.run(spool.open)
            rest = await pour(chunks, spool.append, self._threads)
            blob = await self._threads.run(spool.finish, rest)
            if not await self._is_recent(blob):
                await self._put(blob, spool)
            return blob
        finally:
            await self._threads.run(spool.close)

    async def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See Store.read."""
        require_bounds(start, stop)
        if stop is not None and stop <= start:
            await self.stat(sha256)
            return
        headers = {} if (start, stop) == (0, None) else {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        async with await self._bucket.send("GET", sha256.hex(), headers=headers, accept=(200, 206, 416)) as response:
            chunks = _content(response)
            if _is_whole(response, start):
                chunks = verified(chunks, sha256, self._threads)
            async for chunk in chunks:
                yield chunk

    async def stat(self, sha256: bytes) -> Blob:
        """See Store.stat."""
        return Blob(sha256, _size_bytes(await self._head(sha256)))

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        """See Store.delete. S3 cannot compare and delete in one request: between the two lies one round trip."""
        if written_before:
            try:
                if _moment(await self._head(sha256), "Last-Modified") >= written_before:
                    return
            except MissingError:
                return
        (await self._bucket.send("DELETE", sha256.hex(), accept=(200, 204, 404))).release()

    async def list(self, *, written_before: datetime | None = None) -> AsyncIterator[Blob]:
        """See Store.list."""
        async for key, found in self._bucket.list():
            if not _KEY.fullmatch(key) or found.size is None or found.last_modified is None:
                continue
            if written_before is None or found.last_modified < written_before:
                yield Blob(bytes.fromhex(key), found.size)

    async def drawer(self, name: str) -> S3Store:
        """See Store.drawer. A folder of keys."""
        bucket = self._bucket.folder(check_drawer(name))
        return S3Store(self._config, bucket, self._threads, self._spool, reserve_bytes=self._reserve_bytes)

    async def _head(self, sha256: bytes) -> aiohttp.ClientResponse:
        async with await self._bucket.send("HEAD", sha256.hex()) as response:
            return response

    async def _is_recent(self, blob: Blob) -> bool:
        """Whether it is there, and young enough that no sweep takes it before a row refers to it."""
        try:
            response = await self._head(blob.sha256)
        except MissingError:
            return False
        age = _moment(response, "Date") - _moment(response, "Last-Modified")
        return _size_bytes(response) == blob.size_bytes and age < _REFRESH_AFTER

    async def _put(self, blob: Blob, spool: Spool) -> None:
        everything = range(blob.size_bytes)
        size = max(self._config.part_size_bytes, -(-blob.size_bytes // _MOST_PARTS))
        if blob.size_bytes <= size:
            await self._send(blob, spool, everything)
            return
        upload_id = await self._bucket.begin_upload(blob.sha256.hex())
        try:
            parts = [everything[position : position + size] for position in everything[::size]]
            await self._complete(blob, upload_id, await self._send_parts(blob, spool, upload_id, parts))
        except BaseException:
            with suppress(StorageError):  # the server forgets parts by its own rule, see the README
                await self._bucket.abort_upload(blob.sha256.hex(), upload_id)
            raise

    async def _send(self, blob: Blob, spool: Spool, span: range, **query: str) -> str:
        """Send these bytes as the object or, by the query, as a part of it; gives the server's tag."""
        md5 = await self._threads.run(spool.md5, span)
        headers = {"Content-Length": str(len(span)), "Content-MD5": base64.b64encode(md5).decode()}
        body = partial(spool.read, span, self._threads)
        async with await self._bucket.send(
            "PUT", blob.sha256.hex(), query=query, headers=headers, body=body
        ) as response:
            return response.headers.get("ETag", "")

    async def _send_parts(self, blob: Blob, spool: Spool, upload_id: str, parts: Sequence[range]) -> Sequence[str]:
        turns = asyncio.Semaphore(self._config.parts_at_once)

        async def send(number: int, span: range) -> str:
            async with turns:
                return await self._send(blob, spool, span, partNumber=str(number), uploadId=upload_id)

        try:
            async with asyncio.TaskGroup() as group:
                sending = [group.create_task(send(number, span)) for number, span in enumerate(parts, 1)]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in sending]

    async def _complete(self, blob: Blob, upload_id: str, etags: Sequence[str]) -> None:
        try:
            await self._bucket.complete_upload(blob.sha256.hex(), upload_id, etags)
        except StorageError:
            if not await self._is_recent(blob):  # done at a first attempt whose answer was lost
                raise


def _is_whole(response: aiohttp.ClientResponse, start: int) -> bool:
    """Whether an answer to GET brings the object from its first byte to its last."""
    if response.status == 206:
        found = re.fullmatch(r"bytes 0-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        return found is not None and int(found[1]) + 1 == int(found[2])
    return response.status == 200 or start == 0  # 416: nothing there, which is the whole of an empty object


async def _content(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    if response.status == 416:
        return
    with reachable():
        async for chunk in response.content.iter_any():
            yield chunk


def _size_bytes(response: aiohttp.ClientResponse) -> int:
    return int(_header(response, "Content-Length"))


def _moment(response: aiohttp.ClientResponse, name: str) -> datetime:
    return parsedate_to_datetime(_header(response, name))


def _header(response: aiohttp.ClientResponse, name: str) -> str:
    try:
        return response.headers[name]
    except KeyError as error:
        raise UnreachableError(f"S3 answers without {name}") from error

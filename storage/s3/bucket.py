"""A bucket of an S3 server: `minio` signs each request, aiohttp carries it.

Everything that a server or the way to it can do wrong becomes one of our errors here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import html
import re
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import aiohttp
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from yarl import URL

from storage.errors import MissingError, StorageError, StoreFullError, UnreachableError
from storage.files import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence

    from minio.datatypes import Object

    from storage.config import S3Config
    from storage.threads import Threads

_VALID_FOR = timedelta(hours=1)  # how long a signature may be presented; it is checked when a request begins
_CONNECT_PATIENCE = 10.0  # seconds
_SILENCE = 60.0  # seconds without a byte after which a server counts as gone
_CONNECTIONS = 64
_PAUSES = (0.2, 1.0)  # seconds before each new attempt
_PASSING = {408, 429, 500, 502, 503, 504}  # what S3 asks to try again
_FULL = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"}
_REPLY_LIMIT = 64 * 1024
_LIST_PAGE = 1000


class _PassingError(UnreachableError):
    """No answer, or one that says to try again."""


class Bucket:
    """Requests on the objects of one bucket. Keys are given without the prefix.

    Every method may raise UnreachableError; a request that fails in passing is sent up to three times.
    """

    def __init__(self, name: str, prefix: str, client: Minio, session: aiohttp.ClientSession, threads: Threads) -> None:
        self._name = name
        self._prefix = prefix
        self._client = client
        self._session = session
        self._threads = threads

    def folder(self, name: str) -> Bucket:
        """The same bucket, with keys under `name/`."""
        return Bucket(self._name, f"{self._prefix}{name}/", self._client, self._session, self._threads)

    async def make(self) -> None:
        """Make the bucket if there is none."""
        await self._threads.run(self._make)

    async def send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], AsyncIterator[bytes]] | None = None,
        accept: Collection[int] = (200,),
    ) -> aiohttp.ClientResponse:
        """The response, to be closed by the caller, with a status among `accept`.

        body: gives the bytes anew for each attempt.
        Raises MissingError for an object that is not there, StoreFullError.
        """
        for pause in _PAUSES:
            with suppress(_PassingError):
                return await self._send_once(method, key, query, headers, body, accept)
            await asyncio.sleep(pause)
        return await self._send_once(method, key, query, headers, body, accept)

    async def begin_upload(self, key: str) -> str:
        """Begin an upload in parts; gives its id."""
        async with await self.send("POST", key, query={"uploads": ""}) as response:
            reply = await _text(response)
        if not (found := re.search(r"<UploadId>([^<]+)</UploadId>", reply)):
            raise UnreachableError("S3 began an upload without giving its id")
        return html.unescape(found[1])

    async def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make the parts one object. etags: what the server answered to each part, in order."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        headers = {"Content-Length": str(len(document))}
        async with await self.send(
            "POST", key, query={"uploadId": upload_id}, headers=headers, body=lambda: _once(document)
        ) as response:
            reply = await _text(response)
        if "<CompleteMultipartUploadResult" not in reply:  # an error may come after the status 200
            raise UnreachableError(f"S3 did not complete an upload: {_code(reply)}")

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the parts."""
        (await self.send("DELETE", key, query={"uploadId": upload_id}, accept=(204, 200, 404))).release()

    async def list(self) -> AsyncIterator[tuple[str, Object]]:
        """Every object under the prefix, but in no folder below it, with its key; 1,000 at a time in memory."""
        objects = self._client.list_objects(self._name, prefix=self._prefix)
        while page := await self._threads.run(_page, objects):
            for found in page:
                yield (found.object_name or "").removeprefix(self._prefix), found

    async def _send_once(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: Callable[[], AsyncIterator[bytes]] | None,
        accept: Collection[int],
    ) -> aiohttp.ClientResponse:
        url = self._client.get_presigned_url(
            method, self._name, self._prefix + key, expires=_VALID_FOR, extra_query_params=dict(query or {})
        )
        with reachable(_PassingError):
            response = await self._session.request(
                method, URL(url, encoded=True), headers=headers, data=body and body(), allow_redirects=False
            )
        if response.status in accept:
            return response
        async with response:
            raise _refusal(method, key, response.status, _code(await _text(response)))

    def _make(self) -> None:
        with _minio_translated():
            if not self._client.bucket_exists(self._name):
                self._client.make_bucket(self._name)


@asynccontextmanager
async def open_bucket(config: S3Config, threads: Threads) -> AsyncIterator[Bucket]:
    """The bucket, made if needed, for as long as the block lasts.

    A server that does not answer just now is no reason not to start: each request says so for itself.
    Raises UnreachableError when the server refuses us, or a file of the configuration cannot be read.
    """
    with translated():
        secret = (await threads.run(config.secret_key_file.read_text)).strip()
        trust = ssl.create_default_context(cafile=config.ca_file)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trust)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_PATIENCE, sock_read=_SILENCE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        bucket = Bucket(config.bucket, config.prefix, _client(config, secret), session, threads)
        with suppress(_PassingError):
            await bucket.make()
        yield bucket


@contextmanager
def reachable(kind: type[UnreachableError] = UnreachableError) -> Iterator[None]:
    """What can go wrong between aiohttp and a server becomes an error of that kind."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise kind(f"S3 does not answer: {str(error) or type(error).__name__}") from error


def _client(config: S3Config, secret: str) -> Minio:
    endpoint = urlsplit(config.endpoint)
    return Minio(
        endpoint.netloc,
        access_key=config.access_key_id,
        secret_key=secret,
        secure=endpoint.scheme == "https",
        region=config.region,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_PATIENCE, read=_SILENCE),
            retries=urllib3.Retry(len(_PAUSES), backoff_factor=_PAUSES[0]),
            ca_certs=config.ca_file and str(config.ca_file),
            cert_reqs="CERT_REQUIRED",
        ),
    )


def _page(objects: Iterator[Object]) -> Sequence[Object]:
    with _minio_translated():
        return tuple(islice(objects, _LIST_PAGE))


@contextmanager
def _minio_translated() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        kind = _PassingError if error.response.status in _PASSING else UnreachableError
        raise kind(f"S3 refuses: {error.code}") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _PassingError(f"S3 does not answer: {error}") from error


def _refusal(method: str, key: str, status: int, code: str) -> StorageError:
    if status == 404 and code in {"", "NoSuchKey"}:  # no code: the answer to HEAD has no body
        return MissingError(bytes.fromhex(key))
    sentence = f"S3 answers {status} {code} to {method} {key}"
    if status == 507 or code in _FULL:
        return StoreFullError(sentence)
    return (_PassingError if status in _PASSING else UnreachableError)(sentence)


def _code(reply: str) -> str:
    """The error code in an answer of S3, empty if there is none."""
    found = re.search(r"<Code>(\w+)</Code>", reply)
    return found[1] if found else ""


async def _text(response: aiohttp.ClientResponse) -> str:
    """The beginning of an answer. While S3 completes an upload it may send spaces for minutes before the document."""
    reply = bytearray()
    with reachable(_PassingError):
        async for chunk in response.content.iter_any():
            reply += chunk.lstrip() if not reply else chunk
            if len(reply) > _REPLY_LIMIT:
                break
    return reply[:_REPLY_LIMIT].decode(errors="replace")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""The S3 store beyond the contract: parts, refusals, outages. First on a real server, then on a scripted one."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from storage import MissingError, Store, StoreFullError, UnreachableError, verify
from storage.config import S3Config
from storage.s3 import S3Store, open_s3_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from tests.storage.seaweedfs import SeaweedFS

MIB = 1 << 20


async def chunked(size_bytes: int, fill: bytes = b"x") -> AsyncIterator[bytes]:
    while size_bytes > 0:
        yield fill * min(64 * 1024, size_bytes)
        size_bytes -= 64 * 1024


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def unfinished_uploads(server: SeaweedFS, bucket: str) -> list[str]:
    return [upload.object_name for upload in server.client()._list_multipart_uploads(bucket).uploads]


@pytest.mark.xdist_group("seaweedfs")
class TestOnSeaweedFS:
    """One server for all of these."""

    async def test_a_blob_above_the_part_size_goes_in_parts(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        config = seaweedfs.config("parts", part_size_bytes=5 * MIB, parts_at_once=2)
        async with open_s3_store(config, tmp_path) as store:
            single = await store.write(chunked(5 * MIB, b"s"))
            several = await store.write(chunked(12 * MIB, b"p"))
            assert await verify(store, several.sha256) == several
            assert await whole(store.read(several.sha256, 5 * MIB - 1, 5 * MIB + 1)) == b"pp"
        tags = {found.object_name: found.etag for found in seaweedfs.client().list_objects("parts", prefix="blobs/")}
        assert "-" not in tags[f"blobs/{single.sha256.hex()}"]
        assert tags[f"blobs/{several.sha256.hex()}"].endswith("-3")

    async def test_a_cancelled_upload_leaves_no_parts_and_no_spool(
        self, seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = seaweedfs.config("cancelled", part_size_bytes=5 * MIB, parts_at_once=1)
        async with open_s3_store(config, tmp_path) as store:
            has_parts = asyncio.Event()
            real = store._send

            async def send(*arguments: object, **query: str) -> str:
                tag = await real(*arguments, **query)  # type: ignore[arg-type]
                has_parts.set()
                return tag

            monkeypatch.setattr(store, "_send", send)
            writing = asyncio.create_task(store.write(chunked(60 * MIB)))
            await has_parts.wait()
            assert await asyncio.to_thread(unfinished_uploads, seaweedfs, "cancelled")
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert await asyncio.to_thread(unfinished_uploads, seaweedfs, "cancelled") == []
            assert [blob async for blob in store.list()] == []
        assert list(tmp_path.iterdir()) == []

    async def test_more_than_a_page_of_blobs_is_listed(
        self, seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("storage.s3.bucket._LIST_PAGE", 7)
        async with open_s3_store(seaweedfs.config("pages"), tmp_path) as store:
            written = {await store.write(chunked(number)) for number in range(20)}
            assert {blob async for blob in store.list()} == written

    async def test_objects_of_others_are_not_blobs(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        async with open_s3_store(seaweedfs.config("shared"), tmp_path) as store:
            blob = await store.write(chunked(10))
            for key in ("notes.txt", "blobs/notes.txt", f"blobs/{'AB' * 32}", f"other/{'ab' * 32}"):
                await asyncio.to_thread(seaweedfs.client().put_object, "shared", key, BytesIO(b"x"), 1)
            assert [found async for found in store.list()] == [blob]

    async def test_a_wrong_key_is_refused_and_never_told(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("hunter2 hunter2")
        config = seaweedfs.config("refused").model_copy(update={"secret_key_file": tmp_path / "secret"})
        with pytest.raises(UnreachableError, match=r"SignatureDoesNotMatch|AccessDenied") as raised:
            async with open_s3_store(config, tmp_path):
                pass
        assert "hunter2" not in str(raised.value) + repr(config)

    async def test_a_bucket_removed_under_us_is_not_a_missing_blob(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        async with open_s3_store(seaweedfs.config("removed"), tmp_path) as store:
            await asyncio.to_thread(seaweedfs.client().remove_bucket, "removed")
            with pytest.raises(UnreachableError, match="NoSuchBucket"):
                await whole(store.read(hashlib.sha256(b"any").digest()))

    async def test_an_outage_is_told_and_service_goes_on_after_it(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        config = seaweedfs.config("outage", part_size_bytes=5 * MIB)
        async with open_s3_store(config, tmp_path) as store:
            before = await store.write(chunked(12 * MIB, b"b"))
            reading = store.read(before.sha256)
            await anext(reading)
            await asyncio.to_thread(seaweedfs.stop)
            try:
                with pytest.raises(UnreachableError):
                    await whole(reading)
                await _assert_unreachable(store, before.sha256)
            finally:
                await asyncio.to_thread(seaweedfs.start)
            assert await verify(store, before.sha256) == before
            after = await store.write(chunked(6 * MIB, b"a"))
            assert {blob async for blob in store.list()} == {before, after}
        assert list(tmp_path.iterdir()) == []

    async def test_a_node_may_start_during_an_outage(self, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
        async with open_s3_store(seaweedfs.config("started"), tmp_path) as store:
            blob = await store.write(chunked(10))
        await asyncio.to_thread(seaweedfs.stop)
        try:
            async with open_s3_store(seaweedfs.config("started"), tmp_path) as store:
                with pytest.raises(UnreachableError):
                    await store.stat(blob.sha256)
                await asyncio.to_thread(seaweedfs.start)
                assert await verify(store, blob.sha256) == blob
        finally:
            await asyncio.to_thread(seaweedfs.start)


async def _assert_unreachable(store: Store, sha256: bytes) -> None:
    with pytest.raises(UnreachableError):
        await store.write(chunked(10))
    with pytest.raises(UnreachableError):
        await store.write(chunked(12 * MIB))
    with pytest.raises(UnreachableError):
        await whole(store.read(sha256))
    with pytest.raises(UnreachableError):
        await store.stat(sha256)
    with pytest.raises(UnreachableError):
        await store.delete(sha256)
    with pytest.raises(UnreachableError):
        _ = [blob async for blob in store.list()]


@asynccontextmanager
async def scripted_by(
    tmp_path: Path, handle: Callable[[web.Request], Awaitable[web.StreamResponse]], **changes: object
) -> AsyncIterator[S3Store]:
    """A store on a server that does whatever `handle` does."""
    app = web.Application(client_max_size=100 * MIB)
    app.router.add_route("*", "/{path:.*}", handle)
    (tmp_path / "secret").write_text("secret")
    async with TestServer(app) as server:
        config = S3Config(
            endpoint=f"http://127.0.0.1:{server.port}",
            bucket="scripted",
            access_key_id="us",
            secret_key_file=tmp_path / "secret",
            **changes,  # type: ignore[arg-type]
        )
        async with open_s3_store(config, tmp_path / "spool") as store:
            yield store


@asynccontextmanager
async def scripted(
    tmp_path: Path, answer: Callable[[web.Request], web.StreamResponse | None], **changes: object
) -> AsyncIterator[S3Store]:
    """A store on a server that answers HEAD on the bucket, then as told; None breaks the connection."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/scripted" and request.method == "HEAD":
            return web.Response()
        await request.read()
        if (response := answer(request)) is None:
            assert request.transport
            request.transport.close()
            return web.Response()
        return response

    async with scripted_by(tmp_path, handle, **changes) as store:
        yield store


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.s3.bucket._PAUSES", (0.01, 0.01))


def s3_error(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>", content_type="application/xml")


def answering(answers: Iterable[Callable[[], web.Response] | None]) -> Callable[[web.Request], web.Response | None]:
    """One answer after the other to PUT; nothing is there yet."""
    left = iter(answers)

    def answer(request: web.Request) -> web.Response | None:
        if request.method == "HEAD":
            return web.Response(status=404)
        found = next(left)
        return found and found()

    return answer


async def test_a_request_that_fails_in_passing_is_sent_again(tmp_path: Path) -> None:
    answers = [lambda: s3_error(503, "SlowDown"), None, web.Response]
    async with scripted(tmp_path, answering(answers)) as store:
        assert (await store.write(chunked(100_000))).size_bytes == 100_000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: s3_error(503, "SlowDown"), UnreachableError),
        (None, UnreachableError),
        (lambda: s3_error(403, "RequestTimeTooSkewed"), UnreachableError),
        (lambda: s3_error(400, "BadDigest"), UnreachableError),
        (lambda: s3_error(307, "TemporaryRedirect"), UnreachableError),
        (lambda: s3_error(507, "XMinioStorageFull"), StoreFullError),
        (lambda: s3_error(403, "QuotaExceeded"), StoreFullError),
    ],
    ids=["slow", "cut", "clock", "damaged", "elsewhere", "full", "quota"],
)
async def test_a_refusal_is_told_in_our_words(
    tmp_path: Path, answer: Callable[[], web.Response] | None, error: type[Exception]
) -> None:
    async with scripted(tmp_path, answering(repeat(answer))) as store:
        with pytest.raises(error):
            await store.write(chunked(100))


async def test_a_part_sent_carries_its_size_and_its_md5(tmp_path: Path) -> None:
    seen = []

    def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers.get("Content-MD5"), request.headers.get("Content-Length")))
        return web.Response(status=404 if request.method == "HEAD" else 200)

    async with scripted(tmp_path, answer) as store:
        await store.write(chunked(3))
    assert seen[-1] == ("PUT", "9WGq9u8L8U1CCLtGpMyzrQ==", "3")  # of "xxx", by openssl


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_upload_that_is_not_completed_is_not_acknowledged(tmp_path: Path, status: int) -> None:
    """A completion may answer 200 and an error, as the API's reference warns."""
    aborted = []

    def answer(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404)
        if request.method == "DELETE":
            aborted.append(request.query["uploadId"])
            return web.Response(status=204)
        if "uploads" in request.query:
            return web.Response(text="<R><UploadId>a&amp;b</UploadId></R>")
        if request.method == "POST":
            return s3_error(status, "InternalError")
        return web.Response(headers={"ETag": '"tag"'})

    async with scripted(tmp_path, answer, part_size_bytes=5 * MIB) as store:
        with pytest.raises(UnreachableError):
            await store.write(chunked(6 * MIB))
    assert aborted == ["a&b"]


async def test_a_completion_that_keeps_us_waiting_with_spaces_is_read_to_its_end(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            await request.read()
            is_absent = request.method == "HEAD" and request.path != "/scripted"
            return web.Response(headers={"ETag": '"a&b"'}, status=404 if is_absent else 200)
        if "uploads" in request.query:
            return web.Response(text="<R><UploadId>1</UploadId></R>")
        seen["document"] = await request.text()
        seen["length"] = request.headers.get("Content-Length", "")
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in (b" " * 40_000, b" " * 40_000, b"<CompleteMultipart", b"UploadResult/>"):
            await response.write(chunk)
            await asyncio.sleep(0.05)
        return response

    async with scripted_by(tmp_path, handle, part_size_bytes=5 * MIB) as store:
        assert (await store.write(chunked(6 * MIB))).size_bytes == 6 * MIB
    assert seen["document"].count('<ETag>"a&amp;b"</ETag>') == 2
    assert int(seen["length"]) == len(seen["document"])


async def test_a_completion_whose_answer_was_lost_counts(tmp_path: Path) -> None:
    is_complete = False

    def answer(request: web.Request) -> web.Response | None:
        nonlocal is_complete
        if request.method == "HEAD" and is_complete:
            now = "Sun, 22 Nov 2026 15:37:40 GMT"
            return web.Response(headers={"Content-Length": str(6 * MIB), "Last-Modified": now, "Date": now})
        if request.method == "HEAD":
            return web.Response(status=404)
        if "uploads" in request.query:
            return web.Response(text="<R><UploadId>1</UploadId></R>")
        if request.method == "POST":
            if is_complete:
                return s3_error(404, "NoSuchUpload")
            is_complete = True
            return None
        assert request.method == "PUT"
        return web.Response(headers={"ETag": '"tag"'})

    async with scripted(tmp_path, answer, part_size_bytes=5 * MIB) as store:
        assert (await store.write(chunked(6 * MIB))).size_bytes == 6 * MIB


async def test_a_part_that_fails_for_good_stops_the_others(tmp_path: Path) -> None:
    puts = 0

    def answer(request: web.Request) -> web.Response:
        nonlocal puts
        if request.method == "HEAD":
            return web.Response(status=404)
        if "uploads" in request.query:
            return web.Response(text="<R><UploadId>1</UploadId></R>")
        if request.method == "DELETE":
            return web.Response(status=204)
        puts += 1
        return s3_error(403, "AccessDenied")

    async with scripted(tmp_path, answer, part_size_bytes=5 * MIB, parts_at_once=1) as store:
        with pytest.raises(UnreachableError, match="AccessDenied"):
            await store.write(chunked(40 * MIB))
    assert puts < 4


@pytest.mark.parametrize(("age", "sent"), [("15:00:00", 0), ("13:00:00", 1)])
async def test_what_is_there_and_recent_is_not_sent_again(tmp_path: Path, age: str, sent: int) -> None:
    """An older copy is: a sweep might be about to take it."""
    puts = 0

    def answer(request: web.Request) -> web.Response:
        nonlocal puts
        if request.method == "HEAD":
            moments = {"Last-Modified": f"Sun, 22 Nov 2026 {age} GMT", "Date": "Sun, 22 Nov 2026 15:30:00 GMT"}
            return web.Response(headers={"Content-Length": "10", **moments})
        puts += 1
        return web.Response()

    async with scripted(tmp_path, answer) as store:
        await store.write(chunked(10))
    assert puts == sent


async def test_a_body_cut_short_is_unreachable_and_not_an_end(tmp_path: Path) -> None:
    content = b"x" * (3 * MIB)

    async def cut(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response()
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: 2 * MIB])
        assert request.transport
        request.transport.close()
        return response

    async with scripted_by(tmp_path, cut) as store:
        with pytest.raises(UnreachableError):
            await whole(store.read(hashlib.sha256(content).digest()))


async def test_a_server_that_is_not_s3_is_told(tmp_path: Path) -> None:
    async with scripted(tmp_path, lambda _request: web.Response()) as store:
        with pytest.raises(UnreachableError, match="without"):
            await store.write(chunked(1))


async def test_a_missing_object_is_missing(tmp_path: Path) -> None:
    async with scripted(tmp_path, lambda _request: s3_error(404, "NoSuchKey")) as store:
        with pytest.raises(MissingError):
            await whole(store.read(hashlib.sha256(b"any").digest()))


async def test_a_full_spool_is_told(tmp_path: Path) -> None:
    async with scripted(tmp_path, answering(chain())) as store:
        store._reserve_bytes = 1 << 60
        with pytest.raises(StoreFullError):
            await store.write(chunked(1))
        with pytest.raises(StoreFullError):
            await store.write(chunked(1), size_bytes=1)


async def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = S3Config(
        endpoint="http://127.0.0.1:1", bucket="abc", access_key_id="us", secret_key_file=tmp_path / "absent"
    )
    with pytest.raises(UnreachableError, match="absent"):
        async with open_s3_store(config, tmp_path):
            pass

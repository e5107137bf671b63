"""The public face: root, revocation lists, time-stamps. Nobody needs to sign in for them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from aiohttp import hdrs, web

from comgov.authority import actions
from comgov.errors import Invalid
from comgov.feature import PLATFORM
from comgov.language import N_
from comgov.signing import tsp
from comgov.web import whole_body

_PEM_TYPE, _CRL_TYPE = "application/x-pem-file", "application/pkix-crl"


async def show_root(request: web.Request) -> web.Response:
    """The certificate to pin, PEM."""
    found = await actions.trust(request.app[PLATFORM])
    return _file(request, replace(found, crls=()).pem(), _PEM_TYPE)


async def show_bundle(request: web.Request) -> web.Response:
    """The root and every revocation list in force, PEM: the `-CAfile` of openssl."""
    return _file(request, (await actions.bundle(request.app[PLATFORM])).pem, _PEM_TYPE)


async def show_crl(request: web.Request) -> web.Response:
    """One revocation list, DER (RFC 5280 §4.2.1.13)."""
    found = await actions.published_crl(request.app[PLATFORM], request.match_info["name"])
    return _file(request, found.der, _CRL_TYPE)


def _file(request: web.Request, content: bytes, content_type: str) -> web.Response:
    """Content that changes once a day, with its digest as ETag."""
    tag = hashlib.sha256(content).hexdigest()[:32]
    headers = {hdrs.CACHE_CONTROL: "public, max-age=600", hdrs.ETAG: f'"{tag}"'}
    if any(known.value == tag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=content, content_type=content_type, headers=headers)


async def stamp(request: web.Request) -> web.Response:
    """A TimeStampResp to a TimeStampReq (RFC 3161 §3.4)."""
    if request.content_type != tsp.QUERY_TYPE:
        raise Invalid(N_("A time-stamp is asked for with a request of type {kind}."), kind=tsp.QUERY_TYPE)
    query = await whole_body(request, tsp.MAX_QUERY_BYTES)
    return web.Response(body=await actions.answer_query(request.app[PLATFORM], query), content_type=tsp.REPLY_TYPE)


routes = [
    web.get("/pki/root.pem", show_root),
    web.get("/pki/root+crls.pem", show_bundle),
    web.get("/pki/{name}.crl", show_crl),
    web.post("/timestamp", stamp),
]

"""Style, script and icons: read once, named by what they hold, compressed once, kept in memory.

A name carries the digest of its content (`comgov.1a2b3c4d5e.css`), so that a browser keeps it for ever and a new
release is a new name. Nothing is looked up on disk when a request comes, so no path can climb out.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
_WORTH_COMPRESSING = 400  # bytes; below, gzip's own frame eats the gain


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file as it goes over the wire. compressed: gzip, None where it gains nothing."""

    path: str
    content_type: str
    content: bytes
    compressed: bytes | None


class Assets:
    """Every static file of every feature: `comgov.css` for the kernel's own, `files/upload.js` for a feature's."""

    def __init__(self, folders: Iterable[tuple[str, Path]]) -> None:
        """folders: prefix (empty, or `files/`) and directory."""
        self._by_name: dict[str, Asset] = {}
        for prefix, folder in folders:
            for file in sorted(folder.rglob("*")):
                if file.suffix in _TYPES:
                    name = prefix + file.relative_to(folder).as_posix()
                    self._by_name[name] = _asset(name, file.suffix, file.read_bytes())
        self._by_path: Mapping[str, Asset] = {asset.path: asset for asset in self._by_name.values()}

    def path(self, name: str) -> str:
        """Where `name` is served, its digest included. KeyError if there is none: a fault of the template."""
        return self._by_name[name].path

    async def serve(self, request: web.Request) -> web.Response:
        """Handler of `/static/…`."""
        asset = self._by_path.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        headers = {
            "Content-Type": asset.content_type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
        }
        if asset.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.compressed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=asset.content, headers=headers)


def _asset(name: str, suffix: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:10]
    compressed = gzip.compress(content, 9, mtime=0) if len(content) >= _WORTH_COMPRESSING else None
    return Asset(
        path=f"/static/{name.removesuffix(suffix)}.{digest}{suffix}",
        content_type=_TYPES[suffix],
        content=content,
        compressed=compressed if compressed is not None and len(compressed) < len(content) else None,
    )

"""The TLS that this server shows to mail programs and peers, renewed while it serves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from comgov.authority.actions import issue_tls
from comgov.authority.tls import load, new_server_context
from comgov.errors import ComgovError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.feature import Platform

_RENEW_EVERY_SECONDS = 12 * 3600

log = structlog.get_logger()


class ServerTls:
    """A context for listeners whose certificate can change under them: new handshakes show the latest."""

    def __init__(self, platform: Platform, names: Sequence[str]) -> None:
        """names: host names and addresses that clients may know the server by."""
        self._platform = platform
        self._names = list(names)
        self.context = new_server_context()

    async def renew(self) -> None:
        """Show the certificate that is good now, issued anew when it is time. Raises as `issue_tls` does."""
        tls = await issue_tls(self._platform, self._names)
        load(self.context, tls)

    async def keep_renewing(self) -> None:
        """Renew twice a day until cancelled; what fails is tried again at the next turn, weeks before it matters."""
        while True:
            await asyncio.sleep(_RENEW_EVERY_SECONDS)
            try:
                await self.renew()
            except ComgovError as error:
                log.error("tls.not_renewed", reason=str(error))

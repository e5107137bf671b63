"""TLS contexts from what the authority issues; keys never touch a disk."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comgov.authority.model import Tls


def new_server_context() -> ssl.SSLContext:
    """A context for a server, TLS 1.2 or later, that has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 1  # a quarter of a kB each, on every connection
    return context


def load(context: ssl.SSLContext, tls: Tls) -> None:
    """Let connections that begin from now on see this certificate; those that are open keep theirs.

    `ssl` reads files only: the key passes through one that lies in memory and has no name (memfd_create(2)).
    """
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, tls.chain + tls.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)

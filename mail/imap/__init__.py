"""IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051): people's own mail programs read and file their mail here."""

from mail.imap.server import Server, serve

__all__ = ["Server", "serve"]

"""SMTP as a server speaks it: mail from other servers, and from people's own programs."""

from mail.smtp.server import Service, serve

__all__ = ["Service", "serve"]

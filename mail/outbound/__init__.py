"""The way to other servers, and what becomes of mail there. Mail for this server never comes here."""

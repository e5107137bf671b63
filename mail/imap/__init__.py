"""IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051): people's own mail programs read their mailboxes here."""

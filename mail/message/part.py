"""A leaf of the MIME tree: what it is, and where its bytes lie."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a part lies, leaf or not; offsets count from the first byte of the message's header as received.

    header: where its own header begins. start, stop: of its body. text: of a message within, where the text after its
    header begins; 0 for anything else.
    """

    header: int
    start: int
    stop: int
    text: int


class Part(NamedTuple):
    """A leaf of the MIME tree, also as it is kept; offsets count from the first byte of the header as received.

    number: IMAP's section, such as `1.2`. type: such as `text/plain`, lower case. encoding: such as `base64`.
    charset: as declared, empty when it was not. filename: decoded, empty for none. content_id: without brackets.
    disposition: `inline`, `attachment` or empty. start, stop: of its encoded body.
    """

    number: str
    type: str
    encoding: str
    charset: str
    filename: str
    disposition: str
    content_id: str
    start: int
    stop: int

    @property
    def is_attachment(self) -> bool:
        """Whether a reader shows it as a file rather than as text."""
        return self.disposition == "attachment" or bool(self.filename) or not self.type.startswith("text/")

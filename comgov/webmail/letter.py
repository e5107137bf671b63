"""A message as a person reads it: who, to whom, when, what it says, what comes with it. Pure; every byte is hostile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from comgov.webmail import html
from mail.message.addresses import parse_addresses
from mail.message.header import decode, decode_bytes, first, showable, split_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mail.message import Part
    from mail.message.header import Fields

TEXT_LIMIT_BYTES = 512 * 1024
"""Of the text of one message that is shown, all its parts together; the rest can be downloaded."""

_PEOPLE_LIMIT = 500
_PARTS_SHOWN = 20
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True)
class Person:
    """Someone named in a header. name: the address again when none was given."""

    name: str
    address: str

    @property
    def written(self) -> str:
        """As one writes it in a field of addresses."""
        if not self.name or self.name == self.address:
            return self.address
        bare = re.sub(r'[\\"\r\n]', "", self.name)
        return f'"{bare}" <{self.address}>' if re.search(r'[(),.:;<>@\[\]"]', bare) else f"{bare} <{self.address}>"


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The header, decoded. sender: who sent it for the author, None when that is the author.

    thread: Message-IDs of those before and this one, oldest first, for References.
    """

    subject: str
    author: Person
    sender: Person | None
    to: Sequence[Person]
    cc: Sequence[Person]
    bcc: Sequence[Person]
    reply_to: Sequence[Person]
    message_id: str
    thread: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """heads: its header. body: safe HTML. hidden_images: how many from elsewhere were left out.

    files: what to download. has_html: there is a formatted form. is_cut: too long to be shown whole.
    """

    heads: Heads
    body: Markup
    hidden_images: int
    files: Sequence[Part]
    has_html: bool
    is_cut: bool


def heads(header: bytes) -> Heads:
    """What a header says."""
    fields = split_fields(header)
    author = next(iter(_people(fields, b"from")), Person("", ""))
    sender = next(iter(_people(fields, b"sender")), None)
    message_id = _ids(first(fields, b"message-id"))[:1]
    before = _ids(first(fields, b"references")) or _ids(first(fields, b"in-reply-to"))[:1]
    return Heads(
        subject=decode(first(fields, b"subject")),
        author=author,
        sender=sender if sender is not None and sender.address.casefold() != author.address.casefold() else None,
        to=_people(fields, b"to"),
        cc=_people(fields, b"cc"),
        bcc=_people(fields, b"bcc"),
        reply_to=_people(fields, b"reply-to"),
        message_id="".join(message_id),
        thread=" ".join([*before[-20:], *message_id]),
    )


def _people(fields: Fields, name: bytes) -> list[Person]:
    found: list[Person] = []
    for value in fields.get(name, ()):
        for mailbox in parse_addresses(value)[: _PEOPLE_LIMIT - len(found)]:
            if mailbox.host is None or mailbox.local is None:
                continue
            address = showable("@".join(decode_bytes(part, "") for part in (mailbox.local, mailbox.host) if part))[:320]
            found.append(Person(decode(mailbox.name) or address, address))
    return found


def _ids(value: bytes) -> list[str]:
    return re.findall(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>", value.decode("ascii", "replace"))


def shown_parts(parts: Sequence[Part], *, as_text: bool) -> list[Part]:
    """The leaves one reads, in order; of the two forms of one text, the formatted one unless `as_text`.

    Plain text directly followed by HTML is taken for the same text twice (RFC 2046 §5.1.4).
    """
    leaves = [part for part in parts if not part.is_attachment]
    found: list[Part] = []
    for index, part in enumerate(leaves[: 2 * _PARTS_SHOWN]):
        after = leaves[index + 1].type if index + 1 < len(leaves) else ""
        before = leaves[index - 1].type if index else ""
        is_plain_twin = part.type == "text/plain" and after == "text/html"
        is_html_twin = part.type == "text/html" and before == "text/plain"
        if not (is_html_twin if as_text else is_plain_twin):
            found.append(part)
    return found[:_PARTS_SHOWN]


def inline_images(parts: Sequence[Part], base: str) -> dict[str, str]:
    """Path by Content-ID of the images that a message shows within its text. base: path of its parts."""
    return {part.content_id: f"{base}/{part.number}" for part in parts if part.content_id and part.type in _IMAGES}


def is_safe_image(part: Part) -> bool:
    """Whether a browser may show it as it is: a picture made of points, which holds no script."""
    return part.type in _IMAGES


def compose(
    header: bytes,
    parts: Sequence[Part],
    texts: Mapping[str, bytes],
    *,
    images: Mapping[str, str],
    as_text: bool,
    remote_images: bool,
) -> Letter:
    """Put together what is shown.

    texts: decoded bytes of each of `shown_parts` by number, TEXT_LIMIT_BYTES in all and one more if there is more.
    images: see `html.clean`. What exceeds an `html.Allowance` is left out too.
    """
    pieces: list[Markup] = []
    hidden, is_cut, left = 0, False, TEXT_LIMIT_BYTES
    allowance = html.Allowance()
    for part in shown_parts(parts, as_text=as_text):
        raw = texts.get(part.number, b"")
        text = whole = showable(decode_bytes(raw[:left], part.charset))
        if part.type == "text/html":
            text = allowance.cut(whole)
        is_cut = is_cut or len(raw) > left or len(whole) > len(text)
        left -= len(raw[:left])
        if part.type == "text/html" and not as_text and allowance.admits(text):
            cleaned = html.clean(text, images, remote_images=remote_images)
            hidden += cleaned.hidden_images
            pieces.append(Markup('<div class="letter">{}</div>').format(cleaned.text))
        else:
            pieces.append(plain(html.to_text(text, allowance) if part.type == "text/html" else text))
    body = Markup("").join(pieces)
    used = {part.number for part in parts if part.content_id and f"{images.get(part.content_id)}" in body}
    return Letter(
        heads=heads(header),
        body=body,
        hidden_images=hidden,
        files=[part for part in parts if part.is_attachment and part.number not in used],
        has_html=any(part.type == "text/html" and not part.is_attachment for part in parts),
        is_cut=is_cut,
    )


def said(parts: Sequence[Part], texts: Mapping[str, bytes]) -> str:
    """What these parts say, in plain text, to be quoted. texts: as for `compose`, but of these parts."""
    pieces = []
    allowance = html.Allowance()
    for part in parts:
        text = showable(decode_bytes(texts[part.number], part.charset)).replace("\r\n", "\n")
        pieces.append(html.to_text(allowance.cut(text), allowance) if part.type == "text/html" else text)
    return "\n".join(pieces).strip("\n")


_LINK = re.compile(r"\b(?:https?://[^\s<>\"'`\u00a0]{1,2000}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})")
_TRAILING = ".,;:!?)]}»"


def plain(text: str) -> Markup:
    """Plain text as HTML: its lines kept, its addresses made links, what it quotes folded away at its end."""
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    end = len(lines)
    while end and (lines[end - 1].startswith(">") or not lines[end - 1].strip()):
        end -= 1
    said, quote = "\n".join(lines[:end]).rstrip(), "\n".join(lines[end:]).strip("\n")
    if quote.count("\n") < 2 or not said:
        return Markup('<div class="letter text">{}</div>').format(_linked(text.strip("\r\n")))
    return Markup(
        '<div class="letter text">{}</div><details class="quote"><summary></summary>'
        '<div class="letter text">{}</div></details>'
    ).format(_linked(said), _linked(quote))


def _linked(text: str) -> Markup:
    pieces: list[str] = []
    at = 0
    for found in _LINK.finditer(text):
        target = found[0].rstrip(_TRAILING)
        pieces += [escape(text[at : found.start()]), _link(escape(target))]
        at = found.start() + len(target)
    pieces.append(escape(text[at:]))
    return Markup("".join(pieces))  # noqa: S704  # each piece is escaped


def _link(target: str) -> str:
    """A link to an address that was escaped."""
    if target.startswith("http"):
        return f'<a href="{target}" rel="noopener noreferrer nofollow" target="_blank">{target}</a>'
    return f'<a href="/mail/write?to={target}" rel="noopener noreferrer nofollow">{target}</a>'

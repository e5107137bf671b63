"""HTML mail made harmless: an allow-list of tags and attributes, no style, no script, no address but those we chose.

What passes is shown inside our own page, under a policy that refuses inline style, script and foreign images: two
walls, either of which would do. Images from elsewhere are left out, because loading one tells its sender that the
message was read, when and from where; a person may ask for those of one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import nh3
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAGS = {
    *("a", "abbr", "address", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code", "col"),
    *("colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5"),
    *(
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
    ),
    *("strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var", "wbr"),
}
_ATTRIBUTES = {
    "*": {"dir"},
    "a": {"href", "title"},
    "bdo": {"dir"},
    "col": {"span"},
    "colgroup": {"span"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start", "type"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align"},
    "tr": {"align"},
}
LONGEST = 256 * 1024
"""Characters of HTML in one message that are read: a tag of that length, all attributes, costs half a second."""

_DEEPEST = 1000  # tags within tags: the parser's time grows with the square of it
_MOST_TAGS = 8000  # opened in one message: how deep they stand can be disguised, their number cannot
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_NOT_TEXT = {
    "script",
    "style",
    "title",
    "noscript",
    "template",
    "object",
    "svg",
    "math",
    "iframe",
    "textarea",
    "select",
}
_IMAGE_WITHOUT_ALT = re.compile(r"<img(?![^>]*\salt=)")
_FORMATTING = re.compile(r"<(b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/][^>]*>", re.IGNORECASE)
_SCHEME = re.compile(r"\s*(?:https?|mailto|tel):", re.IGNORECASE)
_LENGTH = re.compile(r"\d{1,4}")
_SPAN = re.compile(r"[1-9]\d{0,2}")


@dataclass(frozen=True)
class CleanHtml:
    """text: safe to stand in a page. hidden_images: how many images from elsewhere were left out."""

    text: Markup
    hidden_images: int


class Allowance:
    """What the HTML of one message may cost to read, all its parts together. Taken from as parts are read."""

    def __init__(self) -> None:
        self.characters = LONGEST
        self._tags = _MOST_TAGS

    def cut(self, html: str) -> str:
        """As much of it as may still be read."""
        kept = html[: self.characters]
        self.characters -= len(kept)
        return kept

    def admits(self, html: str) -> bool:
        """Whether a parser may have it; False if tags are so many, or so deep within tags, that it would choke."""
        opened = _tags_opened(html, self._tags)
        if opened is None:
            return False
        self._tags -= opened
        return True


def _tags_opened(html: str, most: int) -> int | None:
    """How many tags open; None if they are more than `most` or lie deeper than any honest program puts them."""
    depth = opened = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _VOID:
            depth = max(0, depth - 1) if tag[1] else depth + 1
            opened += not tag[1]
        if depth > _DEEPEST or opened > most:
            return None
    return opened


def _without_formatting_attributes(html: str) -> str:
    """The same with bare `<b>`, `<font>` and their like.

    A parser opens all unclosed ones again in every paragraph that follows, unless three alike are open already (HTML
    §13.2.4.3): attributes would let 23 kB of mail become 12 MB of page.
    """
    head, end, tail = html.rpartition(">")
    return _FORMATTING.sub(r"<\1>", head + end) + tail


def clean(html: str, inline_images: Mapping[str, str], *, remote_images: bool = False) -> CleanHtml:
    """The harmless part of an HTML mail.

    inline_images: path by Content-ID of the images that came with the message. remote_images: keep those of
    `https:`; the page's policy must let them through too. Only for what an Allowance `admits`.
    """
    hidden = 0

    def choose(tag: str, name: str, value: str) -> str | None:
        nonlocal hidden
        if tag == "img" and name == "src":
            if value[:4].lower() == "cid:":
                return inline_images.get(unquote(value[4:]))
            if remote_images and value.lower().startswith("https://"):
                return value
            hidden += value.lower().startswith(("http://", "https://"))
            return None
        if name == "href":
            return value if _SCHEME.match(value) else None  # a path would be one of this site
        if name in ("width", "height"):
            return value if _LENGTH.fullmatch(value) else None
        if name in ("colspan", "rowspan", "span"):
            return value if _SPAN.fullmatch(value) else None
        return value

    text = nh3.clean(
        _without_formatting_attributes(html),
        tags=_TAGS,
        clean_content_tags=_NOT_TEXT,
        attributes=_ATTRIBUTES,
        attribute_filter=choose,
        url_schemes=_SCHEMES,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    safe = Markup(_IMAGE_WITHOUT_ALT.sub('<img alt=""', text))  # noqa: S704  # what nh3 let through
    return CleanHtml(safe, hidden)


_BREAKS = {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol", "pre"}
_BREAK = re.compile(rf"<(?:{'|'.join(sorted(_BREAKS))})\b[^<>]*>", re.IGNORECASE)


def to_text(html: str, allowance: Allowance) -> str:
    """What an HTML mail says, in plain text: to quote it, or for whoever prefers it."""
    if not allowance.admits(html):
        return re.sub(r"<[^<>]{0,1000}>", "", html)
    spaced = _BREAK.sub(lambda match: "\n" + match[0], re.sub(r"\s+", " ", _without_formatting_attributes(html)))
    bare = nh3.clean(spaced, tags=set(), clean_content_tags=_NOT_TEXT | {"head"}, strip_comments=True)
    text = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

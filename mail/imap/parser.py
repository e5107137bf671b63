"""Commands as values, from their text and literals (RFC 9051 §9 and the extensions that `commands` names)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from mail.imap import commands, search
from mail.imap.commands import (
    Acl,
    Action,
    Append,
    Appended,
    Authenticate,
    Binary,
    Compress,
    Copy,
    Create,
    Delete,
    Enable,
    Expunge,
    Fetch,
    Id,
    Item,
    Login,
    Quota,
    Rename,
    Resync,
    Section,
    Select,
    SetQuota,
    Simple,
    Status,
    StatusItem,
    Store,
    Subscribe,
    Text,
)
from mail.imap.cursor import Cursor
from mail.imap.flags import BY_NAME
from mail.imap.moments import read_moment
from mail.imap.replies import Bad, NotDone
from mail.mailbox.model import KEYWORDS_LIMIT, Flag, SpecialUse

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from mail.imap.commands import Command
    from mail.octets import Octets

KEYWORD_LIMIT_BYTES = 100

_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]+]{1,100}")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_BASE64 = re.compile(rb"=|[A-Za-z0-9+/]*={0,2}")
_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_PART = re.compile(rb"[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*")
_SPAN = re.compile(rb"<(\d{1,10})\.([1-9]\d{0,9})>")
_LAZY = re.compile(rb" \(LAZY\)", re.IGNORECASE)
_FIELD_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,100}")
_ITEMS_LIMIT = 200
_NAMES_LIMIT = 200
_HEADERS_LIMIT = 10
_DEPTH_LIMIT = 100  # levels of parts, as `message.scan` has them
_ID_LIMIT = 30


def parse(pieces: Sequence[Octets], *, utf8: bool, oversize: Container[int] = ()) -> Command:
    """The command that the pieces make (see `wire.Raw`), its tag passed over. Raises Bad.

    utf8: the client enabled UTF8=ACCEPT or IMAP4rev2.
    """
    cursor = Cursor(pieces, oversize=oversize, utf8=utf8)
    cursor.match(_TAG, "A tag")
    cursor.space()
    name = cursor.word()
    is_uid = name == "UID"
    if is_uid:
        cursor.space()
        name = f"UID {cursor.word()}"
    parser = _PARSERS.get(name)
    if parser is None:
        raise Bad(f"There is no command {name[:40]}")
    command = parser(cursor)
    cursor.end()
    return command


def _id(cursor: Cursor) -> Id:
    fields: dict[str, str] = {}

    def pair() -> None:
        name = cursor.string()
        cursor.space()
        value = cursor.nstring() or b""
        fields[name.decode("utf-8", "replace").lower()[:30]] = value.decode("utf-8", "replace")[:1024]

    cursor.space()
    if cursor.sees(b"("):
        cursor.listed(pair, limit=_ID_LIMIT, may_be_empty=True)
    elif cursor.word() != "NIL":
        raise Bad("A list or NIL is expected")
    return Id(fields)


def _login(cursor: Cursor) -> Login:
    cursor.space()
    login = cursor.text()
    cursor.space()
    return Login(login, cursor.text())


def _authenticate(cursor: Cursor) -> Authenticate:
    cursor.space()
    mechanism = cursor.word()
    initial = cursor.match(_BASE64, "A response in base64")[0] if cursor.skip(b" ") else None
    return Authenticate(mechanism, initial)


def _enable(cursor: Cursor) -> Enable:
    found = []
    while cursor.skip(b" "):
        found.append(cursor.word())
    if not found:
        raise Bad("ENABLE says what")
    return Enable(tuple(found))


def _compress(cursor: Cursor) -> Compress:
    cursor.space()
    return Compress(cursor.word())


def _select(cursor: Cursor) -> Select:
    return _selection(cursor, is_read_only=False)


def _examine(cursor: Cursor) -> Select:
    return _selection(cursor, is_read_only=True)


def _selection(cursor: Cursor, *, is_read_only: bool) -> Select:
    cursor.space()
    name = cursor.mailbox()
    condstore = False
    resync: Resync | None = None

    def parameter() -> None:
        nonlocal condstore, resync
        word = cursor.word()
        if word == "CONDSTORE":
            condstore = True
        elif word == "QRESYNC":
            cursor.space()
            resync = _resync(cursor)
        else:
            raise Bad(f"There is no parameter {word[:40]}")

    if cursor.skip(b" "):
        cursor.listed(parameter, limit=10)
    return Select(name, is_read_only, condstore, resync)


def _resync(cursor: Cursor) -> Resync:
    cursor.expect(b"(")
    uidvalidity = cursor.number()
    cursor.space()
    modseq = cursor.number()
    known = None
    if cursor.skip(b" ") and not cursor.sees(b"("):
        known = cursor.messages()
        if cursor.skip(b" "):
            _pass_over_matches(cursor)
    elif cursor.sees(b"("):
        _pass_over_matches(cursor)
    cursor.expect(b")")
    return Resync(uidvalidity, modseq, known)


def _pass_over_matches(cursor: Cursor) -> None:
    """Sequence numbers and their UIDs of then (RFC 7162 §3.2.5.2): they save a server that forgets what is gone some
    bytes, and the truth is the same without."""
    cursor.expect(b"(")
    cursor.messages()
    cursor.space()
    cursor.messages()
    cursor.expect(b")")


_USES = {rf"\{use.upper()}": use for use in SpecialUse if use is not SpecialUse.INBOX}


def _create(cursor: Cursor) -> Create:
    cursor.space()
    name = cursor.mailbox()
    uses: list[SpecialUse] = []

    def use() -> None:
        word = cursor.match(_FLAG, "An attribute")[0].decode("ascii").upper()
        if word not in _USES:
            raise NotDone(f"No mailbox is for {word} here", code="USEATTR")
        uses.append(_USES[word])

    def parameter() -> None:
        if cursor.word() != "USE":
            raise Bad("USE is expected")
        cursor.space()
        cursor.listed(use, limit=10, may_be_empty=True)

    if cursor.skip(b" "):
        cursor.listed(parameter, limit=1)
    return Create(name.removesuffix("/") or name, uses[0] if uses else None)


def _delete(cursor: Cursor) -> Delete:
    cursor.space()
    return Delete(cursor.mailbox())


def _rename(cursor: Cursor) -> Rename:
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    return Rename(name, cursor.mailbox().removesuffix("/"))


def _subscribe(cursor: Cursor) -> Subscribe:
    cursor.space()
    return Subscribe(cursor.mailbox(), subscribed=True)


def _unsubscribe(cursor: Cursor) -> Subscribe:
    cursor.space()
    return Subscribe(cursor.mailbox(), subscribed=False)


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    found: dict[StatusItem, None] = {}

    def item() -> None:
        word = cursor.word()
        try:
            found[StatusItem(word)] = None
        except ValueError:
            raise Bad(f"STATUS knows no {word[:40]}") from None

    cursor.listed(item, limit=20)
    return tuple(found)


def _status(cursor: Cursor) -> Status:
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    return Status(name, _status_items(cursor))


_SELECT_OPTIONS = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"}
_RETURN_OPTIONS = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS"}
_PATTERNS_LIMIT = 20


def _list(cursor: Cursor) -> commands.List:
    cursor.space()
    select: set[str] = set()
    returns: set[str] = set()
    status: tuple[StatusItem, ...] = ()
    patterns: list[str] = []

    def selection() -> None:
        select.add(_option(cursor, _SELECT_OPTIONS))

    def returned() -> None:
        nonlocal status
        word = _option(cursor, _RETURN_OPTIONS | {"STATUS"})
        if word == "STATUS":
            cursor.space()
            status = _status_items(cursor)
        returns.add(word)

    is_extended = cursor.sees(b"(")
    if is_extended:
        cursor.listed(selection, limit=10, may_be_empty=True)
        cursor.space()
    if "RECURSIVEMATCH" in select and not select - {"RECURSIVEMATCH", "REMOTE"}:
        raise Bad("RECURSIVEMATCH goes with another option")
    reference = cursor.pattern()
    cursor.space()
    if cursor.sees(b"("):
        is_extended = True
        cursor.listed(lambda: patterns.append(cursor.pattern()), limit=_PATTERNS_LIMIT)
    else:
        patterns.append(cursor.pattern())
    if cursor.skip(b" "):
        if cursor.word() != "RETURN":
            raise Bad("RETURN is expected")
        is_extended = True
        cursor.space()
        cursor.listed(returned, limit=10, may_be_empty=True)
    return commands.List(
        reference, tuple(patterns), frozenset(select), frozenset(returns), status, is_extended=is_extended
    )


def _option(cursor: Cursor, known: set[str]) -> str:
    word = cursor.word()
    if word not in known:
        raise Bad(f"LIST knows no {word[:40]}")
    return word


def _lsub(cursor: Cursor) -> commands.List:
    cursor.space()
    reference = cursor.pattern()
    cursor.space()
    return commands.List(reference, (cursor.pattern(),), is_lsub=True)


def _append(cursor: Cursor) -> Append:
    cursor.space()
    name = cursor.mailbox()
    messages = []
    while cursor.skip(b" "):
        messages.append(_appended(cursor))
    if not messages:
        raise Bad("APPEND takes a message")
    return Append(name, tuple(messages))


def _appended(cursor: Cursor) -> Appended:
    flags = Flag.NONE
    keywords: tuple[str, ...] = ()
    if cursor.sees(b"("):
        flags, keywords = _flag_list(cursor)
        cursor.space()
    internal_date = None
    if cursor.sees(b'"'):
        internal_date = read_moment(cursor)
        cursor.space()
    if cursor.skip_word("UTF8"):  # RFC 6855 §4
        cursor.expect(b" (")
        content = cursor.message()
        cursor.expect(b")")
    else:
        content = cursor.message()
    return Appended(flags, keywords, internal_date, content)


def _flag_list(cursor: Cursor) -> tuple[Flag, tuple[str, ...]]:
    flags = Flag.NONE
    keywords: dict[str, str] = {}

    def flag() -> None:
        nonlocal flags
        raw = cursor.match(_FLAG, "A flag")[0]
        if raw.lower() in BY_NAME:
            flags |= BY_NAME[raw.lower()]
        elif raw.startswith(b"\\"):
            if raw.lower() != rb"\recent":  # of some clients, who copy it from what they were told
                raise Bad(f"There is no flag {raw.decode('ascii')[:40]}")
        elif len(raw) > KEYWORD_LIMIT_BYTES:
            raise Bad(f"A keyword is longer than {KEYWORD_LIMIT_BYTES} bytes")
        else:
            keywords.setdefault(raw.decode("ascii").lower(), raw.decode("ascii"))

    if cursor.sees(b"("):
        cursor.listed(flag, limit=KEYWORDS_LIMIT, may_be_empty=True)
    else:
        flag()
        while cursor.skip(b" "):
            flag()
    return flags, tuple(keywords.values())


def _expunge(cursor: Cursor) -> Expunge:
    del cursor
    return Expunge(None)


def _uid_expunge(cursor: Cursor) -> Expunge:
    cursor.space()
    return Expunge(cursor.messages())


def _store(cursor: Cursor, *, by_uid: bool = False) -> Store:
    cursor.space()
    messages = cursor.messages()
    cursor.space()
    unchanged_since = None
    if cursor.skip(b"("):
        if cursor.word() != "UNCHANGEDSINCE":
            raise Bad("UNCHANGEDSINCE is expected")
        cursor.space()
        unchanged_since = cursor.number()
        cursor.expect(b")")
        cursor.space()
    action = Action.ADD if cursor.skip(b"+") else Action.REMOVE if cursor.skip(b"-") else Action.REPLACE
    word = cursor.word()
    if word not in ("FLAGS", "FLAGS.SILENT"):
        raise Bad("FLAGS is expected")
    cursor.space()
    flags, keywords = _flag_list(cursor)
    return Store(messages, by_uid, action, word == "FLAGS.SILENT", flags, keywords, unchanged_since)


def _copy(cursor: Cursor, *, by_uid: bool = False, is_move: bool = False) -> Copy:
    cursor.space()
    messages = cursor.messages()
    cursor.space()
    return Copy(messages, by_uid, cursor.mailbox(), is_move)


_MACROS = {
    "ALL": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE, Item.ENVELOPE),
    "FAST": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE),
    "FULL": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE, Item.ENVELOPE, Item.BODY),
}
_WHOLE = {
    "RFC822": Section("", Text.ALL, (), None, False, b"RFC822"),
    "RFC822.HEADER": Section("", Text.HEADER, (), None, True, b"RFC822.HEADER"),
    "RFC822.TEXT": Section("", Text.TEXT, (), None, False, b"RFC822.TEXT"),
    "RFC822.PEEK": Section("", Text.ALL, (), None, True, b"RFC822"),  # of RFC 1730, and still some clients'
    "RFC822.TEXT.PEEK": Section("", Text.TEXT, (), None, True, b"RFC822.TEXT"),
}


def _fetch(cursor: Cursor, *, by_uid: bool = False) -> Fetch:
    cursor.space()
    messages = cursor.messages()
    cursor.space()
    items: dict[Item | Section | Binary, None] = {}

    def item() -> None:
        items[_item(cursor, cursor.match(_ITEM, "What to fetch")[0].decode("ascii").upper())] = None

    if cursor.sees(b"("):
        cursor.listed(item, limit=_ITEMS_LIMIT)
    else:
        word = cursor.match(_ITEM, "What to fetch")[0].decode("ascii").upper()
        items = dict.fromkeys(_MACROS[word] if word in _MACROS else (_item(cursor, word),))
    if sum(map(_looks_through_header, items)) > _HEADERS_LIMIT:
        raise Bad(f"The header is asked for more than {_HEADERS_LIMIT} times")
    changed_since, vanished = _fetch_modifiers(cursor)
    if vanished and (changed_since is None or not by_uid):
        raise Bad("VANISHED goes with UID FETCH and CHANGEDSINCE")
    return Fetch(messages, by_uid, tuple(items), changed_since, vanished)


def _looks_through_header(item: Item | Section | Binary) -> bool:
    return isinstance(item, Section) and (bool(item.fields) or (item.text is Text.HEADER and not item.part))


def _fetch_modifiers(cursor: Cursor) -> tuple[int | None, bool]:
    changed_since, vanished = None, False

    def modifier() -> None:
        nonlocal changed_since, vanished
        word = cursor.word()
        if word == "CHANGEDSINCE":
            cursor.space()
            changed_since = cursor.number()
        elif word == "VANISHED":
            vanished = True
        else:
            raise Bad(f"FETCH knows no {word[:40]}")

    if cursor.skip(b" "):
        cursor.listed(modifier, limit=10)
    return changed_since, vanished


def _item(cursor: Cursor, word: str) -> Item | Section | Binary:
    if word in _WHOLE:
        return _WHOLE[word]
    if word in ("BODY", "BODY.PEEK") and cursor.skip(b"["):
        return _section(cursor, is_peek=word == "BODY.PEEK")
    if word in ("BINARY", "BINARY.PEEK", "BINARY.SIZE") and cursor.skip(b"["):
        part = "" if cursor.sees(b"]") else _part(cursor)
        cursor.expect(b"]")
        span = None if word == "BINARY.SIZE" else _span(cursor)
        return Binary(part, span, word != "BINARY", word == "BINARY.SIZE")
    if word == "PREVIEW" and cursor.skip_any(_LAZY):  # RFC 8970: ours are never late
        return Item.PREVIEW
    try:
        return Item(word)
    except ValueError:
        raise Bad(f"FETCH knows no {word[:40]}") from None


def _section(cursor: Cursor, *, is_peek: bool) -> Section:
    part = _part(cursor) if cursor.sees_digit else ""
    text = Text.ALL
    fields: tuple[bytes, ...] = ()
    if not cursor.sees(b"]") and (not part or cursor.skip(b".")):
        text, fields = _section_text(cursor, part)
    cursor.expect(b"]")
    inside = ".".join(piece for piece in (part, text.value) if piece).encode("ascii")
    if fields:
        inside += b" (%b)" % b" ".join(fields)
    return Section(part, text, fields, _span(cursor), is_peek, b"BODY[%b]" % inside)


def _section_text(cursor: Cursor, part: str) -> tuple[Text, tuple[bytes, ...]]:
    word = cursor.match(_ITEM, "A section")[0].decode("ascii").upper()
    try:
        text = Text(word)
    except ValueError:
        raise Bad(f"There is no section {word[:40]}") from None
    if text is Text.MIME and not part:
        raise Bad("MIME goes with a part")
    if text not in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
        return text, ()
    fields: list[bytes] = []
    cursor.space()
    cursor.listed(lambda: fields.append(_field_name(cursor)), limit=_NAMES_LIMIT)
    return text, tuple(fields)


def _field_name(cursor: Cursor) -> bytes:
    name = cursor.astring()
    if not _FIELD_NAME.fullmatch(name):
        raise Bad("A field name is malformed")
    return name


def _part(cursor: Cursor) -> str:
    part = cursor.match(_PART, "A part's number")[0].decode("ascii")
    if part.count(".") >= _DEPTH_LIMIT:
        raise Bad("A part lies too deep")
    return part


def _span(cursor: Cursor) -> tuple[int, int] | None:
    if not cursor.sees(b"<"):
        return None
    found = cursor.match(_SPAN, "A range of bytes")
    return int(found[1]), int(found[2])


def _quota(cursor: Cursor) -> Quota:
    cursor.space()
    return Quota(cursor.text(), is_root=False)


def _quota_root(cursor: Cursor) -> Quota:
    cursor.space()
    return Quota(cursor.mailbox(), is_root=True)


def _set_quota(cursor: Cursor) -> SetQuota:
    cursor.space()
    root = cursor.text()
    limits: dict[str, int] = {}

    def limit() -> None:
        resource = cursor.word()
        cursor.space()
        limits[resource] = cursor.number()

    cursor.space()
    cursor.listed(limit, limit=10, may_be_empty=True)
    return SetQuota(root, limits)


def _acl(name: str, arguments: int) -> Callable[[Cursor], Acl]:
    def parser(cursor: Cursor) -> Acl:
        cursor.space()
        mailbox = cursor.mailbox()
        texts = []
        for _ in range(arguments):
            cursor.space()
            texts.append(cursor.text())
        return Acl(name, mailbox, *texts)

    return parser


def _simple(name: str) -> Callable[[Cursor], Simple]:
    return lambda _cursor: Simple(name)


_ALONE = ("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "IDLE", "CHECK", "CLOSE", "UNSELECT", "NAMESPACE")
_PARSERS: dict[str, Callable[[Cursor], Command]] = {
    **{name: _simple(name) for name in _ALONE},
    "ID": _id,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "ENABLE": _enable,
    "COMPRESS": _compress,
    "SELECT": _select,
    "EXAMINE": _examine,
    "CREATE": _create,
    "DELETE": _delete,
    "RENAME": _rename,
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _unsubscribe,
    "STATUS": _status,
    "LIST": _list,
    "LSUB": _lsub,
    "APPEND": _append,
    "EXPUNGE": _expunge,
    "UID EXPUNGE": _uid_expunge,
    "STORE": _store,
    "UID STORE": partial(_store, by_uid=True),
    "COPY": _copy,
    "UID COPY": partial(_copy, by_uid=True),
    "MOVE": partial(_copy, is_move=True),
    "UID MOVE": partial(_copy, by_uid=True, is_move=True),
    "FETCH": _fetch,
    "UID FETCH": partial(_fetch, by_uid=True),
    "SEARCH": search.search,
    "UID SEARCH": partial(search.search, by_uid=True),
    "SORT": search.sort,
    "UID SORT": partial(search.sort, by_uid=True),
    "THREAD": search.thread,
    "UID THREAD": partial(search.thread, by_uid=True),
    "GETQUOTA": _quota,
    "GETQUOTAROOT": _quota_root,
    "SETQUOTA": _set_quota,
    "GETACL": _acl("GETACL", 0),
    "MYRIGHTS": _acl("MYRIGHTS", 0),
    "LISTRIGHTS": _acl("LISTRIGHTS", 1),
    "SETACL": _acl("SETACL", 2),
    "DELETEACL": _acl("DELETEACL", 1),
}

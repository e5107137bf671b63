"""Commands as values; what is none is refused with a sentence, whatever its bytes."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.imap import commands as c
from mail.imap.parser import parse
from mail.imap.replies import Bad, NotDone
from mail.mailbox import criteria as k
from mail.mailbox.model import Flag, SpecialUse
from mail.mailbox.sequence import SequenceSet


def read(*pieces: bytes, utf8: bool = False) -> Any:
    return parse([b"a1 " + pieces[0], *pieces[1:]], utf8=utf8)


def messages(text: bytes) -> SequenceSet:
    return SequenceSet.parse(text)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b"noop", c.Simple("NOOP")),
        (b'login claire "a \\"secret\\" \\\\"', c.Login("claire", 'a "secret" \\')),
        (b"AUTHENTICATE PLAIN", c.Authenticate("PLAIN", None)),
        (b"AUTHENTICATE PLAIN =", c.Authenticate("PLAIN", b"=")),
        (b'ID ("name" "Thunderbird" "version" NIL)', c.Id({"name": "Thunderbird", "version": ""})),
        (b"ID NIL", c.Id({})),
        (b"ENABLE QRESYNC imap4rev2", c.Enable(("QRESYNC", "IMAP4REV2"))),
        (b"SELECT inbox", c.Select("INBOX", False, False, None)),
        (b"EXAMINE INBOX (CONDSTORE)", c.Select("INBOX", True, True, None)),
        (
            b"SELECT INBOX (QRESYNC (7 90 1:5 (1,3 10,30)))",
            c.Select("INBOX", False, False, c.Resync(7, 90, messages(b"1:5"))),
        ),
        (b"SELECT INBOX (QRESYNC (7 90))", c.Select("INBOX", False, False, c.Resync(7, 90, None))),
        (b"CREATE &AMk-cole/", c.Create("École", None)),
        (b"CREATE Done (USE (\\Archive))", c.Create("Done", SpecialUse.ARCHIVE)),
        (b"RENAME a b/", c.Rename("a", "b")),
        (b"UNSUBSCRIBE Inbox/x", c.Subscribe("INBOX/x", False)),
        (b"STATUS INBOX (MESSAGES unseen)", c.Status("INBOX", (c.StatusItem.MESSAGES, c.StatusItem.UNSEEN))),
        (b'LIST "" *', c.List("", ("*",))),
        (b'LSUB "" %', c.List("", ("%",), is_lsub=True)),
        (
            b'LIST (SUBSCRIBED) "" (a "b%") RETURN (CHILDREN STATUS (SIZE))',
            c.List(
                "",
                ("a", "b%"),
                frozenset({"SUBSCRIBED"}),
                frozenset({"CHILDREN", "STATUS"}),
                (c.StatusItem.SIZE,),
                is_extended=True,
            ),
        ),
        (b"UID EXPUNGE 1:3", c.Expunge(messages(b"1:3"))),
        (
            b"UID STORE 4 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Seen $Forwarded)",
            c.Store(messages(b"4"), True, c.Action.ADD, True, Flag.SEEN, ("$Forwarded",), 12),
        ),
        (
            b"STORE 1 FLAGS \\Deleted x",
            c.Store(messages(b"1"), False, c.Action.REPLACE, False, Flag.DELETED, ("x",), None),
        ),
        (b"UID MOVE 1:* Trash", c.Copy(messages(b"1:*"), True, "Trash", True)),
        (b"GETQUOTAROOT inbox", c.Quota("INBOX", True)),
        (b'SETQUOTA "" (STORAGE 512 message 9)', c.SetQuota("", {"STORAGE": 512, "MESSAGE": 9})),
        (b"SETQUOTA a ()", c.SetQuota("a", {})),
        (b"SETACL INBOX eric lr", c.Acl("SETACL", "INBOX", "eric", "lr")),
    ],
)
def test_a_command_is_read(text: bytes, command: c.Command) -> None:
    assert read(text) == command


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (b"BODY[]", c.Section("", c.Text.ALL, (), None, False, b"BODY[]")),
        (b"BODY.PEEK[HEADER]", c.Section("", c.Text.HEADER, (), None, True, b"BODY[HEADER]")),
        (b"BODY[1.2]<5.100>", c.Section("1.2", c.Text.ALL, (), (5, 100), False, b"BODY[1.2]")),
        (b"body[1.mime]", c.Section("1", c.Text.MIME, (), None, False, b"BODY[1.MIME]")),
        (
            b'BODY[2.HEADER.FIELDS (From "To")]',
            c.Section("2", c.Text.HEADER_FIELDS, (b"From", b"To"), None, False, b"BODY[2.HEADER.FIELDS (From To)]"),
        ),
        (b"RFC822.HEADER", c.Section("", c.Text.HEADER, (), None, True, b"RFC822.HEADER")),
        (b"BINARY.PEEK[1]<0.9>", c.Binary("1", (0, 9), True, False)),
        (b"BINARY.SIZE[1]", c.Binary("1", None, True, True)),
        (b"PREVIEW (LAZY)", c.Item.PREVIEW),
        (b"body", c.Item.BODY),
    ],
)
def test_what_to_fetch_is_read(text: bytes, item: c.Item | c.Section | c.Binary) -> None:
    assert read(b"FETCH 1 " + text).items == (item,)
    assert read(b"UID FETCH 1:2 (UID %b)" % text) == c.Fetch(messages(b"1:2"), True, (c.Item.UID, item), None, False)


def test_macros_are_opened_and_modifiers_read() -> None:
    assert read(b"FETCH 1 FAST").items == (c.Item.FLAGS, c.Item.INTERNALDATE, c.Item.RFC822_SIZE)
    found = read(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7 VANISHED)")
    assert (found.changed_since, found.vanished) == (7, True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"ALL", k.And(())),
        (b"UNSEEN 1:3", k.And((k.Not(k.Flagged(Flag.SEEN)), k.In(messages(b"1:3"), False)))),
        (b"OR SEEN NOT (FROM eric)", k.Or(k.Flagged(Flag.SEEN), k.Not(k.And((k.Contains(k.Field.FROM, "eric"),))))),
        (b"SENTSINCE 1-Feb-2026", k.Sent(k.Compare.SINCE, date(2026, 2, 1))),
        (b'BEFORE "01-Feb-2026"', k.Internal(k.Compare.BEFORE, date(2026, 2, 1))),
        (b'HEADER X-Spam ""', k.Header("x-spam", "")),
        (b'CHARSET utf-8 TEXT "d\xc3\xa9cision"', k.Contains(k.Field.TEXT, "décision")),
        (b'MODSEQ "/flags/\\\\draft" all 620', k.ModSeq(620)),
        (b"UID 4 YOUNGER 60", k.And((k.In(messages(b"4"), True), k.Age(60, True)))),
        (b"KEYWORD $Junk", k.Keyword("$Junk")),
        (b"$", k.In(SequenceSet(()), False)),
    ],
)
def test_what_to_search_is_read(text: bytes, key: k.Key) -> None:
    assert read(b"SEARCH " + text) == c.Search(key, False, None)


def test_what_a_search_returns_is_read() -> None:
    assert read(b"UID SEARCH RETURN (MIN COUNT) ALL").returns == {c.Return.MIN, c.Return.COUNT}
    assert read(b"SEARCH RETURN () ALL").returns == {c.Return.ALL}
    assert read(b"SORT (REVERSE DATE SUBJECT) UTF-8 ALL").criteria == (
        (k.SortBy.DATE, True),
        (k.SortBy.SUBJECT, False),
    )
    assert read(b"UID THREAD REFERENCES UTF-8 ALL").algorithm == "REFERENCES"


def test_a_message_is_appended_with_all_that_is_said_of_it() -> None:
    found = read(b'APPEND Sent (\\Seen x) " 1-Feb-2026 10:00:00 +0200" {5}', b"a\r\nb\r", b" {1+}", b"z", b"")
    first, second = found.messages
    assert first == c.Appended(Flag.SEEN, ("x",), datetime(2026, 2, 1, 8, tzinfo=UTC), b"a\r\nb\r")
    assert second == c.Appended(Flag.NONE, (), None, b"z")


def test_a_message_too_large_is_left_out() -> None:
    found = parse([b"a APPEND x {99+}", b"", b""], utf8=False, oversize={1})
    assert isinstance(found, c.Append)
    assert found.messages[0].content is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NOTHING",
        b"NOOP ",
        b"NOOP x",
        b"LOGIN a",
        b"SELECT",
        b'SELECT ""',
        b"SELECT &AMk",
        b"SELECT &AGE-",
        b"SELECT " + b"x" * 1001,
        b"FETCH 0 FLAGS",
        b"FETCH 1",
        b"FETCH 1 (FLAGS",
        b"FETCH 1 ()",
        b"FETCH 1 BODY[",
        b"FETCH 1 BODY[MIME]",
        b"FETCH 1 BODY[1.NOTHING]",
        b"FETCH 1 BODY[0]",
        b"FETCH 1 BODY[HEADER.FIELDS ()]",
        b"FETCH 1 FLAGS (VANISHED)",
        b"STORE 1 FLAGS (\\Nothing)",
        b"STORE 1 FLAGS (" + b"x" * 101 + b")",
        b"SEARCH",
        b"SEARCH ON 31-Feb-2026",
        b"SEARCH " + b"(" * 100_000,
        b"SEARCH " + b"NOT " * 1000 + b"ALL",
        b"SEARCH " + b"ALL " * 1000 + b"ALL",
        b'LIST "" ' + b"*a" * 500,
        b"UID NOOP",
    ],
)
def test_what_is_no_command_is_refused(text: bytes) -> None:
    with pytest.raises(Bad):
        read(text)


def test_an_unknown_charset_is_told_apart() -> None:
    with pytest.raises(NotDone) as refused:
        read(b"SEARCH CHARSET X-NONE ALL")
    assert refused.value.reply.startswith(b"NO [BADCHARSET (US-ASCII UTF-8)] ")


_WORDS = st.sampled_from(
    [
        *(b'FETCH SEARCH UID STORE APPEND LIST SELECT STATUS BODY[ BODY ( ) [ ] < > 1 1:* * % " \\ \\Seen NIL'.split()),
        b" ",
        b"{3}",
        b"(1 2)",
        b"\xff",
        b"\x00",
    ]
)


@given(st.lists(st.one_of(st.binary(max_size=20), _WORDS), max_size=30), st.booleans())
def test_any_bytes_give_a_command_or_a_refusal(words: list[bytes], utf8: bool) -> None:
    text = b"".join(words).replace(b"\n", b"")
    with suppress(NotDone):
        parse([b"a " + text], utf8=utf8)

"""IMAP4rev2 (RFC 9051): what a client is told who enabled it, beyond what IMAP4rev1 with its extensions tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House, Open

PLAIN = b"Subject: one\r\n\r\nbody\r\n"


@pytest.fixture
async def modern(claire: Client) -> Client:
    """One who enabled it."""
    assert await claire.say("ENABLE imap4rev2") == [b"* ENABLED IMAP4rev2", b"OK ENABLE is done"]
    return claire


async def test_it_is_offered_before_and_after_signing_in_and_whatever_is_enabled(modern: Client) -> None:
    before = await modern.say("CAPABILITY")
    assert b" IMAP4rev1 IMAP4rev2 " in before[0]
    assert b" LITERAL+ " in before[0]
    assert b"LITERAL-" not in before[0]  # RFC 7888 §5: never both


async def test_a_mailbox_is_introduced_by_its_list_reply_and_nothing_is_recent(house: House, modern: Client) -> None:
    await house.put(PLAIN)
    replies = await modern.say("SELECT inbox")
    assert b'* LIST (\\HasNoChildren) "/" "INBOX"' in replies
    assert b"* 1 EXISTS" in replies
    assert not any(word in b" ".join(replies) for word in (b"RECENT", b"UNSEEN"))
    assert (await modern.say("FETCH 1 FLAGS"))[0] == b"* 1 FETCH (FLAGS ())"
    await house.put(PLAIN)
    assert await modern.say("NOOP") == [b"* 2 EXISTS", b"OK NOOP is done"]
    assert (await modern.say("FETCH 2 FLAGS"))[0] == b"* 2 FETCH (FLAGS ())"


async def test_what_one_client_does_not_call_recent_another_may(house: House, open_session: Open) -> None:
    await house.put(PLAIN)
    modern, old = await open_session(), await open_session()
    await modern.say("ENABLE IMAP4rev2")
    await modern.say("SELECT INBOX")
    assert b"* 1 RECENT" in await old.say("SELECT INBOX")


async def test_search_is_answered_by_esearch(house: House, modern: Client) -> None:
    await house.put(PLAIN, PLAIN)
    await modern.say("SELECT INBOX")
    assert (await modern.say("SEARCH ALL"))[0] == b'* ESEARCH (TAG "t4") ALL 1:2'
    assert (await modern.say("UID SEARCH SUBJECT two"))[0] == b'* ESEARCH (TAG "t5") UID'
    assert await modern.say("SEARCH RETURN (SAVE) 2") == [b"OK SEARCH is done"]
    assert (await modern.say("FETCH $ UID"))[0] == b"* 2 FETCH (UID 2)"


async def test_names_are_utf8_and_an_ampersand_is_one(modern: Client) -> None:
    assert (await modern.say('CREATE "Décisions & arrêtés"'))[-1].startswith(b"OK ")
    assert (await modern.say('LIST "" D*'))[1] == '* LIST (\\HasNoChildren) "/" "Décisions & arrêtés"'.encode()


async def test_a_name_that_is_not_in_net_unicode_is_refused(modern: Client) -> None:
    assert (await modern.say('CREATE "De\u0301cisions"'))[-1].startswith(b"NO [CANNOT] ")


async def test_without_it_a_name_in_another_form_is_the_same_name(claire: Client) -> None:
    assert (await claire.say("CREATE De&AwE-cisions"))[-1].startswith(b"OK ")
    assert (await claire.say("SELECT D&AOk-cisions"))[-1].startswith(b"OK ")
    assert (await claire.say("SELECT De&AwE-cisions"))[-1].startswith(b"OK ")


async def test_counts_of_deleted_messages_and_of_bytes_are_told(house: House, modern: Client) -> None:
    await house.put(PLAIN, PLAIN)
    await modern.say("SELECT INBOX")
    await modern.say("STORE 1 +FLAGS (\\Deleted)")
    assert (await modern.say("STATUS INBOX (DELETED SIZE)"))[0] == b'* STATUS "INBOX" (DELETED 1 SIZE %d)' % (
        2 * len(PLAIN)
    )


async def test_a_message_global_is_a_message(house: House, modern: Client) -> None:
    inner = "Subject: é\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nà\r\n".encode()
    outer = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n\r\n%b\r\n--b--\r\n"
    )
    await house.put(outer % inner)
    await modern.say("SELECT INBOX")
    told = (await modern.say("FETCH 1 (BODYSTRUCTURE BODY.PEEK[1.TEXT])"))[0]
    assert b'("message" "global" NIL NIL NIL "7bit" %d (NIL {2}\r\n\xc3\xa9 NIL ' % len(inner) in told
    assert told.endswith(b"BODY[1.TEXT] {4}\r\n\xc3\xa0\r\n)")


async def test_decoded_text_is_a_string_and_what_holds_nul_a_binary_literal(house: House, modern: Client) -> None:
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    await house.put(head + b"QUJD\r\n", head + b"QQBD\r\n")
    await modern.say("SELECT INBOX")
    assert (await modern.say("FETCH 1:2 BINARY.PEEK[1]"))[:2] == [
        b"* 1 FETCH (BINARY[1] {3}\r\nABC)",
        b"* 2 FETCH (BINARY[1] ~{3}\r\nA\0C)",
    ]


async def test_a_mailbox_for_a_use_that_is_taken_is_refused(claire: Client) -> None:
    assert (await claire.say("CREATE Brouillons (USE (\\Drafts))"))[-1].startswith(b"NO [USEATTR] ")
    assert (await claire.say('LIST "" Brouillons')) == [b"OK LIST is done"]


async def test_inbox_is_found_in_whatever_case(claire: Client) -> None:
    assert (await claire.say('LIST "" InB*'))[0] == b'* LIST (\\HasNoChildren) "/" "INBOX"'


async def test_what_is_not_there_can_be_unsubscribed(claire: Client) -> None:
    assert (await claire.say("UNSUBSCRIBE nowhere"))[-1].startswith(b"OK ")
    assert (await claire.say("SUBSCRIBE nowhere"))[-1].startswith(b"NO [NONEXISTENT] ")

"""Mailboxes of posts under "Other Users", rights over them, and quotas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mail.address import Address
from mail.directory import Access, Account, Rights
from mail.imap.access import Deed, Realm, changes_nothing, letters, may
from mail.mailbox import Flag, Mailbox, SpecialUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House

    Open = Callable[[], Awaitable[Client]]

POST = Address.parse("secretariat@sante.gov.test")
ROOT = "Other Users/secretariat@sante.gov.test"
MESSAGE = b"From: a@b.test\r\nSubject: Ordre du jour\r\n\r\nBonjour.\r\n"


@pytest.mark.parametrize(
    ("deed", "least"),
    [
        (Deed.SUBSCRIBE, Rights.VIEWER),
        (Deed.READ, Rights.VIEWER),
        (Deed.INSERT, Rights.EDITOR),
        (Deed.MARK, Rights.EDITOR),
        (Deed.EXPUNGE, Rights.EDITOR),
        (Deed.TAKE_AWAY, Rights.EDITOR),
        (Deed.CREATE, Rights.MANAGER),
        (Deed.RENAME, Rights.MANAGER),
        (Deed.DELETE, Rights.MANAGER),
        (Deed.SEE_RIGHTS, Rights.MANAGER),
    ],
)
def test_which_rights_a_deed_needs(deed: Deed, least: Rights) -> None:
    levels = list(Rights)
    assert [may(rights, deed) for rights in levels] == [levels.index(one) >= levels.index(least) for one in levels]


def test_every_deed_is_in_the_table() -> None:
    assert [may(Rights.MANAGER, deed) for deed in Deed] == [True] * len(Deed)
    assert [changes_nothing(rights) for rights in Rights] == [True, False, False, False]


@pytest.mark.parametrize(
    ("rights", "told"),
    [("VIEWER", "lr"), ("EDITOR", "lrswited"), ("SENDER", "lrswipted"), ("MANAGER", "lrswipkxteacd")],
)
def test_old_clients_are_told_the_rights_that_they_know_too(rights: str, told: str) -> None:
    assert letters(Rights[rights]) == told


OWN = Account(account_id=1, address=Address.parse("claire@sante.gov.test"))
HELD = Account(account_id=2, address=POST)
MAILBOX = Mailbox(
    id=1, account_id=2, name="INBOX", uidvalidity=1, uidnext=1, modseq=1, special_use=SpecialUse.INBOX,
    subscribed=True, messages=0, unseen=0, size_bytes=0, recent_uid=1,
)  # fmt: skip


@given(st.lists(st.text(st.sampled_from("aé/I NBOX*%"), max_size=8), min_size=1, max_size=4).map("/".join))
def test_a_mailbox_has_one_name_for_each_who_reaches_it(name: str) -> None:
    own, post = (Realm.of(Access(account=account, rights=Rights.VIEWER), OWN) for account in (OWN, HELD))
    assume(all(level for level in name.split("/")))
    box = replace(MAILBOX, name=name)
    assert own.shown(box).name == own.inward(name) == name
    outer = post.shown(box).name
    assert post.inward(outer) == name
    assert post.holds(outer) and not own.holds(outer)
    assert own.holds(name) and not post.holds(name)


@pytest.fixture
def post(house: House) -> Account:
    """The secretariat, whose quota is 10,240 bytes; nobody holds it."""
    return house.directory.add_account(POST, quota_bytes=10_240)


@pytest.fixture
async def inbox(house: House, post: Account) -> Mailbox:
    """Its inbox, in which a message lies."""
    box = await house.mailboxes.standard(post.account_id, SpecialUse.INBOX)
    await house.mailboxes.append(box.id, MESSAGE)
    return box


def names(replies: list[bytes]) -> list[str]:
    return [line.decode().partition(' "/" ')[2].strip('"') for line in replies[:-1]]


async def test_the_namespace_of_others_is_told(claire: Client) -> None:
    assert (await claire.say("NAMESPACE"))[0] == b'* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL'


async def test_a_post_appears_with_its_mailboxes_once_it_is_held(house: House, claire: Client, post: Account) -> None:
    own = names(await claire.say('LIST "" "*"'))
    assert not [name for name in own if name.startswith("Other")]
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    await house.mailboxes.create(post.account_id, "Projets/2026")
    found = names(await claire.say('LIST "" "*"'))
    assert set(found) - set(own) == {
        "Other Users",
        ROOT,
        *(f"{ROOT}/{name}" for name in ("Archive", "Drafts", "Junk", "Sent", "Trash", "Projets", "Projets/2026")),
    }
    house.directory.revoke(house.claire, POST)
    assert names(await claire.say('LIST "" "*"')) == own


@pytest.mark.usefixtures("post")
async def test_list_walks_down_to_a_post_level_by_level(house: House, claire: Client) -> None:
    house.directory.grant(house.claire, POST)
    assert "Other Users" in names(await claire.say('LIST "" "%"'))
    [top, _] = await claire.say('LIST "" "Other Users"')
    assert b"\\NonExistent" in top or b"\\Noselect" in top
    assert b"\\HasChildren" in top
    [root, _] = await claire.say('LIST "" "Other Users/%"')
    assert root.startswith(b"* LIST (") and b"\\HasChildren" in root and b"\\Non" not in root
    assert names([root, b""]) == [ROOT]
    assert names(await claire.say(f'LIST "{ROOT}/" "S*"')) == [f"{ROOT}/Sent"]
    assert names(await claire.say(f'LIST "" "{ROOT}/INBOX"')) == []


@pytest.mark.usefixtures("post")
async def test_what_is_special_is_ones_own(house: House, claire: Client) -> None:
    house.directory.grant(house.claire, POST)
    special = names(await claire.say('LIST (SPECIAL-USE) "" "*"'))
    assert sorted(special) == ["Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert b"\\Sent" not in (await claire.say(f'LIST "" "{ROOT}/Sent"'))[0]


async def test_each_reader_subscribes_for_themselves(house: House, open_session: Open, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    eric = house.directory.add_person(Address.parse("eric@sante.gov.test"), "secret")
    house.directory.grant(eric, POST, Rights.VIEWER)
    claire = await open_session()
    assert ROOT in names(await claire.say('LSUB "" "*"'))
    assert (await claire.say(f'UNSUBSCRIBE "{ROOT}"'))[-1].startswith(b"OK")
    assert (await claire.say(f'UNSUBSCRIBE "{ROOT}"'))[-1].startswith(b"OK")
    assert ROOT not in names(await claire.say('LSUB "" "*"'))
    assert ROOT not in names(await claire.say('LIST (SUBSCRIBED) "" "*"'))
    [shown, _] = await claire.say(f'LIST "" "{ROOT}/Sent" RETURN (SUBSCRIBED)')
    assert b"\\Subscribed" in shown
    others = await house.mailboxes.mailboxes_for(eric.account_id, [inbox.account_id])
    assert all(box.subscribed for box in others)
    assert (await house.mailboxes.mailbox(inbox.id)).subscribed
    assert (await claire.say(f'SUBSCRIBE "{ROOT}"'))[-1].startswith(b"OK")
    assert ROOT in names(await claire.say('LSUB "" "*"'))


async def test_a_viewer_looks_and_leaves_no_trace(house: House, claire: Client, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    replies = await claire.say(f'SELECT "{ROOT}"')
    assert replies[-1].startswith(b"OK [READ-ONLY] ")
    assert b"* OK [PERMANENTFLAGS ()] These are kept" in replies
    assert any(line == b"* 0 RECENT" for line in replies)
    replies = await claire.say("FETCH 1 (BODY[TEXT] FLAGS)")
    assert b"Bonjour." in replies[0] and b"\\Seen" not in replies[0]
    assert not (await house.mailboxes.get(inbox.id, 1)).is_seen
    for command in (r"STORE 1 +FLAGS (\Seen)", r"UID STORE 1 FLAGS (x)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 INBOX"):
        assert (await claire.say(command))[-1].startswith(b"NO [NOPERM] "), command
    assert (await claire.say("SEARCH ALL"))[0] == b"* SEARCH 1"
    assert (await claire.say("COPY 1 INBOX"))[-1].startswith(b"OK [COPYUID ")
    assert (await claire.say("CLOSE"))[-1].startswith(b"OK")
    [told, _] = await claire.say(f'STATUS "{ROOT}" (MESSAGES UNSEEN)')
    assert told == f'* STATUS "{ROOT}" (MESSAGES 1 UNSEEN 1)'.encode()


VIEWER, EDITOR, SENDER, MANAGER = Rights
COMMANDS = [
    (f'APPEND "{ROOT}" {{}}', EDITOR),
    (f'APPEND "{ROOT}/Sent" (\\Seen) {{}}', EDITOR),
    (f'CREATE "{ROOT}/Neuf"', MANAGER),
    (f'RENAME "{ROOT}/Vieux" "{ROOT}/Neuf"', MANAGER),
    (f'DELETE "{ROOT}/Vieux"', MANAGER),
    (f'STATUS "{ROOT}/Vieux" (MESSAGES)', VIEWER),
    (f'EXAMINE "{ROOT}/Vieux"', VIEWER),
    (f'SUBSCRIBE "{ROOT}/Vieux"', VIEWER),
    (f'MYRIGHTS "{ROOT}"', VIEWER),
    (f'GETACL "{ROOT}"', MANAGER),
    (f'LISTRIGHTS "{ROOT}" claire@sante.gov.test', MANAGER),
    (f'GETQUOTAROOT "{ROOT}"', VIEWER),
]


@pytest.mark.parametrize("rights", Rights)
@pytest.mark.parametrize(("command", "least"), COMMANDS)
async def test_every_command_asks_what_the_holder_may(
    house: House, claire: Client, post: Account, rights: Rights, command: str, least: Rights
) -> None:
    await house.mailboxes.create(post.account_id, "Vieux")
    house.directory.grant(house.claire, POST, rights)
    answer = (await claire.say(command, *[MESSAGE] * command.count("{}")))[-1]
    is_allowed = list(Rights).index(rights) >= list(Rights).index(least)
    assert answer.startswith(b"OK" if is_allowed else b"NO [NOPERM] "), answer


async def test_an_editor_marks_and_removes_for_all(house: House, claire: Client, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.EDITOR)
    replies = await claire.say(f'SELECT "{ROOT}"')
    assert replies[-1].startswith(b"OK [READ-WRITE] ")
    await claire.say(r"STORE 1 +FLAGS (\Flagged urgent)")
    message = await house.mailboxes.get(inbox.id, 1)
    assert (message.flags, message.keywords) == (Flag.FLAGGED, ("urgent",))
    await claire.say(r"STORE 1 +FLAGS (\Deleted)")
    assert (await claire.say("EXPUNGE"))[0] == b"* 1 EXPUNGE"


async def test_messages_go_between_ones_own_and_a_posts_mailboxes(house: House, claire: Client, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.EDITOR)
    [uid] = await house.put(MESSAGE)
    await claire.say("SELECT INBOX")
    assert (await claire.say(f'COPY 1 "{ROOT}"'))[-1].startswith(b"OK [COPYUID ")
    replies = await claire.say(f'UID MOVE {uid} "{ROOT}/Archive"')
    assert replies[0].startswith(b"* OK [COPYUID ") and b"* 1 EXPUNGE" in replies
    await claire.say(f'SELECT "{ROOT}"')
    assert (await claire.say("UID MOVE 1 INBOX"))[-1].startswith(b"OK")
    assert (await house.mailboxes.mailbox(inbox.id)).messages == 1
    assert (await claire.say("STATUS INBOX (MESSAGES)"))[0] == b'* STATUS "INBOX" (MESSAGES 1)'


@pytest.mark.usefixtures("inbox")
async def test_a_holding_that_ends_ends_the_session_at_its_next_command(house: House, open_session: Open) -> None:
    house.directory.grant(house.claire, POST, Rights.EDITOR)
    inside, outside = await open_session(), await open_session()
    await inside.say(f'SELECT "{ROOT}"')
    house.directory.revoke(house.claire, POST)
    await inside.send(b"x NOOP\r\n")
    assert (await inside.line()).startswith(b"* BYE ")
    assert (await outside.say(f'SELECT "{ROOT}"'))[-1].startswith(b"NO [NONEXISTENT] ")
    assert (await outside.say(f'APPEND "{ROOT}" {{}}', MESSAGE))[-1].startswith(b"NO [NONEXISTENT] ")
    assert (await outside.say("SELECT INBOX"))[-1].startswith(b"OK")


async def test_a_waiting_session_hears_nothing_of_a_post_no_longer_held(
    house: House, claire: Client, inbox: Mailbox
) -> None:
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    await claire.say(f'SELECT "{ROOT}"')
    await claire.send(b"x IDLE\r\n")
    assert (await claire.line()).startswith(b"+ ")
    house.directory.revoke(house.claire, POST)
    await house.mailboxes.append(inbox.id, MESSAGE)
    assert (await claire.line()).startswith(b"* BYE ")


async def test_rights_that_shrink_make_the_open_mailbox_read_only(house: House, claire: Client, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.EDITOR)
    await claire.say(f'SELECT "{ROOT}"')
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    replies = await claire.say(r"STORE 1 +FLAGS (\Seen)")
    assert replies == [
        b"* OK [PERMANENTFLAGS ()] These are kept",
        b"NO [NOPERM] You may not change flags in this mailbox",
    ]
    assert not (await house.mailboxes.get(inbox.id, 1)).is_seen


async def test_a_sign_in_that_is_worth_nothing_any_more_ends_every_session(house: House, open_session: Open) -> None:
    open_one, idle = await open_session(), await open_session()
    await open_one.say("SELECT INBOX")
    house.directory.revoke(house.claire, house.claire.address)
    for client in (open_one, idle):
        await client.send(b'x LIST "" "*"\r\n')
        assert (await client.line()).startswith(b"* BYE Sign in again")


async def test_a_mailbox_stays_with_its_account(house: House, claire: Client, post: Account) -> None:
    house.directory.grant(house.claire, POST, Rights.MANAGER)
    await claire.say("CREATE Mien")
    assert (await claire.say(f'RENAME Mien "{ROOT}/Mien"'))[-1].startswith(b"NO [CANNOT] ")
    await claire.say(f'CREATE "{ROOT}/Leur"')
    assert (await claire.say(f'RENAME "{ROOT}/Leur" Leur'))[-1].startswith(b"NO [CANNOT] ")
    assert (await claire.say(f'RENAME "{ROOT}/Leur" "{ROOT}/Le nôtre"'.encode()))[-1].startswith(b"OK")
    assert "Le nôtre" in [box.name for box in await house.mailboxes.mailboxes(post.account_id)]
    for name in (ROOT, f"{ROOT}/Sent"):
        assert (await claire.say(f'DELETE "{name}"'))[-1].startswith(b"NO [NOPERM] ")


@pytest.mark.parametrize(
    "command",
    ['CREATE "Other Users"', 'CREATE "Other Users/x"', 'CREATE "other users/x"', 'RENAME Mien "Other Users/Mien"'],
)
async def test_nothing_of_ones_own_is_called_as_others_are(claire: Client, command: str) -> None:
    await claire.say("CREATE Mien")
    assert (await claire.say(command))[-1].startswith(b"NO ")


@pytest.mark.usefixtures("post")
async def test_rights_are_told_and_not_changed(house: House, claire: Client) -> None:
    assert (await claire.say("MYRIGHTS INBOX"))[0] == b'* MYRIGHTS "INBOX" lrswipkxteacd'
    assert (await claire.say("GETACL INBOX"))[0] == b'* ACL "INBOX" "claire@sante.gov.test" lrswipkxteacd'
    eric = house.directory.add_person(Address.parse("eric@sante.gov.test"), "secret")
    house.directory.grant(house.claire, POST, Rights.MANAGER)
    house.directory.grant(eric, POST, Rights.VIEWER)
    [told, _] = await claire.say(f'GETACL "{ROOT}"')
    assert told == f'* ACL "{ROOT}" "claire@sante.gov.test" lrswipkxteacd "eric@sante.gov.test" lr'.encode()
    [told, _] = await claire.say(f'LISTRIGHTS "{ROOT}" Eric@sante.gov.test')
    assert told == f'* LISTRIGHTS "{ROOT}" "Eric@sante.gov.test" lr'.encode()
    [told, _] = await claire.say(f'LISTRIGHTS "{ROOT}" anyone')
    assert told == f'* LISTRIGHTS "{ROOT}" "anyone" ""'.encode()
    for command in (f'SETACL "{ROOT}" eric@sante.gov.test +w', f'DELETEACL "{ROOT}" eric@sante.gov.test'):
        assert (await claire.say(command))[-1].startswith(b"NO [NOPERM] Rights come with the holding")
    for command in ("SETACL INBOX eric lrQ", 'SETACL INBOX "" lr', 'DELETEACL INBOX ""'):
        assert (await claire.say(command))[-1].startswith(b"BAD ")
    nowhere = (
        "Nulle",
        "Other Users",
        "Other Users/",
        f"{ROOT}/INBOX",
        f"{ROOT}/",
        f"{ROOT}//",
        f"{ROOT}x",
        f"{ROOT}/x",
    )
    for command in (f'MYRIGHTS "{name}"' for name in nowhere):
        assert (await claire.say(command))[-1].startswith(b"NO [NONEXISTENT] ")


@pytest.mark.usefixtures("post")
async def test_list_tells_rights_when_asked(house: House, claire: Client) -> None:
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    replies = await claire.say('LIST "" ("INBOX" "Other Users/*") RETURN (MYRIGHTS)')
    assert b'* MYRIGHTS "INBOX" lrswipkxteacd' in replies
    assert f'* MYRIGHTS "{ROOT}" lr'.encode() in replies
    assert not any(line == b'* MYRIGHTS "Other Users" lr' for line in replies)


@pytest.mark.usefixtures("inbox")
async def test_a_quota_is_told_in_kib(house: House, claire: Client) -> None:
    house.directory.grant(house.claire, POST, Rights.VIEWER)
    replies = await claire.say(f'GETQUOTAROOT "{ROOT}/Sent"')
    assert replies[:-1] == [
        f'* QUOTAROOT "{ROOT}/Sent" "secretariat@sante.gov.test"'.encode(),
        b'* QUOTA "secretariat@sante.gov.test" (STORAGE 1 10)',
    ]
    assert (await claire.say("GETQUOTA secretariat@sante.gov.test"))[0] == replies[1]
    assert (await claire.say("GETQUOTAROOT INBOX"))[:-1] == [b'* QUOTAROOT "INBOX"']
    for root in ("claire@sante.gov.test", '""', "nobody"):
        assert (await claire.say(f"GETQUOTA {root}"))[-1].startswith(b"NO [NONEXISTENT] ")
    assert (await claire.say("SETQUOTA secretariat@sante.gov.test (STORAGE 99999)"))[-1].startswith(b"NO [NOPERM] ")


async def test_a_full_post_takes_nothing_more_whoever_brings_it(house: House, claire: Client, inbox: Mailbox) -> None:
    house.directory.grant(house.claire, POST, Rights.EDITOR)
    await house.mailboxes.append(inbox.id, MESSAGE + b"x" * 10_240 + b"\r\n")
    await house.put(MESSAGE)
    await claire.say("SELECT INBOX")
    for command in (f'COPY 1 "{ROOT}"', f'MOVE 1 "{ROOT}"'):
        assert (await claire.say(command))[-1].startswith(b"NO [OVERQUOTA] ")
    assert (await claire.say(f'APPEND "{ROOT}" {{}}', MESSAGE))[-1].startswith(b"NO [OVERQUOTA] ")
    assert (await claire.say("APPEND INBOX {}", MESSAGE))[-1].startswith(b"OK")
    await claire.say(f'SELECT "{ROOT}"')
    assert (await claire.say(f'MOVE 1 "{ROOT}/Archive"'))[-1].startswith(b"OK")


async def test_what_an_expunge_would_free_is_told(house: House, claire: Client) -> None:
    await house.put(MESSAGE, MESSAGE)
    await claire.say("SELECT INBOX")
    await claire.say(r"STORE 2 +FLAGS (\Deleted)")
    [told, _] = await claire.say("STATUS INBOX (DELETED DELETED-STORAGE)")
    assert told == b'* STATUS "INBOX" (DELETED 1 DELETED-STORAGE %d)' % len(MESSAGE)


async def test_the_capabilities_say_so(claire: Client) -> None:
    told = (await claire.say("CAPABILITY"))[0].split()
    assert {b"ACL", b"RIGHTS=tekx", b"LIST-MYRIGHTS", b"QUOTA", b"QUOTA=RES-STORAGE", b"NAMESPACE"} <= set(told)

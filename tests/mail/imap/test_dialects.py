"""What people's own mail programs say, in their words and order, and what each must be told to work.

Thunderbird and K-9 by their sources (`nsImapProtocol.cpp`; `RealImapFolder.kt`, `RealImapConnection.kt`), Outlook by
Microsoft's [MS-STANOIMAP], Apple Mail by Dovecot's imaptest and by what servers' developers have logged of it.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from tests.mail.imap.client import connect

if TYPE_CHECKING:
    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House, Open

HEADER = (
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Eric <eric@finances.gov.test>\r\nTo: claire@sante.gov.test\r\n"
    b"Subject: =?utf-8?q?D=C3=A9cision?=\r\nMessage-ID: <1@finances.gov.test>\r\nMIME-Version: 1.0\r\n"
    b"X-Mailer: other\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
)
PLAIN, HTML = b"Bonjour.\r\n", b"<p>Bonjour.</p>\r\n"
PAPER = base64.encodebytes(b"PK" * 20_000).replace(b"\n", b"\r\n")
LETTER = (
    b"%b--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n--a\r\nContent-Type: text/html\r\n\r\n%b\r\n--a--\r\n"
    b'--m\r\nContent-Type: application/zip; name="note.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n--m--\r\n'
) % (HEADER, PLAIN, HTML, PAPER)
SENT = b"From: claire@sante.gov.test\r\nMessage-ID: <2@sante.gov.test>\r\nSubject: Re\r\n\r\nMerci.\r\n"
CREDENTIALS = base64.b64encode(b"\0claire@sante.gov.test\0secret").decode()


def literal(content: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(content), content)


async def done(client: Client, command: str, *expected: bytes) -> list[bytes]:
    """Say it; every expected reply comes, in any order, then OK. Gives all replies."""
    told = await client.say(command)
    assert told[-1].startswith(b"OK "), (command, told[-1])
    assert set(expected) <= set(told), (command, set(expected) - set(told), told)
    return told


async def appended(client: Client, command: str, content: bytes) -> bytes:
    """APPEND as programs without LITERAL+ have it: they wait to be asked for the message. Gives the tagged reply."""
    await client.send(b"append %b {%d}\r\n" % (command.encode(), len(content)))
    assert (await client.line()).startswith(b"+ ")
    await client.send(content + b"\r\n")
    return (await client.replies(b"append"))[-1]


async def idled(client: Client, house: House, *expected: bytes) -> None:
    """IDLE, in which new mail is told at once."""
    await client.send(b"idle IDLE\r\n")
    assert (await client.line()).startswith(b"+ ")
    await house.put(LETTER)
    told = [await client.line() for _ in expected]
    assert told == list(expected)
    await client.send(b"DONE\r\n")
    assert (await client.replies(b"idle"))[-1].startswith(b"OK ")


async def test_thunderbird(house: House, open_session: Open) -> None:
    await house.put(LETTER, LETTER, LETTER)
    async with connect(house.tls_port, house.context) as client:
        await done(client, f"authenticate PLAIN {CREDENTIALS}")
        capabilities = (await done(client, "capability"))[0].split()
        for wanted in (
            b"IDLE",
            b"UIDPLUS",
            b"MOVE",
            b"CONDSTORE",
            b"LIST-EXTENDED",
            b"SPECIAL-USE",
            b"COMPRESS=DEFLATE",
        ):
            assert wanted in capabilities
        assert b"XLIST" not in capabilities
        assert (await done(client, 'ID ("name" "Thunderbird" "version" "140.0")'))[0].startswith(b"* ID (")
        await done(client, "ENABLE CONDSTORE", b"* ENABLED CONDSTORE")
        assert (await done(client, "namespace"))[0].startswith(b'* NAMESPACE (("" "/")) ')
        await done(client, 'list "" "INBOX"', b'* LIST (\\HasNoChildren) "/" "INBOX"')
        folders = await done(client, 'list (subscribed) "" "*" return (special-use)')
        assert {b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk", b"\\Archive"} <= set(
            re.findall(rb"\\\w+", b"".join(folders))
        )
        opened = await done(
            client,
            'select "INBOX" (CONDSTORE)',
            b"* 3 EXISTS",
            b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] These are kept",
        )
        (modseq,) = re.findall(rb"\[HIGHESTMODSEQ (\d+)\]", b"".join(opened))
        flags = await done(client, "UID fetch 1:* (FLAGS)")
        assert flags[0] == b"* 1 FETCH (UID 1 FLAGS (\\Recent))"
        fields = (
            "From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type "
            "Reply-To Received"
        )
        shown = HEADER.replace(b"MIME-Version: 1.0\r\nX-Mailer: other\r\n", b"")
        asked = f"(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({fields})])"
        await done(
            client,
            f"UID fetch 1:2 {asked}",
            b"* 2 FETCH (UID 2 FLAGS (\\Recent) RFC822.SIZE %d BODY[HEADER.FIELDS (%b)] %b)"
            % (len(LETTER), fields.encode(), literal(shown)),
        )
        for start in (0, 16_384, 49_152):
            chunk = LETTER[start : start + 16_384]
            told = await done(client, f"UID fetch 2 (UID RFC822.SIZE BODY[]<{start}.16384>)")
            assert b"BODY[]<%d> %b)" % (start, literal(chunk)) in told[0]
        text = LETTER.removeprefix(HEADER)[:100]
        told = await done(
            client,
            "UID fetch 3 (UID BODY.PEEK[HEADER.FIELDS (Content-Type Content-Transfer-Encoding)] "
            "BODY.PEEK[TEXT]<0.100>)",
        )
        assert told[0].endswith(b" BODY[TEXT]<0> %b)" % literal(text))
        told = await done(client, f"UID fetch 1:* (FLAGS) (CHANGEDSINCE {modseq.decode()})")
        assert [line.partition(b" MODSEQ")[0] for line in told[:-1]] == [b"* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent)"]
        told = await done(client, "uid store 1 +Flags (\\Answered $Forwarded NonJunk)")
        assert told[0] == b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded NonJunk)"
        assert told[1].startswith(b"* 1 FETCH (UID 1 FLAGS (\\Answered $Forwarded NonJunk \\Recent) MODSEQ (")
        moved = await done(client, 'uid move 1 "Trash"', b"* 1 EXPUNGE")
        assert re.match(rb"\* OK \[COPYUID \d+ 1 1\] ", moved[0])
        assert re.match(rb"OK \[APPENDUID \d+ 1\] ", await appended(client, 'append "Sent" (\\Seen)', SENT))
        assert re.match(
            rb"OK \[APPENDUID \d+ 1\] ",
            await appended(client, 'append "Drafts" (\\Draft \\Seen) "22-Nov-2026 11:00:00 +0100"', SENT),
        )
        await done(
            client,
            'STATUS "Sent" (UIDNEXT MESSAGES UNSEEN RECENT)',
            b'* STATUS "Sent" (UIDNEXT 2 MESSAGES 1 UNSEEN 0 RECENT 1)',
        )
        await done(client, "UID SEARCH UNDELETED HEADER Message-ID <1@finances.gov.test>", b"* SEARCH 2 3")
        await done(client, "uid store 3 +Flags (\\Deleted)")
        await done(client, "uid expunge 3", b"* 2 EXPUNGE")
        await client.send(b"idle IDLE\r\n")
        assert (await client.line()).startswith(b"+ ")
        other = await open_session()
        await other.say("SELECT INBOX")
        await other.say("UID STORE 2 -FLAGS (\\Seen)")
        assert (await client.line()).startswith(b"* 1 FETCH (UID 2 FLAGS (\\Recent) MODSEQ (")
        await client.send(b"DONE\r\n")
        assert (await client.replies(b"idle"))[-1].startswith(b"OK ")


async def test_thunderbird_that_speaks_utf8(claire: Client) -> None:
    await done(claire, "ENABLE UTF8=ACCEPT", b"* ENABLED UTF8=ACCEPT")
    await done(claire, 'create "Décisions"')
    await done(claire, 'list "" "*"', '* LIST (\\HasNoChildren) "/" "Décisions"'.encode())
    content = SENT.replace(b"Re", "Décision".encode())
    await claire.send('append append "Décisions" (\\Seen) UTF8 (~{%d}\r\n'.encode() % len(content))
    assert (await claire.line()).startswith(b"+ ")
    await claire.send(content + b")\r\n")
    assert (await claire.replies(b"append"))[-1].startswith(b"OK [APPENDUID ")
    await done(claire, 'select "Décisions"', b"* 1 EXISTS")
    await done(claire, "UID fetch 1 (UID BODY.PEEK[])", b"* 1 FETCH (UID 1 BODY[] %b)" % literal(content))


async def test_outlook(house: House) -> None:
    """It takes no part and no range of a message; it asks for headers and for whole messages, and polls folders."""
    await house.put(LETTER, LETTER)
    async with connect(house.tls_port, house.context) as client:
        assert b"AUTH=PLAIN" in (await done(client, "CAPABILITY"))[0]
        await done(client, 'LOGIN "claire@sante.gov.test" "secret"')
        await done(client, 'LIST "" ""', b'* LIST (\\Noselect) "/" ""')
        await done(client, 'LIST "" "*"', b'* LIST (\\Sent \\HasNoChildren) "/" "Sent"')
        await done(client, 'LSUB "" "*"', b'* LSUB (\\HasNoChildren) "/" "INBOX"')
        opened = await done(client, 'SELECT "INBOX"', b"* 2 EXISTS")
        assert any(line.startswith(b"* OK [UIDVALIDITY ") for line in opened)
        await done(client, "UID FETCH 1:* (UID FLAGS)", b"* 2 FETCH (UID 2 FLAGS (\\Recent))")
        await done(
            client,
            "UID FETCH 1:2 (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER] INTERNALDATE)",
            b"* 1 FETCH (UID 1 FLAGS (\\Recent) RFC822.SIZE %d BODY[HEADER] %b "
            b'INTERNALDATE "22-Nov-2026 09:30:15 +0000")' % (len(LETTER), literal(HEADER)),
        )
        await done(
            client,
            "UID FETCH 1 (UID FLAGS BODY.PEEK[])",
            b"* 1 FETCH (UID 1 FLAGS (\\Recent) BODY[] %b)" % literal(LETTER),
        )
        told = await done(client, "UID FETCH 2 (UID FLAGS RFC822.PEEK)")
        assert told[0] == b"* 2 FETCH (UID 2 FLAGS (\\Recent) RFC822 %b)" % literal(LETTER)
        await done(client, "UID STORE 1 +FLAGS (\\Seen)", b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))")
        assert b"[COPYUID " in (await done(client, 'UID COPY 1 "Archive"'))[-1]
        await done(client, "UID STORE 1 +FLAGS (\\Deleted)", b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Seen \\Recent))")
        await done(client, "EXPUNGE", b"* 1 EXPUNGE")
        assert (await appended(client, 'APPEND "Sent" (\\Seen) "22-Nov-2026 10:00:00 +0000"', SENT)).startswith(b"OK ")
        await done(client, 'STATUS "Sent" (UNSEEN)', b'* STATUS "Sent" (UNSEEN 0)')
        await done(client, 'CREATE "Projets"')
        await done(client, 'SUBSCRIBE "Projets"')
        await done(client, 'RENAME "Projets" "Projets 2026"')
        await done(client, 'LSUB "" "Proj%"', b'* LSUB (\\HasNoChildren) "/" "Projets 2026"')
        await idled(client, house, b"* 2 EXISTS", b"* 2 RECENT")
        await done(client, "NOOP")
        await done(client, "CLOSE")
        assert (await client.say("LOGOUT"))[0].startswith(b"* BYE ")


APPLE_FIELDS = (
    b"date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier "
    b"x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash "
    b"authentication-results dkim-signature"
)


async def test_apple_mail(house: House) -> None:
    """It reads structures, then the parts it shows, large ones in ranges; keywords tell what is junk."""
    await house.put(LETTER, LETTER)
    async with connect(house.tls_port, house.context) as client:
        await done(client, "CAPABILITY")
        await done(client, f"AUTHENTICATE PLAIN {CREDENTIALS}")
        await done(
            client, 'ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X" "os-version" "14" "vendor" NIL)'
        )
        await done(client, "NAMESPACE")
        await done(client, 'LIST "" "%"', b'* LIST (\\HasNoChildren) "/" "INBOX"')
        await done(client, 'STATUS "Archive" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)')
        await done(client, "SELECT INBOX", b"* 2 EXISTS")
        await done(client, "FETCH 1:* (FLAGS UID)", b"* 2 FETCH (UID 2 FLAGS (\\Recent))")
        shown = HEADER.replace(b"MIME-Version: 1.0\r\nX-Mailer: other\r\n", b"")
        await done(
            client,
            f"UID FETCH 2 (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({APPLE_FIELDS.decode()})])",
            b'* 2 FETCH (UID 2 FLAGS (\\Recent) INTERNALDATE "22-Nov-2026 09:30:15 +0000" RFC822.SIZE %d '
            b"BODY[HEADER.FIELDS (%b)] %b)" % (len(LETTER), APPLE_FIELDS, literal(shown)),
        )
        told = await done(client, "UID FETCH 2 (BODYSTRUCTURE BODY.PEEK[HEADER])")
        assert told[0].startswith(
            b'* 2 FETCH (UID 2 BODYSTRUCTURE ((("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 10 1'
        )
        assert told[0].endswith(b" BODY[HEADER] %b)" % literal(HEADER))
        await done(
            client,
            "UID FETCH 2 (BODY.PEEK[1.1] BODY.PEEK[1.2])",
            b"* 2 FETCH (UID 2 BODY[1.1] %b BODY[1.2] %b)" % (literal(PLAIN), literal(HTML)),
        )
        for start in (0, 32_768):
            chunk = literal(PAPER[start : start + 32_768])
            await done(
                client,
                f"UID FETCH 2 BODY.PEEK[2]<{start}.32768>",
                b"* 2 FETCH (UID 2 BODY[2]<%d> %b)" % (start, chunk),
            )
        assert await done(client, "UID STORE 2 +FLAGS.SILENT (\\Seen $NotJunk)")
        reply = await appended(client, 'APPEND "Sent" (\\Seen $NotJunk NotJunk) "22-Nov-2026 10:00:00 +0000"', SENT)
        assert reply.startswith(b"OK [APPENDUID ")
        await done(client, "UID SEARCH 1:* NOT DELETED", b"* SEARCH 1 2")
        await done(client, "UID COPY 1 Trash")
        await done(client, "UID STORE 1 +FLAGS.SILENT (\\Deleted)")
        await idled(client, house, b"* 3 EXISTS", b"* 3 RECENT")
        await done(client, "CHECK")
        await done(client, "CLOSE")
        await done(client, "SELECT INBOX", b"* 2 EXISTS")


async def test_k9(house: House) -> None:
    """It searches for what is new by sequence numbers and days, and fetches what it shows, at most so much of it."""
    await house.put(LETTER, LETTER, LETTER)
    async with connect(house.tls_port, house.context) as client:
        await client.send(b"1 AUTHENTICATE PLAIN\r\n")
        assert await client.line() == b"+ "
        await client.send(f"{CREDENTIALS}\r\n".encode())
        assert (await client.replies(b"1"))[-1].startswith(b"OK [CAPABILITY ")
        await done(client, 'ID ("name" "K-9 Mail" "version" "9.0")')
        await done(client, "ENABLE UTF8=ACCEPT")
        await done(client, "NAMESPACE")
        await done(client, 'LIST "" "*" RETURN (SPECIAL-USE)', b'* LIST (\\Trash \\HasNoChildren) "/" "Trash"')
        await done(client, 'STATUS "Sent" (UIDVALIDITY)')
        opened = await done(client, 'SELECT "INBOX"', b"* 3 EXISTS", b"OK [READ-WRITE] SELECT is done")
        assert any(b"[PERMANENTFLAGS " in line and b"\\*" in line for line in opened)
        await done(client, "UID SEARCH 1:3 SINCE 01-Nov-2026 NOT DELETED", b"* SEARCH 1 2 3")
        await done(client, "UID SEARCH *:*", b"* SEARCH 3")
        fields = (
            "date subject from content-type to cc bcc reply-to message-id references in-reply-to list-post "
            "list-unsubscribe sender X-K9mail-Identity Chat-Version"
        )
        shown = HEADER.replace(b"MIME-Version: 1.0\r\nX-Mailer: other\r\n", b"")
        await done(
            client,
            f"UID FETCH 3,2,1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({fields})])",
            b'* 3 FETCH (UID 3 FLAGS (\\Recent) INTERNALDATE "22-Nov-2026 09:30:15 +0000" RFC822.SIZE %d '
            b"BODY[HEADER.FIELDS (%b)] %b)" % (len(LETTER), fields.encode(), literal(shown)),
        )
        assert (await done(client, "UID FETCH 3 (UID BODYSTRUCTURE)"))[0].startswith(
            b"* 3 FETCH (UID 3 BODYSTRUCTURE (("
        )
        await done(client, "UID FETCH 3 (UID BODY.PEEK[1.1])", b"* 3 FETCH (UID 3 BODY[1.1] %b)" % literal(PLAIN))
        await done(
            client,
            "UID FETCH 3 (UID BODY.PEEK[]<0.32768>)",
            b"* 3 FETCH (UID 3 BODY[]<0> %b)" % literal(LETTER[:32_768]),
        )
        assert await client.say("UID STORE 2,3 +FLAGS.SILENT (\\Seen $Forwarded)") == [
            b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded)",
            b"OK STORE is done",
        ]
        await done(client, "SEARCH 1:* UNSEEN NOT DELETED", b"* SEARCH 1")
        moved = await done(client, 'UID MOVE 1 "Archive"', b"* 1 EXPUNGE")
        assert b"[COPYUID " in moved[0]
        assert b"[APPENDUID " in await appended(client, 'APPEND "Sent" (\\Seen)', SENT)
        await done(client, 'UID SEARCH HEADER MESSAGE-ID "<1@finances.gov.test>"', b"* SEARCH 2 3")
        await done(client, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        await done(client, "UID EXPUNGE 2:3", b"* 2 EXPUNGE", b"* 1 EXPUNGE")
        await idled(client, house, b"* 1 EXISTS", b"* 1 RECENT")

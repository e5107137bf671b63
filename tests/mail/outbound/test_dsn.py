"""Notifications, read back by Python's own parser."""

from __future__ import annotations

import email.policy
import quopri
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.outbound.dsn import HEADER_LIMIT_BYTES, Action, Original, Report, compose, one_line, reason

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 16, tzinfo=UTC)
HEADER = b"From: Claire <claire@sante.gov.test>\r\nSubject: Bordereau 12\r\nMessage-ID: <12@sante.gov.test>\r\n\r\n"


def an_original(**changes: Any) -> Original:
    facts: dict[str, Any] = {
        "sender": "claire@sante.gov.test",
        "accepted": NOON,
        "header": HEADER,
        "message_id": "<12@sante.gov.test>",
    }
    return Original(**{**facts, **changes})


def a_report(**changes: Any) -> Report:
    facts: dict[str, Any] = {
        "recipient": "eric@example.org",
        "action": Action.FAILED,
        "status": "5.1.1",
        "text": "550 5.1.1 No such user",
        "remote_mta": "mx.example.org",
        "last_attempt": LATER,
    }
    return Report(**{**facts, **changes})


def parsed(original: Original, *reports: Report) -> EmailMessage:
    content = compose(original, reports, reporting_mta="mail.gov.test", now=LATER)
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def fields(notice: EmailMessage) -> list[Message]:
    """The groups of fields of the second part: of the message, then of each recipient."""
    payload = list(notice.iter_parts())[1].get_payload()
    assert isinstance(payload, list)
    return payload


def text(notice: EmailMessage) -> str:
    first = next(iter(notice.iter_parts()))
    assert isinstance(first, EmailMessage)
    found = first.get_content()
    assert isinstance(found, str)
    return found


def test_it_is_a_multipart_report_of_three_parts() -> None:
    notice = parsed(an_original(), a_report())

    assert notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in notice.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_its_header_says_who_speaks_and_that_no_one_should_answer() -> None:
    notice = parsed(an_original(), a_report())

    assert notice["From"].addresses[0].addr_spec == "mailer-daemon@mail.gov.test"
    assert notice["To"].addresses[0].addr_spec == "claire@sante.gov.test"
    assert notice["Subject"] == "Message non remis / Undelivered message"
    assert notice["Auto-Submitted"] == "auto-replied"
    assert notice["In-Reply-To"] == notice["References"] == "<12@sante.gov.test>"
    assert notice["Date"].datetime == LATER


def test_its_fields_say_what_became_of_each_recipient() -> None:
    other = a_report(recipient="paul@example.org", status="5.4.4", text="No server has an address", remote_mta="")
    message, eric, paul = fields(parsed(an_original(), a_report(), other))

    assert message.items() == [
        ("Reporting-MTA", "dns; mail.gov.test"),
        ("Arrival-Date", "Mon, 02 Mar 2026 12:00:00 +0000"),
    ]
    assert eric.items() == [
        ("Final-Recipient", "rfc822; eric@example.org"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.example.org"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 No such user"),
        ("Last-Attempt-Date", "Mon, 02 Mar 2026 16:00:00 +0000"),
    ]
    assert [name for name, _ in paul.items()] == ["Final-Recipient", "Action", "Status", "Last-Attempt-Date"]


def test_a_delay_says_until_when_it_is_tried_and_asks_for_nothing() -> None:
    until = datetime(2026, 3, 7, 12, tzinfo=UTC)
    notice = parsed(an_original(), a_report(action=Action.DELAYED, status="4.4.1", retry_until=until))

    assert notice["Subject"] == "Message retardé / Delayed message"
    assert fields(notice)[1]["Will-Retry-Until"] == "Sat, 07 Mar 2026 12:00:00 +0000"
    assert "jusqu'au 2026-03-07 12:00 UTC" in text(notice)
    assert "until 2026-03-07 12:00 UTC" in text(notice)


def test_a_person_reads_it_in_french_then_in_english() -> None:
    words = text(parsed(an_original(), a_report()))

    assert words.index("Cette adresse n'existe pas.") < words.index("This address does not exist.")
    assert words.count("eric@example.org") == 2
    assert "mx.example.org: 550 5.1.1 No such user" in words


@pytest.mark.parametrize(
    ("status", "english"),
    [
        ("5.1.1", "This address does not exist."),
        ("5.2.2", "The recipient's mailbox is full."),
        ("4.4.1", "The recipient's server cannot be reached."),
        ("5.7.26", "The recipient's server refused the message."),
        ("5.0.0", "The recipient's server did not take the message."),
    ],
)
def test_each_status_has_a_sentence(status: str, english: str) -> None:
    assert reason(status)[1] == english


def test_the_header_of_the_original_comes_back() -> None:
    returned = list(parsed(an_original(), a_report()).iter_parts())[2].get_payload(decode=True)

    assert isinstance(returned, bytes)
    assert returned.strip() == HEADER.strip()


def test_a_huge_header_comes_back_in_part_and_by_whole_lines() -> None:
    huge = b"".join(b"X-%06d: %s\r\n" % (number, b"x" * 60) for number in range(10_000)) + b"\r\n"
    returned = list(parsed(an_original(header=huge), a_report()).iter_parts())[2].get_payload(decode=True)

    assert isinstance(returned, bytes)
    assert HEADER_LIMIT_BYTES - 200 < len(returned) <= HEADER_LIMIT_BYTES + 4
    assert huge.startswith(returned.rstrip())


def test_a_line_without_end_in_the_header_does_not_break_it() -> None:
    returned = list(parsed(an_original(header=b"X: " + b"x" * 100_000), a_report()).iter_parts())[2]

    assert len(returned.as_bytes()) < 2 * HEADER_LIMIT_BYTES


def test_bytes_beyond_ascii_in_the_header_come_back_unharmed() -> None:
    raw = "Subject: Été à Bujumbura\r\n\r\n".encode("latin-1")
    returned = list(parsed(an_original(header=raw), a_report()).iter_parts())[2].get_payload(decode=True)

    assert isinstance(returned, bytes)
    assert returned.strip() == raw.strip()


def test_an_internationalised_address_has_the_types_of_rfc_6533() -> None:
    notice = parsed(an_original(), a_report(recipient="éric@example.org"))
    _, report, header = notice.iter_parts()

    assert report.get_content_type() == "message/global-delivery-status"
    assert header.get_content_type() == "message/global-headers"
    assert report["Content-Transfer-Encoding"] == "quoted-printable"
    assert "Final-Recipient: utf-8; éric@example.org" in quopri.decodestring(report.as_bytes()).decode()


def test_another_servers_words_cannot_break_the_report() -> None:
    hostile = "550 x\r\nAction: delivered\r\n\r\n--report\r\n\0\x1b[31m" + "é" * 5000
    notice = parsed(an_original(), a_report(text=hostile))

    assert fields(notice)[1]["Action"] == "failed"
    assert len(fields(notice)) == 2
    assert len(str(fields(notice)[1]["Diagnostic-Code"])) <= 510


def test_the_same_facts_give_the_same_message_id_and_others_another() -> None:
    first, same, other = (
        parsed(an_original(), report)["Message-ID"]
        for report in (a_report(), a_report(), a_report(recipient="x@y.org"))
    )

    assert first == same != other


@given(st.text(max_size=2000))
def test_any_text_becomes_one_harmless_line(told: str) -> None:
    line = one_line(told)

    assert len(line) <= 500
    assert line.isprintable()
    assert line == line.strip()

"""The commands of SMTP (RFC 5321 and 6409) and what they answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from mail.envelope import Client, Origin
from mail.errors import AuthenticationNeeded, BadSyntax, TooManyRecipients
from mail.smtp.authentication import MECHANISMS, credentials
from mail.smtp.connection import Connection
from mail.smtp.replies import (
    AuthenticationFailed,
    BadSequence,
    EncryptionNeeded,
    NotImplementedHere,
    UnknownParameter,
)
from mail.smtp.transaction import Argument, Transaction, parse_argument

if TYPE_CHECKING:
    from collections.abc import Callable

    from mail.address import Address
    from mail.envelope import Envelope
    from mail.octets import Octets
    from mail.smtp.connection import Later

log = structlog.get_logger()

_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS"})  # a browser that was lured here


class Session(Connection):
    """A connection on which commands are obeyed.

    Its methods `do_…` are the commands: each gives its reply, or what gives it later, or raises MailError.
    """

    def obey(self, line: bytes) -> str | Later:
        """See `Connection.obey`."""
        first, _, rest = line.partition(b" ")
        try:
            verb, argument = first.decode("ascii").upper(), rest.decode().strip(" ")
        except UnicodeDecodeError:
            raise BadSyntax("Commands are ASCII, addresses UTF-8") from None
        command = _COMMANDS.get(verb)
        if command is not None:
            return command(self, argument)
        if verb in _HTTP:
            self.bear_no_more()
        raise NotImplementedHere

    def do_helo(self, argument: str) -> str:
        """The client's name, without extensions."""
        self._greet(argument, extended=False)
        return f"250 {self.hostname}"

    def do_ehlo(self, argument: str) -> str:
        """The client's name; the extensions that it may use."""
        self._greet(argument, extended=True)
        words = [
            self.hostname,
            f"SIZE {self._server.config.message_limit_bytes}",
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ]
        if self.tls_context and not self.is_encrypted:
            words.append("STARTTLS")
        if self._server.is_for_people and self.is_encrypted and not self.session.identity:
            words.append(f"AUTH {MECHANISMS}")
        return "\r\n".join([*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"])

    def _greet(self, name: str, *, extended: bool) -> None:
        if not name:
            raise BadSyntax("Say who you are")
        self.session.host_name = name[:255]
        self.session.extended_smtp = extended
        self.session.client = None
        self._set_rset_state()

    def do_starttls(self, argument: str) -> Later:
        """Go on in TLS."""
        if argument:
            raise BadSyntax("STARTTLS takes no argument")
        if not self.tls_context or self.is_encrypted:
            raise BadSequence("TLS is not available now")
        return self.start_tls

    def do_auth(self, argument: str) -> Later:
        """Sign in."""
        if not self._server.is_for_people:
            raise NotImplementedHere("Nobody signs in here; use the submission port")
        if not self.is_encrypted:
            raise EncryptionNeeded
        if not self.session.host_name or self.session.identity or self.transaction.has_sender:
            raise BadSequence("AUTH comes after EHLO, once, outside a message")
        return partial(self._sign_in, argument)

    async def _sign_in(self, argument: str) -> str:
        login, password = await credentials(argument, self.ask)
        identity = await self._server.relay.directory.authenticate(login, password, ip=self.ip, service="SMTP")
        if identity is None:
            log.warning("smtp.sign_in_refused", ip=self.ip)
            raise AuthenticationFailed
        self.session.identity = identity
        self.session.client = None
        return "235 2.7.0 Signed in"

    def do_mail(self, argument: str) -> str | Later:
        """Begin a message: its envelope sender."""
        self._check_may_send()
        if self.transaction.has_sender:
            raise BadSequence("A message is begun already")
        transaction = Transaction.begin(
            self._parse("FROM:", argument),
            size_limit_bytes=self._server.config.message_limit_bytes,
            takes_auth=self._server.is_for_people,
        )
        return partial(self._begin, transaction) if self._server.is_for_people else self._begun(transaction)

    async def _begin(self, transaction: Transaction) -> str:
        await self._server.relay.check_sender(transaction.sender, self._client())
        return self._begun(transaction)

    def _begun(self, transaction: Transaction) -> str:
        self.transaction = transaction
        self._server.relay.expect(self)
        return "250 2.1.0 Go on"

    def _check_may_send(self) -> None:
        if not self.session.host_name:
            raise BadSequence("Say EHLO first")
        if self._server.is_for_people and not self.is_encrypted:
            raise AuthenticationNeeded("Begin TLS with STARTTLS first")
        if self._server.is_for_people and not self.session.identity:
            raise AuthenticationNeeded

    def _parse(self, keyword: str, text: str) -> Argument:
        argument = parse_argument(keyword, text)
        if argument.parameters and not self.session.extended_smtp:
            raise UnknownParameter("Parameters are for those who say EHLO")
        return argument

    def do_rcpt(self, argument: str) -> str | Later:
        """One more recipient."""
        if not self.transaction.has_sender:
            raise BadSequence("MAIL comes first")
        target = self._parse("TO:", argument)
        if target.parameters:
            raise UnknownParameter
        if len(self.transaction.recipients) >= self._server.config.recipient_limit:
            raise TooManyRecipients
        if target.path.lower() == "postmaster":  # RFC 5321 §4.5.1
            target = Argument(self._server.config.postmaster or f"postmaster@{self.hostname}", {})
        recipient = target.address(smtputf8=self.transaction.smtputf8)
        is_known = self._server.relay.recall_recipient(recipient) is not None
        return self._added(recipient) if is_known else partial(self._add, recipient)

    async def _add(self, recipient: Address) -> str:
        await self._server.relay.check_recipient(recipient, self.transaction.sender, self._client())
        return self._added(recipient)

    def _added(self, recipient: Address) -> str:
        self.transaction.recipients.append(recipient)
        return "250 2.1.5 Go on"

    def do_data(self, argument: str) -> str:
        """The message itself; 250 says that it is in every inbox here, and in the queue for elsewhere."""
        if argument:
            raise BadSyntax("DATA takes no argument")
        if not self.transaction.recipients:
            raise BadSequence("No recipient was accepted")
        self.expect_message(partial(self._accept_message, self.transaction.envelope()))
        self._set_rset_state()
        return "354 End with a dot on a line of its own"

    async def _accept_message(self, envelope: Envelope, content: Octets) -> str:
        self._server.relay.expect_no_more(self)
        accepted = await self._server.relay.accept(envelope, content, self._client())
        log.info("smtp.accepted", id=accepted.body_id.hex, ip=self.ip, inboxes=accepted.inboxes, queued=accepted.queued)
        return f"250 2.0.0 Accepted as {accepted.body_id.hex}"

    def do_rset(self, argument: str) -> str:
        """Forget the message that was begun."""
        if argument:
            raise BadSyntax("RSET takes no argument")
        self._set_rset_state()
        return "250 2.0.0 Forgotten"

    def do_noop(self, argument: str) -> str:
        """Nothing."""
        del argument
        return "250 2.0.0 Still here"

    def do_vrfy(self, argument: str) -> str:
        """Addresses are not told to who asks (RFC 5321 §7.3)."""
        if not argument:
            raise BadSyntax("An address is expected")
        return "252 2.5.2 Send it some mail and see"

    def do_help(self, argument: str) -> str:
        """What there is."""
        del argument
        return "214 2.0.0 " + " ".join(sorted(_COMMANDS))

    def do_quit(self, argument: str) -> str:
        """The end."""
        if argument:
            raise BadSyntax("QUIT takes no argument")
        self.say_goodbye("221 2.0.0 Goodbye")
        return ""

    def do_expn(self, argument: str) -> str:
        """Lists are not told to who asks."""
        del argument
        raise NotImplementedHere

    def _client(self) -> Client:
        """Who this is, as far as is known; made once."""
        client = self.session.client
        if client is None:
            protocol = "SMTP"
            if self.session.extended_smtp:
                protocol = f"ESMTP{'S' if self.is_encrypted else ''}{'A' if self.session.identity else ''}"
            client = self.session.client = Client(
                origin=Origin.SUBMISSION if self._server.is_for_people else Origin.OUTSIDE,
                ip=self.ip,
                helo=self.session.host_name or "",
                protocol=protocol,
                tls=self.encryption,
                identity=self.session.identity,
            )
        return client


_COMMANDS: dict[str, Callable[[Session, str], str | Later]] = {
    name.removeprefix("do_").upper(): method for name, method in vars(Session).items() if name.startswith("do_")
}

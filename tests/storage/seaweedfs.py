"""A real S3 server for tests: SeaweedFS from its wheel, on loopback, with everything under one folder."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from minio import Minio

from storage.config import S3Config

if TYPE_CHECKING:
    from collections.abc import Iterator

_WEED = Path(sys.executable).parent / "weed"
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
_PATIENCE = 60.0
ACCESS_KEY_ID, SECRET_KEY = "comgov", "a secret of tests"


class SeaweedFS:
    """start, stop (as a power cut would), and how to reach it; ports stay the same over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3.port']}"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "comgov",
            "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "secret").write_text(f"{SECRET_KEY}\n")

    def start(self) -> None:
        """Returns once it serves; nothing is done if it runs."""
        if self._process is not None:
            return
        command = [
            str(_WEED),
            f"-logdir={self.folder}",
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=256",
            "-master.electionTimeout=1s",
            "-master.heartbeatInterval=100ms",
            "-volume.max=200",
            "-s3",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self.folder / 's3.json'}",
            *(f"-{name}={port}" for name, port in self.ports.items()),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + _PATIENCE
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("SeaweedFS did not start:\n" + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> None:
        """At once: asked politely it takes 25 s."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self.ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    def config(self, bucket: str, **changes: object) -> S3Config:
        """How to reach a bucket of it."""
        return S3Config(
            endpoint=self.endpoint,
            bucket=bucket,
            access_key_id=ACCESS_KEY_ID,
            secret_key_file=self.folder / "secret",
            **changes,  # type: ignore[arg-type]
        )

    def client(self) -> Minio:
        """The server's own view of it, past our code."""
        return Minio(
            self.endpoint.removeprefix("http://"),
            access_key=ACCESS_KEY_ID,
            secret_key=SECRET_KEY,
            secure=False,
            region="us-east-1",
        )

    def _serves(self) -> bool:
        """Whether the volume server is known to the master and S3 answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports['master.port']}/dir/status", timeout=2) as reply:
                has_volumes = json.load(reply)["Topology"]["Max"] > 0
            with urlopen(f"{self.endpoint}/healthz", timeout=2) as reply:
                return has_volumes and reply.status == 200
        except (OSError, KeyError):
            return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A server that runs while the module's tests do."""
    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    try:
        server.start()
        yield server
    finally:
        server.stop()

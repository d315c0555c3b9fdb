"""The two servers under comparison, each with the same client connections: the real one over TCP, and the model."""

import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bus.service.embedded_server import find_nats_server
from lab.simulation.bus_model.clients.connection import Connection
from lab.simulation.bus_model.differential.wire import Receiver
from lab.simulation.bus_model.server import BusModel

START_TIMEOUT_S = 20.0
MAX_MEMORY_BYTES = 64 * 1024 * 1024
MAX_STORE_BYTES = 256 * 1024 * 1024


class Peer(Protocol):
    """A server with client connections, each with a receiver of what the server sent."""

    receivers: list[Receiver]

    def open(self, client: int) -> None: ...

    def send(self, client: int, data: bytes) -> None: ...

    def is_closed(self, client: int) -> bool: ...


@dataclass
class ModelPeer:
    """The model."""

    clients: int
    seed: int
    receivers: list[Receiver] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = BusModel(
            now_ns=time.time_ns(),
            random=random.Random(self.seed),
            max_memory_bytes=MAX_MEMORY_BYTES,
            max_store_bytes=MAX_STORE_BYTES,
        )
        self.receivers = [Receiver() for _ in range(self.clients)]
        self._connections: list[Connection | None] = [None] * self.clients

    def open(self, client: int) -> None:
        receiver = self.receivers[client] = Receiver()
        self._connections[client] = self.model.connect(receiver.feed, lambda: None)

    def send(self, client: int, data: bytes) -> None:
        connection = self._connections[client]
        assert connection is not None
        connection.receive(data)

    def is_closed(self, client: int) -> bool:
        connection = self._connections[client]
        return connection is None or not connection.is_open


class RealPeer:
    """A nats-server process with a store of its own, deleted at the end."""

    def __init__(self, clients: int) -> None:
        self.receivers = [Receiver() for _ in range(clients)]
        self._sockets: list[socket.socket | None] = [None] * clients
        self._directory = Path(tempfile.mkdtemp(prefix="differential-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (self._directory / "nats.conf").write_text(
            f'server_name: opensqt\nlisten: "127.0.0.1:{self._port}"\nwrite_deadline: "60s"\n'
            f'jetstream {{ store_dir: "{self._directory}"\n max_mem: {MAX_MEMORY_BYTES}\n max_file: {MAX_STORE_BYTES} }}\n'
        )
        self.start()

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        log = (self._directory / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [find_nats_server(), "-c", str(self._directory / "nats.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, f"nats-server did not start: {self._directory / 'log'}"
                time.sleep(0.01)
            else:
                return

    def restart(self, *, is_killed: bool) -> None:
        """Stop the server, by SIGKILL or cleanly, and start it again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL if is_killed else signal.SIGTERM)
        self._process.wait()
        for client in range(len(self._sockets)):
            self._close(client)
        self.start()

    def wait_deleted(self, stream: str) -> None:
        """Wait until the directory of a deleted stream is gone: until then it cannot be created again."""
        path = self._directory / "jetstream" / "$G" / "streams" / stream
        deadline = time.monotonic() + START_TIMEOUT_S
        while path.exists() and time.monotonic() < deadline:
            time.sleep(0.001)

    def stop(self) -> None:
        """Stop the server and delete its store."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for client in range(len(self._sockets)):
            self._close(client)
        shutil.rmtree(self._directory, ignore_errors=True)

    def open(self, client: int) -> None:
        self._close(client)
        self.receivers[client] = Receiver()
        opened = self._sockets[client] = socket.create_connection(("127.0.0.1", self._port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, client: int, data: bytes) -> None:
        found = self._sockets[client]
        if found is not None:
            try:
                found.sendall(data)
            except OSError:
                self._close(client)

    def is_closed(self, client: int) -> bool:
        return self._sockets[client] is None

    def receive(self, timeout_s: float) -> bool:
        """Read what arrives first, within a time; return whether something did."""
        opened = [each for each in self._sockets if each is not None]
        ready, _, _ = select.select(opened, [], [], timeout_s)
        for each in ready:
            client = self._sockets.index(each)
            try:
                data = each.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                self._close(client)
                continue
            receiver = self.receivers[client]
            receiver.feed(data)
            while receiver.pings:
                receiver.pings -= 1
                self.send(client, b"PONG\r\n")
        return bool(ready)

    def _close(self, client: int) -> None:
        found, self._sockets[client] = self._sockets[client], None
        if found is not None:
            found.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

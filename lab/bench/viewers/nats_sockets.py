"""A nats-server that serves viewers through its own WebSocket listener: a baseline in Go."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.service.embedded_server import find_nats_server
from cli.stack.ports import HOST, find_free_port
from lab.bench import cpu

SUBJECT = b"bench"
READY_SUBJECT = b"ready"
"""Published once by the viewers, when all have subscribed."""
FIRST_PING_S = 3.0
"""The server pings each new client after 2 to 3 s; these pings must not fall into the measurement."""
MAX_UNCONFIRMED = 4
"""Batches sent ahead of the server's confirmation."""
POLL_S = 0.02
CONNECT_TIMEOUT_S = 5


class Publisher:
    """Publishes batches over TCP. A batch ends with PING, and the server's PONG confirms it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._unconfirmed = 0

    async def wait_subscribed(self) -> None:
        """Return when all viewers have subscribed, and answered the server's first ping."""
        while not (await self._reader.readline()).startswith(b"MSG %s " % READY_SUBJECT):
            pass
        await asyncio.sleep(FIRST_PING_S)

    async def publish(self, payloads: list[bytes]) -> None:
        """Publish a batch; wait while `MAX_UNCONFIRMED` batches are unconfirmed."""
        parts = [b"PUB %s %d\r\n%s\r\n" % (SUBJECT, len(payload), payload) for payload in payloads]
        self._writer.write(b"".join([*parts, b"PING\r\n"]))
        self._unconfirmed += 1
        while self._unconfirmed >= MAX_UNCONFIRMED:
            await self._read_confirmation()

    async def flush(self) -> None:
        """Return when the server has confirmed all batches."""
        while self._unconfirmed:
            await self._read_confirmation()

    async def _read_confirmation(self) -> None:
        while (line := await self._reader.readline()) != b"PONG\r\n":
            assert not line.startswith(b"-ERR"), line
            if line == b"PING\r\n":
                self._writer.write(b"PONG\r\n")
        self._unconfirmed -= 1


@asynccontextmanager
async def nats_sockets() -> AsyncIterator[tuple[int, Publisher]]:
    """Run a nats-server on the server core; yield its WebSocket port and a publisher."""
    port, socket_port = find_free_port(), find_free_port()
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        config = Path(folder, "nats-server.conf")
        config.write_text(  # noqa: ASYNC240 - no other task runs yet
            f'listen: "{HOST}:{port}"\nwebsocket {{ listen: "{HOST}:{socket_port}", no_tls: true }}\n',
            encoding="utf-8",
        )
        with cpu.pinned_to(cpu.SERVER_CORES):
            server = subprocess.Popen(  # noqa: ASYNC220 - no other task runs yet
                [find_nats_server(), "-c", str(config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        try:
            reader, writer = await _connect(port)
            writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB %s 1\r\n' % READY_SUBJECT)
            yield socket_port, Publisher(reader, writer)
            writer.close()
        finally:
            server.terminate()
            server.wait()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        while True:
            try:
                return await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(POLL_S)

"""A nats-server whose own WebSocket listener serves viewers, and somebody who publishes to it: a baseline in Go."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.service.embedded_server import binary
from cli.stack.ports import HOST, any_free
from lab.bench import cores

SUBJECT = b"bench"
READY = b"ready"
"""What the last viewer publishes once all have subscribed."""
FIRST_PING_S = 3.0
"""It pings whoever connects after 2 s and a little: that has to be over, or it would be counted."""
AHEAD = 4
"""Batches on the way that the server has not confirmed."""
POLL_S = 0.02


class Publisher:
    """Publishes batches over TCP, as far ahead of the server as may be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ahead = 0

    async def everybody(self) -> None:
        """Return when everybody has subscribed, and been pinged."""
        while not (await self._reader.readline()).startswith(b"MSG %s " % READY):
            pass
        await asyncio.sleep(FIRST_PING_S)

    async def publish(self, payloads: list[bytes]) -> None:
        """Publish a batch."""
        parts = [b"PUB %s %d\r\n%s\r\n" % (SUBJECT, len(payload), payload) for payload in payloads]
        self._writer.write(b"".join([*parts, b"PING\r\n"]))
        self._ahead += 1
        while self._ahead >= AHEAD:
            await self._confirmed()

    async def flush(self) -> None:
        """Return when the server has taken everything."""
        while self._ahead:
            await self._confirmed()

    async def _confirmed(self) -> None:
        while (line := await self._reader.readline()) != b"PONG\r\n":
            assert not line.startswith(b"-ERR"), line
            if line == b"PING\r\n":
                self._writer.write(b"PONG\r\n")
        self._ahead -= 1


@asynccontextmanager
async def nats_sockets() -> AsyncIterator[tuple[int, Publisher]]:
    """Run a server on its core; yield its WebSocket port and a publisher."""
    port, socket_port = any_free(), any_free()
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        config = Path(folder, "nats-server.conf")
        config.write_text(  # noqa: ASYNC240 - nothing else runs yet
            f'listen: "{HOST}:{port}"\nwebsocket {{ listen: "{HOST}:{socket_port}", no_tls: true }}\n',
            encoding="utf-8",
        )
        with cores.on(cores.SERVER):
            server = subprocess.Popen(  # noqa: ASYNC220
                [binary(), "-c", str(config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        try:
            reader, writer = await _connect(port)
            writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB %s 1\r\n' % READY)
            yield socket_port, Publisher(reader, writer)
            writer.close()
        finally:
            server.terminate()
            server.wait()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(5):
        while True:
            try:
                return await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(POLL_S)

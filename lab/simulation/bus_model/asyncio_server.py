"""Serves a model of the bus to asyncio clients, on the simulated event loop or on a real one."""

import asyncio
from collections.abc import Callable
from typing import cast

from lab.simulation.bus_model.clients.connection import Connection
from lab.simulation.bus_model.server import BusModel
from lab.simulation.bus_model.streams.jetstream import FOREVER_NS

DEFAULT_PORT = 4222
PING_INTERVAL_S = 120.0
WRITE_DEADLINE_S = 10.0
MAX_PENDING_BYTES = 64 * 1024 * 1024
"""The defaults of the server; `EmbeddedServer` leaves them."""


class _Client(asyncio.Protocol):
    """A client of the model. One that reads too slowly is dropped, as by the server."""

    def __init__(self, server: "BusServer") -> None:
        self._server = server
        self._connection: Connection | None = None
        self._transport: asyncio.Transport | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = self._transport = cast(asyncio.Transport, transport)
        ip, port = stream.get_extra_info("peername")[:2]
        self._server.advance()
        self._connection = self._server.model.connect(self._send, stream.close, ip, port)

    def data_received(self, data: bytes) -> None:
        assert self._connection is not None
        self._server.advance()
        self._connection.receive(data)
        self._server.schedule()

    def pause_writing(self) -> None:
        self._write_deadline = asyncio.get_running_loop().call_later(WRITE_DEADLINE_S, self._drop)

    def resume_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        if self._connection is not None:
            self._connection.lost()

    def _send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_PENDING_BYTES:
            asyncio.get_running_loop().call_soon(self._drop)

    def _drop(self) -> None:
        if self._connection is not None:
            self._server.model.faults.drop_slow_consumer(self._connection)


class BusServer:
    """Listens for clients of a model; `clock` gives its time, in nanoseconds since the epoch."""

    def __init__(self, model: BusModel, clock: Callable[[], int]) -> None:
        self.model = model
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, host: str = "0.0.0.0", port: int = DEFAULT_PORT) -> int:
        """Listen, and return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port)
        self._ping()
        self.schedule()
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.model.connections.values()):
            connection.disconnect()

    def advance(self) -> None:
        """Let the model's time follow the clock."""
        self.model.advance(self._clock())

    def schedule(self) -> None:
        """Let the model expire messages in time."""
        if self._timer is None and self.model.wake_ns < FOREVER_NS:
            delay_s = max(self.model.wake_ns - self._clock(), 0) / 1e9
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.advance()
        self.schedule()

    def _ping(self) -> None:
        for connection in list(self.model.connections.values()):
            connection.check_alive()
        asyncio.get_running_loop().call_later(PING_INTERVAL_S, self._ping)

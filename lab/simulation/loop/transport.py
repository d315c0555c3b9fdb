"""Connections between hosts: the transport that code uses at each end."""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from lab.simulation.loop.hosts import Process
from lab.simulation.loop.interfaces import Clock, Fabric
from lab.simulation.loop.pipe import FIN, RST, Pipe

Address = tuple[str, int]

HIGH_WATER_BYTES = 64 * 1024


class SimulatedSocket:
    """What code asks a socket of a transport for; options are ignored."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, local: Address, remote: Address | None) -> None:
        self._local, self._remote = local, remote

    def getsockname(self) -> Address:
        return self._local

    def getpeername(self) -> Address:
        if self._remote is None:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._remote

    def setsockopt(self, *_: object) -> None: ...

    def getsockopt(self, *_: object) -> int:
        return 0

    def fileno(self) -> int:
        return -1

    def close(self) -> None: ...


class SimulatedTransport(asyncio.Transport):
    """One end of a connection, owned by a process."""

    incoming: Pipe
    outgoing: Pipe
    """Set when the connection is made; `peer` is its other end."""
    peer: "SimulatedTransport"

    def __init__(
        self,
        loop: Clock,
        network: Fabric,
        process: Process,
        local: Address,
        remote: Address,
        on_lost: Callable[["SimulatedTransport"], None],
    ) -> None:
        super().__init__(
            {
                "peername": remote,
                "sockname": local,
                "socket": SimulatedSocket(local, remote),
                "sslcontext": None,
            }
        )
        self.local, self.remote = local, remote
        self._loop, self._network, self._process = loop, network, process
        self._context = process.context.copy()
        self._on_lost = on_lost
        self._protocol: asyncio.BaseProtocol | None = None
        self._received: deque[bytes | str] = deque()
        self._is_delivering = False
        self._is_reading = True
        self._is_closing = False
        self._has_ended = False  # the own process or the peer ended it: nothing more is sent
        self._has_sent_fin = False
        self.is_lost = False
        """Whether `connection_lost` was or will be called."""
        self._is_write_paused = False
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        process.transports[self] = None

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the transport to its protocol, and deliver what has arrived."""
        self._protocol = protocol
        if not self.is_lost:
            protocol.connection_made(self)
            self._deliver_soon()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        if not self._is_reading and not self._is_closing:
            self._is_reading = True
            self._deliver_soon()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._check_write_buffer()

    def get_write_buffer_size(self) -> int:
        return max(0, self.outgoing.outstanding - self._network.window_bytes)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def write(self, data: Any) -> None:
        if self._has_ended or self._is_closing:
            return
        if self._has_sent_fin:
            raise RuntimeError("Cannot call write() after write_eof()")
        if data:
            self.outgoing.send(bytes(data))
            self._check_write_buffer()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._has_sent_fin and not self._has_ended:
            self._has_sent_fin = True
            self.outgoing.send(FIN)

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if any(isinstance(each, bytes) for each in self._received):
            self._end(RST)  # as a kernel does when data was not read
        else:
            self.write_eof()
        self._lose(None)

    def abort(self) -> None:
        self._is_closing = True
        self._end(RST)
        self._lose(None)

    def reset(self) -> bool:
        """Reset the connection at both ends; return whether it was open."""
        if self._has_ended:
            return False
        self.outgoing.clear()
        self.incoming.clear()
        self._end(RST)
        self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        return True

    def vanish(self) -> None:
        """Lose the connection at this end only; the peer is not told."""
        self.outgoing.clear()
        self._has_ended = True
        self._lose(ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort"))

    def process_died(self, *, is_silent: bool) -> None:
        """End the connection for a process that no longer runs; its protocol is not told."""
        self._is_closing = self.is_lost = True
        if is_silent:
            self.outgoing.clear()
            self._has_ended = True
        elif any(isinstance(each, bytes) for each in self._received):
            self._end(RST)
        else:
            self.write_eof()
            self._has_ended = True
        self._forget()

    def arrive(self, item: bytes | str) -> None:
        """Take what has arrived from the peer."""
        if item == RST:
            self._received.clear()
            self._has_ended = True
            self.outgoing.clear()
            self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        elif self.is_lost or self._is_closing:
            if isinstance(item, bytes):
                self.incoming.outstanding -= len(item)
                self._reply_reset()
        else:
            self._received.append(item)
            self._deliver_soon()

    def _reply_reset(self) -> None:
        self.outgoing.send(RST)

    def _deliver_soon(self) -> None:
        if self._received and not self._is_delivering and self._protocol is not None:
            self._is_delivering = True
            self._loop.run_soon(self._context, self._deliver)

    def _deliver(self) -> None:
        self._is_delivering = False
        while self._received and self._is_reading and not self.is_lost:
            item = self._received.popleft()
            if isinstance(item, bytes):
                self.incoming.outstanding -= len(item)
                self.peer.check_writable()
                self._give(item)
            else:
                self._end_of_stream()

    def _give(self, data: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            while data:
                buffer = protocol.get_buffer(len(data))
                size = min(len(buffer), len(data))  # type: ignore[arg-type]
                buffer[:size] = data[:size]  # type: ignore[index]
                protocol.buffer_updated(size)
                data = data[size:]
        else:
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)

    def _end_of_stream(self) -> None:
        keeps_open = self._protocol.eof_received()  # type: ignore[union-attr]
        if not keeps_open:
            self.close()

    def check_writable(self) -> None:
        """Let the protocol write again when the peer has taken enough."""
        if self._is_write_paused and self.get_write_buffer_size() <= self._low:
            self._is_write_paused = False
            if self._protocol is not None and not self.is_lost:
                self._loop.run_soon(self._context, self._protocol.resume_writing)

    def _check_write_buffer(self) -> None:
        if not self._is_write_paused and self.get_write_buffer_size() > self._high:
            self._is_write_paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def _end(self, how: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.outgoing.send(how)

    def _lose(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = self._is_closing = True
            self._forget()
            self._loop.run_soon(self._context, self._call_connection_lost, error)

    def _call_connection_lost(self, error: Exception | None) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def _forget(self) -> None:
        self._process.transports.pop(self, None)
        self._on_lost(self)

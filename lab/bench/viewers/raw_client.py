"""A minimal WebSocket client for load processes: reads bytes without parsing frames."""

import asyncio
import sys
from typing import cast

READ_SIZE = 256 * 1024


def upgrade_request(path: str = "/ws", subprotocol: str = "") -> bytes:
    """Return the HTTP request that opens a WebSocket."""
    header = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{header}\r\n"
    ).encode()


class RawClient(asyncio.BufferedProtocol):
    """Sends its upgrade request when connected. All clients of a process read into one buffer."""

    __slots__ = ("_request", "_transport")
    buffer = memoryview(bytearray(READ_SIZE))

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "connected"
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer


def print_line(line: str) -> None:
    """Write a line to the parent process at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

"""Viewers who wait, and note how old each message is that bears the time it was sent at.

    python -m lab.bench.viewers.viewers_load PORT VIEWERS PATH MARKER [stall]

says `ready` once everybody was greeted. `forget` starts anew, `report` answers with what was heard since; after `stall`
the first viewer, which has a small buffer if this was to be expected, reads nothing any more.
"""

import asyncio
import json
import re
import socket
import sys
import time
from array import array
from typing import cast

import uvloop

from lab.bench.report import percentile
from lab.bench.viewers.fanout_load import READ_SIZE, REQUEST
from liveserver.http.server import allow_many_files

FROM_ONE_ADDRESS = 1500
AT_ONCE = 50
STAMP_DIGITS = 19
GREETING = b'"server"'
SMALL_BUFFER = 16 * 1024
"""What the kernel keeps for the viewer that stalls: it is the server's bound that is measured."""


class Everybody:
    """All viewers, and how old what they heard was, in seconds."""

    def __init__(self, viewers: int, marker: bytes, request: bytes) -> None:
        self.viewers = viewers
        self.request = request
        self.stamp = re.compile(re.escape(marker) + rb"(\d{%d})" % STAMP_DIGITS)
        self.longest = len(marker) + STAMP_DIGITS
        self.greeted = 0
        self.lost = 0
        self.ages = array("d")
        self.ready = asyncio.Event()

    def greet(self) -> None:
        self.greeted += 1
        if self.greeted == self.viewers:
            self.ready.set()

    def report(self) -> dict[str, float]:
        """Return what was heard."""
        found: dict[str, float] = {"messages": len(self.ages), "lost": self.lost}
        if self.ages:
            found |= {f"p{p}_ms": percentile(self.ages, p / 100) * 1e3 for p in (50, 99)}
            found["max_ms"] = max(self.ages) * 1e3
        return found


class Viewer(asyncio.BufferedProtocol):
    """One socket."""

    __slots__ = ("_everybody", "_is_greeted", "_tail", "transport")
    buffer = memoryview(bytearray(READ_SIZE))

    def __init__(self, everybody: Everybody) -> None:
        self._everybody = everybody
        self._is_greeted = False
        self._tail = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # that of uvloop only looks like one
        self.transport.write(self._everybody.request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        now, everybody = time.time_ns(), self._everybody
        data = self._tail + bytes(self.buffer[:nbytes])
        if not self._is_greeted:
            self._is_greeted = GREETING in data
            self._tail = b"" if self._is_greeted else data[-len(GREETING) :]
            if self._is_greeted:
                everybody.greet()
            return
        end = 0
        for found in everybody.stamp.finditer(data):
            everybody.ages.append((now - int(found[1])) / 1e9)
            end = found.end()
        self._tail = data[max(end, len(data) - everybody.longest) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self._everybody.lost += 1
        self._everybody.ready.set()  # nobody waits for who was refused


async def watch(port: int, viewers: int, path: str, marker: str, *, is_to_stall: bool = False) -> None:
    """Connect everybody and do as told."""
    allow_many_files()
    request = REQUEST.replace(b"/ws", path.encode())
    if "*" in path:
        request = request[:-2] + b"Sec-WebSocket-Protocol: opensqt.v2\r\n\r\n"
    everybody = Everybody(viewers, marker.encode(), request)
    first = await _connect(everybody, port, 0, SMALL_BUFFER if is_to_stall else 0)
    for begin in range(1, viewers, AT_ONCE):
        await asyncio.gather(
            *(_connect(everybody, port, number) for number in range(begin, min(begin + AT_ONCE, viewers)))
        )
    await everybody.ready.wait()
    _say("ready")
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        if line == "forget":
            everybody.ages = array("d")
        elif line == "stall":
            first.transport.pause_reading()
        _say(json.dumps(everybody.report()))


async def _connect(everybody: Everybody, port: int, number: int, buffer: int = 0) -> Viewer:
    loop = asyncio.get_running_loop()
    viewer = Viewer(everybody)
    end = socket.socket()
    end.setblocking(False)
    if buffer:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    # From as many addresses as it takes: so many at once from a single one are refused.
    end.bind((f"127.0.0.{1 + number // FROM_ONE_ADDRESS}", 0))
    await loop.sock_connect(end, ("127.0.0.1", port))
    await loop.create_connection(lambda: viewer, sock=end)
    return viewer


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(
        watch(
            int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], is_to_stall="stall" in sys.argv[5:]
        )
    )

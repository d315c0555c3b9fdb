"""Viewers that record the age of each message, from the time of publication in it.

    python -m lab.bench.viewers.viewers_load PORT VIEWERS PATH MARKER [stall]

MARKER is the bytes before the time: of `"last":"1700000000000000000"` it is `"last":"`. Prints `ready` when all viewers
are connected, then answers each line of standard input by a report, a JSON object. `reset` first discards all ages;
`report` only reports; `stall` makes the first viewer stop reading, and needs the argument `stall`, which gives that viewer
a small receive buffer.
"""

import asyncio
import json
import re
import socket
import sys
import time
from array import array

import uvloop

from lab.bench.report import percentile
from lab.bench.viewers.raw_client import RawClient, print_line, upgrade_request
from liveserver.http.server import raise_open_file_limit

MAX_PER_ADDRESS = 1500
"""Viewers per local address, since a live server limits connections per address."""
CONNECT_BATCH = 50
TIME_DIGITS = 19
GREETING = b'"server"'
SMALL_BUFFER = 16 * 1024
"""The receive buffer of the stalling viewer, so that the server's limit is reached and not the kernel's."""


class AgeLoad:
    """State of all viewers, and the ages of their messages in seconds."""

    def __init__(self, viewers: int, marker: bytes, request: bytes) -> None:
        self.viewers = viewers
        self.request = request
        self.time_pattern = re.compile(re.escape(marker) + rb"(\d{%d})" % TIME_DIGITS)
        self.time_size = len(marker) + TIME_DIGITS
        self.greeted = 0
        self.lost = 0
        self.ages = array("d")
        self.ready = asyncio.Event()

    def on_greeting(self) -> None:
        self.greeted += 1
        if self.greeted == self.viewers:
            self.ready.set()

    def on_connection_lost(self) -> None:
        self.lost += 1
        self.ready.set()  # or a rejected connection would be waited for without end

    def report(self) -> dict[str, float]:
        """Return the number of messages and lost connections, and percentiles of the ages."""
        found: dict[str, float] = {"messages": len(self.ages), "lost": self.lost}
        if self.ages:
            found |= {f"p{p}_ms": percentile(self.ages, p / 100) * 1e3 for p in (50, 99)}
            found["max_ms"] = max(self.ages) * 1e3
        return found


class AgeViewer(RawClient):
    """One viewer."""

    __slots__ = ("_is_greeted", "_load", "_tail")

    def __init__(self, load: AgeLoad) -> None:
        super().__init__(load.request)
        self._load = load
        self._is_greeted = False
        self._tail = b""

    def buffer_updated(self, nbytes: int) -> None:
        now, load = time.time_ns(), self._load
        data = self._tail + bytes(self.buffer[:nbytes])
        if not self._is_greeted:
            self._is_greeted = GREETING in data
            self._tail = b"" if self._is_greeted else data[-len(GREETING) :]
            if self._is_greeted:
                load.on_greeting()
            return
        end = 0
        for found in load.time_pattern.finditer(data):
            load.ages.append((now - int(found[1])) / 1e9)
            end = found.end()
        self._tail = data[max(end, len(data) - load.time_size) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.on_connection_lost()


async def run_load(port: int, viewers: int, path: str, marker: str, *, can_stall: bool = False) -> None:
    """Connect all viewers, and execute the commands on standard input until it ends."""
    raise_open_file_limit()
    request = upgrade_request(path, "opensqt.v2" if "*" in path else "")
    load = AgeLoad(viewers, marker.encode(), request)
    first = await _connect(load, port, 0, SMALL_BUFFER if can_stall else 0)
    for begin in range(1, viewers, CONNECT_BATCH):
        batch = range(begin, min(begin + CONNECT_BATCH, viewers))
        await asyncio.gather(*(_connect(load, port, number) for number in batch))
    await load.ready.wait()
    print_line("ready")
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        if line == "reset":
            load.ages = array("d")
        elif line == "stall":
            first.transport.pause_reading()
        print_line(json.dumps(load.report()))


async def _connect(load: AgeLoad, port: int, number: int, receive_buffer: int = 0) -> AgeViewer:
    loop = asyncio.get_running_loop()
    viewer = AgeViewer(load)
    connection = socket.socket()
    connection.setblocking(False)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.bind((f"127.0.0.{1 + number // MAX_PER_ADDRESS}", 0))
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.create_connection(lambda: viewer, sock=connection)
    return viewer


if __name__ == "__main__":
    uvloop.run(
        run_load(
            int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], can_stall="stall" in sys.argv[5:]
        )
    )

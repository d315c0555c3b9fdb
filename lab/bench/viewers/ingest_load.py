"""The viewers of `bench ingest`: some check every message, the others count bytes.

    python -m lab.bench.viewers.ingest_load PORT VIEWERS MESSAGES

Prints `ready` when all viewers are connected, `begun` when all have the first trade, and a JSON object at the end.
"""

import asyncio
import json
import re
import sys
import time

import uvloop

from lab.bench.viewers.raw_client import RawClient, print_line, upgrade_request

CHECKING_VIEWERS = 3
GREETING = b'"server"'
BEGIN, END = b'"trade_id":"begin"', b'"trade_id":"end"'
TRADE_NUMBER = re.compile(rb'"trade_id":"t(\d+)"')
WINDOW = 2000
"""Number of bytes at the end of a read that are searched for the last trade; few follow it."""


class IngestLoad:
    """Progress and results of all viewers."""

    def __init__(self, viewers: int) -> None:
        self.viewers = viewers
        self.greeted = 0
        self.begun = 0
        self.sizes: list[int] = []
        """Bytes received by each viewer from the first trade to the last."""
        self.faults = 0
        self.ended = 0.0
        """When the last viewer had the last trade, by `time.perf_counter`."""
        self.done = asyncio.Event()

    def on_greeting(self) -> None:
        self.greeted += 1
        if self.greeted == self.viewers:
            print_line("ready")

    def on_begin(self) -> None:
        self.begun += 1
        if self.begun == self.viewers:
            print_line("begun")

    def on_end(self, size: int) -> None:
        self.sizes.append(size)
        if len(self.sizes) == self.viewers:
            self.ended = time.perf_counter()
            self.done.set()

    def on_connection_lost(self) -> None:
        self.faults += 1
        self.done.set()


class IngestViewer(RawClient):
    """One viewer. With `is_checking` it keeps all bytes, to be checked at the end."""

    def __init__(self, load: IngestLoad, *, is_checking: bool) -> None:
        super().__init__(upgrade_request())
        self._load = load
        self.chunks: list[bytes] | None = [] if is_checking else None
        self._tail = b""
        self._size: int | None = None
        self._is_greeted = False
        self._is_done = False

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_done:
            return
        if self.chunks is not None:
            self.chunks.append(bytes(self.buffer[:nbytes]))
        window = self._tail + bytes(self.buffer[max(0, nbytes - WINDOW) : nbytes])
        if not self._is_greeted and GREETING in window:
            self._is_greeted = True
            self._load.on_greeting()
        if self._size is None:
            at = window.find(BEGIN)
            if at >= 0:
                self._size = len(window) - at
                self._load.on_begin()
        else:
            self._size += nbytes
            at = window.find(END)
            if at >= 0:
                self._is_done = True
                self._load.on_end(self._size - (len(window) - at))
        self._tail = window[-len(BEGIN) :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_done:
            self._load.on_connection_lost()


async def run_load(port: int, viewers: int, messages: int) -> None:
    """Connect all viewers, and print the result when each has the last trade. Runs until killed."""
    load = IngestLoad(viewers)
    clients = [IngestViewer(load, is_checking=number < CHECKING_VIEWERS) for number in range(viewers)]
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await load.done.wait()
    expected = list(range(messages))
    for client in clients:
        if client.chunks is not None:
            load.faults += list(map(int, TRADE_NUMBER.findall(b"".join(client.chunks)))) != expected
    load.faults += len(set(load.sizes)) != 1
    print_line(json.dumps({"faults": load.faults, "ended": load.ended}))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run_load(*(int(argument) for argument in sys.argv[1:4])))

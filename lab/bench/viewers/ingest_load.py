"""The viewers of `bench ingest`: some read every message, the others count bytes, which are to be as many."""

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

from lab.bench.viewers.fanout_load import READ_SIZE, REQUEST

CHECKING = 3
GREETING = b'"server"'
BEGIN, END = b'"trade_id":"begin"', b'"trade_id":"end"'
NUMBER = re.compile(rb'"trade_id":"t(\d+)"')
WINDOW = 2000
"""Bytes at the end of what came in which the last message is looked for; little follows it."""


class Everybody:
    """What all viewers have seen."""

    def __init__(self, viewers: int) -> None:
        self.viewers = viewers
        self.greeted = 0
        self.begun = 0
        self.sizes: list[int] = []
        self.faults = 0
        self.ended = 0.0
        self.over = asyncio.Event()

    def greet(self) -> None:
        self.greeted += 1
        if self.greeted == self.viewers:
            say("ready")

    def begin(self) -> None:
        self.begun += 1
        if self.begun == self.viewers:
            say("begun")

    def end(self, size: int) -> None:
        self.sizes.append(size)
        if len(self.sizes) == self.viewers:
            self.ended = time.perf_counter()
            self.over.set()

    def lose(self) -> None:
        self.faults += 1
        self.over.set()


class Viewer(asyncio.BufferedProtocol):
    """One socket."""

    buffer = memoryview(bytearray(READ_SIZE))

    def __init__(self, everybody: Everybody, *, is_checking: bool) -> None:
        self._everybody = everybody
        self.chunks: list[bytes] | None = [] if is_checking else None
        self._tail = b""
        self._size: int | None = None
        self._is_greeted = False
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(REQUEST)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_over:
            return
        if self.chunks is not None:
            self.chunks.append(bytes(self.buffer[:nbytes]))
        window = self._tail + bytes(self.buffer[max(0, nbytes - WINDOW) : nbytes])
        if not self._is_greeted and GREETING in window:
            self._is_greeted = True
            self._everybody.greet()
        if self._size is None:
            at = window.find(BEGIN)
            if at >= 0:
                self._size = len(window) - at
                self._everybody.begin()
        else:
            self._size += nbytes
            at = window.find(END)
            if at >= 0:
                self._is_over = True
                self._everybody.end(self._size - (len(window) - at))
        self._tail = window[-len(BEGIN) :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_over:
            self._everybody.lose()


async def watch(port: int, viewers: int, messages: int) -> None:
    """Connect everybody, and say when they are, when they have begun, and what was seen."""
    everybody = Everybody(viewers)
    all_viewers = [Viewer(everybody, is_checking=number < CHECKING) for number in range(viewers)]
    loop = asyncio.get_running_loop()
    for viewer in all_viewers:
        await loop.create_connection(lambda viewer=viewer: viewer, "127.0.0.1", port)  # type: ignore[misc]
    await everybody.over.wait()
    wanted = list(range(messages))
    for viewer in all_viewers:
        if viewer.chunks is not None:
            everybody.faults += list(map(int, NUMBER.findall(b"".join(viewer.chunks)))) != wanted
    everybody.faults += len(set(everybody.sizes)) != 1
    say(json.dumps({"faults": everybody.faults, "ended": everybody.ended}))
    await asyncio.Event().wait()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(watch(*(int(argument) for argument in sys.argv[1:4])))

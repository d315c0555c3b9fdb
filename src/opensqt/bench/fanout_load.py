"""The viewers of `bench fanout`, in a process of their own: they count frames in raw bytes and check what they count.

All measured frames have one size, so that counting is division, and checking each frame's head and number is slicing:
both at the speed of C. Without that the reader would be what is measured. Connections read into one buffer.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

BEGIN = b'"begin"'
BEGIN_END = b"}}"
READ_SIZE = 256 * 1024
REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LAST_DIGITS = bytes(ord("0") + number % 10 for number in range(20_000))


class Load:
    """So many viewers, each of which is to get `messages` frames of `size` bytes, numbered at `digit`."""

    def __init__(self, viewers: int, messages: int, size: int, digit: int) -> None:
        self.messages, self.size, self.digit = messages, size, digit
        self.began = 0.0
        self.ended = 0.0
        self.faults = 0
        self.left = viewers
        self.done = asyncio.Event()

    def over(self) -> None:
        self.left -= 1
        if not self.left:
            self.ended = time.perf_counter()
            self.done.set()


class Viewer(asyncio.BufferedProtocol):
    """One socket."""

    buffer = memoryview(bytearray(READ_SIZE))

    def __init__(self, load: Load) -> None:
        self._load = load
        self._head: bytes | None = b""
        self._count = 0
        self._wanted = load.messages * load.size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # that of uvloop only looks like one
        transport.write(REQUEST)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._head is None:
            self._take(bytes(self.buffer[:nbytes]))
            return
        self._head += bytes(self.buffer[:nbytes])
        at = self._head.find(BEGIN)
        end = self._head.find(BEGIN_END, at)
        if at >= 0 and end >= 0:
            self._load.began = self._load.began or time.perf_counter()
            rest, self._head = self._head[end + len(BEGIN_END) :], None
            self._take(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._count < self._wanted:
            self._load.faults += 1
            self._load.over()

    def _take(self, data: bytes) -> None:
        load = self._load
        self._check(data, -self._count % load.size)
        self._count += len(data)
        if self._count - len(data) < self._wanted <= self._count:
            load.over()

    def _check(self, data: bytes, first: int) -> None:
        """Check head and last digit of every frame that begins in `data`."""
        load = self._load
        heads = data[first :: load.size]
        digits = data[(load.digit - self._count) % load.size :: load.size]
        before = (self._count + load.size - 1 - load.digit) // load.size % 10
        is_right = heads == b"\x81" * len(heads) and LAST_DIGITS[before : before + len(digits)] == digits
        load.faults += not is_right


async def watch(port: int, viewers: int, messages: int, size: int, digit: int) -> dict[str, float]:
    """Connect everybody and return what was seen."""
    load = Load(viewers, messages, size, digit)
    loop = asyncio.get_running_loop()
    for _ in range(viewers):
        await loop.create_connection(lambda: Viewer(load), "127.0.0.1", port)
    await load.done.wait()
    return {"seconds": load.ended - load.began, "faults": load.faults}


if __name__ == "__main__":
    seen = uvloop.run(watch(*(int(argument) for argument in sys.argv[1:6])))
    sys.stdout.write(json.dumps(seen) + "\n")

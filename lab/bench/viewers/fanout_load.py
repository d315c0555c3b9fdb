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
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
NATS_REQUEST = REQUEST.replace(b"/ws ", b"/ ")
SUBSCRIBE = b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\nSUB bench 1\r\nPING\r\n'
LAST_DIGITS = bytes(ord("0") + number % 10 for number in range(20_000))


class Load:
    """So many viewers, each of which is to get `messages` of `size` bytes that begin with `head`, numbered at `digit`."""

    def __init__(self, viewers: int, messages: int, size: int, digit: int, head: bytes) -> None:
        self.messages, self.size, self.digit, self.head = messages, size, digit, head
        self.viewers = viewers
        self.ready = 0
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

    request = REQUEST
    begin_end = BEGIN_END

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport
        self._head: bytes | None = b""
        self._count = 0
        self._wanted = load.messages * load.size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # that of uvloop only looks like one
        self._transport = transport
        transport.write(self.request)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.hear(bytes(self.buffer[:nbytes]))

    def hear(self, data: bytes) -> None:
        if self._head is None:
            self._take(data)
            return
        self._head += data
        at = self._head.find(BEGIN)
        end = self._head.find(self.begin_end, at)
        if at >= 0 and end >= 0:
            self._load.began = self._load.began or time.perf_counter()
            rest, self._head = self._head[end + len(self.begin_end) :], None
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
        is_right = heads == load.head * len(heads) and LAST_DIGITS[before : before + len(digits)] == digits
        load.faults += not is_right


class NatsViewer(Viewer):
    """One socket of a nats-server: its protocol's text comes in frames that begin and end anywhere."""

    request = NATS_REQUEST
    begin_end = BEGIN_END + b"\r\n"

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._unread = b""
        self._left = 0
        self._is_ready = False

    def hear(self, data: bytes) -> None:
        if not self._is_ready and self._shake_hands(data):
            return
        data, at, parts = self._unread + data, 0, []
        self._unread = b""
        while at < len(data):
            if not self._left:
                size = _head_size(data, at)
                if at + size > len(data):
                    self._unread = data[at:]
                    break
                self._left = _payload_size(data, at)
                at += size
            part = data[at : at + self._left]
            self._left -= len(part)
            at += len(part)
            parts.append(part)
        said = b"".join(parts)
        if self._head is not None and b"PING\r\n" in said:
            self._say(b"PONG\r\n")
        super().hear(said)

    def _shake_hands(self, data: bytes) -> bool:
        self._unread += data
        if b"PONG\r\n" in self._unread:
            self._is_ready, self._unread = True, b""
            self._load.ready += 1
            if self._load.ready == self._load.viewers:
                self._say(b"PUB ready 0\r\n\r\n")
            return True
        if b"INFO" in self._unread and self._unread.endswith(b"\r\n"):
            self._unread = b""
            self._say(SUBSCRIBE)
        return True

    def _say(self, text: bytes) -> None:
        self._transport.write(bytes((0x82, 0x80 | len(text))) + b"\0\0\0\0" + text)


def _head_size(data: bytes, at: int) -> int:
    form = data[at + 1] if at + 1 < len(data) else 127
    return {126: 4, 127: 10}.get(form, 2)


def _payload_size(data: bytes, at: int) -> int:
    form, size = data[at + 1], _head_size(data, at)
    return form if size == 2 else int.from_bytes(data[at + 2 : at + size], "big")


async def watch(kind: str, port: int, viewers: int, messages: int, size: int, digit: int) -> dict[str, float]:
    """Connect everybody and return what was seen. `kind` is `nats` or `plain`."""
    load = Load(viewers, messages, size, digit, b"M" if kind == "nats" else b"\x81")
    protocol = NatsViewer if kind == "nats" else Viewer
    loop = asyncio.get_running_loop()
    for _ in range(viewers):
        await loop.create_connection(lambda: protocol(load), "127.0.0.1", port)
    await load.done.wait()
    return {"seconds": load.ended - load.began, "faults": load.faults}


if __name__ == "__main__":
    seen = uvloop.run(watch(sys.argv[1], *(int(argument) for argument in sys.argv[2:7])))
    sys.stdout.write(json.dumps(seen) + "\n")

"""The viewers of `bench fanout`: count and check raw bytes instead of parsing frames.

    python -m lab.bench.viewers.fanout_load KIND PORT VIEWERS MESSAGES SIZE DIGIT

All measured frames have the same size, so frames are counted by division, and the first byte and the number of each are
checked by slicing, both in C. Otherwise the viewers would be the bottleneck.
"""

import asyncio
import json
import sys
import time

import uvloop

from lab.bench.viewers.raw_client import RawClient, print_line, upgrade_request

BEGIN = b'"begin"'
BEGIN_END = b"}}"
SUBSCRIBE = b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\nSUB bench 1\r\nPING\r\n'
LAST_DIGITS = bytes(ord("0") + number % 10 for number in range(20_000))


class FanoutLoad:
    """What the viewers expect, and their results.

    Each viewer expects `messages` frames of `size` bytes, whose first byte is `first_byte`, and whose byte at index
    `digit` is the last decimal digit of the frame's number.
    """

    def __init__(self, viewers: int, messages: int, size: int, digit: int, first_byte: bytes) -> None:
        self.messages, self.size, self.digit, self.first_byte = messages, size, digit, first_byte
        self.viewers = viewers
        self.subscribed = 0
        self.started_s = 0.0
        """When the first viewer received `begin`, by `time.perf_counter`."""
        self.ended_s = 0.0
        """When the last viewer had all frames."""
        self.faults = 0
        self.unfinished = viewers
        self.done = asyncio.Event()

    def on_end(self) -> None:
        self.unfinished -= 1
        if not self.unfinished:
            self.ended_s = time.perf_counter()
            self.done.set()


class FanoutViewer(RawClient):
    """One viewer. Frames are counted after the message `begin`."""

    path = "/ws"
    begin_end = BEGIN_END

    def __init__(self, load: FanoutLoad) -> None:
        super().__init__(upgrade_request(self.path))
        self._load = load
        self._before_begin: bytes | None = b""
        """The bytes received so far; None after the message `begin`."""
        self._received_bytes = 0
        """Bytes of frames received."""
        self._expected = load.messages * load.size

    def buffer_updated(self, nbytes: int) -> None:
        self.receive(bytes(self.buffer[:nbytes]))

    def receive(self, data: bytes) -> None:
        if self._before_begin is None:
            self._count_frames(data)
            return
        self._before_begin += data
        at = self._before_begin.find(BEGIN)
        end = self._before_begin.find(self.begin_end, at)
        if at >= 0 and end >= 0:
            self._load.started_s = self._load.started_s or time.perf_counter()
            rest, self._before_begin = self._before_begin[end + len(self.begin_end) :], None
            self._count_frames(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._received_bytes < self._expected:
            self._load.faults += 1
            self._load.on_end()

    def _count_frames(self, data: bytes) -> None:
        load = self._load
        self._check(data, -self._received_bytes % load.size)
        self._received_bytes += len(data)
        if self._received_bytes - len(data) < self._expected <= self._received_bytes:
            load.on_end()

    def _check(self, data: bytes, first: int) -> None:
        """Check the first bytes and the digits in `data`, whose first frame begins at index `first`."""
        load = self._load
        first_bytes = data[first :: load.size]
        digits = data[(load.digit - self._received_bytes) % load.size :: load.size]
        number = (self._received_bytes + load.size - 1 - load.digit) // load.size % 10
        is_right = (
            first_bytes == load.first_byte * len(first_bytes)
            and LAST_DIGITS[number : number + len(digits)] == digits
        )
        load.faults += not is_right


class NatsViewer(FanoutViewer):
    """One viewer of a nats-server, whose WebSocket frames hold the NATS protocol, cut at any byte."""

    path = "/"
    begin_end = BEGIN_END + b"\r\n"

    def __init__(self, load: FanoutLoad) -> None:
        super().__init__(load)
        self._unread = b""
        self._payload_left = 0
        """Bytes of the current frame still to come."""
        self._is_subscribed = False

    def receive(self, data: bytes) -> None:
        if not self._is_subscribed:
            self._subscribe(data)
            return
        data, at, parts = self._unread + data, 0, []
        self._unread = b""
        while at < len(data):
            if not self._payload_left:
                size = _header_size(data, at)
                if at + size > len(data):
                    self._unread = data[at:]
                    break
                self._payload_left = _payload_size(data, at)
                at += size
            part = data[at : at + self._payload_left]
            self._payload_left -= len(part)
            at += len(part)
            parts.append(part)
        text = b"".join(parts)
        if self._before_begin is not None and b"PING\r\n" in text:
            self._send(b"PONG\r\n")
        super().receive(text)

    def _subscribe(self, data: bytes) -> None:
        """Subscribe after INFO; after PONG, publish to `ready` when all viewers have subscribed."""
        self._unread += data
        if b"PONG\r\n" in self._unread:
            self._is_subscribed, self._unread = True, b""
            self._load.subscribed += 1
            if self._load.subscribed == self._load.viewers:
                self._send(b"PUB ready 0\r\n\r\n")
        elif b"INFO" in self._unread and self._unread.endswith(b"\r\n"):
            self._unread = b""
            self._send(SUBSCRIBE)

    def _send(self, text: bytes) -> None:
        # A binary frame, masked with zeros: the protocol requires a mask from clients.
        self.transport.write(bytes((0x82, 0x80 | len(text))) + b"\0\0\0\0" + text)


def _header_size(data: bytes, at: int) -> int:
    """Return the size of the unmasked frame header at an index: 2, 4 or 10 bytes."""
    length = data[at + 1] if at + 1 < len(data) else 127
    return {126: 4, 127: 10}.get(length, 2)


def _payload_size(data: bytes, at: int) -> int:
    length, size = data[at + 1], _header_size(data, at)
    return length if size == 2 else int.from_bytes(data[at + 2 : at + size], "big")


async def run_load(
    kind: str, port: int, viewers: int, messages: int, size: int, digit: int
) -> dict[str, float]:
    """Connect all viewers, and return the seconds and faults. `kind` is `nats` or `plain`."""
    load = FanoutLoad(viewers, messages, size, digit, b"M" if kind == "nats" else b"\x81")
    viewer_type = NatsViewer if kind == "nats" else FanoutViewer
    loop = asyncio.get_running_loop()
    for _ in range(viewers):
        await loop.create_connection(lambda: viewer_type(load), "127.0.0.1", port)
    await load.done.wait()
    return {"seconds": load.ended_s - load.started_s, "faults": load.faults}


if __name__ == "__main__":
    result = uvloop.run(run_load(sys.argv[1], *(int(argument) for argument in sys.argv[2:7])))
    print_line(json.dumps(result))

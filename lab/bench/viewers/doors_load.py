"""Clients that do the most that a live server's limits allow, and try again at once when they are refused.

    python -m lab.bench.viewers.doors_load PORT

Prints `ready` when they have started, then answers each line of standard input by the counts so far, a JSON object.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import uvloop

from lab.bench.viewers.raw_client import print_line, upgrade_request

SOCKETS = 40
REPLAYING = 10
"""Sockets that start replays instead of subscribing."""
HTTP_CLIENTS = 8
BURST = 50
MESSAGES_PER_S = 5.0
RETRY_S = 0.05
READ_SIZE = 1 << 18

ALL_SYMBOLS = '{"type":"subscribe","data":{"topics":[{"symbol":"*"}]}}'
ONE_SYMBOL = '{"type":"subscribe","data":{"topics":[{"symbol":"BTCUSDT"}]}}'
SNAPSHOT = b"GET /api/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n"


def masked_frame(text: str) -> bytes:
    """Return a text frame of a client, with a mask of zeros."""
    payload = text.encode()
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + payload


class DoorsLoad:
    """All clients, and counts of what they did."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("connections", "refused", "messages_sent", "snapshots", "received_mb"), 0)
        )
        self._received = 0

    async def run_socket(self, messages: tuple[str, str]) -> None:
        """Connect for ever; send the messages in turn, first a burst."""
        frames = [masked_frame(text) for text in messages]
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(upgrade_request("/ws", "opensqt.v2"))
                status = await reader.readline()
                self.counts["connections" if b" 101 " in status else "refused"] += 1
                if b" 101 " in status:
                    reading = asyncio.create_task(self._read(reader))
                    await self._send(writer, frames, reading)
                writer.close()
            except OSError:
                self.counts["refused"] += 1
            await asyncio.sleep(RETRY_S)

    async def run_http(self) -> None:
        """Get snapshots for ever on a connection that is kept."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                while True:
                    writer.write(SNAPSHOT)
                    head = await reader.readuntil(b"\r\n\r\n")
                    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                    await reader.readexactly(size)
                    self._count_received(size)
                    self.counts[
                        "snapshots" if b" 200 " in head.split(b"\r\n", 1)[0] + b" " else "refused"
                    ] += 1
                    if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
                        await asyncio.sleep(RETRY_S)
            except (OSError, asyncio.IncompleteReadError):
                self.counts["refused"] += 1
            await asyncio.sleep(RETRY_S)

    async def _send(
        self, writer: asyncio.StreamWriter, frames: list[bytes], reading: "asyncio.Task[None]"
    ) -> None:
        number = 0
        while not reading.done():
            writer.write(frames[number % len(frames)])
            self.counts["messages_sent"] += 1
            number += 1
            await asyncio.sleep(0 if number < BURST - 1 else 1 / MESSAGES_PER_S)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(READ_SIZE):
                self._count_received(len(data))
        except OSError:
            pass

    def _count_received(self, size: int) -> None:
        self._received += size
        self.counts["received_mb"] = self._received >> 20


async def main(port: int) -> None:
    """Run all clients, and answer the lines of standard input until it ends."""
    load = DoorsLoad(port)
    start = time.time() - 900
    replays = tuple(
        f'{{"type":"replay","data":{{"topics":[{{"symbol":"{symbol}"}}],"from":{start:.0f},"speed":"max"}}}}'
        for symbol in ("*", "BTCUSDT")
    )
    work = [load.run_socket((ALL_SYMBOLS, ONE_SYMBOL)) for _ in range(SOCKETS - REPLAYING)]
    work += [load.run_socket((replays[0], replays[1])) for _ in range(REPLAYING)]
    work += [load.run_http() for _ in range(HTTP_CLIENTS)]
    tasks = [asyncio.create_task(each) for each in work]
    print_line("ready")
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (await reader.readline()).strip():
        print_line(json.dumps(load.counts))
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

"""A WebSocket client that can violate the protocol, and parses the server's frames strictly."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
TIMEOUT_S = 10.0
MASK = b"\x9a\x01\xf0\x0f"


class ServerFrame(NamedTuple):
    """A frame received from the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame, 1005 if it has none."""
        assert self.opcode == CLOSE
        return int(struct.unpack("!H", self.payload[:2])[0]) if self.payload else 1005


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    form: int | None = None,
) -> bytes:
    """Return a frame; `form` 126 or 127 forces that length field where a shorter one would do.

    Example: `frame(TEXT, b"hi")` is `81 82 9a01f00f f268`.
    """
    size = len(payload)
    form = form or (size if size < 126 else 126 if size < 65536 else 127)
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | form))
    length = size.to_bytes({126: 2, 127: 8}[form], "big") if form > 125 else b""
    if mask is None:
        return head + length + payload
    masks = (mask * (size // 4 + 1))[:size]
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")
    return head + length + mask + covered.to_bytes(size, "big")


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def frames_in(data: bytes) -> Iterable[ServerFrame]:
    """Yield the server's frames; assert that each is complete, unmasked, and has the shortest length field."""
    at = 0
    while at < len(data):
        head, form = data[at], data[at + 1]
        at += 2
        assert head & 0xF0 == 0x80, f"not one whole frame without reserved bits: {head:08b}"
        assert form < 128, "a server does not mask"
        size = form
        if form >= 126:
            width = 2 if form == 126 else 8
            size = int.from_bytes(data[at : at + width], "big")
            assert size > (125 if form == 126 else 65535), "a shorter length field would have done"
            at += width
        payload = data[at : at + size]
        assert len(payload) == size, "cut off"
        at += size
        yield ServerFrame(head & 0x0F, payload)


class RawViewer:
    """A connection after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, if possible each in its own packet."""
        for piece in pieces:
            self._writer.write(piece)
            await asyncio.sleep(0)

    async def next(self) -> ServerFrame | None:
        """Return the next frame, None at the end of the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                head = await self._reader.readexactly(2)
                form = head[1]
                length = await self._reader.readexactly({126: 2, 127: 8}.get(form, 0))
                size = int.from_bytes(length, "big") if length else form
                payload = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return None
        return next(iter(frames_in(head + length + payload)))

    async def rest(self) -> list[ServerFrame]:
        """Return the frames until the server ends the connection."""
        frames = []
        async with asyncio.timeout(TIMEOUT_S):
            while (each := await self.next()) is not None:
                frames.append(each)
        return frames

    async def until_pong(self, payload: bytes) -> list[ServerFrame]:
        """Return the frames before a pong."""
        frames: list[ServerFrame] = []
        while (each := await self.next()) != ServerFrame(PONG, payload):
            assert each is not None, f"the connection ended with {frames[-1:]}"
            frames.append(each)
        return frames


@asynccontextmanager
async def raw_viewer(
    address: str, *, protocols: Sequence[str] = ("opensqt.v2",), path: str = "/ws"
) -> AsyncIterator[RawViewer]:
    """Connect and perform the handshake."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(handshake(path, protocols))
        async with asyncio.timeout(TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield RawViewer(reader, writer)
    finally:
        writer.transport.abort()


def handshake(path: str = "/ws", protocols: Sequence[str] = ()) -> bytes:
    """Return an upgrade request."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(f"Sec-WebSocket-Protocol: {protocol}" for protocol in protocols),
    ]
    return "\r\n".join([*lines, "", ""]).encode()

"""The live server's WebSocket stack as an echo server, for external conformance suites.

    python -m tests.liveserver.echo 9001

Protocol, session and transport are those of viewers, under uvicorn. Only the handling of complete messages differs, and
messages may be long, many and binary. With Autobahn's suite installed as `wstest`:

    wstest -m fuzzingclient -s tests/liveserver/autobahn.json
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import uvloop
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from liveserver.http.app import create_app
from liveserver.http.assets import Assets
from liveserver.http.server import listen, serving
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.encoding import Encoding, text_frame
from liveserver.protocol.server_messages import Message
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import HandshakePolicy
from liveserver.websocket.session import Session
from liveserver.websocket.transport import WebSocketServer
from liveserver.websocket.ws_protocol import ViewerProtocol

UNLIMITED = Limits(
    inbound_bytes=64 * 1024 * 1024,
    inbound_per_s=1e9,
    inbound_burst=1e9,
    backlog_bytes=1 << 30,
    backlog_messages=1 << 30,
)


class EchoSession(Session):
    """Returns every message to its sender."""

    __slots__ = ("_binary",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._binary: bytearray | None = None

    def _handshake(self, protocol: ViewerProtocol, request: Request) -> None:
        super()._handshake(protocol, request)
        self._encoding = Encoding.V2  # the plain protocol ignores client messages

    def _receive_fragment(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.BINARY and self._binary is None:
            super()._receive_fragment(frame)
            return
        message = (self._binary or bytearray()) + bytes(frame.data)
        self._binary = None if frame.fin else message
        if frame.fin:
            self.send(Frame(Opcode.BINARY, bytes(message)).serialize(mask=False), 1)

    def _release_parser(self) -> None:
        if self._binary is None:
            super()._release_parser()

    def _handle_message(self, text: bytes) -> None:
        self.send(text_frame(text), 1)


class EchoServer(WebSocketServer):
    """A WebSocket server that sends nothing but echoes."""

    def greeting(self) -> Sequence[Message]:
        return ()

    def new_session(self, transport: asyncio.Transport, now: float, phase: float, address: str) -> Session:
        return EchoSession(self, transport, now, phase, address)


async def main(port: int) -> None:
    metrics = Metrics()
    replica = Replica("echo", metrics, Hub(metrics, asyncio.get_running_loop().call_soon))
    sockets = EchoServer(replica, HandshakePolicy(frozenset({"*"})), UNLIMITED)
    async with serving(
        create_app(replica, Assets()), sockets.protocol(), listen("127.0.0.1", port)
    ) as server:
        sys.stdout.write(f"{server.address.replace('http', 'ws')}/ws\n")
        await sockets.run_timers()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(main(int(sys.argv[1])))

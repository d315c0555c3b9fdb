"""The live server's own sockets as an echo, for suites that examine any WebSocket server with one.

    python -m tests.liveserver.echo 9001

What is examined is what viewers meet: protocol, session and transport under uvicorn. Only what is done with a whole
message differs, and messages may be long, many and binary. With Autobahn's suite installed as `wstest`:

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
from liveserver.http.server import serving
from liveserver.hub.group import ProtocolVersion
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.metrics import Metrics
from liveserver.protocol.frames import text_frame
from liveserver.protocol.server_messages import Message
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import Door
from liveserver.websocket.session import Session
from liveserver.websocket.transport import Sockets
from liveserver.websocket.ws_protocol import ViewerProtocol

BOUNDLESS = Limits(
    inbound_bytes=64 * 1024 * 1024,
    inbound_per_s=1e9,
    inbound_burst=1e9,
    backlog_bytes=1 << 30,
    backlog_messages=1 << 30,
)


class EchoSession(Session):
    """Sends back whatever it hears."""

    __slots__ = ("_binary",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._binary: bytearray | None = None

    def _shake_hands(self, protocol: ViewerProtocol, request: Request) -> None:
        super()._shake_hands(protocol, request)
        self._dialect = ProtocolVersion.V2  # so that what it says is heard

    def _hear_part(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.BINARY and self._binary is None:
            super()._hear_part(frame)
            return
        whole = (self._binary or bytearray()) + bytes(frame.data)
        self._binary = None if frame.fin else whole
        if frame.fin:
            self.send(Frame(Opcode.BINARY, bytes(whole)).serialize(mask=False), 1)

    def _rest(self) -> None:
        if self._binary is None:
            super()._rest()

    def _answer(self, text: bytes) -> None:
        self.send(text_frame(text), 1)


class EchoSockets(Sockets):
    """Sockets that say nothing by themselves."""

    def greeting(self) -> Sequence[Message]:
        return ()

    def new_session(self, transport: asyncio.Transport, now: float, phase: float, address: str) -> Session:
        return EchoSession(self, transport, now, phase, address)


async def main(port: int) -> None:
    metrics = Metrics()
    replica = Replica("echo", metrics, Hub(metrics, asyncio.get_running_loop().call_soon))
    sockets = EchoSockets(replica, Door(frozenset({"*"})), BOUNDLESS)
    async with serving(create_app(replica, Assets()), sockets.protocol(), "127.0.0.1", port) as served:
        sys.stdout.write(f"{served.address.replace('http', 'ws')}/ws\n")
        await sockets.keep_time()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(main(int(sys.argv[1])))

"""The one file that touches transports: a session under uvicorn, which hands the connection over at the upgrade."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Never, cast

from uvicorn.server import ServerState

from liveserver.auth.roles import Identity
from liveserver.commands.socket import Ordering
from liveserver.hub.group import CloseCode, Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import ControlRequest, Replay, Request, Resume, Subscribe
from liveserver.protocol.server_messages import Message
from liveserver.replay.replays import Replays
from liveserver.websocket.connection_limit import Turnstile
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import Door
from liveserver.websocket.session import Session

WRITE_BUFFER = 64 * 1024
"""Bytes that a transport keeps before it says so."""

SHUTDOWN_S = 0.5
"""How long a viewer has to answer when the server stops."""

TURNS = 20
"""In so many parts the sessions of one second are looked after."""

GOLDEN = 0.618033988749895
"""Steps of this size, modulo 1, are spread evenly however many there are."""


class Sockets:
    """All WebSockets of one replica, and what they share; implements `Stage`."""

    def __init__(
        self,
        replica: Replica,
        door: Door,
        limits: Limits,
        replays: Replays | None = None,
        ordering: Ordering | None = None,
    ) -> None:
        self.hub: Hub = replica.hub
        self.door = door
        self.limits = limits
        self.turnstile = Turnstile(limits.connections, limits.connections_per_address)
        self.replays = Replays(replica, limit=0) if replays is None else replays
        self._replica = replica
        self._ordering = ordering
        self._open: dict[Session, None] = {}
        self._count = itertools.count(1)

    def protocol(self) -> Callable[..., asyncio.Protocol]:
        """Return what uvicorn calls for each upgrade."""

        def make(config: Any, server_state: ServerState, app_state: dict[str, Any]) -> "SocketProtocol":
            return SocketProtocol(self, server_state)

        return make

    @property
    def is_congested(self) -> bool:
        """Whether anybody's connection takes nothing at present."""
        return any(session.is_blocked for session in self._open)

    def greeting(self) -> Sequence[Message]:
        return (self._replica.introduction(),)

    def dropped(self) -> None:
        self._replica.metrics.dropped_clients.inc()

    def command(self, viewer: Viewer, identity: Identity, request: ControlRequest) -> None:
        if self._ordering is not None:
            self._ordering.give(viewer, identity, request)

    def asked(self, viewer: Viewer, said: Request) -> None:
        match said:
            case Subscribe():
                self.replays.end(viewer)
                self.hub.subscribe(viewer, said.wanted)
            case Resume():
                self.replays.end(viewer)
                self.hub.resume(viewer, said.wanted, said.data.streams)
            case Replay():
                self.replays.begin(viewer, said)
            case _:
                self.replays.command(viewer, said)

    def begin(self, transport: asyncio.Transport) -> Session:
        """Return the session of a new connection."""
        now = asyncio.get_running_loop().time()
        peer = transport.get_extra_info("peername")
        address = sys.intern(str(peer[0])) if peer else ""
        session = self.new_session(transport, now, next(self._count) * GOLDEN % 1, address)
        self._open[session] = None
        return session

    def new_session(self, transport: asyncio.Transport, now: float, phase: float, address: str) -> Session:
        return Session(self, transport, now, phase, address)

    def end(self, session: Session) -> None:
        self._open.pop(session, None)
        self.replays.end(session)
        session.lost()

    async def keep_time(self, every_s: float = 1.0) -> Never:
        """Let every session do what is due; for ever. A few at a time, so that nobody waits for many."""
        loop = asyncio.get_running_loop()
        while True:
            sessions = list(self._open)
            for turn in range(TURNS):
                await asyncio.sleep(every_s / TURNS)
                for session in sessions[turn::TURNS]:
                    session.tick(loop.time())


class SocketProtocol(asyncio.Protocol):
    """A connection from its upgrade on."""

    __slots__ = ("_connections", "_loop", "_session", "_sockets", "_transport")

    def __init__(self, sockets: Sockets, server_state: ServerState) -> None:
        self._sockets = sockets
        self._connections = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._session: Session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # that of uvloop only looks like one
        # Uvicorn does so after the handshake: a snapshot that does not fit would block another protocol.
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._transport = transport
        self._session = self._sockets.begin(transport)
        self._connections.add(self)  # type: ignore[arg-type] # uvicorn names its own protocols alone

    def data_received(self, data: bytes) -> None:
        self._session.receive(data, self._loop.time())

    def pause_writing(self) -> None:
        self._session.block()

    def resume_writing(self) -> None:
        self._session.unblock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._sockets.end(self._session)

    def shutdown(self) -> None:
        """Say that the server goes; uvicorn calls it. Whoever does not listen is cut off."""
        self._session.close(CloseCode.GOING_AWAY, "the live server is stopping; connect again")
        self._loop.call_later(SHUTDOWN_S, self._transport.abort)

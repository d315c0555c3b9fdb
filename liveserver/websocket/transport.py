"""WebSocket connections on asyncio transports, which uvicorn hands over at the upgrade."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Never, cast

from uvicorn.server import ServerState

from bus import RepeatLimit, get_logger
from bus.attention import MAX_GAP_S
from liveserver.auth.roles import Identity
from liveserver.commands.socket import SocketCommands
from liveserver.hub.group import CloseCode, Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.replica import Replica
from liveserver.protocol.client_messages import ControlRequest, Replay, Request, Resume, Subscribe
from liveserver.protocol.server_messages import Message
from liveserver.replay.replay import replay_rejected
from liveserver.replay.replays import Replays
from liveserver.websocket.connection_limit import ConnectionLimit
from liveserver.websocket.context import Limits
from liveserver.websocket.handshake import HandshakePolicy
from liveserver.websocket.session import Session

WRITE_BUFFER = 64 * 1024
"""Bytes that a transport buffers before it pauses writing."""

SHUTDOWN_S = 0.5
"""Time for a viewer to answer the close frame when the server stops."""

TICK_SLICES = 20
"""Number of slices into which the ticks of all sessions are spread within a second."""

GOLDEN_RATIO = 0.618033988749895
"""Multiples of it modulo 1 are evenly distributed, however many there are."""


class WebSocketServer:
    """All WebSocket sessions of a replica and their shared state; implements `SessionContext`."""

    def __init__(
        self,
        replica: Replica,
        handshake_policy: HandshakePolicy,
        limits: Limits,
        replays: Replays | None = None,
        socket_commands: SocketCommands | None = None,
    ) -> None:
        self.hub: Hub = replica.hub
        self.handshake_policy = handshake_policy
        self.limits = limits
        self.connection_limit = ConnectionLimit(limits.connections, limits.connections_per_address)
        self.replays = Replays(replica, limit=0) if replays is None else replays
        self._replica = replica
        self._socket_commands = socket_commands
        self._sessions: dict[Session, None] = {}
        self._public_replays: set[Viewer] = set()
        """Public viewers that have started a replay, which may have ended."""
        self._count = itertools.count(1)

    def protocol(self) -> Callable[..., asyncio.Protocol]:
        """Return the factory that uvicorn calls at each upgrade."""

        def make(config: Any, server_state: ServerState, app_state: dict[str, Any]) -> "SocketProtocol":
            return SocketProtocol(self, server_state)

        return make

    @property
    def is_congested(self) -> bool:
        """Whether the write buffer of any connection is full."""
        return any(session.is_blocked for session in self._sessions)

    def greeting(self) -> Sequence[Message]:
        return (self._replica.server_message(),)

    def count_dropped(self) -> None:
        self._replica.metrics.dropped_clients.inc()

    def command(self, viewer: Viewer, identity: Identity, address: str, request: ControlRequest) -> None:
        if self._socket_commands is not None:
            self._socket_commands.give(viewer, identity, request, address)

    def handle(self, viewer: Viewer, identity: Identity, request: Request) -> None:
        match request:
            case Subscribe():
                self.replays.cancel(viewer)
                self.hub.subscribe(viewer, request.topics)
            case Resume():
                self.replays.cancel(viewer)
                self.hub.resume(viewer, request.topics, request.data.streams)
            case Replay():
                self._start_replay(viewer, identity, request)
            case _:
                self.replays.command(viewer, request)

    def _start_replay(self, viewer: Viewer, identity: Identity, request: Replay) -> None:
        if identity.is_redacted:
            limit = self.handshake_policy.authenticator.access.rates.public_replays
            self._public_replays = {each for each in self._public_replays if self.replays.is_running(each)}
            if viewer not in self._public_replays and len(self._public_replays) >= limit:
                self.hub.send(
                    viewer, replay_rejected(f"the limit of {limit} public replays is reached; retry later")
                )
                return
            self._public_replays.add(viewer)
        self.replays.start(viewer, request)

    def open_session(self, transport: asyncio.Transport) -> Session:
        """Return the session of a new connection."""
        now = asyncio.get_running_loop().time()
        peer = transport.get_extra_info("peername")
        address = sys.intern(str(peer[0])) if peer else ""
        session = self.new_session(transport, now, next(self._count) * GOLDEN_RATIO % 1, address)
        self._sessions[session] = None
        return session

    def new_session(self, transport: asyncio.Transport, now: float, phase: float, address: str) -> Session:
        return Session(self, transport, now, phase, address)

    def end_session(self, session: Session) -> None:
        """Release a session whose connection is closed."""
        self._sessions.pop(session, None)
        self.replays.cancel(session)
        session.lost()

    async def run_timers(self, every_s: float = 1.0) -> Never:
        """Tick every session once per `every_s`, in slices, so that the event loop is not blocked."""
        loop = asyncio.get_running_loop()
        while True:
            sessions = list(self._sessions)
            for first in range(TICK_SLICES):
                slept_s = loop.time()
                await asyncio.sleep(every_s / TICK_SLICES)
                if loop.time() - slept_s > MAX_GAP_S:
                    continue  # this process was paused: pongs that arrived meanwhile are still unread
                for session in sessions[first::TICK_SLICES]:
                    session.tick(loop.time())


_log = get_logger("liveserver")
_repeat_limit = RepeatLimit()


class SocketProtocol(asyncio.Protocol):
    """An upgraded connection."""

    __slots__ = ("_connection", "_connections", "_loop", "_server")

    def __init__(self, server: WebSocketServer, server_state: ServerState) -> None:
        self._server = server
        self._connections = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._connection: tuple[Session, asyncio.Transport] | None = None

    @property
    def _session(self) -> Session:
        assert self._connection is not None, "asyncio calls connection_made first"
        return self._connection[0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses
        # Uvicorn switches the protocol after the handshake only; a snapshot larger than the write buffer would then
        # pause the wrong protocol.
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._connection = (self._server.open_session(transport), transport)
        self._connections.add(self)  # type: ignore[arg-type] # uvicorn's type lists only its own protocols

    def data_received(self, data: bytes) -> None:
        try:
            self._session.receive(data, self._loop.time())
        except OSError:
            # The peer is gone, which `write_eof` notices first.
            self._abort()
        except Exception as error:  # noqa: BLE001 - whatever a stranger sends ends this connection alone
            assert self._connection is not None, "asyncio calls connection_made first"
            _repeat_limit.write(_log, "error", "socket_failed", type(error).__name__, detail=error)
            self._session.close(CloseCode.INTERNAL_ERROR, "internal error; connect again")
            self._connection[1].close()

    def _abort(self) -> None:
        assert self._connection is not None, "asyncio calls connection_made first"
        self._connection[1].abort()

    def pause_writing(self) -> None:
        self._session.block()

    def resume_writing(self) -> None:
        self._session.unblock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._server.end_session(self._session)

    def shutdown(self) -> None:
        """Close the connection when the server stops (uvicorn's hook); abort it after `SHUTDOWN_S`."""
        assert self._connection is not None, "uvicorn shuts down registered connections only"
        session, transport = self._connection
        session.close(CloseCode.GOING_AWAY, "the live server is stopping; reconnect")
        self._loop.call_later(SHUTDOWN_S, transport.abort)

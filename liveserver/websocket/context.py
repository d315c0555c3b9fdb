"""What a session stands on: its limits, its connection, and what all sessions of a server share."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from liveserver.auth.roles import Identity
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.protocol.client_messages import ControlRequest, Request
from liveserver.protocol.server_messages import Message
from liveserver.websocket.connection_limit import Turnstile
from liveserver.websocket.handshake import Door


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer may ask of the server."""

    backlog_messages: int = 256
    backlog_bytes: int = 1 << 20
    connections: int = 20_000
    connections_per_address: int = 2000
    """Many may share an address, and all do behind a proxy."""
    inbound_bytes: int = 4096
    """Of one message; beyond it the connection ends with 1009."""
    inbound_per_s: float = 5.0
    """Frames, control frames included."""
    inbound_burst: float = 50.0
    ping_every_s: float = 54.0
    pong_within_s: float = 60.0
    linger_s: float = 5.0
    """How long a viewer has to answer a close, or to fetch it."""


class Outlet(Protocol):
    """The connection, as far as a session uses it."""

    def write(self, data: bytes) -> None:
        """Send bytes; what the network does not take yet is kept."""
        ...

    def write_eof(self) -> None:
        """End our side once all is sent; the viewer ends its own."""
        ...

    def abort(self) -> None:
        """End the connection now."""
        ...


class Stage(Protocol):
    """What all sessions of a server share."""

    hub: Hub
    door: Door
    turnstile: Turnstile
    limits: Limits

    def greeting(self) -> Sequence[Message]:
        """Return what a new viewer hears beside the snapshot."""
        ...

    def dropped(self) -> None:
        """Count a viewer that was too slow."""
        ...

    def command(self, viewer: Viewer, identity: Identity, request: ControlRequest) -> None:
        """Give a command on somebody's behalf, and tell the viewer what became of it."""
        ...

    def asked(self, viewer: Viewer, said: Request) -> None:
        """Do what a viewer asks for."""
        ...

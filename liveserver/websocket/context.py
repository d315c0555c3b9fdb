"""Interfaces a WebSocket session depends on: limits, transport, shared server state."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from liveserver.auth.roles import Identity
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.protocol.client_messages import ControlRequest, Request
from liveserver.protocol.server_messages import Message
from liveserver.websocket.connection_limit import ConnectionLimit
from liveserver.websocket.handshake import HandshakePolicy


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Resource limits per viewer and per server."""

    backlog_messages: int = 256
    """Unsent messages before a slow viewer is disconnected."""
    backlog_bytes: int = 1 << 20
    """Unsent bytes before a slow viewer is disconnected."""
    connections: int = 20_000
    """HTTP connections and viewers, counted from accept; fewer if the system allows the process fewer open files."""
    connections_per_address: int = 2000
    """Viewers behind a NAT share an address, and so do those of one IPv6 /64 (see `rate_limit_key`)."""
    head_s: float = 10.0
    """Time for a client to send the head of a request, from accept on."""
    body_s: float = 20.0
    """Time for a client to send the body of a request."""
    answer_s: float = 90.0
    """Time for the answer to a request, until the client has received it."""
    inbound_bytes: int = 4096
    """Size of one message from a viewer; a larger one closes the connection with 1009."""
    inbound_per_s: float = 5.0
    """Sustained rate of frames from a viewer, control frames included."""
    inbound_burst: float = 50.0
    """Frames accepted at once above that rate."""
    ping_every_s: float = 54.0
    pong_within_s: float = 60.0
    """Time for a viewer to answer a ping before it is disconnected."""
    linger_s: float = 5.0
    """Time for a viewer to receive and answer a close frame."""


class Transport(Protocol):
    """The write side of a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes; buffer what the network does not accept yet."""
        ...

    def write_eof(self) -> None:
        """Close the write side once everything is sent."""
        ...

    def abort(self) -> None:
        """Close the connection immediately."""
        ...


class SessionContext(Protocol):
    """Server state that all sessions share."""

    hub: Hub
    handshake_policy: HandshakePolicy
    connection_limit: ConnectionLimit
    limits: Limits

    def greeting(self) -> Sequence[Message]:
        """Return the messages that a new viewer receives besides the snapshot."""
        ...

    def count_dropped(self) -> None:
        """Count a viewer that was disconnected for being too slow."""
        ...

    def command(self, viewer: Viewer, identity: Identity, address: str, request: ControlRequest) -> None:
        """Give an operator command in the background; its answer is sent to the viewer."""
        ...

    def handle(self, viewer: Viewer, identity: Identity, request: Request) -> None:
        """Carry out a viewer's request."""
        ...

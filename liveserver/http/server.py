"""Uvicorn without its own lifecycle: own listeners, no signal handlers, bounded shutdown."""

import asyncio
import contextlib
import math
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import uvicorn

from liveserver.http.connection import ConnectionPolicy, HttpConnection
from liveserver.websocket.connection_limit import ConnectionLimit
from liveserver.websocket.context import Limits

LISTEN_BACKLOG = 2048
SHUTDOWN_GRACE_S = 1
SEND_BUFFER = 256 * 1024
"""Bytes of kernel send buffer per connection (Linux doubles it), which bounds its memory."""


class PortTaken(OSError):
    """Another process listens on the port."""


class Listeners:
    """Bound sockets that do not accept connections yet."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.sockets = list(sockets)
        self.address = _address(sockets[-1])
        """URL of this server alone, such as `http://127.0.0.1:8888`."""
        self.public_address = _address(sockets[0])
        """URL for viewers; other servers on this machine may share it."""


def listen(host: str, port: int, own_port: int | None = None) -> Listeners:
    """Bind the port; with `own_port`, share `port` with other servers and bind that one too. Port 0 takes a free one.

    The kernel spreads connections to a shared port over its servers.
    Raises: PortTaken.
    """
    sockets = [_bind(host, port, is_shared=own_port is not None)]
    if own_port is not None:
        sockets.append(_bind(host, own_port))
    return Listeners(sockets)


class RunningServer:
    """A server that accepts connections."""

    def __init__(self, server: uvicorn.Server, address: str) -> None:
        self._server = server
        self.address = address
        """URL of this server alone."""

    def stop_accepting(self) -> None:
        """Close the public listener: new connections go to other servers that share the port, or fail."""
        if self._server.started:
            self._server.servers[0].close()


@contextlib.asynccontextmanager
async def serving(
    app: Any,
    websocket_protocol: Callable[..., asyncio.Protocol],
    listeners: Listeners,
    policy: ConnectionPolicy | None = None,
) -> AsyncIterator[RunningServer]:
    """Serve an ASGI application; on exit, connections get `SHUTDOWN_GRACE_S` to end.

    `websocket_protocol` makes the protocol that takes over a connection at the WebSocket upgrade. `policy` has the
    deadlines and limits of HTTP connections; None stands for the default ones.
    """
    limits = Limits()
    policy = policy or ConnectionPolicy(limits, ConnectionLimit(limits.connections, limits.connections))
    server = _Server(
        uvicorn.Config(
            app,
            http=partial(HttpConnection, policy=policy),  # type: ignore[arg-type] # uvicorn accepts any factory
            ws=websocket_protocol,  # type: ignore[arg-type] # uvicorn accepts any factory
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # trusted proxies are handled in `auth.addresses`
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        )
    )
    task = asyncio.create_task(server.serve(sockets=listeners.sockets), name="http")
    try:
        yield RunningServer(server, listeners.address)
    finally:
        server.should_exit = True
        await task


def raise_open_file_limit() -> int:
    """Raise this process's limit of open files to the system's maximum; return the limit."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS reports no limit, but rejects an unlimited value
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def limits_within(limits: Limits, open_files: float) -> Limits:
    """Return the limits, with as many connections as fit the process's open files, and files to spare.

    If those are fewer than configured, one address gets at most half of them.
    """
    connections = max(1, open_files - max(32, min(128, open_files // 8)))
    if connections >= limits.connections:
        return limits
    return msgspec.structs.replace(
        limits,
        connections=int(connections),
        connections_per_address=max(1, min(limits.connections_per_address, int(connections) // 2)),
    )


def open_file_limit() -> float:
    """Return this process's limit of open files."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        # From here on, early connections wait in the backlog instead of being refused.
        listener.listen(LISTEN_BACKLOG)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener

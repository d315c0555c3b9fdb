"""Uvicorn inside our own lifecycle: no signals of its own, a port of our choice, and an end within two seconds."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import uvicorn

BACKLOG = 2048
GRACE_S = 1
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps for one connection (Linux takes twice that), so that its memory is bounded."""


class PortTaken(OSError):
    """Somebody else listens there."""


class Serving:
    """A server that runs."""

    def __init__(self, server: uvicorn.Server, listeners: Sequence[socket.socket]) -> None:
        self._server = server
        self.address = _address(listeners[-1])
        """Where this server alone is reached."""
        self.public_address = _address(listeners[0])
        """Where viewers come; others may listen there as well."""

    def stop_accepting(self) -> None:
        """Take no more viewers: who connects from now on gets to another server that shares the port, or to none."""
        if self._server.started:
            self._server.servers[0].close()


@contextlib.asynccontextmanager
async def serving(
    app: Any,
    sockets: Callable[..., asyncio.Protocol],
    host: str,
    port: int,
    own_port: int | None = None,
) -> AsyncIterator[Serving]:
    """Serve an ASGI application; on leaving, connections get `GRACE_S` to end.

    `sockets` makes the protocol that takes over a connection which asks for an upgrade. With `own_port`, `port` is
    shared with other servers on this machine (the kernel spreads connections over them), and this one is reached there.
    Raises: PortTaken.
    """
    listeners = [_listen(host, port, is_shared=own_port is not None)]
    if own_port is not None:
        listeners.append(_listen(host, own_port))
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws=sockets,  # type: ignore[arg-type] # uvicorn calls it, whatever it is
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # whose word is taken is ours to decide: see `addresses`
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    shown = Serving(server, listeners)
    task = asyncio.create_task(server.serve(sockets=listeners), name="http")
    try:
        yield shown
    finally:
        server.should_exit = True
        await task


def allow_many_files() -> int:
    """Let this process have as many connections as the system allows it; return how many files that is."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS says that there is no limit, and has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
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
        # From here on whoever connects is kept waiting rather than refused.
        listener.listen(BACKLOG)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener

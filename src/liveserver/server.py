"""Uvicorn inside our own lifecycle: no signals of its own, a port of our choice, and an end within two seconds."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn

BACKLOG = 2048
GRACE_S = 1
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps for one connection (Linux takes twice that), so that its memory is bounded."""


class PortTaken(OSError):
    """Somebody else listens there."""


@contextlib.asynccontextmanager
async def serving(
    app: Any, sockets: Callable[..., asyncio.Protocol], host: str, port: int
) -> AsyncIterator[str]:
    """Serve an ASGI application and yield its address; on leaving, connections get `GRACE_S` to end.

    `sockets` makes the protocol that takes over a connection which asks for an upgrade.

    Raises: PortTaken.
    """
    listener = _listen(host, port)
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
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    bound = listener.getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    try:
        yield f"http://{shown}:{bound[1]}"
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(address)
        # From here on whoever connects is kept waiting rather than refused.
        listener.listen(BACKLOG)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener

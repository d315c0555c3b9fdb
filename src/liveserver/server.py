"""Uvicorn inside our own lifecycle: no signals of its own, a port of our choice, and an end within two seconds."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from liveserver.sockets import INBOUND_LIMIT

BACKLOG = 2048
GRACE_S = 1
LINGER_S = 5.0
"""How long a viewer that does not read has to fetch its close frame."""


class PortTaken(OSError):
    """Somebody else listens there."""


@contextlib.asynccontextmanager
async def serving(app: Any, host: str, port: int) -> AsyncIterator[str]:
    """Serve an ASGI application and yield its address; on leaving, connections get `GRACE_S` to end.

    Raises: PortTaken.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws=ViewerProtocol,
            ws_max_size=INBOUND_LIMIT,
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
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


class ViewerProtocol(WebSocketsSansIOProtocol):
    """A WebSocket whose end does not wait for a peer that stopped reading."""

    async def send(self, message: Any) -> None:
        if message["type"] != "websocket.close" or self.writable.is_set():
            await super().send(message)
            return
        self.close_sent = True
        self.conn.send_close(message["code"], message.get("reason") or "")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)


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
        listener.bind(address)
        # From here on whoever connects is kept waiting rather than refused.
        listener.listen(BACKLOG)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener

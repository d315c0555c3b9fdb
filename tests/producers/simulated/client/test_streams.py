"""WebSocket streams of the client of the simulated venue."""

from contextlib import aclosing

from aiohttp import ClientSession, ClientWebSocketResponse, web
from aiohttp.test_utils import TestServer

from producers.simulated.client.streams import frames
from tests.bus.events import eventually


async def _send_and_close(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("1")
    await socket.ping()
    assert request.transport is not None
    request.transport.close()
    return socket


async def test_unanswerable_ping_is_a_lost_connection() -> None:
    application = web.Application()
    application.router.add_get("/", _send_and_close)
    connections: list[ClientWebSocketResponse[bool]] = []
    async with TestServer(application) as server, ClientSession() as session:
        url = str(server.make_url("/"))
        reading = frames(session, url, int, lambda socket: connections.append(socket) if socket else None)
        async with aclosing(reading) as received:
            assert await anext(received) == 1
            # The ping is read after the connection is lost.
            await eventually(lambda: _is_closed(connections[0]))
            assert await anext(received) is None
            assert await anext(received) == 1


async def _is_closed(connection: "ClientWebSocketResponse[bool]") -> bool:
    return not connection.get_extra_info("peername")

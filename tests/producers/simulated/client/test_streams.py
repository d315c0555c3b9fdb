"""WebSocket streams of the client of the simulated venue."""

from contextlib import aclosing

from aiohttp import ClientSession, ClientWebSocketResponse, web
from aiohttp.test_utils import TestServer

from producers.simulated.client.streams import MarketFeed, frames
from producers.simulated.wire import to_json
from schemas.venue.market import Ticker
from tests.builders import BTC, SIM, TICKER
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


async def test_an_event_with_null_is_dropped_and_the_rest_of_its_frame_counts() -> None:
    events = [to_json(TICKER).decode(), to_json(TICKER).decode().replace('"60000.0"', "null")]
    frame = f'{{"tick": 1, "account_sequence": 0, "time": 1, "events": [{", ".join(events)}]}}'
    dropped: list[int] = []

    async def send(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(frame)
        await socket.receive()
        return socket

    application = web.Application()
    application.router.add_get("/ws/market", send)
    async with TestServer(application) as server, ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        feed = MarketFeed(session, url, SIM, [BTC], on_undecodable=lambda: dropped.append(1))
        async with feed:
            update = await anext(feed.updates())
    assert [each for each in update.events if isinstance(each, Ticker)] == [TICKER]
    assert dropped == [1]

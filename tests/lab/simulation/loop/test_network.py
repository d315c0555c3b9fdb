"""The network: connections with delays, partitions, resets, lost power."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web

from lab.simulation.loop.event_loop import SimulatedLoop
from lab.simulation.loop.links import Link

pytestmark = [
    # The clients of these tests leave their connections open.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
]

PORT = 4222
Lines = list[tuple[float, bytes]]


class World:
    """A server that keeps the lines it receives and echoes them, and a client host."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = SimulatedLoop(seed)
        self.server, self.client = self.loop.host("server", "10.0.0.1"), self.loop.host("client", "10.0.0.2")
        self.received: Lines = []
        self.ended: list[str] = []
        self.is_reading = True

    async def serve(self) -> None:
        server = await asyncio.start_server(self._handle, "0.0.0.0", PORT)
        await server.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_reading:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            while line := await reader.readline():
                self.received.append((self.loop.true_time(), line))
                writer.write(line)
                await writer.drain()
            self.ended.append("eof")
        except OSError as error:
            self.ended.append(type(error).__name__)
        writer.close()

    def run(
        self, client: Callable[[], Awaitable[Any]], fault: Callable[[], Awaitable[None]] | None = None
    ) -> Any:
        """Run the server, a client on its host, and a plan of faults; return what the client returns."""

        async def call() -> Any:
            return await client()

        async def main() -> Any:
            self.server.spawn(self.serve())
            await asyncio.sleep(0.1)
            task = self.client.spawn(call())
            if fault is not None:
                await fault()
            return await task

        return self.loop.run(main())


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("server", PORT)


@pytest.fixture
def world() -> World:
    return World()


def test_an_echo_takes_the_delay_of_both_directions(world: World) -> None:
    for ends in ((world.client, world.server), (world.server, world.client)):
        world.loop.network.set_link(*ends, Link(delay_s=0.5, jitter_s=0.0, cut=0.0))

    async def client() -> tuple[bytes, float]:
        reader, writer = await connected()
        started = world.loop.time()
        writer.write(b"hello\n")
        return await reader.readline(), round(world.loop.time() - started, 6)

    assert world.run(client) == (b"hello\n", 1.0)


def test_the_order_within_a_connection_holds(world: World) -> None:
    world.loop.network.link = Link(jitter_s=1.0, loss=0.2, cut=0.5)

    async def client() -> list[bytes]:
        reader, writer = await connected()
        for number in range(100):
            writer.write(b"%d\n" % number)
            await asyncio.sleep(0.01)
        return [await reader.readline() for _ in range(100)]

    assert world.run(client) == [b"%d\n" % number for number in range(100)]


def test_messages_of_two_connections_overtake_each_other(world: World) -> None:
    world.loop.network.link = Link(jitter_s=1.0)

    async def client() -> None:
        connections = [await connected() for _ in range(20)]
        for number, (_, writer) in enumerate(connections):
            writer.write(b"%d\n" % number)
        await asyncio.sleep(5)

    world.run(client)
    numbers = [int(line) for _, line in world.received]
    assert sorted(numbers) == list(range(20)) != numbers


def test_a_port_without_listener_refuses(world: World) -> None:
    async def client() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("server", 1)

    world.run(client)


def test_an_unknown_host_is_an_error(world: World) -> None:
    async def client() -> None:
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("nowhere", PORT)

    world.run(client)


def test_a_port_can_be_taken_once(world: World) -> None:
    async def client() -> None:
        await asyncio.start_server(lambda *_: None, port=PORT)
        with pytest.raises(OSError, match="already in use"):
            await asyncio.start_server(lambda *_: None, port=PORT)

    world.run(client)


def test_what_is_sent_in_a_partition_arrives_after_it(world: World) -> None:
    async def client() -> bytes:
        reader, writer = await connected()
        await asyncio.sleep(1)
        writer.write(b"late\n")
        return await reader.readline()

    async def fault() -> None:
        await asyncio.sleep(0.5)
        world.loop.network.partition([world.server], [world.client])
        await asyncio.sleep(9.5)
        world.loop.network.heal()

    assert world.run(client, fault) == b"late\n"
    assert 10 < world.received[0][0] < 12


def test_connecting_in_a_partition_times_out(world: World) -> None:
    async def client() -> float:
        with pytest.raises(TimeoutError):
            await connected()
        return world.loop.time()

    async def fault() -> None:
        world.loop.network.partition([world.server], [world.client])

    assert world.run(client, fault) > 120


def test_a_reset_reaches_both_ends(world: World) -> None:
    async def client() -> None:
        reader, _ = await connected()
        with pytest.raises(ConnectionResetError):
            await reader.readline()

    async def fault() -> None:
        await asyncio.sleep(1)
        assert world.loop.network.reset(world.client, world.server) == 1
        await asyncio.sleep(1)

    world.run(client, fault)
    assert world.ended == ["ConnectionResetError"]


def test_a_crash_closes_the_connections(world: World) -> None:
    async def client() -> bytes:
        reader, _ = await connected()
        return await reader.read()

    async def fault() -> None:
        await asyncio.sleep(1)
        world.server.crash()

    assert world.run(client, fault) == b""


def test_after_a_loss_of_power_a_connection_is_half_open_until_the_host_is_back(world: World) -> None:
    async def client() -> float:
        reader, writer = await connected()
        await asyncio.sleep(2)
        writer.write(b"lost\n")
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        return world.loop.time()

    async def fault() -> None:
        await asyncio.sleep(1)
        world.server.crash(is_power_lost=True)
        await asyncio.sleep(60)
        world.server.spawn(world.serve())

    assert 61 < world.run(client, fault) < 63


def test_a_vanished_connection_is_noticed_by_sending(world: World) -> None:
    async def client() -> float:
        reader, writer = await connected()
        await asyncio.sleep(5)
        writer.write(b"anyone?\n")
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        return world.loop.time()

    async def fault() -> None:
        await asyncio.sleep(1)
        assert world.loop.network.vanish(world.server, world.client) == 1

    assert 5 < world.run(client, fault) < 6


def test_a_paused_host_accepts_and_buffers(world: World) -> None:
    async def client() -> bytes:
        reader, writer = await connected()
        writer.write(b"wait\n")
        return await reader.readline()

    async def fault() -> None:
        world.server.pause()
        await asyncio.sleep(5)
        assert world.received == []
        world.server.resume()

    assert world.run(client, fault) == b"wait\n"
    assert world.received[0][0] > 5


def test_a_writer_waits_for_a_slow_reader(world: World) -> None:
    world.is_reading = False

    async def client() -> None:
        _, writer = await connected()
        writer.write(b"x" * 2_000_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await writer.drain()

    world.run(client)


def test_aiohttp_works_unmodified() -> None:
    loop = SimulatedLoop(1)
    venue, client = loop.host("venue", "10.0.0.1"), loop.host("client", "10.0.0.2")

    async def serve() -> None:
        async def hello(request: web.Request) -> web.Response:
            return web.json_response({"name": request.query["name"]})

        async def echo(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(heartbeat=5)
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data)
            return socket

        app = web.Application()
        app.add_routes([web.get("/", hello), web.get("/ws", echo)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 8080).start()
        await asyncio.Event().wait()

    async def use() -> tuple[object, object]:
        async with ClientSession() as session:
            async with session.get("http://venue:8080/", params={"name": "x"}) as reply:
                body = await reply.json()
            async with session.ws_connect("http://venue:8080/ws") as socket:
                await socket.send_str("hello")
                return body, (await socket.receive()).data

    async def main() -> tuple[object, object]:
        venue.spawn(serve())
        await asyncio.sleep(0.1)
        found: tuple[object, object] = await client.spawn(use())
        return found

    assert loop.run(main()) == ({"name": "x"}, "hello")

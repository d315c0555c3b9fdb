"""Several live servers: shared port, readiness, and a drained shutdown."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from bus import Bus, EmbeddedServer, provision
from bus import connect as connect_bus
from liveserver.hub.replica import Replica
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData
from liveserver.websocket.context import Limits
from tests.liveserver import events
from tests.liveserver.raw_viewer import CLOSE, TEXT, raw_viewer
from tests.liveserver.watching import TIMEOUT_S, publish, serving, watching

LARGE = Message(MessageType.ERROR, ErrorData(error="x" * 50_000))


async def ready(replica: Replica) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{replica.address}/ready") as answer:
        return answer.status, await answer.json()


async def until_ready_is(replica: Replica, matches: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    """Poll /ready until its answer matches; return its body."""
    async with asyncio.timeout(TIMEOUT_S):
        while not matches(*(answer := await ready(replica))):
            pass
    return answer[1]


async def answering_replicas(port: int, times: int) -> list[str]:
    """Return the name of the replica that answers each of several connections."""
    names = []
    for _ in range(times):
        async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
            message = await socket.recv()
            while '"server"' not in str(message):
                message = await socket.recv()
            names.append(str(message).partition('"replica":"')[2].partition('"')[0])
    return names


async def test_replicas_share_a_port_and_have_own_ports(free_port: int) -> None:
    no_bus = "nats://127.0.0.1:1"
    async with (
        serving(no_bus, port=free_port, share_port=True) as one,
        serving(no_bus, port=free_port, share_port=True) as two,
    ):
        names = await answering_replicas(free_port, 30)

    assert set(names) == {one.name, two.name}
    assert one.address != two.address


async def test_draining_replica_accepts_no_connections_and_reports_it(free_port: int) -> None:
    no_bus = "nats://127.0.0.1:1"
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(no_bus, port=free_port, share_port=True))
        ending = AsyncExitStack()
        draining = await ending.enter_async_context(
            serving(no_bus, port=free_port, share_port=True, drain_s=1.5)
        )
        # A viewer that does not answer its close frame delays the shutdown.
        await stack.enter_async_context(raw_viewer(draining.address))
        end = asyncio.create_task(ending.aclose())

        body = await until_ready_is(draining, lambda _, answer: answer["state"] == "draining")
        names = await answering_replicas(free_port, 20)
        assert not end.done()
        await end

    assert (body["ready"], body["reason"]) == (False, "going away")
    assert set(names) == {running.name}


async def test_stopping_replica_still_serves_for_the_shutdown_delay() -> None:
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(serving("nats://127.0.0.1:1", shutdown_delay_s=2.0))
        end = asyncio.create_task(stack.aclose())
        await until_ready_is(replica, lambda status, answer: answer["state"] == "draining" and status == 503)

        async with watching(replica) as viewer:
            await viewer.until("server")
            assert not end.done()
            assert await viewer.wait_closed() == 1001
        await end


async def test_backlog_is_sent_before_the_server_stops(bus: Bus) -> None:
    await publish(bus, events.ticker())
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(serving(bus.url, limits=Limits(backlog_bytes=1 << 24)))
        async with raw_viewer(replica.address) as viewer:
            while (await viewer.next()).payload.find(b'"server"') < 0:  # type: ignore[union-attr]
                pass
            for _ in range(100):
                replica.hub.broadcast(LARGE)
                await asyncio.sleep(0)
            ending = asyncio.create_task(stack.aclose())
            frames = await viewer.rest()
            await ending

    large = [each for each in frames if each.opcode == TEXT and len(each.payload) > 50_000]
    assert len(large) == 100
    assert (frames[-1].opcode, frames[-1].code) == (CLOSE, 1001)


async def test_replica_is_ready_while_caught_up_and_connected(
    new_server: Callable[[], Awaitable[EmbeddedServer]],
) -> None:
    server = await new_server()
    async with connect_bus(server.url, name="test") as bus:
        await provision(bus)
        await publish(bus, *(events.trade(f"t{i}") for i in range(50)))
    async with serving(server.url) as replica:
        await until_ready_is(replica, lambda status, _: status == 200)

        server.kill()
        body = await until_ready_is(replica, lambda status, _: status == 503)
        assert body == {"ready": False, "state": "cut", "reason": "no connection to the bus"}

        await server.wait()
        await server.start()
        await until_ready_is(replica, lambda status, _: status == 200)


async def test_replica_without_a_bus_is_not_ready() -> None:
    async with serving("nats://127.0.0.1:1") as replica:
        assert await ready(replica) == (
            503,
            {"ready": False, "state": "waiting", "reason": "the bus was not read yet"},
        )

"""Several live servers: one port, readiness, and an end that loses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from bus import Bus, EmbeddedServer, provision
from bus import connect as connect_bus
from liveserver.hub.replica import Replica
from liveserver.protocol.server_messages import ErrorData, Message, MessageType
from liveserver.websocket.context import Limits
from tests.liveserver import events
from tests.liveserver.raw_viewer import CLOSE, TEXT, raw_viewer
from tests.liveserver.watching import PATIENCE_S, say, serving

LARGE = Message(MessageType.ERROR, ErrorData(error="x" * 50_000))


async def ready(replica: Replica) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{replica.address}/ready") as answer:
        return answer.status, await answer.json()


async def until(replica: Replica, is_so: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so(*(told := await ready(replica))):
            pass
    return told[1]


async def who_answers(port: int, times: int) -> list[str]:
    """Return the names of the replicas that connections get to."""
    names = []
    for _ in range(times):
        async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
            message = await socket.recv()
            while '"server"' not in str(message):
                message = await socket.recv()
            names.append(str(message).partition('"replica":"')[2].partition('"')[0])
    return names


async def test_replicas_share_a_port_and_each_has_its_own(free_port: int) -> None:
    nowhere = "nats://127.0.0.1:1"
    async with (
        serving(nowhere, port=free_port, share_port=True) as one,
        serving(nowhere, port=free_port, share_port=True) as two,
    ):
        names = await who_answers(free_port, 30)

    assert set(names) == {one.name, two.name}
    assert one.address != two.address


async def test_who_goes_takes_nobody_new_and_says_so_where_it_alone_answers(free_port: int) -> None:
    nowhere = "nats://127.0.0.1:1"
    async with AsyncExitStack() as stack:
        stays = await stack.enter_async_context(serving(nowhere, port=free_port, share_port=True))
        ending = AsyncExitStack()
        goes = await ending.enter_async_context(
            serving(nowhere, port=free_port, share_port=True, drain_s=1.5)
        )
        # A viewer that does not answer holds it up.
        await stack.enter_async_context(raw_viewer(goes.address))
        end = asyncio.create_task(ending.aclose())

        told = await until(goes, lambda _, body: body["state"] == "draining")
        names = await who_answers(free_port, 20)
        assert not end.done()
        await end

    assert (told["ready"], told["reason"]) == (False, "going away")
    assert set(names) == {stays.name}


async def test_a_viewer_gets_what_waits_for_it_before_the_server_goes(bus: Bus) -> None:
    await say(bus, events.ticker())
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(serving(bus.url, limits=Limits(backlog_bytes=1 << 24)))
        async with raw_viewer(replica.address) as viewer:
            while (await viewer.next()).payload.find(b'"server"') < 0:  # type: ignore[union-attr]
                pass
            for _ in range(100):
                replica.hub.broadcast(LARGE)
                await asyncio.sleep(0)
            ending = asyncio.create_task(stack.aclose())
            heard = await viewer.rest()
            await ending

    told = [each for each in heard if each.opcode == TEXT and len(each.payload) > 50_000]
    assert len(told) == 100
    assert (heard[-1].opcode, heard[-1].code) == (CLOSE, 1001)


async def test_a_replica_is_ready_once_it_is_caught_up_and_not_while_it_is_cut_off(
    new_server: Callable[[], Awaitable[EmbeddedServer]],
) -> None:
    server = await new_server()
    async with connect_bus(server.url, name="test") as bus:
        await provision(bus)
        await say(bus, *(events.trade(f"t{i}") for i in range(50)))
    async with serving(server.url) as replica:
        await until(replica, lambda status, _: status == 200)

        server.kill()
        told = await until(replica, lambda status, _: status == 503)
        assert told == {"ready": False, "state": "cut", "reason": "no connection to the bus"}

        await server.wait()
        await server.start()
        await until(replica, lambda status, _: status == 200)


async def test_a_replica_without_a_bus_is_not_ready() -> None:
    async with serving("nats://127.0.0.1:1") as replica:
        assert await ready(replica) == (
            503,
            {"ready": False, "state": "waiting", "reason": "the bus was not read yet"},
        )

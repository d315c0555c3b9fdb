"""A bus of three servers: kept three times, and going on when one of them goes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path

import pytest

from bus import (
    Ambiguous,
    Bus,
    EmbeddedServer,
    Fenced,
    FromSequence,
    FromStart,
    FromTime,
    Journal,
    OffsetLost,
    Refused,
    StreamGone,
    connect,
    embedded_cluster,
    provision,
    read,
)
from bus.streams.topology import STREAMS
from cli.stack.ports import any_free
from schemas.subjects import Stream
from tests.bus.events import event, numbers, until_caught_up

A = "order.sim.A.report"
ORDERS = [config for config in STREAMS if config.name == Stream.ORDERS]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[EmbeddedServer]]:
    first, routes = any_free(3), any_free(3)
    folders = [tmp_path / f"bus-{number}" for number in (1, 2, 3)]
    servers = embedded_cluster(folders, range(first, first + 3), range(routes, routes + 3))
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        yield servers


@pytest.fixture
async def cluster(servers: list[EmbeddedServer]) -> AsyncIterator[Bus]:
    async with connect(",".join(server.url for server in servers), name="test") as bus:
        await provision(bus, streams=ORDERS)
        yield bus


async def led_by(bus: Bus, servers: list[EmbeddedServer]) -> EmbeddedServer:
    leader = ""
    while not leader:
        with suppress(Ambiguous):
            leader = (await bus.stream_state(Stream.ORDERS)).leader
    return next(server for server in servers if server.name == leader)


async def until_elected(bus: Bus) -> None:
    """Return when the cluster answers what nobody has."""
    while True:
        try:
            await bus.stream_state("NONE")
        except StreamGone:
            return
        except (Ambiguous, Refused):
            await bus.wait_connected()


async def commit_until(bus: Bus, count: int) -> None:
    """Commit 0, 1, 2 ... as an actor does: after whatever goes wrong from what the journal has then."""
    while True:
        try:
            journal = await Journal.open(bus, Stream.ORDERS, A)
            while journal.sequence < count:
                await journal.commit(event(journal.sequence))
        except (Ambiguous, Fenced, StreamGone):
            await bus.wait_connected()
        else:
            return


async def test_the_leader_dies_and_nothing_is_lost_or_twice(
    servers: list[EmbeddedServer], cluster: Bus
) -> None:
    before = await cluster.stream_state(Stream.ORDERS)
    await commit_until(cluster, 5)
    led = await led_by(cluster, servers)
    led.kill()
    await led.wait()
    await commit_until(cluster, 10)
    async with aclosing(read(cluster, Stream.ORDERS, ("order.>",), FromStart())) as batches:
        stored = await until_caught_up(batches)

    assert numbers(stored) == list(range(10))
    assert await led_by(cluster, servers) is not led
    assert (before.replicas, await cluster.stream_created(Stream.ORDERS)) == (3, before.created)


async def test_a_stream_that_ends_too_early_is_believed_only_after_a_while(
    cluster: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.streams.reader.STALE_FOR_S", 0.3)
    await commit_until(cluster, 3)
    began = asyncio.get_running_loop().time()
    with pytest.raises(OffsetLost):
        await anext(read(cluster, Stream.ORDERS, ("order.>",), FromSequence(9)))

    assert asyncio.get_running_loop().time() - began >= 0.3


async def test_a_stream_that_catches_up_is_read_on(cluster: Bus) -> None:
    await commit_until(cluster, 3)
    reader = asyncio.create_task(anext(read(cluster, Stream.ORDERS, ("order.>",), FromSequence(6))))
    await commit_until(cluster, 7)

    assert numbers((await reader).messages)[0] == 5


async def test_what_is_older_than_wanted_is_not_waited_for(cluster: Bus) -> None:
    await commit_until(cluster, 3)
    later = FromTime(time.time_ns() + 3600 * 10**9)
    async with asyncio.timeout(10):
        batch = await anext(read(cluster, Stream.ORDERS, ("order.>",), later))
    assert (batch.messages, batch.caught_up) == ([], True)


async def test_streams_are_made_once_all_servers_are_there(tmp_path: Path) -> None:
    first, routes = any_free(3), any_free(3)
    folders = [tmp_path / f"bus-{number}" for number in (1, 2, 3)]
    one, two, three = embedded_cluster(folders, range(first, first + 3), range(routes, routes + 3))
    async with one, two, connect(f"{one.url},{two.url},{three.url}", name="test") as bus:
        provisioning = asyncio.create_task(provision(bus, streams=ORDERS))
        await until_elected(bus)
        async with three:
            await provisioning
            assert (await bus.stream_state(Stream.ORDERS)).replicas == 3

"""A memory stream without a leader: of three servers its leader is down, and another one has lost its Raft log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from bus import (
    Ambiguous,
    Bus,
    BusError,
    EmbeddedServer,
    LeaderlessStreams,
    Rejected,
    StreamGone,
    connect,
    embedded_cluster,
    get_logger,
    provision,
)
from bus.alerts import open_incidents
from bus.service.leaderless_streams import CODE, MAX_LEADERLESS_S, SUBJECT
from bus.streams.topology import STREAMS
from cli.stack.ports import find_free_port
from schemas.subjects import Stream

STORED = [each for each in STREAMS if each.name in {Stream.MARKET, Stream.ALERTS}]
(MARKET,) = (each for each in STORED if each.name == Stream.MARKET)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[EmbeddedServer]]:
    """Start three servers, which stop at the end."""
    first, routes = find_free_port(3), find_free_port(3)
    folders = [tmp_path / f"bus-{number}" for number in (1, 2, 3)]
    servers = embedded_cluster(folders, range(first, first + 3), range(routes, routes + 3))
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        yield servers


@pytest.fixture
async def bus(servers: list[EmbeddedServer]) -> AsyncIterator[Bus]:
    async with connect(",".join(server.url for server in servers), name="test") as bus:
        await provision(bus, streams=STORED)
        yield bus


async def led(bus: Bus, stream: str) -> str:
    """Return the leader of a stream, once it has one."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Ambiguous, Rejected):
                if leader := (await bus.stream_state(stream)).leader:
                    return leader
            await bus.wait_connected()


async def until_cluster_has_leader(bus: Bus) -> None:
    """Wait until the cluster replies that an unknown stream does not exist."""
    async with asyncio.timeout(30):
        while True:
            try:
                await bus.stream_state("NONE")
            except StreamGone:
                return
            except (Ambiguous, Rejected):
                await bus.wait_connected()


@pytest.fixture
async def down(servers: list[EmbeddedServer], bus: Bus) -> EmbeddedServer:
    """Take MARKET its leader: return the server that was it, and that is down."""
    name = await led(bus, Stream.MARKET)
    (leader,) = (each for each in servers if each.name == name)
    other = next(each for each in servers if each is not leader)
    for server in (leader, other):
        server.kill()
        await server.wait()
    await other.start()
    await led(bus, Stream.ALERTS)
    await until_cluster_has_leader(bus)
    return leader


async def until_counted_as_offline(bus: Bus) -> None:
    """Wait until the cluster creates no stream of three replicas, because one of its servers is down."""
    probe = {"name": "PROBE", "storage": "memory", "num_replicas": 3}
    async with asyncio.timeout(40):
        with suppress(Rejected):
            while True:
                with suppress(Ambiguous, StreamGone):  # the leader of the cluster may change meanwhile
                    await bus.api("STREAM.CREATE.PROBE", probe, dict)
                    await bus.api("STREAM.DELETE.PROBE", None, dict)


def repairer(bus: Bus, clock: Clock) -> LeaderlessStreams:
    return LeaderlessStreams(bus, get_logger("test"), streams=[MARKET], clock=clock)


async def open_alerts(bus: Bus) -> list[str]:
    return [alert.code for alert in (await open_incidents(bus, SUBJECT, (CODE,))).values()]


async def test_a_stream_without_a_leader_is_recreated_and_replicated_again(
    bus: Bus, down: EmbeddedServer
) -> None:
    clock, file_stream = Clock(), await bus.stream_created(Stream.ALERTS)
    repair = repairer(bus, clock)
    await until_counted_as_offline(bus)
    await repair.check()
    clock.now_s += MAX_LEADERLESS_S
    await repair.check()

    await led(bus, Stream.MARKET)
    assert (await bus.stream_state(Stream.MARKET)).replicas == 1  # two servers are no place for three
    assert await open_alerts(bus) == [CODE]
    await down.start()
    async with asyncio.timeout(30):
        while await open_alerts(bus) or (await bus.stream_state(Stream.MARKET)).replicas != 3:
            with suppress(BusError):
                await repair.check()
    assert await bus.stream_created(Stream.ALERTS) == file_stream


async def test_a_stream_is_not_recreated_before_its_time(bus: Bus, down: EmbeddedServer) -> None:
    clock = Clock()
    repair = repairer(bus, clock)
    await repair.check()
    clock.now_s += MAX_LEADERLESS_S - 0.1
    await repair.check()
    assert await open_alerts(bus) == []
    await down.start()

    await led(bus, Stream.MARKET)
    await repair.check()
    clock.now_s += 1
    await repair.check()
    assert await open_alerts(bus) == []


async def test_one_of_several_processes_recreates_a_stream(bus: Bus, down: EmbeddedServer) -> None:
    clock = Clock()
    async with connect(bus.url, name="other") as other:
        both = [repairer(bus, clock), repairer(other, clock)]
        await asyncio.gather(*(each.check() for each in both))
        clock.now_s += MAX_LEADERLESS_S
        await asyncio.gather(*(each.check() for each in both))
    await led(bus, Stream.MARKET)
    assert await open_alerts(bus) == [CODE]


async def test_another_process_ends_the_alert(bus: Bus, down: EmbeddedServer) -> None:
    clock = Clock()
    repair = repairer(bus, clock)
    await repair.check()
    clock.now_s += MAX_LEADERLESS_S
    await repair.check()
    await led(bus, Stream.MARKET)
    await repairer(bus, clock).check()
    assert await open_alerts(bus) == []


async def test_nothing_is_recreated_while_the_cluster_has_no_leader(
    servers: list[EmbeddedServer], bus: Bus
) -> None:
    clock = Clock()
    repair = repairer(bus, clock)
    created = await bus.stream_created(Stream.MARKET)
    await repair.check()
    for server in servers[:2]:
        server.kill()
        await server.wait()
    clock.now_s += MAX_LEADERLESS_S
    await bus.wait_connected()
    with suppress(BusError):
        await repair.check()
    for server in servers[:2]:
        await server.start()
    await led(bus, Stream.MARKET)
    assert (await bus.stream_created(Stream.MARKET), await open_alerts(bus)) == (created, [])

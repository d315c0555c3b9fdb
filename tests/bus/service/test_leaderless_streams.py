"""A memory stream without a leader: of three servers its leader is down, and another one has lost its Raft log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from bus import (
    Bus,
    BusError,
    EmbeddedServer,
    LeaderlessStreams,
    connect,
    get_logger,
    provision,
)
from bus.alerts import open_incidents
from bus.service.leaderless_streams import CODE, MAX_LEADERLESS_S, SUBJECT
from bus.streams.topology import STREAMS
from schemas.subjects import Stream
from tests.bus.cluster import LEADER_WITHIN_S, connect_to, kill, leader_of, led, until_cluster_has_leader

STORED = [each for each in STREAMS if each.name in {Stream.MARKET, Stream.ALERTS}]
(MARKET,) = (each for each in STORED if each.name == Stream.MARKET)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def bus(servers: list[EmbeddedServer]) -> AsyncIterator[Bus]:
    async with connect_to(servers) as bus:
        await provision(bus, streams=STORED)
        yield bus


@pytest.fixture
async def down(servers: list[EmbeddedServer], bus: Bus) -> EmbeddedServer:
    """Take MARKET its leader: return the server that was it, and that is down."""
    leader = await leader_of(bus, servers, Stream.MARKET)
    other = next(each for each in servers if each is not leader)
    await kill(leader, other)
    await other.start()
    await led(bus, Stream.ALERTS)
    await until_cluster_has_leader(bus)
    return leader


@pytest.fixture
async def unknown(servers: list[EmbeddedServer], bus: Bus, down: EmbeddedServer) -> EmbeddedServer:
    """Restart the others as well: neither has heard of the server that is down, so no stream can be placed on it.

    A server that ran when another one was killed counts that one as online for another 90 s or more.
    """
    others = [each for each in servers if each is not down]
    await kill(*others)
    for server in others:
        await server.start()
    await led(bus, Stream.ALERTS)
    await until_cluster_has_leader(bus)
    return down


def repairer(bus: Bus, clock: Clock) -> LeaderlessStreams:
    return LeaderlessStreams(bus, get_logger("test"), streams=[MARKET], clock=clock)


async def open_alerts(bus: Bus) -> list[str]:
    return [alert.code for alert in (await open_incidents(bus, SUBJECT, (CODE,))).values()]


async def test_a_stream_without_a_leader_is_recreated_and_replicated_again(
    bus: Bus, unknown: EmbeddedServer
) -> None:
    clock, file_stream = Clock(), (await led(bus, Stream.ALERTS)).created
    repair = repairer(bus, clock)
    await repair.check()
    clock.now_s += MAX_LEADERLESS_S
    await repair.check()

    assert (await led(bus, Stream.MARKET)).replicas == 1  # two servers are no place for three
    assert await open_alerts(bus) == [CODE]
    await unknown.start()
    async with asyncio.timeout(LEADER_WITHIN_S):
        while await open_alerts(bus) or (await led(bus, Stream.MARKET)).replicas != 3:
            with suppress(BusError):
                await repair.check()
    assert (await led(bus, Stream.ALERTS)).created == file_stream


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
        found = await asyncio.gather(*(each.check() for each in both), return_exceptions=True)
    # The reply of the one that creates the stream may be late, as `run` allows for.
    assert all(each is None or isinstance(each, BusError) for each in found)
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
    created = (await led(bus, Stream.MARKET)).created
    await repair.check()
    await kill(*servers[:2])
    clock.now_s += MAX_LEADERLESS_S
    await bus.wait_connected()
    with suppress(BusError):
        await repair.check()
    for server in servers[:2]:
        await server.start()
    assert ((await led(bus, Stream.MARKET)).created, await open_alerts(bus)) == (created, [])

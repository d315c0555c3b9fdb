"""A cluster of three servers: replication, and operation after the loss of one."""

import asyncio
import io
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from bus import (
    Ambiguous,
    Bus,
    Credentials,
    EmbeddedServer,
    Fenced,
    FromSequence,
    FromStart,
    FromTime,
    Journal,
    LastPerSubject,
    OffsetLost,
    Start,
    StreamGone,
    connect,
    embedded_cluster,
    provision,
    read,
)
from bus.backup.snapshot import load_stream, save_stream
from bus.streams.topology import STREAMS
from cli.stack.ports import find_free_port
from schemas.subjects import Stream
from tests.bus.cluster import connect_to, kill, leader_of, led, new_cluster, until_cluster_has_leader
from tests.bus.events import (
    end_replies_at,
    event,
    lose_republished,
    numbers,
    replace_reply,
    until_caught_up,
    until_number,
)

A, B = "order.sim.A.report", "order.sim.B.report"
ORDERS = [config for config in STREAMS if config.name == Stream.ORDERS]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
async def cluster(servers: list[EmbeddedServer]) -> AsyncIterator[Bus]:
    async with connect_to(servers) as bus:
        await provision(bus, streams=ORDERS)
        yield bus


async def commit_until(bus: Bus, count: int) -> None:
    """Commit 0, 1, 2 ... like an actor: after an error, reopen the journal and continue from its last record."""
    while True:
        try:
            journal = await Journal.open(bus, Stream.ORDERS, A)
            while journal.sequence < count:
                await journal.commit(event(journal.sequence))
        except (Ambiguous, Fenced, StreamGone):
            await bus.wait_connected()
        else:
            return


async def test_nothing_is_lost_or_repeated_when_the_leader_dies(
    servers: list[EmbeddedServer], cluster: Bus
) -> None:
    before = await led(cluster, Stream.ORDERS)
    await commit_until(cluster, 5)
    leader_server = await leader_of(cluster, servers, Stream.ORDERS)
    await kill(leader_server)
    await commit_until(cluster, 10)
    async with aclosing(read(cluster, Stream.ORDERS, ("order.>",), FromStart())) as batches:
        stored = await until_caught_up(batches)

    assert numbers(stored) == list(range(10))
    assert await leader_of(cluster, servers, Stream.ORDERS) is not leader_server
    assert (before.replicas, (await led(cluster, Stream.ORDERS)).created) == (3, before.created)


async def test_an_offset_beyond_the_end_is_lost_only_after_the_stale_time(
    cluster: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.streams.read_position.MAX_STALE_S", 0.3)
    await commit_until(cluster, 3)
    started = asyncio.get_running_loop().time()
    with pytest.raises(OffsetLost):
        await anext(read(cluster, Stream.ORDERS, ("order.>",), FromSequence(9)))

    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_a_lagging_stream_is_read_once_it_has_caught_up(cluster: Bus) -> None:
    await commit_until(cluster, 3)
    reader = asyncio.create_task(anext(read(cluster, Stream.ORDERS, ("order.>",), FromSequence(6))))
    await commit_until(cluster, 7)

    assert numbers((await reader).messages)[0] == 5


async def test_messages_before_the_start_time_are_not_waited_for(cluster: Bus) -> None:
    await commit_until(cluster, 3)
    later = FromTime(time.time_ns() + 3600 * 10**9)
    async with asyncio.timeout(10):
        batch = await anext(read(cluster, Stream.ORDERS, ("order.>",), later))
    assert (batch.messages, batch.caught_up) == ([], True)


async def test_a_replica_that_lags_behind_does_not_hide_messages(cluster: Bus) -> None:
    await commit_until(cluster, 5)
    async with aclosing(read(cluster, Stream.ORDERS, ("order.>",), FromStart(), batch=2)) as batches:
        found = (await anext(batches)).messages
        # As answered by a replica that has not stored the rest yet.
        replace_reply(cluster, b"NATS/1.0 404 Message Not Found\r\n\r\n", count=3)
        found += await until_caught_up(batches)
    assert numbers(found) == list(range(5))


async def test_a_replica_that_stays_behind_is_not_waited_for(
    cluster: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.streams.history.MAX_RETRY_S", 0.05)
    await commit_until(cluster, 4)
    await cluster.store(B, event(4))
    for stale in (0, 2):
        end_replies_at(monkeypatch, stale)
        for start, expected in (
            (FromStart(), [0, 1, 2, 3, 4]),
            (LastPerSubject(), [3, 4]),
            (FromSequence(4), [3, 4]),
        ):
            async with aclosing(read(cluster, Stream.ORDERS, (A, B), start)) as batches:
                assert numbers(await until_caught_up(batches)) == expected

    async with aclosing(read(cluster, Stream.ORDERS, (A, B), FromStart())) as batches:
        await until_caught_up(batches)
        lose_republished(cluster, random.Random(1), share=1)
        await cluster.store(B, event(5))
        assert numbers(await until_number(batches, 5)) == [5]


@pytest.mark.parametrize("start", [FromStart(), LastPerSubject()])
async def test_two_subjects_are_read_in_order_while_leaders_die(
    servers: list[EmbeddedServer], cluster: Bus, start: Start
) -> None:
    count = 60

    async def write() -> None:
        number = 0
        while number < count:
            with suppress(Ambiguous, StreamGone):
                await cluster.store((A, B)[number % 2], event(number), message_id=str(number))
                number += 1

    async with (
        connect(cluster.url, name="reader") as other,
        aclosing(read(other, Stream.ORDERS, (A, B), start, batch=8)) as batches,
    ):
        await anext(batches)
        writing = asyncio.create_task(write())
        found = await until_number(batches, 20)
        server = await leader_of(cluster, servers, Stream.ORDERS)
        await kill(server)
        found += await until_number(batches, 40)
        await server.start()
        found += await until_number(batches, count - 1)
        await writing
    assert numbers(found) == list(range(count))


async def test_streams_are_created_once_all_servers_have_joined(tmp_path: Path) -> None:
    one, two, three = servers = new_cluster(tmp_path)
    async with one, two, connect_to(servers) as bus:
        provisioning = asyncio.create_task(provision(bus, streams=ORDERS))
        await until_cluster_has_leader(bus)
        async with three:
            await provisioning
            assert (await led(bus, Stream.ORDERS)).replicas == 3


async def test_a_replicated_stream_is_backed_up_and_restored(cluster: Bus) -> None:
    for number in range(3):
        await cluster.store(A, event(number))
    file = io.BytesIO()
    info = await save_stream(cluster, Stream.ORDERS, file, lambda size: None)
    await cluster.store(A, event(3))
    await load_stream(cluster, info, file, lambda size: None)

    messages = await until_caught_up(read(cluster, Stream.ORDERS, ("order.>",), FromStart()))
    assert numbers(messages) == [0, 1, 2]
    assert (await led(cluster, Stream.ORDERS)).replicas == 3


async def test_a_foreign_server_cannot_join(tmp_path: Path) -> None:
    ports, routes = [find_free_port(2)], [find_free_port(2)]
    ports, routes = [ports[0], ports[0] + 1], [routes[0], routes[0] + 1]
    folders = [tmp_path / "own", tmp_path / "foreign"]
    own, _ = embedded_cluster(folders, ports, routes, credentials=Credentials("ann", "secret"))
    _, foreign = embedded_cluster(folders, ports, routes, credentials=Credentials("ann", "guess"))
    async with own, foreign:
        async with asyncio.timeout(10):
            while "Authorization" not in foreign.log_file.read_text() + own.log_file.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert "secret" not in own.log_file.read_text()

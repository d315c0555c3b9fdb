"""Ordered reads: start positions, lost offsets, and no gaps or repeats under disturbance."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from bus import (
    Ambiguous,
    Batch,
    Bus,
    EmbeddedServer,
    FromSequence,
    FromStart,
    FromTime,
    LastPerSubject,
    NewOnly,
    OffsetLost,
    Received,
    Rejected,
    Start,
    StreamGone,
    connect,
    provision,
    read,
    read_durable,
)
from schemas.engine.journal import StreamOffset
from tests.bus.events import event, lose_republished, numbers, store_many, until_caught_up, until_number
from tests.conftest import NewServer

A = "order.sim.A.report"
B = "order.sim.B.report"
ALL = ("order.>",)


async def read_all(
    bus: Bus, start: Start, filters: Sequence[str] = ALL, stream: str = "ORDERS"
) -> list[Received]:
    async with aclosing(read(bus, stream, filters, start)) as batches:
        return await until_caught_up(batches)


async def recreate(bus: Bus, stream: str = "ORDERS") -> None:
    await bus.api(f"STREAM.DELETE.{stream}", None, dict)
    await provision(bus)


async def test_messages_are_read_in_order(bus: Bus) -> None:
    sequences = await store_many(bus, A, 1000)

    found = await read_all(bus, FromStart())

    assert [message.sequence for message in found] == sequences
    assert numbers(found) == list(range(1000))


async def test_an_empty_stream_yields_one_empty_batch(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", ALL, FromStart())) as batches:
        assert await anext(batches) == Batch([], caught_up=True)
        await bus.store(A, event(1))
        following = await anext(batches)

    assert (numbers(following.messages), following.caught_up) == ([1], True)


async def test_batches_have_at_most_the_requested_size(bus: Bus) -> None:
    await store_many(bus, A, 25)
    sizes = []
    async with aclosing(read(bus, "ORDERS", ALL, FromStart(), batch=10)) as batches:
        async for batch in batches:
            sizes.append(len(batch.messages))
            if batch.caught_up:
                break

    assert sum(sizes) == 25
    assert max(sizes) <= 10


async def test_only_matching_subjects_are_read(bus: Bus) -> None:
    await bus.store(A, event(1))
    await bus.store(B, event(2))
    await bus.store("order.sim.A.trade", event(3))

    assert numbers(await read_all(bus, FromStart(), [A, "order.*.*.trade"])) == [1, 3]


async def test_reading_starts_at_a_sequence(bus: Bus) -> None:
    sequences = await store_many(bus, A, 5)

    assert numbers(await read_all(bus, FromSequence(sequences[3]))) == [3, 4]
    assert numbers(await read_all(bus, FromSequence(sequences[-1] + 1))) == []


async def test_reading_starts_at_a_time(bus: Bus) -> None:
    await store_many(bus, A, 5)
    third = (await read_all(bus, FromStart()))[2]

    assert numbers(await read_all(bus, FromTime(third.time_ns))) == [2, 3, 4]


async def test_reading_starts_with_new_messages(bus: Bus) -> None:
    await store_many(bus, A, 5)
    async with aclosing(read(bus, "ORDERS", ALL, NewOnly())) as batches:
        assert await anext(batches) == Batch([], caught_up=True)
        await bus.store(A, event(5))
        assert numbers((await anext(batches)).messages) == [5]


async def test_reading_starts_with_the_last_message_per_subject(bus: Bus) -> None:
    await store_many(bus, A, 5)
    await store_many(bus, B, 5, first=10)
    async with aclosing(read(bus, "ORDERS", ALL, LastPerSubject())) as batches:
        assert numbers(await until_caught_up(batches)) == [4, 14]
        await store_many(bus, A, 3, first=20)
        assert numbers(await until_number(batches, 22)) == [20, 21, 22]


async def test_a_sequence_beyond_the_next_is_lost(bus: Bus) -> None:
    await store_many(bus, A, 3)

    with pytest.raises(OffsetLost) as caught:
        await read_all(bus, FromSequence(500))

    assert (caught.value.wanted, caught.value.first) == (500, 1)


async def test_a_discarded_sequence_is_lost(bus: Bus) -> None:
    await store_many(bus, A, 5)
    await bus.api("STREAM.PURGE.ORDERS", {"seq": 4}, dict)

    with pytest.raises(OffsetLost, match="begins at 4"):
        await read_all(bus, FromSequence(3))
    # 1 means from the oldest message.
    assert numbers(await read_all(bus, FromSequence(1))) == [3, 4]


async def test_reading_continues_after_a_durable_offset(bus: Bus) -> None:
    sequences = await store_many(bus, A, 5)
    offset = StreamOffset(created=await bus.stream_created("ORDERS"), sequence=sequences[2])

    async with aclosing(read_durable(bus, "ORDERS", ALL, offset)) as batches:
        assert numbers(await until_caught_up(batches)) == [3, 4]
    async with aclosing(read_durable(bus, "ORDERS", ALL, None)) as batches:
        assert len(await until_caught_up(batches)) == 5


async def test_a_durable_offset_in_a_recreated_stream_is_lost(bus: Bus) -> None:
    await store_many(bus, A, 5)
    offset = StreamOffset(created=await bus.stream_created("ORDERS"), sequence=2)
    await recreate(bus)
    await store_many(bus, A, 5)

    with pytest.raises(OffsetLost) as caught:
        await anext(read_durable(bus, "ORDERS", ALL, offset))

    assert caught.value.created == await bus.stream_created("ORDERS") != offset.created


async def test_a_durable_offset_before_the_oldest_message_is_lost(bus: Bus) -> None:
    await store_many(bus, A, 5)
    await bus.api("STREAM.PURGE.ORDERS", {"seq": 4}, dict)
    offset = StreamOffset(created=await bus.stream_created("ORDERS"), sequence=0)

    with pytest.raises(OffsetLost):
        await anext(read_durable(bus, "ORDERS", ALL, offset))


async def test_a_missing_stream_raises(bus: Bus) -> None:
    with pytest.raises(StreamGone):
        await anext(read(bus, "NOTHING", ALL, FromStart()))


async def test_overlapping_filters_are_rejected(bus: Bus) -> None:
    with pytest.raises(Rejected, match="overlap"):
        await anext(read(bus, "ORDERS", ["order.>", A], FromStart()))


async def test_a_slow_reader_loses_nothing(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", ALL, FromStart(), batch=50)) as batches:
        await anext(batches)
        await store_many(bus, A, 1500)
        assert numbers(await until_number(batches, 1499)) == list(range(1500))


async def test_reading_needs_no_consumer(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", ALL, FromStart())) as batches:
        await anext(batches)
        await bus.store(A, event(1))
        assert numbers(await until_number(batches, 1)) == [1]
        names = await bus.api("CONSUMER.NAMES.ORDERS", {}, dict[str, object])

    assert not names["consumers"]


async def test_a_stream_deleted_while_reading_is_lost(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", ALL, FromStart())) as batches:
        await anext(batches)
        await bus.api("STREAM.DELETE.ORDERS", None, dict)
        with pytest.raises(OffsetLost, match="is gone"):
            await anext(batches)


async def test_a_stream_recreated_while_reading_is_lost(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", ALL, LastPerSubject())) as batches:
        await anext(batches)
        await recreate(bus)
        await bus.store(A, event(1))
        with pytest.raises(OffsetLost):
            await anext(batches)


async def test_a_memory_stream_is_lost_with_its_server(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        await bus.store("market.sim.clock", event(1))
        async with aclosing(read(bus, "MARKET", ["market.>"], LastPerSubject())) as batches:
            await until_caught_up(batches)
            server.kill()
            await server.wait()
            await server.start()
            with pytest.raises(OffsetLost):
                await anext(batches)


async def test_a_cancelled_reader_leaves_no_subscription(server: EmbeddedServer, bus: Bus) -> None:
    async with connect(server.url, name="reader") as other:
        reading = asyncio.create_task(until_number(read(other, "ORDERS", ALL, FromStart()), 1))
        await asyncio.wait([reading], timeout=0.05)
        reading.cancel()
        await asyncio.wait([reading])
        await other.nc.flush()

        assert other.nc._subs.keys() == {1}  # the inbox for answers


async def test_nothing_is_lost_or_repeated_when_the_server_is_killed(new_server: NewServer) -> None:
    server = await new_server()
    count = 400
    async with connect(server.url, name="writer") as bus, connect(server.url, name="reader") as other:
        await provision(bus)

        async def write() -> None:
            number = 0
            while number < count:
                try:
                    await bus.store(A, event(number), message_id=str(number))
                except Ambiguous:
                    continue
                number += 1

        async with aclosing(read(other, "ORDERS", ALL, FromStart(), batch=16)) as batches:
            writing = asyncio.create_task(write())
            found = await until_number(batches, 100)
            for last in (200, count - 1):
                server.kill()
                await server.wait()
                await server.start()
                found += await until_number(batches, last)
            await writing

    assert numbers(found) == list(range(count))


@pytest.mark.parametrize("seed", range(8))
async def test_snapshot_and_tail_join_without_gap_or_repeat(
    server: EmbeddedServer, bus: Bus, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr("bus.streams.history.is_on_one_server", lambda *_: False)
    monkeypatch.setattr("bus.streams.stream_watch.CHECK_INTERVAL_S", 0.1)
    stored: list[tuple[int, str]] = []
    count = 300

    async def write() -> None:
        for number in range(count):
            subject = f"order.sim.{rng.choice('ABCDE')}.report"
            stored.append((await bus.store(subject, event(number)), subject))

    async def disturb() -> None:
        while True:
            await asyncio.sleep(rng.random() * 0.2)
            await other.nc.force_reconnect()

    async with connect(server.url, name="reader") as other:
        writing = asyncio.create_task(write())
        await asyncio.sleep(rng.random() * 0.05)
        disturbing = asyncio.create_task(disturb()) if seed % 2 else writing
        batches = read(other, "ORDERS", ALL, LastPerSubject(), batch=rng.choice([1, 3, 64]))
        async with aclosing(batches):
            snapshot = await until_caught_up(batches)
            lose_republished(other, rng, share=0.3)
            found = snapshot + (
                await until_number(batches, count - 1) if count - 1 not in numbers(snapshot) else []
            )
        await writing
        disturbing.cancel()

    _assert_joined(found, snapshot, stored)


def _assert_joined(
    found: Sequence[Received], snapshot: Sequence[Received], stored: Sequence[tuple[int, str]]
) -> None:
    sequences = [message.sequence for message in found]
    assert sequences == sorted(set(sequences))
    joint = snapshot[-1].sequence if snapshot else 0
    assert [s for s in sequences if s > joint] == [s for s, _ in stored if s > joint]
    newest = {subject: s for s, subject in stored if s <= joint}
    assert set(newest.values()) <= set(sequences)

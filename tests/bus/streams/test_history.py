"""Stored messages: several filters in stream order, pages, restored streams, counts."""

import random
from contextlib import aclosing

import pytest

from bus import (
    Bus,
    EmbeddedServer,
    FromSequence,
    FromStart,
    FromTime,
    NewOnly,
    OffsetLost,
    Start,
    connect,
    pending,
    provision,
    read,
)
from bus.streams import history
from bus.streams.history import time_text
from tests.bus.events import event, numbers, on_reply, store_many, until_caught_up

SUBJECTS = [f"order.sim.{name}.report" for name in "ABC"]


def test_a_start_time_is_formatted_to_the_nanosecond() -> None:
    assert time_text(1_795_237_827_000_000_001) == "2026-11-21T05:10:27.000000001Z"


@pytest.mark.parametrize("seed", range(4))
async def test_several_filters_are_read_in_stream_order(bus: Bus, seed: int) -> None:
    rng = random.Random(seed)
    chosen = [rng.choices(SUBJECTS, (1, 5, 50))[0] for _ in range(400)]
    futures = [await bus.send(subject, event(number)) for number, subject in enumerate(chosen)]
    for future in futures:
        await future
    wanted = [0, 1] if seed % 2 else [0, 2]
    filters = [SUBJECTS[at] for at in wanted]
    async with aclosing(read(bus, "ORDERS", filters, FromStart(), batch=7)) as batches:
        found = await until_caught_up(batches)

    assert numbers(found) == [number for number, subject in enumerate(chosen) if subject in filters]


async def test_a_reply_that_is_lost_is_requested_again(server: EmbeddedServer, bus: Bus) -> None:
    await store_many(bus, SUBJECTS[0], 50)
    async with connect(server.url, name="other") as other:
        batches = read(other, "ORDERS", ["order.>"], FromStart(), batch=10)
        async with aclosing(batches):
            found = (await anext(batches)).messages
            on_reply(other, lambda number, *_: number not in (2, 15, 16))
            found += await until_caught_up(batches)

    assert numbers(found) == list(range(50))


@pytest.mark.parametrize(
    ("start", "count"), [(FromStart(), 5), (FromSequence(4), 2), (FromTime(0), 5), (NewOnly(), 0)]
)
async def test_the_messages_to_be_read_are_counted(bus: Bus, start: Start, count: int) -> None:
    await store_many(bus, SUBJECTS[0], 5)
    await store_many(bus, SUBJECTS[1], 5)

    assert await pending(bus, "ORDERS", SUBJECTS[:1], start) == count


async def test_a_stream_recreated_between_two_pages_is_lost(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "IDENTITY_INTERVAL_S", -1.0)
    monkeypatch.setattr(history, "MAX_PAGE_MESSAGES", 1)
    await store_many(bus, SUBJECTS[0], 5)
    async with aclosing(read(bus, "ORDERS", ["order.>"], FromStart(), batch=1)) as batches:
        assert numbers((await anext(batches)).messages) == [0]
        await bus.api("STREAM.DELETE.ORDERS", None, dict)
        await provision(bus)
        await store_many(bus, SUBJECTS[0], 9, first=100)
        with pytest.raises(OffsetLost):
            await until_caught_up(batches)

"""The watch of a stream: one for all readers of a connection."""

import asyncio
import random
from contextlib import aclosing

import pytest

from bus import Batch, Bus, EmbeddedServer, LatestValues, NewOnly, connect, read
from bus.streams import stream_watch
from tests.bus.events import event, eventually, lose_republished, numbers, store_each

A = "order.sim.A.report"
B = "order.sim.B.report"


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_watch, "CHECK_INTERVAL_S", 0.05)


async def test_all_readers_of_a_stream_share_a_watch(server: EmbeddedServer, bus: Bus) -> None:
    async with (
        connect(server.url, name="other") as other,
        LatestValues(other, "ORDERS", [A]),
        LatestValues(other, "ORDERS", [B]),
    ):
        assert list(stream_watch._watches[other]) == ["ORDERS"]
    assert not stream_watch._watches[other]


@pytest.mark.parametrize("filters", [[A, B], ["order.>"], ["order.*.*.report"]])
async def test_each_reader_learns_of_its_own_lost_messages(bus: Bus, filters: list[str]) -> None:
    async with (
        aclosing(read(bus, "ORDERS", filters, NewOnly())) as batches,
        aclosing(read(bus, "ORDERS", ["order.sim.C.>"], NewOnly())) as others,
    ):
        assert await anext(batches) == await anext(others) == Batch([], caught_up=True)
        lose_republished(bus, random.Random(1), share=1)
        await bus.store(A, event(1))
        assert numbers((await anext(batches)).messages) == [1]
        await bus.store("order.sim.C.report", event(2))
        assert numbers((await anext(others)).messages) == [2]


async def test_the_latest_value_is_read_when_its_message_was_lost(bus: Bus) -> None:
    async with LatestValues(bus, "ORDERS", [A]) as latest:
        lose_republished(bus, random.Random(1), share=1)
        await bus.store(A, event(1))
        await latest.changed()
        assert numbers(latest.take()) == [1]


async def test_more_subjects_than_the_server_answers_for_are_watched(bus: Bus) -> None:
    await store_each(bus, 1030)
    async with aclosing(read(bus, "MARKET", ["market.>"], NewOnly())) as batches:
        await anext(batches)
        lose_republished(bus, random.Random(1), share=1)
        await bus.store("market.sim.S1029.ticker", event(1))
        assert numbers((await anext(batches)).messages) == [1]


async def test_a_quiet_reader_keeps_up_with_a_busy_stream(bus: Bus) -> None:
    async with aclosing(read(bus, "ORDERS", [A], NewOnly())) as batches:
        await anext(batches)
        reading = asyncio.create_task(anext(batches))
        last = await bus.store(B, event(1))

        async def has_kept_up() -> bool:
            watch = stream_watch._watches.get(bus, {}).get("ORDERS")
            return watch is not None and watch._followers[0].covered == last

        await eventually(has_kept_up)
        await bus.api("STREAM.PURGE.ORDERS", None, dict)  # nothing that it has yet to read
        await bus.nc.force_reconnect()
        assert await reading == Batch([], caught_up=True)

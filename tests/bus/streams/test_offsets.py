"""Durable offsets: what counts as lost."""

from contextlib import aclosing

import msgspec
import pytest

from bus import Bus, OffsetLost, read_durable, stored_at
from schemas.engine.journal import StreamOffset
from tests.bus.events import numbers, store_many, until_caught_up

A = "order.sim.A.report"
ALL = ("order.>",)


async def test_a_durable_offset_ahead_of_the_stream_is_lost(bus: Bus) -> None:
    (only,) = await store_many(bus, A, 1)
    offset = StreamOffset(created=await bus.stream_created("ORDERS"), sequence=only + 1)

    with pytest.raises(OffsetLost):
        async with aclosing(read_durable(bus, "ORDERS", ALL, offset)) as batches:
            await anext(batches)


async def test_a_durable_offset_whose_message_was_stored_at_another_time_is_lost(bus: Bus) -> None:
    (read_all_before, *_) = await store_many(bus, A, 3)
    message = await stored_at(bus, "ORDERS", read_all_before)
    assert message is not None
    offset = StreamOffset(
        created=await bus.stream_created("ORDERS"), sequence=message.sequence, stored_time=message.time_ns
    )
    restored = msgspec.structs.replace(offset, stored_time=message.time_ns - 1)

    async with aclosing(read_durable(bus, "ORDERS", ALL, offset)) as batches:
        assert numbers(await until_caught_up(batches)) == [1, 2]
    with pytest.raises(OffsetLost):
        async with aclosing(read_durable(bus, "ORDERS", ALL, restored)) as batches:
            await anext(batches)


async def test_a_discarded_message_of_a_durable_offset_is_not_a_loss(bus: Bus) -> None:
    (first, second) = await store_many(bus, A, 2)
    offset = StreamOffset(created=await bus.stream_created("ORDERS"), sequence=first, stored_time=1)
    await bus.api("STREAM.PURGE.ORDERS", {"seq": second}, dict)

    async with aclosing(read_durable(bus, "ORDERS", ALL, offset)) as batches:
        assert numbers(await until_caught_up(batches)) == [1]

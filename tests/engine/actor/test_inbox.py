"""Inbox: durable inputs in order, state updates newest only, a sweep when it is due."""

import asyncio

import msgspec

from engine.actor.inbox import MAX_WAITING, DurableInput, Inbox
from schemas.engine.journal import StreamOffset
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders
from tests.builders import BTC, SIM, TICKER, TIME, TRADE


def durable(sequence: int, stream: Stream = Stream.ORDERS) -> DurableInput:
    return DurableInput(stream, StreamOffset(created="now", sequence=sequence), TRADE)


def sweep(includes: int) -> OpenOrders:
    return OpenOrders(venue=SIM, symbol=BTC, orders=(), includes=includes, time=TIME)


async def test_durable_inputs_come_before_a_price() -> None:
    inbox = Inbox(0)
    inbox.put_update(TICKER)
    await inbox.put(durable(1))
    await inbox.put(durable(2))
    assert [await inbox.next() for _ in range(3)] == [durable(1), durable(2), TICKER]


async def test_only_the_newest_ticker_is_delivered() -> None:
    inbox = Inbox(0)
    newest = msgspec.structs.replace(TICKER, time=TIME + 1)
    inbox.put_update(TICKER)
    inbox.put_update(newest)
    assert await inbox.next() == newest


async def test_a_sweep_waits_for_the_order_events_it_includes() -> None:
    inbox = Inbox(4)
    inbox.put_sweep(sweep(5))
    inbox.put_update(TICKER)
    assert await inbox.next() == TICKER
    await inbox.put(durable(5))
    assert [await inbox.next() for _ in range(2)] == [durable(5), sweep(5)]


async def test_a_command_does_not_count_as_an_order_event() -> None:
    inbox = Inbox(4)
    inbox.put_sweep(sweep(5))
    await inbox.put(durable(9, Stream.CONTROL))
    inbox.put_update(TICKER)
    assert [type(await inbox.next()) for _ in range(2)] == [DurableInput, type(TICKER)]


async def test_the_reader_waits_while_too_many_inputs_are_queued() -> None:
    inbox = Inbox(0)
    for sequence in range(MAX_WAITING):
        await inbox.put(durable(sequence))
    late = asyncio.create_task(inbox.put(durable(MAX_WAITING)))
    for _ in range(MAX_WAITING // 2 + 1):
        assert not late.done()
        await inbox.next()
    await late

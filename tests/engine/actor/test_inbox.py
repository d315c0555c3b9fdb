"""An actor's inbox: exact inputs first and in order, levels newest only, a sweep when it is due."""

import asyncio

import msgspec

from engine.actor.inbox import LIMIT, DurableInput, Inbox
from schemas.engine.journal import StreamOffset
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders
from tests.schemas.examples import BTC, SIM, TICKER, TIME, TRADE


def heard(sequence: int, stream: Stream = Stream.ORDERS) -> DurableInput:
    return DurableInput(stream, StreamOffset(created="now", sequence=sequence), TRADE)


def sweep(includes: int) -> OpenOrders:
    return OpenOrders(venue=SIM, symbol=BTC, orders=(), includes=includes, time=TIME)


async def test_what_counts_each_comes_before_a_price() -> None:
    inbox = Inbox(0)
    inbox.put_level(TICKER)
    await inbox.put(heard(1))
    await inbox.put(heard(2))
    assert [await inbox.next() for _ in range(3)] == [heard(1), heard(2), TICKER]


async def test_of_tickers_only_the_newest_is_handed_out() -> None:
    inbox = Inbox(0)
    newest = msgspec.structs.replace(TICKER, time=TIME + 1)
    inbox.put_level(TICKER)
    inbox.put_level(newest)
    assert await inbox.next() == newest


async def test_a_sweep_waits_for_the_orders_it_includes() -> None:
    inbox = Inbox(4)
    inbox.put_sweep(sweep(5))
    inbox.put_level(TICKER)
    assert await inbox.next() == TICKER
    await inbox.put(heard(5))
    assert [await inbox.next() for _ in range(2)] == [heard(5), sweep(5)]


async def test_a_command_does_not_stand_for_an_order() -> None:
    inbox = Inbox(4)
    inbox.put_sweep(sweep(5))
    await inbox.put(heard(9, Stream.CONTROL))
    inbox.put_level(TICKER)
    assert [type(await inbox.next()) for _ in range(2)] == [DurableInput, type(TICKER)]


async def test_the_reader_waits_while_there_are_too_many() -> None:
    inbox = Inbox(0)
    for sequence in range(LIMIT):
        await inbox.put(heard(sequence))
    late = asyncio.create_task(inbox.put(heard(LIMIT)))
    for _ in range(LIMIT // 2 + 1):
        assert not late.done()
        await inbox.next()
    await late

"""Candles of an actor: history, then live ones; of a recording, those before the tick."""

import asyncio
from decimal import Decimal

import msgspec

from bus import Bus
from engine.actor.candles import Candles, LiveCandles, RecordedCandles
from schemas import subjects
from schemas.units import SECOND_NS
from schemas.venue.market import Candle
from tests.builders import BTC, SETTINGS, SIM
from tests.schemas.examples import EXAMPLES

CANDLE = next(event for event in EXAMPLES if isinstance(event, Candle))
MONITORED = msgspec.structs.replace(SETTINGS, monitor_symbols=(BTC,), average_window=2)
CLOSED = subjects.closed_candle(SIM, BTC, "1m")
LIVE = subjects.live_candle(SIM, BTC, "1m")


def candle(minute: int, *, closed: bool = True) -> Candle:
    time = 60 * minute * SECOND_NS
    return msgspec.structs.replace(CANDLE, open_time=time, time=time + 59, closed=closed)


async def loaded(candles: Candles, bus: Bus, *minutes: int) -> Candles:
    for minute in minutes:
        await bus.store(CLOSED, candle(minute))
    await candles.load()
    return candles


async def test_history_is_delivered_once_and_limited_to_the_window(bus: Bus) -> None:
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1, 2, 3)
    assert await candles.before(0) == [candle(2), candle(3)]
    assert not await candles.before(0)


async def test_history_is_in_order_of_time_after_older_candles_were_stored_again(bus: Bus) -> None:
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 4, 1, 2, 3)
    assert await candles.before(0) == [candle(3), candle(4)]


async def test_closed_and_forming_candles_are_delivered(bus: Bus) -> None:
    received: asyncio.Queue[Candle] = asyncio.Queue()
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1)
    following = asyncio.create_task(candles.follow(received.put_nowait))
    assert await candles.before(0) == [candle(1)]
    await bus.store(CLOSED, candle(2))
    assert await received.get() == candle(2)
    await bus.store(LIVE, candle(3, closed=False))
    assert await received.get() == candle(3, closed=False)
    following.cancel()


async def test_candles_before_the_first_tick_are_history(bus: Bus) -> None:
    received: asyncio.Queue[Candle] = asyncio.Queue()
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus)
    following = asyncio.create_task(candles.follow(received.put_nowait))
    await bus.store(CLOSED, candle(1))
    assert await candles.before(0) == [candle(1)]
    await bus.store(CLOSED, candle(2))
    assert await received.get() == candle(2)
    following.cancel()


async def test_undecodable_candles_are_skipped(bus: Bus) -> None:
    await bus.publish(CLOSED, b"{invalid")
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1)
    assert await candles.before(0) == [candle(1)]


async def test_recorded_candles_are_delivered_with_the_next_tick(bus: Bus) -> None:
    candles = await loaded(RecordedCandles(bus, SIM, BTC, MONITORED), bus, 1, 2)
    assert await candles.before(candle(2).time) == [candle(1)]
    await bus.store(CLOSED, candle(3))
    assert await candles.before(candle(3).time) == [candle(2)]
    assert await candles.before(candle(4).time) == [candle(3)]


async def test_without_monitored_symbols_there_are_no_candles(bus: Bus) -> None:
    for kind in (LiveCandles, RecordedCandles):
        candles = await loaded(kind(bus, SIM, BTC, SETTINGS), bus, 1)
        following = asyncio.create_task(candles.follow(lambda _: None))
        assert not await candles.before(candle(9).time)
        assert not following.done()
        following.cancel()


async def test_closed_candles_of_the_own_symbol_are_delivered(bus: Bus) -> None:
    received: asyncio.Queue[Candle] = asyncio.Queue()
    volatile = msgspec.structs.replace(SETTINGS, volatility_scale=Decimal(1), atr_window=30)
    candles = await loaded(LiveCandles(bus, SIM, BTC, volatile), bus, *range(1, 41))
    following = asyncio.create_task(candles.follow(received.put_nowait))
    await bus.store(LIVE, candle(41, closed=False))
    assert len(await candles.before(0)) == 31
    await bus.store(CLOSED, candle(41))
    assert await received.get() == candle(41)
    following.cancel()

"""Where a monitor's candles come from: history first, then what comes; of a recording what is older than the tick."""

import asyncio
from decimal import Decimal

import msgspec

from bus import Bus
from engine.actor.candles import Candles, LiveCandles, RecordedCandles
from schemas import subjects
from schemas.units import SECOND_NS
from schemas.venue.market import Candle
from tests.schemas.examples import BTC, EXAMPLES, SETTINGS, SIM

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


async def test_history_comes_once_and_no_more_than_the_window(bus: Bus) -> None:
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1, 2, 3)
    assert await candles.before(0) == [candle(2), candle(3)]
    assert not await candles.before(0)


async def test_what_closes_and_what_forms_is_handed_on(bus: Bus) -> None:
    heard: asyncio.Queue[Candle] = asyncio.Queue()
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1)
    following = asyncio.create_task(candles.follow(heard.put_nowait))
    assert await candles.before(0) == [candle(1)]
    await bus.store(CLOSED, candle(2))
    assert await heard.get() == candle(2)
    await bus.store(LIVE, candle(3, closed=False))
    assert await heard.get() == candle(3, closed=False)
    following.cancel()


async def test_what_comes_before_the_first_tick_is_history(bus: Bus) -> None:
    heard: asyncio.Queue[Candle] = asyncio.Queue()
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus)
    following = asyncio.create_task(candles.follow(heard.put_nowait))
    await bus.store(CLOSED, candle(1))
    assert await candles.before(0) == [candle(1)]
    await bus.store(CLOSED, candle(2))
    assert await heard.get() == candle(2)
    following.cancel()


async def test_nonsense_is_skipped(bus: Bus) -> None:
    await bus.publish(CLOSED, b"{nonsense")
    candles = await loaded(LiveCandles(bus, SIM, BTC, MONITORED), bus, 1)
    assert await candles.before(0) == [candle(1)]


async def test_a_recordings_candles_come_with_the_tick_after_them(bus: Bus) -> None:
    candles = await loaded(RecordedCandles(bus, SIM, BTC, MONITORED), bus, 1, 2)
    assert await candles.before(candle(2).time) == [candle(1)]
    await bus.store(CLOSED, candle(3))
    assert await candles.before(candle(3).time) == [candle(2)]
    assert await candles.before(candle(4).time) == [candle(3)]


async def test_where_nothing_is_monitored_nothing_comes(bus: Bus) -> None:
    for kind in (LiveCandles, RecordedCandles):
        candles = await loaded(kind(bus, SIM, BTC, SETTINGS), bus, 1)
        following = asyncio.create_task(candles.follow(lambda _: None))
        assert not await candles.before(candle(9).time)
        assert not following.done()
        following.cancel()


async def test_of_its_own_symbol_a_grid_hears_what_closes(bus: Bus) -> None:
    heard: asyncio.Queue[Candle] = asyncio.Queue()
    watching = msgspec.structs.replace(SETTINGS, volatility_scale=Decimal(1), atr_window=30)
    candles = await loaded(LiveCandles(bus, SIM, BTC, watching), bus, *range(1, 41))
    following = asyncio.create_task(candles.follow(heard.put_nowait))
    await bus.store(LIVE, candle(41, closed=False))
    assert len(await candles.before(0)) == 31
    await bus.store(CLOSED, candle(41))
    assert await heard.get() == candle(41)
    following.cancel()

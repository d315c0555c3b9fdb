"""Market publisher: instruments, history, live events; in real time and in lock-step."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from bus import Attention, Bus, LockStep, Message, Registry, Service
from bus.metrics import CollectorRegistry
from producers.market.pacing import LockStepPace, RealTime
from producers.market.publisher import MarketPublisher
from producers.market.symbol_changes import follow_symbol_changes
from producers.ports import MarketUpdate
from producers.retry import Outbox
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import Symbol
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, FeedChanged, FeedState, Recording, Ticker
from tests.builders import SIM, TICKER
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, new_settings
from tests.producers.streams import first
from tests.schemas.examples import EXAMPLES

HISTORY = subjects.closed_candle(SIM, PERP, "1m")
KEY = subjects.registry_key(SIM, PERP)


def publisher(service: Service, source: SimulatedVenue) -> MarketPublisher:
    return MarketPublisher(service, source, SIM, RealTime(service.bus, service.attention))


async def test_instruments_are_stored_in_the_registry(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    for _ in range(2):
        await publisher(service, client).publish_instruments([PERP])
        service.registry = CollectorRegistry()
    stored = await Registry(bus, "instruments").get(KEY)
    assert stored is not None
    assert decode_as(stored.data, Instrument).symbol == PERP


async def test_a_symbol_unknown_to_the_venue_is_named(service: Service, client: SimulatedVenue) -> None:
    with pytest.raises(LookupError, match="sim has no DOGE/USDT; it has BTC/USDT:USDT"):
        await publisher(service, client).publish_instruments([Symbol("DOGE/USDT")])


async def test_history_is_stored_once(
    bus: Bus, service: Service, serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(new_settings(tmp_path, ticks=4))
    source = await new_client(served.url)
    for _ in range(2):
        await publisher(service, source).backfill([PERP])
        service.registry = CollectorRegistry()
    state = await bus.stream_state(Stream.CANDLES)
    (oldest,) = await first(bus, Stream.CANDLES, HISTORY)
    assert isinstance(oldest, Candle)
    assert state.messages >= 1400
    assert state.last == state.messages


async def test_market_events_are_published(bus: Bus, service: Service, client: SimulatedVenue) -> None:
    market = publisher(service, client)
    await market.backfill([PERP])
    task = asyncio.create_task(market.follow([PERP]))
    (up,) = await first(bus, Stream.MARKET, subjects.feed(SIM, PERP))
    (ticker,) = await first(bus, Stream.MARKET, subjects.ticker(SIM, PERP))
    task.cancel()
    assert isinstance(up, FeedChanged)
    assert isinstance(ticker, Ticker)
    assert str(ticker.last) == "100.0"


async def test_candles_closed_while_disconnected_are_stored(
    bus: Bus, service: Service, served: RunningVenue, client: SimulatedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flicker(symbols: Sequence[Symbol]) -> AsyncIterator[MarketUpdate]:
        for state in (FeedState.UP, FeedState.DOWN, FeedState.UP):
            yield MarketUpdate((FeedChanged(venue=SIM, symbol=PERP, state=state, reason="", time=1),), 0)
            for _ in range(2):
                served.pacer.proceed(served.venue.cursor.tick)

    monkeypatch.setattr(client, "market", flicker)
    market = publisher(service, client)
    await market.backfill([PERP])
    await market.follow([PERP])
    (candle,) = await first(bus, Stream.CANDLES, HISTORY)
    assert isinstance(candle, Candle)
    assert candle.closed


async def test_in_lock_step_the_market_waits_for_the_engine(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    outbox = Outbox(bus, service.log)
    market = MarketPublisher(
        service, client, SIM, LockStepPace(bus, outbox, client, SIM, [PERP], service.log)
    )
    await market.backfill([PERP])
    prices = []
    async with (
        LockStep(bus, f"account.{SIM}") as account,
        LockStep(bus, f"engine.{KEY}.orders") as orders,
        LockStep(bus, f"engine.{KEY}.ticker") as tickers,
    ):
        account.leave(10**9, 0)
        orders.leave(10**9, 0)
        task = asyncio.create_task(market.follow([PERP]))
        for count in range(1, 9):
            last = (await first(bus, Stream.MARKET, subjects.ticker(SIM, PERP), count))[-1]
            assert isinstance(last, Ticker)
            prices.append(str(last.last))
            tickers.leave(last.time, 0)
        await task
    assert prices == ["100.0", "99.0", "101.0", "100.5", "100.5", "99.0", "101.0", "100.5"]


async def test_added_symbols_are_published_and_removed_ones_are_not(
    bus: Bus, service: Service, client: SimulatedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: asyncio.Queue[int] = asyncio.Queue()

    async def tickers(symbols: Sequence[Symbol]) -> AsyncIterator[MarketUpdate]:
        while True:
            yield MarketUpdate((msgspec.structs.replace(TICKER, symbol=PERP, time=await ticks.get()),), 0)
            ticks.task_done()

    monkeypatch.setattr(client, "market", tickers)
    market = publisher(service, client)
    roster = Registry(bus, "symbols")
    entry = next(event for event in EXAMPLES if isinstance(event, SymbolEntry))
    entry = msgspec.structs.replace(entry, venue=SIM, symbol=PERP)
    muted, unmuted = event_of_calls(market, "mute"), event_of_calls(market, "unmute")
    task = asyncio.create_task(follow_symbol_changes(market, [], bus, SIM, service.log))
    revision = await roster.create(KEY, entry)
    ticks.put_nowait(1)
    await first(bus, Stream.MARKET, subjects.ticker(SIM, PERP))
    assert revision is not None
    await roster.delete(KEY, revision)
    await muted.wait()
    ticks.put_nowait(2)
    await ticks.join()
    unmuted.clear()
    await roster.create(KEY, entry)
    await unmuted.wait()
    ticks.put_nowait(3)
    found = await first(bus, Stream.MARKET, subjects.ticker(SIM, PERP), 2)
    task.cancel()
    assert [event.time for event in found if isinstance(event, Ticker)] == [1, 3]


def event_of_calls(market: MarketPublisher, name: str) -> asyncio.Event:
    called, method = asyncio.Event(), getattr(market, name)

    def call(symbol: Symbol) -> None:
        method(symbol)
        called.set()

    setattr(market, name, call)
    return called


async def test_an_added_symbol_unknown_to_the_venue_is_skipped(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    entry = next(event for event in EXAMPLES if isinstance(event, SymbolEntry))
    doge = msgspec.structs.replace(entry, venue=SIM, symbol=Symbol("DOGE/USDT"))
    await Registry(bus, "symbols").create(subjects.registry_key(SIM, doge.symbol), doge)
    await Registry(bus, "symbols").create(KEY, msgspec.structs.replace(entry, venue=SIM, symbol=PERP))
    task = asyncio.create_task(follow_symbol_changes(publisher(service, client), [], bus, SIM, service.log))
    (_,) = await first(bus, Stream.MARKET, subjects.ticker(SIM, PERP))
    task.cancel()


async def test_the_clock_names_the_recording_and_its_speed(client: SimulatedVenue) -> None:
    assert (await client.clock()).recording == Recording(name="candles.csv", speed=0)


async def test_a_tick_read_after_an_own_pause_has_no_receive_time(bus: Bus) -> None:
    now, received = [0.0], asyncio.Queue[Message]()
    attention = Attention(lambda: now[0])
    await bus.subscribe("market.>", received.put_nowait)
    for now[0] in (0.1, 14.0, 15.0):
        await RealTime(bus, attention).ticker(subjects.ticker(SIM, TICKER.symbol), TICKER)
    times = [decode_as((await received.get()).data, Ticker).received_time for _ in range(3)]
    assert [time > 0 for time in times] == [True, False, True]

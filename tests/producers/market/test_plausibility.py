"""Market events that cannot be right are dropped and counted."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Logger, Service
from bus.metrics import CollectorRegistry
from bus.runtime import time_ns
from producers.market.pacing import RealTime
from producers.market.plausibility import Plausibility
from producers.market.publisher import MarketPublisher
from producers.ports import MarketEvent
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side
from schemas.venue.market import (
    Candle,
    ClockRead,
    FeedChanged,
    FeedState,
    MarketFault,
    PublicTrade,
    Recording,
    Ticker,
)
from tests.builders import BTC, SIM, TICKER
from tests.producers.streams import until

replace = msgspec.structs.replace
D = Decimal
HOUR = 3600 * SECOND_NS
CANDLE = Candle(
    venue=SIM,
    symbol=BTC,
    interval="1m",
    open_time=1,
    open=D(10),
    high=D(11),
    low=D(9),
    close=D(10),
    volume=D(0),
    closed=True,
    time=2,
)
TRADE = PublicTrade(venue=SIM, symbol=BTC, trade_id="1", side=Side.BUY, price=D(10), quantity=D(1), time=1)
FEED = FeedChanged(venue=SIM, symbol=BTC, state=FeedState.DOWN, reason="", time=1)


def checked(*, checks_time: bool = True) -> Plausibility:
    return Plausibility(CollectorRegistry(), Logger("test"), checks_time=checks_time)


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (TICKER, None),
        (replace(TICKER, bid=D("NaN")), MarketFault.NOT_A_NUMBER),
        (replace(TICKER, ask=D("Infinity")), MarketFault.NOT_A_NUMBER),
        (replace(TICKER, last=D("-1")), MarketFault.NOT_A_NUMBER),
        (replace(TICKER, mark=D("sNaN")), MarketFault.NOT_A_NUMBER),
        (replace(TICKER, bid=D(960), ask=D("0.1")), MarketFault.CROSSED),
        (replace(TICKER, bid=D(960), ask=D(0)), None),
        (replace(TICKER, bid=D(0), ask=D(0), last=D(0)), MarketFault.NO_PRICE),
        (CANDLE, None),
        (replace(CANDLE, low=D(0)), MarketFault.NO_PRICE),
        (replace(CANDLE, close=D("NaN")), MarketFault.NOT_A_NUMBER),
        (replace(CANDLE, volume=D("Infinity")), MarketFault.NOT_A_NUMBER),
        (replace(CANDLE, quote_volume=D("NaN")), MarketFault.NOT_A_NUMBER),
        (TRADE, None),
        (replace(TRADE, quantity=D("NaN")), MarketFault.NOT_A_NUMBER),
        (replace(TRADE, price=D(0)), MarketFault.NO_PRICE),
        (FEED, None),
    ],
)
def test_what_is_wrong_with_an_event_is_named(event: MarketEvent, fault: MarketFault | None) -> None:
    assert checked().fault(event) is fault


def ahead(by: int) -> list[MarketEvent]:
    time = time_ns() + by
    return [
        replace(TICKER, time=time),
        replace(CANDLE, open_time=time),
        replace(TRADE, time=time),
        replace(FEED, time=time),
    ]


def test_a_time_ahead_of_the_clocks_is_dropped_whatever_has_it() -> None:
    found = checked()
    assert [found.fault(event) for event in ahead(HOUR)] == [MarketFault.TIME_AHEAD] * 4
    assert [found.fault(event) for event in ahead(2 * SECOND_NS)] == [None] * 4
    assert [checked(checks_time=False).fault(event) for event in ahead(HOUR)] == [None] * 4


def test_the_venues_own_clock_counts_once_it_was_read_twice() -> None:
    found = checked()

    def read() -> ClockRead:
        return ClockRead(venue=SIM, time=time_ns() + HOUR, received_time=time_ns())

    assert not found.accepts(read())
    assert not found.accepts(ahead(HOUR)[0])
    assert found.accepts(read())
    assert found.accepts(ahead(HOUR)[0])
    found.accepts(ClockRead(venue=SIM, time=time_ns(), received_time=time_ns()))
    assert not found.accepts(ahead(HOUR)[0])


def test_a_recording_has_times_of_its_own() -> None:
    found = checked()
    recording = Recording(name="r", speed=600)
    assert found.accepts(
        ClockRead(venue=SIM, time=time_ns() + HOUR, received_time=time_ns(), recording=recording)
    )
    assert found.accepts(ahead(HOUR)[0])


def _ask_of(event: msgspec.Struct) -> Decimal:
    assert isinstance(event, Ticker)
    return event.ask


async def test_dropped_events_are_counted_and_not_published(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    publisher = MarketPublisher(service, client, SIM, RealTime(bus, service.attention))
    right = replace(TICKER, time=time_ns())
    for event in (right, replace(right, ask=D("NaN")), replace(right, last=D("Infinity")), ahead(HOUR)[0]):
        await publisher._publish(event)
    client.on_undecodable()
    last = replace(right, ask=D(60001))
    await publisher._publish(last)
    subject = subjects.ticker(SIM, TICKER.symbol)
    published = await until(bus, Stream.MARKET, subject, lambda found: _ask_of(found[-1]) == last.ask)
    # The stream keeps the newest ticker of a symbol: none of those dropped replaced the first one.
    assert {_ask_of(each) for each in published} <= {right.ask, last.ask}
    counts = {
        (sample.labels["symbol"], sample.labels["reason"]): sample.value
        for metric in service.registry.collect()
        for sample in metric.samples
        if sample.name == "market_events_dropped_total"
    }
    assert counts == {
        (TICKER.symbol, "not_a_number"): 2,
        (TICKER.symbol, "time_ahead"): 1,
        ("", "undecodable"): 1,
    }

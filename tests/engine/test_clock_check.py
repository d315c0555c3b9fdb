"""Inputs whose time is ahead of the clock."""

import asyncio

import msgspec

from bus import Bus, Logger
from bus.runtime import time_ns
from engine.clock_check import ClockCheck, Timed
from schemas.engine.events import AlertRaised
from schemas.engine.journal import AheadOfClock
from schemas.subjects import Stream
from schemas.units import SECOND_NS
from schemas.venue.market import FeedChanged
from tests.builders import CANDLE, ENTRY, OPEN_ORDERS, REPORT, TICKER, TRADE
from tests.producers.streams import first
from tests.schemas.examples import EXAMPLES

replace = msgspec.structs.replace

FEED = next(event for event in EXAMPLES if isinstance(event, FeedChanged))


def at(time: int) -> list[Timed]:
    return [
        replace(TICKER, time=time),
        replace(FEED, time=time),
        replace(CANDLE, open_time=time),
        replace(OPEN_ORDERS, time=1, complete_through=time),
    ]


async def test_a_time_ahead_of_the_clock_is_dropped_whatever_has_it_and_told_once(bus: Bus) -> None:
    check = ClockCheck(bus, ENTRY, Logger("test"), is_on=True)
    for ahead_s, accepted in ((-10, True), (2, True), (3600, False), (3600, False)):
        assert {check.accepts(each) for each in at(time_ns() + ahead_s * SECOND_NS)} == {accepted}
    telling = asyncio.create_task(check.run())
    alerts = [each for each in await first(bus, Stream.ALERTS, "alert.>", 4) if isinstance(each, AlertRaised)]
    assert {each.code for each in alerts} == {"time_ahead"}
    assert [each.detail.split()[0] for each in alerts] == ["Ticker", "FeedChanged", "Candle", "OpenOrders"]
    telling.cancel()


async def test_a_recording_has_times_of_its_own(bus: Bus) -> None:
    check = ClockCheck(bus, ENTRY, Logger("test"), is_on=False)
    assert all(check.accepts(each) for each in at(time_ns() + 3600 * SECOND_NS))


async def test_an_order_event_ahead_of_the_clock_is_applied_at_the_present_time(bus: Bus) -> None:
    check = ClockCheck(bus, ENTRY, Logger("test"), is_on=True)
    before = time_ns()
    for event in (TRADE, REPORT):
        ahead = replace(event, time=before + 3600 * SECOND_NS)
        found = check.timed(ahead)
        assert isinstance(found, AheadOfClock)
        assert found.event == ahead
        assert before <= found.received_time <= time_ns()
        timely = replace(event, time=before)
        assert check.timed(timely) is timely

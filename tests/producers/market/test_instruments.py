"""Instruments in the bucket: written when they change, marked when delisted, read again after a rejection."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from bus import Bus, Registry, Service
from producers.market.instruments import InstrumentPublisher
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.codec import decode_as
from schemas.units import Symbol
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.orders import RejectReason
from tests.builders import REPORT, SIM
from tests.producers.market.test_publisher import publisher
from tests.producers.simulated.examples import PERP, PERPETUAL

OLD = msgspec.structs.replace(PERPETUAL, symbol=Symbol("OLD/USDT:USDT"), base="OLD")
ELSEWHERE = msgspec.structs.replace(OLD, venue="other")
COARSE = msgspec.structs.replace(PERPETUAL, tick_size=PERPETUAL.tick_size * 10)
KEY = subjects.registry_key(SIM, PERP)


@pytest.fixture
def instruments(service: Service, client: SimulatedVenue) -> InstrumentPublisher:
    return InstrumentPublisher(service.bus, client, SIM, service.log)


async def stored(bus: Bus, instrument: Instrument = PERPETUAL) -> Instrument:
    key = subjects.registry_key(instrument.venue, instrument.symbol)
    entry = await Registry(bus, "instruments").get(key)
    assert entry is not None
    return decode_as(entry.data, Instrument)


async def test_only_a_changed_instrument_is_written(
    bus: Bus, served: RunningVenue, instruments: InstrumentPublisher
) -> None:
    await instruments.publish()
    first = await Registry(bus, "instruments").get(KEY)
    await instruments.publish()
    assert await Registry(bus, "instruments").get(KEY) == first
    served.venue.replace_instrument(COARSE)
    await instruments.publish()
    assert await stored(bus) == COARSE


async def test_an_instrument_that_is_not_listed_any_more_is_delisted(
    bus: Bus, instruments: InstrumentPublisher
) -> None:
    for each in (OLD, ELSEWHERE):
        await Registry(bus, "instruments").create(subjects.registry_key(each.venue, each.symbol), each)
    await instruments.publish()
    assert (await stored(bus, OLD)).status is InstrumentStatus.DELISTED
    assert await stored(bus, ELSEWHERE) == ELSEWHERE


async def test_a_venue_that_lists_nothing_has_delisted_nothing(
    bus: Bus, service: Service, client: SimulatedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none() -> list[Instrument]:
        return []

    instruments = InstrumentPublisher(bus, client, SIM, service.log)
    await instruments.publish()
    monkeypatch.setattr(client, "instruments", none)
    assert await instruments.publish() == {}
    assert await stored(bus) == PERPETUAL


async def test_a_rejection_for_a_rule_makes_the_instruments_read_again(
    bus: Bus, served: RunningVenue, instruments: InstrumentPublisher
) -> None:
    await instruments.publish()
    served.venue.replace_instrument(COARSE)
    async with aclosing(Registry(bus, "instruments").follow(KEY)) as changes:
        await anext(changes)
        running = asyncio.create_task(instruments.run(3600))
        change = asyncio.ensure_future(anext(changes))
        rejected = msgspec.structs.replace(REPORT, symbol=PERP, reject_reason=RejectReason.PRECISION)
        while not change.done():
            await bus.store(subjects.order_report(SIM, PERP), rejected)
        running.cancel()
    assert await stored(bus) == COARSE


async def test_the_end_of_a_halt_is_found_without_a_rejection(
    bus: Bus, served: RunningVenue, instruments: InstrumentPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.market.instruments.MAX_HALTED_INTERVAL_S", 0.01)
    served.venue.replace_instrument(msgspec.structs.replace(PERPETUAL, status=InstrumentStatus.HALTED))
    instruments.use([PERP])
    await instruments.publish()
    served.venue.replace_instrument(PERPETUAL)
    async with aclosing(Registry(bus, "instruments").follow(KEY)) as changes:
        await anext(changes)
        running = asyncio.create_task(instruments.run(3600))
        await anext(changes)
        running.cancel()
    assert (await stored(bus)).status is InstrumentStatus.TRADING


async def test_symbols_that_are_listed_start_without_the_others(
    service: Service, client: SimulatedVenue
) -> None:
    listed = await publisher(service, client).publish_instruments([PERP, Symbol("DOGE/USDT")])
    assert listed == [PERP]

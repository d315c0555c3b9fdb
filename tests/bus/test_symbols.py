"""The traded symbols in the bucket `symbols`."""

import asyncio
from contextlib import aclosing

import msgspec

from bus import Bus, Registry, deregister, follow_venue_symbols, get_logger, provision, wait_for_symbols
from schemas.subjects import registry_key
from schemas.units import Symbol, VenueId
from tests.builders import BTC, ENTRY, SIM
from tests.bus.events import event

LOG = get_logger("test")
ETH = msgspec.structs.replace(ENTRY, symbol=Symbol("ETH/USDT:USDT"))
ELSEWHERE = msgspec.structs.replace(ENTRY, venue=VenueId("other"))
KEY = registry_key(SIM, BTC)


async def test_the_symbols_of_one_venue_are_followed(bus: Bus) -> None:
    await Registry(bus, "symbols").create(registry_key(ELSEWHERE.venue, BTC), ELSEWHERE)
    await Registry(bus, "symbols").create(KEY, ENTRY)
    async with aclosing(follow_venue_symbols(bus, SIM, LOG)) as changes:
        first = await anext(changes)
        await deregister(bus, ENTRY)
        second = await anext(changes)

    assert (first, second) == ((BTC, True), (BTC, False))


async def test_symbols_are_not_removed_when_the_bucket_is_lost(bus: Bus) -> None:
    await Registry(bus, "symbols").create(KEY, ENTRY)
    async with aclosing(follow_venue_symbols(bus, SIM, LOG)) as changes:
        assert await anext(changes) == (BTC, True)
        await bus.api("STREAM.DELETE.KV_symbols", None, dict)
        await provision(bus)
        await Registry(bus, "symbols").create(registry_key(SIM, ETH.symbol), ETH)
        assert await anext(changes) == (ETH.symbol, True)


async def test_an_invalid_entry_is_skipped(bus: Bus) -> None:
    await Registry(bus, "symbols").create(KEY, event(1))
    await Registry(bus, "symbols").create(registry_key(SIM, ETH.symbol), ETH)
    async with aclosing(follow_venue_symbols(bus, SIM, LOG)) as changes:
        assert await anext(changes) == (ETH.symbol, True)


async def test_wait_for_symbols_waits_for_the_first_one(bus: Bus) -> None:
    await Registry(bus, "symbols").create(registry_key(ELSEWHERE.venue, BTC), ELSEWHERE)
    waiting = asyncio.create_task(wait_for_symbols(bus, SIM, LOG))
    await asyncio.wait([waiting], timeout=0.05)
    await Registry(bus, "symbols").create(KEY, ENTRY)

    assert await waiting == [BTC]


async def test_a_symbol_added_again_is_not_deregistered(bus: Bus) -> None:
    newer = msgspec.structs.replace(ENTRY, generation=2)
    await Registry(bus, "symbols").create(KEY, newer)
    await deregister(bus, ENTRY)
    assert await Registry(bus, "symbols").get(KEY) is not None

    await deregister(bus, newer)
    assert await Registry(bus, "symbols").get(KEY) is None

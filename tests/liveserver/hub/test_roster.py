"""The traded symbols: which markets are listed while symbols are added and removed."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from msgspec.structs import replace

from bus import Bus, Registry, deregister, get_logger
from liveserver.hub.roster import Roster
from liveserver.protocol.symbol_names import Market
from liveserver.view.market_status import Listing
from schemas.engine.journal import SymbolEntry
from schemas.subjects import registry_key
from tests.builders import BTC, ENTRY, SETTINGS, SIM
from tests.liveserver.events import ETH

WATCHING_ETH = replace(ENTRY, settings=replace(SETTINGS, monitor_symbols=(ETH,)))
ETH_ENTRY = replace(ENTRY, symbol=ETH)

Changes = asyncio.Queue[tuple[Market, Listing]]


async def add(bus: Bus, entry: SymbolEntry) -> None:
    await Registry(bus, "symbols").create(registry_key(entry.venue, entry.symbol), entry)


@pytest_asyncio.fixture
async def changes(bus: Bus) -> AsyncIterator[Changes]:
    """Follow the roster, and queue its changes."""
    changes: Changes = asyncio.Queue()
    roster = Roster(lambda market, listing: changes.put_nowait((market, listing)))
    following = asyncio.create_task(roster.follow(bus, get_logger("test")))
    yield changes
    following.cancel()


async def test_a_removed_symbol_is_listed_for_a_moment(bus: Bus, changes: Changes) -> None:
    await add(bus, ENTRY)
    added = await changes.get()
    await deregister(bus, ENTRY)

    seen = [added, await changes.get(), await changes.get()]
    assert seen == [(Market(SIM, BTC), each) for each in (Listing.TRADED, Listing.REMOVED, Listing.GONE)]


async def test_a_removed_symbol_that_is_added_again_stays(bus: Bus, changes: Changes) -> None:
    await add(bus, ENTRY)
    seen = [await changes.get()]
    await deregister(bus, ENTRY)
    seen.append(await changes.get())
    await add(bus, replace(ENTRY, generation=2))
    seen.append(await changes.get())

    assert [listing for _, listing in seen] == [Listing.TRADED, Listing.REMOVED, Listing.TRADED]


async def test_a_removed_symbol_that_another_one_monitors_stays_as_watched(
    bus: Bus, changes: Changes
) -> None:
    await add(bus, WATCHING_ETH)
    await add(bus, ETH_ENTRY)
    added = [await changes.get(), await changes.get()]
    await deregister(bus, ETH_ENTRY)

    assert (Market(SIM, ETH), Listing.TRADED) in added
    assert await changes.get() == (Market(SIM, ETH), Listing.WATCHED)


async def test_a_symbol_that_was_removed_before_is_not_listed(bus: Bus) -> None:
    await add(bus, ENTRY)
    await deregister(bus, ENTRY)
    changed = asyncio.Event()
    roster = Roster(lambda market, listing: changed.set())
    following = asyncio.create_task(roster.follow(bus, get_logger("test")))
    await changed.wait()
    following.cancel()

    assert roster.listings == {Market(SIM, BTC): Listing.GONE}

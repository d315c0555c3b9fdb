"""Filling the roster from a configuration."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Registry
from cli.errors import CommandError
from cli.stack.symbols import enter, limit, only
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.units import Symbol
from tests.cli.events import ENTRY, SETTINGS, SYMBOL, VENUE, grid_state, step

KEY = subjects.registry_key(VENUE, SYMBOL)
OTHER = msgspec.structs.replace(ENTRY, symbol=Symbol("ETH/USDT"))
WIDER = msgspec.structs.replace(SETTINGS, price_interval=Decimal(2))
CHANGED = msgspec.structs.replace(ENTRY, settings=WIDER)


async def registered(bus: Bus) -> SymbolEntry:
    entry = await Registry(bus, "symbols").get(KEY)
    assert entry is not None
    return decode_as(entry.data, SymbolEntry)


async def test_what_is_missing_is_added(bus: Bus) -> None:
    assert await enter(bus, [ENTRY], [SYMBOL]) == []

    assert await registered(bus) == ENTRY


async def test_the_same_configuration_says_nothing_again(bus: Bus) -> None:
    await enter(bus, [ENTRY], [SYMBOL])

    assert await enter(bus, [ENTRY], [SYMBOL]) == []


async def test_a_changed_configuration_changes_nothing_and_is_told(bus: Bus) -> None:
    await enter(bus, [ENTRY], [SYMBOL])

    notes = await enter(bus, [CHANGED], [SYMBOL])

    (note,) = notes
    assert note.startswith(
        f"{SYMBOL} keeps the settings it runs with; the configuration differs in price_interval: "
    )
    assert "control set" in note
    assert await registered(bus) == ENTRY


async def test_the_journal_says_which_settings_are_in_force(bus: Bus) -> None:
    await enter(bus, [ENTRY], [SYMBOL])
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(settings=WIDER)))

    assert await enter(bus, [CHANGED], [SYMBOL]) == []
    assert "differs in price_interval" in (await enter(bus, [ENTRY], [SYMBOL]))[0]


async def test_a_symbol_that_left_the_configuration_is_told(bus: Bus) -> None:
    await enter(bus, [ENTRY, OTHER], [SYMBOL, OTHER.symbol])

    notes = await enter(bus, [ENTRY], [SYMBOL, OTHER.symbol])

    assert notes == ["ETH/USDT is not in the configuration, and goes on being traded"]


async def test_a_symbol_that_the_venue_no_longer_has_is_an_error(bus: Bus) -> None:
    await enter(bus, [ENTRY, OTHER], [SYMBOL, OTHER.symbol])

    with pytest.raises(CommandError, match="ETH/USDT runs in this data directory"):
        await enter(bus, [ENTRY], [SYMBOL])


def test_the_first_symbol_is_the_one_when_none_is_named() -> None:
    assert only([ENTRY, OTHER], None) is ENTRY
    assert only([ENTRY, OTHER], OTHER.symbol) is OTHER
    with pytest.raises(CommandError, match="--symbol XRP: the configuration trades BTC/USDT:USDT, ETH/USDT"):
        only([ENTRY, OTHER], Symbol("XRP"))


async def test_an_entry_that_cannot_be_read_is_passed_over(bus: Bus) -> None:
    await Registry(bus, "symbols").create("sim.nonsense", SETTINGS)

    (note,) = await enter(bus, [ENTRY], [SYMBOL])

    assert note == "the roster's entry sim.nonsense cannot be read, and is passed over"


async def test_an_own_entry_that_cannot_be_read_is_written_anew(bus: Bus) -> None:
    await Registry(bus, "symbols").create(KEY, SETTINGS)

    (note,) = await enter(bus, [ENTRY], [SYMBOL])

    assert "written anew" in note
    assert await registered(bus) == ENTRY


async def test_limits_are_those_of_the_configuration_at_each_start(bus: Bus) -> None:
    entry = PortfolioEntry(venue=VENUE, settings=PortfolioSettings(max_exposure=Decimal(1000)))
    wider = msgspec.structs.replace(entry, settings=PortfolioSettings(max_exposure=Decimal(2000)))
    assert await limit(bus, entry) == []
    assert await limit(bus, entry) == []
    assert await limit(bus, wider) == ["the limits over all symbols are those of the configuration now"]
    stored = await Registry(bus, "portfolios").get(VENUE)
    assert stored is not None
    assert decode_as(stored.data, PortfolioEntry) == wider


async def test_a_symbol_that_was_removed_stays_so(bus: Bus) -> None:
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(removed=True)))

    (note,) = await enter(bus, [ENTRY], [SYMBOL])

    assert note.startswith(f"{SYMBOL} was removed, and stays so")
    assert await Registry(bus, "symbols").get(KEY) is None


async def test_a_symbol_that_was_removed_is_added_under_a_higher_generation(bus: Bus) -> None:
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(removed=True)))

    assert await enter(bus, [msgspec.structs.replace(ENTRY, generation=2)], [SYMBOL]) == []
    assert (await registered(bus)).generation == 2

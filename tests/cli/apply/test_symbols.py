"""Registering the symbols and limits of a configuration."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Registry
from cli.apply.start import LIMITS_UPDATED, apply_at_start
from cli.apply.symbols import select_entry
from cli.config.file import Configuration
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.subjects import ALL_VENUES
from schemas.units import Symbol, VenueId
from tests.cli.events import ENTRY, SETTINGS, SYMBOL, VENUE, grid_state, step

MARKET = (VENUE, SYMBOL)
KEY = subjects.registry_key(VENUE, SYMBOL)
OTHER = msgspec.structs.replace(ENTRY, symbol=Symbol("ETH/USDT"))
WIDER = msgspec.structs.replace(SETTINGS, price_interval=Decimal(2))
CHANGED = msgspec.structs.replace(ENTRY, settings=WIDER)


def configuration(*entries: SymbolEntry, portfolio: PortfolioSettings | None = None) -> Configuration:
    return Configuration(
        instance="sqt", venues=(), symbols=entries, portfolio=portfolio or PortfolioSettings()
    )


async def register_symbols(
    bus: Bus, entries: list[SymbolEntry], tradable: list[tuple[VenueId, Symbol]]
) -> list[str]:
    return await apply_at_start(bus, configuration(*entries), tradable)


async def registered(bus: Bus) -> SymbolEntry:
    entry = await Registry(bus, "symbols").get(KEY)
    assert entry is not None
    return decode_as(entry.data, SymbolEntry)


async def test_a_missing_symbol_is_registered(bus: Bus) -> None:
    assert await register_symbols(bus, [ENTRY], [MARKET]) == []

    assert await registered(bus) == ENTRY


async def test_an_unchanged_configuration_gives_no_notes(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY], [MARKET])

    assert await register_symbols(bus, [ENTRY], [MARKET]) == []


async def test_changed_settings_are_not_applied_but_noted(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY], [MARKET])

    notes = await register_symbols(bus, [CHANGED], [MARKET])

    (note,) = notes
    assert note.startswith(
        f"{VENUE} {SYMBOL} keeps its current settings; the configuration differs in price_interval: "
    )
    assert "control set" in note
    assert await registered(bus) == ENTRY


async def test_current_settings_come_from_the_journal(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY], [MARKET])
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(settings=WIDER)))

    assert await register_symbols(bus, [CHANGED], [MARKET]) == []
    assert "differs in price_interval" in (await register_symbols(bus, [ENTRY], [MARKET]))[0]


async def test_a_symbol_missing_in_the_configuration_is_noted(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY, OTHER], [MARKET, (VENUE, OTHER.symbol)])

    notes = await register_symbols(bus, [ENTRY], [MARKET, (VENUE, OTHER.symbol)])

    assert notes == ["sim ETH/USDT is not in the configuration, but continues to trade"]


async def test_a_registered_symbol_unknown_to_the_venue_is_an_error(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY, OTHER], [MARKET, (VENUE, OTHER.symbol)])

    with pytest.raises(CommandError, match="sim ETH/USDT is traded in this data directory"):
        await register_symbols(bus, [ENTRY], [MARKET])


def test_the_first_symbol_is_the_default() -> None:
    assert select_entry([ENTRY, OTHER], None) is ENTRY
    assert select_entry([ENTRY, OTHER], OTHER.symbol) is OTHER
    with pytest.raises(
        CommandError, match="--symbol XRP is not in the configuration, which has BTC/USDT:USDT, ETH/USDT"
    ):
        select_entry([ENTRY, OTHER], Symbol("XRP"))


async def test_an_undecodable_entry_is_skipped(bus: Bus) -> None:
    await Registry(bus, "symbols").create("sim.nonsense", SETTINGS)

    (note,) = await register_symbols(bus, [ENTRY], [MARKET])

    assert note == "the registered symbol sim.nonsense cannot be decoded and is skipped"


async def test_an_undecodable_entry_of_a_configured_symbol_is_overwritten(bus: Bus) -> None:
    await Registry(bus, "symbols").create(KEY, SETTINGS)

    (note,) = await register_symbols(bus, [ENTRY], [MARKET])

    assert "are overwritten" in note
    assert await registered(bus) == ENTRY


async def test_a_symbol_of_another_venue_is_an_error(bus: Bus) -> None:
    await register_symbols(bus, [ENTRY], [MARKET])

    with pytest.raises(CommandError, match=r"add it to the instruments of venues\.sim,"):
        await register_symbols(bus, [], [(VenueId("sim2"), SYMBOL)])


async def test_limits_are_overwritten_at_each_start(bus: Bus) -> None:
    narrow, wide = (PortfolioSettings(max_losing_round_trips=count) for count in (3, 4))
    assert await apply_at_start(bus, configuration(portfolio=narrow), []) == []
    assert await apply_at_start(bus, configuration(portfolio=narrow), []) == []
    assert await apply_at_start(bus, configuration(portfolio=wide), []) == [LIMITS_UPDATED]
    stored = await Registry(bus, "portfolios").get(ALL_VENUES)
    assert stored is not None
    assert decode_as(stored.data, PortfolioEntry).settings == wide


async def test_a_removed_symbol_stays_removed(bus: Bus) -> None:
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(removed=True)))

    (note,) = await register_symbols(bus, [ENTRY], [MARKET])

    assert note.startswith(f"{VENUE} {SYMBOL} stays removed")
    assert await Registry(bus, "symbols").get(KEY) is None


async def test_a_removed_symbol_is_registered_with_a_higher_generation(bus: Bus) -> None:
    await bus.store(subjects.step(VENUE, SYMBOL), step(1, state=grid_state(removed=True)))

    assert await register_symbols(bus, [msgspec.structs.replace(ENTRY, generation=2)], [MARKET]) == []
    assert (await registered(bus)).generation == 2

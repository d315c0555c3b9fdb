"""Which symbols of a venue are traded or watched: the `symbols` registry, read."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bus import Bus, Entry, Logger, Registry, follow_roster
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import SymbolEntry
from schemas.units import Symbol, VenueId


async def symbols_of(bus: Bus, venue: VenueId, log: Logger) -> list[Symbol]:
    """Return the venue's symbols, waiting until the registry names at least one."""
    registry = Registry(bus, "symbols")
    async with aclosing(registry.follow()) as changes:
        async for _ in changes:
            entries = (await registry.entries()).values()
            symbols = [s for entry in entries if (s := _symbol_of(entry, venue, log)) is not None]
            if symbols:
                return sorted(symbols)
    raise AssertionError("a registry is followed for ever")


async def changes_of(bus: Bus, venue: VenueId, log: Logger) -> AsyncGenerator[tuple[Symbol, bool], None]:
    """Yield each symbol of the venue's roster and True, then, for ever, what comes, and what goes with False."""
    async with aclosing(follow_roster(bus, log)) as changes:
        async for key, entry in changes:
            name, _, token = key.partition(".")
            if name == venue:
                yield Symbol(subjects.unescape(token)), entry is not None


def _symbol_of(stored: Entry, venue: VenueId, log: Logger) -> Symbol | None:
    try:
        entry = decode_as(stored.data, SymbolEntry)
    except UndecodableError as error:
        log.error("undecodable", subject=stored.key, detail=str(error))
        return None
    return entry.symbol if entry.venue == venue else None

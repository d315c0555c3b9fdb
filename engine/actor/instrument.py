"""The symbol's instrument as the market publisher keeps it in the bucket `instruments`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bus import Bus, Logger, Registry, decode_or_log
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.venue.instruments import Instrument


async def instruments(bus: Bus, entry: SymbolEntry, log: Logger) -> AsyncGenerator[Instrument, None]:
    """Yield the instrument, waiting for it to be published, then each change, for ever."""
    key = subjects.registry_key(entry.venue, entry.symbol)
    async with aclosing(Registry(bus, "instruments").follow(key)) as changes:
        async for _, stored in changes:
            instrument = None if stored is None else decode_or_log(stored, Instrument, log)
            if instrument is not None:
                yield instrument


async def first_instrument(bus: Bus, entry: SymbolEntry, log: Logger) -> Instrument:
    """Return the instrument, waiting for it to be published."""
    async with aclosing(instruments(bus, entry, log)) as found:
        return await anext(found)


async def follow_instrument(
    bus: Bus, entry: SymbolEntry, put: Callable[[Instrument], None], log: Logger
) -> None:
    """Pass on the instrument and each change, for ever."""
    async with aclosing(instruments(bus, entry, log)) as found:
        async for instrument in found:
            put(instrument)

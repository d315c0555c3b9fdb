"""The traded symbols: follow the bucket `symbols`, and remove entries from it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bus.client.connection import Bus
from bus.errors import Conflict
from bus.log import Logger
from bus.streams.decoding import decode_or_log
from bus.streams.provision import APPLY, OnWait
from bus.streams.registry import Registry
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import SymbolEntry
from schemas.units import Symbol, VenueId

BUCKET = "symbols"


def nothing_registered(venue: VenueId | None = None) -> str:
    """Return the problem of a part without symbols, for operators."""
    where = "" if venue is None else f" of venue {venue}"
    return f"no symbol{where} is registered, so nothing is traded: {APPLY}"


async def follow_symbols(bus: Bus, log: Logger) -> AsyncGenerator[tuple[str, SymbolEntry | None], None]:
    """Yield every entry with its key (`sim.BTC-USDT`), then each change, for ever; None for a deleted entry.

    An entry that vanished because the bucket was lost stays valid: the engine that runs the symbol puts it back.
    An undecodable entry is logged and skipped: the previous entry stays valid.
    Raises: StreamGone when the bucket does not exist at first.
    """
    async with aclosing(Registry(bus, BUCKET).follow()) as changes:
        async for key, stored in changes:
            if stored is None:
                yield key, None
            elif (entry := decode_or_log(stored, SymbolEntry, log)) is not None:
                yield key, entry


async def follow_venue_symbols(
    bus: Bus, venue: VenueId, log: Logger
) -> AsyncGenerator[tuple[Symbol, bool], None]:
    """Yield every traded symbol of a venue with True, then each change, for ever; False for a removed symbol.

    Raises: StreamGone when the bucket does not exist at first.
    """
    async with aclosing(follow_symbols(bus, log)) as changes:
        async for key, entry in changes:
            key_venue, _, token = key.partition(".")
            if key_venue == venue:
                yield Symbol(subjects.unescape(token)), entry is not None


async def wait_for_symbols(
    bus: Bus, venue: VenueId, log: Logger, on_wait: OnWait = lambda _: None
) -> list[Symbol]:
    """Wait until a venue has traded symbols, and return them in order.

    `on_wait` is called with what is waited for if there are none yet, and with an empty text at the end.
    Raises: StreamGone when the bucket does not exist at first.
    """
    registry = Registry(bus, BUCKET)
    if not any(key.startswith(f"{venue}.") for key in await registry.entries()):
        problem = nothing_registered(venue)
        log.warning("no_symbols", venue=venue, do=APPLY)
        on_wait(problem)
    async with aclosing(registry.follow()) as changes:
        async for _ in changes:
            stored = (await registry.entries()).values()
            entries = [decode_or_log(each, SymbolEntry, log) for each in stored]
            if symbols := [each.symbol for each in entries if each is not None and each.venue == venue]:
                on_wait("")
                return sorted(symbols)
    raise AssertionError("a registry is followed for ever")


async def deregister(bus: Bus, entry: SymbolEntry) -> None:
    """Delete the entry of a symbol, unless it is already gone or the symbol was added again.

    Raises: StreamGone, NoSpace, Ambiguous: retry.
    """
    registry = Registry(bus, BUCKET)
    key = subjects.registry_key(entry.venue, entry.symbol)
    while (stored := await registry.get(key)) is not None:
        found = try_decode(stored.data, SymbolEntry)
        if found is None or found.generation != entry.generation:
            return
        try:
            await registry.delete(key, stored.revision)
        except Conflict:
            continue

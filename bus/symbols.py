"""The roster followed: which symbols are traded, from now on and as it changes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bus.client.connection import Bus
from bus.errors import Conflict
from bus.log import Logger
from bus.streams.registry import Registry
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import SymbolEntry

BUCKET = "symbols"


async def follow_roster(bus: Bus, log: Logger) -> AsyncGenerator[tuple[str, SymbolEntry | None], None]:
    """Yield every entry with its key, then each change, for ever; None for an entry that was taken away.

    An entry that cannot be read is passed over: what it was before goes on.
    Raises: StreamGone when there is no registry at first.
    """
    async with aclosing(Registry(bus, BUCKET).follow()) as changes:
        async for key, stored in changes:
            try:
                yield key, None if stored is None else decode_as(stored.data, SymbolEntry)
            except UndecodableError as error:
                log.error("undecodable", subject=key, detail=str(error))


async def deregister(bus: Bus, entry: SymbolEntry) -> None:
    """Take an entry away, unless it is gone already or the symbol was added anew.

    Raises: StreamGone, NoSpace, Ambiguous: ask again.
    """
    registry = Registry(bus, BUCKET)
    key = subjects.registry_key(entry.venue, entry.symbol)
    while (stored := await registry.get(key)) is not None:
        try:
            if decode_as(stored.data, SymbolEntry).generation != entry.generation:
                return
            await registry.delete(key, stored.revision)
        except UndecodableError:
            return
        except Conflict:
            continue

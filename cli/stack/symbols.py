"""Register the configuration's symbols and portfolio limits on the bus.

A registered symbol keeps its settings unless they cannot be decoded; the limits are overwritten at each start.
"""

from collections.abc import Collection, Sequence

from bus import Bus, Conflict, Entry, Registry, newest
from cli.errors import CommandError
from cli.program import program
from schemas import subjects
from schemas.codec import encode, try_decode
from schemas.engine.journal import Step, SymbolEntry
from schemas.engine.portfolio import PortfolioEntry
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId


async def register_symbols(
    bus: Bus, entries: Sequence[SymbolEntry], tradable: Collection[tuple[VenueId, Symbol]]
) -> list[str]:
    """Add missing entries to the `symbols` registry; return notes for the user, one line each.

    Raises: CommandError when the registry contains a symbol that is not `tradable` at its venue.
    """
    registry = Registry(bus, "symbols")
    notes: list[str] = []
    for entry in entries:
        key = subjects.registry_key(entry.venue, entry.symbol)
        if await _is_removed(bus, registry, key, entry):
            notes.append(
                f"{_name(entry)} stays removed; trade it again with: {program()} control add {_name(entry)} --settings FILE"
            )
        elif await registry.create(key, entry) is None:
            notes += await _keep_registered(bus, registry, key, entry)
    configured = {(entry.venue, entry.symbol) for entry in entries}
    for stored in (await registry.entries()).values():
        registered = _decoded(stored)
        if registered is None:
            notes.append(f"the registered symbol {stored.key} cannot be decoded and is skipped")
            continue
        market = registered.venue, registered.symbol
        if market not in tradable:
            raise CommandError(
                f"{_name(registered)} is traded in this data directory, but the configuration does not list it: "
                f"add it to the instruments of venues.{registered.venue}, or choose another directory with --data-dir"
            )
        if market not in configured:
            notes.append(f"{_name(registered)} is not in the configuration, but continues to trade")
    return notes


async def store_limits(bus: Bus, entry: PortfolioEntry) -> list[str]:
    """Write the limits over all symbols into the `portfolios` registry; return a note for the user if they changed.

    Unlike the settings of a symbol, the limits are overwritten by the configuration at each start. An entry of version
    0.1, under the name of a venue, is left as it is and not read any more.
    """
    registry = Registry(bus, "portfolios")
    while True:
        stored = await registry.get(entry.venue)
        if stored is not None and stored.data == encode(entry):
            return []
        try:
            if stored is None:
                await registry.create(entry.venue, entry)
                return []
            await registry.update(entry.venue, entry, stored.revision)
        except Conflict:
            continue  # written by another process since: read it again
        return ["the limits over all symbols were updated from the configuration"]


def select_entry(entries: Sequence[SymbolEntry], symbol: Symbol | None) -> SymbolEntry:
    """Return the entry of a symbol, the first entry if `symbol` is None.

    Raises: CommandError for an unknown symbol.
    """
    if symbol is None:
        return entries[0]
    for entry in entries:
        if entry.symbol == symbol:
            return entry
    known = ", ".join(entry.symbol for entry in entries)
    raise CommandError(f"--symbol {symbol} is not in the configuration, which has {known}")


async def _is_removed(bus: Bus, registry: Registry, key: str, entry: SymbolEntry) -> bool:
    """Return whether the symbol was removed with `control remove` and not added again since."""
    if await registry.get(key) is not None:
        return False
    last = await _last_step(bus, entry)
    return last is not None and last.state.removed and last.state.generation >= entry.generation


async def _last_step(bus: Bus, entry: SymbolEntry) -> Step | None:
    subject = subjects.step(entry.venue, entry.symbol)
    last = await newest(bus, Stream.JOURNAL, subject, Step, await bus.last(Stream.JOURNAL, subject))
    return last.event if last is not None else None


async def _keep_registered(bus: Bus, registry: Registry, key: str, entry: SymbolEntry) -> list[str]:
    """Keep the entry of a registered symbol unless it cannot be decoded; return how the configuration differs."""
    stored = await registry.get(key)
    if stored is None:
        return []
    registered = _decoded(stored)
    if registered is None:
        await registry.update(key, entry, stored.revision)
        return [f"{_name(entry)}: the registered settings cannot be decoded and were overwritten"]
    last = await _last_step(bus, entry)
    settings = last.state.settings if last is not None else registered.settings
    changed = [
        name
        for name in settings.__struct_fields__
        if getattr(settings, name) != getattr(entry.settings, name)
    ]
    if registered.instance != entry.instance:
        changed.append("instance")
    if not changed:
        return []
    differs = f"the configuration differs in {', '.join(changed)}"
    remedy = (
        f"change settings with: {program()} control set {_name(entry)} --set NAME=VALUE; or remove the symbol and add it "
        "again"
    )
    return [f"{_name(entry)} keeps its current settings; {differs}: {remedy}"]


def _decoded(stored: Entry) -> SymbolEntry | None:
    return try_decode(stored.data, SymbolEntry)


def _name(entry: SymbolEntry) -> str:
    return f"{entry.venue} {entry.symbol}"

"""The `symbols` registry, filled from the configuration: what is missing is added, what runs is left as it is."""

from collections.abc import Collection, Sequence

from bus import Bus, Conflict, Entry, Registry, newest
from cli.errors import CommandError
from schemas import subjects
from schemas.codec import UndecodableError, decode_as, encode
from schemas.engine.journal import Step, SymbolEntry
from schemas.engine.portfolio import PortfolioEntry
from schemas.subjects import Stream
from schemas.units import Symbol


async def enter(bus: Bus, entries: Sequence[SymbolEntry], tradable: Collection[Symbol]) -> list[str]:
    """Add the entries that the registry lacks; return what a person should know, one line each.

    Raises: CommandError when the registry names a symbol that is not `tradable`.
    """
    registry = Registry(bus, "symbols")
    notes: list[str] = []
    for entry in entries:
        key = subjects.registry_key(entry.venue, entry.symbol)
        if await _is_removed(bus, registry, key, entry):
            notes.append(f"{entry.symbol} was removed, and stays so: `opensqt control add` trades it again")
        elif await registry.create(key, entry) is None:
            notes += await _in_force(bus, registry, key, entry)
    named = {entry.symbol for entry in entries}
    for stored in (await registry.entries()).values():
        registered = _entry(stored)
        if registered is None:
            notes.append(f"the roster's entry {stored.key} cannot be read, and is passed over")
            continue
        symbol = registered.symbol
        if symbol not in tradable:
            raise CommandError(
                f"{symbol} runs in this data directory, and the configuration's venue does not have it: "
                "describe it there, or name another directory with --data-dir"
            )
        if symbol not in named:
            notes.append(f"{symbol} is not in the configuration, and goes on being traded")
    return notes


async def limit(bus: Bus, entry: PortfolioEntry) -> list[str]:
    """Write the limits over all symbols into the `portfolios` registry; return what a person should know.

    Unlike a symbol's settings they are those of the configuration at each start.
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
            continue  # somebody else wrote it meanwhile: look again
        return ["the limits over all symbols are those of the configuration now"]


async def _is_removed(bus: Bus, registry: Registry, key: str, entry: SymbolEntry) -> bool:
    """Tell whether a person removed the symbol, and nobody added it since."""
    if await registry.get(key) is not None:
        return False
    last = await _last_step(bus, entry)
    return last is not None and last.state.removed and last.state.generation >= entry.generation


async def _last_step(bus: Bus, entry: SymbolEntry) -> Step | None:
    subject = subjects.step(entry.venue, entry.symbol)
    last = await newest(bus, Stream.JOURNAL, subject, Step, await bus.last(Stream.JOURNAL, subject))
    return last.event if last is not None else None


async def _in_force(bus: Bus, registry: Registry, key: str, entry: SymbolEntry) -> list[str]:
    stored = await registry.get(key)
    if stored is None:
        return []
    registered = _entry(stored)
    if registered is None:
        await registry.update(key, entry, stored.revision)
        return [f"{entry.symbol}: what the roster had of it cannot be read, and is written anew"]
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
    remedy = "`opensqt control set` changes some while it runs; for others remove it and add it again"
    return [f"{entry.symbol} keeps the settings it runs with; {differs}: {remedy}"]


def _entry(stored: Entry) -> SymbolEntry | None:
    try:
        return decode_as(stored.data, SymbolEntry)
    except UndecodableError:
        return None


def only(entries: Sequence[SymbolEntry], symbol: Symbol | None) -> SymbolEntry:
    """Return the entry of a symbol, the first one when none is named.

    Raises: CommandError when there is no such symbol.
    """
    if symbol is None:
        return entries[0]
    for entry in entries:
        if entry.symbol == symbol:
            return entry
    known = ", ".join(entry.symbol for entry in entries)
    raise CommandError(f"--symbol {symbol}: the configuration trades {known}")

"""Differences between the registered symbols and those of a configuration."""

from collections.abc import Collection, Sequence

import msgspec

from bus import Bus, Entry, Registry, StreamGone, newest
from cli.apply.changes import Change, ChangeSettings, Plan, Sign, StoreLimits, StoreSymbol, counted, joined
from cli.errors import CommandError
from cli.program import program
from engine.core.settings_checks import check
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.settings import GridSettings
from schemas.grid.settings_notation import SETTING_FORMATS, differences, setting_text
from schemas.grid.state import GridState
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import Price, Symbol, VenueId
from schemas.venue.instruments import quote_of

BUCKET = "symbols"
IMMUTABLE = "cannot be changed while it is traded: remove the symbol and add it again"


async def plan_symbols(bus: Bus, entries: Sequence[SymbolEntry]) -> Plan:
    """Return how the registered symbols differ from `entries`; symbols that only the bus has are notes."""
    stored = await _registered(bus)
    plans = [
        await _plan_symbol(bus, entry, stored.get(subjects.registry_key(entry.venue, entry.symbol)))
        for entry in entries
    ]
    plan = joined(*plans)
    configured = {subjects.registry_key(entry.venue, entry.symbol) for entry in entries}
    notes = [_foreign_note(each) for key, each in sorted(stored.items()) if key not in configured]
    return Plan(plan.changes, counted(len(plan.equal), "symbol"), (*plan.notes, *notes))


async def check_tradable(bus: Bus, tradable: Collection[tuple[VenueId, Symbol]]) -> None:
    """Check that the venues list each registered symbol.

    Raises: CommandError.
    """
    for stored in (await _registered(bus)).values():
        registered = try_decode(stored.data, SymbolEntry)
        if registered is not None and (registered.venue, registered.symbol) not in tradable:
            raise CommandError(
                f"{_name(registered)} is traded in this data directory, but the configuration does not list it: "
                f"add it to the instruments of venues.{registered.venue}, or choose another directory with --data-dir"
            )


def kept_notes(plan: Plan) -> list[str]:
    """Return a note on each symbol whose settings are kept though the configuration differs."""
    remedy = "change settings with: {} control set {} --set NAME=VALUE; or remove the symbol and add it again"
    notes: dict[str, list[str]] = {}
    for each in plan.changes:
        if isinstance(each.action, StoreLimits):
            continue
        if each.needs_confirmation or each.sign is Sign.BLOCKED:
            notes.setdefault(each.what, []).extend(text.partition(" ")[0].rstrip(":") for text in each.texts)
    return [
        f"{what} keeps its current settings; the configuration differs in {', '.join(names)}: "
        + remedy.format(program(), what)
        for what, names in notes.items()
    ]


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


async def _plan_symbol(bus: Bus, entry: SymbolEntry, stored: Entry | None) -> Plan:
    state = await _last_state(bus, entry)
    if stored is None:
        return _plan_missing(entry, state)
    registered = try_decode(stored.data, SymbolEntry)
    if registered is None:
        text = "the registered settings cannot be decoded and are overwritten"
        return Plan((Change(Sign.CHANGE, _name(entry), (text,), StoreSymbol(entry, stored.revision)),))
    if state is None or state.generation < registered.generation:
        return _plan_unstarted(entry, registered, stored.revision)
    price = await _price(bus, entry)
    return _plan_running(entry, registered, state, price)


def _plan_missing(entry: SymbolEntry, state: GridState | None) -> Plan:
    if state is not None and state.removed and state.generation >= entry.generation:
        name = _name(entry)
        note = f"{name} stays removed; trade it again with: {program()} control add {name} --settings FILE"
        return Plan(notes=(note,))
    if state is not None and not state.removed:
        # The bucket was lost: the symbol continues with its state.
        entry = msgspec.structs.replace(entry, generation=max(entry.generation, state.generation))
    return Plan((Change(Sign.ADD, _name(entry), (_summary(entry),), StoreSymbol(entry, None)),))


def _plan_unstarted(entry: SymbolEntry, registered: SymbolEntry, revision: int) -> Plan:
    """Return the plan for a symbol that no engine has started: its entry is replaced as a whole."""
    found = differences(registered.settings, entry.settings, quote_of(entry.symbol))
    texts = [f"{name} {before} -> {after}" for name, before, after in found]
    if registered.instance != entry.instance:
        texts.append(f"instance {registered.instance} -> {entry.instance}")
    if not texts:
        return Plan(equal=(_name(entry),))
    new = msgspec.structs.replace(registered, settings=entry.settings, instance=entry.instance)
    action = StoreSymbol(new, revision)
    return Plan((Change(Sign.CHANGE, _name(entry), tuple(texts), action, needs_confirmation=True),))


def _plan_running(entry: SymbolEntry, registered: SymbolEntry, state: GridState, price: Price | None) -> Plan:
    name, quote, current = _name(entry), quote_of(entry.symbol), state.settings
    found = differences(current, entry.settings, quote)
    blocked = [
        f"{setting} {before} -> {after}: {IMMUTABLE}"
        for setting, before, after in found
        if setting not in SETTING_FORMATS or not SETTING_FORMATS[setting].is_live
    ]
    if registered.instance != entry.instance:
        blocked.append(f"instance {registered.instance} -> {entry.instance}: {IMMUTABLE}")
    live = [each for each in found if each[0] in SETTING_FORMATS and SETTING_FORMATS[each[0]].is_live]
    if live and not blocked:
        blocked = _mistakes(current, entry.settings, state, price)
    changes = [Change(Sign.BLOCKED, name, (text,)) for text in blocked]
    if live:
        texts = tuple(f"{setting} {before} -> {after}" for setting, before, after in live)
        action = ChangeSettings(entry.venue, entry.symbol, {each[0]: each[2] for each in live})
        changes.append(Change(Sign.CHANGE, name, texts, action, needs_confirmation=True))
    return Plan(tuple(changes)) if changes else Plan(equal=(name,))


def _mistakes(
    current: GridSettings, wanted: GridSettings, state: GridState, price: Price | None
) -> list[str]:
    """Return what the engine would refuse: mistakes that the settings in force do not have."""
    earlier = check(current, state.instrument, price)
    return [each for each in check(wanted, state.instrument, price) if each not in earlier]


def _summary(entry: SymbolEntry) -> str:
    settings, quote = entry.settings, quote_of(entry.symbol)
    amount = setting_text(settings, "order_amount", quote)
    if settings.price_interval is not None:
        interval = f"{settings.price_interval:f} {quote}"
    else:
        interval = f"{(settings.interval_ratio or 0) * 100:f}".rstrip("0").rstrip(".") + "%"
    return f"{settings.mode}, {amount} every {interval}"


def _foreign_note(stored: Entry) -> str:
    registered = try_decode(stored.data, SymbolEntry)
    if registered is None:
        return f"the registered symbol {stored.key} cannot be decoded and is skipped"
    return f"{_name(registered)} is not in the configuration, but continues to trade"


async def _registered(bus: Bus) -> dict[str, Entry]:
    try:
        return await Registry(bus, BUCKET).entries()
    except StreamGone:
        return {}  # created when the plan is applied


async def _last_state(bus: Bus, entry: SymbolEntry) -> GridState | None:
    subject = subjects.step(entry.venue, entry.symbol)
    try:
        last = await newest(bus, Stream.JOURNAL, subject, Step, await bus.last(Stream.JOURNAL, subject))
    except StreamGone:
        return None
    return last.event.state if last is not None else None


async def _price(bus: Bus, entry: SymbolEntry) -> Price | None:
    last = await bus.last(Stream.JOURNAL, subjects.grid(entry.venue, entry.symbol))
    grid = None if last is None else try_decode(last.data, GridView)
    return None if grid is None else grid.price


def _name(entry: SymbolEntry) -> str:
    return f"{entry.venue} {entry.symbol}"

"""Resolve the names that operators type: venues, symbols, and the page's names of symbols."""

import difflib
from collections.abc import Collection, Iterable

from bus import Bus, Registry, StreamGone
from bus.commands import AddressedSymbol, traded_symbols
from cli.errors import CommandError
from schemas import subjects
from schemas.engine.control import CommandName
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import Symbol, VenueId


async def resolve_symbol(bus: Bus, name: CommandName, venue: VenueId, symbol: str) -> Symbol:
    """Return the symbol that a command means: among the traded ones, for `add` among the venue's instruments.

    Raises: CommandError for an unknown venue or symbol, with the nearest names, and for an ambiguous name.
    """
    traded = _pairs(await traded_symbols(bus))
    listed = _pairs(await _instruments(bus))
    if name is CommandName.ADD:
        return find_symbol(venue, symbol, listed, "listed")
    venues = {each.venue for each in {*traded, *listed}}
    if symbol == ALL:
        if venue != ALL_VENUES and venue not in venues:
            raise CommandError(f"there is no venue {venue}; {nearest(venue, venues)}")
        return Symbol(ALL)
    return find_symbol(venue, symbol, traded, "traded")


def find_symbol(venue: VenueId, text: str, known: Collection[AddressedSymbol], verb: str) -> Symbol:
    """Return the symbol of a venue by its name in ccxt's notation, or by the page's: `BTCUSDT`, `BTCUSDT.SPOT`.

    Raises: CommandError for an unknown venue or symbol, and when the text means several symbols.
    """
    here = sorted(each.symbol for each in known if each.venue == venue)
    if text in here:
        return Symbol(text)
    if not here:
        venues = {each.venue for each in known}
        raise CommandError(f"nothing is {verb} on a venue {venue}; {nearest(venue, venues)}")
    found = [symbol for symbol in here if text.upper() in _page_names(venue, symbol)]
    if len(found) > 1:
        raise CommandError(f"{text} on {venue} is ambiguous: name {' or '.join(found)}")
    if not found:
        raise CommandError(f"{venue} {text} is not {verb}; {nearest(text, here)}")
    return found[0]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the names most like a mistyped one, and all known ones if they are few: `did you mean sim?`."""
    names = sorted(known)
    if not names:
        return "there is none"
    near = difflib.get_close_matches(name.upper(), [each.upper() for each in names], n=3, cutoff=0.5)
    likely = [each for each in names if each.upper() in near]
    if likely:
        return f"did you mean {' or '.join(likely)}?"
    return f"there is {', '.join(names[:20])}{' ...' if len(names) > 20 else ''}"


def _page_names(venue: VenueId, symbol: Symbol) -> set[str]:
    base, _, quote = symbol.partition(":")[0].partition("/")
    plain = f"{base}{quote}".upper()
    names = {symbol.upper(), plain} if ":" in symbol else {symbol.upper(), plain, f"{plain}.SPOT"}
    return names | {f"{each}.{venue}".upper() for each in names}


def _pairs(keys: Iterable[str]) -> list[AddressedSymbol]:
    split = (key.partition(".") for key in keys)
    return [
        AddressedSymbol(VenueId(venue), Symbol(subjects.unescape(token)))
        for venue, _, token in split
        if venue and token
    ]


async def _instruments(bus: Bus) -> set[str]:
    try:
        return set(await Registry(bus, "instruments").entries())
    except StreamGone:
        return set()

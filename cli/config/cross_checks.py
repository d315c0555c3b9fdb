"""Checks of a configuration that concern venues and symbols together."""

import difflib
from collections.abc import Sequence

from cli.config.section import Section
from cli.config.symbols import ReadSymbol
from cli.config.venues import ReadInstrument, ReadVenue
from engine.core.settings_checks import check
from schemas.grid.settings import GridMode
from schemas.units import Symbol, VenueId
from schemas.venue.instruments import InstrumentKind
from schemas.venue.order_ids import symbol_code


def cross_check(top: Section, venues: Sequence[ReadVenue], symbols: Sequence[ReadSymbol]) -> None:
    """Note mistakes that concern venues and symbols together."""
    line = top.line_of("venues")
    if not venues:
        top.note("venues is missing: describe one venue", line)
    _check_names(venues)
    by_name = {venue.name: venue for venue in venues}
    seen: dict[tuple[VenueId, str], Symbol] = {}
    _check_monitored(symbols)
    for symbol in symbols:
        _check_unique(symbol, seen)
        if symbol.entry.venue and (venue := _find_venue(symbol, by_name)) is not None:
            _check_instrument(symbol, venue)


def _check_names(venues: Sequence[ReadVenue]) -> None:
    """Names are parts of file names, which some systems compare without case."""
    first: dict[str, str] = {}
    for venue in venues:
        other = first.setdefault(venue.name.lower(), venue.name)
        if other != venue.name:
            venue.section.note(
                f"venues.{venue.name} and venues.{other} differ only in case: rename one of them",
                venue.section.line,
            )


def _check_monitored(symbols: Sequence[ReadSymbol]) -> None:
    for read in symbols:
        known = [each.entry.symbol for each in symbols if each.entry.venue == read.entry.venue]
        settings = read.entry.settings
        for symbol in settings.monitor_symbols:
            if symbol not in known:
                read.section.note(
                    f"{read.section.path}.monitor_symbols has {symbol}, which is not in symbols; "
                    f"{nearest(symbol, list(known))}",
                    read.section.line_of("monitor_symbols"),
                )
        if settings.monitor_symbols and settings.risk_trigger > len(settings.monitor_symbols):
            read.section.note(
                f"{read.section.path}.risk_trigger {settings.risk_trigger} exceeds the number of monitor_symbols",
                read.section.line_of("risk_trigger"),
            )


def _check_unique(read: ReadSymbol, seen: dict[tuple[VenueId, str], Symbol]) -> None:
    """Order ids are unique in an account: two accounts may trade the same symbol, with the same ids."""
    venue, symbol, section = read.entry.venue, read.entry.symbol, read.section
    if not symbol:
        return
    other = seen.setdefault((venue, symbol_code(symbol)), symbol)
    if other is not symbol:
        problem = (
            f"{symbol} is listed twice on {venue}"
            if other == symbol
            else f"{symbol} has the same order ids as {other}"
        )
        section.note(f"{problem}: remove one of them", section.line_of("symbol"))


def _find_venue(read: ReadSymbol, venues: dict[str, ReadVenue]) -> ReadVenue | None:
    name = read.entry.venue
    if name not in venues and venues:
        read.section.note(
            f"{read.section.path}.venue {name!r} is not in venues; {nearest(name, list(venues))}",
            read.section.line_of("venue"),
        )
    return venues.get(name)


def _check_instrument(read: ReadSymbol, venue: ReadVenue) -> None:
    symbol, section = read.entry.symbol, read.section
    instrument = venue.instruments.get(symbol)
    if instrument is None:
        if symbol:
            section.note(
                f"{venue.name} has no {symbol}; {nearest(symbol, list(venue.instruments))}",
                section.line_of("symbol"),
            )
        return
    if section.is_valid and instrument.section.is_valid:
        _check_settings(read, instrument, venue)


def _check_settings(read: ReadSymbol, instrument: ReadInstrument, venue: ReadVenue) -> None:
    symbol, section, rules = read.entry.symbol, read.section, instrument.settings.instrument
    foreign = [(key, amount) for key, amount in read.amounts if amount.currency != rules.quote]
    for key, amount in foreign:
        section.note(
            f"{section.path}.{key} has to be in {rules.quote}, the quote currency of {symbol}, not "
            f"{amount.currency}",
            section.line_of(key),
        )
    if read.entry.settings.mode is GridMode.NEUTRAL and rules.kind is InstrumentKind.SPOT:
        section.note(
            f"{symbol} is spot and cannot be sold short: use mode long, or a perpetual",
            section.line_of("mode"),
        )
    elif not foreign:
        for mistake in check(read.entry.settings, rules, instrument.settings.start_price):
            section.note(f"{symbol}: {mistake}")
    if not venue.settings.balances.get(rules.settle):
        venue.section.note(
            f"{venue.section.path}.balances has no {rules.settle}: {symbol} needs it",
            venue.section.line_of("balances"),
        )


def nearest(name: str, known: list[str]) -> str:
    """Return the name most like a mistyped one, else all: `did you mean sim?`."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}" if known else "none is defined"

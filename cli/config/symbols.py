"""The `symbols` of a configuration file: what is traded, and with which settings."""

from decimal import Decimal
from typing import NamedTuple

from cli import units
from cli.config.section import Section
from cli.units import Amount
from schemas.engine.journal import SymbolEntry
from schemas.grid import tuning
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import Ratio, Symbol, VenueId

FIRST_GENERATION = 1


class ReadSymbol(NamedTuple):
    """One symbol as the file has it; with mistakes, `entry` holds stand-ins."""

    entry: SymbolEntry
    amounts: tuple[tuple[str, Amount], ...]
    """The keys whose currency has to be the quote currency."""
    section: Section


def read_symbol(section: Section, instance: str) -> ReadSymbol:
    """Read one entry of `symbols`."""
    settings, amounts = read_settings(section)
    entry = SymbolEntry(
        venue=VenueId(section.required("venue", units.word, "")),
        symbol=Symbol(section.required("symbol", units.word, "")),
        instance=instance,
        generation=section.optional("generation", units.whole(1, 36**2 - 1), FIRST_GENERATION),
        settings=settings,
    )
    section.close()
    return ReadSymbol(entry, amounts, section)


def read_settings(section: Section) -> tuple[GridSettings, tuple[tuple[str, Amount], ...]]:
    """Return the settings in a table, and those of them that are amounts."""
    stand_in: Amount | Ratio = Amount(Decimal(1), "")
    interval = section.required("price_interval", tuning.amount_or_share, stand_in)
    amount = section.required("order_amount", units.amount, Amount(Decimal(1), ""))
    if amount.value <= 0:
        section.note(f"{section.path}.order_amount has to be above 0", section.line_of("order_amount"))
    fields: dict[str, object] = {"preflight": True}
    amounts = [("price_interval", interval)] if isinstance(interval, Amount) else []
    for name, written in tuning.WRITTEN.items():
        value = section.optional(name, written.read, None)
        if value is not None:
            fields |= tuning.fields(name, value)
        if isinstance(value, Amount):
            amounts.append((name, value))
    fields["order_amount"] = amount.value
    settings = GridSettings(
        mode=section.required("mode", units.choice(GridMode), GridMode.LONG),
        price_interval=interval.value if isinstance(interval, Amount) else None,
        interval_ratio=None if isinstance(interval, Amount) else interval,
        monitor_symbols=tuple(Symbol(text) for text, _ in section.values("monitor_symbols", units.word)),
        **fields,  # type: ignore[arg-type]  # each is what its field takes: the table's business
    )
    return settings, tuple(amounts)

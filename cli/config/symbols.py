"""The `symbols` section of a configuration: the symbols to trade and their settings."""

from decimal import Decimal
from typing import NamedTuple

from cli import units
from cli.config.section import Section
from cli.units import Amount
from schemas.engine.journal import SymbolEntry
from schemas.grid import settings_notation
from schemas.grid.settings import NEW_GRID, GridMode, GridSettings
from schemas.units import Ratio, Symbol, VenueId

FIRST_GENERATION = 1
_ABSENT: settings_notation.Value = Amount(Decimal(0), "absent")
"""In place of a setting that the file does not have: `None` is the value of one that is off."""


class ReadSymbol(NamedTuple):
    """One entry of the section `symbols`; `entry` contains placeholders where the file has mistakes."""

    entry: SymbolEntry
    amounts: tuple[tuple[str, Amount], ...]
    """Settings with a currency, which has to be the quote currency."""
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
    """Return the settings in a table, and those that have a currency."""
    placeholder: Amount | Ratio = Amount(Decimal(1), "")
    interval = section.required("price_interval", settings_notation.amount_or_share, placeholder)
    amount = section.required("order_amount", units.amount, Amount(Decimal(1), ""))
    if amount.value <= 0:
        section.note(f"{section.path}.order_amount has to be above 0", section.line_of("order_amount"))
    fields: dict[str, object] = {**NEW_GRID}
    amounts = [("price_interval", interval)] if isinstance(interval, Amount) else []
    for name, setting in settings_notation.SETTING_FORMATS.items():
        value = section.optional(name, setting.parse, _ABSENT)
        if value is _ABSENT:
            continue
        fields |= settings_notation.setting_fields(name, value)
        if isinstance(value, Amount):
            amounts.append((name, value))
    fields["order_amount"] = amount.value
    settings = GridSettings(
        mode=section.required("mode", units.choice(GridMode), GridMode.LONG),
        price_interval=interval.value if isinstance(interval, Amount) else None,
        interval_ratio=None if isinstance(interval, Amount) else interval,
        monitor_symbols=tuple(Symbol(text) for text, _ in section.values("monitor_symbols", units.word)),
        **fields,  # type: ignore[arg-type]  # `settings_notation` returns values of the fields' types
    )
    return settings, tuple(amounts)

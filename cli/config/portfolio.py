"""The `portfolio` section of a configuration: limits over all symbols of all venues, for each quote currency.

    portfolio:                            portfolio:
      max_exposure: 1000 USDT               USDT: { max_exposure: 1000 USDT, max_drawdown: 5% }
      max_drawdown: 5%                      BTC: { max_exposure: 0.05 BTC }
      max_stale_symbols: 3                  max_stale_symbols: 3

Amounts without a table are for symbols of one quote currency. Other keys outside the tables apply to each currency whose
table does not have them, and to the global circuit breaker.
"""

import re
from collections.abc import Collection
from decimal import Decimal

from cli import units
from cli.config.section import Section
from cli.units import Amount
from schemas.engine.portfolio import CurrencyLimits, PortfolioSettings
from schemas.units import Ratio

AMOUNTS = ("max_exposure", "max_drawdown")
MAX_COUNT = 1000
_CURRENCY = re.compile(r"[A-Z0-9]{1,15}\Z")


def read_portfolio(
    section: Section | None, traded: Collection[str], listed: Collection[str]
) -> PortfolioSettings:
    """Read the section; without one there are no limits.

    `traded` are the quote currencies of the symbols, `listed` those of all instruments of the venues.
    """
    default = PortfolioSettings()
    if section is None:
        return default
    tables = dict(section.named_sections(lambda key: _CURRENCY.match(key) is not None))
    common = _read_other_limits(section, CurrencyLimits())
    currencies = {name: _read_limits(table, name, common) for name, table in tables.items()}
    for name, table in tables.items():
        table.close()
        if listed and name not in listed:
            known = ", ".join(sorted(listed))
            section.note(f"no instrument is quoted in {name}; quote currencies: {known}", table.line)
    if not tables:
        has_amounts = any(section.has(key) for key in AMOUNTS)
        currency = _only(section, traded) if has_amounts else ""
        limits = _read_limits(section, currency, common)
        currencies = {currency: limits} if has_amounts else {}
    settings = PortfolioSettings(
        resume_below=common.resume_below,
        max_losing_round_trips=common.max_losing_round_trips,
        drawdown_window=common.drawdown_window,
        breaker_cool_down=common.breaker_cool_down,
        max_stale_symbols=_count(section, "max_stale_symbols", default.max_stale_symbols),
        max_tripped_symbols=_count(section, "max_tripped_symbols", default.max_tripped_symbols),
        max_order_latency=section.optional("max_order_latency", units.duration, default.max_order_latency),
        currencies=currencies,
    )
    for key in AMOUNTS:
        if tables and section.has(key):
            section.optional(key, str, "")
            section.note(f"{section.path}.{key} has to be in the table of a currency", section.line_of(key))
    section.close()
    return settings


def _only(section: Section, traded: Collection[str]) -> str:
    """Return the one quote currency of the symbols; note a mistake if there are several."""
    if len(traded) > 1:
        tables = "; ".join(f"{currency}: {{ max_exposure: ... }}" for currency in sorted(traded))
        key = next(key for key in AMOUNTS if section.has(key))
        section.note(
            f"{section.path}.{key} is for one quote currency, the symbols have several: write {tables}",
            section.line_of(key),
        )
    return next(iter(traded), "") if len(traded) == 1 else ""


def _read_limits(section: Section, currency: str, common: CurrencyLimits) -> CurrencyLimits:
    """Read the limits of one currency; amounts have to be in it, unless it is empty."""
    other = _read_other_limits(section, common)
    exposure = section.optional("max_exposure", units.amount, None)
    drawdown = section.optional("max_drawdown", _amount_or_ratio, None)
    for key, value in (("max_exposure", exposure), ("max_drawdown", drawdown)):
        if isinstance(value, Amount) and currency and value.currency != currency:
            section.note(
                f"{section.path}.{key} has to be in {currency}, not {value.currency}", section.line_of(key)
            )
    limits = CurrencyLimits(
        max_exposure=exposure.value if exposure else Decimal(0),
        max_drawdown=drawdown.value if isinstance(drawdown, Amount) else Decimal(0),
        max_drawdown_ratio=drawdown if isinstance(drawdown, Decimal) else Decimal(0),
        resume_below=other.resume_below,
        max_losing_round_trips=other.max_losing_round_trips,
        drawdown_window=other.drawdown_window,
        breaker_cool_down=other.breaker_cool_down,
    )
    if limits.max_drawdown_ratio and not limits.max_exposure:
        section.note(
            f"{section.path}.max_drawdown is a percentage of max_exposure, which is not set",
            section.line_of("max_drawdown"),
        )
    return limits


def _read_other_limits(section: Section, default: CurrencyLimits) -> CurrencyLimits:
    """Read the limits that are not amounts."""
    limits = CurrencyLimits(
        resume_below=section.optional("resume_below", units.ratio, default.resume_below),
        max_losing_round_trips=_count(section, "max_losing_round_trips", default.max_losing_round_trips),
        drawdown_window=section.optional("drawdown_window", units.duration, default.drawdown_window),
        breaker_cool_down=section.optional("breaker_cool_down", units.duration, default.breaker_cool_down),
    )
    if not 0 < limits.resume_below <= 1:
        section.note(
            f"{section.path}.resume_below has to be above 0% and at most 100%",
            section.line_of("resume_below"),
        )
    for name in ("drawdown_window", "breaker_cool_down"):
        if getattr(limits, name) <= 0:
            section.note(f"{section.path}.{name} has to be above 0", section.line_of(name))
    return limits


def _count(section: Section, key: str, default: int) -> int:
    return section.optional(key, units.whole(0, MAX_COUNT), default)


def _amount_or_ratio(text: str) -> Amount | Ratio:
    try:
        return units.ratio(text) if text.endswith("%") else units.amount(text)
    except ValueError:
        raise ValueError("has to be an amount, like 100 USDT, or a percentage, like 5%") from None

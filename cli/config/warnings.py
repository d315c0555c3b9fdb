"""Warn of settings that are valid, but probably not intended."""

from collections.abc import Iterator
from decimal import Decimal

from cli import units
from cli.config.file import Configuration
from engine.core.startup.level_sizes import MIN_LOT_USE
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import MILLISECOND_NS, DurationNs, Money, Ratio
from schemas.venue.instruments import InstrumentKind

MAX_SLIPPAGE = Decimal("0.1")
"""Flattening farther from the best price than this is hardly intended."""


def warnings(configuration: Configuration) -> list[str]:
    """Return one line for each suspicious setting."""
    found = [
        f"warning: {entry.symbol}{_venue(configuration, entry)} {text}"
        for entry in configuration.symbols
        for text in _symbol_warnings(
            entry.settings, configuration.settings_of(entry), configuration.venue_of(entry)
        )
    ]
    return found + [f"warning: portfolio: {text}" for text in _portfolio_warnings(configuration)]


def interval_ratio(settings: GridSettings, symbol: SymbolSettings) -> Ratio:
    """Return the distance between levels at the start price as a ratio, rounded to 1e-6."""
    if settings.price_interval is not None:
        return round(settings.price_interval / symbol.start_price, 6)
    assert settings.interval_ratio is not None, "the file reader requires one of the two"
    return settings.interval_ratio


def fees_of_both_sides(symbol: SymbolSettings) -> Ratio:
    """Return the fees of a round trip as a ratio."""
    return 2 * symbol.instrument.maker_fee


def window_value(settings: GridSettings) -> Money:
    """Return what a filled window is worth: that of the larger side of a neutral grid."""
    is_neutral = settings.mode is GridMode.NEUTRAL
    return settings.order_amount * max(settings.buy_window, settings.sell_window if is_neutral else 0)


def _symbol_warnings(settings: GridSettings, symbol: SymbolSettings, venue: VenueSettings) -> Iterator[str]:
    interval, fees = interval_ratio(settings, symbol), fees_of_both_sides(symbol)
    if interval <= fees:
        yield (
            f"loses money on every round trip: its interval is {units.percent_text(interval)}, the fees of both sides "
            f"are {units.percent_text(fees)}"
        )
    yield from _time_warnings(settings, venue)
    yield from _loss_warnings(settings, symbol.instrument.quote)
    yield from _price_warnings(settings, symbol)
    yield from _size_warnings(settings, symbol, venue)


def _time_warnings(settings: GridSettings, venue: VenueSettings) -> Iterator[str]:
    tick = venue.tick_interval
    for name in ("stale_after", "max_stale"):
        value = getattr(settings, name)
        if 0 < value <= tick:
            yield f"has {name} {_duration(value)}, not above the interval of ticks, {_duration(tick)}: any feed is stale"
    has_breaker = settings.max_losing_round_trips or settings.max_drawdown or settings.max_drawdown_ratio
    if has_breaker and not settings.breaker_cool_down:
        yield "has breaker_cool_down 0: an open circuit breaker is half-open at once"


def _loss_warnings(settings: GridSettings, quote: str) -> Iterator[str]:
    window = window_value(settings)
    if settings.max_drawdown_ratio > 1:
        share = units.percent_text(settings.max_drawdown_ratio)
        yield f"has max_drawdown {share}: more than a filled window is worth, so it is hardly ever reached"
    for name in ("max_drawdown", "stop_loss"):
        value = getattr(settings, name)
        if value > window:
            yield f"has {name} {value} {quote}: more than a filled window is worth, {window} {quote}"
    if settings.max_correction is not None and settings.max_correction > window:
        yield f"has max_correction {settings.max_correction} {quote}: any difference of the position is corrected"
    if settings.flatten_slippage > MAX_SLIPPAGE:
        yield f"has flatten_slippage {units.percent_text(settings.flatten_slippage)}: flattening may cost as much"


def _price_warnings(settings: GridSettings, symbol: SymbolSettings) -> Iterator[str]:
    price, quote = symbol.start_price, symbol.instrument.quote
    lower, upper = settings.lower_price, settings.upper_price
    if (lower is not None and price < lower) or (upper is not None and price > upper):
        yield f"opens nothing at its start_price {price} {quote}: it is beyond lower_price or upper_price"
    below, above = settings.stop_below_price, settings.stop_above_price
    if (below is not None and price <= below) or (above is not None and price >= above):
        yield f"stops at its start_price {price} {quote}: stop_below_price or stop_above_price is reached"


def _size_warnings(settings: GridSettings, symbol: SymbolSettings, venue: VenueSettings) -> Iterator[str]:
    rules, window = symbol.instrument, window_value(settings)
    orders = settings.buy_window + settings.sell_window
    if settings.order_cleanup_threshold < orders:
        yield (
            f"has order_cleanup_threshold {settings.order_cleanup_threshold}, below the {orders} orders of its windows: the "
            "farthest levels have none"
        )
    worth = rules.quantity_down(settings.order_amount / symbol.start_price) * symbol.start_price
    if 0 < worth < settings.order_amount * MIN_LOT_USE:
        yield (
            f"has orders of {worth.normalize():f} instead of {settings.order_amount} {rules.quote} at its start_price: "
            f"the lot is {rules.lot_size} {rules.base}"
        )
    leverage = Decimal(1) if rules.kind is InstrumentKind.SPOT else symbol.leverage
    balance = venue.balances.get(rules.settle, Decimal(0))
    if window > balance * leverage:
        yield (
            f"needs {window / leverage:.2f} {rules.settle} for a filled window, more than the balance of {balance} "
            f"{rules.settle}"
        )


def _portfolio_warnings(configuration: Configuration) -> Iterator[str]:
    portfolio, count = configuration.portfolio, len(configuration.symbols)
    for currency, limits in portfolio.currencies.items():
        for entry in configuration.symbols:
            window = window_value(entry.settings)
            is_quoted = configuration.settings_of(entry).instrument.quote == currency
            if is_quoted and 0 < limits.max_exposure < window:
                yield (
                    f"max_exposure {limits.max_exposure} {currency} is below the worth of one filled window of "
                    f"{entry.symbol}, {window} {currency}"
                )
        if limits.max_drawdown_ratio > 1:
            yield f"max_drawdown {units.percent_text(limits.max_drawdown_ratio)} of {currency} is more than max_exposure"
        if 0 < limits.max_exposure < limits.max_drawdown:
            yield f"max_drawdown {limits.max_drawdown} {currency} is more than max_exposure {limits.max_exposure}"
    for name in ("max_stale_symbols", "max_tripped_symbols"):
        if getattr(portfolio, name) > count:
            yield f"{name} {getattr(portfolio, name)} is never reached: there are {count} symbols"


def _venue(configuration: Configuration, entry: SymbolEntry) -> str:
    return f" on {entry.venue}" if len(configuration.venues) > 1 else ""


def _duration(value: DurationNs) -> str:
    milliseconds = value / MILLISECOND_NS
    return f"{milliseconds:g}ms" if milliseconds < 1000 else f"{milliseconds / 1000:g}s"
